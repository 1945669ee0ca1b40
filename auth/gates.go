package auth

import (
	"hash/maphash"
	"net/netip"
	"sync"
	"time"

	"github.com/dunlin-mq/dunlin/mqtt"
)

// Bounds of what is remembered about clients that nobody knows yet: some MB.
const (
	maxFlapping = 100_000 // client ids whose CONNECTs are counted
	maxFailures = 100_000 // addresses whose failures are counted
	maxBlocked  = 100_000
	maxBans     = 1_000_000 // above it, flapping bans nobody
)

// gates are what a CONNECT has to pass before anybody is asked about it.
type gates struct {
	// flapping counts by a sum of the client id: of ids that strangers choose
	// a hundred thousand may take gigabytes.
	flapping *tally[uint64]
	seed     maphash.Seed
	failures *tally[netip.Addr]

	mu      sync.Mutex
	blocked recent[netip.Addr, time.Duration] // until when
}

func newGates(c Config) *gates {
	return &gates{
		flapping: newTally[uint64](maxFlapping), seed: maphash.MakeSeed(), failures: newTally[netip.Addr](maxFailures),
		blocked: recent[netip.Addr, time.Duration]{keep: c.Failures.Block, limit: maxBlocked},
	}
}

// Restrict has clients refused whose id isn't listed, whoever vouches for them,
// but for zones that bypass all of authentication.
func (c *Control) Restrict(listed func(clientID string) bool) { c.listed.Store(&listed) }

// Admit says at once whether a CONNECT may go on to be authenticated: Success,
// Banned, ClientIdentifierNotValid for one that isn't listed, or
// ConnectionRateExceeded for an address above auth_failures_limit, which tells
// the innocent behind it to try again.
func (c *Control) Admit(p *Policy, who *Client) mqtt.ReasonCode {
	switch {
	case c.isShutOut(who):
		return mqtt.ConnectionRateExceeded
	case p.EnableBan && c.bans.Banned(who, time.Now()):
		c.count.refusedBanned.Inc()
		return mqtt.Banned
	case !p.BypassPlugins && !c.isListed(who.ClientID):
		c.count.refusedUnlisted.Inc()
		return mqtt.ClientIdentifierNotValid
	}
	return mqtt.Success
}

// isShutOut reports whether who's address is above auth_failures_limit, and
// counts that it was refused.
func (c *Control) isShutOut(who *Client) bool {
	if c.config.Load().Failures.Count == 0 || !c.gates.isBlocked(c.now(), who) {
		return false
	}
	c.count.refusedFailed.Inc()
	return true
}

func (c *Control) isListed(clientID string) bool {
	listed := c.listed.Load()
	return listed == nil || (*listed)(clientID)
}

// flappingDetector is who bans for coming too often.
const flappingDetector = "flapping detector"

// Accepted is told of each client that is let in, and bans one that comes too
// often, from its next CONNECT on. Who is refused doesn't count: a stranger could
// keep any client out by coming with its id.
func (c *Control) Accepted(p *Policy, who *Client) {
	if !p.EnableFlapping {
		return
	}
	at := c.config.Load().Flapping
	if r := p.FlappingThreshold; !r.IsZero() {
		at.Count, at.Window = int(r.Limit), r.Window
	}
	if p.FlappingBan > 0 {
		at.Block = p.FlappingBan
	}
	if !c.gates.flapping.count(c.now(), maphash.String(c.gates.seed, who.ClientID), at) {
		return
	}
	c.count.flapped.Inc()
	wall := time.Now()
	c.bans.addForNow(Ban{
		Kind: BanClientID, Who: who.ClientID, By: flappingDetector, Reason: "flapping is detected",
		At: wall, Until: wall.Add(at.Block),
	}, maxBans)
}

// keepFor has addresses remembered that are shut out for so long.
func (g *gates) keepFor(shut time.Duration) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.blocked.keep = max(g.blocked.keep, shut)
}

// failed notes that what a client offered was refused.
func (g *gates) failed(now time.Duration, who *Client, limit Threshold) {
	addr := block(who)
	if limit.Count == 0 || !addr.IsValid() || !g.failures.count(now, addr, limit) {
		return
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.blocked.put(now, addr, now+limit.Block)
}

func (g *gates) isBlocked(now time.Duration, who *Client) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	until, ok := g.blocked.get(now, block(who))
	return ok && now < until
}

func (g *gates) sweep(now time.Duration) {
	g.flapping.sweep(now)
	g.failures.sweep(now)
	g.mu.Lock()
	defer g.mu.Unlock()
	g.blocked.turn(now)
}

// block is what counts as one address: of IPv6 a /64, since whoever has one
// address of it has them all.
func block(who *Client) netip.Addr {
	addr := who.Peer.Addr().Unmap()
	if !addr.Is6() {
		return addr
	}
	net, _ := addr.Prefix(64) // IPv6 has more bits
	return net.Addr()
}
