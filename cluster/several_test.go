package cluster

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/dunlin-mq/dunlin/auth"
	"github.com/dunlin-mq/dunlin/broker"
	"github.com/dunlin-mq/dunlin/hook"
	"github.com/dunlin-mq/dunlin/metrics"
	"github.com/dunlin-mq/dunlin/mqtt"
	"github.com/dunlin-mq/dunlin/retain"
	"github.com/dunlin-mq/dunlin/session"
	"github.com/dunlin-mq/dunlin/topic"
)

// several are brokers that are one, over a mesh. Each has everything that a node
// has but sockets.
type several struct {
	*testing.T
	net   *mesh
	nodes map[string]*station
}

// station is one node of several.
type station struct {
	*broker.Broker
	*several
	name  string
	node  *Node
	zone  *broker.Zone
	batch *broker.Batch
}

// inSeveral runs a test on brokers of these names, in a bubble of time.
func inSeveral(t *testing.T, names string, test func(s *several)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		s := &several{T: t, net: &mesh{nodes: map[string]*Node{}, wires: map[wire]chan []byte{}}, nodes: map[string]*station{}}
		for _, name := range strings.Fields(names) {
			s.start(name)
		}
		time.Sleep(3 * time.Second)
		test(s)
		for _, st := range s.nodes {
			st.stop()
		}
		s.net.close()
	})
}

// start starts one more node, and all others meet it.
func (s *several) start(name string) *station {
	o := broker.Options{
		Node: "dunlin@" + name, Version: "1.2.3", Hooks: new(hook.Points), Metrics: new(metrics.Registry), Retained: retain.New(retain.Config{}), Log: quiet,
	}
	o.Config.Broker.SetDefaults()
	o.Config.Modules.SetDefaults()
	o.Config.Broker.SysInterval, o.Config.Broker.SysHeartbeat = 0, 0
	st := &station{Broker: broker.New(o), several: s, name: name, zone: new(broker.Zone)}
	st.zone.SetDefaults()
	st.batch = st.NewBatch()
	time.Sleep(time.Millisecond) // no two start at the same moment
	st.node = Serve(st.Broker, ServeOptions{Self: name, Network: meshEnd{s.net, name}, Log: quiet, Zone: func(string) *broker.Zone { return st.zone }})
	s.net.mu.Lock()
	s.net.nodes[name] = st.node
	s.net.mu.Unlock()
	for _, other := range s.nodes {
		other.node.Up(name, st.node.Start())
		st.node.Up(other.name, other.node.Start())
	}
	s.nodes[name] = st
	return st
}

// die ends a node at once; the others notice.
func (s *several) die(name string) {
	st := s.nodes[name]
	delete(s.nodes, name)
	s.net.remove(name)
	st.stop()
	for _, other := range s.nodes {
		other.node.Down(name)
	}
}

func (st *station) stop() {
	st.node.Close()
	st.Close()
}

// rest waits until all that was begun has been done.
func (s *several) rest() { time.Sleep(200 * time.Millisecond) }

// balance checks the accounts of all nodes.
func (s *several) balance() {
	s.Helper()
	s.rest()
	for name, st := range s.nodes {
		if l := st.Ledger(); l.Balance() != 0 || l.Queued < 0 {
			s.Errorf("the ledger of %s is out of balance by %d: %+v", name, l.Balance(), l)
		}
	}
}

// talker is a client with a connection that acknowledges what it gets, unless it
// is told not to.
type talker struct {
	*station
	client  *broker.Client
	present bool
	info    *hook.ClientInfo
	opening sync.WaitGroup

	mu    sync.Mutex
	mute  bool // acknowledges nothing
	got   []string
	acks  []func()
	ended broker.Ending
}

type option func(*broker.Opening)

func expiry(seconds uint32) option {
	return func(o *broker.Opening) { o.Ask.ExpiryInterval = seconds }
}

// will leaves one with a delay in seconds.
func will(name string, delay uint32) option {
	return func(o *broker.Opening) {
		id := o.Ask.Client.ClientID
		o.Will = &session.Will{Msg: (&mqtt.Message{Topic: name, Payload: []byte(id + " has gone"), From: id}).Keep(), Delay: delay}
	}
}

// talker makes a client and what its CONNECT asks for.
func (st *station) talker(id string, with ...option) (*talker, *broker.Opening) {
	info := &hook.ClientInfo{
		ClientID: id, Version: mqtt.V5, Peer: netip.MustParseAddrPort("192.0.2.1:5000"), Listener: &hook.ListenerInfo{Name: "external"},
	}
	k := &talker{station: st, info: info}
	o := &broker.Opening{Conn: k, Zone: st.zone, Ask: &hook.ConnInfo{Client: info, ReceiveMaximum: 65535, KeepAlive: 60}}
	for _, f := range with {
		f(o)
	}
	o.Accept = func(c *broker.Client, present bool) { k.client, k.present = c, present }
	return k, o
}

func (k *talker) subscribe(filter string, qos mqtt.QoS) *talker {
	return k.subscribeWith(filter, mqtt.SubscribeOptions{QoS: qos}, 0)
}

