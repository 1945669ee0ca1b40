package engine

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
)

// A node alone becomes a cluster of one when another asks it to join. The
// server can't take the files of one that was alone, it would delete them: so
// a new cluster, with a stand-in as the second node that it needs to begin, is
// given empty streams of the same kind, and these then the files. Nothing is
// copied, however much there is. Meanwhile appends wait.
const (
	growWithin = time.Minute
	growStep   = 50 * time.Millisecond
	// aloneWithin is how long a member without others takes to lead itself.
	aloneWithin = 10 * time.Second
)

var errNoCluster = errors.New("engine: no cluster is configured")

// admit makes a node a member, and this one before, when it is alone.
func (e *Engine) admit(m Member) error {
	c := e.cluster
	if m.ID == "" || m.Address == "" || m.Door == "" {
		return errors.New("who joins says its id, address and door")
	}
	c.changes.Lock()
	defer c.changes.Unlock()
	if !e.to().clustered || c.roster == nil { // nil: it began, and could not end
		if err := e.grow(); err != nil {
			return err
		}
	}
	if !e.quorate() {
		return ErrNoQuorum
	}
	m.Joining = true
	return e.enroll(m)
}

// enroll puts a member into the roster.
func (e *Engine) enroll(m Member) error {
	text, err := json.Marshal(m)
	if err != nil {
		return fmt.Errorf("engine: %w", err)
	}
	if err := e.cluster.roster.Put(m.ID, text); err != nil {
		return err
	}
	return e.stand(func(st *standing) {
		for _, k := range st.Members {
			if k.ID == m.ID {
				return
			}
		}
		st.Members = append(st.Members, m)
	})
}

// grow makes the node a cluster of its own. changes is held.
func (e *Engine) grow() (err error) {
	began := time.Now()
	streams := e.all()
	for _, s := range streams {
		s.writer.hold()
	}
	err = e.becomeMember()
	growing, member := e.cluster.grown()
	switch {
	case err == nil:
		err = e.enter(e.soon)
	case !growing && !member: // as it was
		l, again := e.open(e.options(e.o.Dir))
		if again != nil {
			return errors.Join(err, again)
		}
		e.link.Store(l)
	}
	for _, s := range streams {
		err = errors.Join(err, s.reattach(false))
	}
	if err == nil {
		err = e.begin()
	}
	e.log.Info("engine: the node is a cluster of its own now", "streams", len(streams), "took", time.Since(began), "err", err)
	return err
}

// becomeMember ends the server and gives this node the files of a member. It goes on
// where it ended when it was called before: what was moved into the cluster's
// files is nowhere else.
func (e *Engine) becomeMember() error {
	growing, member := e.cluster.grown()
	old := e.to()
	var configs []*nats.StreamConfig
	if !growing && !member {
		for info := range old.js.Streams() {
			configs = append(configs, &info.Config)
		}
	}
	old.close()
	if member {
		return nil
	}
	if !growing {
		if err := e.found(configs); err != nil {
			return err
		}
		if err := e.stand(func(st *standing) { st.Growing = true }); err != nil {
			return err
		}
	}
	return e.finishGrowth()
}

// grown says how far a node alone has got with becoming a member: its files are
// being moved, or it is one.
func (c *clustered) grown() (growing, member bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.standing.Growing, c.standing.Member
}

// found makes the files of a cluster that has this node as its only member,
// and empty streams.
func (e *Engine) found(configs []*nats.StreamConfig) error {
	if err := os.RemoveAll(filepath.Join(e.o.Dir, clusterDir)); err != nil {
		return fmt.Errorf("engine: %w", err)
	}
	o, err := e.clusterOptions()
	if err != nil {
		return err
	}
	l, err := e.open(o)
	if err != nil {
		return err
	}
	defer l.close()
	second := "second-" + e.cluster.id()
	s, err := e.standIn(second)
	if err != nil {
		return err
	}
	for _, cfg := range configs {
		alone := *cfg
		alone.Replicas, alone.Placement = 1, &nats.Placement{Tags: []string{"id:" + e.cluster.id()}}
		if err = try(growWithin, func() error { _, err := l.js.AddStream(&alone, nats.MaxWait(askWithin)); return err }); err != nil {
			break
		}
	}
	if err == nil {
		err = try(growWithin, func() error { return e.leaveAlone(l, second) })
	}
	return errors.Join(err, s.close())
}

