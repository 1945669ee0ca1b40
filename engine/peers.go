package engine

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
)

const (
	aliveEvery = 500 * time.Millisecond // between two signs of life
	silentDead = 3 * time.Second        // without one: a member is down
	routeDead  = time.Second            // without one, when the connection is gone too
	hintAfter  = 10 * time.Millisecond  // until others hear of new records
	tendEvery  = 2 * time.Second        // between two looks at the streams
	peerQueue  = 64 << 20               // bytes of messages of a kind that wait for their handler
	quorumName = "quorum"               // of what is wrong
)

var (
	errNotMember = errors.New("engine: no such member of the cluster")
	properKind   = regexp.MustCompile(`^[a-z0-9-]{1,32}$`)
)

// handler takes a message; reply answers a request, later if need be.
type handler func(from string, data []byte, reply func([]byte))

// peers is what an engine has to do with the other members: messages, signs of
// life, and who of them is there. It outlives links.
type peers struct {
	e        *Engine
	mu       sync.Mutex
	handlers map[string]handler
	tell     []func(Member)
	told     map[string]Member    // what was told last
	seen     map[string]time.Time // last sign of life
	began    time.Time            // when the link did; it takes a moment to hear of others
	stop     chan struct{}        // nil: not running
	done     chan struct{}
}

func newPeers(e *Engine) *peers {
	return &peers{e: e, handlers: make(map[string]handler), told: make(map[string]Member), seen: make(map[string]time.Time)}
}

// Handle has f called for messages of a kind (letters, digits, -), one after
// the other and in order for each sender, on a goroutine of the kind's own.
// What f returns answers a request. It is called before the first message is
// expected, at best before the node joins, and once for a kind.
func (e *Engine) Handle(kind string, f func(from string, data []byte) (reply []byte)) error {
	return e.HandleLater(kind, func(from string, data []byte, reply func([]byte)) { reply(f(from, data)) })
}

// HandleLater is Handle for requests that may take long to answer, while f
// returns soon: reply is called once, by any goroutine. data stays as it is.
func (e *Engine) HandleLater(kind string, f func(from string, data []byte, reply func([]byte))) error {
	if !properKind.MatchString(kind) {
		return fmt.Errorf("engine: kind of message %q: it is 1 to 32 letters, digits and -", kind)
	}
	p := e.peers
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.handlers[kind] != nil {
		return fmt.Errorf("engine: messages of the kind %s have a handler", kind)
	}
	p.handlers[kind] = f
	if p.stop != nil {
		return p.listen(e.to(), kind, f)
	}
	return nil
}

// listen subscribes a handler; mu is held.
func (p *peers) listen(l *link, kind string, f handler) error {
	self := p.e.cluster.id()
	take := func(m *nats.Msg) {
		from := strings.Split(m.Subject, ".")[2]
		if from == self && m.Reply == "" {
			return // an own broadcast
		}
		f(from, m.Data, func(reply []byte) {
			if m.Reply == "" {
				return
			}
			if err := m.Respond(reply); err != nil {
				p.e.log.Warn(fmt.Sprintf("engine: answer %s of %s: %v", kind, from, sentence(err)))
			}
		})
	}
	for _, to := range []string{self, "all"} {
		sub, err := l.conn.Subscribe("P."+to+".*."+kind, take)
		if err == nil {
			err = sub.SetPendingLimits(-1, peerQueue)
		}
		if err != nil {
			return fmt.Errorf("engine: %w", sentence(err))
		}
	}
	return nil
}

// Send sends a message to a member, known by its id. It arrives at most once,
// and in order for each kind. data may be used again when Send returns.
func (e *Engine) Send(node, kind string, data []byte) error {
	subject, err := e.subject(node, kind)
	if err != nil {
		return err
	}
	if err := e.to().conn.Publish(subject, data); err != nil {
		return fmt.Errorf("engine: send to %s: %w", node, sentence(err))
	}
	return nil
}

// Request sends a message to a member and returns its answer.
func (e *Engine) Request(ctx context.Context, node, kind string, data []byte) ([]byte, error) {
	subject, err := e.subject(node, kind)
	if err != nil {
		return nil, err
	}
	m, err := e.to().conn.RequestWithContext(ctx, subject, data)
	if err != nil {
		return nil, fmt.Errorf("engine: ask %s: %w", node, sentence(err))
	}
	return m.Data, nil
}

