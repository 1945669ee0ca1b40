package engine

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// TestLeave: a member that leaves goes on alone and empty, the others keep all.
func TestLeave(t *testing.T) {
	t.Parallel()
	all := together(t, node(t, "a"), node(t, "b"))
	a, b := all[0], all[1]
	l, m := openLog(t, a, "l", LogOptions{Shards: 1}), openMap(t, a, "m")
	lb, mb := openLog(t, b, "l", LogOptions{Shards: 1}), openMap(t, b, "m")
	var grown atomic.Bool
	lb.OnGrowth(func(shard int) { grown.Store(shard == 0) })
	kept(t, l, "t", 0, 100)
	put(t, m, "k", "v")
	copied(t, all...)
	eventually(t, "news of the log", grown.Load)
	lb.OnGrowth(nil)
	var mu sync.Mutex
	seen := make(map[string]string)
	stop, err := mb.Watch(func(c Change) {
		mu.Lock()
		defer mu.Unlock()
		if c.Deleted {
			delete(seen, c.Key)
		} else if !c.Current {
			seen[c.Key] = string(c.Value)
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	defer stop()
	var gone []string
	b.OnMember(func(m Member) {
		mu.Lock()
		defer mu.Unlock()
		if m.Left {
			gone = append(gone, m.Node)
		}
	})
	if err := a.Leave(within(t)); err != nil {
		t.Fatal(err)
	}
	eventually(t, "b is the only one, and told so", func() bool {
		mu.Lock()
		defer mu.Unlock()
		return len(b.Members()) == 1 && len(gone) == 1 && gone[0] == "a"
	})
	if err := a.Copied(within(t)); err != nil {
		t.Error("a node alone has all of its copies", err)
	}
	if err := b.Leave(within(t)); !errors.Is(err, errIsAlone) {
		t.Error(err)
	}
	kept(t, lb, "t", 100, 150)
	holds(t, b, lb, 150)
	put(t, mb, "k2", "w")
	eventually(t, "the watch goes on", func() bool {
		mu.Lock()
		defer mu.Unlock()
		return seen["k"] == "v" && seen["k2"] == "w"
	})
	if _, last := l.Bounds(0); last != 0 {
		t.Errorf("the node that left has %d entries", last)
	}
	kept(t, l, "t", 0, 10)
	holds(t, a, l, 10)
	expect(t, m)
	// and comes again
	if err := a.Join(within(t), b.o.Cluster.Door); err != nil {
		t.Fatal(err)
	}
	copied(t, a, b)
	holds(t, a, l, 150)
	eventually(t, "the map again", func() bool { v, _, err := m.Get("k2"); return err == nil && string(v) == "w" })
}

func TestPeers(t *testing.T) {
	t.Parallel()
	oa, ob := node(t, "a"), node(t, "b")
	a, b := start(t, oa), start(t, ob)
	got := make(chan string, 10000)
	if err := b.Handle("talk", func(from string, data []byte) []byte {
		got <- from + " " + string(data)
		return append([]byte("re: "), data...)
	}); err != nil {
		t.Fatal(err)
	}
	later := make(chan func([]byte), 2)
	if err := b.HandleLater("later", func(_ string, data []byte, reply func([]byte)) {
		if len(data) == 0 {
			reply(nil)
			return
		}
		later <- func(more []byte) { reply(append(data, more...)) }
	}); err != nil {
		t.Fatal(err)
	}
	says(t, a.Send("nobody", "talk", nil), "no such member", "nobody")
	if err := b.Join(within(t), oa.Cluster.Door); err != nil {
		t.Fatal(err)
	}
	to, from := b.Self().ID, a.Self().ID
	eventually(t, "a sees b", func() bool { return len(a.Members()) == 2 && a.Members()[1].Alive && a.Members()[0].Alive })
	eventually(t, "an answer", func() bool {
		ctx, cancel := context.WithTimeout(within(t), time.Second)
		defer cancel()
		answer, err := a.Request(ctx, to, "talk", []byte("x"))
		return err == nil && string(answer) == "re: x"
	})
	eventually(t, "an answer of the other handler", func() bool {
		ctx, cancel := context.WithTimeout(within(t), time.Second)
		defer cancel()
		_, err := a.Request(ctx, to, "later", nil)
		return err == nil
	})
	for len(got) > 0 {
		<-got
	}
	for i := range 1000 {
		if err := a.Send(to, "talk", []byte{byte(i), byte(i >> 8)}); err != nil {
			t.Fatal(err)
		}
	}
	for i := range 1000 {
		if want, is := from+" "+string([]byte{byte(i), byte(i >> 8)}), <-got; is != want {
			t.Fatalf("message %d: %q", i, is)
		}
	}
	if err := errors.Join(a.Broadcast("talk", []byte("all")), b.Broadcast("talk", []byte("me not"))); err != nil {
		t.Fatal(err)
	}
	if is := <-got; is != from+" all" {
		t.Error(is)
	}
	answers := make(chan string, 2)
	for range 2 { // the second is heard while the first has no answer yet
		go func() {
			answer, err := a.Request(within(t), to, "later", []byte("x"))
			answers <- fmt.Sprint(string(answer), " ", err)
		}()
	}
	first, second := <-later, <-later
	second([]byte("y"))
	first([]byte("y"))
	for range 2 {
		if is := <-answers; is != "xy <nil>" {
			t.Error(is)
		}
	}
	says(t, a.Handle("Talk", nil), "kind")
	says(t, b.Handle("talk", nil), "have a handler")
}

// TestDeleteIf: of two nodes that remove and renew a record at the same time the
// one that renews it has the last word.
func TestDeleteIf(t *testing.T) {
	all := together(t, node(t, "a"), node(t, "b"))
	a, b := openMap(t, all[0], "m"), openMap(t, all[1], "m")
	put(t, a, "k", "over")
	put(t, a, "other", "over")
	if err := b.DeleteIf("k", func([]byte) bool { put(t, a, "k", "renewed"); return true }); err != nil {
		t.Error(err)
	}
	eventually(t, "the other is there", func() bool { _, ok, err := b.Get("other"); return ok && err == nil })
	if err := b.DeleteIf("other", func(v []byte) bool { return string(v) == "over" }); err != nil {
		t.Error(err)
	}
	for _, m := range []*Map{a, b} {
		eventually(t, "what was over is gone, and what was renewed is there", func() bool {
			v, ok, err := m.Get("k")
			_, other, err2 := m.Get("other")
			return ok && !other && errors.Join(err, err2) == nil && string(v) == "renewed"
		})
	}
}

// TestStranger: who doesn't have the cookie gets nothing from either port, and
// the cookie is not on the wire.
func TestStranger(t *testing.T) {
	t.Parallel()
	oa := node(t, "a")
	a, b := start(t, oa), start(t, node(t, "b"))
	if err := b.Join(within(t), oa.Cluster.Door); err != nil {
		t.Fatal(err)
	}
	o := node(t, "stranger")
	o.Cluster.Cookie = "another cookie"
	stranger := start(t, o)
	says(t, stranger.Join(within(t), oa.Cluster.Door), "can't be asked", oa.Cluster.Door)
	o = node(t, "other")
	o.Cluster.Name = "other"
	says(t, start(t, o).Join(within(t), oa.Cluster.Door), "another cluster")

	// Plain text, and TLS with somebody else's certificate.
	for _, where := range []string{oa.Cluster.Door, oa.Cluster.Address} {
		if said := talk(t, where, nil); bytes.Contains(said, []byte("a cookie")) || bytes.Contains(said, []byte("members")) {
			t.Errorf("%s says %q in plain text", where, said)
		}
	}
	conf := stranger.cluster.secret.tls.Clone()
	conf.InsecureSkipVerify = true
	if said := talk(t, oa.Cluster.Door, conf); len(said) > 0 {
		t.Errorf("the door says %q to a stranger", said)
	}

	// A server that speaks the protocol and has a wrong secret.
	stranger.cluster.o.Name = oa.Cluster.Name
	so := stranger.options(t.TempDir())
	stranger.asMember(so, "stranger", "127.0.0.1", -1)
	so.Routes = append(so.Routes, stranger.cluster.route(oa.Cluster.Address))
	s, err := stranger.serve(so)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { s.Shutdown(); s.WaitForShutdown() }()
	time.Sleep(2 * time.Second) // it tries once a second
	if n := s.NumRoutes(); n != 0 {
		t.Errorf("a stranger has %d connections", n)
	}
	if len(a.Members()) != 2 {
		t.Error(a.Members())
	}
}

// talk says something to a port and returns what it answers within a second.
func talk(t *testing.T, where string, conf *tls.Config) []byte {
	t.Helper()
	conn, err := net.Dial("tcp", where)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(time.Second)); err != nil {
		t.Fatal(err)
	}
	if conf != nil {
		conn = tls.Client(conn, conf)
	}
	if _, err := io.WriteString(conn, "GET /member HTTP/1.0\r\n\r\nCONNECT {}\r\nPING\r\n"); err != nil {
		return nil
	}
	said, err := io.ReadAll(conn)
	if err != nil && !strings.Contains(err.Error(), "timeout") {
		return nil
	}
	return said
}
