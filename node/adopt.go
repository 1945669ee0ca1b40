package node

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/dunlin-mq/dunlin/broker"
	"github.com/dunlin-mq/dunlin/engine"
)

// What a node took that is to be published later, the others publish when it has
// been gone for so long: a restart takes less.
const (
	adoptAfter = 15 * time.Second
	adoptLook  = 3 * time.Second
)

// adopt has the oldest member that runs publish the delayed messages of members
// that are gone. A node that comes back has none any more.
func (c *clustering) adopt(ctx context.Context, br *broker.Broker) {
	tick := time.NewTicker(adoptLook)
	defer tick.Stop()
	done := ""
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		owners, mine := c.owners(time.Now().Add(-adoptAfter))
		if now := strings.Join(owners, " "); !mine || now == done {
			continue
		} else if err := br.AdoptDelayed(func(owner string) bool { return !slices.Contains(owners, owner) }); err != nil {
			c.log.Error("the delayed messages of nodes that are gone can't be taken over, it is tried again", "err", err)
		} else {
			done = now
		}
	}
}

// owners are the members that publish their delayed messages themselves, since
// they run, or were there at a time. mine: it is for this node to publish those of
// all others.
func (c *clustering) owners(since time.Time) (names []string, mine bool) {
	all := c.engine.Members() // by age
	first := slices.IndexFunc(all, func(m engine.Member) bool { return m.Alive })
	running := 0
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, m := range all {
		if gone, is := c.gone[m.ID]; m.Alive || is && gone.After(since) {
			names = append(names, m.Node)
		}
		if m.Alive {
			running++
		}
	}
	slices.Sort(names)
	return names, first >= 0 && all[first].ID == c.engine.Self().ID && 2*running > len(all)
}
