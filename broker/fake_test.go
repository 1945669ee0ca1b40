package broker

import (
	"fmt"
	"log/slog"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/dunlin-mq/dunlin/auth"
	"github.com/dunlin-mq/dunlin/hook"
	"github.com/dunlin-mq/dunlin/metrics"
	"github.com/dunlin-mq/dunlin/mqtt"
	"github.com/dunlin-mq/dunlin/retain"
	"github.com/dunlin-mq/dunlin/session"
	"github.com/dunlin-mq/dunlin/topic"
)

// rig is a broker under test with its clients' zone.
type rig struct {
	testing.TB
	*Broker
	zone  *Zone
	batch *Batch
	log   *strings.Builder
}

// newRig starts a broker; set may change what it is made of. In a synctest
// bubble its clock is the bubble's.
func newRig(t testing.TB, set ...func(*Options)) *rig {
	t.Helper()
	o := Options{
		Node: "dunlin@host", Version: "1.2.3", Hooks: new(hook.Points), Metrics: new(metrics.Registry),
		Retained: retain.New(retain.Config{}),
	}
	o.Config.Broker.SetDefaults()
	o.Config.Modules.SetDefaults()
	o.Config.Broker.SysInterval, o.Config.Broker.SysHeartbeat = 0, 0
	r := &rig{TB: t, zone: new(Zone), log: new(strings.Builder)}
	o.Log = slog.New(slog.NewTextHandler(r.log, nil))
	r.zone.SetDefaults()
	for _, f := range set {
		f(&o)
	}
	r.Broker = New(o)
	r.batch = r.NewBatch()
	t.Cleanup(r.Close)
	return r
}

// sent is one PUBLISH that a connection got.
type sent struct {
	topic, payload string
	qos            mqtt.QoS
	retain, dup    bool
	id             uint16 // packet identifier
	sub            uint32 // subscription identifier
}

func (s sent) String() string {
	text := s.topic + "=" + s.payload
	if s.dup {
		text += " dup"
	}
	if s.retain {
		text += " retain"
	}
	return text
}

// fakeConn is a Conn that keeps what it gets and acknowledges when it is told
// to.
type fakeConn struct {
	full   atomic.Bool                     // what Full says
	room   int                             // payloads longer than this are refused; 0: none
	onSend func(sent)                      // called instead of keeping it
	onAck  func(kind mqtt.Type, id uint16) // called instead of keeping it
	cache  *auth.Cache                     // what ACLCache says

	mu      sync.Mutex
	got     []sent
	acks    []string
	end     Ending
	touched bool
	flushed int
}

func (f *fakeConn) Send(b *Batch, t *mqtt.Template, o *mqtt.PublishOptions) bool {
	m := t.Message()
	if f.room > 0 && len(m.Payload) > f.room {
		return false
	}
	s := sent{m.Topic, string(m.Payload), o.QoS, o.Retain, o.Dup, o.PacketID, o.SubscriptionID}
	f.mu.Lock()
	defer f.mu.Unlock()
	if !f.touched {
		f.touched = true
		b.Touch(f)
	}
	if f.onSend != nil {
		f.onSend(s)
		return true
	}
	f.got = append(f.got, s)
	return true
}

func (f *fakeConn) SendAck(_ *Batch, kind mqtt.Type, id uint16, code mqtt.ReasonCode) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.onAck != nil {
		f.onAck(kind, id)
		return
	}
	f.acks = append(f.acks, fmt.Sprint(kind, " ", id, " ", code))
}

func (f *fakeConn) ACLCache() *auth.Cache { return f.cache }

func (f *fakeConn) Full() bool { return f.full.Load() }

func (f *fakeConn) Flush() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.touched = false
	f.flushed++
}

func (f *fakeConn) End(why Ending) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.end = why
}

func (f *fakeConn) ending() Ending {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.end
}

// take returns what has come and forgets it.
func (f *fakeConn) take() []sent {
	f.mu.Lock()
	defer f.mu.Unlock()
	got := f.got
	f.got = nil
	return got
}

