// Package mongodb is the link to MongoDB: one server, a replica set or a
// sharded cluster. It looks documents up; which ones, and what they mean, is
// not its business, and neither is trying again.
package mongodb
