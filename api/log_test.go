package api

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// fakeLogs are a console and a file that has lost lines.
type fakeLogs struct {
	primary string
	all     []LogHandler
}

func newFakeLogs() *fakeLogs {
	return &fakeLogs{"warning", []LogHandler{
		{ID: "console", Level: "warning", Destination: "console", Started: true},
		{ID: "file", Level: "warning", Destination: "log/emqx.log", Started: true, Lost: 3},
	}}
}

func (f *fakeLogs) Levels() (string, []LogHandler) { return f.primary, f.all }

func (f *fakeLogs) SetPrimary(level string) { f.primary = level }

func (f *fakeLogs) SetLevel(id, level string) error {
	return f.change(id, func(h *LogHandler) { h.Level = level })
}

func (f *fakeLogs) Switch(id string, on bool) error {
	return f.change(id, func(h *LogHandler) { h.Started = on })
}

func (f *fakeLogs) change(id string, do func(*LogHandler)) error {
	for i := range f.all {
		if f.all[i].ID == id {
			do(&f.all[i])
			return nil
		}
	}
	return ErrNoLogHandler
}

func TestWithoutALogThereAreNoRoutes(t *testing.T) {
	s, _ := newServer(t, func(o *Options) { o.Logs = nil })
	if got := ask(s.handler(socket), httptest.NewRequest(http.MethodGet, "/api/v4/log", strings.NewReader(""))); got != "404 Not found." {
		t.Errorf("got %s", got)
	}
}
