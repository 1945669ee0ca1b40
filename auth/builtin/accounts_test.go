package builtin

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/dunlin-mq/dunlin/auth"
	"github.com/dunlin-mq/dunlin/keep/keeptest"
)

const (
	sha256OfPublic     = "efa1f375d76194fa51a3556a97e641e61685f914d446979da50a551a4333ffd7"
	sha256OfSaltPublic = "f2ef7f9aedb2c3b5040bc16691a1177758a92ad91e1ee77770215a332bf6099f"
	md5OfSalted        = "71e336d0ffc5962e302140114c98888c" // the salt is 00 ff 01 fe
	pbkdf2OfPublic     = "52e5cd8a63aef85f7517d918768233d6" // one round, sha256
	bcryptOfPublic     = "$2y$04$abcdefghijklmnopqrstuuaNoRgelGRsJ2Tm9Zn/HHRlHib6lnzBu"
)

func TestAccountsOutliveTheProcess(t *testing.T) {
	f := start(t, "")
	f.add(user("u/1"), "old")
	f.add(client("u/1"), "pä\xff")
	before, ok := f.Account(user("u/1"))
	if !ok || before.Subject != user("u/1") || before.Superuser || time.Since(before.Created) > time.Minute {
		t.Errorf("%+v, %v", before, ok)
	}
	f.restart()
	f.connect("", "u/1", "old", "allow")
	f.connect("u/1", "", "pä\xff", "allow")
	f.check(f.UpdateAccount(t.Context(), auth.NewAccount{Subject: user("u/1"), Password: password("new")}))
	f.check(f.DeleteAccount(client("u/1")))
	f.restart()
	f.connect("u/1", "u/1", "new", "allow")
	f.connect("u/1", "u/1", "old", "refused")
	f.connect("u/1", "", "pä\xff", "ignore")
	after, _ := f.Account(user("u/1"))
	if !after.Created.Equal(before.Created) || after.Stored == before.Stored {
		t.Errorf("%+v after %+v", after, before)
	}
}

// TestPlainPasswordsMayBeAnyBytes, and come out of the keeper as they went in.
func TestPlainPasswordsMayBeAnyBytes(t *testing.T) {
	f := start(t, "auth.user.password_hash = plain")
	f.add(user("u"), "\xff\xfe")
	f.restart()
	f.connect("", "u", "\xff\xfe", "allow")
	f.connect("", "u", "\ufffd\ufffd", "refused")
}

func TestNothingIsKeptInClear(t *testing.T) {
	f := start(t, "auth.client.password_hash = bcrypt")
	f.add(user("u"), "hunter2")
	f.add(client("c"), "hunter2")
	for key, value := range f.accounts.Records() {
		if strings.Contains(value, "hunter2") || strings.Contains(value, "aHVudGVyM") {
			t.Errorf("%s is kept as %s", key, value)
		}
	}
	a, _ := f.Account(user("u"))
	b, _ := f.Account(client("c"))
	if len(a.Stored) != 64 || !strings.HasPrefix(b.Stored, "$2a$10$") {
		t.Errorf("%s, %s", a.Stored, b.Stored)
	}
}

func TestAccountsThatCannotBe(t *testing.T) {
	f := start(t, "")
	f.add(user("u"), "pw")
	bad := func(a auth.NewAccount, want error) {
		t.Helper()
		if err := f.AddAccount(t.Context(), a); !errors.Is(err, want) {
			t.Errorf("%+v: %v, want %v", a, err, want)
		}
	}
	bad(auth.NewAccount{Subject: user("u"), Password: password("x")}, auth.ErrExists)
	bad(auth.NewAccount{Subject: user("")}, errNoName)
	bad(auth.NewAccount{Subject: user("a\x00b"), Password: password("x")}, errNoName)
	bad(auth.NewAccount{Subject: user(strings.Repeat("x", 32_001)), Password: password("x")}, errNoName)
	bad(auth.NewAccount{Subject: user("v")}, errNoPassword)
	bad(auth.NewAccount{Subject: everybody(), Password: password("x")}, errNoKind)
	bad(auth.NewAccount{Subject: auth.Subject{Name: "x"}, Password: password("x")}, errNoKind)
	bad(auth.NewAccount{Subject: user("v"), Stored: "what is this"}, errUnreadable)
	bad(auth.NewAccount{Subject: user("v"), Stored: bcryptOfPublic}, errUnreadable) // not of the usual kind
	if err := f.UpdateAccount(t.Context(), auth.NewAccount{Subject: user("v"), Password: password("x")}); !errors.Is(err, auth.ErrNotFound) {
		t.Error(err)
	}
	if err := f.UpdateAccount(t.Context(), auth.NewAccount{Subject: user("u")}); !errors.Is(err, errNoPassword) {
		t.Error(err)
	}
	if err := f.SetSuperuser(user("v"), true); !errors.Is(err, auth.ErrNotFound) {
		t.Error(err)
	}
	if err := f.DeleteAccount(everybody()); !errors.Is(err, auth.ErrNotFound) {
		t.Error(err)
	}
	if _, ok := f.Account(everybody()); ok {
		t.Error("all have an account")
	}
	if len(f.accounts.Keys()) != 1 || f.changes.Load() != 0 {
		t.Errorf("%v, %d changes", f.accounts.Keys(), f.changes.Load())
	}
}

