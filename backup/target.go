package backup

import (
	"context"
	"math"
	"slices"

	"github.com/dunlin-mq/dunlin/auth"
)

// Accounts are the built-in ones.
type Accounts interface {
	StoredAccounts() []auth.NewAccount
	// PutAccounts adds or replaces all in one change, and returns for each what
	// kept it out.
	PutAccounts(context.Context, []auth.NewAccount) []error
}

// Rules are the built-in ACL rules.
type Rules interface {
	Rules(f auth.RuleFilter, from, limit int) (some []auth.Rule, total int)
	// AddRules is PutAccounts for rules; each comes before those it follows.
	AddRules([]auth.Rule) []error
}

// Bans are those of a node.
type Bans interface {
	All() []auth.Ban
	// AddAll is PutAccounts for bans.
	AddAll([]auth.Ban) []error
}

// Apps are the logins of the management API; Put adds or replaces one, and
// hashes Secret if it is set.
type Apps interface {
	StoredApps() []App
	PutApp(context.Context, App) error
}

// Users are those of the dashboard.
type Users interface {
	StoredUsers() []User
	PutUser(context.Context, User) error
}

// Target is what a node keeps. A part that is nil is none of its.
type Target struct {
	Accounts Accounts
	Rules    Rules
	Bans     Bans
	Apps     Apps
	Users    Users
}

// Export collects everything.
func (t *Target) Export() *Data {
	d := new(Data)
	if t.Accounts != nil {
		d.Accounts = t.Accounts.StoredAccounts()
	}
	if t.Rules != nil {
		d.Rules, _ = t.Rules.Rules(auth.RuleFilter{}, 0, math.MaxInt)
		slices.Reverse(d.Rules) // they come as they are asked, the newest first
	}
	if t.Bans != nil {
		d.Bans = t.Bans.All()
	}
	if t.Apps != nil {
		d.Apps = t.Apps.StoredApps()
	}
	if t.Users != nil {
		d.Users = t.Users.StoredUsers()
	}
	return d
}
