package engine

import (
	"errors"
	"fmt"
	"syscall"
	"testing"
)

func TestOfDisk(t *testing.T) {
	of := func(err error, want bool) {
		t.Helper()
		if ofDisk(err) != want {
			t.Error(err, !want)
		}
	}
	of(fmt.Errorf("write /x/1.blk: %w", syscall.ENOSPC), true)
	of(syscall.EROFS, true)
	of(syscall.EDQUOT, true)
	of(syscall.EIO, true)
	of(errors.New("maximum bytes exceeded"), false)
}

// TestStoppedServer: the embedded server gives up for good at some errors of
// the disk. It is started anew, and what was kept is there.
func TestStoppedServer(t *testing.T) {
	e := started(t)
	l, m := openLog(t, e, "l", LogOptions{Shards: 1}), openMap(t, e, "m")
	fill(t, l, 100, 5)
	put(t, m, "k", "v")
	if err := e.to().server.DisableJetStream(); err != nil {
		t.Fatal(err)
	}
	if err := appended(l, "t", "r"); !errors.Is(err, ErrFull) {
		t.Error(err)
	}
	says(t, e.Health(), "can't be written to")
	eventually(t, "an append", func() bool { return appended(l, "t", "r") == nil })
	expect(t, m, "k=v")
	if got := len(readAll(t, l, 0, nil, 30)); got != 101 {
		t.Error(got, "entries, expected 101")
	}
	if err := e.Health(); err != nil {
		t.Error(err)
	}
}

func TestNoRoomAtStart(t *testing.T) {
	e := start(t, Options{Dir: t.TempDir(), MinFree: 1 << 60})
	says(t, e.Health(), "MB left", "kept free")
	m := openMap(t, e, "m")
	if err := m.Put("k", nil); !errors.Is(err, ErrFull) {
		t.Error(err)
	}
	expect(t, m)
}

func TestHealth(t *testing.T) {
	var h health
	var heard []string
	h.listen = append(h.listen, func(err error) { heard = append(heard, textOf(err)) })
	one, two := errors.New("one"), errors.New("two")
	h.set("a", one)
	h.set("a", one)
	h.set("b", two)
	if err := h.sum(); !errors.Is(err, one) || !errors.Is(err, two) {
		t.Error(err)
	}
	h.set("a", nil)
	h.set("b", nil)
	if got := fmt.Sprintf("%q", heard); got != `["one" "one; two" "two" ""]` {
		t.Error(got)
	}
}
