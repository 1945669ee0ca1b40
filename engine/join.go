package engine

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/nats-io/nats.go"
)

var (
	errIsMember  = errors.New("engine: this node is in a cluster already")
	errNotIn     = errors.New("engine: this node is not in a cluster")
	errIsAlone   = errors.New("engine: this node has no other members")
	errNotSettle = errors.New("engine: not all records have as many copies as they should; try again in a moment")
)

// Join makes this node a member of the cluster that another node is in, or
// begins, by its door. This node's data is given up, and it has the cluster's
// from then on; maps, logs and those who follow them stay, and are told of the
// difference. Appends wait meanwhile.
func (e *Engine) Join(ctx context.Context, door string) error {
	c := e.cluster
	if c == nil {
		return errNoCluster
	}
	if !c.changes.TryLock() {
		return errors.New("engine: the cluster is being changed; try again in a moment")
	}
	defer c.changes.Unlock()
	if len(c.others()) > 0 {
		return errIsMember
	}
	self := e.Self()
	if door == self.Door {
		return errors.New("engine: a node can't join itself")
	}
	self.ID = rand.Text()[:16]
	v, err := e.knock(ctx, http.MethodPost, door, "/join", self)
	if err != nil {
		return err
	}
	return e.reshape(false, func() error {
		err := e.stand(func(st *standing) { st.ID, st.Member, st.Members = self.ID, true, v.Members })
		if err == nil {
			err = errors.Join(os.RemoveAll(filepath.Join(e.o.Dir, clusterDir)), os.RemoveAll(filepath.Join(e.o.Dir, storeDir)))
		}
		if err == nil {
			err = e.enter(e.soon)
		}
		return err
	})
}

// remember has all who follow note what they were told.
func (e *Engine) remember(streams []*stream) (err error) {
	for _, s := range streams {
		err = errors.Join(err, s.remember())
	}
	return err
}

// reshape gives up the data of the node and goes on with what change makes of
// it. changes is held. One that was removed goes on whatever can't be read: nobody
// may have to answer it anymore.
func (e *Engine) reshape(removed bool, change func() error) error {
	streams := e.all()
	for _, s := range streams {
		s.writer.hold()
	}
	err := e.remember(streams)
	if err != nil && !removed { // who follows would not learn what is gone
		for _, s := range streams {
			err = errors.Join(err, s.writer.release())
		}
		return err
	}
	if err != nil {
		e.log.Warn("engine: what came last before this node was removed may not be told as gone", "err", err)
	}
	goOn := func() {}
	if f := e.renewal.Load(); f != nil {
		goOn = (*f)(removed)
	}
	e.peers.end()
	err = e.help(false)
	e.to().close()
	err = errors.Join(err, change())
	if err != nil {
		goOn()
		return err
	}
	for _, s := range streams {
		err = errors.Join(err, s.attach(true))
	}
	goOn()
	for _, s := range streams {
		err = errors.Join(err, s.writer.release())
	}
	if e.to().clustered && err == nil {
		err = e.begin()
	}
	return err
}

// OnRenewal has f called when all records are about to become others: since the
// node joins a cluster, or goes on alone and empty. What is written then waits
// until after has run, which is when the others are there.
func (e *Engine) OnRenewal(f func(alone bool) (after func())) { e.renewal.Store(&f) }

// alone wipes the node and lets it go on without data and without others.
func (e *Engine) alone() error {
	return e.reshape(true, func() error {
		err := e.stand(func(st *standing) { st.ID, st.Member, st.Members = rand.Text()[:16], false, nil })
		if err == nil {
			err = errors.Join(os.RemoveAll(filepath.Join(e.o.Dir, clusterDir)), os.RemoveAll(filepath.Join(e.o.Dir, storeDir)))
		}
		if err != nil {
			return err
		}
		l, err := e.open(e.options(e.o.Dir))
		if err == nil {
			e.link.Store(l)
			e.peers.judgeAlone()
		}
		return err
	})
}

