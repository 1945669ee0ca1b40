package clustertest

import (
	"context"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/dunlin-mq/dunlin/mqtt"
)

// script is the broker's side of a test: it reads what the client sends, packet
// by packet, and answers as it is told.
type script struct {
	t       *testing.T
	l       net.Listener
	conn    net.Conn
	stream  mqtt.Stream
	decoder mqtt.Decoder
	in      []byte
}

// play starts a client against a script.
func play(t *testing.T) (*script, *client) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	c := newClient(ctx, NewHistory(), "c", sessionExpiry, func() (net.Conn, error) { return net.Dial("tcp", l.Addr().String()) })
	s := &script{t: t, l: l}
	t.Cleanup(func() {
		cancel()
		l.Close()
		c.wg.Wait()
		if s.conn != nil {
			s.conn.Close()
		}
	})
	return s, c
}

// accept takes the next connection and answers its CONNECT.
func (s *script) accept(present bool) (clean bool) {
	s.t.Helper()
	if s.conn != nil {
		s.conn.Close()
	}
	var err error
	if s.conn, err = s.l.Accept(); err != nil {
		s.t.Fatal(err)
	}
	s.stream, s.in = mqtt.Stream{}, nil
	p, ok := s.next().(*mqtt.Connect)
	if !ok || !p.Props.Has(mqtt.PropSessionExpiry) {
		s.t.Fatalf("CONNECT: %+v", p)
	}
	s.send(&mqtt.Connack{SessionPresent: present})
	return p.CleanStart
}

// next is the next packet but PINGREQ.
func (s *script) next() mqtt.Packet {
	s.t.Helper()
	s.conn.SetReadDeadline(time.Now().Add(patience))
	buf := make([]byte, 4096)
	for {
		p, size, err := s.decoder.Next(&s.stream, s.in)
		if err != nil {
			s.t.Fatal(err)
		}
		s.in = s.in[size:]
		if size > 0 && p.Type() != mqtt.TypePingreq {
			return p
		}
		if size > 0 {
			continue
		}
		n, err := s.conn.Read(buf)
		if err != nil {
			s.t.Fatalf("waiting for a packet: %v", err)
		}
		s.in = append(s.in, buf[:n]...)
	}
}

// expect reads packets that must be these: "PUBLISH 1 dup", "PUBREL 1".
func (s *script) expect(want ...string) {
	s.t.Helper()
	for _, w := range want {
		var got string
		switch p := s.next().(type) {
		case *mqtt.Publish:
			got = fmt.Sprintf("PUBLISH %d", p.PacketID)
			if p.Dup {
				got += " dup"
			}
		case *mqtt.Ack:
			got = fmt.Sprintf("%v %d", p.Kind, p.PacketID)
		default:
			got = p.Type().String()
		}
		if got != w {
			s.t.Fatalf("got %s, expected %s", got, w)
		}
	}
}

func (s *script) send(packets ...mqtt.Packet) {
	s.t.Helper()
	for _, p := range packets {
		if _, err := s.conn.Write(mqtt.Append(nil, p, mqtt.V5)); err != nil {
			s.t.Fatal(err)
		}
	}
}

func ack(kind mqtt.Type, id uint16) *mqtt.Ack { return &mqtt.Ack{Kind: kind, PacketID: id} }

func message(number int, qos mqtt.QoS) Message { return Message{"c", number, "t", qos} }

func publishAll(t *testing.T, c *client, messages ...Message) {
	t.Helper()
	for _, m := range messages {
		if !c.publish(t.Context(), m, 0) {
			t.Fatalf("%v was not published", m)
		}
	}
}

// fates waits until the client has heard of its messages: "acknowledged" or
// "refused".
func expectFate(t *testing.T, c *client, m Message, want outcome) {
	t.Helper()
	for deadline := time.Now().Add(patience); ; time.Sleep(time.Millisecond) {
		c.history.mu.Lock()
		got := c.history.fates[m].outcome
		c.history.mu.Unlock()
		if got == want {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("the fate of %v is %d, expected %d", m, got, want)
		}
	}
}

// TestClientSendsAgain: what is unacknowledged goes out again in order, with
// DUP, or as PUBREL; what is done does not.
func TestClientSendsAgain(t *testing.T) {
	s, c := play(t)
	if !s.accept(false) {
		t.Error("the first CONNECT is not clean")
	}
	publishAll(t, c, message(1, 1), message(2, 2), message(3, 2), message(4, 1))
	s.expect("PUBLISH 1", "PUBLISH 2", "PUBLISH 3", "PUBLISH 4")
	s.send(ack(mqtt.TypePubrec, 2), ack(mqtt.TypePuback, 4))
	s.expect("PUBREL 2")
	expectFate(t, c, message(4, 1), acknowledged)
	if s.accept(true) {
		t.Error("the second CONNECT is clean")
	}
	s.expect("PUBLISH 1 dup", "PUBREL 2", "PUBLISH 3 dup")
	s.send(ack(mqtt.TypePuback, 1), ack(mqtt.TypePubcomp, 2), ack(mqtt.TypePubrec, 3))
	s.expect("PUBREL 3")
	s.accept(true)
	s.expect("PUBREL 3")
	s.send(ack(mqtt.TypePubcomp, 3))
	publishAll(t, c, message(5, 0), message(6, 1))
	s.expect("PUBLISH 0", "PUBLISH 5")
	s.send(&mqtt.Ack{Kind: mqtt.TypePuback, PacketID: 5, Code: mqtt.QuotaExceeded})
	expectFate(t, c, message(6, 1), refused)
	if v := c.log.violations; len(v) > 0 || len(c.log.forgotten) > 0 {
		t.Errorf("violations %v, forgotten %v", v, c.log.forgotten)
	}
}

