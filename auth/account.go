package auth

import (
	"time"

	"github.com/dunlin-mq/dunlin/config"
)

// SubjectKind says which name of a client an account or a rule goes by.
type SubjectKind string

// The kinds, spelled as REST and the command line spell them.
const (
	ByClientID SubjectKind = "clientid"
	ByUsername SubjectKind = "username"
	ForAll     SubjectKind = "all" // of rules only; its name is empty
)

// Subject is whom an account or a rule is about.
type Subject struct {
	Kind SubjectKind
	Name string
}

// Account is a built-in user, as it is shown.
type Account struct {
	Subject
	Superuser bool
	Created   time.Time // whole milliseconds
	// Stored is the hash without its salt. Only EMQ X 3's REST API shows it.
	Stored string
}

// NewAccount is an account to be made. Its secret is a Password to be hashed,
// or, if Stored is set, what was made of it elsewhere.
type NewAccount struct {
	Subject
	Superuser bool

	Password     []byte
	Stored, Salt string
	Hash         Hash // of Stored; zero: the way new passwords are hashed

	Created time.Time // zero: now
}

// Rule allows or denies a subject what its topic covers.
type Rule struct {
	Subject
	Topic   Pattern
	Action  RuleAction // a rule for both is kept, and shown, as two
	Allow   bool
	Created time.Time // whole milliseconds
}

// RuleAction is what a rule is about.
type RuleAction string

// The three, spelled as REST and the command line spell them.
const (
	RulePub    RuleAction = "pub"
	RuleSub    RuleAction = "sub"
	RulePubSub RuleAction = "pubsub"
)

// UnmarshalText reads one of the three.
func (a *RuleAction) UnmarshalText(text []byte) error {
	switch s := RuleAction(text); s {
	case RulePub, RuleSub, RulePubSub:
		*a = s
		return nil
	}
	return config.Expected("pub, sub or pubsub", string(text))
}

// Covers reports whether rules about a are asked when a client wants to act.
func (a RuleAction) Covers(action Action) bool {
	return a == RulePubSub || a == RulePub && action == Publish || a == RuleSub && action == Subscribe
}

// RuleFilter chooses rules to be shown; empty fields choose all.
type RuleFilter struct {
	Kind   SubjectKind
	Like   string // a part of the subject's name
	Topic  string // the topic as it was written
	Action RuleAction
	Access string // allow or deny
}

// Errors of changing accounts and rules that a caller may want to tell apart.
const (
	ErrExists   = accountError("it exists already")
	ErrNotFound = accountError("there is none of that name")
	ErrTooMany  = accountError("there are as many rules for this name as auth.mnesia.max_acls_for_each_login allows")
)

type accountError string

func (e accountError) Error() string { return string(e) }
