// Package connector holds what the links to outside systems share: the keys
// of their TLS, and the errors that say whether trying again makes sense.
// Each system is a folder below this one, with its client library and the keys
// of its connection.
//
// A link is dumb. It connects when it is first used and whenever it has lost
// its connection, and gives up when the context says so. It doesn't retry,
// gather or queue, and doesn't know what it is used for: that is the business
// of whoever uses it.
package connector
