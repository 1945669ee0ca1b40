package node

import (
	"bytes"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	bolt "go.etcd.io/bbolt"

	"github.com/dunlin-mq/dunlin/alarm"
	"github.com/dunlin-mq/dunlin/auth"
	"github.com/dunlin-mq/dunlin/mqtt"
	"github.com/dunlin-mq/dunlin/retain"
)

// TestWhatAnEarlierVersionKept is taken over once, and put aside.
func TestWhatAnEarlierVersionKept(t *testing.T) {
	c := configured(t)
	path := filepath.Join(c.Node.DataDir, "dunlin.db")
	if err := os.MkdirAll(c.Node.DataDir, 0o700); err != nil {
		t.Fatal(err)
	}
	db, err := bolt.Open(path, 0o600, nil)
	if err == nil {
		err = db.Update(func(tx *bolt.Tx) error {
			for name, record := range map[string][2]string{
				"accounts": {"username/old", `{"hash":"plain","stored":"cHc=","created":1600000000000}`},
				"banned":   {"clientid/noisy", `{"by":"user"}`},
				"alarms":   {"0000000000000001", `{"name":"old alarm","message":"m","activate_at":"` + time.Now().Format(time.RFC3339) + `"}`},
			} {
				b, err := tx.CreateBucketIfNotExists([]byte(name))
				if err == nil {
					err = b.Put([]byte(record[0]), []byte(record[1]))
				}
				if err != nil {
					return err
				}
			}
			return nil
		})
	}
	if err == nil {
		err = db.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
	for start := range 2 {
		var log bytes.Buffer
		n, err := Start(c, slog.New(slog.NewTextHandler(&log, nil)))
		if err != nil {
			t.Fatal(err)
		}
		if _, ok := n.leaves.builtin.Account(auth.Subject{Kind: auth.ByUsername, Name: "old"}); !ok {
			t.Error("an account is gone")
		}
		if bans := n.Access.Bans().All(); len(bans) != 1 || bans[0].Who != "noisy" {
			t.Errorf("the bans are %v", bans)
		}
		if history := n.Alarms.History(); len(history) != 1 || history[0].Name != "old alarm" {
			t.Errorf("the alarms were %v", history)
		}
		n.Stop()
		if said := strings.Contains(log.String(), "was taken over") && strings.Contains(log.String(), "records=3"); said != (start == 0) {
			t.Errorf("start %d says %s", start, &log)
		}
	}
	if _, err := os.Stat(path); !os.IsNotExist(err) {
		t.Errorf("the file is where it was: %v", err)
	}
	if _, err := os.Stat(path + ".imported"); err != nil {
		t.Error(err)
	}
}

// TestOwnRecordsStayWithTheNode: another name is no other node, another data
// directory is.
func TestOwnRecordsStayWithTheNode(t *testing.T) {
	c := configured(t)
	run := func(do func(*Node)) {
		t.Helper()
		n, err := Start(c, nil)
		if err != nil {
			t.Fatal(err)
		}
		defer n.Stop()
		do(n)
	}
	var id string
	run(func(n *Node) {
		id = n.kept.id
		n.Alarms.Activate("leaking", "m", alarm.Details{})
		if err := n.kept.alarms.all.Put("another/0000000000000007", []byte("is not ours")); err != nil {
			t.Fatal(err)
		}
	})
	c.Node.Name = "dunlin@elsewhere"
	run(func(n *Node) {
		if history := n.Alarms.History(); len(history) != 1 || history[0].Name != "leaking" || n.kept.id != id {
			t.Errorf("%v of %s", history, n.kept.id)
		}
		n.Alarms.ClearHistory()
	})
	run(func(n *Node) {
		if history := n.Alarms.History(); len(history) != 0 {
			t.Errorf("%v", history)
		}
	})
	if err := os.WriteFile(filepath.Join(c.Node.DataDir, "node_id"), []byte("a/b\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Start(c, nil); err == nil || !strings.Contains(err.Error(), "expected the identifier of a node") {
		t.Error(err)
	}
}

// TestRetainedMessagesOutliveTheNode, unless they are in memory only.
func TestRetainedMessagesOutliveTheNode(t *testing.T) {
	c := configured(t)
	run := func(storage string, want int, do func(*retain.Store)) {
		t.Helper()
		c.Retainer.StorageType = storage
		n, err := Start(c, nil)
		if err != nil {
			t.Fatal(err)
		}
		defer n.Stop()
		if got := len(n.Broker.Retained.Match("kept/#", time.Now().UnixMilli())); got != want {
			t.Errorf("%s: %d messages, want %d", storage, got, want)
		}
		do(n.Broker.Retained)
	}
	fill := func(s *retain.Store) {
		for i := range 2000 {
			m := &mqtt.Message{Topic: fmt.Sprint("kept/", i), Payload: []byte("x"), Timestamp: time.Now().UnixMilli()}
			if err := s.Put(m, m.Timestamp); err != nil {
				t.Fatal(err)
			}
		}
	}
	run("disc", 0, fill)
	run("disc_only", 2000, func(s *retain.Store) { s.Delete("kept/7") })
	run("ram", 0, fill)
	run("disc", 1999, func(*retain.Store) {})
}

// TestDelayedMessagesOutliveTheNode, and are published once.
func TestDelayedMessagesOutliveTheNode(t *testing.T) {
	c := configured(t)
	run := func(waiting int, do func(*Node)) {
		t.Helper()
		n, err := Start(c, nil)
		if err != nil {
			t.Fatal(err)
		}
		defer n.Stop()
		if all := n.Broker.Delayed(); len(all) != waiting {
			t.Errorf("%d wait, want %d", len(all), waiting)
		}
		do(n)
	}
	publish := func(n *Node, topic string) {
		b := n.Broker.NewBatch()
		defer b.End()
		n.Broker.Publish(b, nil, &mqtt.Message{Topic: topic, Payload: []byte("x"), QoS: 1, Retain: true, Timestamp: time.Now().UnixMilli()})
	}
	run(0, func(n *Node) {
		publish(n, "$delayed/86400/tomorrow")
		publish(n, "$delayed/1/soon")
		for deadline := time.Now().Add(time.Minute); len(n.Broker.Delayed()) != 1; time.Sleep(10 * time.Millisecond) {
			if time.Now().After(deadline) {
				t.Fatal("it is never published")
			}
		}
	})
	run(1, func(n *Node) {
		if m := n.Broker.Delayed()[0].Message; m.Topic != "tomorrow" || string(m.Payload) != "x" || !m.Retain {
			t.Errorf("%+v", m)
		}
	})
}