func (k *talker) subscribeWith(filter string, o mqtt.SubscribeOptions, id uint32) *talker {
	k.Helper()
	f, err := topic.Parse(filter)
	if err != nil {
		k.Fatal(err)
	}
	if code, _ := k.Subscribe(k.batch, k.client, k, f, mqtt.SubscribeFilter{Filter: filter, SubscribeOptions: o}, id); code.Failed() {
		k.Errorf("%s subscribes to %s: %v", k.info.ClientID, filter, code)
	}
	k.batch.End()
	return k
}

func (k *talker) publish(name, payload string, qos mqtt.QoS) mqtt.ReasonCode {
	return k.publishMessage(&mqtt.Message{Topic: name, Payload: []byte(payload), QoS: qos})
}

func (k *talker) publishMessage(m *mqtt.Message) mqtt.ReasonCode {
	m.From = k.info.ClientID
	code, _ := k.Publish(k.batch, k.info, m)
	k.batch.End()
	return code
}

func (k *talker) close() {
	k.client.Close(k.batch, k, "closed", nil, true)
	k.batch.End()
}

// wants checks what has come since it was asked last.
func (k *talker) wants(want ...string) {
	k.Helper()
	k.rest()
	if got := k.take(); !slices.Equal(got, want) {
		k.Errorf("%s on %s got %q, want %q", k.info.ClientID, k.name, got, want)
	}
}

func (k *talker) take() []string {
	k.mu.Lock()
	defer k.mu.Unlock()
	got := k.got
	k.got = nil
	return got
}

// Send is broker.Conn's, like what follows.
func (k *talker) Send(b *broker.Batch, t *mqtt.Template, o *mqtt.PublishOptions) bool {
	m := t.Message()
	text := m.Topic + "=" + string(m.Payload)
	for _, part := range []struct {
		is   bool
		text string
	}{{o.Dup, " dup"}, {o.Retain, " retain"}, {o.SubscriptionID != 0, fmt.Sprint(" sub ", o.SubscriptionID)}} {
		if part.is {
			text += part.text
		}
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	k.got = append(k.got, text)
	if o.QoS > 0 && !k.mute {
		qos, id := o.QoS, o.PacketID
		k.acks = append(k.acks, func() { k.acknowledge(qos, id) })
	}
	b.Touch(k)
	return true
}

func (k *talker) acknowledge(qos mqtt.QoS, id uint16) {
	b := k.NewBatch()
	defer b.End()
	if qos == 1 {
		k.client.Puback(b, k, id, mqtt.Success)
		return
	}
	k.client.Pubrec(b, k, id, mqtt.Success)
	k.client.Pubcomp(b, k, id, mqtt.Success)
}

func (k *talker) SendAck(*broker.Batch, mqtt.Type, uint16, mqtt.ReasonCode) {}

func (k *talker) ACLCache() *auth.Cache { return nil }

func (k *talker) Full() bool { return false }

// Flush has the client acknowledge what it got, which no function called by the
// broker may do itself.
func (k *talker) Flush() {
	k.mu.Lock()
	acks := k.acks
	k.acks = nil
	k.mu.Unlock()
	for _, ack := range acks {
		go ack()
	}
}

func (k *talker) End(why broker.Ending) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.ended = why
}

func TestSeveralForward(t *testing.T) {
	inSeveral(t, "a b c", func(s *several) {
		a, b, c := s.nodes["a"], s.nodes["b"], s.nodes["c"]
		p := a.connect("p")
		if code := p.publish("t/1", "nobody", 1); code != mqtt.NoMatchingSubscribers {
			t.Error(code)
		}
		here, there := a.connect("here").subscribe("t/+", 0), b.connect("there").subscribe("t/1", 1).subscribe("t/+", 2)
		wild := c.connect("wild").subscribe("#", 0)
		s.rest()
		if code := p.publish("t/1", "1", 2); code != mqtt.Success {
			t.Error(code)
		}
		p.publish("t/2", "2", 0)
		p.publish("other", "3", 1)
		s.rest()
		b.connect("q").publish("t/2", "4", 0)
		here.wants("t/1=1", "t/2=2", "t/2=4")
		there.wants("t/1=1", "t/1=1", "t/2=2", "t/2=4")
		wild.wants("t/1=1", "t/2=2", "other=3", "t/2=4")
		there.close() // and with it its session
		s.rest()
		p.publish("t/1", "5", 1)
		there.wants()
		here.wants("t/1=5")
		s.balance()
	})
}

