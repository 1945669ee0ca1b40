package broker

import (
	"fmt"
	"math"
	"testing"
	"testing/synctest"
	"time"

	"github.com/dunlin-mq/dunlin/mqtt"
)

func TestTopicCounts(t *testing.T) {
	r := newRig(t)
	a := r.connect("a").subscribe("t", 1)
	r.connect("b", mounted("m/")).subscribe("m/t", 2)
	p := r.connect("p")
	wants := func(name string, in, out [3]uint64, dropped uint64) {
		t.Helper()
		c, ok := r.TopicCount(name)
		for q := range in {
			ok = ok && c.In[q].Count == in[q] && c.Out[q].Count == out[q]
		}
		if !ok || c.Dropped.Count != dropped || c.Topic != name {
			t.Errorf("%+v, want in %v, out %v, dropped %d", c, in, out, dropped)
		}
	}
	p.publish("t", "before", 1)
	for _, name := range []string{"t", "m/t", "nobody"} {
		if err := r.CountTopic(name); err != nil {
			t.Error(err)
		}
	}
	p.publish("t", "", 0)
	p.publish("t", "", 2)
	p.publish("m/t", "", 2)
	p.publish("nobody", "", 1)
	p.publish("other", "", 1)
	a.full.Store(true)
	p.publish("t", "", 1)
	wants("t", [3]uint64{1, 1, 1}, [3]uint64{1, 1, 0}, 0)
	a.full.Store(false)
	a.client.Drain(r.batch, a.fakeConn)
	r.batch.End()
	wants("t", [3]uint64{1, 1, 1}, [3]uint64{1, 2, 0}, 0) // what waited counts when it goes out
	wants("m/t", [3]uint64{0, 0, 1}, [3]uint64{0, 0, 1}, 0)
	wants("nobody", [3]uint64{0, 1, 0}, [3]uint64{}, 1)

	p.publishIn(r.batch, &mqtt.Message{Topic: "t", Payload: []byte("kept"), Retain: true})
	p.publishIn(r.batch, &mqtt.Message{Topic: "m/t", Payload: []byte("kept"), Retain: true})
	r.connect("late").subscribe("+", 0).subscribe("m/+", 0) // the replay lends one message for all
	wants("t", [3]uint64{2, 1, 1}, [3]uint64{3, 2, 0}, 0)
	wants("m/t", [3]uint64{1, 0, 1}, [3]uint64{2, 0, 1}, 0)

	if all := r.TopicCounts(); len(all) != 3 || all[0].Topic != "m/t" || all[2].Topic != "t" {
		t.Errorf("%v are counted", all)
	}
	if !r.UncountTopic("t") || r.UncountTopic("t") {
		t.Error("t is to be forgotten, and once")
	}
	if _, ok := r.TopicCount("t"); ok {
		t.Error("t is counted still")
	}
	r.UncountTopic("nobody")
	r.UncountTopic("m/t")
	if r.topics.all.Load() != nil {
		t.Error("who routes looks for topics of which there are none")
	}
}

func TestTopicCountBounds(t *testing.T) {
	r := newRig(t)
	for i := range maxCounted {
		if err := r.CountTopic(fmt.Sprint("t/", i)); err != nil {
			t.Fatal(err)
		}
	}
	if err := r.CountTopic("t/1"); err != ErrCounted {
		t.Error(err)
	}
	if err := r.CountTopic("one more"); err != ErrTooManyTopics {
		t.Error(err)
	}
	r.UncountTopics()
	if all := r.TopicCounts(); len(all) != 0 {
		t.Errorf("%v are counted", all)
	}
	for _, name := range []string{"", "a/#", "+", "a\x00b"} {
		if err := r.CountTopic(name); err == nil {
			t.Errorf("%q is taken for a topic", name)
		}
	}
}

// TestTopicRates: a rate comes up to what is published in a second, and down
// to nothing; with no topic left, nothing is scheduled.
func TestTopicRates(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		p := r.connect("p")
		if err := r.CountTopic("t"); err != nil {
			t.Fatal(err)
		}
		wants := func(want, within float64) {
			t.Helper()
			synctest.Wait()
			if c, _ := r.TopicCount("t"); math.Abs(c.In[0].Rate-want) > within {
				t.Errorf("%v a second, want %v ± %v", c.In[0].Rate, want, within)
			}
		}
		for range 300 {
			p.publish("t", "", 0)
			time.Sleep(100 * time.Millisecond)
		}
		wants(10, 1)
		time.Sleep(time.Minute)
		wants(0, 0.01)
		r.UncountTopics()
		time.Sleep(3 * time.Second)
		synctest.Wait()
		r.topics.mu.Lock()
		defer r.topics.mu.Unlock()
		if r.topics.timer != 0 {
			t.Error("the timer goes on")
		}
	})
}

// BenchmarkTopicCounts is BenchmarkPublish's 1to1 while other topics are
// counted, and this one.
func BenchmarkTopicCounts(b *testing.B) {
	for _, counted := range []string{"", "other", "t"} {
		b.Run(counted, func(b *testing.B) {
			r := newRig(b)
			if counted != "" {
				if err := r.CountTopic(counted); err != nil {
					b.Fatal(err)
				}
			}
			publish := r.publisher(r.audience(1, "t", 0), "t", 0)
			b.ReportAllocs()
			for b.Loop() {
				publish()
			}
		})
	}
}
