package scram

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/dunlin-mq/dunlin/auth"
	"github.com/dunlin-mq/dunlin/keep"
	"github.com/dunlin-mq/dunlin/keep/keeptest"
)

func open(t *testing.T, k keep.Map) *Accounts {
	t.Helper()
	as, err := NewAccounts(k, nil)
	if err != nil {
		t.Fatal(err)
	}
	return as
}

func TestAccountsOutliveTheProcess(t *testing.T) {
	k := keeptest.New()
	as := open(t, k)
	for _, err := range []error{
		as.Add(SHA512, "bob", []byte("x"), []byte("pepper"), 10000),
		as.Add(SHA256, "bob", []byte("x"), nil, 0),
		as.Add(SHA256, "alice", []byte("x"), nil, 0),
		as.SetSuperuser(SHA256, "bob", true),
		as.Add(SHA256, "gone", []byte("x"), nil, 0),
		as.Delete(SHA256, "gone"),
	} {
		if err != nil {
			t.Error(err)
		}
	}
	want := "SCRAM-SHA-256 alice false 16 4096; SCRAM-SHA-256 bob true 16 4096; SCRAM-SHA-512 bob false 6 10000; "
	for _, as := range []*Accounts{as, open(t, k)} {
		got := ""
		for _, a := range as.List() {
			got += fmt.Sprint(a.Mechanism, " ", a.Username, " ", a.Superuser, " ", len(a.Salt), " ", a.Iterations, "; ")
		}
		if got != want {
			t.Errorf("%s\nwant %s", got, want)
		}
	}
	if v := k.Records()["SCRAM-SHA-512/bob"]; !strings.Contains(v, `"salt":"cGVwcGVy","iteration_count":10000`) || strings.Contains(v, `"x"`) {
		t.Error(v)
	}
}

func TestAddUpdateDelete(t *testing.T) {
	as := open(t, nil)
	demand := func(got, want error) {
		t.Helper()
		if !errors.Is(got, want) {
			t.Errorf("%v, want %v", got, want)
		}
	}
	demand(as.Update(SHA256, "a", []byte("x"), nil, 0), auth.ErrNotFound)
	demand(as.Delete(SHA256, "a"), auth.ErrNotFound)
	demand(as.Delete(SHA256, "\x07"), auth.ErrNotFound)
	demand(as.SetSuperuser(SHA256, "a", true), auth.ErrNotFound)
	demand(as.Add(SHA256, "a", []byte("x"), nil, 0), nil)
	demand(as.Add(SHA256, "a", []byte("x"), nil, 0), auth.ErrExists)
	demand(as.SetSuperuser(SHA256, "a", true), nil)
	before, _ := as.Lookup(SHA256, "a")
	demand(as.Update(SHA256, "a", []byte("y"), []byte("s"), 5000), nil)
	after, ok := as.Lookup(SHA256, "a")
	if !ok || string(after.Salt) != "s" || after.Iterations != 5000 || string(after.StoredKey) == string(before.StoredKey) {
		t.Errorf("%+v", after)
	}
	if a, _ := as.Credentials(SHA256, "a"); !a.Superuser {
		t.Error("a new password costs the rank")
	}
	if _, ok := as.Lookup(SHA512, "a"); ok {
		t.Error("the other mechanism has an account too")
	}
	demand(as.Delete(SHA256, "a"), nil)
	if _, ok := as.Lookup(SHA256, "a"); ok || len(as.List()) != 0 {
		t.Error("deleted, and still there")
	}
}

func TestNamesArePrepared(t *testing.T) {
	as := open(t, nil)
	if err := as.Add(SHA256, "I\u00adX\u00a0\u2168", []byte("x"), nil, 0); err != nil { // RFC 4013, clause 3, and a space
		t.Fatal(err)
	}
	if list := as.List(); list[0].Username != "IX IX" {
		t.Errorf("%q", list[0].Username)
	}
	if err := as.Add(SHA256, "IX IX", []byte("x"), nil, 0); !errors.Is(err, auth.ErrExists) {
		t.Error(err)
	}
	if _, ok := as.Lookup(SHA256, "I\u00adX IX"); !ok {
		t.Error("not found")
	}
}

func TestAccountsThatAreRefused(t *testing.T) {
	as := open(t, nil)
	check := func(mechanism, user, password, salt string, iterations int, want string) {
		t.Helper()
		err := as.Add(mechanism, user, []byte(password), []byte(salt), iterations)
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "secret") {
			t.Errorf("%v, want %s", err, want)
		}
	}
	check("SCRAM-SHA-1", "a", "secret", "", 0, `the mechanism is "SCRAM-SHA-1", expected SCRAM-SHA-256 or SCRAM-SHA-512`)
	check(SHA256, "a", "secret", "", 4095, "found 4095 iterations, expected 4096 to 1000000")
	check(SHA256, "a", "secret", "", 1_000_001, "found 1000001 iterations")
	check(SHA256, "a", "secret", "", -1, "found -1 iterations")
	check(SHA256, "a", "secret", strings.Repeat("s", 1025), 0, "found a salt of 1025 bytes, expected at most 1024")
	check(SHA256, "a", "", "", 0, "found no password")
	check(SHA256, "", "secret", "", 0, `the user name "" can't be used`)
	check(SHA256, "\x00", "secret", "", 0, "can't be used")
	check(SHA256, "\u00ad", "secret", "", 0, "can't be used")
	check(SHA256, "a", "secret\x07", "", 0, "the password can't be used")
	if n := len(as.List()); n != 0 {
		t.Errorf("%d accounts", n)
	}
}

