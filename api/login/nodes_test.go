package login

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/dunlin-mq/dunlin/keep/keeptest"
)

// TestAppsOfAllNodes: what one node changes counts on the others at once.
func TestAppsOfAllNodes(t *testing.T) {
	k, ctx := keeptest.New(), t.Context()
	here, there := openApps(t, k, ""), openApps(t, k.Node(), "")
	secret, err := here.Add(ctx, App{ID: "a", Enabled: true}, "")
	if err != nil || !there.Check(ctx, "a", secret) || !there.Proven("a", secret) {
		t.Fatal("an app isn't known on the other node", err)
	}
	if err := here.Update("a", func(a *App) { a.Enabled = false }); err != nil || there.Proven("a", secret) {
		t.Error("an app that is off is let in", err)
	}
	if err := here.Delete("a"); err != nil || there.Check(ctx, "a", secret) || len(there.All()) != 0 {
		t.Error("an app that was deleted is let in", err)
	}
	if err := there.Delete("a"); !errors.Is(err, ErrNoApp) {
		t.Error(err)
	}
}

// TestUsersOfAllNodes: another password, or role, ends the sessions of a user on
// all nodes, though each node has its own.
func TestUsersOfAllNodes(t *testing.T) {
	k, ctx, now := keeptest.New(), t.Context(), time.Now()
	other := k.Node()
	here := withUsers(t, k)
	there := openUsers(t, other)
	session := func(name, password string) (id string) {
		t.Helper()
		user, ok := there.Check(ctx, name, password)
		if !ok {
			t.Fatalf("%s isn't known", name)
		}
		id, _ = there.Begin(user, now)
		return id
	}
	ended := func(id string, want bool) {
		t.Helper()
		if _, _, ok := there.Session(id, now); ok == want {
			t.Errorf("the session has ended: %v", !ok)
		}
	}
	if err := errors.Join(here.Add(ctx, User{Name: "x", Role: Administrator}, "public secret"), here.Add(ctx, User{Name: "y", Role: Administrator}, "public secret")); err != nil {
		t.Fatal(err)
	}
	x, y := session("x", "public secret"), session("y", "public secret")
	if err := errors.Join(here.SetPassword(ctx, "x", "another one", false), here.SetRole("y", Viewer)); err != nil {
		t.Fatal(err)
	}
	ended(x, true)
	ended(y, true)
	x = session("x", "another one")
	other.Hold()
	if err := here.Delete("x"); err != nil {
		t.Fatal(err)
	}
	ended(x, false)
	other.Release()
	ended(x, true)
}

// TestSessionsOfAllNodes: who has logged in at one node is known on all, until he
// logs out anywhere, changes his password, or is idle on all of them.
func TestSessionsOfAllNodes(t *testing.T) {
	synctest.Test(t, sessionsOfAllNodes)
}

func sessionsOfAllNodes(t *testing.T) {
	users, kept := keeptest.New(), keeptest.New()
	open := func(users, kept *keeptest.Map) *Users {
		t.Helper()
		u, err := OpenUsers(users, fast(t), SessionOptions{Kept: kept}, nil)
		if err != nil {
			t.Fatal(err)
		}
		return u
	}
	here := open(users, kept)
	if err := here.Add(t.Context(), User{Name: "x", Role: Viewer}, password); err != nil {
		t.Fatal(err)
	}
	there := open(users.Node(), kept.Node())
	now := time.Unix(1e9, 0)
	begin := func() string {
		id, _ := here.Begin(here.All()[0], now)
		return id
	}
	is := func(what string, u *Users, id string, want bool) {
		t.Helper()
		synctest.Wait() // for what is written later
		if user, expires, ok := u.Session(id, now); ok != want || ok && (user.Name != "x" || !expires.Equal(now.Add(usualExpiry))) {
			t.Errorf("%s: %v %q until %v, want %v", what, ok, user.Name, expires, want)
		}
	}
	id := begin()
	is("on the other node", there, id, true)
	is("on one that is started later", open(users.Node(), kept.Node()), id, true)
	for range 20 {
		now = now.Add(usualExpiry / 4)
		is("used elsewhere", there, id, true)
	}
	is("not used here for long", here, id, true)
	there.End(id)
	is("logged out elsewhere", here, id, false)

	id = begin()
	if err := there.SetPassword(t.Context(), "x", "another one", false); err != nil {
		t.Fatal(err)
	}
	is("with another password", there, id, false)
	is("with another password, here", here, id, false)

	now = now.Add(2 * usualExpiry)
	for range maxSessions + 1 {
		begin()
	}
	synctest.Wait()
	if n, m := len(here.byID), len(there.byID); n != maxSessions || m != maxSessions {
		t.Errorf("%d sessions are kept here and %d there, want %d", n, m, maxSessions)
	}
	if again := open(users.Node(), kept.Node()); len(again.byID) != maxSessions {
		t.Errorf("%d sessions are kept", len(again.byID))
	}
}

// TestSessionsThatCannotBeKept hold where they were made.
func TestSessionsThatCannotBeKept(t *testing.T) {
	kept := keeptest.New()
	u, err := OpenUsers(nil, fast(t), SessionOptions{Kept: kept}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := u.Add(t.Context(), User{Name: "x", Role: Viewer}, password); err != nil {
		t.Fatal(err)
	}
	kept.Fail(errors.New("no majority"))
	id, _ := u.Begin(u.All()[0], time.Now())
	if _, _, ok := u.Session(id, time.Now()); !ok {
		t.Error("nobody can log in where nothing can be kept")
	}
	if _, err := OpenUsers(nil, fast(t), SessionOptions{Kept: keeptest.Of(map[string]string{"x": "{}"})}, nil); err == nil {
		t.Error("a key that is no digest is taken")
	}
}
