// Package redis is the link to Redis: one server, the master that sentinels
// name, or a cluster. It sends commands and hands back replies; what they mean
// is not its business, and neither is trying again.
package redis
