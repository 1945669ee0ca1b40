package broker

import (
	"fmt"
	"testing"
	"time"

	"github.com/dunlin-mq/dunlin/mqtt"
)

// TestHandOverHeld: of a durable member that goes away, another one gets what
// was held for a save that has not begun, which nobody was given before: it is
// booked once.
func TestHandOverHeld(t *testing.T) {
	r, log := newDurableRig(t, 2)
	name := ""
	for i := 0; name == "" || log.Shard(name) != 1; i++ { // the other one than acknowledges saves
		name = fmt.Sprint("t", i)
	}
	kept := r.connect("kept", durably).subscribe("$share/g/"+name, 2)
	r.quiet()
	goOn := log.shards[0].hold()
	pub := r.connect("pub")
	publish := func(payload string, qos mqtt.QoS, inflight int) {
		t.Helper()
		if pub.publish(name, payload, qos); !r.soon(func() bool { return kept.client.Status().Inflight == inflight }) {
			t.Fatalf("the member doesn't have %s", payload)
		}
	}
	publish("1", 2, 1) // being saved when its client goes: it stays
	publish("2", 2, 2)
	publish("3", 1, 3) // handed to the client: it counts again
	other := r.connect("other").subscribe("$share/g/"+name, 2)
	kept.close("gone")
	other.wants(name+"=2", name+"=3")
	if got := r.metric("deliveries.redispatched"); got != 1 {
		t.Errorf("%d deliveries were redispatched, want 1", got)
	}
	goOn()
	r.quiet()
	r.balances()
}

// soon waits until something is so.
func (r *rig) soon(is func() bool) bool {
	for range 60_000 {
		if is() {
			return true
		}
		time.Sleep(time.Millisecond)
	}
	return false
}
