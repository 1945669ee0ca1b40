package main

import (
	"bytes"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/dunlin-mq/dunlin/api"
)

// TestCtlPrints runs sessions as TestCtl does, against answers that stand at
// the beginning of each file: method, path, the body that is expected, if any,
// => and the answer. They are those of EMQ X's documentation, so that every
// field has a value of its own.
func TestCtlPrints(t *testing.T) {
	files, err := filepath.Glob("testdata/ctl_answers/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatal("no sessions", err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			answers, session, _ := strings.Cut(string(text), "\n\n")
			runSession(t, &managed{dataDir: startAnswering(t, answers)}, session)
		})
	}
}

// startAnswering is a node that has these answers; it returns its data
// directory.
func startAnswering(t *testing.T, answers string) string {
	t.Helper()
	dir := t.TempDir()
	l, err := net.Listen("unix", api.Socket(dir))
	if err != nil {
		t.Fatal(err)
	}
	s := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		asked := strings.TrimSpace(r.Method + " " + r.URL.EscapedPath() + " " + string(bytes.TrimSpace(body)))
		for line := range strings.Lines(answers) {
			if request, answer, _ := strings.Cut(line, " => "); request == asked {
				io.WriteString(w, answer)
				return
			}
		}
		http.Error(w, "there is no answer to "+asked, http.StatusTeapot)
	})}
	go s.Serve(l)
	t.Cleanup(func() { s.Close() })
	return dir
}

// TestCtlPagesTypedLists reads a list of clients that is longer than one
// answer.
func TestCtlPagesTypedLists(t *testing.T) {
	dir := t.TempDir()
	l, err := net.Listen("unix", api.Socket(dir))
	if err != nil {
		t.Fatal(err)
	}
	s := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		rows := map[string][]clientRow{"1": {{ClientID: "a"}, {ClientID: "b"}}, "2": {{ClientID: "c"}}}[r.FormValue("_page")]
		json.NewEncoder(w).Encode(map[string]any{"code": 0, "data": rows, "meta": map[string]int{"count": 3}})
	})}
	go s.Serve(l)
	defer s.Close()
	out, _, err := ctl(dir, "", "clients", "list")
	var ids []string
	for line := range strings.Lines(out) {
		id, _, _ := strings.Cut(strings.TrimPrefix(line, "Client("), ",")
		ids = append(ids, id)
	}
	if strings.Join(ids, " ") != "a b c" || err != nil {
		t.Errorf("%v %v", ids, err)
	}
}
