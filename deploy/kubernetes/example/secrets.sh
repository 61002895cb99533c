#!/bin/sh
# Makes the passwords in secrets/ that are not there yet, and from them what the
# brokers read. To replace one, remove its file and run this again.
set -eu
umask 077
cd "$(dirname "$0")/secrets"
mkdir -p tokens receivers

word() { od -An -N24 -tx1 /dev/urandom | tr -d ' \n'; }

users='sys admin proxy status notifier operator subscriber cluster'
for name in $users clients; do
  [ -s "$name" ] || word >"$name"
done
{
  for user in $users; do
    printf '%s_PASSWORD: "%s"\n' "$(echo "$user" | tr a-z A-Z)" "$(cat "$user")"
  done
  echo 'ROUTES: ['
  for n in 0 1 2; do
    printf '  "nats-route://cluster:%s@nats-%d.nats-peers:6222"\n' "$(cat cluster)" "$n"
  done
  echo ']'
} >passwords.conf
