package engine

import (
	"bytes"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"testing"
)

const mendEntries = 380 // of 300 bytes, so that there are four files

// whole makes a folder with a log and two maps, and ends it cleanly.
func whole(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	e := start(t, Options{Dir: dir})
	l := openLog(t, e, "l", mendLog)
	for i := range mendEntries {
		if i%10 == 0 {
			put(t, openMap(t, e, "m"), fmt.Sprint("k", i/10), "value")
		}
		l.Append(fmt.Sprint("t/", i%10), fmt.Appendf(nil, "%d:%0250d", i, 0), func(_ At, err error) {
			if err != nil {
				t.Error(err)
			}
		})
	}
	if err := e.Close(); err != nil {
		t.Fatal(err)
	}
	return dir
}

var mendLog = LogOptions{Shards: 1, MaxBytes: 127_000} // files of 32 kB

// TestDamagedFiles damages each kind of file, after a clean end and after none:
// the engine starts, has what is whole, says what is lost, and goes on.
func TestDamagedFiles(t *testing.T) {
	good := whole(t)
	const logDir, mapDir = "jetstream/$G/streams/LOG_l_0", "jetstream/$G/streams/MAPS"
	type keeps struct {
		entries, keys int    // at least
		lost          string // what Health says; "": nothing
	}
	all := keeps{mendEntries, 38, ""}
	for name, c := range map[string]struct {
		damage func(f *files)
		keeps
	}{
		"nothing":                     {func(*files) {}, all},
		"a byte of the oldest":        {func(f *files) { f.flip(logDir+"/msgs/1.blk", 10_000) }, keeps{mendEntries - 1, 38, "the log l, shard 0"}},
		"a byte of another":           {func(f *files) { f.flip(logDir+"/msgs/2.blk", 10_000) }, keeps{mendEntries - 1, 38, "the log l, shard 0"}},
		"a length of the oldest":      {func(f *files) { f.change(logDir+"/msgs/1.blk", 0, []byte{1, 2}) }, keeps{mendEntries - 1, 38, "damaged"}},
		"a length of another":         {func(f *files) { f.change(logDir+"/msgs/2.blk", 0, []byte{1, 2, 200}) }, keeps{mendEntries - 1, 38, "damaged"}},
		"a page of zeros":             {func(f *files) { f.change(logDir+"/msgs/2.blk", 8000, make([]byte, 4096)) }, keeps{mendEntries - 16, 38, "damaged"}},
		"the end of an older file":    {func(f *files) { f.cut(logDir+"/msgs/2.blk", 10_000) }, keeps{mendEntries - 36, 38, "damaged"}},
		"an older file is empty":      {func(f *files) { f.cut(logDir+"/msgs/1.blk", -1) }, keeps{250, 38, "l, shard 0"}},
		"the oldest file is gone":     {func(f *files) { f.remove(logDir + "/msgs/1.blk") }, keeps{250, 38, "?"}},
		"an older file is gone":       {func(f *files) { f.remove(logDir + "/msgs/2.blk") }, keeps{250, 38, "l, shard 0"}},
		"the newest file is gone":     {func(f *files) { f.remove(logDir + "/msgs/4.blk") }, keeps{300, 38, "?"}},
		"the newest file is cut":      {func(f *files) { f.cut(logDir+"/msgs/4.blk", 100) }, keeps{mendEntries - 1, 38, "?"}},
		"the newest file is garbage":  {func(f *files) { f.change(logDir+"/msgs/4.blk", 0, bytes.Repeat([]byte("garbage "), 500)) }, keeps{310, 38, "?"}},
		"a map's byte":                {func(f *files) { f.flip(mapDir+"/msgs/1.blk", 200) }, keeps{mendEntries, 37, "the small maps"}},
		"the index is gone":           {func(f *files) { f.remove(logDir + "/msgs/index.db") }, all},
		"the index is empty":          {func(f *files) { f.cut(logDir+"/msgs/index.db", -1) }, all},
		"the index is damaged":        {func(f *files) { f.flip(logDir+"/msgs/index.db", 20) }, all},
		"the index of maps is gone":   {func(f *files) { f.remove(mapDir + "/msgs/index.db") }, all},
		"the description is gone":     {func(f *files) { f.remove(logDir + "/meta.inf") }, all},
		"the description is empty":    {func(f *files) { f.cut(logDir+"/meta.inf", -1) }, all},
		"the description is damaged":  {func(f *files) { f.flip(mapDir+"/meta.inf", 30) }, all},
		"its checksum is gone":        {func(f *files) { f.remove(mapDir + "/meta.sum") }, all},
		"the times of marks are gone": {func(f *files) { f.remove(mapDir + "/msgs/thw.db") }, all},
		"a shard is gone":             {func(f *files) { f.remove(logDir) }, keeps{0, 38, "?"}},
		"a strange file":              {func(f *files) { f.write(logDir+"/msgs/x.blk", []byte("x")) }, all},
		"what was at the end":         {func(f *files) { f.write("stopped", []byte("{")) }, all},
	} {
		for _, clean := range []bool{true, false} {
			t.Run(fmt.Sprintf("%s, clean %v", name, clean), func(t *testing.T) {
				dir := filepath.Join(t.TempDir(), "d")
				if err := os.CopyFS(dir, os.DirFS(good)); err != nil {
					t.Fatal(err)
				}
				f := &files{t, dir}
				if !clean {
					f.remove("stopped")
				}
				c.damage(f)
				e := start(t, Options{Dir: dir, Log: slog.New(slog.NewTextHandler(t.Output(), nil))})
				l, m := openLog(t, e, "l", mendLog), openMap(t, e, "m")
				_, before := l.Bounds(0)
				entries := readAll(t, l, 0, nil, 500)
				if len(entries) < c.entries || c.lost == "" && len(entries) != c.entries {
					t.Errorf("%d entries of %d", len(entries), c.entries)
				}
				if health := e.Health(); c.lost != "?" && (health != nil || c.lost != "") {
					says(t, health, c.lost, "damaged")
				}
				keys := 0
				if err := m.Each(func(string, []byte) error { keys++; return nil }); err != nil || keys < c.keys {
					t.Errorf("%d keys of %d: %v", keys, c.keys, err)
				}
				put(t, m, "new", "v")
				if err := appended(l, "new", "r"); err != nil {
					t.Fatal(err)
				}
				if _, last := l.Bounds(0); last != before+1 {
					t.Errorf("the next entry has number %d after %d", last, before)
				}
				if got := readAll(t, l, 0, []string{"new"}, 10); len(got) != 1 {
					t.Error("the new entry came", len(got), "times")
				}
				e.Acknowledge()
				if err := e.Health(); err != nil {
					t.Error(err)
				}
				if err := e.Close(); err != nil {
					t.Error(err)
				}
				e = start(t, Options{Dir: dir}) // it is said once
				if err := e.Health(); err != nil {
					t.Error("again:", err)
				}
				if again := readAll(t, openLog(t, e, "l", mendLog), 0, nil, 500); len(again) != len(entries)+1 {
					t.Error(len(again), "entries the next time, after", len(entries))
				}
				if err := e.Close(); err != nil {
					t.Error(err)
				}
			})
		}
	}
}