// peer is a client as the tests drive it: one connection of it.
type peer struct {
	*rig
	*fakeConn
	client  *Client
	present bool
	info    *hook.ClientInfo
}

// how changes what a CONNECT asks for.
type how func(*Opening)

func clean(o *Opening) { o.Ask.CleanStart = true }

// expiry asks for a session that outlives the connection, in seconds.
func expiry(s uint32) how { return func(o *Opening) { o.Ask.ExpiryInterval = s } }

func v5(o *Opening) { o.Ask.Client.Version = mqtt.V5 }

func window(n uint16) how { return func(o *Opening) { o.Ask.ReceiveMaximum = n } }

func mounted(at string) how { return func(o *Opening) { o.Ask.Client.Mountpoint = at } }

// will leaves one with a delay in seconds.
func will(topic string, delay uint32) how {
	return func(o *Opening) {
		m := &mqtt.Message{Topic: topic, Payload: []byte("will of " + o.Ask.Client.ClientID), From: o.Ask.Client.ClientID}
		o.Will = &session.Will{Msg: m.Keep(), Delay: delay}
	}
}

// connect opens a connection.
func (r *rig) connect(id string, with ...how) *peer { return r.connectIn(r.batch, id, with...) }

func (r *rig) connectIn(b *Batch, id string, with ...how) *peer {
	info := &hook.ClientInfo{
		ClientID: id, Version: mqtt.V311, Peer: netip.MustParseAddrPort("192.0.2.1:5000"),
		Listener: &hook.ListenerInfo{Name: "external", Addr: netip.MustParseAddrPort("0.0.0.0:1883")},
	}
	p := &peer{rig: r, fakeConn: new(fakeConn), info: info}
	o := &Opening{Conn: p.fakeConn, Zone: r.zone, Ask: &hook.ConnInfo{Client: info, ReceiveMaximum: 65535, KeepAlive: 60}}
	for _, f := range with {
		f(o)
	}
	o.Accept = func(c *Client, present bool) { p.client, p.present = c, present }
	r.Open(b, o)
	b.End()
	return p
}

func (p *peer) subscribe(filter string, qos mqtt.QoS) *peer {
	p.Helper()
	if code, _ := p.subscribeIn(p.batch, filter, mqtt.SubscribeOptions{QoS: qos}, 0); code.Failed() {
		p.Errorf("%s subscribes to %s: %v", p.info.ClientID, filter, code)
	}
	return p
}

func (p *peer) subscribeIn(b *Batch, filter string, o mqtt.SubscribeOptions, id uint32) (mqtt.ReasonCode, bool) {
	f, err := topic.Parse(filter)
	if err != nil {
		p.Fatal(err)
	}
	code, isNew := p.Subscribe(b, p.client, p.fakeConn, f, mqtt.SubscribeFilter{Filter: filter, SubscribeOptions: o}, id)
	p.Replay(b, p.client, p.fakeConn, filter, isNew)
	b.End()
	return code, isNew
}

func (p *peer) unsubscribe(filter string) mqtt.ReasonCode {
	defer p.batch.End()
	return p.Unsubscribe(p.batch, p.client, p.fakeConn, filter)
}

// publish publishes as this client.
func (p *peer) publish(name, payload string, qos mqtt.QoS) mqtt.ReasonCode {
	return p.publishIn(p.batch, &mqtt.Message{Topic: name, Payload: []byte(payload), QoS: qos})
}

func (p *peer) publishIn(b *Batch, m *mqtt.Message) mqtt.ReasonCode {
	m.From = p.info.ClientID
	code, _ := p.Publish(b, p.info, m)
	b.End()
	return code
}

// ack acknowledges a delivery up to the end of its flow.
func (p *peer) ack(b *Batch, s sent) {
	switch s.qos {
	case 1:
		p.client.Puback(b, p.fakeConn, s.id, mqtt.Success)
	case 2:
		p.client.Pubrec(b, p.fakeConn, s.id, mqtt.Success)
		p.client.Pubcomp(b, p.fakeConn, s.id, mqtt.Success)
	}
	b.End()
}