// Broadcast sends a message to all other members that can be reached; a node
// that is no member has none.
func (e *Engine) Broadcast(kind string, data []byte) error {
	if !e.to().clustered {
		return nil
	}
	if err := e.to().conn.Publish("P.all."+e.cluster.id()+"."+kind, data); err != nil {
		return fmt.Errorf("engine: send to all: %w", sentence(err))
	}
	return nil
}

func (e *Engine) subject(node, kind string) (string, error) {
	if !e.to().clustered || !e.peers.isMember(node) {
		return "", fmt.Errorf("%w: %s", errNotMember, node)
	}
	return "P." + node + "." + e.cluster.id() + "." + kind, nil
}

func (p *peers) isMember(id string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	_, is := p.told[id]
	return is || id == p.e.cluster.id()
}

// Self is this node; its id changes when it joins a cluster.
func (e *Engine) Self() Member {
	if e.cluster == nil {
		return Member{ID: e.o.Node, Node: e.o.Node, Since: e.since, Alive: true}
	}
	e.cluster.mu.Lock()
	defer e.cluster.mu.Unlock()
	return e.self()
}

// Members are all nodes of the cluster, this one too, by age.
func (e *Engine) Members() []Member {
	all := []Member{e.Self()}
	e.peers.mu.Lock()
	for _, m := range e.peers.told {
		all = append(all, m)
	}
	e.peers.mu.Unlock()
	slices.SortFunc(all, func(a, b Member) int { return a.Since.Compare(b.Since) })
	return all
}

// OnMember has f called for each other member when it is there, is gone, comes
// back, has left, or changed its name or address; f must not block.
func (e *Engine) OnMember(f func(Member)) {
	p := e.peers
	p.mu.Lock()
	defer p.mu.Unlock()
	p.tell = append(p.tell, f)
	for _, m := range p.told {
		f(m)
	}
}

// start begins on a new link.
func (p *peers) start(l *link) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	clear(p.seen)
	p.began = time.Now()
	for kind, f := range p.handlers {
		if err := p.listen(l, kind, f); err != nil {
			return err
		}
	}
	for subject, take := range map[string]nats.MsgHandler{
		"P.alive":                     p.heard,
		"P.hint.*":                    p.hinted,
		copySubject(p.e.cluster.id()): p.asked,
		"P.out." + p.e.cluster.id():   func(*nats.Msg) { go p.e.whetherExpelled() },
	} {
		if _, err := l.conn.Subscribe(subject, take); err != nil {
			return fmt.Errorf("engine: %w", sentence(err))
		}
	}
	p.stop, p.done = make(chan struct{}), make(chan struct{})
	go p.beat(l, p.stop, p.done)
	return nil
}

// end waits for what runs on the link; all others are gone for this node.
func (p *peers) end() {
	p.mu.Lock()
	stop, done := p.stop, p.done
	p.stop = nil
	p.mu.Unlock()
	if stop != nil {
		close(stop)
		<-done
		p.lastWords(p.e.to())
	}
	p.e.health.set(quorumName, nil)
}

// lastWords tells the others of records that they haven't heard of yet, such as
// that this node has left.
func (p *peers) lastWords(l *link) {
	for _, s := range p.e.all() {
		if s.hinting.CompareAndSwap(true, false) {
			s.tellOthers(l)
		}
	}
	if err := l.conn.FlushTimeout(aliveEvery); err != nil && !l.conn.IsClosed() {
		p.e.log.Warn("engine: " + sentence(err).Error())
	}
}

func (p *peers) beat(l *link, stop, done chan struct{}) {
	defer close(done)
	tick := time.NewTicker(aliveEvery)
	defer tick.Stop()
	var tending sync.WaitGroup // apart, as it waits for others or the disk: signs of life must not
	defer tending.Wait()
	tending.Go(func() {
		v, d := voters{server: l.server}, decisions{server: l.server}
		for {
			v.look()
			if err := d.look(); err != nil {
				p.e.log.Debug(err.Error()) // a member is just being brought up to date, or the server takes one itself
			}
			select {
			case <-stop:
				return
			case <-time.After(aliveEvery):
			}
		}
	})
	tending.Go(func() {
		for {
			p.e.tend(l, stop)
			select {
			case <-stop:
				return
			case <-time.After(tendEvery):
			}
		}
	})
	for {
		if text, err := json.Marshal(p.e.Self()); err != nil {
			p.e.log.Error("engine: " + err.Error())
		} else if err := l.conn.Publish("P.alive", text); err != nil {
			p.e.log.Warn("engine: sign of life: " + sentence(err).Error())
		}
		p.judge(l)
		p.e.weigh()
		select {
		case <-stop:
			return
		case <-tick.C:
		}
	}
}

