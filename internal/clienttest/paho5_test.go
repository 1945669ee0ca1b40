package clienttest

import (
	"context"
	"net"
	"testing"

	"github.com/eclipse/paho.golang/packets"
	"github.com/eclipse/paho.golang/paho"
)

// pahoV5 is Eclipse's Go client for MQTT 5.
type pahoV5 struct {
	*paho.Client
	nc  net.Conn
	in  chan message
	raw chan *paho.Publish // the same with their properties, if a test wants them
}

func connectPahoV5(t testing.TB, at endpoint, s session) peer { return dialPahoV5(t, at, s, nil) }

// dialPahoV5 connects with properties of its own.
func dialPahoV5(t testing.TB, at endpoint, s session, props *paho.ConnectProperties) *pahoV5 {
	t.Helper()
	p := &pahoV5{nc: packets.NewThreadSafeConn(at.dial(t)), in: make(chan message, inboxSize), raw: make(chan *paho.Publish, inboxSize)}
	p.Client = paho.NewClient(paho.ClientConfig{
		ClientID: s.id, Conn: p.nc, PacketTimeout: patience,
		OnPublishReceived: []func(paho.PublishReceived) (bool, error){func(r paho.PublishReceived) (bool, error) {
			p.raw <- r.Packet
			p.in <- message{r.Packet.Topic, string(r.Packet.Payload), r.Packet.QoS, r.Packet.Retain}
			return true, nil
		}},
	})
	k := &paho.Connect{ClientID: s.id, CleanStart: !s.keep, KeepAlive: 60, Properties: props}
	if s.keep {
		expiry := uint32(300)
		k.Properties = &paho.ConnectProperties{SessionExpiryInterval: &expiry}
	}
	if w := s.will; w != nil {
		k.WillMessage = &paho.WillMessage{Topic: w.topic, Payload: []byte(w.payload), QoS: w.qos, Retain: w.retain}
		k.WillProperties = &paho.WillProperties{}
	}
	if _, err := p.Connect(context.Background(), k); err != nil {
		t.Fatalf("connect: %v", err)
	}
	t.Cleanup(func() { p.kill(t) })
	return p
}

func (p *pahoV5) subscribe(t testing.TB, filter string, qos byte) {
	t.Helper()
	p.subscribeWith(t, paho.SubscribeOptions{Topic: filter, QoS: qos})
}

func (p *pahoV5) subscribeWith(t testing.TB, o paho.SubscribeOptions) {
	t.Helper()
	if _, err := p.Subscribe(context.Background(), &paho.Subscribe{Subscriptions: []paho.SubscribeOptions{o}}); err != nil {
		t.Fatalf("subscribe: %v", err)
	}
}

func (p *pahoV5) unsubscribe(t testing.TB, filter string) {
	t.Helper()
	if _, err := p.Unsubscribe(context.Background(), &paho.Unsubscribe{Topics: []string{filter}}); err != nil {
		t.Fatalf("unsubscribe: %v", err)
	}
}

func (p *pahoV5) publish(t testing.TB, topic string, qos byte, retain bool, payloads ...string) {
	t.Helper()
	for _, payload := range payloads {
		p.publishPacket(t, &paho.Publish{Topic: topic, QoS: qos, Retain: retain, Payload: []byte(payload)})
	}
}

func (p *pahoV5) publishPacket(t testing.TB, k *paho.Publish) {
	t.Helper()
	if _, err := p.Publish(context.Background(), k); err != nil {
		t.Fatalf("publish: %v", err)
	}
}

func (p *pahoV5) disconnect(t testing.TB) {
	t.Helper()
	if err := p.Disconnect(&paho.Disconnect{}); err != nil {
		t.Fatalf("disconnect: %v", err)
	}
}

func (p *pahoV5) kill(testing.TB)       { p.nc.Close() }
func (p *pahoV5) inbox() <-chan message { return p.in }
