package login

import (
	"net/netip"
	"sync"
	"time"
)

const (
	// maxTries wrong logins in a row are let pass to the check from one address;
	// then one more every tryAgain.
	maxTries = 10
	tryAgain = 6 * time.Second
	// maxOfName wrong logins with one name, from anywhere, mean that it is being
	// guessed: from then on each address that is wrong about it has to wait
	// whileGuessed. Whoever is right at the first try is let in all the same, so
	// that strangers can't keep an administrator out.
	maxOfName    = 100
	whileGuessed = 10 * time.Minute
	// maxTried is how many addresses, and how many names, are kept in mind.
	maxTried = 10_000
)

// Attempts remembers which addresses were wrong, and about which names. The
// zero value is ready, and safe for concurrent use.
type Attempts struct {
	mu        sync.Mutex
	byAddress map[netip.Prefix]*bucket
	byName    map[string]*bucket
}

// bucket is filled by wrong logins and emptied by time.
type bucket struct {
	mu    sync.Mutex // of an address: held while a login is checked
	clear time.Time  // when it is empty again
}

// Outcome is what came of a login.
type Outcome struct {
	Right bool
	Wait  time.Duration // nothing was checked, as the address has to wait so long
	Shut  bool          // it was wrong, and the next from there has to wait
}

// Try lets check look at a login unless the address, host and port, has to
// wait. Those of one address are checked one after another.
func (a *Attempts) Try(address, name string, check func() bool) Outcome {
	from, about := a.of(address, name)
	from.mu.Lock()
	defer from.mu.Unlock()
	now := time.Now()
	if wait := from.wait(now, maxTries); wait > 0 {
		return Outcome{Wait: wait}
	}
	if check() {
		return Outcome{Right: true}
	}
	now = time.Now()
	from.fill(now)
	if about.guessed(now) {
		from.shut(now)
	}
	return Outcome{Shut: from.wait(now, maxTries) > 0}
}

// of returns the buckets of an address and of a name.
func (a *Attempts) of(address, name string) (from, about *bucket) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.byAddress == nil {
		a.byAddress, a.byName = make(map[netip.Prefix]*bucket), make(map[string]*bucket)
	}
	return bucketOf(a.byAddress, network(address)), bucketOf(a.byName, name)
}

// bucketOf makes room, if it must, by forgetting another. Which one is left to
// the map: whoever attacks from ten thousand addresses gains nothing by being
// forgotten.
func bucketOf[K comparable](all map[K]*bucket, key K) *bucket {
	if b := all[key]; b != nil {
		return b
	}
	if len(all) >= maxTried {
		for old := range all {
			delete(all, old)
			break
		}
	}
	b := new(bucket)
	all[key] = b
	return b
}

// network is what counts as one address: with IPv6, the network that one
// household or machine usually has. What is no address counts as one.
func network(address string) netip.Prefix {
	peer, err := netip.ParseAddrPort(address)
	if err != nil {
		return netip.Prefix{}
	}
	addr, bits := peer.Addr().Unmap().WithZone(""), 32
	if addr.Is6() {
		bits = 64
	}
	return netip.PrefixFrom(addr, bits).Masked()
}

// wait is how long nothing is checked in a bucket of so many; 0: it can be.
func (b *bucket) wait(now time.Time, most int) time.Duration {
	return max(0, b.clear.Sub(now.Add(time.Duration(most-1)*tryAgain)))
}

// fill counts a wrong login.
func (b *bucket) fill(now time.Time) {
	if b.clear.Before(now) {
		b.clear = now
	}
	b.clear = b.clear.Add(tryAgain)
}

// guessed counts a wrong login with a name and reports whether there are too
// many of them. Above that the bucket gets no fuller, or it would take a day to
// be empty again.
func (b *bucket) guessed(now time.Time) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.wait(now, maxOfName) > 0 {
		return true
	}
	b.fill(now)
	return b.wait(now, maxOfName) > 0
}

// shut lets the address wait for whileGuessed.
func (b *bucket) shut(now time.Time) {
	if until := now.Add(whileGuessed + (maxTries-1)*tryAgain); b.clear.Before(until) {
		b.clear = until
	}
}
