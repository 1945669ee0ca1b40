package backup

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/dunlin-mq/dunlin/auth"
)

var someTime = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

func hashOf(t *testing.T, name string) auth.Hash {
	t.Helper()
	h, err := auth.ParseHash(name)
	if err != nil {
		t.Fatal(err)
	}
	return h
}

func made(t *testing.T, name, password string) Hashed {
	t.Helper()
	h := Hashed{Hash: hashOf(t, name)}
	var err error
	if h.Stored, h.Salt, err = h.Hash.Make([]byte(password)); err != nil {
		t.Fatal(err)
	}
	return h
}

func topic(t *testing.T, text string) auth.Pattern {
	t.Helper()
	p, err := auth.NewPattern(text)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// TestReadsWhatItWrites with every kind of record.
func TestReadsWhatItWrites(t *testing.T) {
	d := read(t, "4.3", `{"apps":[]}`)
	for _, name := range []string{"bcrypt", "salt,sha256", "sha256,salt", "pbkdf2,sha256,10,20", "plain", "md5"} {
		h := made(t, name, "secret")
		d.Accounts = append(d.Accounts, auth.NewAccount{
			Subject: auth.Subject{Kind: auth.ByUsername, Name: "by " + name}, Superuser: true, Created: someTime, Hash: h.Hash, Stored: h.Stored, Salt: h.Salt,
		})
	}
	d.Bans = append(d.Bans, auth.Ban{Kind: auth.BanPeerHost, Who: "10.0.0.0/8", At: someTime}, auth.Ban{Kind: auth.BanClientID, Who: "c", By: "me", Reason: "noise", At: someTime})
	d.Apps = []App{{ID: "a", Name: "n", Desc: "d", Enabled: true, Hashed: made(t, "bcrypt", "x")}, {ID: "b", Expires: someTime, Hashed: made(t, "salt,sha256", "x")}}
	d.Users = append(d.Users, User{Name: "z", Tags: "administrator", Hashed: made(t, "bcrypt", "x"), MustChange: true})
	d.Left, d.Problems = nil, nil
	text, notes, err := Write(d, someTime)
	if err != nil {
		t.Fatal(err)
	}
	same(t, "notes", strings.Join(notes, "\n")+"\n", `
EMQ X would not find 4 accounts, as it has no such password hash
EMQ X would not find 1 bans of networks, which it doesn't have
EMQ X would not find 2 apps, as their secrets exist as hashes only
EMQ X would not find 1 dashboard users, as it has no such password hash
EMQ X takes all passwords for one kind, and there are md5 and plain and sha256
`)
	again, err := Read(text, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range again.Accounts {
		if strings.HasPrefix(a.Name, "by ") && !fits(t, Hashed{a.Hash, a.Stored, a.Salt}, "secret") {
			t.Errorf("the password of %s is another", a.Name)
		}
	}
	lines := func(d *Data) map[string]bool {
		all := make(map[string]bool)
		for line := range strings.Lines(listed(d)) {
			all[line] = true
		}
		return all
	}
	want, got := lines(d), lines(again)
	for line := range want {
		if !got[line] {
			t.Errorf("is gone: %s", line)
		}
	}
	if len(got) != len(want) {
		t.Errorf("got\n%swant\n%s", listed(again), listed(d))
	}
}

// TestEMQXCanReadIt: every record has what EMQ X's import asks of it, which
// gives up altogether where a field is missing.
func TestEMQXCanReadIt(t *testing.T) {
	d := read(t, "4.3", `{"apps":[]}`)
	d.Apps = []App{{ID: "a", Hashed: made(t, "bcrypt", "x")}}
	text, _, err := Write(d, someTime)
	if err != nil {
		t.Fatal(err)
	}
	var file map[string]any
	if err := json.Unmarshal(text, &file); err != nil {
		t.Fatal(err)
	}
	fields := map[string]string{
		"blacklist": "who by reason at until", "apps": "id secret name desc status expired", "users": "username password tags",
		"auth_mnesia": "login type password created_at", "acl_mnesia": "type topic action access", "rules": "", "resources": "",
	}
	for part, names := range fields {
		rows, is := file[part].([]any)
		if !is {
			t.Errorf("%s is no list", part)
		}
		for _, row := range rows {
			for name := range strings.FieldsSeq(names) {
				if _, has := row.(map[string]any)[name]; !has {
					t.Errorf("%s: %v has no %s", part, row, name)
				}
			}
		}
	}
	if file["version"] != "4.3" || file["date"] != "2026-01-02 03:04:05" {
		t.Errorf("version %v, date %v", file["version"], file["date"])
	}
	if !strings.Contains(string(text), `"who":{"peerhost":[50,48,48,49,58,100,98,56,58,58,55]}`) {
		t.Errorf("the address 2001:db8::7 isn't written as EMQ X reads it: %s", text)
	}
}

// TestRulesKeepTheirOrder, also those that were made in one millisecond.
func TestRulesKeepTheirOrder(t *testing.T) {
	d := &Data{}
	who := auth.Subject{Kind: auth.ByUsername, Name: "u"}
	for _, text := range []string{"a", "b", "c", "d", "e"} {
		d.Rules = append(d.Rules, auth.Rule{Subject: who, Topic: topic(t, text), Action: auth.RulePub, Allow: text == "c", Created: someTime})
	}
	text, _, err := Write(d, someTime)
	if err != nil {
		t.Fatal(err)
	}
	again, err := Read(text, nil)
	if err != nil {
		t.Fatal(err)
	}
	order := ""
	for _, r := range again.Rules {
		order += r.Topic.String()
	}
	if order != "abcde" {
		t.Errorf("the order is %s", order)
	}
}
