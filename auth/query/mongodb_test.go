package query

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"reflect"
	"strings"
	"testing"

	"github.com/dunlin-mq/dunlin/auth"
	"github.com/dunlin-mq/dunlin/config"
	"github.com/dunlin-mq/dunlin/mqtt"
)

type doc = map[string]any

// collections is a MongoDB of which each collection brings what it has, an
// error or documents, whatever the selector.
type collections struct {
	has       map[string]any
	selectors []doc
	limits    []int
}

func (c *collections) Find(_ context.Context, collection string, selector map[string]any, limit int) ([]map[string]any, error) {
	c.selectors, c.limits = append(c.selectors, selector), append(c.limits, limit)
	switch has := c.has[collection].(type) {
	case error:
		return nil, has
	case []doc:
		return has, nil
	}
	return nil, nil
}

func loadMongo(text string) (c MongoDB, err error) {
	f, err := config.Parse(strings.NewReader(text), "mongo.conf")
	if err == nil {
		_, err = config.Bind(&c, f.Settings, nil)
	}
	return c, err
}

func mongo(t *testing.T, text string) MongoDB {
	t.Helper()
	c, err := loadMongo(text)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestMongoConfig(t *testing.T) {
	c := mongo(t, `
auth_query.collection = people
auth_query.password_field = pw, salt
auth_query.password_hash = salt,sha256
auth_query.selector = username=%u, clientid=%c
super_query = off
acl_query.selector.2 = username=$all
acl_query.selector.10 = tenant=a
acl_query.selector = username=%u
`)
	if !reflect.DeepEqual(c.Auth, MongoAuth{true, "people", []string{"pw", "salt"}, hash(t, "salt,sha256"), Selector{{"username", "%u"}, {"clientid", "%c"}}}) {
		t.Errorf("auth_query %+v", c.Auth)
	}
	if got := fmt.Sprint(c.ACL.all()); c.Super.On || got != "[username=%u username=$all tenant=a]" {
		t.Errorf("super_query %v, acl_query %s", c.Super.On, got)
	}
	c = mongo(t, "")
	if got := fmt.Sprint(c); got != "{{true mqtt_user [password] sha256 username=%u} {true mqtt_user is_superuser username=%u} {true mqtt_acl  map[]}}" {
		t.Errorf("the defaults are %s", got)
	}
	if got := fmt.Sprint(c.ACL.all()); got != "[username=%u]" {
		t.Errorf("rules are found by %s", got)
	}
	// The default would let in more than the one that is given.
	c = mongo(t, "acl_query.selector.1 = clientid=%c")
	if got := fmt.Sprint(c.ACL.all()); got != "[clientid=%c]" {
		t.Errorf("rules are found by %s", got)
	}
	if p := NewMongoDB(c, nil, nil, nil); p.Name != "mongo" || p.Authenticator == nil || p.Authorizer == nil {
		t.Errorf("with both on: %+v", p)
	}
	if p := NewMongoDB(mongo(t, "auth_query = off\nacl_query = off"), nil, nil, nil); p.Authenticator != nil || p.Authorizer != nil {
		t.Errorf("with both off: %+v", p)
	}
}

func TestMongoConfigMistakes(t *testing.T) {
	wrong := func(line, want string) {
		t.Helper()
		if _, err := loadMongo(line); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want an error with %q", line, err, want)
		}
	}
	for _, s := range []string{"", "username", "=%u", "username=", "username=%u,", "$where=1", "a=b,$or=c"} {
		wrong("auth_query.selector = "+s, "expected fields and values")
	}
	wrong("auth_query.password_hash = salt,md5", "password_field: password_hash = salt,md5 needs the field of the salt")
	wrong("auth_query.password_field =", "expected a field")
	wrong("auth_query.password_field = a,b,c", "found 3")
}

