package jwt

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/go-jose/go-jose/v4"
)

// Service reads a URL. It gives up when ctx says so, and bounds what it returns.
type Service interface {
	Do(ctx context.Context, method, url string, header http.Header, body []byte) (status int, contentType string, answer []byte, err error)
}

const (
	loadTimeout = 10 * time.Second
	// shortestPause is between two readings, so that tokens with made-up key
	// names can't make us burden the server. After a failure it is the pause.
	shortestPause = 10 * time.Second
	// firstWait is how long a start waits for the first answer.
	firstWait = 2 * time.Second
)

// keySet holds the keys behind a URL, by name. What was read last counts until
// something else can be read.
type keySet struct {
	url     string
	every   time.Duration
	service Service
	log     *slog.Logger

	keys   atomic.Pointer[map[string][]key]
	wanted chan struct{} // a token named a key that isn't there

	cancel context.CancelFunc
	first  chan struct{} // closed after the first attempt
	done   chan struct{} // closed when run has ended
}

// startKeySet returns after the first attempt to read the keys, or firstWait.
func startKeySet(url string, every time.Duration, service Service, log *slog.Logger) *keySet {
	ctx, cancel := context.WithCancel(context.Background())
	s := &keySet{
		url: url, every: every, service: service, log: log, cancel: cancel,
		wanted: make(chan struct{}, 1), first: make(chan struct{}), done: make(chan struct{}),
	}
	go s.run(ctx)
	select {
	case <-s.first:
	case <-time.After(firstWait):
	}
	return s
}

func (s *keySet) close() {
	s.cancel()
	<-s.done
}

// find returns the keys of a name; loaded is false as long as no set has been
// read. A name that is not there has the set read again soon.
func (s *keySet) find(kid string) (keys []key, loaded bool) {
	if set := s.keys.Load(); set != nil {
		keys, loaded = (*set)[kid], true
	}
	if keys == nil {
		select {
		case s.wanted <- struct{}{}:
		default: // it is wanted already
		}
	}
	return keys, loaded
}

// run reads the keys until ctx ends: at the interval, when they are wanted, and
// again after a pause when it went wrong.
func (s *keySet) run(ctx context.Context) {
	defer close(s.done)
	failing := false
	for first := true; ; first = false {
		select { // what is wanted so far comes with this reading
		case <-s.wanted:
		default:
		}
		err := s.load(ctx)
		if first {
			close(s.first)
		}
		if ctx.Err() != nil {
			return
		}
		s.report(err, failing)
		failing = err != nil
		if !s.pause(ctx, failing) {
			return
		}
	}
}

// report logs when reading begins to fail and when it works again.
func (s *keySet) report(err error, failing bool) {
	switch {
	case err != nil && !failing:
		s.log.Warn("the keys of auth.jwt.jwks can't be read; those read before stay in use", "err", err)
	case err == nil && failing:
		s.log.Info("the keys of auth.jwt.jwks can be read again")
	}
}

// pause waits until the keys are to be read again; false: ctx has ended.
func (s *keySet) pause(ctx context.Context, failing bool) bool {
	least := time.NewTimer(min(shortestPause, s.every))
	defer least.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-least.C:
	}
	if failing {
		return true
	}
	rest := time.NewTimer(max(s.every-shortestPause, 0))
	defer rest.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-rest.C:
	case <-s.wanted:
	}
	return true
}

func (s *keySet) load(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, loadTimeout)
	defer cancel()
	status, _, body, err := s.service.Do(ctx, http.MethodGet, s.url, http.Header{"Accept": {"application/json"}}, nil)
	if err != nil {
		return err
	}
	if status != http.StatusOK {
		return fmt.Errorf("the server answered with status %d", status)
	}
	set, skipped, err := parseKeySet(body)
	if err != nil {
		return err
	}
	if skipped > 0 {
		s.log.Debug("some keys of auth.jwt.jwks are not for tokens that are taken here", "skipped", skipped)
	}
	s.keys.Store(&set)
	return nil
}

// parseKeySet reads a key set: RFC 7517, 5. It skips keys that can't prove a
// token here: of other kinds, for encryption, without a name, and shared or
// private ones, which have no business at a URL.
func parseKeySet(text []byte) (set map[string][]key, skipped int, err error) {
	var list struct {
		Keys []json.RawMessage `json:"keys"`
	}
	if json.Unmarshal(text, &list) != nil || list.Keys == nil {
		return nil, 0, errors.New(`expected a JSON object with a list of "keys"`)
	}
	set = make(map[string][]key)
	for _, raw := range list.Keys {
		var j jose.JSONWebKey
		if j.UnmarshalJSON(raw) != nil {
			skipped++
			continue
		}
		k, ok := usable(&j)
		if !ok {
			skipped++
			continue
		}
		set[j.KeyID] = append(set[j.KeyID], k)
	}
	if len(set) == 0 && skipped > 0 {
		return nil, skipped, fmt.Errorf("none of its %d keys can be used: expected public keys with a name (kid)", skipped)
	}
	return set, skipped, nil
}

func usable(j *jose.JSONWebKey) (key, bool) {
	if j.KeyID == "" || !j.IsPublic() || !j.Valid() || j.Use != "" && j.Use != "sig" {
		return key{}, false
	}
	k, err := newKey(j.Key)
	if err != nil {
		return key{}, false
	}
	if alg := jose.SignatureAlgorithm(j.Algorithm); alg != "" {
		if !k.proves(alg) {
			return key{}, false
		}
		k.algorithms = []jose.SignatureAlgorithm{alg}
	}
	return k, true
}
