package api

import (
	"archive/zip"
	"bytes"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestFileTracesAreForTheSocket: who logs in over the network makes the node
// write no file of his choice.
func TestFileTracesAreForTheSocket(t *testing.T) {
	s, _ := newServer(t)
	path := filepath.Join(t.TempDir(), "f")
	body := `{"type":"clientid","value":"c1","file":"` + path + `"}`
	for _, method := range []string{"POST", "GET", "DELETE"} {
		r := httptest.NewRequest(method, "/api/v4/log/traces", strings.NewReader(body))
		r.SetBasicAuth("admin", secretOfAdmin)
		if got := ask(s.handler(management), r); got != "404 Not found." {
			t.Errorf("%s: %s", method, got)
		}
		if got := ask(s.handler(management), httptest.NewRequest(method, "/api/v4/log/traces", strings.NewReader(body))); !strings.HasPrefix(got, "401 ") {
			t.Errorf("%s without a login: %s", method, got)
		}
	}
	if got := ask(s.handler(socket), httptest.NewRequest(http.MethodPost, "/api/v4/log/traces", strings.NewReader(body))); got != `{"code":0}` {
		t.Error(got)
	}
	if _, err := os.Stat(path); err != nil {
		t.Error(err)
	}
}

// TestATraceIsDownloaded, and holds what the file has.
func TestATraceIsDownloaded(t *testing.T) {
	s, f := newServer(t)
	h := s.handler(socket)
	if got := ask(h, httptest.NewRequest(http.MethodPost, "/api/v4/trace", strings.NewReader(`{"name":"a","type":"clientid","clientid":"c1"}`))); got != `{"code":0}` {
		t.Fatal(got)
	}
	f.clients.do(t, "connect c1")
	if err := f.clients.traces.Stop("a"); err != nil {
		t.Fatal(err)
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/api/v4/trace/a/download", http.NoBody))
	if w.Header().Get("Content-Disposition") != `attachment; filename="a.zip"` || w.Header().Get("Content-Type") != "application/zip" {
		t.Error(w.Header())
	}
	z, err := zip.NewReader(bytes.NewReader(w.Body.Bytes()), int64(w.Body.Len()))
	if err != nil || len(z.File) != 1 {
		t.Fatal(z, err)
	}
	entry, err := z.File[0].Open()
	if err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(entry)
	if err != nil || z.File[0].Name != "dunlin@host-a.log" || !strings.Contains(string(text), `event="session created" clientid=c1`) || !strings.HasSuffix(string(text), "lost=0\n") {
		t.Errorf("%s has %s %v", z.File[0].Name, text, err)
	}
}
