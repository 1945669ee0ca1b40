package server

import (
	"maps"

	"github.com/dunlin-mq/dunlin/broker"
)

// Change puts in force what can change of Options while listeners are open:
// MaxClients, and of each listener that there is max_connections, max_conn_rate
// and its zone. Limits that fall below what is there end nothing. Of a zone, who
// may do what holds for all clients at once; the rest is for connections that
// come from now on, as clients have been told what they may rely on.
func (s *Server) Change(o *Options) {
	s.changing.Lock()
	defer s.changing.Unlock()
	s.options.Zone = o.Zone // for listeners that are opened again
	s.most.Store(int64(o.MaxClients))
	used := make(map[*broker.Zone]bool)
	for _, l := range s.opened() {
		for i := range o.Listeners {
			if n := &o.Listeners[i]; n.Kind == l.cfg.Kind && n.Name == l.cfg.Name {
				l.change(n)
				_, zone := o.Zone(n)
				l.regrant(zone)
			}
		}
		used[l.terms.Load().zone] = true
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	maps.DeleteFunc(s.quotas, func(z *broker.Zone, _ *sharedBucket) bool { return !used[z] })
}

func (l *listener) change(n *Named) {
	l.most.Store(int64(n.MaxConnections))
	l.rate.Store(int64(n.MaxConnRate))
	if s, ok := l.socket.(interface{ SetMaxRate(rate int) }); ok { // others ask for it
		s.SetMaxRate(n.MaxConnRate)
	}
}

// regrant has the terms of another zone hold for connections to come. A quota
// that stays the same is not filled anew.
func (l *listener) regrant(zone *broker.Zone) {
	old := l.terms.Load()
	if zone == old.zone {
		return
	}
	if zone.ZoneRouting == old.zone.ZoneRouting && old.routing != nil {
		l.server.mu.Lock()
		if l.server.quotas[zone] == nil {
			l.server.quotas[zone] = old.routing
		}
		l.server.mu.Unlock()
	}
	l.terms.Store(&terms{l, zone, l.server.quota(zone)})
}
