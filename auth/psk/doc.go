// Package psk reads a file of pre-shared keys, EMQ X's psk.txt: one
// identity:secret a line. The DTLS listeners of the gateways ask it.
//
// It is not an authenticator of the chains, and the ssl and wss listeners don't
// use it: crypto/tls has no cipher suites with pre-shared keys, and in TLS 1.3
// takes only the keys of sessions it has begun itself. The one fork of it that
// had them stopped at Go 1.13 and TLS 1.2; what else there is binds a C library.
// For MQTT over TCP with such keys, something in front of the broker has to end
// TLS and hand the client's address on by the PROXY protocol: stunnel, say,
// which reads the same lines but wants 16 bytes or more of a secret, and takes
// one that looks hexadecimal for that.
package psk
