// Package stack tests what deploy/ ships: the broker's users on a nats-server of
// this machine, and, with the build tag stack and a Docker engine, the unmodified
// docker-compose.yml.
package stack
