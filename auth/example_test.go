package auth_test

import (
	"context"
	"fmt"

	"github.com/dunlin-mq/dunlin/auth"
)

// guests lets in whoever calls himself guest.
type guests struct{}

func (guests) Authenticate(_ context.Context, r *auth.Request) (auth.Answer, error) {
	if r.Client.Username == "guest" {
		return auth.Answer{Verdict: auth.Allow, Mountpoint: "guests/"}, nil
	}
	return auth.Answer{}, nil // somebody else may know
}

func ExampleControl() {
	var o auth.Options
	o.Config.SetDefaults()
	control := auth.New(o)
	defer control.Close()
	control.Use(auth.Provider{Name: "guests", Authenticator: guests{}})

	var zone auth.Policy
	zone.SetDefaults()
	for _, name := range []string{"guest", "stranger"} {
		r := &auth.Request{Client: &auth.Client{ClientID: "c", Username: name}}
		said := make(chan auth.Outcome, 1)
		if outcome, decided := control.Authenticate(&zone, r); decided {
			said <- outcome
		} else {
			control.AuthenticateLater(&zone, r, func(outcome auth.Outcome) { said <- outcome })
		}
		outcome := <-said
		fmt.Printf("%s: %s by %q, mountpoint %q\n", name, outcome.Code, outcome.By, outcome.Mountpoint)
	}
	// Output:
	// guest: success by "guests", mountpoint "guests/"
	// stranger: not_authorized by "", mountpoint ""
}
