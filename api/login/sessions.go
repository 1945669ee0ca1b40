package login

import (
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/dunlin-mq/dunlin/keep"
)

// SessionOptions say how long sessions last, and where.
type SessionOptions struct {
	Expiry time.Duration // after the last request; 0: an hour
	// Kept is a map that all nodes have, so that a session begun on one is known
	// on the others, and outlives the process. nil: it isn't.
	Kept keep.LaterMap
}

const (
	usualExpiry = time.Hour
	// maxSessions of one user are kept; one more ends the one that was idle for
	// longest. It bounds what a script costs that logs in for every request.
	maxSessions = 50
	// idBytes is the length of an id: nobody guesses 256 bits.
	idBytes = 32
	// usesTold is how often, of the time that an idle session lasts, other nodes
	// are told that it is used. There it may end so much earlier.
	usesTold = 8
	// keptWithin is how long a login waits for the other nodes to know of it. If
	// that takes longer, or can't be now, it holds where it was made.
	keptWithin = time.Second
)

// sessions are the logins that last. Whoever reads the memory, or what is kept,
// finds no id in it, only their digests. A session is bound to the user as he was:
// with another password or role he is no longer the one who logged in, and with
// that his sessions have ended, without anybody who ends them.
type sessions struct {
	expiry time.Duration
	kept   keep.LaterMap // nil: only this node knows them
	// writing is held around a change and what is written of it, so that a use of
	// a session can't come behind its end; mu is not held then, as the map tells of
	// a change with locks of its own. It is taken first.
	writing sync.Mutex
	writes  []func() // that follow from what was changed; under writing
	mu      sync.Mutex
	byID    map[digest]*session
}

// alter changes sessions with the lock held, and writes what follows.
func (s *sessions) alter(f func()) {
	s.writing.Lock()
	defer s.writing.Unlock()
	s.mu.Lock()
	f()
	s.mu.Unlock()
	for _, write := range s.writes {
		write()
	}
	s.writes = s.writes[:0]
}

type digest [sha256.Size]byte

type session struct {
	sessionRecord
	told time.Time // the other nodes know of its use then
}

// sessionRecord is what is kept of a session.
type sessionRecord struct {
	User  string    `json:"user"`
	Proof []byte    `json:"proof"` // of the user as he was
	Used  time.Time `json:"used"`
}

// proof is the same only as long as password and role are.
func (u *User) proof() []byte {
	sum := sha256.Sum256([]byte(string(u.Role) + "\n" + u.Stored))
	return sum[:]
}

// open reads the sessions that are kept, and follows them.
func (s *sessions) open(o SessionOptions, log *slog.Logger) error {
	if s.expiry = o.Expiry; s.expiry == 0 {
		s.expiry = usualExpiry
	}
	s.byID = make(map[digest]*session)
	if s.kept = o.Kept; s.kept == nil {
		return nil
	}
	return keep.Follow(s.kept, log, s.apply)
}

// apply takes what another node, or this one, has kept.
func (s *sessions) apply(c keep.Change) error {
	var id digest
	var r sessionRecord
	if n, err := base64.RawURLEncoding.Decode(id[:], []byte(c.Key)); err != nil || n != len(id) {
		return fmt.Errorf("a session of the dashboard has the key %q, expected a digest", c.Key)
	}
	if !c.Deleted {
		if err := json.Unmarshal(c.Value, &r); err != nil {
			return fmt.Errorf("a session of the dashboard can't be read: %w", err)
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	one := s.byID[id]
	switch {
	case c.Deleted:
		delete(s.byID, id)
	case one == nil:
		s.byID[id] = &session{r, r.Used}
	case r.Used.After(one.told):
		one.told = r.Used
		if r.Used.After(one.Used) {
			one.Used = r.Used
		}
	}
	return nil
}

// tell has the other nodes know of a session as it is now; kept, if not nil, is
// called when they do, or can't. It is for within a change.
func (s *sessions) tell(id digest, one *session, kept func()) {
	one.told = one.Used
	if s.kept == nil {
		return
	}
	value, err := json.Marshal(&one.sessionRecord)
	if err != nil {
		panic(err) // it has nothing that JSON refuses
	}
	s.writes = append(s.writes, func() {
		s.kept.PutLater(id.key(), value, func(error) { // without it this node knows, and tells again
			if kept != nil {
				kept()
			}
		})
	})
}

func (id *digest) key() string { return base64.RawURLEncoding.EncodeToString(id[:]) }

// drop forgets a session, on all nodes. It is for within a change.
func (s *sessions) drop(id digest) {
	delete(s.byID, id)
	if s.kept != nil {
		s.writes = append(s.writes, func() { s.kept.DeleteLater(id.key(), nil) })
	}
}

// Begin makes a session of a user whom Check or Proven has returned, and
// returns its id, which is kept nowhere. It waits a moment for other nodes.
func (u *Users) Begin(user User, now time.Time) (id string, expires time.Time) {
	secret := make([]byte, idBytes)
	rand.Read(secret) // never fails
	id = base64.RawURLEncoding.EncodeToString(secret)
	key := sha256.Sum256([]byte(id))
	one := &session{sessionRecord: sessionRecord{user.Name, user.proof(), now}}
	known := make(chan struct{})
	u.sessions.alter(func() {
		u.makeRoom(user.Name, now)
		u.byID[key] = one
		u.tell(key, one, func() { close(known) })
	})
	if u.sessions.kept != nil {
		timer := time.NewTimer(keptWithin)
		defer timer.Stop()
		select {
		case <-known:
		case <-timer.C:
		}
	}
	return id, now.Add(u.expiry)
}

// makeRoom forgets what has ended on all nodes, and one of the user's if there are
// too many. It is for within a change.
func (s *sessions) makeRoom(name string, now time.Time) {
	var oldest digest
	count := 0
	for id, one := range s.byID {
		switch {
		case !one.Used.Add(s.expiry + s.expiry/usesTold).After(now):
			s.drop(id)
		case one.User == name:
			if count++; count == 1 || one.Used.Before(s.byID[oldest].Used) {
				oldest = id
			}
		}
	}
	if count >= maxSessions {
		s.drop(oldest)
	}
}

// Session returns the user of a session that has not ended, as he is now, and
// lets it last from now on.
func (u *Users) Session(id string, now time.Time) (user User, expires time.Time, ok bool) {
	u.sessions.alter(func() { user, expires, ok = u.use(sha256.Sum256([]byte(id)), now) })
	return user, expires, ok
}

// use is Session within a change.
func (u *Users) use(key digest, now time.Time) (user User, expires time.Time, ok bool) {
	s, there := u.byID[key]
	if !there || !s.Used.Add(u.expiry).After(now) {
		return User{}, time.Time{}, false
	}
	user, there = u.get(s.User)
	if !there || !bytes.Equal(s.Proof, user.proof()) { // it stays until its time is over: what is known of the user here may be older
		return User{}, time.Time{}, false
	}
	if now.After(s.Used) {
		s.Used = now
	}
	if s.Used.Sub(s.told) > u.expiry/usesTold {
		u.tell(key, s, nil)
	}
	return user, s.Used.Add(u.expiry), true
}

// End ends a session, on all nodes; one that isn't there has ended already.
func (u *Users) End(id string) {
	key := digest(sha256.Sum256([]byte(id)))
	u.sessions.alter(func() {
		if u.byID[key] != nil {
			u.drop(key)
		}
	})
}
