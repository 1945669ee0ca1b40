package clustertest

import (
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

// RequireBalance fails the test if a running node's account of deliveries does
// not balance once nothing is on its way any more. It returns the accounts.
func RequireBalance(t testing.TB, nodes ...*Node) (accounts []Accounting) {
	t.Helper()
	for _, n := range nodes {
		var a Accounting
		var err error
		for deadline := time.Now().Add(patience); ; time.Sleep(50 * time.Millisecond) {
			if err = n.Get("/accounting", &a); err == nil {
				err = a.check()
			}
			if err == nil || time.Now().After(deadline) {
				break
			}
			a = Accounting{}
		}
		if err != nil {
			t.Errorf("%s: %v", n.Name, err)
		}
		accounts = append(accounts, a)
	}
	return accounts
}
