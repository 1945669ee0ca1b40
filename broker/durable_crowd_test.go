package broker

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/dunlin-mq/dunlin/hook"
	"github.com/dunlin-mq/dunlin/mqtt"
)

// keeper is a client with a durable session, through all its connections: it
// acknowledges at its own pace, goes, comes back, is taken over, and notes all
// that it gets.
type keeper struct {
	*rig
	id    string
	subs  map[string]mqtt.QoS
	batch *Batch
	rnd   *rand.Rand
	now   *peer
	roams []*rig       // brokers between which it moves; nil: it stays
	dead  *atomic.Bool // its broker: nothing comes from it then; nil: it lives for ever

	mu    sync.Mutex
	todo  []sent   // to be acknowledged
	rels  []uint16 // PUBRELs to be answered
	log   []sent
	again map[uint16]sent // QoS 2 deliveries whose PUBREL hasn't come
}

func (r *rig) keeper(id string, seed uint64, subs map[string]mqtt.QoS) *keeper {
	return &keeper{rig: r, id: id, subs: subs, batch: r.NewBatch(), rnd: rand.New(rand.NewPCG(seed, 11)), again: make(map[uint16]sent)}
}

func (k *keeper) connect() {
	k.roam()
	conn := new(fakeConn)
	k.now = k.connectIn(k.batch, k.id, durably, window(uint16(1+k.rnd.IntN(12))), func(o *Opening) {
		k.mu.Lock()
		defer k.mu.Unlock()
		k.todo, k.rels = nil, nil
		o.Conn = conn
		conn.onSend, conn.onAck = k.got, k.released // nothing of an older connection counts from here on
		if dead := k.dead; dead != nil {
			conn.onSend = func(s sent) {
				if !dead.Load() {
					k.got(s)
				}
			}
			conn.onAck = func(kind mqtt.Type, id uint16) {
				if !dead.Load() {
					k.released(kind, id)
				}
			}
		}
	})
	k.now.fakeConn = conn
	if !k.now.present {
		for filter, qos := range k.subs {
			k.now.subscribeIn(k.batch, filter, mqtt.SubscribeOptions{QoS: qos}, 0)
		}
	}
}

func (k *keeper) got(s sent) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if s.qos > 0 {
		k.todo = append(k.todo, s)
	}
	if s.qos == 2 {
		if first, repeated := k.again[s.id]; repeated { // the same message, or the broker has mixed them up
			if first.payload != s.payload || !s.dup {
				k.Errorf("%s got %q under the identifier of %q", k.id, s, first)
			}
			return
		}
		k.again[s.id] = s
	}
	if s.qos > 0 {
		k.log = append(k.log, s)
	}
}

