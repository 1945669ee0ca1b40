package broker

import (
	"fmt"
	"runtime"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"unsafe"

	"github.com/dunlin-mq/dunlin/auth"
	"github.com/dunlin-mq/dunlin/hook"
	"github.com/dunlin-mq/dunlin/internal/race"
	"github.com/dunlin-mq/dunlin/mqtt"
	"github.com/dunlin-mq/dunlin/topic"
)

// devNull is a Conn that encodes what it gets, as a real one would, and
// acknowledges it at once.
type devNull struct {
	client *Client
	batch  *Batch
	buf    []byte
	acks   []uint16
}

func (n *devNull) Send(_ *Batch, t *mqtt.Template, o *mqtt.PublishOptions) bool {
	n.buf = t.Append(n.buf[:0], mqtt.V311, o)
	if o.QoS > 0 {
		n.acks = append(n.acks, o.PacketID)
	}
	return true
}

func (n *devNull) SendAck(*Batch, mqtt.Type, uint16, mqtt.ReasonCode) {}
func (n *devNull) ACLCache() *auth.Cache                              { return nil }

func (n *devNull) Full() bool { return false }
func (n *devNull) Flush()     {}
func (n *devNull) End(Ending) {}

func (n *devNull) ackAll() {
	for _, id := range n.acks {
		n.client.Puback(n.batch, n, id, mqtt.Success)
	}
	n.acks = n.acks[:0]
}

// audience connects clients that subscribe to the filter, in which %d is the
// client's number.
func (r *rig) audience(n int, pattern string, qos mqtt.QoS) (all []*devNull) {
	for i := range n {
		filter := strings.ReplaceAll(pattern, "%d", strconv.Itoa(i))
		f, err := topic.Parse(filter)
		if err != nil {
			r.Fatal(err)
		}
		c := &devNull{batch: r.batch}
		r.Open(r.batch, &Opening{
			Conn: c, Zone: r.zone, Ask: &hook.ConnInfo{Client: &hook.ClientInfo{ClientID: fmt.Sprint("client", i), Version: mqtt.V311}},
			Accept: func(client *Client, _ bool) { c.client = client },
		})
		r.Subscribe(r.batch, c.client, c, f, mqtt.SubscribeFilter{Filter: filter, SubscribeOptions: mqtt.SubscribeOptions{QoS: qos}}, 0)
		r.batch.End()
		all = append(all, c)
	}
	return all
}

// publisher returns a function that publishes as a connection does, with one
// Message and one buffer for all, and has the audience acknowledge.
func (r *rig) publisher(all []*devNull, name string, qos mqtt.QoS) func() {
	info := &hook.ClientInfo{ClientID: "publisher"}
	var m mqtt.Message
	p := &mqtt.Publish{Topic: name, Payload: make([]byte, 16), QoS: qos}
	return func() {
		m.SetPublish(p, r.batch.Now())
		m.From = info.ClientID
		r.Publish(r.batch, info, &m)
		if qos > 0 {
			for _, c := range all {
				c.ackAll()
			}
		}
		r.batch.End()
	}
}

func TestAllocations(t *testing.T) {
	f := func(clients int, filter string, pub, sub mqtt.QoS, want float64) {
		t.Helper()
		idle, _ := newDurableRig(t, 1) // there is a log, and nobody who needs it
		for name, r := range map[string]*rig{"no log": newRig(t), "a log": idle} {
			publish := r.publisher(r.audience(clients, filter, sub), "bench/topic/1", pub)
			publish()
			if got := testing.AllocsPerRun(1000, publish); got != want && !race.Enabled { // it takes so long then that timers of all brokers here count
				t.Errorf("%s, QoS %d to %d subscribers of %s at QoS %d: %v allocations, want %v", name, pub, clients, filter, sub, got, want)
			}
			r.balances()
		}
	}
	f(1, "bench/topic/1", 0, 0, 0)
	f(1, "bench/+/1", 0, 2, 0)
	f(200, "bench/topic/1", 0, 1, 0)
	f(5, "$share/g/bench/#", 0, 1, 0)
	f(1, "bench/topic/1", 1, 1, 2) // the message and its payload, once for all receivers
	f(200, "bench/topic/1", 1, 1, 2)
	f(5, "$share/g/bench/#", 1, 1, 2)
	f(200, "bench/topic/1", 1, 0, 0) // nobody has to keep it
}

