package auth

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/dunlin-mq/dunlin/keep"
	"github.com/dunlin-mq/dunlin/keep/keeptest"
)

// following makes bans that follow a map.
func following(t *testing.T, m keep.Map) *Bans {
	t.Helper()
	s := newBans(m)
	if err := s.follow(nil); err != nil {
		t.Fatal(err)
	}
	return s
}

func mustAdd(t *testing.T, s *Bans, list ...Ban) {
	t.Helper()
	for _, b := range list {
		if err := s.Add(b); err != nil {
			t.Fatal(err)
		}
	}
}

func from(id, user, addr string) *Client {
	c := &Client{ClientID: id, Username: user}
	if addr != "" {
		c.Peer = netip.AddrPortFrom(netip.MustParseAddr(addr), 1)
	}
	return c
}

func TestBanned(t *testing.T) {
	s := following(t, nil)
	now := time.Now()
	check := func(who *Client, want bool) {
		t.Helper()
		if s.Banned(who, now) != want {
			t.Errorf("%s %s %s banned: %v", who.ClientID, who.Username, who.Peer, !want)
		}
	}
	check(from("c", "u", "10.0.0.1"), false)
	mustAdd(t, s,
		Ban{Kind: BanClientID, Who: "c"}, Ban{Kind: BanUsername, Who: "u"}, Ban{Kind: BanPeerHost, Who: "10.0.0.1"},
		Ban{Kind: BanPeerHost, Who: "192.168.0.0/16"}, Ban{Kind: BanPeerHost, Who: "2001:db8::/32"}, Ban{Kind: BanPeerHost, Who: "::1"},
		Ban{Kind: BanClientID, Who: "over", Until: now}, Ban{Kind: BanClientID, Who: "soon", Until: now.Add(1)})
	check(from("c", "x", "10.9.9.9"), true)
	check(from("C", "", ""), false)
	check(from("u", "c", "10.0.0.2"), false) // neither takes the other's name
	check(from("x", "u", ""), true)
	check(from("x", "", "10.0.0.1"), true)
	check(from("x", "", "::ffff:10.0.0.1"), true)
	check(from("x", "", "10.0.0.10"), false)
	check(from("x", "", "192.168.77.1"), true)
	check(from("x", "", "192.169.0.1"), false)
	check(from("x", "", "2001:db8:1::1"), true)
	check(from("x", "", "2001:db9::1"), false)
	check(from("x", "", "::1"), true)
	check(from("over", "", ""), false)
	check(from("soon", "", ""), true)
}

func TestBansAreWrittenInOneWay(t *testing.T) {
	written := func(who, want string) {
		t.Helper()
		s := following(t, nil)
		mustAdd(t, s, Ban{Kind: BanPeerHost, Who: who})
		if got := s.All()[0].Who; got != want {
			t.Errorf("%s is written %s, want %s", who, got, want)
		}
		if there, err := s.Remove(BanPeerHost, want); !there || err != nil || len(s.sizes) != 0 || s.some.Load() {
			t.Errorf("%s: not removed: %v %v", want, there, err)
		}
	}
	written("10.0.0.1", "10.0.0.1")
	written("10.0.0.1/32", "10.0.0.1")
	written("10.1.2.3/8", "10.0.0.0/8")
	written("::ffff:10.0.0.1", "10.0.0.1")
	written("::ffff:10.1.0.0/112", "10.1.0.0/16")
	written("2001:DB8::0/32", "2001:db8::/32")
	written("fe80::1%eth0", "fe80::1")
}

func TestNoBans(t *testing.T) {
	wrong := func(kind BanKind, who, says string) {
		t.Helper()
		s := following(t, nil)
		if err := s.Add(Ban{Kind: kind, Who: who}); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%s %q: %v", kind, who, err)
		}
		if len(s.All()) != 0 {
			t.Errorf("%s %q was taken", kind, who)
		}
		if there, err := s.Remove(kind, who); there || err != nil {
			t.Error(there, err)
		}
	}
	wrong(BanClientID, "", "needs a name")
	wrong(BanUsername, "", "needs a name")
	wrong(BanPeerHost, "", "expected an address or a network")
	wrong(BanPeerHost, "10.0.0", "expected an address or a network")
	wrong(BanPeerHost, "10.0.0.0/33", "expected an address or a network")
	wrong("ip_address", "10.0.0.1", "expected a ban by clientid, username or peerhost")
}