// TestSeveralOptions has the options of subscriptions hold for messages from
// elsewhere.
func TestSeveralOptions(t *testing.T) {
	inSeveral(t, "a b", func(s *several) {
		a, b := s.nodes["a"], s.nodes["b"]
		p, k := a.connect("k2"), b.connect("k")
		k.subscribeWith("kept", mqtt.SubscribeOptions{RetainAsPublished: true}, 3)
		k.subscribeWith("plain", mqtt.SubscribeOptions{}, 4)
		own := b.connect("own")
		own.subscribeWith("#", mqtt.SubscribeOptions{NoLocal: true}, 0)
		s.rest()
		p.publishMessage(&mqtt.Message{Topic: "kept", Payload: []byte("1"), Retain: true})
		p.publishMessage(&mqtt.Message{Topic: "plain", Payload: []byte("2"), Retain: true})
		k.wants("kept=1 retain sub 3", "plain=2 sub 4")
		own.wants("kept=1", "plain=2")
		p.publishMessage(&mqtt.Message{Topic: "plain", Payload: []byte("3"), ExpiresAt: broker.Now() - 1, QoS: 1})
		a.Publish(a.batch, own.info, &mqtt.Message{Topic: "plain", Payload: []byte("4"), From: "own"}) // its connection has moved since
		a.batch.End()
		k.wants("plain=4 sub 4")
		own.wants()
		if n := b.Ledger().Dropped["expired"]; n != 2 {
			t.Errorf("%d deliveries have expired, want 2", n)
		}
		s.balance()
	})
}

func TestSeveralOrder(t *testing.T) {
	inSeveral(t, "a b c", func(s *several) {
		for _, st := range s.nodes {
			st.zone.Session.MaxMqueueLen = 0
		}
		subscribers := []*talker{s.nodes["b"].connect("b").subscribe("t/#", 1), s.nodes["c"].connect("c").subscribe("t/+/x", 2)}
		s.rest()
		var publishers sync.WaitGroup
		for i := range 5 {
			publishers.Go(func() {
				batch := s.nodes["a"].NewBatch()
				for n := range 400 {
					m := &mqtt.Message{Topic: fmt.Sprint("t/", n%3, "/x"), From: fmt.Sprint("p", i), QoS: 1, Payload: fmt.Appendf(nil, "p%d %04d", i, n)}
					s.nodes["a"].Publish(batch, nil, m)
					if n%7 == 0 {
						batch.End()
					}
				}
				batch.End()
			})
		}
		publishers.Wait()
		s.balance()
		for _, k := range subscribers {
			last, got := map[string]string{}, k.take()
			if len(got) != 2000 {
				t.Errorf("%s got %d messages, want 2000", k.info.ClientID, len(got))
			}
			for _, text := range got {
				stream, n := text[:len(text)-5], text[len(text)-4:] // topic and publisher
				if n <= last[stream] && last[stream] != "" {
					t.Errorf("%s got %s after %s", k.info.ClientID, text, last[stream])
				}
				last[stream] = n
			}
		}
	})
}

func TestSeveralGroups(t *testing.T) {
	inSeveral(t, "a b c", func(s *several) {
		var members []*talker
		for _, name := range []string{"a", "b", "b", "c"} {
			members = append(members, s.nodes[name].connect(fmt.Sprint("m", len(members)), expiry(100)).subscribe("$share/g/t/#", 1))
		}
		s.rest()
		p := s.nodes["a"].connect("p")
		for n := range 400 {
			p.publish("t/x", fmt.Sprint(n), mqtt.QoS(n%2))
		}
		s.balance()
		seen := map[string]int{}
		for _, m := range members {
			got := m.take()
			if len(got) < 50 {
				t.Errorf("%s got %d of 400 messages", m.info.ClientID, len(got))
			}
			for _, text := range got {
				seen[text]++
			}
		}
		for n := range 400 {
			if text := fmt.Sprint("t/x=", n); seen[text] != 1 {
				t.Errorf("%s came %d times", text, seen[text])
			}
		}
		for _, m := range members[1:] {
			m.close()
		}
		s.rest()
		for n := range 20 {
			p.publish("t/x", fmt.Sprint(n), 1)
		}
		s.rest()
		if got := members[0].take(); len(got) != 20 {
			t.Errorf("the only one that is connected got %d of 20", len(got))
		}
		s.balance()
	})
}

// TestSeveralDeath: what a node that dies had in the hands of its clients goes to
// other members, and none is lost.
func TestSeveralDeath(t *testing.T) {
	inSeveral(t, "a b c", func(s *several) {
		var members []*talker
		for _, name := range []string{"a", "b", "c"} {
			m := s.nodes[name].connect("m"+name, expiry(100)).subscribe("$share/g/t/#", 1)
			members = append(members, m)
		}
		s.rest()
		members[1].mute = true // acknowledges nothing
		p := s.nodes["a"].connect("p")
		for n := range 60 {
			p.publish("t/x", fmt.Sprint(n), 1)
		}
		s.rest()
		held := members[1].take()
		if len(held) < 5 {
			t.Errorf("%d came to the node that dies", len(held))
		}
		s.die("b")
		s.rest()
		seen := map[string]int{}
		for _, m := range []*talker{members[0], members[2]} {
			for _, text := range m.take() {
				seen[text]++
			}
		}
		for n := range 60 {
			if text := fmt.Sprint("t/x=", n); seen[text] != 1 {
				t.Errorf("%s came to the living %d times", text, seen[text])
			}
		}
		s.balance()
	})
}
