package api

import (
	"math"
	"net/http"
	"strconv"
	"time"
)

// refusal is an answer in plain text with a status of its own: the caller may
// not do that, or not now.
type refusal struct {
	status int
	text   string
	wait   time.Duration // until it may be tried again; 0: that doesn't say
}

func (r *refusal) Error() string { return r.text }

var (
	errLogin      = &refusal{status: http.StatusUnauthorized, text: "UNAUTHORIZED"}
	errMustChange = &refusal{status: http.StatusForbidden, text: "Change the password first"}
	errViewer     = &refusal{status: http.StatusForbidden, text: "Only an administrator may do that"}
)

func tooMany(wait time.Duration) *refusal {
	return &refusal{http.StatusTooManyRequests, "TOO MANY ATTEMPTS", wait}
}

// realm is what EMQ X asks browsers to log in to.
const realm = `Basic Realm="minirest-server"`

// write answers with it; challenge asks for a login as HTTP wants it, which
// makes a browser open a window.
func (r *refusal) write(w http.ResponseWriter, challenge bool) {
	if r.status == http.StatusUnauthorized && challenge {
		w.Header().Set("WWW-Authenticate", realm)
	}
	if r.wait > 0 {
		w.Header().Set("Retry-After", strconv.Itoa(int(math.Ceil(r.wait.Seconds()))))
	}
	writeText(w, r.status, r.text)
}
