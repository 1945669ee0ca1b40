// Package login says who may manage a node: apps, which are programs with an id
// and a secret; users of the dashboard, with a name, a password and a role; the
// sessions of users who have logged in; and how often somebody may be wrong.
//
// It knows nothing of HTTP: what comes in a header or a cookie, and which route
// needs what, is package api's. Nor has it to do with MQTT clients, who are
// package auth's. Of a secret only a hash is kept, and nothing here is slower or
// faster for a name that isn't there.
package login