// close ends the connection as the network does.
func (p *peer) close(reason string) {
	p.client.Close(p.batch, p.fakeConn, reason, nil, reason != "normal")
	p.batch.End()
}

// wants checks what the client has got since it was asked last.
func (p *peer) wants(want ...string) {
	p.Helper()
	var got []string
	for _, s := range p.take() {
		got = append(got, s.String())
	}
	if !slices.Equal(got, want) {
		p.Errorf("%s got %q, want %q", p.info.ClientID, got, want)
	}
}

// balances checks the ledger; nothing may be on its way.
func (r *rig) balances() {
	r.Helper()
	if l := r.Ledger(); l.Balance() != 0 || l.Queued < 0 {
		r.Errorf("the ledger is out of balance by %d: %+v", l.Balance(), l)
	}
}

// metric is the value of one metric.
func (r *rig) metric(name string) int64 {
	r.Helper()
	r.sample()
	s, ok := r.registry.Get(name)
	if !ok {
		r.Errorf("there is no metric %s", name)
	}
	return s.Value
}

// events writes down what the hooks are told.
type events struct {
	mu  sync.Mutex
	all []string
}

func (e *events) add(format string, args ...any) hook.Verdict {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.all = append(e.all, fmt.Sprintf(format, args...))
	return hook.Continue
}

// want checks what has happened since it was asked last.
func (e *events) want(t testing.TB, want ...string) {
	t.Helper()
	e.mu.Lock()
	defer e.mu.Unlock()
	if !slices.Equal(e.all, want) {
		t.Errorf("events %q\n want %q", e.all, want)
	}
	e.all = nil
}

// listen hangs on every hook that the broker runs.
func (r *rig) listen() *events {
	e := new(events)
	on := func(err error) {
		if err != nil {
			r.Fatal(err)
		}
	}
	session := func(chain *hook.Chain[hook.SessionEvent], word string) {
		on(chain.Add("test", 0, func(s *hook.SessionEvent) hook.Verdict {
			return e.add("%s", strings.TrimSpace("session "+word+" "+s.Client.ClientID+" "+s.Reason))
		}))
	}
	h := r.Hooks
	session(&h.SessionCreated, "created")
	session(&h.SessionResumed, "resumed")
	session(&h.SessionTakenOver, "taken over")
	session(&h.SessionDiscarded, "discarded")
	session(&h.SessionTerminated, "terminated")
	on(h.ClientConnected.Add("test", 0, func(c *hook.ConnInfo) hook.Verdict { return e.add("connected %s", c.Client.ClientID) }))
	on(h.ClientDisconnected.Add("test", 0, func(c *hook.ClientDisconnected) hook.Verdict {
		return e.add("disconnected %s %s", c.Conn.Client.ClientID, c.Reason)
	}))
	on(h.SessionSubscribed.Add("test", 0, func(s *hook.SessionSubscription) hook.Verdict {
		return e.add("subscribed %s %s new=%v", s.Client.ClientID, s.Filter, s.New)
	}))
	on(h.SessionUnsubscribed.Add("test", 0, func(s *hook.SessionSubscription) hook.Verdict {
		return e.add("unsubscribed %s %s", s.Client.ClientID, s.Filter)
	}))
	on(h.MessageDropped.Add("test", 0, func(m *hook.MessageDropped) hook.Verdict {
		return e.add("dropped %s %s", m.Message.Topic, m.Reason)
	}))
	on(h.DeliveryDropped.Add("test", 0, func(d *hook.DeliveryDropped) hook.Verdict {
		d.Client.Peer.Addr() // there is always a client
		return e.add("delivery dropped %s %s %s", d.Client.ClientID, d.Message.Topic, d.Reason)
	}))
	on(h.MessageAcked.Add("test", 0, func(a *hook.MessageAcked) hook.Verdict {
		return e.add("acked %s %s", a.Client.ClientID, a.Message.Topic)
	}))
	return e
}
