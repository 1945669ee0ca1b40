package mongodb

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.uber.org/goleak"

	"github.com/dunlin-mq/dunlin/connector"
	"github.com/dunlin-mq/dunlin/internal/peers"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// enough is more than any call takes that gets an answer.
const enough = 20 * time.Second

// login is a configuration for a peer.
func login(s *peers.Server) Config {
	var c Config
	c.SetDefaults()
	c.Topology.SetDefaults()
	c.Servers = []connector.Address{{Host: s.Host, Port: uint16(s.Port)}}
	c.Username, c.Password, c.AuthSource = peers.MongoUser, peers.MongoPassword, "admin"
	return c
}

func connect(t *testing.T, c Config) *Client {
	t.Helper()
	client, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := client.Close(); err != nil {
			t.Error(err)
		}
	})
	return client
}

func within(t *testing.T, d time.Duration) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), d)
	t.Cleanup(cancel)
	return ctx
}

// insert puts documents into the collection things.
func insert(t *testing.T, c *Client, docs ...any) {
	t.Helper()
	client, err := c.connected(t.Context())
	if err == nil {
		_, err = client.Database(c.config.Database).Collection("things").InsertMany(within(t, enough), docs)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// refused asks for a Ping that must fail, and returns how.
func refused(t *testing.T, c *Client, patience time.Duration) error {
	t.Helper()
	start := time.Now()
	err := c.Ping(within(t, patience))
	if err == nil {
		t.Fatal("expected an error, got an answer")
	}
	if took := time.Since(start); took > patience+enough {
		t.Errorf("with %v to answer, the error took %v: %v", patience, took, err)
	}
	if !errors.Is(err, connector.ErrNotConnected) || connector.IsPermanent(err) {
		t.Errorf("%v, want ErrNotConnected", err)
	}
	return err
}

// eventually asks until an answer comes.
func eventually(t *testing.T, c *Client) {
	t.Helper()
	for deadline := time.Now().Add(enough); ; time.Sleep(20 * time.Millisecond) {
		err := c.Ping(within(t, time.Second))
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("no answer in %v: %v", enough, err)
		}
	}
}

func TestFind(t *testing.T) {
	c := connect(t, login(peers.Mongo(t, peers.MongoOptions{})))
	insert(t, c,
		bson.M{"_id": 1, "name": "a", "n": 1, "tags": bson.A{"x", "y"}, "in": bson.D{{Key: "list", Value: bson.A{bson.M{"k": true}}}}},
		bson.M{"_id": 2, "name": "b", "n": 1},
		bson.M{"_id": 3, "name": "*", "n": 2},
		bson.M{"_id": 4, "name": `{"$ne": ""}`, "n": 2},
	)
	find := func(selector map[string]any, limit int, ids ...int32) {
		t.Helper()
		docs, err := c.Find(within(t, enough), "things", selector, limit)
		if err != nil {
			t.Fatal(err)
		}
		var got []int32
		for _, d := range docs {
			got = append(got, d["_id"].(int32))
		}
		if !reflect.DeepEqual(got, ids) {
			t.Errorf("%v finds %v, want %v", selector, got, ids)
		}
	}
	find(map[string]any{"name": "a"}, 0, 1)
	find(map[string]any{"name": "a", "n": 1}, 0, 1)
	find(map[string]any{"name": "a", "n": 2}, 0)
	find(map[string]any{"n": 1}, 0, 1, 2)
	find(map[string]any{"n": 1}, 1, 1)
	find(map[string]any{"tags": "y"}, 0, 1)
	find(map[string]any{"name": "*"}, 0, 3)
	find(map[string]any{"name": `{"$ne": ""}`}, 0, 4)
	find(map[string]any{"name": map[string]any{"$ne": ""}}, 0) // a value, not an operator
	find(map[string]any{"name": "nobody"}, 1)
	find(map[string]any{}, 0, 1, 2, 3, 4)

	docs, err := c.Find(within(t, enough), "things", map[string]any{"_id": 1}, 1)
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]any{
		"_id": int32(1), "name": "a", "n": int32(1), "tags": []any{"x", "y"},
		"in": map[string]any{"list": []any{map[string]any{"k": true}}},
	}
	if !reflect.DeepEqual(docs[0], want) {
		t.Errorf("read %#v, want %#v", docs[0], want)
	}
}

func TestFindWhereNothingIs(t *testing.T) {
	c := connect(t, login(peers.Mongo(t, peers.MongoOptions{})))
	if docs, err := c.Find(within(t, enough), "nosuch", map[string]any{"a": "b"}, 1); err != nil || len(docs) != 0 {
		t.Errorf("a collection that isn't there: %v, %v", docs, err)
	}
	insert(t, c, bson.M{"a": "b"})
	if _, err := c.Find(within(t, enough), "things", map[string]any{"$where": "true"}, 1); !connector.IsPermanent(err) {
		t.Errorf("a selector that is none: %v, want a permanent error", err)
	}
}

