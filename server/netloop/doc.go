// Package netloop carries many TCP connections on a few epoll loops (Linux).
//
// A loop waits for its connections, reads what has arrived into one shared
// buffer, hands the bytes to each connection's [Handler], and at the end of the
// pass lets the owner flush everything the pass has touched with one write per
// connection. An idle connection costs a [Conn] of 32 bytes and its slot in a
// table: no goroutine, no timer, no buffer. A loop that is idle is not woken.
//
// The package is not a network library: it knows neither MQTT nor TLS, keeps no
// output (what the socket does not take stays with the caller) and has no
// deadlines of its own. Connections that need more than plain TCP run one
// goroutine each over net.Conn, which is no business of this package. On other
// systems than Linux it has the interfaces alone. DESIGN.md has the reasons and the
// figures.
package netloop