// TestDamageWhileRunning leaves out what can't be read, and says so.
func TestDamageWhileRunning(t *testing.T) {
	dir := whole(t)
	e := start(t, Options{Dir: dir})
	l := openLog(t, e, "l", mendLog)
	f := &files{t, dir}
	const name = "jetstream/$G/streams/LOG_l_0/msgs/2.blk"
	f.flip(name, 20_000)
	f.change(name, 0, []byte{1, 2, 200})
	f.change(name, 8000, make([]byte, 2000))
	for range 2 {
		if got := len(readAll(t, l, 0, nil, 50)); got < mendEntries-12 || got > mendEntries-8 {
			t.Error(got, "entries of", mendEntries)
		}
		byTopic := 0
		for i := range 10 {
			byTopic += len(readAll(t, l, 0, []string{fmt.Sprint("t/", i)}, 50))
		}
		if byTopic < mendEntries-12 || byTopic > mendEntries-8 {
			t.Error(byTopic, "entries by topic of", mendEntries)
		}
		says(t, e.Health(), "the log l, shard 0", "2.blk", "damaged")
	}
}

// files damages what is in a folder.
type files struct {
	t   *testing.T
	dir string
}

func (f *files) text(name string) (path string, text []byte) {
	f.t.Helper()
	path = filepath.Join(f.dir, name)
	text, err := os.ReadFile(path)
	if err != nil {
		f.t.Fatal(err)
	}
	return path, text
}

func (f *files) write(name string, text []byte) {
	f.t.Helper()
	if err := os.WriteFile(filepath.Join(f.dir, name), text, 0o600); err != nil {
		f.t.Fatal(err)
	}
}

func (f *files) remove(name string) {
	f.t.Helper()
	if err := os.RemoveAll(filepath.Join(f.dir, name)); err != nil {
		f.t.Fatal(err)
	}
}

func (f *files) flip(name string, at int) {
	_, text := f.text(name)
	text[at] ^= 0x10
	f.write(name, text)
}

func (f *files) change(name string, at int, with []byte) {
	_, text := f.text(name)
	copy(text[at:], with)
	f.write(name, text)
}

// cut takes bytes off the end, -1: all.
func (f *files) cut(name string, n int) {
	_, text := f.text(name)
	if n < 0 {
		n = len(text)
	}
	f.write(name, text[:len(text)-n])
}
