package query_test

import (
	"context"
	"crypto/sha1"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"github.com/dunlin-mq/dunlin/auth"
	"github.com/dunlin-mq/dunlin/auth/query"
	"github.com/dunlin-mq/dunlin/connector"
	"github.com/dunlin-mq/dunlin/connector/ldap"
	"github.com/dunlin-mq/dunlin/connector/mongodb"
	"github.com/dunlin-mq/dunlin/connector/redis"
	"github.com/dunlin-mq/dunlin/internal/peers"
)

// hostileNames are user names that mean something to one store or another.
// Nobody of them has an account.
var hostileNames = []string{
	"*", "mqttuser*", "a b", `a"b`, "a'b", "$ne", `{"$ne": null}`, "%u", "%c", "${user}", "${device_dn}", "mqttuser0001)(uid=*",
	"*)(objectClass=*", "mqttuser0001,ou=device,dc=emqx,dc=io", "x+uid=mqttuser0001", `\2a`, "#", " mqttuser0001 x", "a;b", "a\r\nFLUSHALL\r\n",
	"ü", "a/b", "+", "a\x01b", "mqttuser0001 password\r\nHMGET mqtt_user:mqttuser0001", "mqtt_user:mqttuser0001",
}

// shared is what a provider with the account mqttuser0001, password public, has
// to do whatever its store is. It may publish to pub/# and subscribe to sub/+.
func shared(t *testing.T, p auth.Provider, s *peers.Server) {
	t.Helper()
	const user = "mqttuser0001"
	owner := auth.Client{Username: user, ClientID: "c1"}
	authenticates(t, p, user, "public", auth.Allow)
	authenticates(t, p, user, "private", auth.Deny)
	authenticates(t, p, user, "", auth.Deny)
	authenticates(t, p, "stranger", "public", auth.Ignore)
	authenticates(t, p, "", "public", auth.Ignore)
	authorizes(t, p, owner, auth.Publish, "pub/1/2", auth.Allow)
	authorizes(t, p, owner, auth.Subscribe, "sub/+", auth.Allow)
	authorizes(t, p, auth.Client{Username: "stranger"}, auth.Publish, "pub/1", auth.Ignore)
	for _, name := range hostileNames {
		authenticates(t, p, name, "public", auth.Ignore)
		authorizes(t, p, auth.Client{Username: name, ClientID: name}, auth.Publish, "pub/1", auth.Ignore)
	}

	var wg sync.WaitGroup
	for range 200 {
		wg.Go(func() {
			authenticates(t, p, user, "public", auth.Allow)
			authorizes(t, p, owner, auth.Publish, "pub/1", auth.Allow)
		})
	}
	wg.Wait()

	s.Pause()
	unanswered(t, p, "paused")
	s.Resume()
	returns(t, p)
	s.Kill()
	unanswered(t, p, "killed")
}

// unanswered asks a server that doesn't answer: that must be an error, and no
// verdict, when the time is over.
func unanswered(t *testing.T, p auth.Provider, how string) {
	t.Helper()
	for name, ask := range map[string]func(context.Context, *auth.Request) (auth.Answer, error){"authenticate": p.Authenticate, "authorize": p.Authorize} {
		ctx, cancel := context.WithTimeout(t.Context(), 400*time.Millisecond)
		start := time.Now()
		answer, err := ask(ctx, who("mqttuser0001", "public"))
		cancel()
		if !errors.Is(err, connector.ErrNotConnected) || (answer != auth.Answer{}) || time.Since(start) > 20*time.Second {
			t.Errorf("%s, %s: %+v, %v after %v", how, name, answer, err, time.Since(start))
		}
	}
}

// returns waits until the provider answers again.
func returns(t *testing.T, p auth.Provider) {
	t.Helper()
	var err error
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		var answer auth.Answer
		answer, err = p.Authenticate(ctx, who("mqttuser0001", "public"))
		cancel()
		if err == nil && answer.Verdict == auth.Allow {
			return
		}
	}
	t.Fatalf("it doesn't come back: %v", err)
}

func address(s *peers.Server) connector.Address {
	return connector.Address{Host: s.Host, Port: uint16(s.Port)}
}

func ends(t *testing.T, c interface{ Close() error }) {
	t.Cleanup(func() {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	})
}

