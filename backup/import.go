package backup

import (
	"context"
	"errors"
	"fmt"

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

func (i *importing) done(p *Part) {
	if p.Added+p.Unchanged+p.Replaced > 0 {
		i.report.Parts = append(i.report.Parts, *p)
	}
}

// noneTaken is the error of a change that failed as a whole.
func noneTaken(errs []error) error {
	for _, err := range errs {
		if err == nil {
			return nil
		}
	}
	return errors.Join(errs[:min(1, len(errs))]...)
}

func (i *importing) accounts(t *Target) error {
	if t.Accounts == nil {
		return i.none("accounts", len(i.data.Accounts))
	}
	old := make(map[auth.Subject]*auth.NewAccount)
	for j := range i.old.Accounts {
		old[i.old.Accounts[j].Subject] = &i.old.Accounts[j]
	}
	errs := make([]error, len(i.data.Accounts))
	if !i.dry {
		errs = t.Accounts.PutAccounts(i.ctx, i.data.Accounts)
	}
	if err := noneTaken(errs); err != nil {
		return fmt.Errorf("no account, nor what follows, is imported: %w", err)
	}
	p := Part{Name: "accounts", Names: []string{}}
	for j := range i.data.Accounts {
		a := &i.data.Accounts[j]
		before := old[a.Subject]
		name := fmt.Sprintf("%s %s", a.Kind, a.Name)
		if errs[j] != nil {
			i.problem(Problem{"accounts", name, errs[j].Error()})
			continue
		}
		p.count(name, before != nil, before != nil && before.Superuser == a.Superuser && before.Stored == a.Stored && before.Salt == a.Salt)
	}
	i.done(&p)
	return nil
}

// ruleID is what a rule replaces another by.
type ruleID struct {
	auth.Subject
	topic  string
	action auth.RuleAction
}

func (i *importing) rules(t *Target) error {
	if t.Rules == nil {
		return i.none("acl_mnesia", len(i.data.Rules))
	}
	old := make(map[ruleID]bool)
	for _, r := range i.old.Rules {
		old[ruleID{r.Subject, r.Topic.String(), r.Action}] = r.Allow
	}
	errs := make([]error, len(i.data.Rules))
	if !i.dry {
		errs = t.Rules.AddRules(i.data.Rules)
	}
	if err := noneTaken(errs); err != nil {
		return fmt.Errorf("no ACL rule, nor what follows, is imported: %w", err)
	}
	p := Part{Name: "acl rules", Names: []string{}}
	for j, r := range i.data.Rules {
		name := fmt.Sprintf("%s %s %s %s", r.Kind, r.Name, r.Action, r.Topic)
		if errs[j] != nil {
			i.problem(Problem{"acl_mnesia", name, errs[j].Error()})
			continue
		}
		allow, there := old[ruleID{r.Subject, r.Topic.String(), r.Action}]
		p.count(name, there, allow == r.Allow)
	}
	i.done(&p)
	return nil
}

func (i *importing) bans(t *Target) error {
	if t.Bans == nil {
		return i.none("blacklist", len(i.data.Bans))
	}
	type id struct {
		kind auth.BanKind
		who  string
	}
	old := make(map[id]auth.Ban)
	for _, b := range i.old.Bans {
		old[id{b.Kind, b.Who}] = b
	}
	errs := make([]error, len(i.data.Bans))
	if !i.dry {
		errs = t.Bans.AddAll(i.data.Bans)
	}
	if err := noneTaken(errs); err != nil {
		return fmt.Errorf("the bans, and what follows, are not imported: %w", err)
	}
	p := Part{Name: "bans", Names: []string{}}
	for j := range i.data.Bans {
		b := &i.data.Bans[j]
		name := fmt.Sprintf("%s %s", b.Kind, b.Who)
		if errs[j] != nil {
			i.problem(Problem{"blacklist", name, errs[j].Error()})
			continue
		}
		before, there := old[id{b.Kind, b.Who}]
		same := before.By == b.By && before.Reason == b.Reason && before.At.Equal(b.At) && before.Until.Equal(b.Until)
		p.count(name, there, same)
	}
	i.done(&p)
	return nil
}

func (i *importing) apps(t *Target) error {
	if t.Apps == nil {
		return i.none("apps", len(i.data.Apps))
	}
	old := make(map[string]App)
	for _, a := range i.old.Apps {
		old[a.ID] = a
	}
	p := Part{Name: "apps", Names: []string{}}
	defer i.done(&p)
	for _, a := range i.data.Apps {
		before, there := old[a.ID]
		same := a.Secret == "" && before.Hashed == a.Hashed && before.Name == a.Name && before.Desc == a.Desc && before.Enabled == a.Enabled && before.Expires.Equal(a.Expires)
		if !i.dry && !same {
			if err := t.Apps.PutApp(i.ctx, a); err != nil {
				return fmt.Errorf("the app %.100q, and what follows, is not imported: %w", a.ID, err)
			}
		}
		p.count(a.ID, there, same)
	}
	return nil
}

func (i *importing) users(t *Target) error {
	if t.Users == nil {
		return i.none("users", len(i.data.Users))
	}
	old := make(map[string]User)
	for _, u := range i.old.Users {
		old[u.Name] = u
	}
	p := Part{Name: "dashboard users", Names: []string{}}
	defer i.done(&p)
	for _, u := range i.data.Users {
		before, there := old[u.Name]
		same := before.Hashed == u.Hashed && before.Tags == u.Tags
		if !i.dry && !same {
			if err := t.Users.PutUser(i.ctx, u); err != nil {
				return fmt.Errorf("the dashboard user %.100q is not imported: %w", u.Name, err)
			}
		}
		p.count(u.Name, there, same)
	}
	return nil
}
