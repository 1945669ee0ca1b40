// Package scram proves who a client is by SCRAM-SHA-256 and SCRAM-SHA-512
// (RFC 5802 and 7677), two methods of MQTT 5's enhanced authentication (clause
// 4.12), and keeps the accounts for it. The password never crosses the wire and
// isn't kept; client and server prove to each other that they know it.
//
// There is no channel binding, so no SCRAM-…-PLUS: a client that insists on it
// (gs2 flag p) is refused, one that could have done it (flag y) is not. There
// is no SCRAM-SHA-1: that of EMQ X 4.3 derives its keys in a way of its own, so
// neither its clients nor its accounts would work with the real one.
//
// The accounts are not those of passwords (see auth/builtin): the keys can't be
// derived from each other.
package scram