func TestMongoAuthenticate(t *testing.T) {
	const sha256Public = "efa1f375d76194fa51a3556a97e641e61685f914d446979da50a551a4333ffd7"
	for _, tc := range []struct {
		name  string
		found any
		want  auth.Answer
		fails bool
	}{
		{name: "right", found: []doc{{"password": sha256Public}}, want: auth.Answer{Verdict: auth.Allow}},
		{name: "superuser", found: []doc{{"password": sha256Public, "is_superuser": true}}, want: auth.Answer{Verdict: auth.Allow, Superuser: true}},
		{name: "no superuser", found: []doc{{"password": sha256Public, "is_superuser": false}}, want: auth.Answer{Verdict: auth.Allow}},
		{name: "nearly a superuser", found: []doc{{"password": sha256Public, "is_superuser": int32(1)}}, want: auth.Answer{Verdict: auth.Allow}},
		{name: "nearly a superuser too", found: []doc{{"password": sha256Public, "is_superuser": "true"}}, want: auth.Answer{Verdict: auth.Allow}},
		{name: "wrong", found: []doc{{"password": "00", "is_superuser": true}}, want: auth.Answer{Verdict: auth.Deny}},
		{name: "nobody", found: []doc{}, want: auth.Answer{}},
		{name: "no password", found: []doc{{"username": "bob"}}, want: auth.Answer{Verdict: auth.Deny, Code: mqtt.BadUserNameOrPassword}},
		{name: "number", found: []doc{{"password": int32(1)}}, want: auth.Answer{Verdict: auth.Deny, Code: mqtt.BadUserNameOrPassword}},
		{name: "null", found: []doc{{"password": nil}}, want: auth.Answer{Verdict: auth.Deny, Code: mqtt.BadUserNameOrPassword}},
		{name: "down", found: fails{}, fails: true},
	} {
		db := &collections{has: map[string]any{"mqtt_user": tc.found}}
		p := NewMongoDB(mongo(t, ""), db, auth.NewPasswords(), nil)
		got, err := p.Authenticate(t.Context(), &auth.Request{Client: bob, Password: []byte("public")})
		if got != tc.want || (err != nil) != tc.fails {
			t.Errorf("%s: %+v, %v, want %+v", tc.name, got, err, tc.want)
		}
		if !reflect.DeepEqual(db.selectors[0], doc{"username": "bob"}) || db.limits[0] != 1 {
			t.Errorf("%s: asked for %v, %d", tc.name, db.selectors[0], db.limits[0])
		}
	}
}

func TestMongoSalt(t *testing.T) {
	salted := hash(t, "salt,sha256")
	stored, salt, err := salted.Make([]byte("public"))
	if err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		salt any
		want auth.Verdict
	}{{salt, auth.Allow}, {"other", auth.Deny}, {nil, auth.Deny}, {int32(1), auth.Deny}} {
		db := &collections{has: map[string]any{"mqtt_user": []doc{{"password": stored, "salt": tc.salt}}}}
		p := NewMongoDB(mongo(t, "auth_query.password_field = password,salt\nauth_query.password_hash = salt,sha256"), db, auth.NewPasswords(), nil)
		if got, err := p.Authenticate(t.Context(), &auth.Request{Client: bob, Password: []byte("public")}); got.Verdict != tc.want || err != nil {
			t.Errorf("salt %v: %+v, %v", tc.salt, got, err)
		}
	}
}

func TestMongoSuperuserErrors(t *testing.T) {
	var log bytes.Buffer
	ask := func(err error) (auth.Answer, error) {
		db := &collections{has: map[string]any{"mqtt_user": []doc{{"password": "public"}}, "mqtt_super": err}}
		p := NewMongoDB(mongo(t, "auth_query.password_hash = plain\nsuper_query.collection = mqtt_super"), db, auth.NewPasswords(),
			slog.New(slog.NewTextHandler(&log, nil)))
		return p.Authenticate(t.Context(), &auth.Request{Client: bob, Password: []byte("public")})
	}
	if got, err := ask(fails{lasting: true}); err != nil || got.Verdict != auth.Allow || got.Superuser || !strings.Contains(log.String(), "super_query") {
		t.Errorf("a query that can't work: %+v, %v, %s", got, err, &log)
	}
	if got, err := ask(fails{}); err == nil || got.Verdict != auth.Ignore {
		t.Errorf("unanswered: %+v, %v", got, err)
	}
}

