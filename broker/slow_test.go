package broker

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/dunlin-mq/dunlin/mqtt"
)

func slowly(kind string, change ...func(*SlowConfig)) func(*Options) {
	return func(o *Options) {
		c := &o.Config.Modules.Slow
		c.On, c.Type = true, kind
		for _, f := range change {
			f(c)
		}
	}
}

// slowest is the list in short: client topic milliseconds.
func (r *rig) slowest() string {
	rows, on := r.SlowSubscriptions()
	text := fmt.Sprint(on)
	for _, s := range rows {
		text += fmt.Sprintf(", %s %s %d", s.ClientID, s.Topic, s.Took)
	}
	return text
}

func (r *rig) wantsSlow(want string) {
	r.Helper()
	if got := r.slowest(); got != want {
		r.Errorf("slow: %s, want %s", got, want)
	}
}

// TestSlowTypes: what counts as the time of a delivery, at each QoS. The
// client is full for a second, and acknowledges after two more.
func TestSlowTypes(t *testing.T) {
	f := func(kind, want string) {
		t.Helper()
		synctest.Test(t, func(t *testing.T) {
			r := newRig(t, slowly(kind))
			r.zone.Session.MqueueStoreQoS0 = true
			r.zone.Session.RetryInterval = 1500 * time.Millisecond
			c := r.connect("c").subscribe("q/#", 2).subscribe("kept", 1)
			time.Sleep(time.Second)
			p := r.connect("p")
			c.full.Store(true)
			for q := range mqtt.QoS(3) {
				p.publishIn(r.batch, &mqtt.Message{Topic: fmt.Sprint("q/", q), QoS: q, Timestamp: Now()})
			}
			time.Sleep(time.Second)
			c.full.Store(false)
			c.client.Drain(r.batch, c.fakeConn)
			r.batch.End()
			got := c.take()
			time.Sleep(2 * time.Second)
			for _, s := range got {
				if s.qos == 2 {
					c.client.Pubrec(r.batch, c.fakeConn, s.id, mqtt.Success)
					r.batch.End()
					time.Sleep(time.Second)
				}
				if s.qos == 1 {
					c.ack(r.batch, s)
				} else if s.qos == 2 {
					c.client.Pubcomp(r.batch, c.fakeConn, s.id, mqtt.Success)
					r.batch.End()
				}
			}
			r.wantsSlow(want)
		})
	}
	f("whole", "true, c q/2 4000, c q/1 3000, c q/0 1000")
	f("internal", "true, c q/0 1000, c q/1 1000, c q/2 1000")
	f("response", "true, c q/2 3000, c q/1 2000")
}

// TestSlowList keeps the worst of each pair, as many pairs as it may, and each
// for as long as it may.
func TestSlowList(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, slowly("whole", func(c *SlowConfig) { c.Most, c.Expire = 2, time.Minute }))
		time.Sleep(time.Second)
		took := func(client, topic string, ms int64) {
			now := Now()
			r.slow.completed(client, &mqtt.Message{Topic: topic, Timestamp: now - ms}, 0, now, now)
		}
		took("a", "t", 500)
		r.wantsSlow("true")
		took("a", "t", 501)
		took("a", "t", 700)
		took("a", "t", 600)
		r.wantsSlow("true, a t 700")
		time.Sleep(40 * time.Second)
		took("a", "u", 650)
		r.wantsSlow("true, a t 700, a u 650")
		took("b", "t", 650)
		r.wantsSlow("true, a t 700, a u 650")
		took("b", "t", 651)
		r.wantsSlow("true, a t 700, b t 651")
		if floor := r.slow.floor.Load(); floor != 651 {
			t.Errorf("the floor is %d, want that of the fastest", floor)
		}
		time.Sleep(31 * time.Second)
		synctest.Wait()
		r.wantsSlow("true, b t 651")
		took("c", "t", 501)
		r.wantsSlow("true, b t 651, c t 501")
		r.ForgetSlowSubscriptions()
		r.wantsSlow("true")
		took("c", "t", 501)
		r.wantsSlow("true, c t 501")
	})
	newRig(t).wantsSlow("false")
}

// TestSlowLeavesOut: what was retained, or is older than the session, made
// nobody wait.
func TestSlowLeavesOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, slowly("whole"))
		p := r.connect("p")
		p.publishIn(r.batch, &mqtt.Message{Topic: "kept", Payload: []byte("1"), Retain: true, QoS: 1, Timestamp: Now()})
		c := r.connect("c")
		time.Sleep(time.Second)
		p.publishIn(r.batch, &mqtt.Message{Topic: "later", Payload: []byte("1"), Retain: true, QoS: 1, Timestamp: Now()})
		time.Sleep(time.Second)
		for _, s := range c.subscribe("+", 1).take() {
			c.ack(r.batch, s)
		}
		r.wantsSlow("true")
	})
}

func TestSlowNotice(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, slowly("whole", func(c *SlowConfig) { c.NoticeEvery, c.NoticeQoS, c.NoticeBatch = 20*time.Second, 1, 2 }))
		w := r.connect("watch").subscribe("$SYS/brokers/+/slow_subs", 1)
		time.Sleep(time.Second)
		now := Now()
		for i := range 3 {
			r.slow.completed(fmt.Sprint("c", i), &mqtt.Message{Topic: "t", Timestamp: now - 1000 - int64(i)}, 0, now, now)
		}
		time.Sleep(20 * time.Second)
		synctest.Wait()
		const row = `{"clientid":"c%d","node":"dunlin@host","topic":"t","timespan":%d,"last_update_time":%d}`
		tick := now + 19_000
		w.wants(
			fmt.Sprintf(`$SYS/brokers/dunlin@host/slow_subs={"last_tick_at":%d,"logs":[`+row+`,`+row+`]}`, tick, 2, 1002, now, 1, 1001, now),
			fmt.Sprintf(`$SYS/brokers/dunlin@host/slow_subs={"last_tick_at":%d,"logs":[`+row+`]}`, tick, 0, 1000, now))
	})
}
