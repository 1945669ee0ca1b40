package server

import (
	"math"
	"slices"
	"strings"
	"time"
)

// Others are the other nodes of the cluster, which take sessions over.
type Others interface {
	// Running are the names of those that can be reached.
	Running() []string
	// Fetch has a node bring the sessions of clients to itself, as if they had
	// connected there. It returns when the node knows of it, after some seconds at
	// most; those that can't move stay.
	Fetch(node string, clients []string) error
}

const (
	migratePause = time.Second // between two looks at what is still here
	mostMigrated = 1000        // sessions that one node is asked to take at a time
)

// migration is the end of an evacuation: sessions without a connection that live
// in memory go to other nodes, since nobody else has them. Durable ones are on all
// nodes already.
type migration struct {
	left   ration
	ids    []string // of the last look, but for those that a node was asked to take
	lookAt time.Time
	turn   int
	failed bool // and was told
}

// migrate has other nodes take some sessions; true: none is left here that could
// go.
func (s *Server) migrate(e *evacuation, m *migration, now time.Time) (over bool) {
	if e.SessionRate == 0 || s.options.Others == nil {
		return true
	}
	if len(m.ids) == 0 {
		if now.Before(m.lookAt) {
			return false
		}
		m.lookAt = now.Add(migratePause)
		if m.ids = slices.Collect(s.broker.Ephemeral()); len(m.ids) == 0 {
			return true
		}
	}
	to := s.options.Others.Running()
	if len(e.MigrateTo) > 0 {
		to = slices.DeleteFunc(to, func(name string) bool { return !slices.Contains(e.MigrateTo, name) })
	}
	if len(to) == 0 {
		m.failing(s, "sessions without a client stay until a node runs that can take them", "sessions", len(m.ids), "nodes", strings.Join(e.MigrateTo, " "))
		m.ids = nil
		return len(e.MigrateTo) == 0 // there are no other nodes
	}
	for n := min(m.left.due(now), len(m.ids)); n > 0; {
		some := min(n, int(math.Ceil(float64(n)/float64(len(to)))), mostMigrated)
		if err := s.options.Others.Fetch(to[m.turn%len(to)], m.ids[:some]); err != nil {
			m.failing(s, "a node can't take sessions, another one is asked", "node", to[m.turn%len(to)], "err", err)
		} else {
			m.failed = false
		}
		m.turn++
		m.left.used(some)
		m.ids, n = m.ids[some:], n-some
	}
	return false
}

// failing warns, once until something has succeeded.
func (m *migration) failing(s *Server, text string, args ...any) {
	if !m.failed {
		s.log.Warn(text, args...)
	}
	m.failed = true
}
