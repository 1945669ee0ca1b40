package clienttest

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"

	paho3 "github.com/eclipse/paho.mqtt.golang"
)

// peer is one connected client of a foreign make. Its methods return when the
// broker has answered, and fail the test if it doesn't; a peer that ends with
// the test closes itself.
type peer interface {
	subscribe(t testing.TB, filter string, qos byte)
	unsubscribe(t testing.TB, filter string)
	// publish sends the payloads one after the other.
	publish(t testing.TB, topic string, qos byte, retain bool, payloads ...string)
	// disconnect leaves with a DISCONNECT.
	disconnect(t testing.TB)
	// kill cuts the connection, without a word.
	kill(t testing.TB)
	// inbox gets what the subscriptions bring, in order.
	inbox() <-chan message
}

// message is what a peer was given.
type message struct {
	topic, payload string
	qos            byte
	retain         bool
}

// String shortens the payload.
func (m message) String() string {
	return fmt.Sprintf("{%s QoS %d retain %v %d bytes: %.40q}", m.topic, m.qos, m.retain, len(m.payload), m.payload)
}

// window is how many messages a peer that doesn't keep to the broker's Receive
// Maximum may have unanswered: fewer than max_awaiting_rel, above which the
// broker closes the connection.
const window = 50

// inboxSize is more than any test sends to one peer.
const inboxSize = 4096

// session is how a peer connects.
type session struct {
	id   string
	keep bool     // the session outlives the connection, and an old one goes on
	will *message // nil: none

	reconnect bool // MQTT.js only: come back when the connection is lost
}

// row is one way to connect: a client, a version of the protocol and a kind of
// listener.
type row struct {
	client    string
	version   byte
	transport string
	connect   func(t testing.TB, at endpoint, s session) peer
}

// endpoint is where a peer connects to.
type endpoint struct {
	transport string // tcp, ssl, ws, wss
	version   byte   // of MQTT: 3, 4, 5
	addr      string
	ca        string // file with the authority of the broker's certificate
}

// at is the endpoint of one of the broker's listeners.
func (p *process) at(t testing.TB, transport string, version byte) endpoint {
	t.Helper()
	addr, ok := p.addr[listener(transport+" external")]
	if !ok {
		t.Fatalf("listener.%s.external isn't open", transport)
	}
	return endpoint{transport, version, addr, filepath.Join(p.dir, "certs", "cert.pem")}
}

func (e endpoint) host() string { h, _, _ := net.SplitHostPort(e.addr); return h }
func (e endpoint) port() string { _, p, _ := net.SplitHostPort(e.addr); return p }

// url is the endpoint in MQTT.js's way of writing.
func (e endpoint) url() string {
	switch e.transport {
	case "tcp":
		return "mqtt://" + e.addr
	case "ssl":
		return "mqtts://" + e.addr
	}
	return e.transport + "://" + e.addr + "/mqtt"
}

// trust is a TLS configuration that accepts only the broker's authority.
func (e endpoint) trust(t testing.TB) *tls.Config {
	t.Helper()
	pem, err := os.ReadFile(e.ca)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(pem) {
		t.Fatalf("%s holds no certificate", e.ca)
	}
	return &tls.Config{RootCAs: pool}
}

// dial opens the transport for the two Paho clients; both take a net.Conn, so
// that a test can cut it. For WebSocket it is Gorilla's, as both have it.
func (e endpoint) dial(t testing.TB) net.Conn {
	t.Helper()
	var nc net.Conn
	var err error
	switch e.transport {
	case "tcp":
		nc, err = net.DialTimeout("tcp", e.addr, patience)
	case "ssl":
		nc, err = tls.Dial("tcp", e.addr, e.trust(t))
	case "ws":
		nc, err = paho3.NewWebsocket(e.url(), nil, patience, http.Header{}, &paho3.WebsocketOptions{})
	case "wss":
		nc, err = paho3.NewWebsocket(e.url(), e.trust(t), patience, http.Header{}, &paho3.WebsocketOptions{})
	}
	if err != nil {
		t.Fatalf("%s %s: %v", e.transport, e.addr, err)
	}
	return nc
}

// receive takes n messages.
func receive(t testing.TB, p peer, n int) []message {
	t.Helper()
	got := make([]message, 0, n)
	late := time.After(patience)
	for len(got) < n {
		select {
		case m := <-p.inbox():
			got = append(got, m)
		case <-late:
			t.Fatalf("%d of %d messages came within %v: %v", len(got), n, patience, got)
		}
	}
	return got
}

// expectNext takes one message, which must be m.
func expectNext(t testing.TB, p peer, m message) {
	t.Helper()
	if got := receive(t, p, 1)[0]; got != m {
		t.Errorf("got %v, expected %v", got, m)
	}
}
