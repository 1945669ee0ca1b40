package broker

import (
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/dunlin-mq/dunlin/keep/keeptest"
	"github.com/dunlin-mq/dunlin/metrics"
	"github.com/dunlin-mq/dunlin/mqtt"
	"github.com/dunlin-mq/dunlin/retain"
)

// promiser is a Conn that notes what it promises and keeps.
type promiser struct {
	*fakeConn
	mu  sync.Mutex
	log []string
}

func (p *promiser) Promise(qos mqtt.QoS, id uint16, size int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.log = append(p.log, fmt.Sprint("promised ", id, " qos ", qos))
}

func (p *promiser) Keep(_ *Batch, _ mqtt.QoS, id uint16, code mqtt.ReasonCode) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.log = append(p.log, fmt.Sprint("kept ", id, " ", code))
}

// wants checks what was noted since.
func (p *promiser) wants(t *testing.T, want ...string) {
	t.Helper()
	synctest.Wait()
	p.mu.Lock()
	defer p.mu.Unlock()
	if !slices.Equal(p.log, want) {
		t.Errorf("the connection has %q, want %q", p.log, want)
	}
	p.log = nil
}

// TestAcknowledgedWhenKept: a retained or delayed message of QoS 1 and 2 is
// acknowledged once it is kept, and not if it can't be; others at once.
func TestAcknowledgedWhenKept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k, delayed := keeptest.New(), keeptest.New()
		r := newRig(t, func(o *Options) {
			o.Retained = retain.New(retain.Config{MaxPayload: 10})
			if err := o.Retained.Keep(k, new(metrics.Registry), slog.New(slog.DiscardHandler)); err != nil {
				t.Fatal(err)
			}
		})
		r.keepDelayed(delayed, "n1")
		watch := r.connect("watch").subscribe("+", 0)
		p := r.connect("p")
		conn := &promiser{fakeConn: p.fakeConn}
		publish := func(topic, payload string, qos mqtt.QoS, id uint16, wantCode mqtt.ReasonCode, wantPending bool) {
			t.Helper()
			m := &mqtt.Message{Topic: topic, Payload: []byte(payload), QoS: qos, Retain: true, From: "p", Timestamp: Now()}
			code, _, pending := r.PublishFrom(r.batch, p.info, m, Origin{Client: p.client, Conn: conn, ID: id})
			r.batch.End()
			if code != wantCode || pending != wantPending {
				t.Errorf("%s: %v, pending %v", topic, code, pending)
			}
		}
		publish("a", "1", 0, 0, mqtt.Success, false)
		conn.wants(t)
		publish("a", "2", 1, 7, mqtt.Success, true)
		conn.wants(t, "promised 7 qos 1", "kept 7 success")
		publish("not/heard", "3", 2, 8, mqtt.NoMatchingSubscribers, true)
		conn.wants(t, "promised 8 qos 2", "kept 8 no_matching_subscribers")
		publish("$delayed/9/a", "4", 1, 9, mqtt.NoMatchingSubscribers, true)
		conn.wants(t, "promised 9 qos 1", "kept 9 no_matching_subscribers")
		publish("a", "larger than it may be", 1, 10, mqtt.Success, true) // and deletes
		conn.wants(t, "promised 10 qos 1", "kept 10 success")
		publish("a", "", 1, 11, mqtt.Success, true)
		conn.wants(t, "promised 11 qos 1", "kept 11 success")

		k.Fail(errors.New("the disk is full"))
		delayed.Fail(errors.New("the disk is full"))
		publish("a", "5", 1, 12, mqtt.Success, true)
		conn.wants(t, "promised 12 qos 1", "kept 12 quota_exceeded")
		publish("not/heard", "", 2, 13, mqtt.NoMatchingSubscribers, true)
		conn.wants(t, "promised 13 qos 2", "kept 13 quota_exceeded")
		publish("$delayed/9/a", "6", 1, 14, mqtt.NoMatchingSubscribers, true)
		conn.wants(t, "promised 14 qos 1", "kept 14 quota_exceeded")
		watch.wants("a=1", "a=2", "a=larger than it may be", "a=", "a=5")
		if r.Retained.Len() != 1 || len(r.Delayed()) != 1 || p.client.Appending(13) {
			t.Errorf("%d retained, %d delayed", r.Retained.Len(), len(r.Delayed()))
		}
		if code, _ := r.PublishKept(r.batch, nil, &mqtt.Message{Topic: "a", Payload: []byte("7"), QoS: 1, Retain: true}); code != mqtt.QuotaExceeded {
			t.Error(code)
		}
		k.Fail(nil)
		if code, n := r.PublishKept(r.batch, nil, &mqtt.Message{Topic: "a", Payload: []byte("8"), QoS: 1, Retain: true}); code != mqtt.Success || n != 0 && n != 1 {
			t.Error(code, n)
		}
	})
}
