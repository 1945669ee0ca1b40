package clienttest

import (
	"net"
	"net/url"
	"slices"
	"testing"

	paho3 "github.com/eclipse/paho.mqtt.golang"
)

// pahoV3 is Eclipse's Go client for MQTT 3.1 and 3.1.1.
type pahoV3 struct {
	client paho3.Client
	nc     net.Conn
	in     chan message
}

func connectPahoV3(t testing.TB, at endpoint, s session) peer {
	p := &pahoV3{nc: at.dial(t), in: make(chan message, inboxSize)}
	o := paho3.NewClientOptions().AddBroker(at.url()).SetClientID(s.id).SetProtocolVersion(uint(at.version)).
		SetCleanSession(!s.keep).SetAutoReconnect(false).SetConnectTimeout(patience).
		SetCustomOpenConnectionFn(func(*url.URL, paho3.ClientOptions) (net.Conn, error) { return p.nc, nil }).
		SetDefaultPublishHandler(func(_ paho3.Client, m paho3.Message) {
			p.in <- message{m.Topic(), string(m.Payload()), m.Qos(), m.Retained()}
		})
	if s.will != nil {
		o.SetWill(s.will.topic, s.will.payload, s.will.qos, s.will.retain)
	}
	p.client = paho3.NewClient(o)
	await(t, "connect", p.client.Connect())
	t.Cleanup(func() { p.kill(t) })
	return p
}

func await(t testing.TB, what string, token paho3.Token) {
	t.Helper()
	if !token.WaitTimeout(patience) {
		t.Fatalf("%s isn't answered within %v", what, patience)
	}
	if err := token.Error(); err != nil {
		t.Fatalf("%s: %v", what, err)
	}
}

func (p *pahoV3) subscribe(t testing.TB, filter string, qos byte) {
	t.Helper()
	await(t, "subscribe", p.client.Subscribe(filter, qos, nil))
}

func (p *pahoV3) unsubscribe(t testing.TB, filter string) {
	t.Helper()
	await(t, "unsubscribe", p.client.Unsubscribe(filter))
}

func (p *pahoV3) publish(t testing.TB, topic string, qos byte, retain bool, payloads ...string) {
	t.Helper()
	for window := range slices.Chunk(payloads, window) {
		var last paho3.Token
		for _, payload := range window {
			last = p.client.Publish(topic, qos, retain, payload)
		}
		await(t, "publish", last)
	}
}

func (p *pahoV3) disconnect(testing.TB) { p.client.Disconnect(uint(patience.Milliseconds())) }
func (p *pahoV3) kill(testing.TB)       { p.nc.Close() }
func (p *pahoV3) inbox() <-chan message { return p.in }
