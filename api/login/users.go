package login

import (
	"context"
	"errors"
	"log/slog"
	"unicode/utf8"

	"github.com/dunlin-mq/dunlin/keep"
)

// Role is what a user may do.
type Role string

// The roles.
const (
	Administrator Role = "administrator" // everything
	Viewer        Role = "viewer"        // look at what is no secret
)

// Roles are all of them.
func Roles() []string { return []string{string(Administrator), string(Viewer)} }

// User is a user of the dashboard.
type User struct {
	Name       string `json:"-"`
	Role       Role   `json:"role"`
	MustChange bool   `json:"must_change,omitzero"` // his password, before he does anything else
	Secret
}

// minPassword is how many characters the password of a user must have: what
// OWASP and NIST SP 800-63B ask for at least.
const minPassword = 8

// Errors of changing users.
var (
	ErrUserExists = errors.New("a user of this name exists already")
	ErrNoUser     = errors.New("there is no user of this name")
	ErrLast       = errors.New("the last administrator has to stay one")
	ErrPassword   = errors.New("a password must have at least 8 characters")
)

// Users are the users of the dashboard with their sessions. They are safe for
// concurrent use.
type Users struct {
	hasher *Hasher
	records[User]
	sessions
}

// OpenUsers reads the users that are kept, and follows them. kept and log may be
// nil.
func OpenUsers(kept keep.Map, hasher *Hasher, s SessionOptions, log *slog.Logger) (*Users, error) {
	u := &Users{hasher: hasher}
	err := u.records.open(kept, log, "user of the dashboard", func(user *User, name string) { user.Name = name })
	return u, errors.Join(err, u.sessions.open(s, log))
}

// All returns the users by their names.
func (u *Users) All() []User { return u.list() }

// Add makes a user with a password, of which only a hash is kept.
func (u *Users) Add(ctx context.Context, user User, password string) error {
	if utf8.RuneCountInString(password) < minPassword {
		return ErrPassword
	}
	return u.add(ctx, user, password)
}

// AddMissing is Add of an administrator with any password, for what a
// configuration names: a user who is there stays as he is.
func (u *Users) AddMissing(ctx context.Context, name, password string) error {
	err := u.add(ctx, User{Name: name, Role: Administrator}, password)
	if errors.Is(err, ErrUserExists) {
		return nil
	}
	return err
}

func (u *Users) add(ctx context.Context, user User, password string) error {
	if err := checkName(user.Name); err != nil {
		return err
	}
	if _, there := u.get(user.Name); there {
		return ErrUserExists
	}
	var err error
	if user.Secret, err = u.hasher.make(ctx, password); err != nil {
		return err
	}
	return u.change(user.Name, func(_ User, there bool) (User, error) {
		if there {
			return user, ErrUserExists
		}
		return user, nil
	})
}

// SetPassword gives a user another password, which he has to change at once if
// mustChange. All of his sessions end.
func (u *Users) SetPassword(ctx context.Context, name, password string, mustChange bool) error {
	if utf8.RuneCountInString(password) < minPassword {
		return ErrPassword
	}
	if _, there := u.get(name); !there {
		return ErrNoUser
	}
	secret, err := u.hasher.make(ctx, password)
	if err != nil {
		return err
	}
	return u.update(name, func(user *User) { user.Secret, user.MustChange = secret, mustChange })
}

// SetRole gives a user another role; if it is another one, all of his sessions
// end. The error may be ErrLast.
func (u *Users) SetRole(name string, role Role) error {
	return u.change(name, func(user User, there bool) (User, error) {
		if !there {
			return user, ErrNoUser
		}
		err := u.remainsOne(&user, role)
		user.Role = role
		return user, err
	})
}

func (u *Users) update(name string, f func(*User)) error {
	return u.change(name, func(user User, there bool) (User, error) {
		if !there {
			return user, ErrNoUser
		}
		f(&user)
		return user, nil
	})
}

// Delete removes a user, whose sessions end. The error may be ErrLast.
func (u *Users) Delete(name string) error {
	return u.remove(name, func(user User, there bool) error {
		if !there {
			return ErrNoUser
		}
		return u.remainsOne(&user, "")
	})
}

// remainsOne is for within a change: it refuses to let a user have another role,
// or none, who is the last administrator. Two nodes of a cluster may still take
// it from the last two at the same moment; dunlin admins mends that.
func (u *Users) remainsOne(user *User, role Role) error {
	if user.Role != Administrator || role == Administrator {
		return nil
	}
	u.records.mu.RLock()
	defer u.records.mu.RUnlock()
	for name, other := range u.all {
		if name != user.Name && other.Role == Administrator {
			return nil
		}
	}
	return ErrLast
}

// Proven reports, at once, that the password is right and was found so before.
func (u *Users) Proven(name, password string) (user User, ok bool) {
	user, there := u.get(name)
	return user, there && u.hasher.proven(&user.Secret, password)
}

// Check takes its time, the same whether the name or the password is wrong. A
// password that was stored in another way is stored in the usual one now.
func (u *Users) Check(ctx context.Context, name, password string) (user User, ok bool) {
	user, there := u.get(name)
	kept := &user.Secret
	if !there {
		kept = nil
	}
	if !u.hasher.fits(ctx, kept, password) {
		return User{}, false
	}
	if user.Hash == u.hasher.name {
		return user, true
	}
	return u.storeAnew(ctx, user, password), true
}

// storeAnew returns the user as he is kept afterwards. If that fails, the next
// login does it.
func (u *Users) storeAnew(ctx context.Context, user User, password string) User {
	secret, err := u.hasher.make(ctx, password)
	if err != nil {
		return user
	}
	stored := user
	err = u.update(user.Name, func(now *User) {
		if now.Stored == user.Stored { // not changed meanwhile
			now.Secret = secret
		}
		stored = *now
	})
	if err != nil {
		return user
	}
	return stored
}
