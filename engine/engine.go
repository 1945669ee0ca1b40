// Package engine keeps what has to outlive the process, and in a cluster every
// node: maps from keys to values, and logs of messages. It embeds a NATS server
// with JetStream, which replicates, elects and stores; nothing of it is visible
// outside of this package, neither a type nor a word in an error.
//
// It is no message broker: it knows no client, no subscription and no session.
// It decides nothing about what a record means, and holds no cache of what it
// keeps. Who uses a map keeps what it needs of it in memory.
//
// What an engine acknowledges is kept. With the durability "os" the operating
// system has it, so that the process may be killed at any moment; with "always"
// the disk has it, so that the machine may lose power.
package engine

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"

	"github.com/dunlin-mq/dunlin/metrics"
)

// Errors that say what to do about them. Every other error is one sentence of
// what was tried, where, and why it failed.
var (
	ErrBusy     = errors.New("engine: too much is being written: try again later")
	ErrFull     = errors.New("engine: the disk is full or can't be written to")
	ErrNoQuorum = errors.New("engine: too few nodes of the cluster can be reached to keep anything")
	ErrClosed   = errors.New("engine: it is closed")
	// ErrDoubt is beside the others, as errors.Is finds it: the record had gone out,
	// and may be kept or not. What this engine writes to the same map, or to the same
	// shard, later and is told to be kept lies behind it, if it is there at all.
	ErrDoubt = errors.New("engine: it is not known whether the record was kept")
)

// inDoubt is why a record may be kept or not.
type inDoubt struct{ error }

func (e inDoubt) Unwrap() error        { return e.error }
func (e inDoubt) Is(target error) bool { return target == ErrDoubt }

// The values of Options.Durability.
const (
	DurabilityOS     = "os"     // the operating system has it: survives the end of the process
	DurabilityAlways = "always" // the disk has it: survives the end of the machine
)

// Options say where an engine keeps its files, and how.
type Options struct {
	Dir        string            // folder of the files, made when it isn't there; no other process uses it
	Node       string            // name of this node, unique in its cluster
	Durability string            // DurabilityOS, which "" stands for, or DurabilityAlways
	Log        *slog.Logger      `json:"-"` // nil: nothing is logged
	Metrics    *metrics.Registry `json:"-"` // nil: nothing is counted
	Cluster    *Cluster          // nil: this node is alone for good
	MinFree    int64             // bytes of the disk that stay free, 0: 64 MB, negative: none; below, writing fails with ErrFull
}

// Engine is a running engine. It is safe for concurrent use.
type Engine struct {
	o       Options
	log     *slog.Logger
	count   *counters
	health  health
	disk    disk
	run     string // unique to this run of the process
	lock    *os.File
	since   time.Time
	link    atomic.Pointer[link]
	peers   *peers
	cluster *clustered  // nil: there is none
	enough  atomic.Bool // so many members can be reached that records can be kept
	forced  atomic.Bool // stand-ins make up for those that can't
	opening sync.Mutex  // one stream is opened at a time

	renewal atomic.Pointer[func(alone bool) (after func())] // nil: nobody wants to know
	mu      sync.Mutex                                      // guards what follows
	streams map[string]*stream
	closed  bool
}

// link is a running server and the one connection to it that everything goes
// through. Joining a cluster makes a new one.
type link struct {
	server    *server.Server
	conn      *nats.Conn
	js        nats.JetStreamContext
	store     string // folder of the server's files
	clustered bool
}

func (e *Engine) to() *link { return e.link.Load() }

const (
	readyWithin = 5 * time.Minute // a large log with damaged indexes is read as a whole
	maxPayload  = 30 << 20        // bytes of a record with its key or topic; the server takes one of 32 MB for damage
)

// Start is StartContext for who waits for other nodes without an end.
func Start(o Options) (*Engine, error) { return StartContext(context.Background(), o) }

