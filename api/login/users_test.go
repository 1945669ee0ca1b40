package login

import (
	"errors"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/dunlin-mq/dunlin/backup"
	"github.com/dunlin-mq/dunlin/keep"
	"github.com/dunlin-mq/dunlin/keep/keeptest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const password = "correct horse"

func openUsers(t *testing.T, kept keep.Map) *Users {
	t.Helper()
	u, err := OpenUsers(kept, fast(t), SessionOptions{}, nil)
	if err != nil {
		t.Fatal(err)
	}
	return u
}

// withUsers are an administrator and a viewer of the same password.
func withUsers(t *testing.T, kept keep.Map) *Users {
	t.Helper()
	u := openUsers(t, kept)
	for name, role := range map[string]Role{"admin": Administrator, "viewer": Viewer} {
		if err := u.Add(t.Context(), User{Name: name, Role: role}, password); err != nil {
			t.Fatal(err)
		}
	}
	return u
}

func TestUsersAreKept(t *testing.T) {
	keeper := keeptest.New()
	ctx := t.Context()
	u := withUsers(t, keeper)
	if err := u.SetPassword(ctx, "viewer", "another one", true); err != nil {
		t.Fatal(err)
	}
	for name, value := range keeper.Records() {
		if strings.Contains(value, password) || strings.Contains(value, "another one") {
			t.Errorf("the password of %s is kept in clear: %s", name, value)
		}
	}
	again := openUsers(t, keeper)
	all := again.All()
	if len(all) != 2 || all[0].Name != "admin" || all[0].Role != Administrator || all[0].MustChange || all[1].Role != Viewer || !all[1].MustChange {
		t.Errorf("after a restart: %+v", all)
	}
	f := func(name, password string, want bool) {
		t.Helper()
		if user, ok := again.Check(ctx, name, password); ok != want || ok && user.Name != name {
			t.Errorf("%s with %q: %v %v, want %v", name, password, user.Name, ok, want)
		}
	}
	f("admin", password, true)
	f("viewer", "another one", true)
	f("viewer", password, false)
	f("admin", "", false)
	f("nobody", password, false)
	f("", "", false)
	if _, err := OpenUsers(keeptest.Of(map[string]string{"x": "[]"}), fast(t), SessionOptions{}, nil); err == nil || !strings.Contains(err.Error(), `the user of the dashboard "x" can't be read`) {
		t.Errorf("a damaged record: %v", err)
	}
}

func TestUsersThatCannotBe(t *testing.T) {
	keeper := keeptest.New()
	ctx := t.Context()
	u := withUsers(t, keeper)
	f := func(name, password string, want error) {
		t.Helper()
		if err := u.Add(ctx, User{Name: name, Role: Administrator}, password); !errors.Is(err, want) {
			t.Errorf("%q with %q: %v, want %v", name, password, err, want)
		}
	}
	f("", password, ErrName)
	f("a:b", password, ErrName)
	f("admin", password, ErrUserExists)
	f("new", "7 chars", ErrPassword)
	f("new", "éèêëàâä", ErrPassword) // 14 bytes
	f("new", "éèêëàâäô", nil)
	if err := u.AddMissing(ctx, "admin", "x"); err != nil {
		t.Error(err)
	}
	if _, ok := u.Check(ctx, "admin", password); !ok {
		t.Error("the configuration has changed a user who was there")
	}
	if err := u.AddMissing(ctx, "public", "public"); err != nil {
		t.Error("a configuration may have a short password:", err)
	}
	keeper.Fail(errDisk)
	f("late", password, errDisk)
	if _, ok := u.Check(ctx, "late", password); ok {
		t.Error("a user who can't be kept is there")
	}
	for what, err := range map[string]error{
		"password": u.SetPassword(ctx, "viewer", "another one", false), "role": u.SetRole("viewer", Administrator), "delete": u.Delete("viewer"),
	} {
		if !errors.Is(err, errDisk) {
			t.Errorf("%s: %v", what, err)
		}
	}
	if user, ok := u.Check(ctx, "viewer", password); !ok || user.Role != Viewer {
		t.Errorf("what couldn't be kept has changed: %+v", user)
	}
}

func TestAnAdministratorRemains(t *testing.T) {
	u := withUsers(t, nil)
	f := func(what string, got, want error) {
		t.Helper()
		if !errors.Is(got, want) {
			t.Errorf("%s: %v, want %v", what, got, want)
		}
	}
	f("delete the last", u.Delete("admin"), ErrLast)
	f("demote the last", u.SetRole("admin", Viewer), ErrLast)
	f("import the last as a viewer", u.PutUser(t.Context(), backup.User{Name: "admin", Tags: "viewer"}), ErrLast)
	f("leave him as he is", u.SetRole("admin", Administrator), nil)
	f("promote another", u.SetRole("viewer", Administrator), nil)
	f("demote one of two", u.SetRole("admin", Viewer), nil)
	f("delete a viewer", u.Delete("admin"), nil)
	f("delete the last again", u.Delete("viewer"), ErrLast)
	f("delete nobody", u.Delete("admin"), ErrNoUser)
	f("a role for nobody", u.SetRole("admin", Viewer), ErrNoUser)
	f("a password for nobody", u.SetPassword(t.Context(), "admin", password, false), ErrNoUser)
	f("a short password", u.SetPassword(t.Context(), "viewer", "short", false), ErrPassword)
}

func TestSessions(t *testing.T) {
	u := withUsers(t, nil)
	ctx, now := t.Context(), time.Unix(1e9, 0)
	begin := func(name string) string {
		t.Helper()
		for _, user := range u.All() {
			if user.Name == name {
				id, expires := u.Begin(user, now)
				if !expires.Equal(now.Add(usualExpiry)) || len(id) != 43 {
					t.Fatalf("id %q until %v", id, expires)
				}
				return id
			}
		}
		t.Fatal("no user", name)
		return ""
	}
	f := func(what, id, want string) {
		t.Helper()
		user, expires, ok := u.Session(id, now)
		if user.Name != want || ok != (want != "") || ok && !expires.Equal(now.Add(usualExpiry)) {
			t.Errorf("%s: %q %v, want %q", what, user.Name, expires, want)
		}
	}
	first, second, viewer := begin("admin"), begin("admin"), begin("viewer")
	f("a session", first, "admin")
	f("another", second, "admin")
	f("that of another", viewer, "viewer")
	f("none", "", "")
	f("a guess", strings.Repeat("A", 43), "")
	f("part of an id", first[:42], "")
	for id := range u.byID {
		if strings.Contains(string(id[:]), first) {
			t.Error("the id is kept")
		}
	}

	u.End(first)
	u.End("none")
	f("after its end", first, "")
	f("the other", second, "admin")

	now = now.Add(usualExpiry - time.Second)
	f("in use", second, "admin")
	now = now.Add(usualExpiry - time.Second)
	f("still in use", second, "admin")
	f("left alone", viewer, "")
	now = now.Add(usualExpiry)
	f("left alone as well", second, "")

	change := func(what string, change func() error) {
		t.Helper()
		id, other := begin("viewer"), begin("admin")
		if err := change(); err != nil {
			t.Fatal(err)
		}
		f(what, id, "")
		f(what+" of another", other, "admin")
	}
	change("another password", func() error { return u.SetPassword(ctx, "viewer", password, false) })
	change("another role", func() error { return u.SetRole("viewer", Administrator) })
	change("deleted", func() error { return u.Delete("viewer") })
}

// TestLoginsDoNotOvertakeAChange: a session begun with a password that has been
// changed since it was checked is none.
func TestLoginsDoNotOvertakeAChange(t *testing.T) {
	u := withUsers(t, nil)
	user, ok := u.Check(t.Context(), "admin", password)
	if !ok {
		t.Fatal("wrong")
	}
	if err := u.SetPassword(t.Context(), "admin", "another one", false); err != nil {
		t.Fatal(err)
	}
	id, _ := u.Begin(user, time.Now())
	if _, _, ok := u.Session(id, time.Now()); ok {
		t.Error("the old password has opened a session")
	}
}

func TestSessionsAreBounded(t *testing.T) {
	u := withUsers(t, nil)
	user, now := u.All()[0], time.Unix(1e9, 0)
	var ids []string
	for i := range maxSessions + 1 {
		id, _ := u.Begin(user, now.Add(time.Duration(i)*time.Second))
		ids = append(ids, id)
	}
	if len(u.byID) != maxSessions {
		t.Errorf("%d sessions, want %d", len(u.byID), maxSessions)
	}
	if _, _, ok := u.Session(ids[0], now); ok {
		t.Error("the one that was idle for longest is left")
	}
	if _, _, ok := u.Session(ids[1], now); !ok {
		t.Error("another one has ended")
	}
	u.Begin(u.All()[1], now.Add(2*usualExpiry))
	if len(u.byID) != 1 {
		t.Errorf("%d sessions are kept after their end", len(u.byID)-1)
	}
}