func TestRedisServer(t *testing.T) {
	s := peers.Redis(t, peers.RedisOptions{Password: "secret"})
	db, err := redis.New(redis.Config{Type: "single", Servers: []connector.Address{address(s)}, Pool: 8, Password: "secret"})
	if err != nil {
		t.Fatal(err)
	}
	ends(t, db)
	do := func(args ...string) {
		t.Helper()
		if _, err := db.Do(t.Context(), args...); err != nil {
			t.Fatal(err)
		}
	}
	use := func(hash string, change func(*query.Redis)) auth.Provider {
		t.Helper()
		var c query.Redis
		c.SetDefaults()
		if hash != "" {
			c.PasswordHash, err = auth.ParseHash(hash)
		}
		if err != nil {
			t.Fatal(err)
		}
		if change != nil {
			change(&c)
		}
		return query.NewRedis(c, db, auth.NewPasswords(), nil)
	}
	p := use("", nil)
	do("HSET", "mqtt_user:mqttuser0001", "password", "public")
	do("HSET", "mqtt_acl:mqttuser0001", "pub/#", "2", "sub/+", "1", "both", "3")
	authorizes(t, p, auth.Client{Username: "mqttuser0001"}, auth.Publish, "sub/1", auth.Deny)
	authorizes(t, p, auth.Client{Username: "mqttuser0001"}, auth.Subscribe, "both", auth.Allow)

	do("HSET", "mqtt_user:root", "password", "public", "is_superuser", "1")
	if !authenticates(t, p, "root", "public", auth.Allow).Superuser || authenticates(t, p, "mqttuser0001", "public", auth.Allow).Superuser {
		t.Error("root, and root alone, is a superuser")
	}
	salted := use("salt,sha256", func(c *query.Redis) { c.AuthCmd = "HMGET mqtt_user:%u password salt" })
	h, err := auth.ParseHash("salt,sha256")
	if err != nil {
		t.Fatal(err)
	}
	stored, salt, err := h.Make([]byte("public"))
	if err != nil {
		t.Fatal(err)
	}
	do("HSET", "mqtt_user:salted", "password", stored, "salt", salt)
	authenticates(t, salted, "salted", "public", auth.Allow)
	authenticates(t, salted, "salted", stored, auth.Deny)

	// With the other sample of EMQ X the shipped super_cmd can't work, which
	// must not keep anybody out.
	do("SET", "word:bob", "public")
	words := use("", func(c *query.Redis) { c.AuthCmd, c.SuperCmd = "GET word:%u", "HGET word:%u is_superuser" })
	authenticates(t, words, "bob", "public", auth.Allow)
	if _, err := use("", func(c *query.Redis) { c.AuthCmd = "HMGET word:%u password" }).Authenticate(t.Context(), who("bob", "public")); !connector.IsPermanent(err) {
		t.Errorf("a command that can't work: %v", err)
	}
	do("SET", "mqtt_user:a b", "x") // blanks stay in the key
	authenticates(t, use("", func(c *query.Redis) { c.AuthCmd, c.SuperCmd = "GET mqtt_user:%u", "" }), "a b", "x", auth.Allow)
	do("DEL", "mqtt_user:a b")
	shared(t, p, s)
}

