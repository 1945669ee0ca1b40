package api

import (
	"context"

	"github.com/dunlin-mq/dunlin/auth"
)

// Accounts are the built-in users. Errors are auth.ErrExists,
// auth.ErrNotFound, or what kept a change from being written.
type Accounts interface {
	// Accounts returns those of a kind whose names contain like, in the order
	// of names, from the one numbered from on and at most limit of them; total
	// is how many there are.
	Accounts(kind auth.SubjectKind, like string, from, limit int) (some []auth.Account, total int)
	Account(auth.Subject) (auth.Account, bool)
	AddAccount(context.Context, auth.NewAccount) error
	// AddAccounts adds many and returns for each what kept it out.
	AddAccounts(context.Context, []auth.NewAccount) []error
	// UpdateAccount changes the password.
	UpdateAccount(context.Context, auth.NewAccount) error
	DeleteAccount(auth.Subject) error
}

// Rules are the built-in ACL rules. For errors see Accounts.
type Rules interface {
	// Rules returns those the filter chooses, from the one numbered from on and
	// at most limit of them; total is how many there are.
	Rules(f auth.RuleFilter, from, limit int) (some []auth.Rule, total int)
	RulesOf(auth.Subject) []auth.Rule
	// AddRule replaces a rule of the same subject, topic and action.
	AddRule(auth.Rule) error
	// AddRules adds many and returns for each what kept it out.
	AddRules([]auth.Rule) []error
	// DeleteRule deletes the rules of a subject for a topic as it was written.
	DeleteRule(s auth.Subject, topic string) error
}

// Bans are the clients that are refused at CONNECT.
type Bans interface {
	All() []auth.Ban
	// Add takes the place of an older ban of the same kind and name.
	Add(auth.Ban) error
	Remove(kind auth.BanKind, who string) (was bool, err error)
}

// Caches are the answers that the ACL cache of each connection holds.
type Caches interface {
	// ACLCache is that of a client, nil if it isn't connected.
	ACLCache(clientID string) *auth.Cache
}

// Drainer empties the ACL caches of all connections.
type Drainer interface {
	DrainCaches()
}

// Scram are the users of SCRAM, MQTT 5's enhanced authentication. A mechanism
// is a name such as SCRAM-SHA-256. For errors see Accounts.
type Scram interface {
	Add(mechanism, username string, password, salt []byte, iterations int) error
	Update(mechanism, username string, password, salt []byte, iterations int) error
	Delete(mechanism, username string) error
	Lookup(mechanism, username string) (k ScramKeys, ok bool)
}

// ScramKeys is what is kept of a SCRAM user.
type ScramKeys = struct {
	StoredKey, ServerKey, Salt []byte
	Iterations                 int
}
