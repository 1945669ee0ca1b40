package clustertest

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"testing"
	"time"
)

// kills is how often the loops kill; more find more.
var kills = flag.Int("kills", 50, "how often the kill loops kill a node")

// record is what an operator knows of one ban.
type record struct{ made, deleted answer }

// answer is what became of a request.
type answer uint8

const (
	notAsked answer = iota
	uncertain
	confirmed
)

// TestRecordsOverKills: what an operator made and was told so is there after
// kill -9, and what was deleted is not.
func TestRecordsOverKills(t *testing.T) {
	n := started(t, nil)
	records := make(map[string]*record)
	progress := make(chan bool)
	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		for i := 0; ; i++ {
			sure := change(n, records, fmt.Sprint("c", i))
			select {
			case <-stop:
				return
			case progress <- sure:
			}
		}
	}()
	until := time.NewTimer(0)
	<-until.C
	for round := range max(*kills/5, 1) {
		deadline, sure := time.After(patience), 0
		for killed := false; !killed; {
			select {
			case is := <-progress:
				if is {
					sure++
				}
				if sure == 3 && is { // the first request of a process takes long
					until.Reset(rand.N(50 * time.Millisecond))
				}
			case <-until.C:
				n.Kill()
				killed = true
			case <-deadline:
				t.Fatalf("after %d kills nothing is accepted", round)
			}
		}
		n.Start()
	}
	close(stop)
	<-stopped
	compare(t, n, records)
	n.Restart() // and what the last start has read is written
	compare(t, n, records)
}

// change makes a ban, and deletes every third one again; sure says that all was
// confirmed. A request that fails may have been carried out.
func change(n *Node, records map[string]*record, who string) (sure bool) {
	ask := func(err error) answer {
		if err != nil {
			time.Sleep(10 * time.Millisecond) // nobody is there for now
			return uncertain
		}
		return confirmed
	}
	r := &record{}
	records[who] = r
	r.made = ask(n.Call(http.MethodPost, "/banned", fmt.Sprintf(`{"as":"clientid","who":%q,"until":"infinity"}`, who), nil))
	if len(records)%3 == 0 {
		r.deleted = ask(n.Call(http.MethodDelete, "/banned/clientid/"+who, "", nil))
	}
	return r.made == confirmed && r.deleted != uncertain
}

func compare(t *testing.T, n *Node, records map[string]*record) {
	t.Helper()
	var rows []struct{ Who string }
	if err := n.Get("/banned?_limit=10000", &rows); err != nil {
		t.Fatal(err)
	}
	sure := 0
	for who, r := range records {
		there := slices.ContainsFunc(rows, func(row struct{ Who string }) bool { return row.Who == who })
		switch {
		case r.made == confirmed && r.deleted == notAsked && !there:
			t.Errorf("%s was made and is gone", who)
		case r.deleted == confirmed && there:
			t.Errorf("%s was deleted and is there", who)
		case r.made == confirmed:
			sure++
		}
	}
	if len(rows) > len(records) {
		t.Errorf("%d records are there, %d were asked for", len(rows), len(records))
	}
	t.Logf("%d records were asked for, %d of them for sure, %d are there", len(records), sure, len(rows))
}