// TestChangeThatCannotBeKept is not made.
func TestChangeThatCannotBeKept(t *testing.T) {
	k := keeptest.New()
	as := open(t, k)
	if err := as.Add(SHA256, "a", []byte("x"), nil, 0); err != nil {
		t.Fatal(err)
	}
	before, _ := as.Lookup(SHA256, "a")
	full := errors.New("disk full")
	k.Fail(full)
	for _, err := range []error{
		as.Add(SHA256, "b", []byte("x"), nil, 0), as.Update(SHA256, "a", []byte("y"), nil, 0),
		as.SetSuperuser(SHA256, "a", true), as.Delete(SHA256, "a"),
	} {
		if !errors.Is(err, full) {
			t.Error(err)
		}
	}
	after, _ := as.Lookup(SHA256, "a")
	if a, ok := as.Credentials(SHA256, "a"); !ok || a.Superuser || string(after.StoredKey) != string(before.StoredKey) || len(as.List()) != 1 {
		t.Errorf("%+v", as.List())
	}
}

func TestDamagedRecordIsNamed(t *testing.T) {
	good := keeptest.New()
	if err := open(t, good).Add(SHA256, "a", []byte("x"), []byte("salt"), 4096); err != nil {
		t.Fatal(err)
	}
	check := func(old, replaced, want string) {
		t.Helper()
		v := good.Records()["SCRAM-SHA-256/a"]
		broken := strings.Replace(v, old, replaced, 1)
		if _, err := NewAccounts(keeptest.Of(map[string]string{"k": broken}), nil); broken == v || err == nil ||
			!strings.HasPrefix(err.Error(), `the SCRAM account "k" is damaged: `+want) {
			t.Errorf("%s: %v", replaced, err)
		}
	}
	check("{", "", "invalid character")
	check("SHA-256", "SHA-1", `the mechanism "SCRAM-SHA-1" is unknown`)
	check(`"username":"a"`, `"username":""`, "the user name is missing")
	check(`"stored_key":"`, `"stored_key":"AAAA`, "its keys do not have 32 bytes")
	check(`"salt":"c2FsdA=="`, `"salt":""`, "its salt has 0 bytes")
	check("4096", "1", "it has 1 iterations")
}

// TestUsual: what most accounts of the mechanism look like, the better one of
// two that are as common.
func TestUsual(t *testing.T) {
	as := open(t, nil)
	check := func(salt, iterations int) {
		t.Helper()
		if s, i := as.Usual(SHA256); s != salt || i != iterations {
			t.Errorf("%d bytes, %d iterations, want %d and %d", s, i, salt, iterations)
		}
	}
	add := func(mechanism, user, salt string, iterations int) {
		t.Helper()
		if err := as.Add(mechanism, user, []byte("x"), []byte(salt), iterations); err != nil {
			t.Fatal(err)
		}
	}
	check(16, 4096)
	add(SHA512, "a", "s", 9000)
	check(16, 4096)
	add(SHA256, "a", "s", 5000)
	check(1, 5000)
	add(SHA256, "b", "sa", 5000)
	check(2, 5000)
	add(SHA256, "c", "s", 4096)
	add(SHA256, "d", "s", 4096)
	check(1, 4096)
	for _, user := range []string{"a", "b", "c", "d"} {
		if err := as.Delete(SHA256, user); err != nil {
			t.Fatal(err)
		}
	}
	check(16, 4096)
}

func TestAccountsAreSharedByManyGoroutines(t *testing.T) {
	as := open(t, keeptest.New())
	var wg sync.WaitGroup
	for i := range 4 {
		wg.Go(func() {
			name := fmt.Sprint("u", i)
			for range 5 {
				if err := as.Add(SHA256, name, []byte("x"), nil, 0); err != nil {
					t.Error(err)
				}
				as.Usual(SHA256)
				as.List()
				if err := as.Delete(SHA256, name); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
}

func TestAccountsOfAllNodes(t *testing.T) {
	k := keeptest.New()
	other := k.Node()
	here, there := open(t, k), open(t, other)
	has := func(as *Accounts, want bool) {
		t.Helper()
		if _, ok := as.Lookup(SHA256, "a"); ok != want {
			t.Errorf("there is an account: %v", ok)
		}
	}
	if err := here.Add(SHA256, "a", []byte("x"), []byte("pepper"), 9000); err != nil {
		t.Fatal(err)
	}
	has(there, true)
	if salt, iterations := there.Usual(SHA256); salt != 6 || iterations != 9000 {
		t.Errorf("the usual one has %d, %d", salt, iterations)
	}
	other.Hold()
	if err := here.Delete(SHA256, "a"); err != nil {
		t.Fatal(err)
	}
	has(there, true)
	other.Release()
	has(there, false)
	if salt, iterations := there.Usual(SHA256); salt != usualSalt || iterations != MinIterations {
		t.Errorf("the usual one still has %d, %d", salt, iterations)
	}
}
