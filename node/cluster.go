package node

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/dunlin-mq/dunlin/alarm"
	"github.com/dunlin-mq/dunlin/api"
	"github.com/dunlin-mq/dunlin/discovery"
	"github.com/dunlin-mq/dunlin/engine"
)

// clustering is this node's part in its cluster: it follows who the members
// are, looks for others as cluster.discovery says, and has the node join and
// leave. A node without a cookie has it too, and is always alone.
type clustering struct {
	config *Config
	engine *engine.Engine
	joint  *joint
	log    *slog.Logger

	changed chan struct{} // the members may have
	decided chan struct{} // closed when discovery has, or there is none
	end     context.CancelFunc
	running sync.WaitGroup

	shaping sync.Mutex // held while the node joins or leaves

	mu      sync.Mutex               // guards what follows
	members map[string]engine.Member // the others as they were told of last, by id
	gone    map[string]time.Time     // since when those are down that are
	looking context.CancelFunc       // ends discovery; nil: nobody looks
}

// newClustering is for an engine that runs; start does the rest.
func newClustering(c *Config, e *engine.Engine, log *slog.Logger) *clustering {
	return &clustering{
		config: c, engine: e, log: log,
		changed: make(chan struct{}, 1), decided: make(chan struct{}), members: make(map[string]engine.Member), gone: make(map[string]time.Time),
	}
}

// start is for when all parts of the node run.
func (c *clustering) start(j *joint) {
	c.joint = j
	ctx, cancel := context.WithCancel(context.Background())
	c.end = cancel
	c.engine.OnMember(func(engine.Member) { c.look() })
	c.look()
	c.running.Go(func() { c.follow(ctx) })
	c.running.Go(func() { c.clean(ctx) })
	c.running.Go(func() { c.adopt(ctx, j.broker) })
	if c.config.clustered() && c.config.Cluster.Discovery.Strategy != "manual" {
		looking, stop := context.WithCancel(ctx)
		c.looking = stop
		c.running.Go(func() { c.discover(looking) })
	} else {
		close(c.decided)
	}
}

// decideTime is how long discovery takes until it has joined, or stays alone, as
// long as others answer.
const decideTime = 12 * time.Second

// AwaitDiscovery waits a moment until it is known whether this node joins a cluster,
// if logins were made up for it: they end with that.
func (n *Node) AwaitDiscovery() {
	if !n.API.FirstLogins() {
		return
	}
	select {
	case <-n.cluster.decided:
	case <-time.After(decideTime):
	}
}

// readyTime is how long a member waits at most until it has heard of all others
// what their clients want.
const readyTime = 10 * time.Second

// ready returns when the broker is one with those of the other members, so that
// clients can be let in: before that it would have messages go to nobody, and
// sessions begin anew, that others know of.
func (c *clustering) ready() {
	ctx, cancel := context.WithTimeout(context.Background(), readyTime)
	defer cancel()
	c.greet(ctx)
	for !c.joint.complete(c.engine.Members(), c.engine.Self().ID) {
		if ctx.Err() != nil {
			c.log.Warn("clients are let in, though not all nodes have told what theirs subscribe to", "waited", readyTime)
			return
		}
		time.Sleep(greetStep)
	}
}

// close ends what start began.
func (c *clustering) close() {
	c.end()
	c.running.Wait()
}

// look has follow see what the members are; it doesn't block.
func (c *clustering) look() {
	select {
	case c.changed <- struct{}{}:
	default:
	}
}

// follow compares the members with those it knows whenever they may have
// changed, so that it doesn't matter in which order that was told.
func (c *clustering) follow(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-c.changed:
		}
		all, self := c.engine.Members(), c.engine.Self()
		c.compare(all, self.ID)
		c.joint.see(all, self)
	}
}

func (c *clustering) compare(all []engine.Member, self string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := make(map[string]engine.Member)
	for _, m := range all {
		if m.ID == self {
			continue
		}
		now[m.ID] = m
		was, known := c.members[m.ID]
		switch {
		case !known:
			c.log.Info("a node is a member of the cluster", "node", m.Node, "id", m.ID, "running", m.Alive)
		case m.Alive && !was.Alive:
			c.log.Info("a node of the cluster runs", "node", m.Node)
		case !m.Alive && was.Alive:
			c.log.Warn("a node of the cluster is down, or can't be reached", "node", m.Node)
		}
		if m.Alive {
			delete(c.gone, m.ID)
		} else if _, is := c.gone[m.ID]; !is && !m.Joining {
			c.gone[m.ID] = time.Now()
		}
	}
	for id, m := range c.members {
		if _, is := now[id]; !is {
			c.log.Info("a node is no member of the cluster any more", "node", m.Node, "id", id)
			delete(c.gone, id)
		}
	}
	c.members = now
}