// StartContext opens the files of o.Dir, or makes them, and returns when everything
// in them can be read and written. A member of a cluster waits for that until most
// members run, and says in the log after some seconds which it can't reach. The end
// of ctx ends that wait: the error is ErrNoQuorum and the context's, and nothing is
// left running.
func StartContext(ctx context.Context, o Options) (*Engine, error) {
	if o.Durability == "" {
		o.Durability = DurabilityOS
	}
	if o.Durability != DurabilityOS && o.Durability != DurabilityAlways {
		return nil, fmt.Errorf("engine: durability %q: it is %q or %q", o.Durability, DurabilityOS, DurabilityAlways)
	}
	if o.Node == "" {
		o.Node = "dunlin"
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Metrics == nil {
		o.Metrics = new(metrics.Registry)
	}
	if o.MinFree == 0 {
		o.MinFree = defaultMinFree
	}
	if err := os.MkdirAll(o.Dir, 0o700); err != nil {
		return nil, cantOpen(o.Dir, err)
	}
	e := &Engine{o: o, log: o.Log, count: newCounters(o.Metrics), run: rand.Text()[:12] + "-", since: time.Now(), streams: make(map[string]*stream)}
	e.peers = newPeers(e)
	e.disk.e, e.disk.wake = e, make(chan struct{}, 1)
	if err := e.hold(); err != nil {
		return nil, err
	}
	holdClock()
	err := errors.Join(storedKnown(), e.newClustered(o.Cluster))
	if err == nil {
		err = e.enterFirst(ctx)
	}
	if err != nil {
		dropClock()
		return nil, errors.Join(err, e.lock.Close())
	}
	e.disk.start()
	return e, nil
}

// options are those of a server with its files in dir.
func (e *Engine) options(dir string) *server.Options {
	return &server.Options{
		ServerName:             e.o.Node,
		DontListen:             true,
		NoSigs:                 true,
		NoSystemAccount:        true, // it talks to itself every few seconds
		JetStream:              true,
		DisableJetStreamBanner: true,
		StoreDir:               dir,
		JetStreamMaxMemory:     1 << 20, // nothing is kept in memory only
		JetStreamMaxStore:      1 << 60, // the logs have bounds of their own, and the disk is watched
		MaxPayload:             maxPayload,
		MaxPending:             2 * maxPayload,
		StreamMaxBufferedMsgs:  1 << 20, // each writer bounds what is in flight, in bytes
		StreamMaxBufferedSize:  1 << 30,
	}
}

// open starts a server and connects to it.
func (e *Engine) open(o *server.Options) (*link, error) {
	if o.Cluster.Port == 0 { // other members of a cluster have what is damaged here
		if err := e.mend(o.StoreDir); err != nil {
			return nil, err
		}
	}
	s, err := e.serve(o)
	if err != nil {
		return nil, err
	}
	l := &link{server: s, store: o.StoreDir, clustered: o.Cluster.Port != 0}
	if err := e.connect(l); err != nil {
		l.close()
		return nil, err
	}
	return l, nil
}

// serve starts a server.
func (e *Engine) serve(o *server.Options) (*server.Server, error) {
	if err := canListen(o.Cluster.Host, o.Cluster.Port); err != nil {
		return nil, err
	}
	s, err := server.NewServer(o)
	if err != nil {
		return nil, fmt.Errorf("engine: %w", err)
	}
	said := &serverLog{log: e.log, onDisk: e.disk.wakeUp}
	s.SetLoggerV2(said, false, false, false)
	s.Start()
	if said.fatal.Load() == nil && o.Cluster.Port != 0 {
		routing(s)
	}
	if said.fatal.Load() == nil && s.ReadyForConnections(readyWithin) && s.JetStreamEnabled() == o.JetStream {
		return s, nil
	}
	s.Shutdown()
	s.WaitForShutdown()
	if why := said.fatal.Load(); why != nil {
		return nil, fmt.Errorf("%w (in %s)", *why, e.o.Dir)
	}
	return nil, fmt.Errorf("engine: %s could not be opened within %v", e.o.Dir, readyWithin)
}

func (l *link) close() {
	if l.conn != nil {
		l.conn.Close()
	}
	l.server.Shutdown()
	l.server.WaitForShutdown()
}

func (e *Engine) connect(l *link) (err error) {
	l.conn, err = nats.Connect("", nats.InProcessServer(l.server), nats.MaxReconnects(-1),
		nats.ReconnectWait(10*time.Millisecond), nats.ReconnectBufSize(-1),
		nats.DisconnectErrHandler(func(*nats.Conn, error) { e.disconnected(l) }),
		nats.ErrorHandler(func(_ *nats.Conn, sub *nats.Subscription, err error) { e.failedAside(sub, err) }))
	if err == nil {
		within := readyWithin
		if l.clustered {
			within = askWithin // it is tried again
		}
		l.js, err = l.conn.JetStream(nats.MaxWait(within))
	}
	if err != nil {
		return fmt.Errorf("engine: %w", err)
	}
	return nil
}

// failedAside takes an error that is of no call.
func (e *Engine) failedAside(sub *nats.Subscription, err error) {
	if sub == nil || !errors.Is(err, nats.ErrSlowConsumer) {
		e.log.Debug("engine: " + sentence(err).Error())
		return
	}
	e.log.Warn("engine: messages of other nodes are dropped, as they come faster than they are handled: " + sub.Subject[strings.LastIndexByte(sub.Subject, '.')+1:])
}

// disconnected fails what waits for an answer that can't come anymore.
func (e *Engine) disconnected(l *link) {
	if l != e.to() {
		return
	}
	for _, s := range e.all() {
		s.writer.failAll(errUnanswered)
	}
}

func (e *Engine) all() (all []*stream) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, s := range e.streams {
		all = append(all, s)
	}
	return all
}

// Close waits for what is being written, and ends. Everything acknowledged is
// kept; calls that come later fail with ErrClosed.
func (e *Engine) Close() error {
	e.mu.Lock()
	was := e.closed
	e.closed = true
	e.mu.Unlock()
	if was {
		return nil
	}
	e.disk.close()
	for _, s := range e.all() {
		s.close()
	}
	err := e.exit()
	dropClock()
	return errors.Join(err, e.lock.Close())
}
