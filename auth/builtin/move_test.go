package builtin

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/dunlin-mq/dunlin/auth"
)

// TestAccountsMove from one list to another, where they still work.
func TestAccountsMove(t *testing.T) {
	from := start(t, "auth.client.password_hash = bcrypt")
	from.add(user("u"), "one")
	from.add(user("a"), "two")
	from.add(client("u"), "three")
	from.check(from.SetSuperuser(user("a"), true))
	made, _ := from.Account(user("a"))
	all := from.StoredAccounts()
	names := ""
	for _, a := range all {
		names += fmt.Sprintf("%s %s %s, ", a.Kind, a.Name, a.Hash)
	}
	if names != "clientid u bcrypt, username a salt,sha256, username u salt,sha256, " {
		t.Errorf("the accounts are %s", names)
	}

	to := start(t, "")
	to.add(user("u"), "other")
	to.add(user("z"), "stays")
	changes := to.changes.Load()
	for i, err := range to.PutAccounts(t.Context(), all) {
		if err != nil {
			t.Errorf("%s: %v", all[i].Name, err)
		}
	}
	if to.changes.Load() == changes {
		t.Error("nobody was told of a change")
	}
	for range 2 {
		to.connect("", "u", "one", "allow")
		to.connect("", "u", "other", "refused")
		to.connect("", "a", "two", "super")
		to.connect("u", "", "three", "allow")
		to.connect("", "z", "stays", "allow")
		if a, _ := to.Account(user("a")); !a.Created.Equal(made.Created) {
			t.Errorf("made at %v, and not %v", a.Created, made.Created)
		}
		to.restart()
	}
}

func TestAccountsThatCannotBePut(t *testing.T) {
	f := start(t, "")
	all := []auth.NewAccount{
		{Subject: user(""), Password: password("p")},
		{Subject: everybody(), Password: password("p")},
		{Subject: user("v"), Stored: "no hash"},
		{Subject: user("u"), Password: password("p"), Created: time.UnixMilli(7)},
	}
	errs := f.PutAccounts(t.Context(), all)
	if errs[0] != errNoName || errs[1] != errNoKind || errs[2] != errUnreadable || errs[3] != nil {
		t.Errorf("%v", errs)
	}
	if a, _ := f.Account(user("u")); a.Created.UnixMilli() != 7 {
		t.Errorf("made at %v", a.Created)
	}
	f.connect("", "u", "p", "allow")
	f.accounts.Fail(errors.New("the disk is full"))
	errs = f.PutAccounts(t.Context(), append(all[:1:1], auth.NewAccount{Subject: user("u"), Password: password("q")}))
	if errs[0] != errNoName || errs[1] == nil || !strings.Contains(errs[1].Error(), "the disk is full") {
		t.Errorf("%v", errs)
	}
	f.connect("", "u", "p", "allow")
}
