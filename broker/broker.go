package broker

import (
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/dunlin-mq/dunlin/auth"
	"github.com/dunlin-mq/dunlin/hook"
	"github.com/dunlin-mq/dunlin/metrics"
	"github.com/dunlin-mq/dunlin/retain"
	"github.com/dunlin-mq/dunlin/topic"
	"github.com/dunlin-mq/dunlin/trace"
)

// Options are what a Broker is made of.
type Options struct {
	Node     string // the node's name in $SYS topics: dunlin@127.0.0.1
	Version  string
	Config   Config
	Hooks    *hook.Points
	Metrics  *metrics.Registry
	Retained *retain.Store
	Log      *slog.Logger
	// Access decides about clients and topics; nil: a Control that asks nobody.
	Access *auth.Control
	// Durable is where durable sessions are kept; nil: all live in memory.
	Durable *Durable
	// Trace hears of what happens to messages and sessions; nil: nobody does.
	Trace *trace.Tracer
	// Nodes are the names of all nodes of the cluster that run, for $SYS/brokers;
	// nil: there is one.
	Nodes func() []string
}

// Broker is one node's broker. Its methods may be called by any number of
// goroutines, each with a Batch of its own.
type Broker struct {
	Hooks    *hook.Points
	Retained *retain.Store
	Access   *auth.Control

	node, version string
	sysPrefix     string // $SYS/brokers/<node>/
	nodes         func() []string
	cfg           atomic.Pointer[BrokerConfig]
	log           *slog.Logger
	registry      *metrics.Registry
	count         counters
	account       account
	trace         *trace.Tracer
	topics        topicCounts
	slow          *slowSubscriptions // nil: off
	durable       *durability        // nil: all sessions live in memory
	cluster       atomic.Pointer[Cluster]
	clusterMu     sync.Mutex // held while cluster changes

	index     topic.Index[routeKey, *route]
	clients   registry
	groups    groups
	guards    guards
	exclusive exclusive
	delayed   delayed
	facts     *sysTopics // version, stats and metrics
	heartbeat *sysTopics
	wheel     wheel

	modules        *ModulesConfig
	publishRules   []rewrite
	subscribeRules []rewrite
	subscriptions  []Subscription // that every client gets

	logs      throttles
	ownAccess bool // nobody else closes it
	stopping  atomic.Bool
	stop      chan struct{}
	done      sync.WaitGroup
}

// New makes a broker and starts its clock. Close stops it.
func New(o Options) *Broker {
	br := &Broker{
		Hooks: o.Hooks, Retained: o.Retained, Access: o.Access,
		node: o.Node, version: o.Version, sysPrefix: "$SYS/brokers/" + o.Node + "/", nodes: o.Nodes,
		log: o.Log, registry: o.Metrics, trace: o.Trace,
		stop: make(chan struct{}),
	}
	if br.Access == nil {
		br.ownAccess = true
		br.Access = auth.New(auth.Options{Metrics: o.Metrics, Log: o.Log})
	}
	br.wheel.sooner = make(chan struct{}, 1)
	br.clients.clients = make(map[string]*Client)
	br.groups.br, br.groups.all = br, make(map[GroupKey]*group)
	br.exclusive.holders = make(map[string]holder)
	br.delayed.br = br
	br.modules = &o.Config.Modules
	if m := br.modules; m.Rewrite {
		br.publishRules = rewrites(m.PublishRules, m.Rules)
		br.subscribeRules = rewrites(m.SubRules, m.Rules)
	}
	br.subscriptions = autoSubscriptions(br.modules)
	br.newCounters(o.Metrics)
	br.account.open(o.Metrics)
	br.newSys()
	br.Change(o.Config.Broker)
	br.topics.br = br
	br.slow = br.startSlow()
	br.durable = br.openDurability(o.Durable, &o.Config.Durability)
	(&sweep{br}).Fire(br.NewBatch(), 0)
	br.done.Go(br.turn)
	return br
}

// Change puts another configuration in force. A share group that has members
// keeps its strategy, and what waits already in $delayed stays above new bounds.
func (br *Broker) Change(to BrokerConfig) {
	br.cfg.Store(&to)
	br.delayed.bound(to.MaxDelayed, int64(to.MaxDelayedBytes))
	br.facts.every(to.SysInterval)
	br.heartbeat.every(to.SysHeartbeat)
}

// turn drives the wheel, and with it everything in the broker that depends on
// time, until Close.
func (br *Broker) turn() {
	b := br.NewBatch()
	for {
		br.wheel.advance(b.Now(), b)
		b.End()
		select {
		case <-time.After(time.Duration(br.wheel.rest(Now())) * time.Millisecond):
		case <-br.wheel.sooner:
		case <-br.stop:
			return
		}
	}
}

// Schedule has t fired at the given time, Unix milliseconds, or at most a tenth
// of a second later.
func (br *Broker) Schedule(t Timer, at int64) { br.wheel.set(t, 0, at) }

// Reschedule moves t from the time old, for which it is scheduled, to at.
// Either may be 0 for none. Who goes away must take itself off the schedule,
// or the schedule holds on to it until its time has come.
func (br *Broker) Reschedule(t Timer, old, at int64) { br.wheel.set(t, old, at) }

// BeginStop is called before the listeners end their connections because the
// process stops: from now on wills are kept, not published, since no client
// has failed.
func (br *Broker) BeginStop() { br.stopping.Store(true) }

// Close stops the broker's clock. Connections are ended by their listeners
// before.
func (br *Broker) Close() {
	br.stopping.Store(true)
	close(br.stop)
	br.done.Wait()
	br.durable.close()
	if br.ownAccess {
		br.Access.Close()
	}
}

// Strategy is how a share group chooses its members.
func (br *Broker) Strategy(group string) Strategy { return br.cfg.Load().strategy(group) }

// fire runs a chain that may be empty.
func fire[E any](chain *hook.Chain[E], e *E) {
	if !chain.Empty() {
		chain.Run(e)
	}
}

// fireSession counts and tells of a session's beginning or end.
func (br *Broker) fireSession(chain *hook.Chain[hook.SessionEvent], n *metrics.Counter, who *hook.ClientInfo, event, reason string) {
	n.Inc()
	br.traceSession(who, event, reason)
	if !chain.Empty() {
		chain.Run(&hook.SessionEvent{Client: who, Reason: reason})
	}
}
