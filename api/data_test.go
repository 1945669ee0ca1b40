package api

import (
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/dunlin-mq/dunlin/api/login"
	"github.com/dunlin-mq/dunlin/auth"
	"github.com/dunlin-mq/dunlin/auth/builtin"
	"github.com/dunlin-mq/dunlin/backup"
)

// newKept is what a node exports, with the real lists.
func newKept(t *testing.T, control *auth.Control) *backup.Target {
	t.Helper()
	var config builtin.Config
	config.SetDefaults()
	list, err := builtin.New(t.Context(), builtin.Options{Config: config, Passwords: auth.NewPasswords()})
	if err != nil {
		t.Fatal(err)
	}
	return &backup.Target{Accounts: list, Rules: list, Bans: control.Bans()}
}

// sendData asks a server whose login is the socket's, and returns the answer.
func sendData(t *testing.T, s *Server, method, path, body string) string {
	t.Helper()
	return ask(s.handler(socket), httptest.NewRequest(method, "/api/v4/data"+path, strings.NewReader(body)))
}

// TestDataMovesByREST: what one node exports another one imports, and its
// logins work there.
func TestDataMovesByREST(t *testing.T) {
	from, f := newServer(t)
	if _, err := from.apps.Add(t.Context(), login.App{ID: "grafana", Enabled: true}, "k33p-m3"); err != nil {
		t.Fatal(err)
	}
	if err := f.control.Bans().Add(auth.Ban{Kind: auth.BanPeerHost, Who: "10.0.0.0/8"}); err != nil {
		t.Fatal(err)
	}
	var row struct {
		Data struct {
			Filename, Node string
			Size           int
			Notes          []string
		}
	}
	if err := json.Unmarshal([]byte(sendData(t, from, "POST", "/export", "")), &row); err != nil || row.Data.Node != "dunlin@host" || len(row.Data.Notes) != 2 {
		t.Fatalf("%v %+v", err, row)
	}
	path := filepath.Join(string(from.o.Exports), row.Data.Filename)
	if info, err := os.Stat(path); err != nil || info.Size() != int64(row.Data.Size) || info.Mode().Perm() != 0o600 {
		t.Errorf("%v %v, want %d bytes", info, err, row.Data.Size)
	}
	file := sendData(t, from, "GET", "/file/"+row.Data.Filename, "")
	if strings.Contains(file, "k33p") {
		t.Errorf("a secret in clear: %s", file)
	}

	to, f := newServer(t)
	if got := sendData(t, to, "POST", "/file", file); got != `{"code":0,"data":{"node":"dunlin@host"}}` {
		t.Fatal(got)
	}
	body := `{"filename":"` + row.Data.Filename + `"}`
	got := sendData(t, to, "POST", "/import", body)
	if !matches(`{"code":0,"data":{"version":"4.3",...{"name":"bans","added":1,...{"name":"apps","added":1,...}}`, got) {
		t.Error(got)
	}
	if !to.apps.Check(t.Context(), "grafana", "k33p-m3") {
		t.Error("the login doesn't work")
	}
	if bans := f.control.Bans().All(); len(bans) != 1 {
		t.Errorf("%v are banned", bans)
	}
}

func TestContentIsBounded(t *testing.T) {
	read := func(body string) error {
		_, content, err := readContent(httptest.NewRecorder(), httptest.NewRequest(http.MethodPost, "/?a=b", strings.NewReader(body)), 4)
		if err == nil && string(content) != body {
			t.Errorf("read %q", content)
		}
		return err
	}
	if err := read("1234"); err != nil {
		t.Error(err)
	}
	if err := read("12345"); !errors.As(err, new(*http.MaxBytesError)) {
		t.Errorf("too long: %v", err)
	}
}
