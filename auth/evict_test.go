package auth

import (
	"fmt"
	"net/netip"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/dunlin-mq/dunlin/keep/keeptest"
)

// evicted notes whose connections are to end.
type evicted struct {
	mu  sync.Mutex
	log []string
}

func (e *evicted) evict(ids []string, banned func(*Client) bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	text := fmt.Sprint(ids)
	for _, who := range []Client{
		{ClientID: "c", Username: "ann", Peer: netip.MustParseAddrPort("192.0.2.1:1")}, {Username: "bob", Peer: netip.MustParseAddrPort("10.0.0.9:1")},
	} {
		if banned != nil && banned(&who) {
			text += " " + who.Username
		}
	}
	e.log = append(e.log, text)
}

// Bans that begin end connections on every node, whichever has made them.
func TestEvict(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := keeptest.New()
		here, there := New(Options{Bans: k}), New(Options{Bans: k.Node()})
		defer here.Close()
		defer there.Close()
		mustAdd(t, here.Bans(), Ban{Kind: BanClientID, Who: "before"})
		var a, b evicted
		here.OnBan(a.evict)
		there.OnBan(b.evict)
		expect := func(want string, all ...Ban) {
			t.Helper()
			for i, err := range here.Bans().AddAll(all) {
				if err != nil {
					t.Fatal(all[i], err)
				}
			}
			synctest.Wait()
			for _, e := range []*evicted{&a, &b} {
				if got := fmt.Sprint(e.log); got != want {
					t.Errorf("%+v: %s, want %s", all, got, want)
				}
				e.log = nil
			}
		}
		now := time.Now()
		expect("[[c]]", Ban{Kind: BanClientID, Who: "c"})
		expect("[[] ann]", Ban{Kind: BanUsername, Who: "ann", Until: now.Add(time.Hour)})
		expect("[[] bob]", Ban{Kind: BanPeerHost, Who: "10.0.0.0/8"})
		expect("[]", Ban{Kind: BanClientID, Who: "over", Until: now.Add(-1)})
		expect("[]", Ban{Kind: BanClientID, Who: "often", By: flappingDetector})
		if _, err := here.Bans().Remove(BanClientID, "c"); err != nil {
			t.Fatal(err)
		}
		expect("[]")
	})
}

// What comes while connections are being ended is done at once afterwards.
func TestEvictMany(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := New(Options{})
		defer c.Close()
		var e evicted
		begun, goOn := make(chan struct{}), make(chan struct{})
		calls := 0
		c.OnBan(func(ids []string, banned func(*Client) bool) {
			if calls++; calls == 1 {
				close(begun)
				<-goOn
			}
			e.evict(ids, banned)
		})
		mustAdd(t, c.Bans(), Ban{Kind: BanClientID, Who: "first"})
		<-begun
		for i := range 3 {
			mustAdd(t, c.Bans(), Ban{Kind: BanClientID, Who: fmt.Sprint(i)}, Ban{Kind: BanUsername, Who: "ann"})
		}
		close(goOn)
		synctest.Wait()
		if got := fmt.Sprint(e.log); got != "[[first] [0 1 2] ann]" {
			t.Error(got)
		}
	})
}

func TestEvicted(t *testing.T) {
	s, now := following(t, nil), time.Now()
	mustAdd(t, s, Ban{Kind: BanClientID, Who: "often", By: flappingDetector}, Ban{Kind: BanUsername, Who: "ann"})
	for who, want := range map[Client]bool{{ClientID: "often"}: false, {ClientID: "often", Username: "ann"}: true, {ClientID: "other"}: false} {
		if got := s.Evicted(&who, now); got != want {
			t.Errorf("%+v: %v", who, got)
		}
		if got := s.Banned(&who, now); got != (who.ClientID == "often" || want) {
			t.Errorf("%+v: %v banned", who, got)
		}
	}
}

// A node that knows of a ban's end, and not yet that it was renewed, must not
// remove the new one.
func TestSweepOfRenewedBan(t *testing.T) {
	k := keeptest.New()
	s := following(t, k)
	now := time.Now()
	mustAdd(t, s, Ban{Kind: BanClientID, Who: "a", Until: now.Add(-1)}, Ban{Kind: BanClientID, Who: "b", Until: now.Add(-1)})
	k.Hold() // the news is on its way
	renewed := make(chan error)
	go func() {
		renewed <- k.Node().Put("clientid/a", []byte(`{"by":"user"}`))
	}()
	if err := <-renewed; err != nil {
		t.Fatal(err)
	}
	if err := s.sweep(now); err != nil {
		t.Fatal(err)
	}
	k.Release()
	if keys := k.Keys(); len(keys) != 1 || keys[0] != "clientid/a" {
		t.Error(keys)
	}
}