// Leave takes this node out of its cluster, which keeps all data; this one goes
// on alone and without any.
func (e *Engine) Leave(ctx context.Context) error {
	c := e.cluster
	if c == nil || !e.to().clustered {
		return errNotIn
	}
	c.changes.Lock()
	defer c.changes.Unlock()
	if len(c.others()) == 0 {
		return errIsAlone
	}
	if !e.quorate() {
		return ErrNoQuorum
	}
	// While this node has copies: without any, the others may not answer it.
	if err := e.remember(e.all()); err != nil {
		return err
	}
	id := c.id()
	if err := e.evict(ctx, id); err != nil {
		return err
	}
	c.leaving.Store(true)
	defer c.leaving.Store(false)
	if err := c.roster.Delete(id); err != nil {
		return err
	}
	if err := e.retire(ctx, id); err != nil {
		return err
	}
	return e.alone()
}

// ForceLeave removes members, by id or name, that are gone for good; they are
// to be down. When without them too few are left to decide anything, this node
// decides with what it has: of what was acknowledged, that is what has reached
// it, which with two members is all.
func (e *Engine) ForceLeave(ctx context.Context, nodes ...string) error {
	c := e.cluster
	if c == nil || !e.to().clustered {
		return errNotIn
	}
	c.changes.Lock()
	defer c.changes.Unlock()
	out, staying, err := e.choose(nodes)
	if err != nil {
		return err
	}
	if !e.quorate() {
		for _, m := range staying {
			if !m.Alive {
				return fmt.Errorf("engine: %s (%s) can't be reached either: name it too, or bring it back", m.Node, m.ID)
			}
		}
		var second []*standIn
		defer func() {
			for _, s := range second {
				if err := s.close(); err != nil {
					e.log.Error(err.Error())
				}
			}
		}()
		for _, m := range out {
			s, err := e.standIn(m.ID)
			if err != nil {
				return err
			}
			second = append(second, s)
		}
		e.forced.Store(true)
		defer e.forced.Store(false)
	}
	for _, m := range out {
		if err := e.remove(ctx, m.ID); err != nil {
			return err
		}
	}
	err = e.stand(func(st *standing) {
		st.Members = slices.DeleteFunc(st.Members, func(m Member) bool {
			return slices.ContainsFunc(out, func(o Member) bool { return o.ID == m.ID })
		})
	})
	return errors.Join(err, e.reroute())
}

// remove takes all that a member has off it, and then itself off the cluster.
func (e *Engine) remove(ctx context.Context, id string) error {
	if err := e.evict(ctx, id); err != nil {
		return err
	}
	if err := e.cluster.roster.Delete(id); err != nil {
		return err
	}
	return e.retire(ctx, id)
}

// choose finds the members that are to go.
func (e *Engine) choose(nodes []string) (out, staying []Member, err error) {
	for _, n := range nodes {
		if !slices.ContainsFunc(e.Members(), func(m Member) bool { return m.ID == n || m.Node == n }) {
			return nil, nil, fmt.Errorf("%w: %s", errNotMember, n)
		}
	}
	for _, m := range e.Members() {
		switch {
		case !slices.Contains(nodes, m.ID) && !slices.Contains(nodes, m.Node):
			staying = append(staying, m)
		case m.ID == e.cluster.id():
			return nil, nil, errors.New("engine: a node leaves its own cluster without force")
		case m.Alive:
			return nil, nil, fmt.Errorf("engine: %s is running: it can leave by itself", m.Node)
		default:
			out = append(out, m)
		}
	}
	return out, staying, nil
}

// evict takes the copies of all streams off a member, and waits until those of
// the others are complete.
func (e *Engine) evict(ctx context.Context, id string) error {
	l := e.to()
	most := min(len(e.Members())-1, mostCopies)
	return e.until(ctx, func() error {
		names, err := e.streamNames(l)
		if err != nil {
			return err
		}
		for _, name := range names {
			if err := evictFrom(l, name, id, most); err != nil {
				return err
			}
		}
		return nil
	})
}

// until tries until it works or the context ends.
func (e *Engine) until(ctx context.Context, f func() error) error {
	for {
		err := f()
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("engine: %w: %w", ctx.Err(), err)
		case <-time.After(growStep):
		}
	}
}