func TestAddAccounts(t *testing.T) {
	f := start(t, "")
	f.add(user("old"), "pw")
	errs := f.AddAccounts(t.Context(), []auth.NewAccount{
		newAccount(auth.ByUsername, "a", "one"),
		newAccount(auth.ByUsername, "old", "one"),
		newAccount(auth.ByClientID, "a", "two"),
		newAccount(auth.ByUsername, "a", "three"),
		newAccount(auth.ByUsername, "b", ""),
	})
	for i, want := range []error{nil, auth.ErrExists, nil, auth.ErrExists, errNoPassword} {
		if !errors.Is(errs[i], want) || (want == nil) != (errs[i] == nil) {
			t.Errorf("account %d: %v, want %v", i, errs[i], want)
		}
	}
	f.connect("", "a", "one", "allow")
	f.connect("a", "", "two", "allow")
	f.connect("", "old", "pw", "allow")
	if f.accounts.Writes() != 2 {
		t.Errorf("%d changes of the keeper", f.accounts.Writes())
	}
	if errs := f.AddAccounts(t.Context(), nil); len(errs) != 0 || f.accounts.Writes() != 2 {
		t.Errorf("%v, %d changes for nothing", errs, f.accounts.Writes())
	}
}

func TestAccountsThatCannotBeKept(t *testing.T) {
	f := start(t, "")
	f.add(user("u"), "pw")
	full := errors.New("the disk is full")
	f.accounts.Fail(full)
	for _, err := range []error{
		f.AddAccount(t.Context(), newAccount(auth.ByUsername, "v", "pw")),
		f.UpdateAccount(t.Context(), newAccount(auth.ByUsername, "u", "new")),
		f.SetSuperuser(user("u"), true),
		f.DeleteAccount(user("u")),
	} {
		if !errors.Is(err, full) {
			t.Error(err)
		}
	}
	f.connect("", "u", "pw", "allow")
	f.connect("", "v", "pw", "ignore")
	if f.changes.Load() != 0 {
		t.Errorf("%d changes", f.changes.Load())
	}
}

func TestChangesAreTold(t *testing.T) {
	f := start(t, "")
	told := func(what string, n int32, err error) {
		t.Helper()
		f.check(err)
		if f.changes.Load() != n {
			t.Errorf("%s: told %d times, want %d", what, f.changes.Load(), n)
		}
	}
	told("an account added", 0, f.AddAccount(t.Context(), newAccount(auth.ByUsername, "u", "pw")))
	told("a password changed", 1, f.UpdateAccount(t.Context(), newAccount(auth.ByUsername, "u", "new")))
	told("a superuser made", 2, f.SetSuperuser(user("u"), true))
	told("an account deleted", 3, f.DeleteAccount(user("u")))
	told("a rule added", 4, f.AddRule(rule1(user("u"), "a", auth.RulePub, true)))
	told("a rule deleted", 5, f.DeleteRule(user("u"), "a"))
}

