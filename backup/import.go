package backup

import (
	"context"
	"fmt"
	"strings"

	"github.com/dunlin-mq/dunlin/auth"
)

// Report says what became of an import.
type Report struct {
	Version string `json:"version"`
	Date    string `json:"date"`
	DryRun  bool   `json:"dry_run"`
	Parts   []Part `json:"parts"`
	// Problems are the first of the records that were not taken over; Skipped
	// counts them all.
	Problems []Problem `json:"problems"`
	Skipped  int       `json:"skipped"`
	Left     []Left    `json:"not_imported"`
	Notes    []string  `json:"notes"`
}

// Part is one kind of records.
type Part struct {
	Name      string   `json:"name"`
	Added     int      `json:"added"`
	Unchanged int      `json:"unchanged"`
	Replaced  int      `json:"replaced"`
	Names     []string `json:"replaced_names"` // the first of them
}

// maxListed is how many names and problems a report lists.
const maxListed = 100

// Import takes over what d holds, or, if dry is set, says what it would do.
// Records of the same name are replaced, all others stay. The error is one that
// ended it: what the report says was done before. The accounts are written all
// or none, and so are the rules.
func (t *Target) Import(ctx context.Context, d *Data, dry bool) (*Report, error) {
	i := &importing{ctx: ctx, dry: dry, data: d, old: t.Export(), report: &Report{
		Version: d.Version, Date: d.Date, DryRun: dry, Parts: []Part{}, Problems: []Problem{}, Left: append([]Left{}, d.Left...), Notes: append([]string{}, d.Notes...),
	}}
	for _, p := range d.Problems {
		i.problem(p)
	}
	i.report.Skipped += d.More
	for _, part := range []func(*Target) error{i.accounts, i.rules, i.bans, i.apps, i.users} {
		if err := part(t); err != nil {
			return i.report, err
		}
	}
	return i.report, nil
}

// importing is one Import.
type importing struct {
	ctx    context.Context
	dry    bool
	data   *Data
	old    *Data // before
	report *Report
}

func (i *importing) problem(p Problem) {
	if i.report.Skipped++; len(i.report.Problems) < maxListed {
		i.report.Problems = append(i.report.Problems, p)
	}
}

// none notes that the node has no place for a part.
func (i *importing) none(part string, n int) error {
	if n > 0 {
		i.report.Left = append(i.report.Left, Left{part, n, "this node has none"})
	}
	return nil
}

// count says what a record means to those that were there.
func (p *Part) count(name string, there, same bool) {
	switch {
	case !there:
		p.Added++
	case same:
		p.Unchanged++
	default:
		if p.Replaced++; len(p.Names) < maxListed {
			p.Names = append(p.Names, name)
		}
	}
}

// compared says of a record, by its number, what it is called, and whether one
// of that name was there before, and the same.
type compared func(j int) (name string, there, same bool)

// tell reports what became of each record of a part; errs has what kept them
// out. The error is that all were kept out.
func (i *importing) tell(kind string, errs []error, record compared) error {
	if len(errs) == 0 {
		return nil
	}
	p := Part{Name: kind, Names: []string{}}
	taken := 0
	for j, err := range errs {
		name, there, same := record(j)
		if err != nil {
			i.problem(Problem{kind, name, err.Error()})
			continue
		}
		taken++
		p.count(name, there, same)
	}
	if taken == 0 {
		return fmt.Errorf("the %s, and what follows, are not imported: %w", kind, errs[0])
	}
	i.report.Parts = append(i.report.Parts, p)
	return nil
}

// put puts records, unless nothing is to be changed.
func (i *importing) put(n int, put func() []error) []error {
	if i.dry || n == 0 {
		return make([]error, n)
	}
	return put()
}

// putEach is put for those that are put one by one, and only if they differ.
func (i *importing) putEach(n int, record compared, put func(j int) error) []error {
	errs := make([]error, n)
	for j := range errs {
		if _, _, same := record(j); !i.dry && !same {
			errs[j] = put(j)
		}
	}
	return errs
}