// leaveAlone removes a stand-in from those who vote, until this node is alone.
func (e *Engine) leaveAlone(l *link, standIn string) error {
	z, err := l.server.Jsz(nil)
	if err != nil {
		return err
	}
	if z.Meta == nil || z.Meta.Leader == "" {
		return errors.New("engine: no node leads")
	}
	if z.Meta.Size == 1 {
		return nil
	}
	if err := e.dismissOn(l, peerID(standIn)); err != nil {
		return err
	}
	return errors.New("engine: the stand-in is still there")
}

// try tries until it works.
func try(within time.Duration, f func() error) (err error) {
	for deadline := time.Now().Add(within); ; time.Sleep(growStep) {
		if err = f(); err == nil || time.Now().After(deadline) {
			return err
		}
	}
}

// finishGrowth gives the streams of the cluster the files of the node. It may
// be repeated when the process ended in the middle.
func (e *Engine) finishGrowth() error {
	from := filepath.Join(e.o.Dir, storeDir, accountDir, "streams")
	to := filepath.Join(e.o.Dir, clusterDir, storeDir, accountDir, "streams")
	names, err := os.ReadDir(from)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("engine: %w", err)
	}
	for _, n := range names {
		source, target := filepath.Join(from, n.Name(), "msgs"), filepath.Join(to, n.Name(), "msgs")
		if _, err := os.Stat(source); errors.Is(err, fs.ErrNotExist) {
			continue // has been moved
		}
		if err := os.RemoveAll(target); err != nil {
			return fmt.Errorf("engine: %w", err)
		}
		if err := os.Rename(source, target); err != nil {
			return fmt.Errorf("engine: %w", err)
		}
	}
	if err := e.stand(func(st *standing) { st.Growing, st.Member = false, true }); err != nil {
		return err
	}
	if err := os.RemoveAll(filepath.Join(e.o.Dir, storeDir)); err != nil {
		return fmt.Errorf("engine: %w", err)
	}
	return nil
}

// enter starts the server of a member, takes its link, and waits until it knows
// what the cluster has decided. Until then it gets no records: after a restart
// a server may believe for a moment that it alone has the only copy of a stream
// that has others since, and would keep what it is sent all by itself. When that takes
// long, await says how long it may.
func (e *Engine) enter(await func(*link) error) error {
	o, err := e.clusterOptions()
	if err != nil {
		return err
	}
	o.Cluster.Permissions = &server.RoutePermissions{Import: &server.SubjectPermission{Deny: []string{"L.>", "M.>", "B.>"}}}
	l, err := e.open(o)
	if err != nil {
		return err
	}
	e.enough.Store(true) // until it is known better
	e.cluster.known.Store(false)
	e.link.Store(l)
	if err := e.help(len(e.cluster.others()) == 0); err != nil {
		return err
	}
	alone := len(e.cluster.others()) == 0
	if g := serverGroup(l.server, metaGroup); alone && g != nil { // nobody is there to wait for
		if err := g.Campaign(); err != nil {
			e.log.Debug("engine: " + err.Error()) // it leads already
		}
	}
	if alone && !e.settledWithin(aloneWithin, l) {
		// The stand-in with which it began is still counted: it may have been
		// taken in once more just before it was removed.
		if err := e.dismissSecond(l); err != nil {
			return err
		}
	}
	if !e.settledWithin(saidAfter, l) {
		voters, most := e.majority()
		e.log.Warn(fmt.Sprintf("engine: waiting until %d of the %d members of the cluster run%s", most, voters, e.unreached(l)))
		if err := await(l); err != nil {
			return err
		}
		e.log.Info("engine: enough members of the cluster run")
	}
	c := e.cluster
	c.routing.Lock()
	defer c.routing.Unlock()
	if o, err = e.clusterOptions(); err != nil {
		return err
	}
	c.routed = fmt.Sprint(o.Routes)
	if err := l.server.ReloadOptions(o); err != nil {
		return fmt.Errorf("engine: let records in: %w", err)
	}
	return nil
}

// dismissSecond brings the stand-in back with which the cluster began, to
// decide with it that it goes.
func (e *Engine) dismissSecond(l *link) error {
	second := "second-" + e.cluster.id()
	s, err := e.standIn(second)
	if err != nil {
		return err
	}
	err = try(growWithin, func() error { return e.leaveAlone(l, second) })
	return errors.Join(err, s.close())
}

// begin starts what a member does besides keeping records.
func (e *Engine) begin() error {
	err := e.peers.start(e.to())
	if e.cluster.roster == nil {
		err = errors.Join(err, e.followRoster())
	}
	if err != nil {
		return err
	}
	for deadline := time.Now().Add(openWithin); ; time.Sleep(growStep) { // others may be starting too, or have just gone again
		if err = e.enroll(e.Self()); !errors.Is(err, ErrNoQuorum) || time.Now().After(deadline) {
			return err
		}
	}
}