// Status is for the management API.
func (c *clustering) Status() api.ClusterStatus {
	s := api.ClusterStatus{Name: c.config.Cluster.Discovery.Name}
	all := c.engine.Members()
	for _, m := range all {
		if m.Alive {
			s.Running = append(s.Running, m.Node)
		} else {
			s.Stopped = append(s.Stopped, m.Node)
		}
	}
	slices.Sort(s.Running)
	slices.Sort(s.Stopped)
	s.Quorum = 2*len(s.Running) > len(all)
	return s
}

// Copied is the engine's.
func (c *clustering) Copied(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, copiedWithin)
	defer cancel()
	return c.engine.Copied(ctx)
}

// copiedWithin bounds how long the nodes are asked what they have.
const copiedWithin = 5 * time.Second

// Join makes the node a member of the cluster of another.
func (c *clustering) Join(ctx context.Context, node string) error {
	if err := discovery.CheckName(node); err != nil {
		return err
	}
	if !c.config.clustered() {
		return errNoCookie
	}
	if len(c.engine.Members()) > 1 {
		return fmt.Errorf("already_in_cluster: %s is in a cluster; it has to leave that first", c.config.Node.Name)
	}
	c.shaping.Lock()
	defer c.shaping.Unlock()
	door, err := c.config.doorOf(node)
	if err != nil {
		return err
	}
	v, err := c.engine.Visit(ctx, door)
	if err != nil {
		return fmt.Errorf("node_down: %w", err)
	}
	if v.Self.Node != node {
		return fmt.Errorf("node_down: who is at %s is called %s", door, v.Self.Node)
	}
	if isIn(v.Members, c.engine.Self().ID) {
		return errIsIn
	}
	if err := c.alone(ctx, v); err != nil {
		return err
	}
	if err := c.engine.Join(ctx, door); err != nil {
		return err
	}
	c.look()
	c.log.Info("this node is a member of a cluster now", "joined", node)
	c.greet(ctx)
	return nil
}

// greet waits a moment until all others have been heard of.
func (c *clustering) greet(ctx context.Context) {
	for deadline := time.Now().Add(downAfter); time.Now().Before(deadline) && ctx.Err() == nil; time.Sleep(greetStep) {
		if len(c.Status().Stopped) == 0 {
			return
		}
	}
}

// alone says whether somebody else in the cluster to be joined has this node's
// name. One that doesn't answer may be what this node was before it lost its data.
func (c *clustering) alone(ctx context.Context, v engine.Visit) error {
	for _, m := range v.Members {
		if m.Node != c.config.Node.Name {
			continue
		}
		if other, err := c.engine.Visit(ctx, m.Door); err == nil && other.Self.ID == m.ID {
			return fmt.Errorf("a node that is called %s, too, is in that cluster already: give this one a node.name of its own", m.Node)
		}
	}
	return nil
}

// Leave lets the node go on alone. Discovery doesn't bring it back before the
// next start.
func (c *clustering) Leave(ctx context.Context) error {
	c.shaping.Lock()
	defer c.shaping.Unlock()
	if len(c.engine.Members()) < 2 {
		return errors.New("node_not_in_cluster: this node is alone")
	}
	id, others := c.engine.Self().ID, c.engine.Members()
	if err := c.engine.Leave(ctx); err != nil {
		return err
	}
	c.forgotten(ctx, id, others)
	c.mu.Lock()
	if c.looking != nil {
		c.looking()
		c.log.Info("discovery is off until the next start, as the node has left its cluster")
	}
	c.mu.Unlock()
	c.look()
	return nil
}

// forgotten waits a moment until all others know that this node has left.
func (c *clustering) forgotten(ctx context.Context, id string, others []engine.Member) {
	ctx, cancel := context.WithTimeout(ctx, downAfter)
	defer cancel()
	for _, m := range others {
		if m.ID == id || !m.Alive {
			continue
		}
		for is := true; is && ctx.Err() == nil; time.Sleep(greetStep) {
			v, err := c.engine.Visit(ctx, m.Door)
			is = err == nil && slices.ContainsFunc(v.Members, func(o engine.Member) bool { return o.ID == id })
		}
	}
}

// ForceLeave removes a member that is down, or several, with commas between
// them: without a majority all that are down have to be named.
func (c *clustering) ForceLeave(ctx context.Context, nodes string) error {
	all := c.engine.Members()
	var ids []string
	for node := range strings.SplitSeq(nodes, ",") {
		i := slices.IndexFunc(all, func(m engine.Member) bool { return m.Node == node && !m.Alive })
		switch {
		case node == c.config.Node.Name && i < 0:
			return errors.New("a node leaves its own cluster without force")
		case i < 0 && slices.ContainsFunc(all, func(m engine.Member) bool { return m.Node == node }):
			return fmt.Errorf("%s is running: it can leave by itself", node)
		case i < 0:
			return fmt.Errorf("node_not_in_cluster: no member is called %s", node)
		}
		ids = append(ids, all[i].ID)
	}
	if err := c.engine.ForceLeave(ctx, ids...); err != nil {
		return err
	}
	c.look()
	return nil
}

