package backup

import (
	"errors"
	"fmt"
	"time"

	"github.com/dunlin-mq/dunlin/auth"
)

// The parts of an export that EMQ X doesn't know.
const (
	ownAccounts = "dunlin_accounts"
	ownBans     = "dunlin_bans" // of networks
	ownApps     = "dunlin_apps"
	ownUsers    = "dunlin_users"
)

// ownHash is what is kept of a password, in a form of our own.
type ownHash struct {
	Hash   string `json:"hash"`
	Stored []byte `json:"stored"`
	Salt   []byte `json:"salt,omitempty"`
}

type ownAccount struct {
	Login     string           `json:"login"`
	Type      auth.SubjectKind `json:"type"`
	Superuser bool             `json:"is_superuser,omitempty"`
	Created   int64            `json:"created_at"` // milliseconds
	ownHash
}

type ownApp struct {
	ID      string `json:"id"`
	Name    string `json:"name"`
	Desc    string `json:"desc"`
	Enabled bool   `json:"status"`
	Expired int64  `json:"expired,omitempty"` // seconds; 0: never
	ownHash
}

type ownUser struct {
	Username string `json:"username"`
	Tags     string `json:"tags"`
	Change   bool   `json:"change_password,omitempty"`
	ownHash
}

func newOwnHash(h Hashed) ownHash { return ownHash{h.Hash.String(), []byte(h.Stored), []byte(h.Salt)} }

// read refuses what no password would ever fit.
func (o *ownHash) read() (Hashed, error) {
	h, err := auth.ParseHash(o.Hash)
	if err != nil {
		return Hashed{}, fmt.Errorf("hash: %w", err)
	}
	if !h.Reads(string(o.Stored), string(o.Salt)) {
		return Hashed{}, fmt.Errorf("the password is not stored with %s", h)
	}
	return Hashed{h, string(o.Stored), string(o.Salt)}, nil
}

// own reads these parts.
func (r *reader) own() error {
	return errors.Join(
		each(r, ownAccounts, func(a *ownAccount) string { return a.Login }, func(at string, a *ownAccount) error {
			h, err := a.read()
			if err != nil {
				return err
			}
			if a.Type != auth.ByClientID && a.Type != auth.ByUsername {
				return fmt.Errorf("expected the type clientid or username, found %.20q", string(a.Type))
			}
			if err := checkName(a.Login); err != nil {
				return err
			}
			r.put(at, auth.NewAccount{
				Subject: auth.Subject{Kind: a.Type, Name: a.Login}, Superuser: a.Superuser, Created: moment{&a.Created}.millis(),
				Hash: h.Hash, Stored: h.Stored, Salt: h.Salt,
			})
			return nil
		}),
		r.bansIn(ownBans),
		each(r, ownApps, func(a *ownApp) string { return a.ID }, func(_ string, a *ownApp) error {
			h, err := a.read()
			if err == nil {
				err = checkAppID(a.ID)
			}
			one := App{ID: a.ID, Name: a.Name, Desc: a.Desc, Enabled: a.Enabled, Hashed: h}
			if a.Expired != 0 {
				one.Expires = moment{&a.Expired}.seconds()
			}
			if err == nil {
				r.data.Apps = append(r.data.Apps, one)
			}
			return err
		}),
		each(r, ownUsers, func(u *ownUser) string { return u.Username }, func(_ string, u *ownUser) error {
			h, err := u.read()
			if err == nil {
				err = checkName(u.Username)
			}
			if err == nil {
				r.data.Users = append(r.data.Users, User{Name: u.Username, Tags: u.Tags, MustChange: u.Change, Hashed: h})
			}
			return err
		}),
	)
}

// unix is t in seconds, 0 if it never comes.
func unix(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.Unix()
}