// heard takes a sign of life.
func (p *peers) heard(msg *nats.Msg) {
	var m Member
	if err := json.Unmarshal(msg.Data, &m); err != nil || m.ID == p.e.cluster.id() {
		return
	}
	p.mu.Lock()
	p.seen[m.ID] = time.Now()
	p.mu.Unlock()
	known := false
	for _, o := range p.e.cluster.others() {
		if o.ID == m.ID {
			known = true
			if o.Node != m.Node || o.Address != m.Address || o.Door != m.Door || o.Joining || !o.Since.Equal(m.Since) {
				p.e.met(m)
			}
		}
	}
	if !known && p.e.rosterKnown() {
		if err := p.e.to().conn.Publish("P.out."+m.ID, nil); err != nil {
			p.e.log.Warn("engine: " + sentence(err).Error())
		}
	}
}

// weigh says in Health whether enough members can be reached.
func (e *Engine) weigh() {
	if e.quorate() {
		e.health.set(quorumName, nil)
	} else {
		e.health.set(quorumName, ErrNoQuorum)
	}
}

// judge sees who is there, and tells of what has changed.
func (p *peers) judge(l *link) {
	routed := make(map[string]bool)
	if z, err := l.server.Routez(nil); err == nil {
		for _, r := range z.Routes {
			routed[r.RemoteName] = true
		}
	}
	others := p.e.cluster.others()
	p.mu.Lock()
	defer p.mu.Unlock()
	now := time.Now()
	gone := make(map[string]bool)
	for id := range p.told {
		gone[id] = true
	}
	alive, all := 1, 1
	for _, m := range others {
		delete(gone, m.ID)
		silent := now.Sub(p.seen[m.ID])
		if m.Alive = silent < silentDead && (routed[m.ID] || silent < routeDead); m.Alive {
			alive++
		}
		if m.Alive || !m.Joining {
			all++
		}
		if was, is := p.told[m.ID]; !is || was != m {
			p.say(m)
		}
	}
	for id := range gone {
		m := p.told[id]
		m.Left, m.Alive = true, false
		p.say(m)
	}
	p.e.enough.Store(2*alive > all || now.Sub(p.began) < silentDead)
}

// say tells of a member; mu is held.
func (p *peers) say(m Member) {
	if m.Left {
		delete(p.told, m.ID)
	} else {
		p.told[m.ID] = m
	}
	for _, f := range p.tell {
		f(m)
	}
}

// hinted takes the news that a stream has got records elsewhere.
func (p *peers) hinted(m *nats.Msg) {
	name := strings.TrimPrefix(m.Subject, "P.hint.")
	p.e.mu.Lock()
	s := p.e.streams[name]
	p.e.mu.Unlock()
	var last uint64
	if _, err := fmt.Sscan(string(m.Data), &last); s != nil && err == nil {
		s.heard(0, last)
	}
}

// hint tells the others of a new record, a little later, so that many are one.
func (s *stream) hint() {
	if !s.e.to().clustered || !s.hinting.CompareAndSwap(false, true) {
		return
	}
	time.AfterFunc(hintAfter, func() {
		if s.hinting.CompareAndSwap(true, false) {
			s.tellOthers(s.e.to())
		}
	})
}

func (s *stream) tellOthers(l *link) {
	if l.conn.IsClosed() {
		return
	}
	if err := l.conn.Publish("P.hint."+s.name, fmt.Append(nil, s.last.Load())); err != nil && !l.conn.IsClosed() {
		s.e.log.Warn("engine: " + sentence(err).Error())
	}
}

// judgeAlone tells that all others have left, for this node.
func (p *peers) judgeAlone() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, m := range p.told {
		m.Left, m.Alive = true, false
		p.say(m)
	}
}
