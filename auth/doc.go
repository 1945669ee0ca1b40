// Package auth decides who may connect, and what a client may publish and
// subscribe to: the chains of authenticators and authorizers, what their
// answers are kept for, bans, and the limits that protect the places that are
// asked.
//
// Answers come from providers, one folder each below this one: the rule file,
// the built-in users, tokens, HTTP services, databases. The package knows
// neither their protocols nor MQTT's packets; package server asks it and
// tells the client.
package auth
