package broker

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/dunlin-mq/dunlin/hook"
	"github.com/dunlin-mq/dunlin/mqtt"
)

// TestGroupCrowd: members of two groups, one at QoS 1 and one at QoS 2, live at
// random, and the broker ends at random moments without warning. What was
// acknowledged to its publisher comes to a member of each group; of the group at
// QoS 2 to one and once.
func TestGroupCrowd(t *testing.T) {
	for i, s := range strategies {
		t.Run(string(s), func(t *testing.T) {
			t.Parallel()
			newGroupCrowd(t, s, uint64(i)).run(4)
		})
	}
}

// groupCrowd is a broker and, after each crash, the one that comes after it.
type groupCrowd struct {
	*rig
	strategy Strategy
	rnd      *rand.Rand
	keepers  []*keeper
	group    map[*keeper]string
	dead     *atomic.Bool
	sent     int

	mu   sync.Mutex
	must map[string]bool // payloads: true, it was acknowledged to its publisher
}

func newGroupCrowd(t *testing.T, s Strategy, seed uint64) *groupCrowd {
	l := newFakeLog(t, 1+int(seed%3))
	l.late, l.chunk = true, int(seed%4)*3
	c := &groupCrowd{
		rig: newRig(t, withStrategy(s), withLog(l)), strategy: s, rnd: rand.New(rand.NewPCG(seed, 5)),
		group: make(map[*keeper]string), dead: new(atomic.Bool), must: make(map[string]bool),
	}
	for i := range 6 {
		qos := mqtt.QoS(1 + i%2)
		k := c.keeper(fmt.Sprint("k", i), seed*10+uint64(i), map[string]mqtt.QoS{fmt.Sprintf("$share/%d/t/#", qos): qos})
		k.dead = c.dead
		k.connect()
		c.keepers, c.group[k] = append(c.keepers, k), fmt.Sprint(qos)
	}
	c.quiet() // before, nobody may rely on a subscription
	return c
}

func (c *groupCrowd) run(crashes int) {
	for range crashes {
		c.liveFor(time.Duration(1+c.rnd.IntN(40)) * time.Millisecond)
		c.crash()
	}
	for more := true; more; {
		more = false
		for _, k := range c.keepers {
			k.finish()
		}
		c.quiet()
		for _, k := range c.keepers {
			more = k.ackSome(1000) || more
		}
	}
	c.quiet()
	c.balances()
	if l := c.Ledger(); l.Queued != 0 || l.Dropped["session_ended"]+l.Dropped["queue_full"]+l.Dropped["log_retention"] != 0 {
		c.Errorf("the ledger says %+v", l)
	}
	c.check()
}

// liveFor lets publishers publish and members live for a while, and ends in the
// middle of it, for them.
func (c *groupCrowd) liveFor(d time.Duration) {
	over, dead, r := make(chan struct{}), c.dead, c.rig
	var living sync.WaitGroup
	for p := range 3 {
		living.Go(func() {
			b := r.NewBatch()
			info := &hook.ClientInfo{ClientID: fmt.Sprint("p", p)}
			for i := 0; ; i++ {
				select {
				case <-over:
					return
				default:
				}
				c.mu.Lock()
				c.sent++
				payload := fmt.Sprintf("%06d", c.sent)
				c.must[payload] = false
				c.mu.Unlock()
				m := &mqtt.Message{Topic: fmt.Sprint("t/", i%4), Payload: []byte(payload), From: info.ClientID, QoS: 2}
				if code, _ := r.PublishKept(b, info, m); !code.Failed() && !dead.Load() {
					c.mu.Lock()
					c.must[payload] = true
					c.mu.Unlock()
				}
				b.End()
			}
		})
	}
	for _, k := range c.keepers {
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
	time.Sleep(d)
	if c.rnd.IntN(3) > 0 {
		c.next()
	}
	close(over)
	living.Wait()
}

// next is what the broker leaves behind at this moment. Nothing that the old one
// does from here on comes to anybody.
func (c *groupCrowd) next() {
	c.dead.Store(true)
	again, l := c.crashed(withStrategy(c.strategy))
	l.chunk = c.durable.log.(*fakeLog).chunk
	c.rig, c.dead = again, new(atomic.Bool)
}

// crash has everybody go on with the next broker.
func (c *groupCrowd) crash() {
	if !c.dead.Load() && c.keepers[0].dead == c.dead { // it has lived to the end of the round
		c.next()
	}
	for _, k := range c.keepers {
		k.rig, k.batch, k.now, k.dead = c.rig, c.NewBatch(), nil, c.dead
	}
}

func (c *groupCrowd) check() {
	for _, group := range []string{"1", "2"} {
		times := make(map[string]int)
		for _, k := range c.keepers {
			if c.group[k] == group {
				for _, s := range k.log {
					times[s.payload]++
				}
			}
		}
		lost, twice := []string(nil), []string(nil)
		for payload, must := range c.must {
			switch n := times[payload]; {
			case n == 0 && must:
				lost = append(lost, payload)
			case n > 1 && group == "2":
				twice = append(twice, payload)
			}
		}
		if slices.Sort(lost); len(lost)+len(twice) > 0 {
			c.Errorf("of %d messages the group at QoS %s lost %d, %v, and got %d twice, %v", len(c.must), group, len(lost), lost[:min(len(lost), 5)], len(twice), twice[:min(len(twice), 5)])
		}
	}
}
