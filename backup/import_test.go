package backup

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/dunlin-mq/dunlin/auth"
	"github.com/dunlin-mq/dunlin/auth/builtin"
	"github.com/dunlin-mq/dunlin/keep/keeptest"
)

// node is what a node keeps, with the real lists; logins are in memory.
type node struct {
	Target
	builtin *builtin.Builtin
	kept    *keeptest.Map
	logins  logins
}

// logins are apps and users.
type logins struct {
	apps   map[string]App
	users  map[string]User
	broken error
}

func (l *logins) StoredApps() []App   { return inOrder(l.apps) }
func (l *logins) StoredUsers() []User { return inOrder(l.users) }

func inOrder[T any](m map[string]T) (all []T) {
	for _, name := range slices.Sorted(maps.Keys(m)) {
		all = append(all, m[name])
	}
	return all
}

func (l *logins) PutApp(_ context.Context, a App) error {
	l.apps[a.ID] = a
	return l.broken
}

func (l *logins) PutUser(_ context.Context, u User) error {
	l.users[u.Name] = u
	return l.broken
}

func newNode(t *testing.T, mostRules int) *node {
	t.Helper()
	n := &node{kept: keeptest.New(), logins: logins{apps: make(map[string]App), users: make(map[string]User)}}
	var access auth.Config
	access.SetDefaults()
	control := auth.New(auth.Options{Config: access})
	t.Cleanup(control.Close)
	var config builtin.Config
	config.SetDefaults()
	config.MaxRules = mostRules
	var err error
	n.builtin, err = builtin.New(t.Context(), builtin.Options{Config: config, Passwords: auth.NewPasswords(), Accounts: n.kept})
	if err != nil {
		t.Fatal(err)
	}
	n.Target = Target{Accounts: n.builtin, Rules: n.builtin, Bans: control.Bans(), Apps: &n.logins, Users: &n.logins}
	return n
}

// imported is the report of an import, in short.
func (n *node) imported(t *testing.T, d *Data, dry bool) string {
	t.Helper()
	r, err := n.Import(t.Context(), d, dry)
	if err != nil {
		t.Fatal(err)
	}
	return short(r)
}

func short(r *Report) string {
	var b strings.Builder
	for _, p := range r.Parts {
		fmt.Fprintf(&b, "%s: %d added, %d unchanged, %d replaced %v\n", p.Name, p.Added, p.Unchanged, p.Replaced, p.Names)
	}
	for _, p := range r.Problems {
		fmt.Fprintf(&b, "%s %s: %s\n", p.At, p.Name, p.Reason)
	}
	return b.String()
}

func TestImport(t *testing.T) {
	n, d := newNode(t, 0), read(t, "4.3", `{"apps":[{"id":"grafana","secret":"k33p-m3","status":true}]}`)
	d.Problems = nil
	fresh := `
accounts: 2 added, 0 unchanged, 0 replaced []
acl rules: 4 added, 0 unchanged, 0 replaced []
bans: 2 added, 0 unchanged, 0 replaced []
apps: 1 added, 0 unchanged, 0 replaced []
dashboard users: 2 added, 0 unchanged, 0 replaced []
`
	same(t, "a dry run", n.imported(t, d, true), fresh)
	if left := listed(n.Export()); left != "" {
		t.Errorf("a dry run has left\n%s", left)
	}
	same(t, "import", n.imported(t, d, false), fresh)
	same(t, "what is there", listed(n.Export()), listedOnly(d))
	same(t, "the same again", n.imported(t, d, false), `
accounts: 0 added, 2 unchanged, 0 replaced []
acl rules: 0 added, 4 unchanged, 0 replaced []
bans: 0 added, 2 unchanged, 0 replaced []
apps: 0 added, 0 unchanged, 1 replaced [grafana]
dashboard users: 0 added, 2 unchanged, 0 replaced []
`)
	if len(n.kept.Keys()) != 2 {
		t.Errorf("%d accounts are kept", len(n.kept.Keys()))
	}
}

// listedOnly is what an import of d leaves.
func listedOnly(d *Data) string {
	by := *d
	by.Left = nil
	by.Rules = slices.Clone(d.Rules)
	slices.SortStableFunc(by.Rules, func(a, b auth.Rule) int { // as they come from the list, by subject, backwards
		return -strings.Compare(string(a.Kind)+a.Name, string(b.Kind)+b.Name)
	})
	by.Accounts = slices.Clone(d.Accounts)
	by.Bans = slices.Clone(d.Bans)
	slices.SortFunc(by.Bans, func(a, b auth.Ban) int { return strings.Compare(string(a.Kind), string(b.Kind)) })
	return listed(&by)
}

