package login

import (
	"errors"
	"testing"
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