func (k *keeper) released(kind mqtt.Type, id uint16) {
	if kind != mqtt.TypePubrel {
		return
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	delete(k.again, id)
	k.rels = append(k.rels, id)
}

// ackSome answers up to n packets.
func (k *keeper) ackSome(n int) (more bool) {
	k.mu.Lock()
	todo := k.todo[:min(n, len(k.todo))]
	k.todo = k.todo[len(todo):]
	rels := k.rels[:min(n, len(k.rels))]
	k.rels = k.rels[len(rels):]
	k.mu.Unlock()
	for _, s := range todo {
		if s.qos == 1 {
			k.now.client.Puback(k.batch, k.now.fakeConn, s.id, mqtt.Success)
		} else {
			k.now.client.Pubrec(k.batch, k.now.fakeConn, s.id, mqtt.Success)
		}
	}
	for _, id := range rels {
		k.now.client.Pubcomp(k.batch, k.now.fakeConn, id, mqtt.Success)
	}
	k.batch.End()
	return len(todo)+len(rels) > 0
}

// live does one thing at random.
func (k *keeper) live() {
	switch n := k.rnd.IntN(60); {
	case k.now == nil || n == 0:
		k.connect()
	case n == 1:
		k.now.client.Close(k.batch, k.now.fakeConn, "closed", nil, true)
	case n == 2:
		k.now.full.Store(true)
	case n < 8:
		k.now.full.Store(false)
		k.now.client.Drain(k.batch, k.now.fakeConn)
	default:
		k.ackSome(k.rnd.IntN(8))
	}
	k.batch.End()
	if k.rnd.IntN(20) == 0 {
		time.Sleep(time.Duration(k.rnd.IntN(300)) * time.Microsecond)
	}
}

// finish comes back for good and takes all there is.
func (k *keeper) finish() {
	k.connect()
	for {
		k.quiet()
		if !k.ackSome(1000) {
			return
		}
	}
}

// check wants each of the messages once for each subscription, but for
// repetitions at QoS 1, and those of one topic and QoS in order.
func (k *keeper) check(all []*mqtt.Message) {
	k.Helper()
	times := make(map[string]int)
	last := make(map[string]string)
	for _, s := range k.log {
		if s.dup && s.qos == 1 && times[s.payload] > 0 {
			continue
		}
		times[s.payload]++
		publisher, _, _ := strings.Cut(s.payload, " ")
		of := fmt.Sprint(publisher, s.topic, s.qos)
		if len(k.subs) == 1 && s.payload < last[of] {
			k.Errorf("%s got %q after %q", k.id, s, last[of])
		}
		last[of] = s.payload
	}
	for _, m := range all {
		want := 0
		for filter, qos := range k.subs {
			if qos > 0 && (filter == "#" || filter == "t/#" || filter == m.Topic) {
				want++
			}
		}
		if got := times[string(m.Payload)]; got != want {
			k.Errorf("%s got %q on %s %d times, want %d", k.id, m.Payload, m.Topic, got, want)
			return
		}
	}
}

// TestDurableCrowd: whatever clients do, however slow they are and however
// small the chunks of the log, each gets each message once, in order, and the
// ledger balances.
func TestDurableCrowd(t *testing.T) {
	for _, c := range []struct{ shards, chunk, messages int }{{1, 1, 300}, {3, 0, 1500}, {2, 5, 900}} {
		t.Run(fmt.Sprintf("%d shards in chunks of %d", c.shards, c.chunk), func(t *testing.T) {
			t.Parallel()
			l := newFakeLog(t, c.shards)
			l.chunk, l.late = c.chunk, true
			r := newRig(t, withLog(l))
			r.zone.Session.MaxMqueueLen = 1 // which doesn't concern them
			keepers := []*keeper{
				r.keeper("one", 1, map[string]mqtt.QoS{"t/#": 1}),
				r.keeper("two", 2, map[string]mqtt.QoS{"t/#": 2}),
				r.keeper("topic", 3, map[string]mqtt.QoS{"t/1": 2}),
				r.keeper("several", 4, map[string]mqtt.QoS{"t/1": 1, "#": 2, "t/2": 0}),
			}
			for _, k := range keepers {
				k.connect()
			}
			all := r.liveOn(keepers, c.messages, "p")
			for _, k := range keepers {
				k.finish()
			}
			r.quiet()
			r.balances()
			for _, k := range keepers {
				k.check(all)
			}
			if l := r.Ledger(); l.Queued != 0 || l.Dropped["queue_full"] > 0 || l.Dropped["log_retention"]+l.Dropped["unsubscribed"] > 0 {
				t.Errorf("the ledger says %+v", l)
			}
		})
	}
}

// liveOn lets the keepers live while two publishers publish so many messages,
// which it returns.
func (r *rig) liveOn(keepers []*keeper, messages int, publisher string) (all []*mqtt.Message) {
	var publishing, living sync.WaitGroup
	var mu sync.Mutex
	for p := range 2 {
		publishing.Go(func() {
			b := r.NewBatch()
			info := &hook.ClientInfo{ClientID: fmt.Sprint(publisher, p)}
			for i := range messages / 2 {
				m := &mqtt.Message{Topic: fmt.Sprint("t/", i%4), Payload: fmt.Appendf(nil, "%s %05d", info.ClientID, i), From: info.ClientID, QoS: mqtt.QoS(1 + i/4%2)}
				mu.Lock()
				all = append(all, m)
				mu.Unlock()
				own := *m
				if i%10 == 0 {
					r.PublishKept(b, info, &own)
				} else {
					r.Publish(b, info, &own)
				}
			}
			b.End()
		})
	}
	over := make(chan struct{})
	for _, k := range keepers {
		living.Go(func() {
			for {
				select {
				case <-over:
					return
				default:
					k.live()
				}
			}
		})
	}
	publishing.Wait()
	close(over)
	living.Wait()
	return slices.Clone(all)
}
