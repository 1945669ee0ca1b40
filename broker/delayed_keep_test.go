package broker

import (
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/dunlin-mq/dunlin/durable"
	"github.com/dunlin-mq/dunlin/keep/keeptest"
	"github.com/dunlin-mq/dunlin/mqtt"
)

// keepDelayed has a rig keep its delayed messages as those of a node, and take
// on those of all.
func (r *rig) keepDelayed(k DelayedKeeper, node string) {
	r.Helper()
	if err := r.KeepDelayed(k, node, func(string) bool { return true }); err != nil {
		r.Fatal(err)
	}
}

func TestDelayedMessagesOutliveTheProcess(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := keeptest.New()
		first := newRig(t)
		dies := k.Node()
		first.keepDelayed(dies, "n1")
		p := first.connect("p")
		for i := range 5 {
			p.publish(fmt.Sprintf("$delayed/%d/a", 10+i%2), fmt.Sprint(i), 1)
		}
		p.publish("$delayed/1/b", "soon", 1)
		synctest.Wait()
		if n := len(k.Keys()); n != 6 {
			t.Errorf("%d are kept", n)
		}
		time.Sleep(2 * time.Second)
		synctest.Wait()
		if n := len(k.Keys()); n != 5 {
			t.Errorf("%d are kept when one was published", n)
		}
		dies.Fail(errors.New("it was killed"))
		time.Sleep(8500 * time.Millisecond) // three are overdue

		second := newRig(t)
		watch := second.connect("watch").subscribe("#", 1)
		second.keepDelayed(k, "n1")
		time.Sleep(200 * time.Millisecond)
		watch.wants("a=0", "a=2", "a=4")
		second.connect("p").publish("$delayed/0001/a", "5", 1) // behind what is there already
		time.Sleep(2 * time.Second)
		watch.wants("a=1", "a=3", "a=5")
		synctest.Wait()
		if keys := k.Keys(); len(keys) != 0 {
			t.Errorf("%q are left", keys)
		}
	})
}

func TestDelayedMessagesThatCannotBeKept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := keeptest.New()
		r := newRig(t, func(o *Options) { o.Config.Broker.MaxDelayed = 3 })
		r.keepDelayed(k, "n1")
		watch := r.connect("watch").subscribe("#", 1)
		p := r.connect("p")
		p.publish("$delayed/5/a", "1", 1)
		synctest.Wait()
		k.Fail(errors.New("the disk is full"))
		for range 5 { // and they leave room
			p.publish("$delayed/5/a", "lost", 1)
			synctest.Wait()
		}
		if r.metric("messages.delayed.failed") != 5 || r.metric("delayed.count") != 1 || len(r.Delayed()) != 1 || strings.Count(r.log.String(), "can't be kept and is dropped") != 1 {
			t.Errorf("%d failed, %d wait, %s", r.metric("messages.delayed.failed"), r.metric("delayed.count"), r.log.String())
		}
		time.Sleep(6 * time.Second)
		watch.wants("a=1")
		if len(k.Keys()) != 1 {
			t.Errorf("%q", k.Keys())
		}
		if err := newRig(t).KeepDelayed(k, "n1", nil); err == nil {
			t.Error("what can't be read is no error")
		}
	})
}

// TestDelayedMessagesOfOthers wait on the node that took them; another one takes
// them over when it is told to.
func TestDelayedMessagesOfOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := keeptest.New()
		nodes, views := make(map[string]*rig), make(map[string]*keeptest.Map)
		watches := make(map[string]*peer)
		for _, name := range []string{"n1", "n2", "n3"} {
			r := newRig(t)
			views[name] = k.Node()
			if err := r.KeepDelayed(views[name], name, func(owner string) bool { return owner == name }); err != nil {
				t.Fatal(err)
			}
			nodes[name], watches[name] = r, r.connect("watch").subscribe("#", 1)
		}
		for i := range 3 {
			nodes["n1"].connect("p").publish("$delayed/10/a", fmt.Sprint(i), 1)
		}
		nodes["n2"].connect("p").publish("$delayed/10/a", "of n2", 1)
		synctest.Wait()
		views["n1"].Fail(errors.New("it was killed"))
		if err := nodes["n2"].AdoptDelayed(func(owner string) bool { return owner != "n3" }); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if keys := k.Keys(); len(keys) != 4 || !strings.HasSuffix(keys[3], "-n2") {
			t.Errorf("%q are kept", keys)
		}
		time.Sleep(11 * time.Second)
		watches["n2"].wants("a=of n2", "a=0", "a=1", "a=2")
		watches["n3"].wants()
		synctest.Wait()
		if keys := k.Keys(); len(keys) != 0 {
			t.Errorf("%q are left", keys)
		}
	})
}

// TestDelayedRecordsThatAreNone are left out, and said.
func TestDelayedRecordsThatAreNone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		good := string(appendKeptDelayed(durable.Message{Message: &mqtt.Message{Topic: "a", Payload: []byte("x")}}))
		k := keeptest.Of(map[string]string{
			"0000ffffffffffff-0000000000000001-n1": good, "x": good, "1-x-n1": good, "-1-1-n1": good, "1-2-n1": "", "1-3-n1": good[:1], "1-4-n1": "\x01\x09a", "1-5-n1": "\x01\x01#" + good[3:],
		})
		r := newRig(t)
		r.keepDelayed(k, "n1")
		if n := len(r.Delayed()); n != 1 || strings.Count(r.log.String(), "is left out") != 7 {
			t.Errorf("%d wait, %s", n, r.log.String())
		}
	})
}

func FuzzKeptDelayed(f *testing.F) {
	f.Add("00000000ffffffff-0000000000000001-n1", appendKeptDelayed(durable.Message{Message: &mqtt.Message{Topic: "a/b", From: "c", QoS: 1, Timestamp: 7, ExpiresAt: 9, Payload: []byte("x")}}))
	f.Fuzz(func(t *testing.T, text string, value []byte) {
		if key, err := parseDelayedKey(text); err == nil {
			d := delayed{owner: key.owner}
			if again, err := parseDelayedKey(d.key(key.at, key.seq)); err != nil || again != key {
				t.Errorf("%+v became %+v, %v", key, again, err)
			}
		}
		m, err := parseKeptDelayed(value)
		if err != nil {
			return
		}
		again, err := parseKeptDelayed(appendKeptDelayed(m))
		if err != nil || !reflect.DeepEqual(again.Payload, m.Payload) || again.Topic != m.Topic || again.From != m.From {
			t.Errorf("%+v became %+v, %v", m, again, err)
		}
	})
}
