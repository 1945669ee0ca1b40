// Package trace writes down what happens to one client, to one topic or to one
// address: every packet and every decision, a line each, in a file of its own,
// while the broker serves everybody else as before.
//
// A Tracer has the traces. Whoever has something to tell asks it for Active,
// one atomic load, which is nil as long as nothing is traced; then whether any
// trace is about the client or the topic; and only then makes a Line.
//
// The package decides nothing about what it sees, and is no log: what an
// operator has to know stands in that of the node. Passwords, the data of
// AUTH packets and the payload of a will in CONNECT are never written.
package trace
