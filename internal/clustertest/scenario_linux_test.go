package clustertest

import (
	"encoding/json"
	"errors"
	"os/exec"
	"strings"
	"testing"
)

// found is what `dunlin bench` found.
type found struct {
	Sent, Delivered, Acked, Queued int
	Lost, Duplicates, Disordered   int
	Refused, Dropped, Rejected     int
	Pairs                          []struct{ From, To string }
	Reasons                        map[string]int
}

// bench runs a pattern of `dunlin bench` and demands that nothing is lost, late,
// twice or refused.
func bench(t *testing.T, line string) (f found) {
	t.Helper()
	out, err := exec.Command(program, append([]string{"bench"}, strings.Fields(line)...)...).Output()
	var failed *exec.ExitError
	if errors.As(err, &failed) {
		t.Fatalf("dunlin bench %s: %v\n%s", line, err, failed.Stderr)
	}
	if err == nil {
		err = json.Unmarshal(out, &f)
	}
	if err != nil {
		t.Fatalf("dunlin bench %s: %v", line, err)
	}
	if f.Lost+f.Duplicates+f.Disordered+f.Refused+f.Dropped+f.Rejected != 0 || f.Sent == 0 {
		t.Errorf("dunlin bench %s: %+v", line, f)
	}
	return f
}

// TestScenario12 is bench/cluster.sh in small: messages pass between all nodes,
// and sessions are left on one, filled by another and drained on a third.
func TestScenario12(t *testing.T) {
	nodes := newCluster(t, nil, 3)
	a, b, c := nodes[0].Listener(), nodes[1].Listener(), nodes[2].Listener()
	const limits = " --json --quiet --drain 60 -i 0 "
	for _, qos := range []string{"0", "1", "2"} {
		f := bench(t, "roundtrip -c 18 -L 900 --rate 900 -q "+qos+" -h "+a+","+b+","+c+limits)
		if f.Delivered != 900 || len(f.Pairs) != 9 || qos != "0" && f.Acked != 900 {
			t.Errorf("QoS %s: %+v", qos, f)
		}
	}
	f := bench(t, "roundtrip --publishers 4 --subscribers 6 --filter all -L 200 --rate 200 -q 1 --publish-at "+a+" --subscribe-at "+b+","+c+limits)
	if f.Delivered != 6*200 || f.Acked != 200 {
		t.Errorf("one to six: %+v", f)
	}
	for _, qos := range []string{"1", "2"} {
		f := bench(t, "offline -c 10 -L 500 --rate 1000 -q "+qos+" -h "+a+" --publish-at "+b+" --return-at "+c+limits)
		if f.Queued != 500 || f.Delivered != 500 || f.Acked != 500 {
			t.Errorf("offline, QoS %s: %+v", qos, f)
		}
	}
	RequireBalance(t, nodes...)
}
