// Package server accepts connections and speaks MQTT on them: listeners for
// TCP, TLS, WebSocket and QUIC, and the connection, which turns bytes into
// packets and packets into calls of package broker, one handler a packet.
//
// A connection does no I/O of its own: it is fed bytes and appends its answers
// to an output, so that epoll loops (server/netloop), goroutines over a
// net.Conn and tests all drive the same code through the interface link. What
// a message means and where it goes is the broker's business.
package server
