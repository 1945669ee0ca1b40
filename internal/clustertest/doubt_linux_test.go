package clustertest

import (
	"context"
	"slices"
	"testing"
	"time"
)

// TestInDoubt: the log has no answer for messages of QoS 2, as two nodes of three
// hang; some of them are in it all the same. When the nodes go on, each message
// has an answer that is true: what was acknowledged came once, and what was refused
// never, although a publisher has lost its connection and has repeated what had
// no answer. One publisher's session is durable, the other's lives in memory.
func TestInDoubt(t *testing.T) {
	nodes := newCluster(t, nil, 3)
	h := NewHistory()
	ctx, end := context.WithTimeout(context.Background(), 2*gathering)
	defer end()
	sub := newClient(ctx, h, "sub", sessionExpiry, nodes[0].Dial)
	pubs := []*client{newClient(ctx, h, "durable", sessionExpiry, nodes[0].Dial), newClient(ctx, h, "memory", 0, nodes[0].Dial)}
	if err := sub.subscribe(ctx, "doubt/+", 2); err != nil {
		t.Fatal(err)
	}
	number := 0
	publish := func(n int) (last Message) { // each as many
		for range n {
			number++
			for _, p := range pubs {
				last = Message{Publisher: p.id, Number: number, Topic: "doubt/" + p.id, QoS: 2}
				if !p.publish(ctx, last, 100) {
					t.Fatalf("%v can't be published", last)
				}
			}
			time.Sleep(time.Millisecond)
		}
		return last
	}
	settle := func(what string, is func() bool) {
		for !is() {
			if ctx.Err() != nil {
				t.Fatalf("it never came that %s\n%v", what, Check(h))
			}
			time.Sleep(20 * time.Millisecond)
		}
	}
	open := func() (n int) {
		for _, p := range pubs {
			_, left := p.state()
			n += left
		}
		return n
	}
	answered := func() bool { return open() == 0 }
	publish(50)
	settle("all is answered", answered) // there is room in the windows again
	hung := make(chan struct{})
	go func() { // in the middle of the others
		nodes[1].Pause()
		nodes[2].Pause()
		h.Note("two nodes hang")
		close(hung)
	}()
	publish(10) // fewer than a window, or nobody would go on
	<-hung
	publish(5)
	time.Sleep(5 * time.Second) // the engine gives up
	pubs[0].stay(time.Second, false)
	h.Note("a publisher has lost its connection")
	time.Sleep(3 * time.Second)
	left := open()
	nodes[1].Resume()
	nodes[2].Resume()
	h.Note("they go on")
	publish(50)
	settle("all is answered", answered)
	settle("a message is taken again and comes", func() bool {
		last := publish(1)
		settle("that is answered", answered)
		for ctx.Err() == nil {
			h.mu.Lock()
			taken := h.fates[last].outcome == acknowledged
			came := slices.ContainsFunc(sub.log.receipts, func(r receipt) bool { return r.Message == last })
			h.mu.Unlock()
			if !taken || came {
				return taken
			}
			time.Sleep(20 * time.Millisecond)
		}
		return false
	})
	end()
	for _, c := range append(pubs, sub) {
		c.wg.Wait()
	}
	r := Check(h)
	r.Require(t)
	if r.LateRefused > 0 || r.Unknown > 0 {
		t.Errorf("%d messages were refused and came, %d have no answer; %d had none while the nodes hung", r.LateRefused, r.Unknown, left)
	}
	t.Logf("%d had no answer while the nodes hung", left)
}