func (i *importing) accounts(t *Target) error {
	all := i.data.Accounts
	if t.Accounts == nil {
		return i.none("accounts", len(all))
	}
	old := make(map[auth.Subject]*auth.NewAccount)
	for j := range i.old.Accounts {
		old[i.old.Accounts[j].Subject] = &i.old.Accounts[j]
	}
	errs := i.put(len(all), func() []error { return t.Accounts.PutAccounts(i.ctx, all) })
	return i.tell("accounts", errs, func(j int) (string, bool, bool) {
		a := &all[j]
		before := old[a.Subject]
		same := before != nil && before.Superuser == a.Superuser && before.Stored == a.Stored && before.Salt == a.Salt
		return fmt.Sprintf("%s %s", a.Kind, a.Name), before != nil, same
	})
}

// ruleID is what a rule replaces another by.
type ruleID struct {
	auth.Subject
	topic  string
	action auth.RuleAction
}

func (i *importing) rules(t *Target) error {
	all := i.data.Rules
	if t.Rules == nil {
		return i.none("acl rules", len(all))
	}
	old := make(map[ruleID]bool)
	for j := range i.old.Rules {
		r := &i.old.Rules[j]
		old[ruleID{r.Subject, r.Topic.String(), r.Action}] = r.Allow
	}
	errs := i.put(len(all), func() []error { return t.Rules.AddRules(all) })
	return i.tell("acl rules", errs, func(j int) (string, bool, bool) {
		r := &all[j]
		allow, there := old[ruleID{r.Subject, r.Topic.String(), r.Action}]
		return strings.Join(strings.Fields(fmt.Sprintf("%s %s %s %s", r.Kind, r.Name, r.Action, r.Topic)), " "), there, allow == r.Allow
	})
}

func (i *importing) bans(t *Target) error {
	all := i.data.Bans
	if t.Bans == nil {
		return i.none("bans", len(all))
	}
	type id struct {
		kind auth.BanKind
		who  string
	}
	old := make(map[id]auth.Ban)
	for _, b := range i.old.Bans {
		old[id{b.Kind, b.Who}] = b
	}
	errs := i.put(len(all), func() []error { return t.Bans.AddAll(all) })
	return i.tell("bans", errs, func(j int) (string, bool, bool) {
		b := &all[j]
		before, there := old[id{b.Kind, b.Who}]
		same := before.By == b.By && before.Reason == b.Reason && before.At.Equal(b.At) && before.Until.Equal(b.Until)
		return fmt.Sprintf("%s %s", b.Kind, b.Who), there, same
	})
}

func (i *importing) apps(t *Target) error {
	all := i.data.Apps
	if t.Apps == nil {
		return i.none("apps", len(all))
	}
	old := make(map[string]App)
	for j := range i.old.Apps {
		old[i.old.Apps[j].ID] = i.old.Apps[j]
	}
	record := func(j int) (name string, there, same bool) {
		a := &all[j]
		before, there := old[a.ID]
		same = a.Secret == "" && before.Hashed == a.Hashed && before.Name == a.Name && before.Desc == a.Desc && before.Enabled == a.Enabled && before.Expires.Equal(a.Expires)
		return a.ID, there, same
	}
	errs := i.putEach(len(all), record, func(j int) error { return t.Apps.PutApp(i.ctx, all[j]) })
	return i.tell("apps", errs, record)
}

// isViewer reports whether a user may only look. All others of EMQ X may do
// everything, whatever their tags say.
func isViewer(u User) bool { return u.Tags == "viewer" }

func (i *importing) users(t *Target) error {
	all := i.data.Users
	if t.Users == nil {
		return i.none("dashboard users", len(all))
	}
	old := make(map[string]User)
	for _, u := range i.old.Users {
		old[u.Name] = u
	}
	record := func(j int) (name string, there, same bool) {
		before, there := old[all[j].Name]
		return all[j].Name, there, before.Hashed == all[j].Hashed && isViewer(before) == isViewer(all[j])
	}
	errs := i.putEach(len(all), record, func(j int) error { return t.Users.PutUser(i.ctx, all[j]) })
	return i.tell("dashboard users", errs, record)
}
