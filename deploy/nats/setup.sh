#!/bin/sh
# Makes what the stack needs before its first start and does not have yet: the
# folders of the volumes, and a random password for each user of the broker.
#
#   docker compose run --rm setup show NAME     print a secret
#   docker compose run --rm setup renew NAME    replace it; docs/stack.md says what then
#
# A secret belongs to root; the group that may read it is that of its one
# reader. The numbers are those of docker-compose.yml.
set -eu
umask 027
cd /run/secrets

users='sys:0 admin:10004 proxy:10001 status:10002 notifier:10003 operator:10005 subscriber:0'
others='clients:10001 cluster:0' # whom the proxy lets in; what servers of a cluster show one another
servers='nats nats2 nats3'
broker=10000

word() { od -An -N24 -tx1 /dev/urandom | tr -d ' \n'; }

place() { # NAME GROUP, content from standard input
  cat >".$1.new"
  chgrp "$2" ".$1.new"
  chmod 0440 ".$1.new"
  mv ".$1.new" "$1"
}

broker_users() {
  for user in $users; do
    name=${user%:*}
    printf '%s_PASSWORD: "%s"\n' "$(echo "$name" | tr a-z A-Z)" "$(cat "$name")"
  done
}

broker_routes() {
  printf 'CLUSTER_PASSWORD: "%s"\nROUTES: [\n' "$(cat cluster)"
  for server in $servers; do
    printf '  "nats://cluster:%s@%s:6222"\n' "$(cat cluster)" "$server"
  done
  echo ']'
}

known() {
  for each in $users $others; do [ "${each%:*}" = "$1" ] && return; done
  echo "setup: no secret is named \"$1\"; there are: $users $others" | sed 's/:[0-9]*//g' >&2
  exit 2
}

case "${1:-}" in
show)
  known "${2:-}"
  cat "$2"
  exit
  ;;
renew)
  known "${2:-}"
  rm -f "$2"
  ;;
'') ;;
*)
  echo 'usage: setup [show NAME | renew NAME]' >&2
  exit 2
  ;;
esac

for each in $users $others; do
  [ -s "${each%:*}" ] || word | place "${each%:*}" "${each#*:}"
done
broker_users | place nats.conf "$broker"
broker_routes | place cluster.conf "$broker"
chmod 0755 /run/secrets
chown "$broker:$broker" /data*
chown 10001:10001 /var/lib/authwatch*
echo 'setup: ready'
