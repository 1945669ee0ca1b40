package api

import (
	_ "embed"
	"net/http"
)

// noPages is what is shown where no dashboard is built in.
//
//go:embed nopages.html
var noPages []byte

// policy is what that page may load: nothing.
const policy = "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

// servePages answers with the pages, which need no login: what they show comes
// from the interface.
func (s *Server) servePages(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	if s.o.Pages != nil {
		h.Del("Cache-Control") // the pages' own business, as what they may load
		s.o.Pages.ServeHTTP(w, r)
		return
	}
	h.Set("Content-Security-Policy", policy)
	h.Set("X-Frame-Options", "DENY") // for browsers that don't know frame-ancestors
	h.Set("Referrer-Policy", "same-origin")
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		h.Set("Allow", "GET, HEAD")
		writeText(w, http.StatusMethodNotAllowed, "Method Not Allowed")
		return
	}
	if r.URL.Path != "/" {
		writeText(w, http.StatusNotFound, "Not found.")
		return
	}
	h.Set("Content-Type", "text/html; charset=utf-8")
	_, _ = w.Write(noPages) // a peer that is gone needs no answer
}