func TestImportedPasswords(t *testing.T) {
	f := start(t, "")
	n := 0
	imports := func(hash, stored, salt string) {
		t.Helper()
		n++
		a := auth.NewAccount{Subject: user(fmt.Sprint("u", n)), Stored: stored, Salt: salt}
		if hash != "" {
			f.check(a.Hash.UnmarshalText([]byte(hash)))
		}
		f.check(f.AddAccount(t.Context(), a))
		f.restart()
		f.connect("", a.Name, "public", "allow")
		f.connect("", a.Name, "private", "refused")
	}
	imports("", sha256OfPublic, "")
	imports("", sha256OfSaltPublic, "salt")
	imports("", "salt"+sha256OfSaltPublic, "")
	imports("sha256", sha256OfPublic, "")
	imports("sha256", sha256OfSaltPublic, "salt")
	imports("salt,sha256", sha256OfSaltPublic, "salt")
	imports("salt,sha256", "salt"+sha256OfSaltPublic, "")
	imports("sha256,salt", "f4a8615be301fbaf6213df33cfe5f22953aafc0c31beb8f2daef55b127444d27", "salt")
	imports("md5", "\x00\xff\x01\xfe"+strings.ToUpper(md5OfSalted), "")
	imports("plain", "public", "")
	imports("bcrypt", bcryptOfPublic, "")
	imports("salt,bcrypt", bcryptOfPublic, bcryptOfPublic[:29])
	imports("pbkdf2,sha256,1,16", pbkdf2OfPublic, "salt")
}

func TestAccountsForTheEye(t *testing.T) {
	f := start(t, "")
	for _, name := range []string{"bob", "alice", "bo", "carol"} {
		f.add(user(name), "pw")
	}
	f.add(client("bob"), "pw")
	show := func(kind auth.SubjectKind, like string, from, limit, total int, want ...string) {
		t.Helper()
		some, n := f.Accounts(kind, like, from, limit)
		var got []string
		for _, a := range some {
			got = append(got, a.Name)
			if a.Kind != kind || a.Created.IsZero() || a.Stored == "" {
				t.Errorf("%+v", a)
			}
		}
		if !slices.Equal(got, want) || n != total {
			t.Errorf("%s like %q: %q of %d, want %q of %d", kind, like, got, n, want, total)
		}
	}
	show(auth.ByUsername, "", 0, 2, 4, "alice", "bo")
	show(auth.ByUsername, "", 2, 2, 4, "bob", "carol")
	show(auth.ByUsername, "", 4, 2, 4)
	show(auth.ByUsername, "", 3, 1<<62, 4, "carol")
	show(auth.ByUsername, "", 0, 0, 4)
	show(auth.ByUsername, "o", 1, 2, 3, "bob", "carol")
	show(auth.ByUsername, "x", 0, 2, 0)
	show(auth.ByUsername, "", -1, 1, 4, "alice")
	show(auth.ByClientID, "", 0, 9, 1, "bob")
	show(auth.ForAll, "", 0, 9, 0)
}

func TestAccountsThatCannotBeRead(t *testing.T) {
	for key, value := range map[string]string{
		"username/u": "", "username/v": "{}", "username/w": `{"hash":"sha3","stored":""}`,
		"all/u": `{"hash":"plain","stored":"eA=="}`, "u": `{"hash":"plain","stored":"eA=="}`,
	} {
		k := keeptest.Of(map[string]string{key: value})
		_, err := New(t.Context(), Options{Config: settings(t, ""), Accounts: k})
		if err == nil || !strings.Contains(err.Error(), fmt.Sprintf("the stored account %q can't be read", key)) {
			t.Errorf("%s: %v", value, err)
		}
	}
}

func TestEverythingAtOnce(t *testing.T) {
	f := start(t, "")
	var wg sync.WaitGroup
	for w := range 4 {
		s := user(fmt.Sprint("u", w%2))
		wg.Go(func() {
			for range 100 {
				err := f.AddAccount(t.Context(), auth.NewAccount{Subject: s, Password: password("pw")})
				if err != nil && !errors.Is(err, auth.ErrExists) {
					t.Error(err)
				}
				r := &auth.Request{Client: &auth.Client{ClientID: "c", Username: s.Name}, Password: password("pw"), Topic: "a"}
				if a, err := f.Builtin.accounts.Authenticate(t.Context(), r); err != nil || a.Verdict == auth.Deny {
					t.Error(a, err)
				}
				if err := f.AddRule(rule1(s, "a", auth.RulePubSub, true)); err != nil {
					t.Error(err)
				}
				if a, _ := f.Builtin.rules.Authorize(t.Context(), r); a.Verdict == auth.Deny {
					t.Error(a)
				}
				f.Accounts(auth.ByUsername, "", 0, 10)
				f.Rules(auth.RuleFilter{}, 0, 10)
				if err := errors.Join(f.DeleteRule(s, "a"), f.DeleteAccount(s)); err != nil && !errors.Is(err, auth.ErrNotFound) {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
}
