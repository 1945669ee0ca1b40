package bench

import (
	"maps"
	"net"
	"slices"
	"sync"
	"testing"

	"github.com/dunlin-mq/dunlin/mqtt"
	"github.com/dunlin-mq/dunlin/topic"
)

// fakeBroker routes QoS 0 and 1 between its connections, and misbehaves on
// demand. It is slow and obvious.
type fakeBroker struct {
	refuse   mqtt.ReasonCode // of every CONNECT
	silent   bool            // answers nothing
	lose     int             // every so many deliveries one is not made
	repeat   int             // every so many deliveries one is made twice
	forget   bool            // keeps no session
	swap     int             // every so many deliveries one waits for the client's next
	deaf     int             // so many messages are lost before it knows who wants them
	endAfter int             // so many messages the publisher's connection is closed

	listener net.Listener
	wg       sync.WaitGroup

	mu        sync.Mutex
	sessions  map[string]*fakeLink // of those who are away
	links     map[*fakeLink]bool
	messages  int
	delivered int
	clients   []string // ids, in order of CONNECT
	retained  int
	pings     int
	goodbyes  int
}

type fakeLink struct {
	conn    net.Conn
	stream  mqtt.Stream
	filters []mqtt.SubscribeFilter
	lastID  uint16
	id      string
	away    bool
	keep    bool           // the session outlives the connection
	waiting []mqtt.Publish // for who is away
	held    *mqtt.Publish  // waits for the next
}

func (b *fakeBroker) start(t *testing.T, l net.Listener) *fakeBroker {
	t.Helper()
	if l == nil {
		var err error
		if l, err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
			t.Fatal(err)
		}
	}
	b.listener, b.links, b.sessions = l, map[*fakeLink]bool{}, map[string]*fakeLink{}
	b.wg.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			b.wg.Go(func() { b.serve(&fakeLink{conn: conn}) })
		}
	})
	t.Cleanup(b.stop)
	return b
}

// stop ends everything; after it the counters may be read.
func (b *fakeBroker) stop() {
	b.listener.Close()
	b.mu.Lock()
	for link := range b.links {
		link.conn.Close()
	}
	b.mu.Unlock()
	b.wg.Wait()
}

func (b *fakeBroker) port() int { return b.listener.Addr().(*net.TCPAddr).Port }

func (b *fakeBroker) serve(l *fakeLink) {
	b.mu.Lock()
	b.links[l] = true
	b.mu.Unlock()
	defer func() {
		b.mu.Lock()
		delete(b.links, l)
		if l.keep {
			b.sessions[l.id], l.away = l, true
		}
		b.mu.Unlock()
		l.conn.Close()
	}()
	var d mqtt.Decoder
	var in []byte
	buf := make([]byte, 4096)
	for {
		n, err := l.conn.Read(buf)
		if err != nil {
			return
		}
		in = append(in, buf[:n]...)
		for {
			p, n, err := d.Next(&l.stream, in)
			if err != nil || n > 0 && !b.handle(l, p) {
				return
			}
			if n == 0 {
				break
			}
			in = in[n:]
		}
	}
}

// handle reports whether the connection goes on.
func (b *fakeBroker) handle(l *fakeLink, p mqtt.Packet) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch p := p.(type) {
	case *mqtt.Connect:
		b.clients = append(b.clients, p.ClientID)
		if b.silent {
			return true
		}
		present := b.resume(l, p)
		l.send(&mqtt.Connack{Code: b.refuse, SessionPresent: present})
		for _, m := range l.waiting {
			l.deliver(&m, 2)
		}
		l.waiting = nil
		return b.refuse == mqtt.Success
	case *mqtt.Subscribe:
		l.filters = append(l.filters, p.Filters...)
		l.send(&mqtt.Suback{PacketID: p.PacketID, Codes: make([]mqtt.ReasonCode, len(p.Filters))})
	case *mqtt.Publish:
		b.route(p)
		if p.QoS == 1 {
			l.send(&mqtt.Ack{Kind: mqtt.TypePuback, PacketID: p.PacketID})
		}
		b.messages++
		return b.messages != b.endAfter
	case *mqtt.Pingreq:
		b.pings++
		l.send(&mqtt.Pingresp{})
	case *mqtt.Disconnect:
		b.goodbyes++
		l.keep = l.keep && !p.Props.Has(mqtt.PropSessionExpiry)
		return false
	}
	return true
}

// resume gives the link what the session of its client has.
func (b *fakeBroker) resume(l *fakeLink, p *mqtt.Connect) (present bool) {
	l.id, l.keep = p.ClientID, p.Props.Has(mqtt.PropSessionExpiry)
	if p.Version < mqtt.V5 {
		l.keep = !p.CleanStart
	}
	old := b.sessions[l.id]
	delete(b.sessions, l.id)
	if old == nil || p.CleanStart || b.forget {
		return false
	}
	l.filters, l.waiting = old.filters, old.waiting
	return true
}

func (b *fakeBroker) route(p *mqtt.Publish) {
	if p.Retain {
		b.retained++
	}
	if b.deaf > 0 {
		b.deaf--
		return
	}
	for _, l := range slices.Concat(slices.Collect(maps.Keys(b.links)), slices.Collect(maps.Values(b.sessions))) {
		for _, f := range l.filters {
			if !topic.Match(f.Filter, p.Topic) {
				continue
			}
			b.delivered++
			if b.lose > 0 && b.delivered%b.lose == 0 {
				continue
			}
			if b.swap > 0 && b.delivered%b.swap == 0 {
				held := *p
				held.Payload = slices.Clone(p.Payload)
				l.held = &held
				continue
			}
			l.deliver(p, f.QoS)
			if l.held != nil {
				l.deliver(l.held, f.QoS)
				l.held = nil
			}
			if b.repeat > 0 && b.delivered%b.repeat == 0 {
				l.deliver(p, f.QoS)
			}
		}
	}
}

func (l *fakeLink) deliver(p *mqtt.Publish, qos mqtt.QoS) {
	out := mqtt.Publish{Topic: p.Topic, Payload: slices.Clone(p.Payload), QoS: min(qos, p.QoS)}
	if l.away {
		l.waiting = append(l.waiting, out)
		return
	}
	if out.QoS > 0 {
		l.lastID++
		out.PacketID = max(l.lastID, 1)
	}
	l.send(&out)
}

func (l *fakeLink) send(p mqtt.Packet) {
	// A client that is gone is noticed by the reader.
	_, _ = l.conn.Write(mqtt.Append(nil, p, l.stream.Version))
}
