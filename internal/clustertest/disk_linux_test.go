package clustertest

import (
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"
)

// TestDiskFull: with no room on the disk QoS 1 and 2 are refused with a reason
// and nothing acknowledged is lost, killed or not; with room again it goes on.
func TestDiskFull(t *testing.T) {
	for _, kill := range []bool{false, true} {
		t.Run(fmt.Sprintf("kill %v", kill), func(t *testing.T) { diskFull(t, kill) })
	}
}

func diskFull(t *testing.T, kill bool) {
	n := NewNode(t, program, nil, unlimited)
	err := syscall.Mount("tmpfs", n.Dir, "tmpfs", 0, "size=256m")
	need(t, err == nil, "the right to mount a small file system", err)
	t.Cleanup(func() {
		n.Kill()
		if err := syscall.Unmount(n.Dir, 0); err != nil {
			t.Error(err)
		}
	})
	n.Start()
	w := Workload{Publishers: 4, Subscribers: 5, Topics: 3, Rate: 100, Size: 2000, Away: 400 * time.Millisecond, Steady: true}
	run := w.Start(t, n)
	time.Sleep(time.Second)
	ballast := filepath.Join(n.Dir, "ballast")
	fill(t, ballast)
	run.History.Note("the disk is full")
	for deadline := time.Now().Add(patience); Check(run.History).Refused == 0; time.Sleep(100 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("nothing was refused:\n%v", Check(run.History))
		}
	}
	if kill {
		n.Kill()
	} else {
		requireAlarm(t, n, "storage_not_writable", true)
	}
	if err := os.Remove(ballast); err != nil {
		t.Fatal(err)
	}
	run.History.Note("the disk has room")
	if kill {
		n.Start()
	}
	before, room := Check(run.History).Acknowledged, time.Now()
	for deadline := time.Now().Add(patience); Check(run.History).Acknowledged < before+100; time.Sleep(100 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("nothing is accepted again:\n%v", Check(run.History))
		}
	}
	t.Logf("100 messages were accepted %v after there was room", time.Since(room))
	requireAlarm(t, n, "storage_not_writable", false)
	run.Finish().Require(t)
	RequireBalance(t, n)
}

// fill writes a file until there is no room.
func fill(t *testing.T, name string) {
	t.Helper()
	f, err := os.Create(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for size := 1 << 20; size > 0; {
		if n, err := f.Write(make([]byte, size)); err != nil {
			size = min(size/2, size-n)
		}
	}
}

// requireAlarm waits until a node has an alarm, or hasn't any more, and returns
// what it says.
func requireAlarm(t *testing.T, n *Node, name string, active bool) (message string) {
	t.Helper()
	var all []struct{ Name, Message string }
	for deadline := time.Now().Add(patience); ; time.Sleep(50 * time.Millisecond) {
		is, err := false, n.Get("/nodes/"+n.Name+"/alarms/activated", &all)
		for _, a := range all {
			if a.Name == name {
				is, message = true, a.Message
			}
		}
		switch {
		case err == nil && is == active:
			return message
		case time.Now().After(deadline):
			t.Fatalf("the alarm %s isn't active %v: %+v, %v", name, active, all, err)
		}
	}
}