func (e *Engine) streamNames(l *link) (names []string, err error) {
	m, err := l.conn.Request("$JS.API.STREAM.NAMES", nil, askWithin)
	if err != nil {
		return nil, fmt.Errorf("engine: %w", sentence(err))
	}
	var answer struct {
		Streams []string     `json:"streams"`
		Error   *serverError `json:"error"`
	}
	if err := json.Unmarshal(m.Data, &answer); err != nil {
		return nil, fmt.Errorf("engine: %w", err)
	}
	if answer.Error != nil {
		return nil, fmt.Errorf("engine: %w", answer.Error)
	}
	return answer.Streams, nil
}

// evictFrom makes one step of taking a stream off a member; nil when it is.
func evictFrom(l *link, name, id string, most int) error {
	info, err := l.js.StreamInfo(name, nats.MaxWait(askWithin))
	if err != nil {
		return fmt.Errorf("engine: %s: %w", name, sentence(err))
	}
	if info.Cluster == nil || info.Cluster.Leader == "" {
		return fmt.Errorf("engine: nobody leads %s", name)
	}
	has, complete := info.Cluster.Leader == id, ""
	for _, r := range info.Cluster.Replicas {
		switch {
		case r.Name == id:
			has = true
		case r.Current && r.Lag == 0:
			complete = r.Name
		default:
			return fmt.Errorf("%w: %s on %s", errNotSettle, name, r.Name)
		}
	}
	switch {
	case !has:
		return nil
	case info.Cluster.Leader == id && complete == "":
		return fmt.Errorf("%w: %s", errNotSettle, name)
	case info.Cluster.Leader == id:
		err = askStream(l, "$JS.API.STREAM.LEADER.STEPDOWN."+name, map[string]any{"placement": map[string]string{"preferred": complete}})
	case info.Config.Replicas > most:
		info.Config.Replicas, info.Config.Placement = most, nil
		_, err = l.js.UpdateStream(&info.Config, nats.MaxWait(askWithin))
	default:
		err = askStream(l, "$JS.API.STREAM.PEER.REMOVE."+name, map[string]string{"peer": id})
	}
	if err != nil {
		return fmt.Errorf("engine: %s: %w", name, sentence(err))
	}
	return fmt.Errorf("engine: %s is on its way", name)
}

func askStream(l *link, subject string, ask any) error {
	text, err := json.Marshal(ask)
	if err != nil {
		return err
	}
	m, err := l.conn.Request(subject, text, 2*askWithin)
	if err != nil {
		return err
	}
	var answer struct {
		Error *serverError `json:"error"`
	}
	if err := json.Unmarshal(m.Data, &answer); err != nil {
		return err
	}
	if answer.Error != nil {
		return answer.Error
	}
	return nil
}

// retire removes a member from those who vote. One that leads steps down first.
func (e *Engine) retire(ctx context.Context, id string) error {
	l := e.to()
	return e.until(ctx, func() error {
		if id == e.cluster.id() && l.server.JetStreamIsLeader() {
			if err := e.askSystem(l, "$JS.API.META.LEADER.STEPDOWN", nil); err != nil {
				return err
			}
			return errors.New("engine: another node is to lead")
		}
		return e.dismiss(peerID(id))
	})
}

// whetherExpelled asks the other members whether this node is still one of
// them, and goes on alone when it is not.
func (e *Engine) whetherExpelled() {
	c := e.cluster
	if c.leaving.Load() || !c.changes.TryLock() {
		return
	}
	defer c.changes.Unlock()
	if !e.to().clustered || !e.expelled() {
		return
	}
	e.log.Error("engine: this node was removed from its cluster; it goes on alone, without data")
	if err := e.alone(); err != nil {
		e.log.Error(err.Error())
	}
}

// expelled says whether a member that is with enough others doesn't know this
// node.
func (e *Engine) expelled() bool {
	id := e.cluster.id()
	for _, m := range e.cluster.others() {
		ctx, cancel := context.WithTimeout(context.Background(), askWithin)
		v, err := e.Visit(ctx, m.Door)
		cancel()
		if err == nil && v.Self.ID == m.ID && v.Member && v.Quorum {
			return !slices.ContainsFunc(v.Members, func(o Member) bool { return o.ID == id })
		}
	}
	return false
}
