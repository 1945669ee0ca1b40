package jwt

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/dunlin-mq/dunlin/auth"
)

// rights is what the ACL claim of a token grants. Nothing else is granted.
type rights struct {
	expires                 int64 // Unix milliseconds; 0: never
	all, publish, subscribe []auth.Pattern
}

// rights returns what the claim of that name grants; nil: there is none, and
// the token has nothing to say about topics.
func (c claims) rights(name string, expires time.Time) (*rights, error) {
	text, given := c[name]
	if !given {
		return nil, nil
	}
	var lists *struct {
		All []string `json:"all"`
		Pub []string `json:"pub"`
		Sub []string `json:"sub"`
	}
	if err := json.Unmarshal(text, &lists); err != nil || lists == nil {
		return nil, fmt.Errorf(`the claim %s is not an object with lists of topics "all", "pub" and "sub"`, name)
	}
	r := &rights{all: patterns(lists.All), publish: patterns(lists.Pub), subscribe: patterns(lists.Sub)}
	if !expires.IsZero() {
		r.expires = expires.UnixMilli()
	}
	return r, nil
}

// patterns leaves out what is no topic filter: it could match nothing.
func patterns(topics []string) []auth.Pattern {
	var out []auth.Pattern
	for _, t := range topics {
		if p, err := auth.NewPattern(t); err == nil {
			out = append(out, p)
		}
	}
	return out
}

// Authorize is the auth.Authorizer: a client whose token has an ACL claim may
// do what stands there, until the token expires.
func (t *Tokens) Authorize(_ context.Context, r *auth.Request) (auth.Answer, error) {
	granted, ok := r.Client.Rights.(*rights)
	if !ok {
		return auth.Answer{}, nil
	}
	if granted.expires != 0 && time.Now().UnixMilli() >= granted.expires {
		return auth.Answer{Verdict: auth.Deny, Rule: expired{}}, nil
	}
	if p := match(granted.all, r); p != nil {
		return auth.Answer{Verdict: auth.Allow, Rule: (*allClaim)(p)}, nil
	}
	if r.Action == auth.Subscribe {
		if p := match(granted.subscribe, r); p != nil {
			return auth.Answer{Verdict: auth.Allow, Rule: (*subClaim)(p)}, nil
		}
	} else if p := match(granted.publish, r); p != nil {
		return auth.Answer{Verdict: auth.Allow, Rule: (*pubClaim)(p)}, nil
	}
	return auth.Answer{Verdict: auth.Deny, Rule: notGranted{}}, nil
}

// match returns the first pattern that covers what is asked, or nil.
func match(patterns []auth.Pattern, r *auth.Request) *auth.Pattern {
	for i := range patterns {
		if patterns[i].Covers(r.Client, r.Topic) {
			return &patterns[i]
		}
	}
	return nil
}

// What an answer rests on. None takes memory of its own, for there may be one at
// each PUBLISH.
type (
	allClaim   auth.Pattern
	pubClaim   auth.Pattern
	subClaim   auth.Pattern
	notGranted struct{}
	expired    struct{}
)

const inClaim = "ACL claim of the token"

// Explain is auth.Why's.
func (p *allClaim) Explain() (rule, where string) { return "all " + auth.Pattern(*p).String(), inClaim }

// Explain is auth.Why's.
func (p *pubClaim) Explain() (rule, where string) { return "pub " + auth.Pattern(*p).String(), inClaim }

// Explain is auth.Why's.
func (p *subClaim) Explain() (rule, where string) { return "sub " + auth.Pattern(*p).String(), inClaim }

// Explain is auth.Why's.
func (notGranted) Explain() (rule, where string) {
	return "the claim has nothing that allows it", inClaim
}

// Explain is auth.Why's.
func (expired) Explain() (rule, where string) { return "the token has expired", inClaim }
