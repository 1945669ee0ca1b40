package dunlin_test

import (
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"github.com/dunlin-mq/dunlin/internal/peers"
)

// docsServers are the servers that pages may have beside them, each at its usual port, with the logins the pages use.
var docsServers = map[string]struct {
	port  string
	start func(t *testing.T)
}{
	"http":     {"", startDocsHTTP},
	"mysql":    {"3306", func(t *testing.T) { peers.MySQL8(t).Exec("alter user dunlin identified by 'secret'") }},
	"postgres": {"5432", func(t *testing.T) { peers.Postgres(t).Exec("alter user dunlin password 'secret'") }},
	"redis":    {"6379", func(t *testing.T) { peers.Redis(t, peers.RedisOptions{}) }},
	"mongodb":  {"27017", startDocsMongo},
	"ldap":     {"3389", func(t *testing.T) { peers.LDAP(t, peers.LDAPOptions{}) }},
}

// serve starts a server in the namespace of the page, and waits until it is ready.
func (s *shell) serve(name string) {
	s.t.Helper()
	server, known := docsServers[name]
	self, err := os.Executable()
	if err != nil || !known {
		s.t.Fatalf("a server %q: %v", name, err)
	}
	here, err := os.Getwd()
	if err != nil {
		s.t.Fatal(err)
	}
	ready := filepath.Join(s.dir, "ready")
	s.send("(cd %s && TMPDIR=%s DOCS_SERVER=%s DOCS_READY=%s PEERS_PORT=%s DUNLIN_REQUIRE_PEERS=%s PATH=$PATH:/usr/sbin:/sbin %s -test.v -test.run '^TestDocsServer$' >%s.log 2>&1 &)\n",
		here, s.tmp, name, ready, server.port, os.Getenv("DUNLIN_REQUIRE_PEERS"), self, ready)
	for end := time.Now().Add(4 * docsDeadline); ; time.Sleep(20 * time.Millisecond) {
		if exists(ready) {
			return
		}
		log, err := os.ReadFile(ready + ".log")
		switch {
		case err == nil && strings.Contains(string(log), "--- SKIP") && os.Getenv("DUNLIN_REQUIRE_PEERS") != "1":
			s.t.Skipf("%s", log)
		case err == nil && strings.Contains(string(log), "--- "), time.Now().After(end):
			s.t.Fatalf("%s doesn't start:\n%s", name, log)
		}
	}
}

// TestDocsServer is no test: it is how serve runs a server, as a process of its own, until the page ends.
func TestDocsServer(t *testing.T) {
	server, asked := docsServers[os.Getenv("DOCS_SERVER")]
	if !asked {
		return
	}
	server.start(t)
	if err := os.WriteFile(os.Getenv("DOCS_READY"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, syscall.SIGTERM)
	<-stop
}

// startDocsHTTP is the service of the page: the password is `right`, and `open` is open.
func startDocsHTTP(t *testing.T) {
	mux := http.NewServeMux()
	mux.HandleFunc("POST /mqtt/auth", func(w http.ResponseWriter, r *http.Request) {
		if r.FormValue("password") != "right" {
			w.WriteHeader(http.StatusUnauthorized)
		}
	})
	mux.HandleFunc("GET /mqtt/acl", func(w http.ResponseWriter, r *http.Request) {
		if r.FormValue("topic") != "open" {
			w.WriteHeader(http.StatusForbidden)
		}
	})
	server := &http.Server{Addr: "127.0.0.1:8991", Handler: mux, ReadHeaderTimeout: time.Minute}
	go func() { t.Log(server.ListenAndServe()) }()
	t.Cleanup(func() { server.Close() })
}

// startDocsMongo puts the documents there that the page describes.
func startDocsMongo(t *testing.T) {
	s := peers.Mongo(t, peers.MongoOptions{})
	c, err := mongo.Connect(options.Client().SetHosts([]string{s.Addr()}).
		SetAuth(options.Credential{Username: peers.MongoUser, Password: peers.MongoPassword, AuthSource: "admin"}))
	if err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256([]byte("right"))
	for collection, document := range map[string]bson.M{
		"mqtt_user": {"username": "ann", "password": hex.EncodeToString(sum[:]), "is_superuser": false},
		"mqtt_acl":  {"username": "ann", "publish": bson.A{"open/%u"}, "subscribe": bson.A{"#"}, "pubsub": bson.A{}},
	} {
		if _, err := c.Database("mqtt").Collection(collection).InsertOne(t.Context(), document); err != nil {
			t.Fatal(err)
		}
	}
}
