// Package http asks HTTP services who a client is, whether it is a superuser,
// and what it may do: EMQ X's emqx_auth_http, with its keys, placeholders and
// reading of the answers.
//
// Each of the three questions has a URL of its own and is asked only if that is
// configured. The connections are those of connector/http; the limits on
// waiting, and what holds when no answer is to be had, are auth.Backend's.
// Nothing is cached or tried again here.
package http
