package jwt

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/dunlin-mq/dunlin/auth"
)

func TestRights(t *testing.T) {
	set := newTokens(t, "auth.jwt.secret = "+secret, nil)
	f := func(payload string, action auth.Action, topic string, want auth.Verdict) {
		t.Helper()
		client := alice()
		granted := authenticate(t, set, says(payload))
		if granted.Verdict != auth.Allow {
			t.Errorf("%s: got %s", payload, verdicts[granted.Verdict])
			return
		}
		client.Rights = granted.Rights
		a, err := set.Authorize(t.Context(), &auth.Request{Client: client, Action: action, Topic: topic})
		if a.Verdict != want || err != nil {
			t.Errorf("%s, %v %s: got %s %v, want %s", payload, action, topic, verdicts[a.Verdict], err, verdicts[want])
		}
	}
	const pub, sub = auth.Publish, auth.Subscribe
	const lists = `{"acl":{"pub":["up/%c/#"],"sub":["down/%u","eq #"],"all":["chat/+"]}}`
	f(lists, pub, "up/c1/a/b", auth.Allow)
	f(lists, pub, "up/c2/a", auth.Deny)
	f(lists, pub, "up/%c/a", auth.Deny)
	f(lists, sub, "up/c1/a", auth.Deny)
	f(lists, sub, "down/alice", auth.Allow)
	f(lists, sub, "down/+", auth.Deny)
	f(lists, sub, "#", auth.Allow)
	f(lists, pub, "down/alice", auth.Deny)
	f(lists, pub, "chat/1", auth.Allow)
	f(lists, sub, "chat/+", auth.Allow)
	f(lists, sub, "chat/1/2", auth.Deny)

	f(`{}`, pub, "a", auth.Ignore)
	f(`{"ACL":{"pub":["a"]}}`, pub, "a", auth.Ignore)
	f(`{"acl":{}}`, pub, "a", auth.Deny)
	f(`{"acl":{"pub":[],"sub":null}}`, sub, "a", auth.Deny)
	f(`{"acl":{"pub":["#"],"more":1}}`, pub, "a", auth.Allow)
	f(`{"acl":{"pub":["a/#/b","","b"]}}`, pub, "b", auth.Allow)
	f(`{"acl":{"pub":["a/#/b"]}}`, pub, "a/#/b", auth.Deny)
	f(`{"acl":{"all":["#"]}}`, sub, "$SYS/#", auth.Deny)

	for _, bad := range []string{`null`, `[]`, `["a"]`, `"a"`, `1`, `{"pub":"a"}`, `{"pub":[1]}`, `{"sub":{"a":1}}`} {
		if a := authenticate(t, set, says(`{"acl":`+bad+`}`)); a.Verdict != auth.Deny || a.Rights != nil {
			t.Errorf("the claim %s: got %+v, want a refusal", bad, a)
		}
	}

	named := newTokens(t, "auth.jwt.secret = "+secret+"; acl_claim_name = topics", nil)
	if a := authenticate(t, named, says(`{"topics":{"pub":["a"]},"acl":1}`)); a.Rights == nil {
		t.Errorf("another name: got %+v", a)
	}
}

// TestRightsAreExplained says which entry of the claim it was, and takes no
// memory for that.
func TestRightsAreExplained(t *testing.T) {
	set := newTokens(t, "auth.jwt.secret = "+secret, nil)
	client := alice()
	client.Rights = authenticate(t, set, says(`{"acl":{"pub":["up/%c/#"],"sub":["eq #"],"all":["chat/+"]}}`)).Rights
	f := func(action auth.Action, topic, want string) {
		t.Helper()
		r := &auth.Request{Client: client, Action: action, Topic: topic}
		a, err := set.Authorize(t.Context(), r)
		if err != nil || a.Rule == nil {
			t.Fatalf("%s: %+v %v", topic, a, err)
		}
		if rule, where := a.Rule.Explain(); rule != want || where != "ACL claim of the token" {
			t.Errorf("%s: %s in %s, want %s", topic, rule, where, want)
		}
		if n := testing.AllocsPerRun(100, func() { set.Authorize(context.Background(), r) }); n != 0 {
			t.Errorf("%s: %v allocations", topic, n)
		}
	}
	f(auth.Publish, "up/c1/a", "pub up/%c/#")
	f(auth.Subscribe, "#", "sub eq #")
	f(auth.Publish, "chat/1", "all chat/+")
	f(auth.Subscribe, "chat/1", "all chat/+")
	f(auth.Publish, "other", "the claim has nothing that allows it")
	expired := *client.Rights.(*rights)
	expired.expires = 1
	client.Rights = &expired
	f(auth.Publish, "chat/1", "the token has expired")
}

// TestRightsOfOthers has a client whom another provider let in.
func TestRightsOfOthers(t *testing.T) {
	set := newTokens(t, "auth.jwt.secret = "+secret, nil)
	for _, rights := range []any{nil, "text", struct{}{}} {
		client := alice()
		client.Rights = rights
		a, err := set.Authorize(t.Context(), &auth.Request{Client: client, Topic: "a"})
		if a != (auth.Answer{}) || err != nil {
			t.Errorf("%v: got %+v %v", rights, a, err)
		}
	}
}

func TestRightsEndWithTheToken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		set := newTokens(t, "auth.jwt.secret = "+secret+"; disconnect_after_expire = off", nil)
		client := alice()
		client.Rights = authenticate(t, set, says(`{"exp":946684801,"acl":{"all":["a"]}}`)).Rights
		f := func(want auth.Verdict) {
			t.Helper()
			a, err := set.Authorize(t.Context(), &auth.Request{Client: client, Topic: "a"})
			if a.Verdict != want || err != nil {
				t.Errorf("at %v: got %s %v", time.Now(), verdicts[a.Verdict], err)
			}
		}
		f(auth.Allow)
		time.Sleep(999 * time.Millisecond)
		f(auth.Allow)
		time.Sleep(time.Millisecond)
		f(auth.Deny)
	})
}
