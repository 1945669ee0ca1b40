// Package builtin is the broker's own list of who may connect and what they may
// do: accounts by client id and by user name, ACL rules for one client id, one
// user name or all, and a list of the only client ids that are let in. EMQ X
// calls the first two mnesia; its keys, formats and order of precedence hold.
//
// It keeps no sessions and asks nobody. Everything is in memory and answered
// from there; a change goes to the map that keeps it, and counts when that tells
// of it, here and on all other nodes. An
// account takes 211 bytes with a salted SHA-256 and 179 with bcrypt, a rule 188
// (measured with 100,000 of each, names of 13 bytes).
//
// # Meaning
//
// A client may have an account by its client id and one by its user name. If
// the password fits either, it is let in; if it has an account and none fits,
// it is refused; without any account somebody else decides. A client that is
// let in by the account of its client id therefore keeps whatever user name it
// gave: to rely on user names in rules, use one kind of accounts only.
//
// Deleting an account, or changing its password, does not end a connection; it
// holds from the next CONNECT. Rules hold from the next check.
//
// # What it costs
//
// New passwords are stored with bcrypt unless a password_hash key says
// otherwise. That is 50 ms of a processor for each CONNECT whose password
// wasn't proven since the start; half of the processors do such work, so with
// two a restarted broker takes twenty clients a second. A salted SHA-256 takes
// 0.2 µs and is fine for long random passwords, as devices should have.
package builtin
