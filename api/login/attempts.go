package login

import (
	"crypto/sha256"
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
	// maxTried is how many addresses, names, and pairs of both, are kept in mind.
	maxTried = 10_000
)

// Attempts remembers which addresses were wrong, and about which names. The
// zero value is ready, and safe for concurrent use.
type Attempts struct {
	mu        sync.Mutex
	byAddress map[netip.Prefix]*bucket
	byName    map[digest]*bucket // a name may be as long as a request
	in        map[visit]struct{} // was right, and not wrong since
}

// visit is an address with the name it logs in with.
type visit struct {
	from netip.Prefix
	name digest
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
// wait. Those of one address are checked one after another. Whoever is in stays
// in where others guess: as long as an address was right about a name, and not
// wrong since, proven is asked first, which tells at once what check found right
// before. Everywhere else it would answer as many guesses as anybody likes.
func (a *Attempts) Try(address, name string, proven, check func() bool) Outcome {
	v := visit{network(address), sha256.Sum256([]byte(name))}
	from, in := a.enter(v, proven)
	if in {
		return Outcome{Right: true}
	}
	from.mu.Lock()
	defer from.mu.Unlock()
	now := time.Now()
	if wait := from.wait(now, maxTries); wait > 0 {
		return Outcome{Wait: wait}
	}
	if check() {
		a.letIn(v)
		return Outcome{Right: true}
	}
	now = time.Now()
	from.fill(now)
	if a.about(v.name).guessed(now) {
		from.shut(now)
	}
	return Outcome{Shut: from.wait(now, maxTries) > 0}
}

// enter reports whether somebody is in and proves it again, or else returns the
// bucket of the address. Only one can be wrong about that: then nobody is in.
func (a *Attempts) enter(v visit, proven func() bool) (from *bucket, in bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.byAddress == nil {
		a.byAddress, a.byName, a.in = make(map[netip.Prefix]*bucket), make(map[digest]*bucket), make(map[visit]struct{})
	}
	if _, in = a.in[v]; in {
		if proven() {
			return nil, true
		}
		delete(a.in, v)
	}
	return bucketOf(a.byAddress, v.from), false
}

func (a *Attempts) letIn(v visit) {
	a.mu.Lock()
	defer a.mu.Unlock()
	makeRoom(a.in)
	a.in[v] = struct{}{}
}

// about is the bucket of a name. There is none before a guess was checked:
// whoever has to wait must not have other names forgotten.
func (a *Attempts) about(name digest) *bucket {
	a.mu.Lock()
	defer a.mu.Unlock()
	return bucketOf(a.byName, name)
}

func bucketOf[K comparable](all map[K]*bucket, key K) *bucket {
	if b := all[key]; b != nil {
		return b
	}
	makeRoom(all)
	b := new(bucket)
	all[key] = b
	return b
}

// makeRoom forgets another, if it must. Which one is left to the map: whoever
// attacks from ten thousand addresses gains nothing by being forgotten.
func makeRoom[K comparable, V any](all map[K]V) {
	if len(all) < maxTried {
		return
	}
	for old := range all {
		delete(all, old)
		return
	}
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
