package api

import (
	"cmp"
	"context"
	"crypto/rand"
	"fmt"
	"net/http"
	"time"

	"github.com/dunlin-mq/dunlin/api/login"
	"github.com/dunlin-mq/dunlin/auth"
)

// logins are who may manage.
type logins struct {
	apps     *login.Apps
	users    *login.Users
	attempts login.Attempts
	// first are those that the first start made up. Their secrets are known only
	// until the process ends.
	firstApp, firstUser firstLogin
}

type firstLogin struct{ name, secret string }

// openLogins reads the logins and makes those that the configuration wants.
func (s *Server) openLogins(passwords *auth.Passwords) error {
	hash, err := auth.ParseHash(cmp.Or(s.o.hash, "bcrypt"))
	if err != nil {
		return err
	}
	hasher := login.NewHasher(hash, passwords)
	if s.apps, err = login.OpenApps(s.o.Apps, hasher, s.o.Config.NewSecret, s.o.Log); err == nil {
		s.users, err = login.OpenUsers(s.o.Users, hasher, login.SessionOptions{Expiry: s.o.Dashboard.SessionExpiry, Kept: s.o.UserSessions}, s.o.Log)
	}
	if err != nil {
		return fmt.Errorf("the logins of the management API can't be read: %w", err)
	}
	if err = s.makeApps(); err == nil {
		err = s.makeUsers()
	}
	return err
}

// makeApps makes the apps that the configuration wants, and a first one if
// there would be none to log in with.
func (s *Server) makeApps() error {
	c, ctx := &s.o.Config, context.Background()
	if c.BootstrapFile != "" {
		if err := s.apps.Load(ctx, c.BootstrapFile); err != nil {
			return fmt.Errorf("management.bootstrap_apps_file: %w", err)
		}
	}
	switch {
	case c.DefaultSecret != "":
		if c.DefaultSecret == "public" {
			s.log.Warn("management.default_application.secret is the one EMQ X is delivered with, which everybody knows", "app", c.DefaultID)
		}
		return s.apps.AddMissing(ctx, c.DefaultID, c.DefaultSecret)
	case len(s.apps.All()) > 0 || len(c.HTTP.Addresses)+len(c.HTTPS.Addresses) == 0:
		return nil
	}
	s.firstApp = firstLogin{c.DefaultID, rand.Text()}
	return s.apps.AddMissing(ctx, s.firstApp.name, s.firstApp.secret)
}

// makeUsers makes the user that the configuration wants, and a first one if
// there would be none to log in with.
func (s *Server) makeUsers() error {
	d, ctx := &s.o.Dashboard, context.Background()
	switch {
	case d.DefaultPassword != "":
		if err := s.users.AddMissing(ctx, d.DefaultUser, d.DefaultPassword); err != nil {
			return err
		}
		if d.DefaultPassword != "public" {
			return nil
		}
		if _, still := s.users.Check(ctx, d.DefaultUser, d.DefaultPassword); still {
			s.log.Warn("a user of the dashboard has the password EMQ X is delivered with, which everybody knows", "user", d.DefaultUser)
		}
		return nil
	case len(s.users.All()) > 0 || len(d.HTTP.Addresses)+len(d.HTTPS.Addresses) == 0:
		return nil
	}
	s.firstUser = firstLogin{d.DefaultUser, rand.Text()}
	first := login.User{Name: s.firstUser.name, Role: login.Administrator, MustChange: true}
	return s.users.Add(ctx, first, s.firstUser.secret)
}

// caller is who sends a request.
type caller struct {
	name    string      // an app, a user, or that it came by the socket
	user    *login.User // nil: an app or the socket, which may do everything
	session string      // the id, if that was the login
	expires time.Time   // when the session ends
}

// mayAll reports whether the caller may do and see everything.
func (c *caller) mayAll() bool { return c.user == nil || c.user.Role == login.Administrator }

// admit lets a request pass that may reach its route, and answers any other
// itself. There is no route for what must not be known to be there or not
// before a login.
func (s *Server) admit(w http.ResponseWriter, r *http.Request, d door, route *Route) (*caller, bool) {
	switch {
	case d == socket:
		return &caller{name: "(socket)"}, true
	case route != nil && route.open && route.private == (d == dashboard):
		return &caller{name: "(nobody)"}, true
	}
	who, err := s.whoIs(r, d)
	if err == nil {
		err = who.allowed(route)
	}
	if err != nil {
		challenge := d == management || !fromPage(r, route)
		err.write(w, challenge)
		return nil, false
	}
	return who, true
}

// fromPage reports whether a script in a page asks, for which a browser must
// not open its own window for a login.
func fromPage(r *http.Request, route *Route) bool {
	_, err := r.Cookie(cookieName)
	return err == nil || route != nil && route.own
}

// whoIs finds out who sends a request: at the management ports an app, at
// those of the dashboard a user, by name and password or by the session that
// the cookie names.
func (s *Server) whoIs(r *http.Request, d door) (*caller, *refusal) {
	name, secret, named := r.BasicAuth()
	switch {
	case named && d == management:
		err := s.try(r, "app "+name, func() bool { return s.apps.Proven(name, secret) },
			func() bool { return s.apps.Check(r.Context(), name, secret) })
		return &caller{name: name}, err
	case named:
		user, err := s.user(r, name, secret)
		return &caller{name: name, user: &user}, err
	case d == dashboard && r.Header.Get("Authorization") == "":
		return s.inSession(r)
	}
	return nil, errLogin
}

// inSession finds the user of the session that the cookie names.
func (s *Server) inSession(r *http.Request) (*caller, *refusal) {
	cookie, err := r.Cookie(cookieName)
	if err != nil {
		return nil, errLogin
	}
	user, expires, ok := s.users.Session(cookie.Value, time.Now())
	if !ok {
		return nil, errLogin
	}
	return &caller{user.Name, &user, cookie.Value, expires}, nil
}

// user is the one with this name and password.
func (s *Server) user(r *http.Request, name, password string) (user login.User, err *refusal) {
	known := false
	err = s.try(r, "user "+name, func() bool { user, known = s.users.Proven(name, password); return known },
		func() bool { user, known = s.users.Check(r.Context(), name, password); return known })
	return user, err
}

// try looks whether a login is right.
func (s *Server) try(r *http.Request, name string, proven, check func() bool) *refusal {
	outcome := s.attempts.Try(r.RemoteAddr, name, proven, check)
	switch {
	case outcome.Right:
		return nil
	case outcome.Wait > 0:
		return tooMany(outcome.Wait)
	case outcome.Shut:
		s.log.Warn("an address was wrong too often about the login of the management API and has to wait", "address", r.RemoteAddr, "login", name)
	}
	return errLogin
}

// allowed says whether the caller may have the route, nil if there is none.
func (c *caller) allowed(route *Route) *refusal {
	switch {
	case c.user == nil || route != nil && route.own:
		return nil
	case c.user.MustChange:
		return errMustChange
	case !c.mayAll() && route != nil && (route.Method != http.MethodGet || route.secret):
		return errViewer
	}
	return nil
}