const (
	// downAfter is how long a member has to be down to be worth an alarm: after a
	// join or a start it takes a moment to hear of all others.
	downAfter = 5 * time.Second
	greetStep = 50 * time.Millisecond
)

// troubles are the alarms of a cluster of which a part is missing.
func (c *clustering) troubles() (all []alarm.Cause, _ error) {
	down, there := c.down(time.Now().Add(-downAfter))
	for _, node := range down {
		all = append(all, alarm.Cause{
			Name: "node/" + node + "/down", Message: "Node " + node + " of the cluster is down, or can't be reached", Details: alarm.Details{"node": node},
		})
	}
	if len(down) >= len(there) {
		all = append(all, alarm.Cause{
			Name: "partition", Message: "Partition occurs at node " + down[0],
			Details: alarm.Details{"occurred": down[0], "running_nodes": there, "stopped_nodes": down},
		})
	}
	return all, nil
}

// down are the names of the members that are down since before a time, there
// those of all others and of this node.
func (c *clustering) down(before time.Time) (down, there []string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	there = []string{c.config.Node.Name}
	for id, m := range c.members {
		if since, gone := c.gone[id]; gone && since.Before(before) {
			down = append(down, m.Node)
		} else {
			there = append(there, m.Node)
		}
	}
	slices.Sort(down)
	slices.Sort(there)
	return down, there
}

// discover looks for others until ctx ends.
func (c *clustering) discover(ctx context.Context) {
	d, err := c.config.discoverer(c.log)
	if err != nil {
		c.log.Error("discovery can't begin", "err", err)
		return
	}
	self := c.engine.Self()
	loop := discovery.Loop{
		Self: self.Node, Since: self.Since, Discoverer: d, Log: c.log,
		Members: func() (names []string) {
			for _, m := range c.engine.Members() {
				names = append(names, m.Node)
			}
			return names
		},
		Probe: c.probe, Join: c.Join, Decided: func() { close(c.decided) },
	}
	loop.Run(ctx)
	if closer, is := d.(io.Closer); is {
		if err := closer.Close(); err != nil {
			c.log.Warn("discovery isn't ended properly", "err", err)
		}
	}
}

// probe asks a node about itself.
func (c *clustering) probe(ctx context.Context, node string) (p discovery.Peer, err error) {
	door, err := c.config.doorOf(node)
	if err != nil {
		return p, err
	}
	v, err := c.engine.Visit(ctx, door)
	if err == nil && isIn(v.Members, c.engine.Self().ID) {
		err = errIsIn // and this node hears of that in a moment
	}
	return discovery.Peer{Name: v.Self.Node, Since: v.Self.Since, Members: len(v.Members)}, err
}

var errIsIn = errors.New("already_in_cluster: it has this node as a member already")

func isIn(members []engine.Member, id string) bool {
	return slices.ContainsFunc(members, func(m engine.Member) bool { return m.ID == id })
}

// How often autoclean looks: a part of the time it waits, within limits.
const (
	cleanPart  = 4
	cleanLeast = time.Second
	cleanMost  = time.Minute
)

// clean removes members that are down for longer than cluster.autoclean, as by
// force-leave, but never without a majority. The oldest member that runs does it.
func (c *clustering) clean(ctx context.Context) {
	after := c.config.Cluster.Autoclean
	if after <= 0 {
		return
	}
	tick := time.NewTicker(min(max(after/cleanPart, cleanLeast), cleanMost))
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		if ids := c.lost(time.Now().Add(-after)); len(ids) > 0 {
			c.log.Warn("members that are down for long are removed from the cluster", "ids", ids, "cluster.autoclean", after)
			if err := c.engine.ForceLeave(ctx, ids...); err != nil {
				c.log.Error("members that are down for long are not removed", "err", err)
			}
			c.look()
		}
	}
}

// lost are the members that are down since before a time, if it is for this
// node to remove them.
func (c *clustering) lost(before time.Time) (ids []string) {
	if !c.Status().Quorum {
		return nil
	}
	all := c.engine.Members() // by age
	first := slices.IndexFunc(all, func(m engine.Member) bool { return m.Alive })
	if all[first].ID != c.engine.Self().ID {
		return nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for id, since := range c.gone {
		if since.Before(before) {
			ids = append(ids, id)
		}
	}
	return ids
}
