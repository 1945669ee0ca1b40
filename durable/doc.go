// Package durable says how what outlives the process of a durable session is
// written down: each message of the log, each session with its subscriptions,
// in versioned records that are small and quick to make; and it keeps records
// (Keeper), so that a client whose record changes while it is being written
// costs one write more and not one for each change.
//
// It doesn't decide which message or session is durable, doesn't deliver, and
// knows neither files nor network: package broker decides, package engine
// stores. What a session has sent and received is in the record that package
// session makes itself (session.Session.Save).
//
// Records are read by later versions of the program, and by the nodes of a
// cluster that is updated one by one. Each begins with its version; one that
// is newer than the program is an error that says so. Reading never panics,
// whatever the bytes are.
package durable