func TestMongoServer(t *testing.T) {
	s := peers.Mongo(t, peers.MongoOptions{})
	var cfg mongodb.Config
	cfg.SetDefaults()
	cfg.Topology.SetDefaults()
	cfg.Servers, cfg.Username, cfg.Password, cfg.AuthSource = []connector.Address{address(s)}, peers.MongoUser, peers.MongoPassword, "admin"
	db, err := mongodb.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	ends(t, db)
	insert := documents(t, s)
	const sha256Public = "efa1f375d76194fa51a3556a97e641e61685f914d446979da50a551a4333ffd7"
	insert("mqtt_user",
		bson.M{"username": "mqttuser0001", "password": sha256Public, "salt": "s", "is_superuser": false},
		bson.M{"username": "root", "password": sha256Public, "is_superuser": true, "created": time.Now()},
		bson.M{"username": "nopassword"},
	)
	insert("mqtt_acl",
		bson.M{"username": "mqttuser0001", "clientid": "c1", "publish": bson.A{"pub/#"}, "subscribe": bson.A{"sub/+", "eq #"}, "pubsub": bson.A{"both/%c"}},
		bson.M{"username": "$all", "clientid": "$all", "subscribe": bson.A{"news"}},
	)
	use := func(change func(*query.MongoDB)) auth.Provider {
		var c query.MongoDB
		c.SetDefaults()
		if change != nil {
			change(&c)
		}
		return query.NewMongoDB(c, db, auth.NewPasswords(), nil)
	}
	p := use(nil)
	if !authenticates(t, p, "root", "public", auth.Allow).Superuser || authenticates(t, p, "mqttuser0001", "public", auth.Allow).Superuser {
		t.Error("root, and root alone, is a superuser")
	}
	authenticates(t, p, "nopassword", "public", auth.Deny)
	owner := auth.Client{Username: "mqttuser0001", ClientID: "c1"}
	authorizes(t, p, owner, auth.Subscribe, "pub/1", auth.Deny)
	authorizes(t, p, owner, auth.Subscribe, "#", auth.Allow)
	authorizes(t, p, owner, auth.Publish, "both/c1", auth.Allow)
	authorizes(t, p, owner, auth.Subscribe, "news", auth.Deny)

	everybody := use(func(c *query.MongoDB) {
		c.ACL.Selectors = map[string]query.Selector{"1": {{Name: "username", Value: "%u"}}, "2": {{Name: "username", Value: "$all"}}}
	})
	authorizes(t, everybody, owner, auth.Subscribe, "news", auth.Allow)
	authorizes(t, everybody, owner, auth.Publish, "pub/1", auth.Allow)
	authorizes(t, everybody, auth.Client{Username: "stranger"}, auth.Subscribe, "news", auth.Allow)
	authorizes(t, everybody, auth.Client{Username: "stranger"}, auth.Subscribe, "olds", auth.Deny)
	both := use(func(c *query.MongoDB) {
		c.ACL.Selector = query.Selector{{Name: "username", Value: "%u"}, {Name: "clientid", Value: "%c"}}
	})
	authorizes(t, both, owner, auth.Publish, "pub/1", auth.Allow)
	authorizes(t, both, auth.Client{Username: "mqttuser0001", ClientID: "c2"}, auth.Publish, "pub/1", auth.Ignore)
	missing := use(func(c *query.MongoDB) { c.Auth.Collection, c.ACL.Collection = "nosuch", "nosuch" })
	authenticates(t, missing, "mqttuser0001", "public", auth.Ignore)
	authorizes(t, missing, owner, auth.Publish, "pub/1", auth.Ignore)
	shared(t, p, s)
}

// documents returns what puts documents into collections of the database mqtt.
func documents(t *testing.T, s *peers.Server) func(collection string, docs ...any) {
	t.Helper()
	login := options.Credential{Username: peers.MongoUser, Password: peers.MongoPassword, AuthSource: "admin"}
	client, err := mongo.Connect(options.Client().SetHosts([]string{s.Addr()}).SetAuth(login).SetDirect(true))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { client.Disconnect(context.Background()) }) // fails: the server is gone
	return func(collection string, docs ...any) {
		t.Helper()
		if _, err := client.Database("mqtt").Collection(collection).InsertMany(t.Context(), docs); err != nil {
			t.Fatal(err)
		}
	}
}

// person is one of EMQ X's demo entries.
func person(name string, lines ...string) string {
	return fmt.Sprintf("dn: uid=%s,ou=device,dc=emqx,dc=io\nobjectClass: top\nobjectClass: mqttUser\nobjectClass: mqttDevice\n"+
		"objectClass: mqttSecurity\nuid: %[1]s\n%s\n\n", name, strings.Join(lines, "\n"))
}

// shaOf is how userPassword has a password of the demo entries.
func shaOf(password string) string {
	sum := sha1.Sum([]byte(password))
	return "{SHA}" + base64.StdEncoding.EncodeToString(sum[:])
}