func BenchmarkPublish(b *testing.B) {
	f := func(name string, clients int, filter string, qos mqtt.QoS) {
		b.Run(name, func(b *testing.B) {
			r := newRig(b)
			all := r.audience(clients, filter, qos)
			publish := r.publisher(all, "bench/topic/1", qos)
			b.ReportAllocs()
			for b.Loop() {
				publish()
			}
			if filter[0] != '$' {
				b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*clients), "ns/delivery")
			}
		})
	}
	for _, qos := range []mqtt.QoS{0, 1} {
		for _, n := range []int{1, 200, 1000} {
			f(fmt.Sprintf("QoS%d/1to%d", qos, n), n, "bench/topic/1", qos)
		}
		f(fmt.Sprintf("QoS%d/shared5", qos), 5, "$share/g/bench/#", qos)
	}
}

// BenchmarkParallel publishes 1:1 from several goroutines, each to a client of
// its own: what they share is the broker. Compare -cpu 1,2.
func BenchmarkParallel(b *testing.B) {
	r := newRig(b)
	all := r.audience(64, "client/%d", 0)
	var next atomic.Int64
	b.RunParallel(func(pb *testing.PB) {
		own := *r
		own.batch = r.NewBatch()
		i := int(next.Add(1)) % len(all)
		publish := own.publisher(nil, fmt.Sprint("client/", i), 0)
		for pb.Next() {
			publish()
		}
	})
}

// BenchmarkConnect is a client that connects, subscribes and goes.
func BenchmarkConnect(b *testing.B) {
	r := newRig(b)
	c := &devNull{batch: r.batch}
	f := topic.Filter{Bare: "devices/1/commands"}
	o := &Opening{Conn: c, Zone: r.zone, Accept: func(client *Client, _ bool) { c.client = client }}
	b.ReportAllocs()
	for b.Loop() {
		o.Ask = &hook.ConnInfo{Client: &hook.ClientInfo{ClientID: "client", Version: mqtt.V311}}
		r.Open(r.batch, o)
		r.Subscribe(r.batch, c.client, c, f, mqtt.SubscribeFilter{Filter: f.Bare}, 0)
		c.client.Close(r.batch, c, "normal", nil, false)
		r.batch.End()
	}
}

// BenchmarkWheel schedules a timer among many and moves it.
func BenchmarkWheel(b *testing.B) {
	var w wheel
	timers := make([]alarm, 100_000)
	for i := range timers {
		w.set(&timers[i], 0, int64(i)*3)
	}
	t := &alarm{}
	w.set(t, 0, 300_000)
	b.ReportAllocs()
	for b.Loop() {
		w.set(t, 300_000, 200_000)
		w.set(t, 200_000, 300_000)
	}
}

// idleClient is the heap of a connected client with one subscription of its
// own: Client, Session, route, index, registry and identity with their texts.
func idleClient(r *rig, n int) (bytes float64) {
	measure := func() uint64 {
		runtime.GC()
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	conn := &devNull{batch: r.batch}
	listener := &hook.ListenerInfo{Name: "external"}
	before := measure()
	for i := range n {
		info := &hook.ClientInfo{ClientID: "device-" + strconv.Itoa(100_000+i), Version: mqtt.V311, Listener: listener}
		r.Open(r.batch, &Opening{
			Conn: conn, Zone: r.zone, Ask: &hook.ConnInfo{Client: info, CleanStart: true},
			Accept: func(client *Client, _ bool) { conn.client = client },
		})
		filter := "devices/" + strconv.Itoa(100_000+i) + "/commands"
		r.Subscribe(r.batch, conn.client, conn, topic.Filter{Bare: filter}, mqtt.SubscribeFilter{Filter: filter, SubscribeOptions: mqtt.SubscribeOptions{QoS: 1}}, 0)
		r.batch.End()
	}
	bytes = float64(measure()-before) / float64(n)
	runtime.KeepAlive(r)
	return bytes
}

// TestSizes: what each client costs. What few clients need is behind Client.more.
func TestSizes(t *testing.T) {
	if unsafe.Sizeof(uintptr(0)) != 8 {
		t.Skip("the sizes are those of machines with 64 bits")
	}
	is := func(what string, got, want uintptr) {
		t.Helper()
		if got != want {
			t.Errorf("%s takes %d bytes, want %d", what, got, want)
		}
	}
	is("a client", unsafe.Sizeof(Client{}), 112)
	is("its identity", unsafe.Sizeof(hook.ClientInfo{}), 128)
	is("a route", unsafe.Sizeof(route{}), 32)
}

func TestMemory(t *testing.T) {
	if got := idleClient(newRig(t), 28_000); got > 540 {
		t.Errorf("an idle client with one subscription takes %.0f bytes of heap, want 540 at most", got)
	}
}

func BenchmarkIdleClient(b *testing.B) {
	for _, n := range []int{10_000, 50_000, 100_000} {
		b.Run(strconv.Itoa(n), func(b *testing.B) {
			for b.Loop() {
				b.ReportMetric(idleClient(newRig(b), n), "B/client")
			}
		})
	}
}