func TestMongoSelectors(t *testing.T) {
	ask := func(selector string, c auth.Client) []doc {
		t.Helper()
		db := &collections{}
		p := NewMongoDB(mongo(t, "auth_query.selector = "+selector), db, nil, nil)
		if got, err := p.Authenticate(t.Context(), &auth.Request{Client: &c}); err != nil || got.Verdict != auth.Ignore {
			t.Errorf("%s: %+v, %v", selector, got, err)
		}
		return db.selectors
	}
	is := func(selector string, c auth.Client, want doc) {
		t.Helper()
		if got := ask(selector, c); len(got) != 1 || !reflect.DeepEqual(got[0], want) {
			t.Errorf("%s asks for %v, want %v", selector, got, want)
		}
	}
	is("username=%u,clientid=%c", *bob, doc{"username": "bob", "clientid": "c1"})
	is("username=$all", *bob, doc{"username": "$all"})
	is("username=x%u, type=%a, eq=a=b", *bob, doc{"username": "x%u", "type": "%a", "eq": "a=b"})
	for _, name := range hostile {
		is("username=%u", auth.Client{Username: name}, doc{"username": name})
		is("clientid=%c", auth.Client{ClientID: name}, doc{"clientid": name})
	}
	if got := ask("username=%u,clientid=%c", auth.Client{ClientID: "c1"}); got != nil {
		t.Errorf("without a user name it asks for %v", got)
	}
}

func TestMongoRules(t *testing.T) {
	const pub, sub = auth.Publish, auth.Subscribe
	is := func(found []doc, action auth.Action, name string, want auth.Verdict) {
		t.Helper()
		p := NewMongoDB(mongo(t, ""), &collections{has: map[string]any{"mqtt_acl": found}}, nil, nil)
		if got, err := p.Authorize(t.Context(), &auth.Request{Client: bob, Action: action, Topic: name}); err != nil || got.Verdict != want {
			t.Errorf("%v, %v %s: %+v, %v", found, action, name, got, err)
		}
	}
	list := func(topics ...any) []any { return topics }
	is(nil, pub, "a", auth.Ignore)
	is([]doc{{}}, pub, "a", auth.Deny)
	is([]doc{{"publish": list("a", "b")}}, pub, "b", auth.Allow)
	is([]doc{{"publish": list("a", "b")}}, sub, "b", auth.Deny)
	is([]doc{{"subscribe": list("a/#")}}, sub, "a/+", auth.Allow)
	is([]doc{{"subscribe": list("a/#")}}, pub, "a/b", auth.Deny)
	is([]doc{{"pubsub": list("a")}}, pub, "a", auth.Allow)
	is([]doc{{"pubsub": list("a")}}, sub, "a", auth.Allow)
	is([]doc{{"publish": list("a")}, {"publish": list("b")}}, pub, "b", auth.Allow)
	is([]doc{{"publish": list("d/%u/%c")}}, pub, "d/bob/c1", auth.Allow)
	is([]doc{{"publish": list("d/x%u")}}, pub, "d/xbob", auth.Deny)
	is([]doc{{"subscribe": list("eq #")}}, sub, "#", auth.Allow)
	is([]doc{{"publish": list("a#", int32(1), nil, "c")}}, pub, "c", auth.Allow)
	is([]doc{{"publish": "a"}}, pub, "a", auth.Deny)
}

func TestMongoRulesOfSeveralSelectors(t *testing.T) {
	db := &collections{}
	p := NewMongoDB(mongo(t, "acl_query.selector.1 = username=%u\nacl_query.selector.2 = username=$all\nacl_query.selector.3 = cn=%C"), db, nil, nil)
	if got, err := p.Authorize(t.Context(), &auth.Request{Client: bob, Topic: "a"}); err != nil || got.Verdict != auth.Ignore {
		t.Errorf("%+v, %v", got, err)
	}
	if !reflect.DeepEqual(db.selectors, []doc{{"username": "bob"}, {"username": "$all"}}) || db.limits[0] != 0 {
		t.Errorf("asked for %v, %v", db.selectors, db.limits)
	}
	if got, err := p.Authorize(t.Context(), &auth.Request{Client: &auth.Client{Username: "$all"}, Topic: "a"}); err != nil || got.Verdict != auth.Ignore || len(db.selectors) != 2 {
		t.Errorf("a name that begins with $: %+v, %v", got, err)
	}
	db.has = map[string]any{"mqtt_acl": errors.New("down")}
	if _, err := p.Authorize(t.Context(), &auth.Request{Client: bob, Topic: "a"}); fmt.Sprint(err) != "acl_query: down" {
		t.Errorf("error %v", err)
	}
}