func TestLDAPServer(t *testing.T) {
	s := peers.LDAP(t, peers.LDAPOptions{LDIF: "dn: ou=device,dc=emqx,dc=io\nobjectClass: organizationalUnit\nou: device\n\n" +
		person("mqttuser0001", "isEnabled: TRUE", "mqttAccountName: user1", "userPassword: public",
			"mqttPublishTopic: pub/1", "mqttPublishTopic: pub/+", "mqttPublishTopic: pub/#",
			"mqttSubscriptionTopic: sub/1", "mqttSubscriptionTopic: sub/+", "mqttPubSubTopic: both/%u") +
		person("off", "isEnabled: FALSE", "userPassword: public", "mqttPubSubTopic: #") +
		person("sha", "userPassword: "+shaOf("public")) +
		person("base64", "userPassword: "+base64.StdEncoding.EncodeToString([]byte(shaOf("public")))) +
		person("nopassword", "mqttPublishTopic: a") +
		"dn: uid=alien,ou=device,dc=emqx,dc=io\nobjectClass: mqttDevice\nobjectClass: mqttSecurity\nuid: alien\nuserPassword: public\n\n"})
	var cfg ldap.Config
	cfg.SetDefaults()
	cfg.Servers = []connector.Address{address(s)}
	d, err := ldap.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	ends(t, d)
	use := func(change func(*query.LDAP)) auth.Provider {
		var c query.LDAP
		c.SetDefaults()
		if change != nil {
			change(&c)
		}
		return query.NewLDAP(c, d, nil)
	}
	compare, bind := use(nil), use(func(c *query.LDAP) { c.BindAsUser = true })
	for _, p := range []auth.Provider{compare, bind} {
		authenticates(t, p, "mqttuser0001", "public", auth.Allow)
		authenticates(t, p, "mqttuser0001", "private", auth.Deny)
		authenticates(t, p, "mqttuser0001", "", auth.Deny)
		authenticates(t, p, "off", "public", auth.Deny)
		authenticates(t, p, "sha", "public", auth.Allow)
		authenticates(t, p, "sha", shaOf("public"), auth.Deny)
		authenticates(t, p, "nopassword", "public", auth.Deny)
		authenticates(t, p, "nopassword", "", auth.Deny)
		authenticates(t, p, "alien", "public", auth.Ignore) // not of the class
		for _, name := range hostileNames {
			authenticates(t, p, name, "public", auth.Ignore)
		}
	}
	authenticates(t, compare, "base64", "public", auth.Allow)
	owner := auth.Client{Username: "mqttuser0001", ClientID: "c1"}
	authorizes(t, compare, owner, auth.Publish, "both/mqttuser0001", auth.Allow)
	authorizes(t, compare, owner, auth.Subscribe, "both/mqttuser0001", auth.Allow)
	authorizes(t, compare, owner, auth.Subscribe, "pub/1", auth.Ignore)
	authorizes(t, compare, auth.Client{Username: "off"}, auth.Publish, "a", auth.Deny)

	byAccount := use(func(c *query.LDAP) {
		c.BaseDN = "${device_dn}"
		c.Filters = map[string]query.LDAPFilter{"1": {Key: "mqttAccountName", Value: "${user}", Op: "and"}}
	})
	authenticates(t, byAccount, "user1", "public", auth.Allow)
	authenticates(t, byAccount, "mqttuser0001", "public", auth.Ignore)
	for _, name := range hostileNames {
		authenticates(t, byAccount, name, "public", auth.Ignore)
	}
	several := use(func(c *query.LDAP) {
		c.BaseDN = "${device_dn}"
		c.Filters = map[string]query.LDAPFilter{"1": {Key: "uid", Value: "${user}", Op: "or"}, "2": {Key: "isEnabled", Value: "TRUE"}}
	})
	if answer, err := several.Authenticate(t.Context(), who("sha", "public")); err == nil || answer.Verdict != auth.Ignore {
		t.Errorf("two entries for one name: %+v, %v", answer, err)
	}
	elsewhere := use(func(c *query.LDAP) { c.DeviceDN = "ou=nowhere,dc=emqx,dc=io" })
	authenticates(t, elsewhere, "mqttuser0001", "public", auth.Ignore)
	peers.LDAPModify(t, s, "dn: uid=sha,ou=device,dc=emqx,dc=io\nchangetype: modify\nreplace: isEnabled\nisEnabled: FALSE\n")
	authenticates(t, compare, "sha", "public", auth.Deny) // nothing is kept
	shared(t, compare, s)
	s.Start()
	returns(t, bind)
}
