// Package broker is the middle of Dunlin: who is connected, who subscribes to
// what, and how a message gets from one to the others.
//
// It has the registry of clients with takeover, discard and kick; the index of
// subscriptions; the pipeline that every published message passes; shared
// groups, wills, delayed messages, topic rewriting and the $SYS topics. It
// doesn't know bytes or sockets: a connection is a Conn, stated here and
// implemented by package server; and it knows neither cluster nor gateways:
// those are Subscribers in the same index as local clients.
//
// Locks are taken in this order: one client, then one of registry, exclusive
// topics and groups, then index or wheel. Nobody holds two clients. Functions
// of hooks run with no lock held, but for message.delivered and
// client.connack, which run under their client's lock and must therefore not
// call the broker.
package broker
