package hook

import (
	"net/netip"

	"github.com/dunlin-mq/dunlin/mqtt"
)

// ClientInfo is a client's identity. From the moment its CONNECT is accepted
// nothing in it changes; a client that authenticates again gets another one.
type ClientInfo struct {
	ClientID   string
	Username   string // empty: none was given
	Mountpoint string // prefix of all its topics, placeholders filled in
	Peer       netip.AddrPort
	Listener   *ListenerInfo
	Cert       *CertInfo // nil: no certificate was presented

	Version   mqtt.Version
	Bridge    bool // the client called itself a broker
	Superuser bool // the ACL is not asked
	Anonymous bool // no authenticator vouched for it

	Rights  any   // what came with its credentials about its rights, for package auth
	Expires int64 // Unix milliseconds, when its credentials end; 0: never
}

// ListenerInfo names the listener that a client came in by.
type ListenerInfo struct {
	Name     string         // as in the configuration: "external"
	Protocol string         // tcp, ssl, ws, wss, quic
	Zone     string         // whose rules hold for its clients
	Addr     netip.AddrPort // what it listens on
}

// CertInfo is what the hooks see of a client certificate.
type CertInfo struct {
	CommonName string
	Subject    string // distinguished name, RFC 2253 order
}

// ConnInfo is what a CONNECT asked for.
type ConnInfo struct {
	Client         *ClientInfo
	CleanStart     bool
	KeepAlive      uint16           // seconds, as in force
	ReceiveMaximum uint16           // as the client gave it, 65535 if it gave none
	ExpiryInterval uint32           // seconds, as in force
	Props          *mqtt.Properties // of the CONNECT
	ConnectedAt    int64            // Unix milliseconds; 0 before the client is accepted
	DisconnectedAt int64            // Unix milliseconds; 0 before it is gone
}
