package engine

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/nats-io/nats.go"
)

const (
	rosterMap   = "members" // the map of the members, by id
	mostCopies  = 3         // of a record in a cluster
	strangerFor = 10        // looks at a peer that is not in the roster before it is removed
	askWithin   = 2 * time.Second
)

// follow keeps the roster in the standing. It is called once, when the node is
// a member, and outlives links.
func (e *Engine) followRoster() error {
	c := e.cluster
	m, err := e.Map(rosterMap)
	if err != nil {
		return err
	}
	all := make(map[string]Member)
	current := false
	c.stopRoster, err = m.Watch(func(ch Change) {
		switch {
		case ch.Current:
			current = true
		case ch.Deleted:
			delete(all, ch.Key)
			e.left(ch.Key)
		default:
			var m Member
			if err := json.Unmarshal(ch.Value, &m); err != nil {
				e.log.Error(fmt.Sprintf("engine: member %s: %v", ch.Key, err))
				return
			}
			all[ch.Key] = m
		}
		if current && len(all) > 0 {
			e.roster(all)
		}
	})
	c.roster = m
	return err
}

// roster takes the members as this node's copy of the map has them. One that
// isn't there yet may be on its way: who has left is told of as such.
func (e *Engine) roster(all map[string]Member) {
	err := e.stand(func(st *standing) {
		for id, m := range all {
			i := slices.IndexFunc(st.Members, func(k Member) bool { return k.ID == id })
			switch {
			case i < 0:
				st.Members = append(st.Members, m)
			case !st.Members[i].Since.After(m.Since): // otherwise it has told itself since
				st.Members[i] = m
			}
		}
	})
	if _, in := all[e.cluster.id()]; in {
		e.cluster.known.Store(true)
	}
	if err = errors.Join(err, e.reroute()); err != nil {
		e.log.Error(err.Error())
	}
}

// left takes that a member is none anymore.
func (e *Engine) left(id string) {
	if id == e.cluster.id() {
		go e.whetherExpelled()
		return
	}
	err := e.stand(func(st *standing) {
		st.Members = slices.DeleteFunc(st.Members, func(m Member) bool { return m.ID == id })
	})
	if l := e.to(); l.clustered {
		e.peers.judge(l)
	}
	if err = errors.Join(err, e.reroute()); err != nil {
		e.log.Error(err.Error())
	}
}

// forget removes members that left while this node was away: they are not in
// the map for long, although this node's copy is complete.
func (e *Engine) forget(l *link) {
	c := e.cluster
	missing := make(map[string]int)
	if l.server.JetStreamIsStreamCurrent(accountDir, sharedMaps) {
		for _, m := range c.others() {
			if _, in, err := c.roster.Get(m.ID); err != nil || in {
				continue
			}
			if missing[m.ID] = c.missing[m.ID] + 1; missing[m.ID] > strangerFor {
				e.left(m.ID)
			}
		}
	}
	c.missing = missing
}

func (e *Engine) rosterKnown() bool { return e.cluster.known.Load() }

// met takes what a member says of itself, such as a new address.
func (e *Engine) met(m Member) {
	err := e.stand(func(st *standing) {
		for i := range st.Members {
			if st.Members[i].ID == m.ID {
				st.Members[i] = m
			}
		}
	})
	if err = errors.Join(err, e.reroute()); err != nil {
		e.log.Error(err.Error())
	}
}

// reroute has the server connect to the members that there are now.
func (e *Engine) reroute() error {
	c := e.cluster
	c.routing.Lock()
	defer c.routing.Unlock()
	l := e.to()
	if !l.clustered || !l.server.Running() {
		return nil
	}
	o, err := e.clusterOptions()
	if err != nil {
		return err
	}
	if fmt.Sprint(o.Routes) != c.routed {
		c.routed = fmt.Sprint(o.Routes)
		if err := l.server.ReloadOptions(o); err != nil {
			return fmt.Errorf("engine: connect to other members: %w", err)
		}
	}
	return e.help(len(c.others()) == 0)
}

// tend looks after the streams now and then: how far they are, here first, where
// nobody has to be asked, and on the node that leads, whether they have as many
// copies as there are members.
func (e *Engine) tend(l *link, stop chan struct{}) {
	all := e.all()
	for _, s := range all {
		if own, has := l.replica(s.name); has {
			s.heard(own.reaches())
		}
	}
	for _, s := range all {
		select {
		case <-stop:
			return
		default:
		}
		if info, err := l.js.StreamInfo(s.name, nats.MaxWait(askWithin)); err == nil {
			s.heard(info.State.FirstSeq, info.State.LastSeq)
		}
		if !e.enough.Load() {
			return
		}
	}
	if e.cluster.known.Load() {
		e.forget(l)
	}
	if l.server.JetStreamIsLeader() && e.cluster.known.Load() && e.cluster.changes.TryLock() {
		defer e.cluster.changes.Unlock()
		if err := e.replaced(); err != nil {
			e.log.Warn(err.Error())
		}
		if err := e.copies(l); err != nil {
			e.log.Debug(err.Error())
		}
		if err := e.strangers(l); err != nil {
			e.log.Warn(err.Error())
		}
	}
}

