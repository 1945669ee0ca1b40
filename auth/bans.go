package auth

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/dunlin-mq/dunlin/config"
	"github.com/dunlin-mq/dunlin/keep"
)

// BanKind says what a ban goes by.
type BanKind string

// The kinds, spelled as EMQ X 4 spells them.
const (
	BanClientID BanKind = "clientid"
	BanUsername BanKind = "username"
	BanPeerHost BanKind = "peerhost" // an address or, which EMQ X hasn't, a network: 10.0.0.0/8
)

// Ban keeps a client out.
type Ban struct {
	Kind   BanKind   `json:"-"`
	Who    string    `json:"-"`
	By     string    `json:"by,omitempty"`
	Reason string    `json:"reason,omitempty"`
	At     time.Time `json:"at,omitzero"`
	Until  time.Time `json:"until,omitzero"` // zero: for ever
}

func (b *Ban) over(now time.Time) bool { return !b.Until.IsZero() && !now.Before(b.Until) }

// Bans are the banned clients, of all nodes. All methods may be called at the
// same time; only those that change something wait until it is kept.
type Bans struct {
	records keep.Map
	some    atomic.Bool // there are bans: else nobody needs the lock

	mu    sync.RWMutex
	names map[banKey]*Ban
	nets  map[netip.Prefix]*Ban // an address is a network of one
	sizes []netSize             // of nets, so that a look-up tries only these

	eviction eviction
}

type banKey struct {
	kind BanKind
	who  string
}

type netSize struct {
	bits int
	is4  bool
	n    int
}

func newBans(records keep.Map) *Bans {
	if records == nil {
		records = new(keep.Memory)
	}
	return &Bans{records: records, names: make(map[banKey]*Ban), nets: make(map[netip.Prefix]*Ban)}
}

// follow puts the bans in force that are kept, and from then on each that is
// added or removed on any node. The error joins what couldn't be read.
func (s *Bans) follow(log *slog.Logger) error { return keep.Follow(s.records, log, s.apply) }