func TestFindTooMany(t *testing.T) {
	c := connect(t, login(peers.Mongo(t, peers.MongoOptions{})))
	docs := make([]any, MaxDocuments+1)
	for i := range docs {
		docs[i] = bson.M{"_id": i}
	}
	insert(t, c, docs...)
	if _, err := c.Find(within(t, enough), "things", nil, 0); !connector.IsPermanent(err) || !strings.Contains(err.Error(), "more than 10000") {
		t.Errorf("error %v, want that there are too many", err)
	}
	if found, err := c.Find(within(t, enough), "things", nil, 500); err != nil || len(found) != 500 {
		t.Errorf("500 of them: %d, %v", len(found), err)
	}
}

func TestLogin(t *testing.T) {
	s := peers.Mongo(t, peers.MongoOptions{})
	c := login(s)
	if err := connect(t, c).Ping(within(t, enough)); err != nil {
		t.Error(err)
	}
	for _, change := range []func(*Config){
		func(c *Config) { c.Password = "wrong-one" },
		func(c *Config) { c.Username = "nobody" },
	} {
		c := login(s)
		change(&c)
		if err := refused(t, connect(t, c), enough); strings.Contains(err.Error(), c.Password) || !strings.Contains(err.Error(), s.Addr()) {
			t.Errorf("the error holds the password, or not the server: %v", err)
		}
	}
	c.Username = ""
	if _, err := connect(t, c).Find(within(t, enough), "things", nil, 1); err == nil {
		t.Error("without a login it found something")
	}
}

func TestReplicaSetOfOne(t *testing.T) {
	s := peers.Mongo(t, peers.MongoOptions{ReplicaSet: "rs0"})
	c := login(s)
	c.Type, c.ReplicaSet = "rs", "rs0"
	if err := connect(t, c).Ping(within(t, enough)); err != nil {
		t.Error(err)
	}
	c.ReplicaSet = "other"
	refused(t, connect(t, c), time.Second)
	c.Type = "unknown"
	if err := connect(t, c).Ping(within(t, enough)); err != nil {
		t.Error(err)
	}
}

func TestTLS(t *testing.T) {
	files := peers.NewCertificates(t)
	s := peers.Mongo(t, peers.MongoOptions{TLS: files})
	with := func(tls connector.TLS) *Client {
		c := login(s)
		c.TLS = tls
		return connect(t, c)
	}
	own := connector.TLS{Enable: true, Verify: true, CACertFile: files.CA, CertFile: files.ClientCert, KeyFile: files.ClientKey}
	if err := with(own).Ping(within(t, enough)); err != nil {
		t.Error(err)
	}
	blind := own
	blind.Verify, blind.CACertFile = false, ""
	if err := with(blind).Ping(within(t, enough)); err != nil {
		t.Error(err)
	}
	stranger, anonymous, misnamed := own, own, own
	stranger.CACertFile = files.OtherCA
	anonymous.CertFile, anonymous.KeyFile = "", ""
	misnamed.ServerName = "mongo.example.com"
	for _, tls := range []connector.TLS{stranger, anonymous, misnamed, {}} {
		refused(t, with(tls), 500*time.Millisecond)
	}
}

func TestLostAndFound(t *testing.T) {
	s := peers.Mongo(t, peers.MongoOptions{})
	c := connect(t, login(s))
	eventually(t, c)
	s.Kill()
	for range 3 {
		if err := refused(t, c, 500*time.Millisecond); !strings.Contains(err.Error(), s.Addr()) {
			t.Errorf("%v doesn't say where", err)
		}
	}
	s.Start()
	eventually(t, c)

	s.Pause()
	refused(t, c, 300*time.Millisecond)
	s.Resume()
	eventually(t, c)
}

func TestNotThereAtStart(t *testing.T) {
	s := peers.Mongo(t, peers.MongoOptions{})
	s.Kill()
	c := connect(t, login(s))
	refused(t, c, 300*time.Millisecond)
	s.Start()
	eventually(t, c)
}

func TestQueryTimeout(t *testing.T) {
	s := peers.Mongo(t, peers.MongoOptions{})
	with := login(s)
	with.QueryTimeout = 200 * time.Millisecond
	c := connect(t, with)
	eventually(t, c)
	s.Pause()
	defer s.Resume()
	for _, ctx := range []context.Context{t.Context(), within(t, time.Minute)} {
		start := time.Now()
		if _, err := c.Find(ctx, "things", nil, 1); err == nil || time.Since(start) > enough {
			t.Errorf("after %v: %v", time.Since(start), err)
		}
	}
}

func TestManyAtOnce(t *testing.T) {
	c := connect(t, login(peers.Mongo(t, peers.MongoOptions{})))
	docs := make([]any, 200)
	for i := range docs {
		docs[i] = bson.M{"name": fmt.Sprint("n", i)}
	}
	insert(t, c, docs...)
	var wg sync.WaitGroup
	for i := range docs {
		wg.Go(func() {
			name := fmt.Sprint("n", i)
			found, err := c.Find(within(t, enough), "things", map[string]any{"name": name}, 1)
			if err != nil || len(found) != 1 || found[0]["name"] != name {
				t.Errorf("%s: %v, %v", name, found, err)
			}
		})
	}
	wg.Wait()
}

func TestClose(t *testing.T) {
	c, err := New(login(peers.Mongo(t, peers.MongoOptions{})))
	if err != nil {
		t.Fatal(err)
	}
	eventually(t, c)
	if err := c.Close(); err != nil {
		t.Error(err)
	}
	refused(t, c, enough)
	if err := c.Close(); err != nil {
		t.Error(err)
	}
}
