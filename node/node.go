// Package node builds one Dunlin process out of its configuration: every part
// in the order in which they need each other, and stops them in reverse.
//
// It is the only place that knows all parts. It has no behaviour of its own
// beside reading the configuration (config.go) and writing the log (log.go).
package node

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/dunlin-mq/dunlin/alarm"
	"github.com/dunlin-mq/dunlin/api"
	"github.com/dunlin-mq/dunlin/auth"
	"github.com/dunlin-mq/dunlin/broker"
	"github.com/dunlin-mq/dunlin/hook"
	"github.com/dunlin-mq/dunlin/metrics"
	"github.com/dunlin-mq/dunlin/otel"
	"github.com/dunlin-mq/dunlin/server"
	"github.com/dunlin-mq/dunlin/trace"
)

// Version is what `dunlin version` and $SYS/brokers/<node>/version say.
const Version = "0.1.0"

// Node is one running broker.
type Node struct {
	Config  *Config
	Hooks   *hook.Points
	Metrics *metrics.Registry
	Access  *auth.Control
	Broker  *broker.Broker
	Server  *server.Server
	API     *api.Server
	Alarms  *alarm.Alarms
	History *metrics.History
	OTel    *otel.Exporter // nil: off

	started   time.Time
	log       *slog.Logger
	webhook   *alarm.Webhook // nil: alarm.webhook.url is empty
	trace     *trace.Tracer
	kept      *kept
	cluster   *clustering
	unread    atomic.Int64 // sessions that can't be restored; until somebody takes note
	joint     *joint
	passwords *auth.Passwords
	leaves    leaves
	stop      chan struct{}
	tidying   sync.WaitGroup

	changing sync.Mutex             // of the configuration
	current  atomic.Pointer[Config] // Config is that of the start
	zones    struct {
		sync.Mutex
		all map[string]*broker.Zone // the last one of each name
	}
}

// Start is StartContext for who waits for other nodes without an end.
func Start(c *Config, log *slog.Logger) (*Node, error) {
	return StartContext(context.Background(), c, log)
}

// StartContext builds a node and opens its listeners. A member of a cluster waits
// for a majority of the members before, until ctx ends. After an error nothing is
// left running. log may be nil for none.
func StartContext(ctx context.Context, c *Config, log *slog.Logger) (*Node, error) {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	if err := os.MkdirAll(c.Node.DataDir, 0o750); err != nil {
		return nil, &DataDirError{c.Node.DataDir, err}
	}
	n := &Node{Config: c, Hooks: new(hook.Points), Metrics: new(metrics.Registry), started: time.Now(), log: log, stop: make(chan struct{})}
	n.zones.all = make(map[string]*broker.Zone)
	n.current.Store(c)
	n.changing.Lock() // until all that may have to take a change is there
	defer n.changing.Unlock()
	if err := n.startAccess(ctx); err != nil {
		return nil, err
	}
	n.History = newHistory(n.Metrics)
	if err := n.openTraces(); err != nil {
		n.stopAccess()
		return nil, err
	}
	retained, err := n.openRetained()
	var durable *broker.Durable
	if err == nil {
		durable, err = n.openDurable(c)
	}
	if err != nil {
		n.closeTraces()
		n.stopAccess()
		return nil, err
	}
	n.Broker = broker.New(broker.Options{
		Node: c.Node.Name, Version: Version, Config: c.Broker, Hooks: n.Hooks, Metrics: n.Metrics,
		Retained: retained, Access: n.Access, Trace: n.trace, Log: log,
		Durable: durable, Nodes: func() []string { return n.cluster.Status().Running },
	})
	n.Access.OnBan(n.Broker.DisconnectBanned)
	n.Server, err = server.New(server.Options{
		Broker: n.Broker, Hooks: n.Hooks, Metrics: n.Metrics, Log: log,
		Listeners: c.Listeners(), Zone: n.zoneOf(c), DataDir: c.Node.DataDir, MaxClients: c.Node.MaxClients, Trace: n.trace, Others: others{n},
	})
	if err == nil {
		err = n.restore()
	}
	if err == nil {
		n.joint, err = newJoint(n.kept.engine, n.Broker, func(name string) *broker.Zone { return n.zoneNamed(n.current.Load(), name) }, n.Metrics, log)
	}
	if err == nil {
		err = n.startServing()
	}
	if err != nil {
		n.stopParts()
		return nil, err
	}
	n.watchAlarms()
	trimProgram(log)
	n.tidying.Go(func() { tidy(log, n.stop) })
	n.tidying.Go(func() { sampleHistory(n.History, n.stop) })
	return n, nil
}

// Stop ends all connections, telling version 5 clients that the server shuts
// down, and then the rest.
func (n *Node) Stop() {
	n.cluster.close()
	n.Broker.BeginStop()
	n.Server.Stop()
	n.stopParts()
	close(n.stop)
	n.tidying.Wait()
}

// ReloadCertificates reads the certificates of all listeners, and the one for other nodes, again. Of those that can't be
// used the ones in use stay.
func (n *Node) ReloadCertificates() error {
	return errors.Join(n.Server.ReloadCertificates(), n.API.ReloadCertificates(), n.kept.engine.RenewCertificate())
}

// startServing opens the management API, has the broker meet those of other
// nodes, and then opens the listeners. After an error the server has been
// stopped.
func (n *Node) startServing() error {
	err := n.openAlarms()
	if err == nil {
		err = n.startOTel()
	}
	if err == nil {
		err = n.startAPI()
	}
	if err == nil {
		err = n.openDelayed()
	}
	if err != nil {
		n.Server.Stop()
		return err
	}
	n.cluster.start(n.joint)
	n.cluster.ready()
	if err = n.Server.Start(); err != nil { // it stops itself
		n.cluster.close()
	}
	return err
}

// stopParts stops what the listeners need, those that ask before those that
// are asked.
func (n *Node) stopParts() {
	if n.API != nil {
		n.API.Stop()
	}
	if n.Alarms != nil {
		n.Alarms.Close()
	}
	if n.webhook != nil {
		n.webhook.Close()
	}
	if n.joint != nil {
		n.joint.close()
	}
	n.Broker.Close()
	n.flushRetained()
	n.closeTraces()
	if n.OTel != nil {
		n.OTel.Stop()
	}
	n.stopAccess()
}

// DataDirError says that the data directory can't be used.
type DataDirError struct {
	Dir string
	Err error
}

// Error is one sentence for the operator.
func (e *DataDirError) Error() string {
	return "node.data_dir = " + e.Dir + ": can't be used: " + e.Err.Error()
}

// Unwrap is the system's error.
func (e *DataDirError) Unwrap() error { return e.Err }

// WebSocketPath is the path of a ws or wss listener.
func (c *Config) WebSocketPath(kind, name string) string {
	for _, l := range c.Listener.All() {
		if l.Kind == kind && l.Name == name && l.WS != nil {
			return l.WS.Path
		}
	}
	return ""
}
