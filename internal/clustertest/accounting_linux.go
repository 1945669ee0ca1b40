package clustertest

import (
	"errors"
	"fmt"
	"testing"
	"time"
)

// Accounting is what a node says of its deliveries, see docs/accounting.md.
type Accounting struct {
	Published    int64            `json:"published"`
	Matched      int64            `json:"matched"`
	Redispatched int64            `json:"redispatched"`
	MovedIn      int64            `json:"moved_in"`
	MovedOut     int64            `json:"moved_out"`
	Delivered    int64            `json:"delivered"`
	Queued       int64            `json:"queued"`
	Dropped      map[string]int64 `json:"dropped"`
	Balance      int64            `json:"balance"`
}

// check returns what is wrong with the account, or nil. The node's own balance
// is not trusted.
func (a *Accounting) check() error {
	out := a.Delivered + a.Queued + a.MovedOut
	for _, n := range a.Dropped {
		out += n
	}
	if in := a.Matched + a.Redispatched + a.MovedIn; in != out {
		return fmt.Errorf("%d deliveries came in and %d are accounted for: %+v", in, out, *a)
	}
	if a.Balance != 0 {
		return fmt.Errorf("the balance is %d, though the terms are equal: %+v", a.Balance, *a)
	}
	return nil
}

// balances returns the accounts of running nodes, each its own, once nothing is
// on its way any more; the error says which do not balance.
func balances(nodes ...*Node) (accounts []Accounting, err error) {
	var errs []error
	deadline := time.Now().Add(patience / 4)
	for _, n := range nodes {
		a, err := n.account()
		for err != nil && time.Now().Before(deadline) {
			time.Sleep(50 * time.Millisecond)
			a, err = n.account()
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("the account of %s: %w", n.Name, err))
		}
		accounts = append(accounts, a)
	}
	return accounts, errors.Join(errs...)
}

// account is that of the node alone; the error says that it doesn't balance.
func (n *Node) account() (a Accounting, err error) {
	if err = n.Get("/nodes/"+n.Name+"/accounting", &a); err == nil {
		err = a.check()
	}
	return a, err
}

// RequireBalance fails the test if a running node's account of deliveries does
// not balance. It returns the accounts.
func RequireBalance(t testing.TB, nodes ...*Node) []Accounting {
	t.Helper()
	accounts, err := balances(nodes...)
	if err != nil {
		t.Error(err)
	}
	return accounts
}
