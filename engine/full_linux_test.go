package engine

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
)

// smallDisk mounts a disk of some megabytes.
func smallDisk(t *testing.T, size string) string {
	t.Helper()
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size="+size); err != nil {
		if os.Getenv("DUNLIN_REQUIRE_PEERS") == "1" {
			t.Fatal("a small disk is needed and DUNLIN_REQUIRE_PEERS=1:", err)
		}
		t.Skip("no small disk could be mounted, TestOfDisk and TestStoppedServer stand in:", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, 0); err != nil {
			t.Error(err)
		}
	})
	return dir
}

// TestFullDisk fills a disk, with and without a part that stays free, makes
// room, and goes on; what was acknowledged is there.
func TestFullDisk(t *testing.T) {
	for name, free := range map[string]int64{"some stays free": 8 << 20, "to the last byte": -1} {
		t.Run(name, func(t *testing.T) {
			dir := smallDisk(t, "32m")
			ballast := filepath.Join(dir, "ballast")
			if err := os.WriteFile(ballast, make([]byte, 8<<20), 0o600); err != nil {
				t.Fatal(err)
			}
			data := filepath.Join(dir, "engine")
			e := start(t, Options{Dir: data, MinFree: free})
			var mu sync.Mutex
			var heard []error
			e.OnHealth(func(err error) { mu.Lock(); heard = append(heard, err); mu.Unlock() })
			l := openLog(t, e, "l", LogOptions{Shards: 2})
			m := openMap(t, e, "m")
			put(t, m, "before", "1")

			kept := 0
			one := func() error {
				err := appended(l, fmt.Sprint("t/", kept%10), fmt.Sprintf("%d:%020000d", kept, 0))
				if err == nil {
					kept++
				}
				return err
			}
			var err error
			for err == nil && kept < 5000 {
				err = one()
			}
			if !errors.Is(err, ErrFull) {
				t.Fatalf("after %d entries: %v", kept, err)
			}
			says(t, err, data)
			says(t, e.Health(), "disk is full", data)
			if err := m.Put("large", make([]byte, 1<<20)); !errors.Is(err, ErrFull) {
				t.Error("a map:", err)
			}
			entriesAre(t, l, kept)

			if err := os.Remove(ballast); err != nil {
				t.Fatal(err)
			}
			eventually(t, "an append after there is room again", func() bool { return one() == nil })
			eventually(t, "good health", func() bool { return e.Health() == nil })
			put(t, m, "after", "2")
			mu.Lock()
			if n := len(heard); n < 2 || !errors.Is(heard[0], ErrFull) || heard[n-1] != nil {
				t.Errorf("%v was heard", heard)
			}
			mu.Unlock()
			entriesAre(t, l, kept)
			if err := e.Close(); err != nil {
				t.Fatal(err)
			}
			e = start(t, Options{Dir: data, MinFree: free})
			entriesAre(t, openLog(t, e, "l", LogOptions{Shards: 2}), kept)
			expect(t, openMap(t, e, "m"), "before=1", "after=2")
			if err := e.Close(); err != nil {
				t.Fatal(err)
			}
		})
	}
}

// entriesAre demands entries that begin with 0: to n-1:, each topic's in order.
// One more may be there for each whose end is not known.
func entriesAre(t *testing.T, l *Log, n int) {
	t.Helper()
	seen := make([]bool, n)
	for shard := range l.Shards() {
		last := make(map[string]int)
		for _, e := range readAll(t, l, shard, nil, 100) {
			var i int
			if _, err := fmt.Sscanf(string(e.Record[:min(len(e.Record), 20)]), "%d:", &i); err != nil {
				t.Fatal(err)
			}
			if was, ok := last[e.Topic]; ok && i < was {
				t.Fatalf("%s: %d after %d", e.Topic, i, was)
			}
			last[e.Topic] = i
			if i < n {
				seen[i] = true
			}
		}
	}
	for i, there := range seen {
		if !there {
			t.Fatalf("entry %d of %d is lost", i, n)
		}
	}
}

func TestReadOnlyDisk(t *testing.T) {
	dir := smallDisk(t, "32m")
	if err := syscall.Mount("", dir, "", syscall.MS_REMOUNT|syscall.MS_RDONLY, ""); err != nil {
		t.Fatal(err)
	}
	_, err := Start(Options{Dir: dir})
	says(t, err, dir, "read-only")
}
