package api

import (
	"errors"
	"net/http"
	"time"

	"github.com/dunlin-mq/dunlin/api/login"
)

// cookieName is the cookie that holds the id of a session.
const cookieName = "dunlin_session"

// noSession is the value of the header Dunlin-Session that asks for no more
// than EMQ X does: whether name and password are right.
const noSession = "none"

// sessionRoutes let users of the dashboard log in and out. EMQ X has the first,
// which says only whether the password is right.
func (s *Server) sessionRoutes() []Route {
	const whoIsIt = "{username, role: 'administrator'|'viewer', change_password: bool, expires_at: int|null}" // milliseconds; without a session null
	return []Route{
		{Method: "POST", Path: "/auth", Versions: V3 | V4, Name: "auth_user", private: true, open: true, own: true,
			Summary: "Log in to the dashboard; version 3, or the header Dunlin-Session: none, only asks whether the password is right",
			Params:  []Param{{Name: "username", Type: Text}, {Name: "password", Type: Text}},
			Returns: "none | " + whoIsIt, handle: s.logIn},
		{Method: "GET", Path: "/auth", Versions: V4, Name: "get_auth", Summary: "Who is logged in", private: true, own: true,
			Returns: whoIsIt,
			handle:  func(q *request) (any, error) { return q.caller.shown(), nil }},
		{Method: "DELETE", Path: "/auth", Versions: V4, Name: "log_out", Summary: "Log out of the dashboard", private: true, own: true, handle: s.logOut},
		{Method: "PUT", Path: "/change_pwd/:username", Versions: V3 | V4, Name: "change_pwd", private: true, own: true,
			Summary: "Change a password for which the old one is known; the sessions of the user end, and whose own it is gets a new one",
			Params:  []Param{{Name: "old_pwd", Type: Text}, {Name: "new_pwd", Type: Text, Doc: "at least 8 characters"}}, handle: s.changePassword},
	}
}

// shown is what a caller is told about himself.
func (c *caller) shown() any {
	if c.user == nil {
		return object{"username": "", "role": login.Administrator, "change_password": false, "expires_at": nil}
	}
	row := object{"username": c.user.Name, "role": c.user.Role, "change_password": c.user.MustChange, "expires_at": nil}
	if c.session != "" {
		row["expires_at"] = c.expires.UnixMilli()
	}
	return row
}

// errWrong is what EMQ X 4.3 says whether it is the name or the password.
var errWrong = failWithoutCode("Username/Password error")

// wrong puts a refusal of a name and a password that were not the request's own
// login in EMQ X's words.
func wrong(err *refusal) error {
	if errors.Is(err, errLogin) {
		return errWrong
	}
	return err
}

func (s *Server) logIn(q *request) (any, error) {
	name, password := q.params.text("username"), q.params.text("password")
	switch {
	case name == "":
		return nil, failWithoutCode("Username undefined")
	case password == "":
		return nil, failWithoutCode("Password undefined")
	}
	user, refused := s.user(q.http, name, password)
	if refused != nil {
		return nil, wrong(refused)
	}
	if q.version == V3 || q.http.Header.Get("Dunlin-Session") == noSession {
		return nil, nil
	}
	s.leave(q.http)
	s.log.Info("a user of the dashboard has logged in", "user", user.Name, "from", q.http.RemoteAddr)
	return s.begin(q, user).shown(), nil
}

// begin makes a session with an id that nobody has known before, and gives it
// to the browser.
func (s *Server) begin(q *request, user login.User) *caller {
	c := &caller{name: user.Name, user: &user}
	c.session, c.expires = s.users.Begin(user, time.Now())
	http.SetCookie(q.answer, cookie(q.http, c.session))
	return c
}

// leave ends the session that a request came with, if any.
func (s *Server) leave(r *http.Request) {
	if came, err := r.Cookie(cookieName); err == nil {
		s.users.End(came.Value)
	}
}

// cookie lives as long as the browser; the session ends before. Scripts can't
// read it and other sites can't have it sent. A proxy that speaks TLS says so;
// who lies about that only loses his cookie.
func cookie(r *http.Request, id string) *http.Cookie {
	return &http.Cookie{
		Name: cookieName, Value: id, Path: "/", HttpOnly: true, SameSite: http.SameSiteStrictMode,
		Secure: r.TLS != nil || r.Header.Get("X-Forwarded-Proto") == "https",
	}
}

func (s *Server) logOut(q *request) (any, error) {
	s.leave(q.http)
	gone := cookie(q.http, "")
	gone.MaxAge = -1
	http.SetCookie(q.answer, gone)
	return nil, nil
}

func (s *Server) changePassword(q *request) (any, error) {
	name, old, fresh := q.path["username"], q.params.text("old_pwd"), q.params.text("new_pwd")
	c := q.caller
	own := c.user != nil && c.user.Name == name
	switch {
	case !own && !c.mayAll():
		return nil, errViewer
	case !own && c.user != nil && c.user.MustChange:
		return nil, errMustChange
	case old == "" || fresh == "":
		return nil, failWithoutCode("Password undefined")
	}
	if _, refused := s.user(q.http, name, old); refused != nil {
		return nil, wrong(refused)
	}
	if fresh == old {
		return nil, fail(codeValue, "the new password is the old one")
	}
	if err := s.users.SetPassword(q.ctx, name, fresh, false); err != nil {
		return nil, saidOfUser(err)
	}
	if !own || c.session == "" {
		return nil, nil
	}
	s.leave(q.http)
	if user, ok := s.users.Check(q.ctx, name, fresh); ok {
		s.begin(q, user)
	}
	return nil, nil
}
