package query

import (
	"testing"

	"github.com/dunlin-mq/dunlin/auth"
)

// TestAnswersAreExplained by what the store holds.
func TestAnswersAreExplained(t *testing.T) {
	is := func(p auth.Provider, topic, rule, where string) {
		t.Helper()
		a, err := p.Authorize(t.Context(), &auth.Request{Client: bob, Action: auth.Publish, Topic: topic})
		if want := (auth.Because{Rule: rule, Where: where}); err != nil || a.Rule != want {
			t.Errorf("%s: %v %v, want %v", topic, a.Rule, err, want)
		}
	}
	sql := NewMySQL(SQL{ACLQuery: "q"}, &table{rows: [][]any{{1, nil, "bob", nil, 3, "t/#"}, {0, "192.0.2.0/24", nil, "c1", 2, "t/1"}}}, nil, nil)
	is(sql, "t/1", "allow=0 ipaddr=192.0.2.0/24 username= clientid=c1 access=2 topic=t/1", "auth.mysql.acl_query, row 2 of 2")
	is(sql, "t/2", "allow=1 ipaddr= username=bob clientid= access=3 topic=t/#", "auth.mysql.acl_query, row 1 of 2")
	redis := NewRedis(shippedRedis(), &scripted{replies: map[string]any{"HGETALL": []any{"a/%u", "2", "b", "1"}}}, nil, nil)
	is(redis, "a/bob", "a/%u 2", "auth.redis.acl_cmd")
	is(redis, "b", "no rule of the client allows it", "auth.redis.acl_cmd")
	mongodb := NewMongoDB(mongo(t, ""), &collections{has: map[string]any{"mqtt_acl": []doc{{"publish": []any{"a"}, "pubsub": []any{"b/#"}}}}}, nil, nil)
	is(mongodb, "a", "publish a", "auth.mongo.acl_query")
	is(mongodb, "b/1", "pubsub b/#", "auth.mongo.acl_query")
	is(mongodb, "c", "no document of the client allows it", "auth.mongo.acl_query")
	d := &entries{found: []entry{{"dn": {"uid=bob"}, "mqttPublishTopic": {"a", "b/#"}}}}
	ldap := NewLDAP(directory(t, ""), d, nil)
	is(ldap, "b/1", "mqttPublishTopic: b/#", "uid=bob")
	d.found[0]["isEnabled"] = []string{"false"}
	is(ldap, "b/1", "isEnabled: FALSE", "uid=bob")
}
