package broker

import "testing"

// TestHandOverHeld: of a durable member that goes away, another one gets what
// was held for a save that has not begun, which nobody was given before: it is
// booked once.
func TestHandOverHeld(t *testing.T) {
	r, log := newDurableRig(t, 1)
	kept := r.connect("kept", durably).subscribe("$share/g/t", 2)
	r.quiet()
	goOn := log.hold()
	pub := r.connect("pub")
	pub.publish("t", "1", 2) // being saved when its client goes: it stays
	pub.publish("t", "2", 2)
	pub.publish("t", "3", 1) // handed to the client: it counts again
	other := r.connect("other").subscribe("$share/g/t", 2)
	kept.close("gone")
	other.wants("t=2", "t=3")
	if got := r.metric("deliveries.redispatched"); got != 1 {
		t.Errorf("%d deliveries were redispatched, want 1", got)
	}
	goOn()
	r.quiet()
	r.balances()
}
