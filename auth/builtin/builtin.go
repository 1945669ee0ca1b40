package builtin

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"time"

	"github.com/dunlin-mq/dunlin/auth"
	"github.com/dunlin-mq/dunlin/keep"
	"github.com/dunlin-mq/dunlin/mqtt"
)

// Options are what New needs.
type Options struct {
	Config    Config
	Passwords *auth.Passwords
	// Accounts and Rules are two different maps. Without one, its records are
	// gone after the next start.
	Accounts, Rules keep.Map
	Log             *slog.Logger // nil: none
	// Changed, if not nil, is called after a change that may make an answer
	// untrue that was given before, whichever node has made it, by several
	// goroutines if need be. It must not call back.
	Changed func()
}

// Builtin is the list. All methods may be called at the same time; only those
// that change something wait until it is kept.
type Builtin struct {
	accounts  accounts
	rules     rules
	allowList *AllowList // nil: everybody may come
}

const (
	// slowTimeout is for one slow check, waiting for its turn included.
	slowTimeout = 10 * time.Second
	// maxWaiting is far more slow checks than slowTimeout leaves time for.
	maxWaiting = 10_000
	// leastPool is the number of slow checks that are taken up at once;
	// auth.Passwords may still have them wait for a processor.
	leastPool = 4
)

// New reads what is kept, follows it, and adds the accounts of the configuration
// and of its bootstrap file that are missing. An account that was deleted but
// still stands in one of these is therefore there again after a start. Clear
// passwords are hashed here; with bcrypt that takes a while for many, and a
// bootstrap file should have them hashed. The error is one sentence for each
// thing that is wrong, with file and line.
func New(ctx context.Context, o Options) (*Builtin, error) {
	if o.Changed == nil {
		o.Changed = func() {}
	}
	for _, m := range []*keep.Map{&o.Accounts, &o.Rules} {
		if *m == nil {
			*m = new(keep.Memory)
		}
	}
	b := &Builtin{
		accounts: newAccounts(&o),
		rules:    newRules(&o),
	}
	if err := errors.Join(b.accounts.follow(o.Log), b.rules.follow(o.Log)); err != nil {
		return nil, err
	}
	if o.Config.AllowListFile != "" {
		list, err := OpenAllowList(o.Config.AllowListFile)
		if err != nil {
			return nil, fmt.Errorf("auth.clientid_allow_list: %w", err)
		}
		b.allowList = list
	}
	if err := b.addMissing(ctx, o.Config.accounts()); err != nil {
		return nil, err
	}
	if path := o.Config.BootstrapFile; path != "" {
		all, err := readBootstrap(path, &o.Config)
		if err == nil {
			err = b.addMissing(ctx, all)
		}
		if err != nil {
			return nil, fmt.Errorf("auth.mnesia.bootstrap_file: %s: %w", path, err)
		}
	}
	return b, nil
}

// addMissing adds accounts and leaves those alone that exist.
func (b *Builtin) addMissing(ctx context.Context, all []auth.NewAccount) error {
	for i, err := range b.AddAccounts(ctx, all) {
		if err != nil && !errors.Is(err, auth.ErrExists) {
			return fmt.Errorf("%s %q: %w", all[i].Kind, all[i].Name, err)
		}
	}
	return nil
}

// AllowList is the list of the only client ids that are let in; nil if there
// is none. It is for Control.Restrict.
func (b *Builtin) AllowList() *AllowList { return b.allowList }

// Providers returns what the chains need: the accounts, whose slow hashes are
// checked outside of the event loops, and the rules.
func (b *Builtin) Providers() []auth.Provider {
	return []auth.Provider{
		{Name: "mnesia", Authenticator: &b.accounts, Backend: &auth.Backend{
			Pool: max(leastPool, runtime.GOMAXPROCS(0)/2), Timeout: slowTimeout, MaxWaiting: maxWaiting, OnError: "deny",
		}},
		{Name: "mnesia", Authorizer: &b.rules},
	}
}

// refused is the answer to a password that doesn't fit.
var refused = auth.Answer{Verdict: auth.Deny, Code: mqtt.BadUserNameOrPassword}
