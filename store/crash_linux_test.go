package store

import (
	"bufio"
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

// childPath names the file for the process that TestKilledWhileWriting starts.
const childPath = "STORE_TEST_CHILD"

func TestMain(m *testing.M) {
	if path := os.Getenv(childPath); path != "" {
		writeForever(path)
	}
	os.Exit(m.Run())
}

// writeForever puts single records and pairs, and says each number once it is
// written.
func writeForever(path string) {
	s, err := Open(path)
	for i := 0; err == nil; i++ {
		key, value := strconv.Itoa(i), bytes.Repeat([]byte{byte(i)}, 100+i%5000)
		if err = s.Map("singles").Put(key, value); err == nil {
			err = s.Map("pairs").PutAll(func(yield func(string, []byte) bool) {
				_ = yield(key+"a", value) && yield(key+"b", value)
			})
		}
		if err == nil {
			_, err = fmt.Println(i)
		}
	}
	fmt.Fprintln(os.Stderr, err)
	os.Exit(1)
}

func TestKilledWhileWriting(t *testing.T) {
	path := filepath.Join(t.TempDir(), "dunlin.db")
	last := -1
	for round := range 5 {
		last = max(last, killAfter(t, path, 20+7*round))
		s := open(t, path)
		singles, pairs := records(t, s.Map("singles")), records(t, s.Map("pairs"))
		for i := range last + 1 {
			key := strconv.Itoa(i)
			if singles[key] == 0 || pairs[key+"a"] == 0 {
				t.Fatalf("round %d: %d was written and is lost; %d was the last", round, i, last)
			}
		}
		for key := range pairs {
			if other := strings.TrimRight(key, "ab"); pairs[other+"a"] != pairs[other+"b"] {
				t.Fatalf("round %d: one half of the pair %s is there", round, other)
			}
		}
		s.Close()
	}
}

// records returns the lengths of all values.
func records(t *testing.T, m *Map) map[string]int {
	t.Helper()
	all := make(map[string]int)
	if err := m.Each(func(k string, v []byte) error { all[k] = len(v); return nil }); err != nil {
		t.Fatal(err)
	}
	return all
}

// killAfter starts a writer, kills it after so many records and returns the
// last number it said.
func killAfter(t *testing.T, path string, lines int) (last int) {
	t.Helper()
	child := exec.Command(os.Args[0])
	child.Env = append(os.Environ(), childPath+"="+path)
	child.SysProcAttr = dieWithParent()
	child.Stderr = os.Stderr
	out, err := child.StdoutPipe()
	if err == nil {
		err = child.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	last = -1
	for said := bufio.NewScanner(out); said.Scan(); lines-- {
		if last, err = strconv.Atoi(said.Text()); err != nil {
			t.Fatal(err)
		}
		if lines == 0 {
			if err := child.Process.Signal(syscall.SIGKILL); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := child.Wait(); err == nil || !strings.Contains(err.Error(), "killed") {
		t.Fatalf("the writer ended by itself: %v", err)
	}
	return last
}

// TestDamagedFiles are found when they are opened, with a sentence that says
// what to do; nothing of them is taken for good.
func TestDamagedFiles(t *testing.T) {
	path := filepath.Join(t.TempDir(), "dunlin.db")
	s := open(t, path)
	for i := range 2000 {
		if i%100 == 0 {
			put(t, s.Map("m"), fmt.Sprint("key", i), strings.Repeat("v", 3000))
		}
	}
	s.Close()
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	damaged := func(what string, text []byte) {
		t.Helper()
		broken := filepath.Join(t.TempDir(), "dunlin.db")
		if err := os.WriteFile(broken, text, 0o600); err != nil {
			t.Fatal(err)
		}
		s, err := Open(broken)
		if err == nil {
			s.Close()
		}
		t.Log(what, err)
		says(t, err, broken, "is damaged, or a file of another program", "put a backup in its place")
	}
	page := os.Getpagesize()
	overwritten := func(from, to int) []byte {
		text := bytes.Clone(whole)
		for i := from; i < to; i++ {
			text[i] = 0x5a
		}
		return text
	}
	damaged("another program's", []byte(strings.Repeat("This is a text and no store. ", 1000)))
	damaged("short", []byte("x"))
	damaged("both roots", overwritten(0, 2*page))
	damaged("all but the roots", overwritten(2*page, len(whole)))
	damaged("all but the roots is empty", append(bytes.Clone(whole[:2*page]), make([]byte, len(whole)-2*page)...))
	damaged("cut behind the roots", whole[:2*page])
	damaged("cut in the middle", whole[:3*page])
}

// TestAnEmptyFile is what a machine that loses power may leave of one that was
// just made: a store without records.
func TestAnEmptyFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "f")
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	m := open(t, path).Map("m")
	put(t, m, "a", "1")
	expect(t, m, "a=1")
}