func TestImportSaysWhatItReplaces(t *testing.T) {
	n, d := newNode(t, 0), read(t, "4.3", "")
	d.Problems, d.Apps, d.Users, d.Bans = nil, nil, nil, nil
	n.imported(t, d, false)
	d.Accounts[1].Superuser = true
	d.Accounts[0].Hash, d.Accounts[0].Salt = hashOf(t, "plain"), ""
	for i := range d.Rules {
		d.Rules[i].Allow = !d.Rules[i].Allow
	}
	same(t, "replaced", n.imported(t, d, false), `
accounts: 0 added, 0 unchanged, 2 replaced [clientid usera username alice]
acl rules: 0 added, 0 unchanged, 4 replaced [all sub public/# username alice sub %u/# clientid clientida pub t/a clientid clientida sub t/a]
`)
	if a, _ := n.builtin.Account(d.Accounts[1].Subject); !a.Superuser {
		t.Error("alice is no superuser")
	}
}

func TestReportsAreBounded(t *testing.T) {
	n, d := newNode(t, 0), new(Data)
	for i := range 3 * maxListed {
		d.Accounts = append(d.Accounts, auth.NewAccount{Subject: auth.Subject{Kind: auth.ByClientID, Name: fmt.Sprint(i)}, Hash: hashOf(t, "plain"), Stored: "a"})
		d.Problems = append(d.Problems, Problem{At: fmt.Sprint(i)})
	}
	n.imported(t, d, false)
	for i := range d.Accounts {
		d.Accounts[i].Stored = "b"
	}
	r, err := n.Import(t.Context(), d, false)
	if err != nil || len(r.Parts) != 1 {
		t.Fatalf("%+v %v", r, err)
	}
	if p := r.Parts[0]; p.Replaced != 300 || len(p.Names) != maxListed || r.Skipped != 300 || len(r.Problems) != maxListed {
		t.Errorf("%d replaced, %d named; %d skipped, %d listed", p.Replaced, len(p.Names), r.Skipped, len(r.Problems))
	}
	if _, err := json.Marshal(r); err != nil {
		t.Error(err)
	}
}

func TestRulesBeyondTheLimitAreSkipped(t *testing.T) {
	n := newNode(t, 1)
	same(t, "import", n.imported(t, &Data{Rules: read(t, "4.3", "").Rules}, false), `
acl rules: 3 added, 0 unchanged, 0 replaced []
acl rules clientid clientida sub t/a: `+auth.ErrTooMany.Error()+"\n")
}

func TestImportEndsWhereNothingCanBeKept(t *testing.T) {
	n, d := newNode(t, 0), read(t, "4.3", "")
	n.kept.Fail(errors.New("the disk is full"))
	_, err := n.Import(t.Context(), d, false)
	if want := "the accounts, and what follows, are not imported: the disk is full"; err == nil || err.Error() != want {
		t.Errorf("%v, want %s", err, want)
	}
	if left := listed(n.Export()); left != "" {
		t.Errorf("left\n%s", left)
	}
	n.kept.Fail(nil)
	n.logins.broken = errors.New("the disk is full")
	r, err := n.Import(t.Context(), d, false)
	if want := "the apps, and what follows, are not imported: the disk is full"; err == nil || err.Error() != want {
		t.Errorf("%v, want %s", err, want)
	}
	if len(r.Parts) != 3 {
		t.Errorf("the report has %d parts", len(r.Parts))
	}
}

func TestPartsThatANodeHasNot(t *testing.T) {
	var none Target
	r, err := none.Import(t.Context(), read(t, "4.3", ""), false)
	if err != nil || len(r.Parts) != 0 {
		t.Fatal(r, err)
	}
	var left []string
	for _, l := range r.Left {
		left = append(left, fmt.Sprint(l.Count, " ", l.Part))
	}
	if got := strings.Join(left, ", "); got != "1 rules, 2 accounts, 4 acl rules, 2 bans, 1 apps, 2 dashboard users" {
		t.Errorf("left: %s", got)
	}
	if d := none.Export(); listed(d) != "" {
		t.Error("there is something to export")
	}
}

// TestMovingToAnotherNode by an export has all there, and no password in clear.
func TestMovingToAnotherNode(t *testing.T) {
	from, to := newNode(t, 0), newNode(t, 0)
	if err := from.builtin.AddAccount(t.Context(), auth.NewAccount{Subject: auth.Subject{Kind: auth.ByUsername, Name: "u"}, Password: []byte("s3cret-word")}); err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{"a", "b", "c"} {
		if err := from.builtin.AddRule(auth.Rule{Subject: auth.Subject{Kind: auth.ForAll}, Topic: topic(t, text), Action: auth.RulePubSub, Allow: text != "c"}); err != nil {
			t.Fatal(err)
		}
	}
	from.logins.apps["a"] = App{ID: "a", Enabled: true, Hashed: made(t, "bcrypt", "x")}
	text, _, err := Write(from.Export(), someTime)
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(text), "s3cret") {
		t.Errorf("a password in clear: %s", text)
	}
	d, err := Read(text, nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := to.Import(t.Context(), d, false); err != nil {
		t.Fatal(err)
	}
	same(t, "what moved", listed(to.Export()), listed(from.Export()))
	if got := listed(to.Export()); strings.Count(got, "\n") != 8 {
		t.Errorf("moved\n%s", got)
	}
}
