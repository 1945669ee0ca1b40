package api

import (
	"math"
	"net/http"
	"net/netip"
	"strconv"
	"sync"
	"time"
)

// realm is what EMQ X asks browsers to log in to.
const realm = `Basic Realm="minirest-server"`

// login lets a request with the id and secret of an app pass, and answers any
// other itself. A secret that was proven before passes at once; others are
// checked one after another for each address, and an address that was wrong
// too often has to wait.
func (s *Server) login(w http.ResponseWriter, r *http.Request, d door) (app string, ok bool) {
	id, secret, ok := r.BasicAuth()
	if !ok || d != management {
		return "", refuse(w)
	}
	if s.apps.proven(id, secret) {
		return id, true
	}
	tries := s.attempts.of(r.RemoteAddr)
	tries.mu.Lock()
	defer tries.mu.Unlock()
	if wait := tries.wait(time.Now()); wait > 0 {
		w.Header().Set("Retry-After", strconv.Itoa(int(math.Ceil(wait.Seconds()))))
		writeText(w, http.StatusTooManyRequests, "TOO MANY ATTEMPTS")
		return "", false
	}
	if !s.apps.check(r.Context(), id, secret) {
		if tries.failed(time.Now()) {
			s.log.Warn("an address was wrong too often about the login of the management API and has to wait", "address", r.RemoteAddr, "app", id)
		}
		return "", refuse(w)
	}
	return id, true
}

func refuse(w http.ResponseWriter) bool {
	w.Header().Set("WWW-Authenticate", realm)
	writeText(w, http.StatusUnauthorized, "UNAUTHORIZED")
	return false
}

const (
	// maxTries wrong logins in a row are let pass to the check; then one more
	// every tryAgain.
	maxTries = 10
	tryAgain = 6 * time.Second
	// maxTried is how many addresses are kept in mind.
	maxTried = 10_000
)

// attempts remembers which addresses were wrong.
type attempts struct {
	mu        sync.Mutex
	byAddress map[netip.Prefix]*tries
}

// tries is a bucket that wrong logins fill and time empties. Its lock is held
// while one is checked.
type tries struct {
	mu    sync.Mutex
	clear time.Time // when the bucket is empty again
}

// of returns the bucket of an address; with IPv6, of the network that one
// household or machine usually has.
func (a *attempts) of(remote string) *tries {
	var from netip.Prefix
	if peer, err := netip.ParseAddrPort(remote); err == nil {
		addr, bits := peer.Addr().Unmap().WithZone(""), 32
		if addr.Is6() {
			bits = 64
		}
		from = netip.PrefixFrom(addr, bits).Masked()
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	t := a.byAddress[from]
	if t == nil {
		if a.byAddress == nil {
			a.byAddress = make(map[netip.Prefix]*tries)
		}
		a.makeRoom()
		t = new(tries)
		a.byAddress[from] = t
	}
	return t
}

// makeRoom forgets an address. Which one is left to the map: whoever attacks
// from ten thousand addresses gains nothing by being forgotten.
func (a *attempts) makeRoom() {
	if len(a.byAddress) < maxTried {
		return
	}
	for old := range a.byAddress {
		delete(a.byAddress, old)
		return
	}
}

// wait is how long no login is checked; 0: it can be.
func (t *tries) wait(now time.Time) time.Duration {
	return max(0, t.clear.Sub(now.Add((maxTries-1)*tryAgain)))
}

// failed counts a wrong login and reports whether the next has to wait.
func (t *tries) failed(now time.Time) bool {
	if t.clear.Before(now) {
		t.clear = now
	}
	t.clear = t.clear.Add(tryAgain)
	return t.wait(now) > 0
}
