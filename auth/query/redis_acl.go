package query

import (
	"context"
	"fmt"
	"strings"

	"github.com/dunlin-mq/dunlin/auth"
	"github.com/dunlin-mq/dunlin/topic"
)

type redisAuthorizer struct {
	db  Commands
	acl command
	log *complaints
}

// Authorize allows what is stored for a client and denies all else; it ignores
// a client about whom nothing is stored, and user names that begin with $.
func (a *redisAuthorizer) Authorize(ctx context.Context, r *auth.Request) (auth.Answer, error) {
	if strings.HasPrefix(r.Client.Username, "$") {
		return auth.Answer{}, nil
	}
	reply, err := a.acl.ask(ctx, a.db, r)
	if err != nil || reply == nil {
		return auth.Answer{}, err
	}
	rules, ok := reply.([]any)
	if !ok || len(rules)%2 != 0 {
		return auth.Answer{}, fmt.Errorf("acl_cmd: expected a list of topics and numbers such as HGETALL brings, found %T", reply)
	}
	if len(rules) == 0 {
		return auth.Answer{}, nil
	}
	for i := 0; i < len(rules); i += 2 {
		if !a.concerns(rules[i+1], r.Action) {
			continue
		}
		if filter, ok := rules[i].(string); ok && covers(filter, r) {
			return auth.Answer{Verdict: auth.Allow, Rule: auth.Because{Rule: fmt.Sprintf("%s %v", filter, rules[i+1]), Where: "auth.redis.acl_cmd"}}, nil
		}
	}
	return auth.Answer{Verdict: auth.Deny, Rule: auth.Because{Rule: "no rule of the client allows it", Where: "auth.redis.acl_cmd"}}, nil
}

func (a *redisAuthorizer) concerns(access any, action auth.Action) bool {
	switch access {
	case "1":
		return action == auth.Subscribe
	case "2":
		return action == auth.Publish
	case "3":
		return true
	}
	a.log.say("a rule is skipped: expected 1, 2 or 3", "key", "auth.redis.acl_cmd", "found", access)
	return false
}

// covers reports whether a filter in which %u and %c stand for names, anywhere
// in a level, fits the topic of a request. A name with a character that would
// make other levels or wildcards of it fits nothing: who is called # must not
// get what is meant for everybody.
func covers(filter string, r *auth.Request) bool {
	for _, name := range []struct{ placeholder, value string }{{"%u", r.Client.Username}, {"%c", r.Client.ClientID}} {
		if strings.Contains(filter, name.placeholder) && strings.ContainsAny(name.value, "/+#") {
			return false
		}
	}
	filled, ok := fill(filter, "uc", r)
	return ok && topic.ValidFilter(filled) == nil && auth.Covers(filled, r.Topic)
}
