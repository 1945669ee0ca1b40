package login

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"sync"
	"time"
)

// SessionOptions are how long sessions last.
type SessionOptions struct {
	Expiry time.Duration // after the last request; 0: an hour
}

const (
	usualExpiry = time.Hour
	// maxSessions of one user are kept; one more ends the one that was idle for
	// longest. It bounds what a script costs that logs in for every request.
	maxSessions = 50
	// idBytes is the length of an id: nobody guesses 256 bits.
	idBytes = 32
)

// sessions are the logins that last. Whoever reads the memory finds no id in
// it, only their digests. A session holds the user as he was: with another
// password or role he is no longer the one who logged in, and with that his
// sessions have ended, without anybody who ends them.
type sessions struct {
	expiry time.Duration
	mu     sync.Mutex
	byID   map[digest]*session
}

type digest [sha256.Size]byte

type session struct {
	user    User
	expires time.Time
}

func newSessions(o SessionOptions) sessions {
	if o.Expiry == 0 {
		o.Expiry = usualExpiry
	}
	return sessions{expiry: o.Expiry, byID: make(map[digest]*session)}
}

// Begin makes a session of a user whom Check or Proven has returned, and
// returns its id, which is kept nowhere.
func (u *Users) Begin(user User, now time.Time) (id string, expires time.Time) {
	secret := make([]byte, idBytes)
	rand.Read(secret) // never fails
	id = base64.RawURLEncoding.EncodeToString(secret)
	s := &session{user, now.Add(u.expiry)}
	u.sessions.mu.Lock()
	defer u.sessions.mu.Unlock()
	u.makeRoom(user.Name, now)
	u.byID[sha256.Sum256([]byte(id))] = s
	return id, s.expires
}

// makeRoom forgets what has ended, and one of the user's if there are too many.
func (s *sessions) makeRoom(name string, now time.Time) {
	var oldest digest
	count := 0
	for id, one := range s.byID {
		switch {
		case !one.expires.After(now):
			delete(s.byID, id)
		case one.user.Name == name:
			if count++; count == 1 || one.expires.Before(s.byID[oldest].expires) {
				oldest = id
			}
		}
	}
	if count >= maxSessions {
		delete(s.byID, oldest)
	}
}

// Session returns the user of a session that has not ended, as he is now, and
// lets it last from now on.
func (u *Users) Session(id string, now time.Time) (user User, expires time.Time, ok bool) {
	key := sha256.Sum256([]byte(id))
	u.sessions.mu.Lock()
	defer u.sessions.mu.Unlock()
	s, there := u.byID[key]
	if !there {
		return User{}, time.Time{}, false
	}
	user, there = u.get(s.user.Name)
	if !there || !s.expires.After(now) || user.Stored != s.user.Stored || user.Role != s.user.Role {
		delete(u.byID, key)
		return User{}, time.Time{}, false
	}
	s.expires = now.Add(u.expiry)
	return user, s.expires, true
}

// End ends a session; one that isn't there has ended already.
func (u *Users) End(id string) {
	u.sessions.mu.Lock()
	defer u.sessions.mu.Unlock()
	delete(u.byID, sha256.Sum256([]byte(id)))
}