func TestBansAreKept(t *testing.T) {
	k := keeptest.New()
	now := time.Now().Round(0)
	a := Ban{Kind: BanClientID, Who: "a/b", By: "user", Reason: "noise", At: now}
	b := Ban{Kind: BanPeerHost, Who: "10.0.0.0/8", Until: now.Add(time.Hour)}
	s := following(t, k)
	mustAdd(t, s, a, b, Ban{Kind: BanUsername, Who: "gone"})
	if there, err := s.Remove(BanUsername, "gone"); !there || err != nil {
		t.Error(there, err)
	}
	again := following(t, k)
	all := again.All()
	if len(all) != 2 {
		t.Fatalf("%+v", all)
	}
	for i, want := range []Ban{a, b} {
		got := all[i]
		if got.Kind != want.Kind || got.Who != want.Who || got.By != want.By || got.Reason != want.Reason ||
			!got.At.Equal(want.At) || !got.Until.Equal(want.Until) {
			t.Errorf("%+v, want %+v", got, want)
		}
	}
	if !again.Banned(from("x", "", "10.1.1.1"), now) {
		t.Error("a network that was kept bans nobody")
	}
}

// TestBansOfAllNodes hold on each, and end on each.
func TestBansOfAllNodes(t *testing.T) {
	k := keeptest.New()
	other := k.Node()
	here, there := following(t, k), following(t, other)
	holds := func(s *Bans, id string, want bool) {
		t.Helper()
		if s.Banned(from(id, "", ""), time.Now()) != want {
			t.Errorf("%s banned: %v", id, !want)
		}
	}
	mustAdd(t, here, Ban{Kind: BanClientID, Who: "a"})
	holds(there, "a", true)
	if found, err := there.Remove(BanClientID, "a"); !found || err != nil {
		t.Error(found, err)
	}
	holds(here, "a", false)

	other.Hold() // and is behind
	mustAdd(t, here, Ban{Kind: BanClientID, Who: "b"}, Ban{Kind: BanClientID, Who: "c"}, Ban{Kind: BanPeerHost, Who: "10.0.0.0/8"})
	if found, err := here.Remove(BanClientID, "b"); !found || err != nil {
		t.Error(found, err)
	}
	holds(there, "c", false)
	other.Release()
	holds(there, "b", false)
	holds(there, "c", true)
	if a, b := here.All(), there.All(); !slices.Equal(a, b) || len(a) != 2 {
		t.Errorf("%+v here, %+v there", a, b)
	}
}

func TestRecordsThatAreNoBans(t *testing.T) {
	s := newBans(keeptest.Of(map[string]string{"clientid/a": "{", "nobody/b": "{}", "c": "{}", "username/d": `{"by":"x"}`}))
	if err := s.follow(nil); err == nil || strings.Count(err.Error(), "is no ban") != 3 {
		t.Error(err)
	}
	if all := s.All(); len(all) != 1 || all[0].Who != "d" {
		t.Errorf("%+v", all)
	}
}

func TestARecordThatBecomesNoBan(t *testing.T) {
	k := keeptest.New()
	s := newBans(k)
	var log bytes.Buffer
	if err := s.follow(slog.New(slog.NewTextHandler(&log, nil))); err != nil {
		t.Fatal(err)
	}
	mustAdd(t, s, Ban{Kind: BanClientID, Who: "a"})
	if err := k.Put("clientid/a", []byte("{")); err != nil {
		t.Fatal(err)
	}
	if !s.Banned(from("a", "", ""), time.Now()) || !strings.Contains(log.String(), "is no ban") {
		t.Errorf("the ban ends with %s", &log)
	}
}

func TestBansWhenTheDiskFails(t *testing.T) {
	k := keeptest.New()
	s := following(t, k)
	mustAdd(t, s, Ban{Kind: BanClientID, Who: "a"})
	full := errors.New("disk full")
	k.Fail(full)
	if err := s.Add(Ban{Kind: BanClientID, Who: "b"}); !errors.Is(err, full) || s.Banned(from("b", "", ""), time.Now()) {
		t.Error("Add:", err)
	}
	if there, err := s.Remove(BanClientID, "a"); !there || !errors.Is(err, full) || !s.Banned(from("a", "", ""), time.Now()) {
		t.Error("Remove:", there, err)
	}
	if err := newBans(k).follow(nil); !errors.Is(err, full) {
		t.Error("follow:", err)
	}
}