func (s *Bans) apply(c keep.Change) error {
	kind, who, _ := strings.Cut(c.Key, "/")
	b := new(Ban)
	var err error
	if !c.Deleted {
		err = json.Unmarshal(c.Value, b)
	}
	b.Kind, b.Who = BanKind(kind), who
	if err = errors.Join(err, b.check()); err != nil {
		return fmt.Errorf("the record %q is no ban: %w", c.Key, err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if !c.Deleted {
		s.put(b)
		s.eviction.add(b)
	} else if old := s.find(b); old != nil {
		s.drop(old)
	}
	return nil
}

// Banned reports whether a client is kept out: by its client id, its user name
// or its address.
func (s *Bans) Banned(who *Client, now time.Time) bool {
	return s.some.Load() && s.holds(who, func(b *Ban) bool { return !b.over(now) })
}

// Evicted reports whether the connection of a client is to end as well: not for
// coming too often.
func (s *Bans) Evicted(who *Client, now time.Time) bool {
	return s.some.Load() && s.holds(who, func(b *Ban) bool { return b.evicts(now) })
}

func (b *Ban) evicts(now time.Time) bool { return !b.over(now) && b.By != flappingDetector }

// holds reports whether there is a ban about a client of which is says so.
func (s *Bans) holds(who *Client, is func(*Ban) bool) bool {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if b := s.names[banKey{BanClientID, who.ClientID}]; b != nil && is(b) {
		return true
	}
	if b := s.names[banKey{BanUsername, who.Username}]; b != nil && is(b) {
		return true
	}
	addr := who.Peer.Addr().Unmap()
	for _, size := range s.sizes {
		if size.is4 != addr.Is4() || !addr.IsValid() {
			continue
		}
		net, _ := addr.Prefix(size.bits) // the size is one of this family
		if b := s.nets[net]; b != nil && is(b) {
			return true
		}
	}
	return false
}

// All returns the bans that hold, by kind and then by name.
func (s *Bans) All() []Ban {
	now := time.Now()
	s.mu.RLock()
	all := make([]Ban, 0, len(s.names)+len(s.nets))
	s.each(func(b *Ban) {
		if !b.over(now) {
			all = append(all, *b)
		}
	})
	s.mu.RUnlock()
	slices.SortFunc(all, func(a, b Ban) int {
		return cmp.Or(strings.Compare(string(a.Kind), string(b.Kind)), strings.Compare(a.Who, b.Who))
	})
	return all
}

// addForNow bans somebody at once, without waiting until it is kept; if it
// can't be, it holds on this node. A ban that holds already stays, and there
// are at most limit bans.
func (s *Bans) addForNow(b Ban, limit int) (added bool) {
	if b.check() != nil || !s.enter(&b, limit) {
		return false
	}
	if later, can := s.records.(keep.Later); can {
		if value, err := json.Marshal(&b); err == nil { // there is nothing in a ban that JSON refuses
			later.PutLater(b.key(), value, nil)
		}
	}
	return true
}

// enter puts a ban into memory if there is room for it.
func (s *Bans) enter(b *Ban, limit int) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if old := s.find(b); old != nil && !old.over(b.At) || old == nil && len(s.names)+len(s.nets) >= limit {
		return false
	}
	s.put(b)
	return true
}

// Remove ends a ban on all nodes and reports whether there was one. After an
// error it still holds.
func (s *Bans) Remove(kind BanKind, who string) (bool, error) {
	old := s.of(kind, who)
	if old == nil {
		return false, nil
	}
	if err := s.records.Delete(old.key()); err != nil {
		return true, fmt.Errorf("the ban of %s %q can't be removed: %w", old.Kind, old.Who, err)
	}
	s.forget(old) // one that was never kept
	return true, nil
}

// of is the ban of somebody, however an address is written; nil: there is none.
func (s *Bans) of(kind BanKind, who string) *Ban {
	b := Ban{Kind: kind, Who: who}
	if b.check() != nil {
		return nil
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.find(&b)
}

// forget drops a ban if it is still the one that holds.
func (s *Bans) forget(b *Ban) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.find(b) == b {
		s.drop(b)
	}
}

// sweep removes what is over.
func (s *Bans) sweep(now time.Time) error {
	var over []*Ban
	s.mu.RLock()
	s.each(func(b *Ban) {
		if b.over(now) {
			over = append(over, b)
		}
	})
	s.mu.RUnlock()
	for _, b := range over {
		if err := s.removeOver(b.key(), now); err != nil {
			return err // each of the others might take as long to fail; the next sweep tries again
		}
		s.forget(b)
	}
	return nil
}

// removeOver removes a ban that is over, unless somebody renews it meanwhile:
// all nodes do so at about the same time, each by what it knows.
func (s *Bans) removeOver(key string, now time.Time) error {
	kept, can := s.records.(keep.Conditional)
	if !can {
		return s.records.Delete(key)
	}
	return kept.DeleteIf(key, func(value []byte) bool {
		var b Ban
		return json.Unmarshal(value, &b) == nil && b.over(now)
	})
}

func (b *Ban) key() string { return string(b.Kind) + "/" + b.Who }

// check also writes an address or network as it is always written.
func (b *Ban) check() error {
	switch b.Kind {
	case BanClientID, BanUsername:
		if b.Who == "" {
			return fmt.Errorf("a ban by %s needs a name", b.Kind)
		}
		return nil
	case BanPeerHost:
		net, err := parseNet(b.Who)
		if err != nil {
			return config.Expected("an address or a network such as 10.0.0.0/8", b.Who)
		}
		if b.Who = net.String(); net.IsSingleIP() {
			b.Who = net.Addr().String()
		}
		return nil
	}
	return config.Expected("a ban by clientid, username or peerhost", string(b.Kind))
}

func parseNet(text string) (netip.Prefix, error) {
	if strings.Contains(text, "/") {
		net, err := netip.ParsePrefix(text)
		if addr := net.Addr(); addr.Is4In6() && net.Bits() >= 96 {
			net = netip.PrefixFrom(addr.Unmap(), net.Bits()-96)
		}
		return net.Masked(), err
	}
	addr, err := netip.ParseAddr(text)
	addr = addr.Unmap().WithZone("")
	return netip.PrefixFrom(addr, addr.BitLen()), err
}

// The functions below are called with mu held.

func (s *Bans) find(b *Ban) *Ban {
	if b.Kind != BanPeerHost {
		return s.names[banKey{b.Kind, b.Who}]
	}
	net, _ := parseNet(b.Who) // checked
	return s.nets[net]
}

func (s *Bans) put(b *Ban) {
	s.some.Store(true)
	if b.Kind != BanPeerHost {
		s.names[banKey{b.Kind, b.Who}] = b
		return
	}
	net, _ := parseNet(b.Who)
	if s.nets[net] == nil {
		s.resize(net, 1)
	}
	s.nets[net] = b
}

func (s *Bans) drop(b *Ban) {
	if b.Kind != BanPeerHost {
		delete(s.names, banKey{b.Kind, b.Who})
	} else {
		net, _ := parseNet(b.Who)
		delete(s.nets, net)
		s.resize(net, -1)
	}
	s.some.Store(len(s.names)+len(s.nets) > 0)
}

func (s *Bans) resize(net netip.Prefix, n int) {
	bits, is4 := net.Bits(), net.Addr().Is4()
	i := slices.IndexFunc(s.sizes, func(z netSize) bool { return z.bits == bits && z.is4 == is4 })
	if i < 0 {
		s.sizes = append(s.sizes, netSize{bits: bits, is4: is4})
		i = len(s.sizes) - 1
	}
	if s.sizes[i].n += n; s.sizes[i].n == 0 {
		s.sizes = slices.Delete(s.sizes, i, i+1)
	}
}

func (s *Bans) each(f func(*Ban)) {
	for _, b := range s.names {
		f(b)
	}
	for _, b := range s.nets {
		f(b)
	}
}
