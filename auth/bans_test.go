package auth

import (
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"
)

// memory is a Keeper.
type memory struct {
	m    map[string]string
	fail error
}

func newMemory() *memory { return &memory{m: make(map[string]string)} }

func (k *memory) Each(f func(string, []byte) error) error {
	for _, key := range slices.Sorted(maps.Keys(k.m)) {
		if err := f(key, []byte(k.m[key])); err != nil {
			return err
		}
	}
	return k.fail
}

func (k *memory) Put(key string, value []byte) error {
	if k.fail == nil {
		k.m[key] = string(value)
	}
	return k.fail
}

func (k *memory) Delete(key string) error {
	if k.fail == nil {
		delete(k.m, key)
	}
	return k.fail
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
	s := newBans(nil)
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
		s := newBans(nil)
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
		s := newBans(nil)
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
	k := newMemory()
	now := time.Now().Round(0)
	a := Ban{Kind: BanClientID, Who: "a/b", By: "user", Reason: "noise", At: now}
	b := Ban{Kind: BanPeerHost, Who: "10.0.0.0/8", Until: now.Add(time.Hour)}
	s := newBans(k)
	mustAdd(t, s, a, b, Ban{Kind: BanUsername, Who: "gone"})
	if there, err := s.Remove(BanUsername, "gone"); !there || err != nil {
		t.Error(there, err)
	}
	again := newBans(k)
	if err := again.load(); err != nil {
		t.Fatal(err)
	}
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

func TestRecordsThatAreNoBans(t *testing.T) {
	k := newMemory()
	k.m = map[string]string{"clientid/a": "{", "nobody/b": "{}", "c": "{}", "username/d": `{"by":"x"}`}
	s := newBans(k)
	if err := s.load(); err == nil || strings.Count(err.Error(), "is no ban") != 3 {
		t.Error(err)
	}
	if all := s.All(); len(all) != 1 || all[0].Who != "d" {
		t.Errorf("%+v", all)
	}
}

func TestBansWhenTheDiskFails(t *testing.T) {
	k := newMemory()
	s := newBans(k)
	mustAdd(t, s, Ban{Kind: BanClientID, Who: "a"})
	k.fail = errors.New("disk full")
	if err := s.Add(Ban{Kind: BanClientID, Who: "b"}); !errors.Is(err, k.fail) || !s.Banned(from("b", "", ""), time.Now()) {
		t.Error("Add:", err)
	}
	if there, err := s.Remove(BanClientID, "a"); !there || !errors.Is(err, k.fail) || s.Banned(from("a", "", ""), time.Now()) {
		t.Error("Remove:", there, err)
	}
	if err := newBans(k).load(); !errors.Is(err, k.fail) {
		t.Error("load:", err)
	}
}

func TestBansThatAreOverVanish(t *testing.T) {
	k := newMemory()
	s := newBans(k)
	now := time.Now()
	mustAdd(t, s, Ban{Kind: BanClientID, Who: "a", Until: now.Add(-1)}, Ban{Kind: BanClientID, Who: "b", Until: now.Add(time.Hour)},
		Ban{Kind: BanPeerHost, Who: "10.0.0.1", Until: now.Add(-1)}, Ban{Kind: BanUsername, Who: "u"})
	if all := s.All(); len(all) != 2 {
		t.Errorf("shown: %+v", all)
	}
	if err := s.sweep(now); err != nil {
		t.Error(err)
	}
	if len(s.names) != 2 || len(s.nets) != 0 || len(k.m) != 2 {
		t.Errorf("%d, %d, %d are left", len(s.names), len(s.nets), len(k.m))
	}
}

func TestBansForNow(t *testing.T) {
	k := newMemory()
	s := newBans(k)
	now := time.Now()
	add := func(who string, limit int, want bool) {
		t.Helper()
		if got := s.addForNow(Ban{Kind: BanClientID, Who: who, At: now, Until: now.Add(time.Minute)}, limit); got != want {
			t.Errorf("%s: %v", who, got)
		}
	}
	mustAdd(t, s, Ban{Kind: BanClientID, Who: "for ever"}, Ban{Kind: BanClientID, Who: "over", Until: now.Add(-1)})
	add("for ever", 9, false) // the operator's stays
	add("over", 9, true)
	add("new", 3, true)
	add("one too many", 3, false)
	add("", 9, false)
	if len(k.m) != 2 {
		t.Errorf("the disk was asked: %v", k.m)
	}
	if err := s.sweep(now.Add(time.Hour)); err != nil || len(k.m) != 1 {
		t.Errorf("the record of the one that was over is left: %v", k.m)
	}
}

// TestBannedAgainstAList compares with looking through all bans.
func TestBannedAgainstAList(t *testing.T) {
	rnd := rand.New(rand.NewPCG(3, 3))
	s := newBans(nil)
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
