// Package session holds one client's MQTT state: its subscriptions, the
// deliveries in flight to it, those that wait in the mqueue, the QoS 2
// messages received from it and not yet released, its will and its expiry
// (MQTT 5 clauses 4.1, 4.3, 4.4, 4.6 and 4.9).
//
// It is a pure state machine. Every call takes what happened and the time,
// Unix milliseconds, and says through a Sender what goes out; nothing here
// does I/O, locks, waits or starts a goroutine or a timer. It doesn't route,
// decode or authorize, and knows no other session: that is the broker's. The
// caller serializes the calls on one Session.
//
// The books balance at every step: each delivery given to Deliver has either
// been handed to a connection (a Publish with dup false that returned true),
// or waits in the queue, or is held for a save, or was reported dropped, once,
// with its reason, or was taken out of the queue by Surrender.
//
// A session may outlive its process: SetDurable. It then has a record of its
// state made (Save), which the caller keeps, and sends what depends on it when
// it is kept (Saved).
package session
