package node

import (
	"strings"
	"testing"
	"time"

	"github.com/dunlin-mq/dunlin/alarm"
	"github.com/dunlin-mq/dunlin/durable"
	"github.com/dunlin-mq/dunlin/engine"
)

// The key stands beside those that begin with it.
func TestDurabilityKey(t *testing.T) {
	f := func(text, durability, unavailable string) {
		t.Helper()
		c := mustLoad(t, text)
		if c.Storage.Durability != durability || c.Broker.Durability.Unavailable != unavailable {
			t.Errorf("%q: %q and %q, want %q and %q", text, c.Storage.Durability, c.Broker.Durability.Unavailable, durability, unavailable)
		}
	}
	f("", engine.DurabilityOS, "refuse")
	f("durability = always\n", engine.DurabilityAlways, "refuse")
	f("durability = always\ndurability.unavailable = memory\n", engine.DurabilityAlways, "memory")
	f("durability.unavailable = memory\n", engine.DurabilityOS, "memory")
	if _, _, err := load(t, "durability = sometimes\n"); err == nil || !strings.Contains(err.Error(), "durability") {
		t.Errorf("durability = sometimes: %v", err)
	}
}

// TestDamageAlarm: a session that can't be read has an alarm, until somebody
// takes note of it.
func TestDamageAlarm(t *testing.T) {
	c := configured(t, "DUNLIN_DURABILITY=always")
	n, err := Start(c, nil)
	if err != nil {
		t.Fatal(err)
	}
	sessions, err := n.kept.engine.BigMap("sessions")
	if err == nil {
		err = sessions.Put(durable.SessionKey("c"), []byte("nonsense"))
	}
	if err != nil {
		t.Fatal(err)
	}
	if all := n.ailments(); len(all) != 0 || n.degraded() != "" {
		t.Errorf("a node in good health has %+v", all)
	}
	n.Stop()
	if n, err = Start(c, nil); err != nil {
		t.Fatal(err)
	}
	defer n.Stop()
	await := func(active bool) {
		t.Helper()
		for deadline := time.Now().Add(time.Minute); n.Alarms.IsActive(damaged) != active; time.Sleep(10 * time.Millisecond) {
			if time.Now().After(deadline) {
				t.Fatalf("active isn't %v: %+v", active, n.Alarms.Active())
			}
		}
	}
	await(true)
	var one alarm.Alarm
	for _, a := range n.Alarms.Active() {
		if a.Name == damaged {
			one = a
		}
	}
	if one.Details["sessions"] != int64(1) || !strings.Contains(one.Message, "1 sessions") {
		t.Errorf("%+v", one)
	}
	if n.degraded() != "" {
		t.Error("what is lost is no reason to expect less of what comes")
	}
	look := n.watchStorage() // as the one that runs, but when the test wants
	if all, _ := look(); len(all) != 1 {
		t.Errorf("%+v", all)
	}
	n.Alarms.Deactivate(damaged)
	if all, _ := look(); len(all) != 0 {
		t.Errorf("after somebody has taken note there is %+v", all)
	}
}