// replaceWithin is how long one member may take to be removed; it is tried again.
const replaceWithin = 30 * time.Second

// replaced removes members that are down and whose address another one has that
// joined later: a node that lost its data comes back as a new member.
func (e *Engine) replaced() error {
	all := e.Members()
	for _, old := range all {
		i := slices.IndexFunc(all, func(m Member) bool {
			return m.Address == old.Address && m.Alive && !m.Joining && m.Since.After(old.Since)
		})
		if old.Alive || i < 0 {
			continue
		}
		e.log.Warn(fmt.Sprintf("engine: %s has come back without its data, as %s: the member that it was, %s, is removed", all[i].Node, all[i].ID, old.ID))
		ctx, cancel := context.WithTimeout(context.Background(), replaceWithin)
		err := e.remove(ctx, old.ID)
		cancel()
		if err != nil {
			return err
		}
		e.left(old.ID)
	}
	return nil
}

// copies makes as many more as there are members, three at most, once the ones
// before are complete.
func (e *Engine) copies(l *link) error {
	alive := 0
	for _, m := range e.Members() {
		if m.Alive {
			alive++
		}
	}
	for info := range l.js.Streams(nats.MaxWait(askWithin)) {
		want := min(alive, mostCopies)
		if want <= info.Config.Replicas || !complete(info) {
			continue // there are fewer when a member leaves, see join.go
		}
		info.Config.Replicas, info.Config.Placement = want, nil
		if _, err := l.js.UpdateStream(&info.Config, nats.MaxWait(askWithin)); err != nil {
			return fmt.Errorf("engine: %d copies of %s: %w", want, info.Config.Name, sentence(err))
		}
	}
	return nil
}

// complete says whether all copies of a stream have all records.
func complete(info *nats.StreamInfo) bool {
	return info.Cluster != nil && !slices.ContainsFunc(info.Cluster.Replicas, func(r *nats.PeerInfo) bool { return !r.Current || r.Lag != 0 })
}

// strangers removes what votes and is no member, as after a forced leave that
// was not carried through.
func (e *Engine) strangers(l *link) error {
	z, err := l.server.Jsz(nil)
	if err != nil || z.Meta == nil {
		return err
	}
	c := e.cluster
	members := map[string]bool{peerID(c.id()): true}
	for _, m := range c.others() {
		members[peerID(m.ID)] = true
	}
	now := make(map[string]int)
	for _, p := range z.Meta.Replicas {
		if members[p.Peer] {
			continue
		}
		if now[p.Peer] = c.strange[p.Peer] + 1; now[p.Peer] > strangerFor {
			if err := e.dismiss(p.Peer); err != nil {
				return err
			}
		}
	}
	c.strange = now
	return nil
}

// dismiss removes a peer from those who vote on what there is.
func (e *Engine) dismiss(peer string) error { return e.dismissOn(e.to(), peer) }

func (e *Engine) dismissOn(l *link, peer string) error {
	ask, err := json.Marshal(map[string]string{"peer_id": peer})
	if err != nil {
		return fmt.Errorf("engine: %w", err)
	}
	return e.askSystem(l, "$JS.API.SERVER.REMOVE", ask)
}

// systemWithin is how long an answer is waited for that may have got lost with
// the leader, as when that is told to remove itself. All that is asked is asked
// until it is seen to be done.
const systemWithin = 500 * time.Millisecond

// askSystem asks what the server lets only its operator ask.
func (e *Engine) askSystem(l *link, subject string, ask []byte) error {
	conn, err := e.systemConn(l)
	if err != nil {
		return err
	}
	defer conn.Close()
	ctx, cancel := context.WithTimeout(context.Background(), systemWithin)
	defer cancel()
	m, err := conn.RequestWithContext(ctx, subject, ask)
	if err != nil {
		return fmt.Errorf("engine: %w", sentence(err))
	}
	var answer struct {
		Error *serverError `json:"error"`
	}
	if err := json.Unmarshal(m.Data, &answer); err != nil {
		return fmt.Errorf("engine: %w", err)
	}
	if answer.Error != nil && answer.Error.ErrCode != notMember {
		return fmt.Errorf("engine: %w", answer.Error)
	}
	return nil
}

const notMember = 10044 // the server's number for a peer that it doesn't know

func (e *Engine) systemConn(l *link) (*nats.Conn, error) {
	conn, err := nats.Connect("", nats.InProcessServer(l.server), nats.UserInfo(systemUser, e.cluster.secret.password))
	if err != nil {
		return nil, fmt.Errorf("engine: %w", sentence(err))
	}
	return conn, nil
}
