package api

import (
	"net/http/httptest"
	"slices"
	"testing"
)

// TestWhoChangesConfigs: the part that logs a change is told who made it.
func TestWhoChangesConfigs(t *testing.T) {
	configs := newFakeConfigs()
	s, _ := newServer(t, func(o *Options) { o.Configs = configs })
	r := from("192.0.2.1:1", "PUT", "/api/v4/configs", `{"retainer.max_retained_messages":3}`)
	r.SetBasicAuth("admin", secretOfAdmin)
	s.handler(management).ServeHTTP(httptest.NewRecorder(), r)
	s.handler(socket).ServeHTTP(httptest.NewRecorder(), from("@", "DELETE", "/api/v4/configs/retainer.max_retained_messages", ""))
	if want := []string{"admin retainer.max_retained_messages = 3", "(socket) reset retainer.max_retained_messages"}; !slices.Equal(configs.log, want) {
		t.Errorf("got %q, want %q", configs.log, want)
	}
}

func TestSetMaxRowLimit(t *testing.T) {
	s, _ := newServer(t)
	f := func(want string) {
		t.Helper()
		if got := ask(s.handler(socket), from("@", "GET", "/api/v4/configs?_limit=5", "")); !matches("...\"meta\":"+want+"}", got) {
			t.Errorf("got %s, want %s", got, want)
		}
	}
	f(`{"page":1,"limit":5,"count":6}`)
	s.SetMaxRowLimit(2)
	f(`{"page":1,"limit":2,"count":6}`)
}
