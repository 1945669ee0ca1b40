package query

import (
	"context"
	"fmt"
	"strings"

	"github.com/dunlin-mq/dunlin/auth"
	"github.com/dunlin-mq/dunlin/mqtt"
)

type mongoAuthenticator struct {
	MongoAuth
	super     MongoSuper
	db        Documents
	passwords *auth.Passwords
	log       *complaints
}

// Authenticate ignores a client without a document. A document without a
// password lets nobody in.
func (a *mongoAuthenticator) Authenticate(ctx context.Context, r *auth.Request) (auth.Answer, error) {
	found, err := find(ctx, a.db, "auth_query", a.Collection, a.Selector, 1, r)
	if err != nil || len(found) == 0 {
		return auth.Answer{}, err
	}
	stored, _ := found[0][a.Fields[0]].(string)
	if stored == "" {
		return auth.Answer{Verdict: auth.Deny, Code: mqtt.BadUserNameOrPassword}, nil
	}
	salt := ""
	if len(a.Fields) > 1 {
		salt, _ = found[0][a.Fields[1]].(string)
	}
	answer, err := judge(ctx, a.passwords, a.Hash, stored, salt, r)
	if err != nil || answer.Verdict != auth.Allow {
		return answer, err
	}
	if answer.Superuser, err = a.superuser(ctx, r); err != nil {
		return auth.Answer{}, err
	}
	return answer, nil
}

// superuser asks for the rights of a client whose password was right. See the
// one of Redis for its errors.
func (a *mongoAuthenticator) superuser(ctx context.Context, r *auth.Request) (bool, error) {
	if !a.super.On {
		return false, nil
	}
	found, err := find(ctx, a.db, "super_query", a.super.Collection, a.super.Selector, 1, r)
	if permanent(err) {
		a.log.say("nobody is a superuser, as the query fails", "key", "auth.mongo.super_query", "error", err)
		return false, nil
	}
	if err != nil || len(found) == 0 {
		return false, err
	}
	super, _ := found[0][a.super.Field].(bool)
	return super, nil
}

// find asks for the documents of a request.
func find(ctx context.Context, db Documents, key, collection string, s Selector, limit int, r *auth.Request) ([]map[string]any, error) {
	values, ok := s.of(r)
	if !ok {
		return nil, nil
	}
	found, err := db.Find(ctx, collection, values, limit)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", key, err)
	}
	return found, nil
}

type mongoAuthorizer struct {
	collection string
	selectors  []Selector
	db         Documents
	log        *complaints
}

// Authorize allows what any document for a client says and denies all else; it
// ignores a client without documents, and user names that begin with $.
func (a *mongoAuthorizer) Authorize(ctx context.Context, r *auth.Request) (auth.Answer, error) {
	if strings.HasPrefix(r.Client.Username, "$") {
		return auth.Answer{}, nil
	}
	answer := auth.Answer{}
	for _, s := range a.selectors {
		found, err := find(ctx, a.db, "acl_query", a.collection, s, 0, r)
		if err != nil {
			return auth.Answer{}, err
		}
		for _, doc := range found {
			if rule := a.allows(doc, r); rule != "" {
				return auth.Answer{Verdict: auth.Allow, Rule: auth.Because{Rule: rule, Where: "auth.mongo.acl_query"}}, nil
			}
			answer = auth.Answer{Verdict: auth.Deny, Rule: auth.Because{Rule: "no document of the client allows it", Where: "auth.mongo.acl_query"}}
		}
	}
	return answer, nil
}

// allows is the part of a document that allows what is asked, or empty.
func (a *mongoAuthorizer) allows(doc map[string]any, r *auth.Request) (rule string) {
	list := "publish"
	if r.Action == auth.Subscribe {
		list = "subscribe"
	}
	for _, field := range []string{list, "pubsub"} {
		topics, _ := doc[field].([]any)
		for _, t := range topics {
			text, _ := t.(string)
			pattern, err := auth.NewPattern(text)
			if err != nil {
				a.log.say("a topic is skipped", "key", "auth.mongo.acl_query", "field", field, "topic", t, "error", err)
				continue
			}
			if pattern.Covers(r.Client, r.Topic) {
				return field + " " + text
			}
		}
	}
	return ""
}