// TestClientWithoutSession: a session that is gone is noted; QoS 1 goes to the
// new one as new, QoS 2 that may have come does not.
func TestClientWithoutSession(t *testing.T) {
	s, c := play(t)
	s.accept(false)
	publishAll(t, c, message(1, 1), message(2, 2))
	s.expect("PUBLISH 1", "PUBLISH 2")
	s.accept(false)
	s.expect("PUBLISH 1")
	s.send(ack(mqtt.TypePuback, 1))
	expectFate(t, c, message(1, 1), acknowledged)
	expectFate(t, c, message(2, 2), unknown)
	if len(c.log.forgotten) != 1 {
		t.Errorf("forgotten %d times", len(c.log.forgotten))
	}
}

// TestClientTakesOnce: QoS 2 is taken once until its PUBREL, over connections,
// QoS 1 as often as it comes.
func TestClientTakesOnce(t *testing.T) {
	s, c := play(t)
	deliver := func(number int, qos mqtt.QoS, id uint16, dup bool) {
		m := message(number, qos)
		s.send(&mqtt.Publish{Dup: dup, QoS: qos, Topic: m.Topic, PacketID: id, Payload: m.payload(0)})
	}
	s.accept(false)
	deliver(1, 2, 7, false)
	deliver(2, 1, 8, false)
	s.expect("PUBREC 7", "PUBACK 8")
	s.accept(true)
	deliver(1, 2, 7, true)
	deliver(2, 1, 8, true)
	s.expect("PUBREC 7", "PUBACK 8")
	s.send(ack(mqtt.TypePubrel, 7))
	s.expect("PUBCOMP 7")
	deliver(3, 2, 7, false)
	s.expect("PUBREC 7")
	deliver(3, 2, 7, false) // without DUP
	s.expect("PUBREC 7")
	deliver(4, 2, 7, true) // another one
	s.expect("PUBREC 7")
	s.send(ack(mqtt.TypePubcomp, 99)) // of nothing
	deliver(5, 0, 0, false)
	deliver(6, 1, 9, false)
	s.expect("PUBACK 9")
	c.history.mu.Lock()
	defer c.history.mu.Unlock()
	var got []string
	for _, r := range c.log.receipts {
		got = append(got, fmt.Sprintf("%d:%d:%v", r.Number, r.qos, r.dup))
	}
	if text := strings.Join(got, " "); text != "1:2:false 2:1:false 2:1:true 3:2:false 5:0:false 6:1:false" {
		t.Errorf("received %s", text)
	}
	if v := strings.Join(c.log.violations, "\n"); len(c.log.violations) != 3 || !strings.Contains(v, "without DUP") ||
		!strings.Contains(v, "had no PUBREL") || !strings.Contains(v, "not in use") {
		t.Errorf("violations:\n%s", v)
	}
}

// TestClientWindow: no more is on its way than the broker's receive maximum,
// and what waits ends with the context.
func TestClientWindow(t *testing.T) {
	s, c := play(t)
	s.accept(false)
	var all []Message
	for i := range maxFlights {
		all = append(all, message(i+1, 1))
	}
	publishAll(t, c, all...)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan bool)
	go func() { done <- c.publish(ctx, message(maxFlights+1, 1), 0) }()
	cancel()
	if <-done {
		t.Error("more was published than the window has room for")
	}
	go func() { done <- c.publish(t.Context(), message(maxFlights+2, 1), 0) }()
	s.expect("PUBLISH 1")
	s.send(ack(mqtt.TypePuback, 1))
	if !<-done {
		t.Error("there was room")
	}
}

func TestClientSubscribes(t *testing.T) {
	s, c := play(t)
	s.accept(false)
	done := make(chan error)
	answer := func(filter string, code mqtt.ReasonCode) error {
		go func() { done <- c.subscribe(t.Context(), filter, 1) }()
		p, ok := s.next().(*mqtt.Subscribe)
		if !ok || p.Filters[0].Filter != filter || p.Filters[0].QoS != 1 {
			t.Fatalf("SUBSCRIBE: %+v", p)
		}
		s.send(&mqtt.Suback{PacketID: p.PacketID, Codes: []mqtt.ReasonCode{code}})
		return <-done
	}
	if err := answer("$share/g/a/#", 1); err != nil {
		t.Error(err)
	}
	if err := answer("b", mqtt.NotAuthorized); err == nil {
		t.Error("a refusal was taken for a subscription")
	}
	if subs := c.log.subscriptions; len(subs) != 1 || subs[0].group != "g" || subs[0].filter != "a/#" {
		t.Errorf("%+v", subs)
	}
	go func() { done <- c.subscribe(t.Context(), "c", 1) }()
	s.next()
	s.accept(true) // the SUBACK was lost with the connection
	p := s.next().(*mqtt.Subscribe)
	s.send(&mqtt.Suback{PacketID: p.PacketID, Codes: []mqtt.ReasonCode{1}})
	if err := <-done; err != nil {
		t.Error(err)
	}
}
