package server

import (
	"errors"
	"fmt"
	"log/slog"
	"math"
	"net"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/dunlin-mq/dunlin/broker"
	"github.com/dunlin-mq/dunlin/hook"
	"github.com/dunlin-mq/dunlin/metrics"
	"github.com/dunlin-mq/dunlin/mqtt"
	"github.com/dunlin-mq/dunlin/trace"
)

// Options are what a Server is made of.
type Options struct {
	Broker    *broker.Broker
	Hooks     *hook.Points
	Metrics   *metrics.Registry
	Log       *slog.Logger
	Listeners []Named
	// Zone finds the zone of a listener; always the same one for one name.
	Zone func(*Named) (name string, z *broker.Zone)
	// MaxClients bounds the connections of all listeners together.
	MaxClients int
	// DataDir is where the certificate is that was made at the first start.
	DataDir string
	// Trace hears of packets and of what is decided about connections; nil:
	// nobody does.
	Trace *trace.Tracer
	// Others are asked to take sessions over when this node is emptied; nil: there
	// are none.
	Others Others
}

// Server is all listeners of a node with their connections.
type Server struct {
	broker *broker.Broker
	hooks  *hook.Points
	log    *slog.Logger
	count  *counters
	trace  *trace.Tracer

	open       atomic.Int64 // connections of all listeners
	most       atomic.Int64 // MaxClients
	congestion congestion
	loops      *loops
	evacuation atomic.Pointer[evacuation] // nil: none goes on; set with changing held

	changing sync.Mutex // held while listeners are opened, closed and reloaded; before mu
	stopped  bool

	mu        sync.Mutex // of listeners: who manages the node may ask while they are opened; and of quotas
	listeners []*listener
	options   Options
	quotas    map[*broker.Zone]*sharedBucket
	passes    sync.Pool      // of the streams
	streams   sync.WaitGroup // goroutines of everything that isn't on the loops
}

// New makes a server that listens nowhere yet.
func New(o Options) (*Server, error) {
	s := &Server{
		broker: o.Broker, hooks: o.Hooks, log: o.Log, count: newCounters(o.Metrics), trace: o.Trace,
		options: o, quotas: make(map[*broker.Zone]*sharedBucket),
	}
	s.most.Store(int64(o.MaxClients))
	s.passes.New = func() any { return newPass(o.Broker) }
	var err error
	s.loops, err = newLoops(o.Broker)
	return s, err
}

// Start opens every listener. After an error none is open.
func (s *Server) Start() error {
	s.changing.Lock()
	err := s.openAll()
	s.changing.Unlock()
	if err != nil {
		s.Stop()
	}
	return err
}

func (s *Server) openAll() error {
	for _, n := range s.options.Listeners {
		l := s.newListener(n)
		if err := l.start(); err != nil {
			l.stop(broker.Ending{})
			return err
		}
		s.mu.Lock()
		s.listeners = append(s.listeners, l)
		s.mu.Unlock()
	}
	return nil
}

// newListener is a listener that doesn't listen yet.
func (s *Server) newListener(n Named) *listener {
	zoneName, zone := s.options.Zone(&n)
	l := &listener{
		server: s, cfg: n, access: n.Rules(),
		info:        &hook.ListenerInfo{Name: n.Name, Protocol: n.Kind, Zone: zoneName},
		highWater:   int(n.HighWatermark),
		sendTimeout: n.SendTimeout.Milliseconds(),
		conns:       make(map[*conn]struct{}),
		ends:        new(endings),
	}
	l.most.Store(int64(n.MaxConnections))
	l.rate.Store(int64(n.MaxConnRate))
	l.terms.Store(&terms{l, zone, s.quota(zone)})
	return l
}

// quota is the bucket that all connections of a zone share.
func (s *Server) quota(z *broker.Zone) *sharedBucket {
	if z.ZoneRouting.Limit == 0 {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.quotas[z] == nil {
		s.quotas[z] = &sharedBucket{bucket: newBucket(z.ZoneRouting)}
	}
	return s.quotas[z]
}

// cantListen is the sentence for an operator whose address isn't to be had.
func cantListen(l *listener, err error) error {
	addr := l.cfg.Address
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		return fmt.Errorf("%s = %v: the port is taken by another program; choose another one, or set it to off", l.cfg.Key(), addr)
	case errors.Is(err, syscall.EACCES):
		return fmt.Errorf("%s = %v: opening this port needs more rights than the program has", l.cfg.Key(), addr)
	case errors.Is(err, syscall.EADDRNOTAVAIL):
		return fmt.Errorf("%s = %v: this machine has no such address", l.cfg.Key(), addr)
	}
	return fmt.Errorf("%s = %v: can't listen: %w", l.cfg.Key(), addr, err)
}

// stopTime is how long Stop waits for the connections to end.
const stopTime = 3 * time.Second

// Stop closes all listeners, tells every version 5 client that the server goes
// down, and waits until the connections have ended, 3 seconds at most. Those
// whom an evacuation has not got to yet are sent away as by that.
func (s *Server) Stop() {
	s.changing.Lock()
	defer s.changing.Unlock()
	s.stopped = true
	if e := s.refuses(); e != nil {
		b := s.broker.NewBatch()
		s.evict(b, e, math.MaxInt)
		b.End()
	}
	s.endEvacuation()
	for _, l := range s.opened() {
		l.stop(broker.Ending{Code: mqtt.ServerShuttingDown, Word: "shutdown"})
	}
	for until := time.Now().Add(stopTime); time.Now().Before(until) && s.open.Load() > 0; {
		time.Sleep(5 * time.Millisecond)
	}
	s.loops.close()
	s.streams.Wait()
}

// ListenerStatus is what there is to know of one listener.
type ListenerStatus struct {
	Protocol       string // tcp, ssl, ws, wss, quic
	Name           string
	Zone           string
	Addr           netip.AddrPort // port 0 of the configuration resolved
	MaxConnections int
	Running        bool // false: StopListener has closed it
	Connections    int64
	Ended          map[string]uint64 // why connections ended, by word
	Failures       uint64            // connections that could not be accepted, most likely for want of descriptors
}

// Listeners are the listeners with their counts, those that were stopped too.
func (s *Server) Listeners() []ListenerStatus {
	opened := s.opened()
	all := make([]ListenerStatus, len(opened))
	for i, l := range opened {
		all[i] = ListenerStatus{
			Protocol: l.info.Protocol, Name: l.info.Name, Zone: l.info.Zone, Addr: l.info.Addr,
			MaxConnections: int(l.most.Load()), Running: l.running(), Connections: l.open.Load(), Ended: l.ends.all(), Failures: l.failed.Load(),
		}
	}
	return all
}

func (s *Server) opened() []*listener {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.listeners)
}

// addrPort is the address of a net.Addr of TCP or UDP.
func addrPort(a net.Addr) netip.AddrPort {
	switch a := a.(type) {
	case *net.TCPAddr:
		return unmapped(a.AddrPort())
	case *net.UDPAddr:
		return unmapped(a.AddrPort())
	}
	return netip.AddrPort{}
}

// unmapped writes an IPv4 address that came by an IPv6 socket as what it is.
func unmapped(a netip.AddrPort) netip.AddrPort {
	return netip.AddrPortFrom(a.Addr().Unmap(), a.Port())
}
