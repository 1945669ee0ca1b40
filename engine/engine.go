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
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/dunlin-mq/dunlin/metrics"
	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
)

// Errors that say what to do about them. Every other error is one sentence of
// what was tried, where, and why it failed.
var (
	ErrBusy     = errors.New("engine: too much is being written: try again later")
	ErrFull     = errors.New("engine: the disk is full or can't be written to")
	ErrNoQuorum = errors.New("engine: too few nodes of the cluster can be reached to keep anything")
	ErrClosed   = errors.New("engine: it is closed")
)

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
	Log        *slog.Logger      // nil: nothing is logged
	Metrics    *metrics.Registry // nil: nothing is counted
}

// Engine is a running engine. It is safe for concurrent use.
type Engine struct {
	o       Options
	log     *slog.Logger
	count   *counters
	server  *server.Server
	conn    *nats.Conn
	js      nats.JetStreamContext
	mu      sync.Mutex // guards what follows
	streams map[string]*stream
	closed  bool
}

const (
	readyWithin = 5 * time.Minute // a large log with damaged indexes is read as a whole
	maxPayload  = 64 << 20        // bytes of a record with its key or topic
)

// Start opens the files of o.Dir, or makes them, and returns when everything in
// them can be read and written.
func Start(o Options) (*Engine, error) {
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
	if err := os.MkdirAll(o.Dir, 0o700); err != nil {
		return nil, fmt.Errorf("engine: %w", err)
	}
	e := &Engine{o: o, log: o.Log, count: newCounters(o.Metrics), streams: make(map[string]*stream)}
	if err := e.startServer(); err != nil {
		return nil, err
	}
	if err := e.connect(); err != nil {
		e.stopServer()
		return nil, err
	}
	return e, nil
}

func (e *Engine) startServer() (err error) {
	e.server, err = server.NewServer(&server.Options{
		ServerName:             e.o.Node,
		DontListen:             true,
		NoSigs:                 true,
		JetStream:              true,
		DisableJetStreamBanner: true,
		StoreDir:               filepath.Join(e.o.Dir),
		JetStreamMaxMemory:     1 << 20, // nothing is kept in memory only
		JetStreamMaxStore:      1 << 60, // the logs have bounds of their own, and the disk is watched
		MaxPayload:             maxPayload,
		MaxPending:             2 * maxPayload,
		StreamMaxBufferedMsgs:  1 << 20, // each writer bounds what is in flight, in bytes
		StreamMaxBufferedSize:  1 << 30,
	})
	if err != nil {
		return fmt.Errorf("engine: %w", err)
	}
	e.server.SetLoggerV2(&serverLog{e.log}, false, false, false)
	e.server.Start()
	if !e.server.ReadyForConnections(readyWithin) || !e.server.JetStreamEnabled() {
		e.stopServer()
		return fmt.Errorf("engine: %s could not be opened; the log says why", e.o.Dir)
	}
	return nil
}

func (e *Engine) stopServer() {
	e.server.Shutdown()
	e.server.WaitForShutdown()
}

// connect opens the one connection that everything goes through.
func (e *Engine) connect() (err error) {
	e.conn, err = nats.Connect("", nats.InProcessServer(e.server), nats.MaxReconnects(-1),
		nats.ReconnectWait(10*time.Millisecond), nats.ReconnectBufSize(-1),
		nats.DisconnectErrHandler(func(_ *nats.Conn, err error) { e.disconnected() }),
		nats.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) { e.log.Warn("engine: " + err.Error()) }))
	if err == nil {
		e.js, err = e.conn.JetStream(nats.MaxWait(readyWithin))
	}
	if err != nil {
		return fmt.Errorf("engine: %w", err)
	}
	return nil
}

// disconnected fails what waits for an answer that can't come anymore.
func (e *Engine) disconnected() {
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
	for _, s := range e.all() {
		s.close()
	}
	e.conn.Close()
	e.stopServer()
	return nil
}

// Health is nil, or one sentence that says what is wrong.
func (e *Engine) Health() error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.closed {
		return ErrClosed
	}
	return nil
}
