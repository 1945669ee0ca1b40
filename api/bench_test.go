package api

import (
	"net/http"
	"net/http/httptest"
	"testing"
)

// BenchmarkRequest is one look-up by somebody whose login is proven, without
// the network.
func BenchmarkRequest(b *testing.B) {
	s, err := New(Options{Node: "n", Accounts: new(fakeAccounts), Config: Config{DefaultID: "admin", DefaultSecret: secretOfAdmin}})
	if err != nil {
		b.Fatal(err)
	}
	h := s.handler(management)
	r := httptest.NewRequest(http.MethodGet, "/api/v4/auth_username/u%2F1", nil)
	r.SetBasicAuth("admin", secretOfAdmin)
	for b.Loop() {
		w := httptest.NewRecorder()
		if h.ServeHTTP(w, r); w.Code != http.StatusOK {
			b.Fatal(w.Code, w.Body)
		}
	}
}

// BenchmarkWrongLogin is what guessing costs us, while it is let pass.
func BenchmarkWrongLogin(b *testing.B) {
	s, err := New(Options{Node: "n", Config: Config{DefaultID: "admin", DefaultSecret: secretOfAdmin}})
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if s.apps.Check(b.Context(), "admin", "guess") {
			b.Fatal("a guess was right")
		}
	}
}