func TestBansThatAreOverVanish(t *testing.T) {
	k := keeptest.New()
	s := following(t, k)
	now := time.Now()
	mustAdd(t, s, Ban{Kind: BanClientID, Who: "a", Until: now.Add(-1)}, Ban{Kind: BanClientID, Who: "b", Until: now.Add(time.Hour)},
		Ban{Kind: BanPeerHost, Who: "10.0.0.1", Until: now.Add(-1)}, Ban{Kind: BanUsername, Who: "u"})
	if all := s.All(); len(all) != 2 {
		t.Errorf("shown: %+v", all)
	}
	full := errors.New("disk full")
	k.Fail(full)
	if err := s.sweep(now); !errors.Is(err, full) || len(s.names) != 3 {
		t.Error(err, len(s.names))
	}
	k.Fail(nil)
	if err := s.sweep(now); err != nil {
		t.Error(err)
	}
	if len(s.names) != 2 || len(s.nets) != 0 || len(k.Keys()) != 2 {
		t.Errorf("%d, %d, %v are left", len(s.names), len(s.nets), k.Keys())
	}
}

func TestBansForNow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := keeptest.New()
		s, other := following(t, k), following(t, k.Node())
		now := time.Now()
		add := func(who string, limit int, want bool) {
			t.Helper()
			if got := s.addForNow(Ban{Kind: BanClientID, Who: who, At: now, Until: now.Add(time.Minute)}, limit); got != want {
				t.Errorf("%s: %v", who, got)
			}
			synctest.Wait()
		}
		kept := func(want ...string) {
			t.Helper()
			if got := k.Keys(); !slices.Equal(got, want) || len(other.All()) != len(want) {
				t.Errorf("kept: %v, elsewhere %v", got, other.All())
			}
		}
		mustAdd(t, s, Ban{Kind: BanClientID, Who: "for ever"}, Ban{Kind: BanClientID, Who: "over", Until: now.Add(-1)})
		add("for ever", 9, false) // the operator's stays
		add("over", 9, true)
		add("new", 3, true)
		add("one too many", 3, false)
		add("", 9, false)
		kept("clientid/for ever", "clientid/new", "clientid/over")
		k.Fail(errors.New("disk full"))
		add("here only", 9, true)
		kept("clientid/for ever", "clientid/new", "clientid/over")
		if all := s.All(); len(all) != 4 {
			t.Errorf("%+v", all)
		}
		k.Fail(nil)
		time.Sleep(time.Hour)
		if err := s.sweep(time.Now()); err != nil || len(s.All()) != 1 {
			t.Errorf("%v, %+v", err, s.All())
		}
		kept("clientid/for ever")
	})
}

// TestBannedAgainstAList compares with looking through all bans.
func TestBannedAgainstAList(t *testing.T) {
	rnd := rand.New(rand.NewPCG(3, 3))
	s := following(t, nil)
	list := map[string]netip.Prefix{}
	for range 2000 {
		addr := netip.AddrFrom4([4]byte{10, byte(rnd.IntN(4)), byte(rnd.IntN(4)), byte(rnd.IntN(8))})
		net, _ := addr.Prefix(8 + rnd.IntN(25))
		if rnd.IntN(3) > 0 {
			delete(list, net.String())
			if _, err := s.Remove(BanPeerHost, net.String()); err != nil {
				t.Fatal(err)
			}
		} else if net.Bits() > 12 {
			list[net.String()] = net
			mustAdd(t, s, Ban{Kind: BanPeerHost, Who: net.String()})
		}
		want := false
		for _, n := range list {
			want = want || n.Contains(addr)
		}
		if got := s.Banned(&Client{Peer: netip.AddrPortFrom(addr, 1)}, time.Now()); got != want {
			t.Fatalf("%v: %v with %v", addr, got, list)
		}
	}
	if len(s.nets) != len(list) {
		t.Error(len(s.nets), len(list))
	}
}

func BenchmarkBanned(b *testing.B) {
	s := newBans(nil)
	for i := range 50_000 {
		s.put(&Ban{Kind: BanClientID, Who: fmt.Sprint("client-", i)})
		s.put(&Ban{Kind: BanPeerHost, Who: netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)}).String()})
	}
	s.put(&Ban{Kind: BanPeerHost, Who: "192.168.0.0/16"})
	who, now := from("somebody-else", "somebody", "172.16.0.1"), time.Now()
	b.ReportAllocs()
	for b.Loop() {
		if s.Banned(who, now) {
			b.Fatal("banned")
		}
	}
}
