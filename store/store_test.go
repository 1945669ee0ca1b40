package store

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	bolt "go.etcd.io/bbolt"
)

// write makes a file as earlier versions did; keys are map/key.
func write(t *testing.T, path string, records map[string]string) *bolt.DB {
	t.Helper()
	db, err := bolt.Open(path, 0o600, &bolt.Options{FreelistType: bolt.FreelistMapType})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	err = db.Update(func(tx *bolt.Tx) error {
		for key, value := range records {
			name, key, _ := strings.Cut(key, "/")
			b, err := tx.CreateBucketIfNotExists([]byte(name))
			if err == nil && key != "" {
				err = b.Put([]byte(key), []byte(value))
			}
			if err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return db
}

func TestRead(t *testing.T) {
	path := filepath.Join(t.TempDir(), "dunlin.db")
	want := map[string]string{"users/a": "1", "users/b\x00/": "", "bans/a": strings.Repeat("x", 100_000)}
	write(t, path, want).Close()
	got := make(map[string]string)
	if err := Read(path, func(name string, records map[string][]byte) error {
		for key, value := range records {
			got[name+"/"+key] = string(value)
		}
		return nil
	}); err != nil || !maps.Equal(got, want) {
		t.Errorf("%v, %q", err, slices.Sorted(maps.Keys(got)))
	}
	enough := errors.New("enough")
	if err := Read(path, func(string, map[string][]byte) error { return enough }); !errors.Is(err, enough) {
		t.Error(err)
	}
}

// says checks that an error is one sentence with the file's name and the words.
func says(t *testing.T, err error, path string, words ...string) {
	t.Helper()
	if err == nil {
		t.Error("there was no error")
		return
	}
	for _, w := range append(words, path) {
		if !strings.Contains(err.Error(), w) {
			t.Errorf("%q doesn't say %q", err, w)
		}
	}
	if strings.Contains(err.Error(), "\n") || strings.Count(err.Error(), path) > 1 {
		t.Errorf("%q is not one sentence", err)
	}
}

func read(path string) error {
	return Read(path, func(string, map[string][]byte) error { return nil })
}

func TestFilesThatCannotBeRead(t *testing.T) {
	path := filepath.Join(t.TempDir(), "f")
	says(t, read(path), path, "no such file")
	write(t, path, map[string]string{"m/a": ""})
	says(t, read(path), path, "in use by another process")
	below := filepath.Join(path, "dunlin.db")
	says(t, read(below), below, "not a directory")
}

// TestDamagedFiles are found as a whole; nothing of them is taken for good.
func TestDamagedFiles(t *testing.T) {
	path := filepath.Join(t.TempDir(), "dunlin.db")
	records := make(map[string]string)
	for i := range 20 {
		records[fmt.Sprint("m/key", i)] = strings.Repeat("v", 3000)
	}
	write(t, path, records).Close()
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
		err := read(broken)
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
