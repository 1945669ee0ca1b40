package broker

import (
	"cmp"
	"errors"
	"fmt"
	"hash/maphash"
	"runtime"
	"slices"
	"sync"

	"github.com/dunlin-mq/dunlin/durable"
	"github.com/dunlin-mq/dunlin/hook"
	"github.com/dunlin-mq/dunlin/mqtt"
	"github.com/dunlin-mq/dunlin/session"
	"github.com/dunlin-mq/dunlin/topic"
)

// A restoration goes through the map of sessions once and makes clients of them,
// then once through the map of states and gives each client its own. What has
// come so far belongs to nobody yet; a client is there for others when its state
// and the messages in it are. The work is spread over the processors by client
// id, so that nothing is shared but what the broker shares anyway.
type restoration struct {
	d       *durability
	seed    maphash.Seed
	workers []*restorer
}

const (
	dealt      = 256 // records that a worker gets at a time
	dealtAhead = 4   // such portions that wait for it
	fillAtOnce = 512 // sessions whose messages are read from the log together
)

// keptRecord is one record of a map.
type keptRecord struct {
	key   string
	value []byte
}

// restorer makes clients of sessions.
type restorer struct {
	d         *durability
	b         *Batch
	records   chan []keptRecord // of the map that is being read
	err       error             // why that ended; set before records is closed
	waiting   map[string]returning
	doubtful  []returning // with messages that may be in the log or not
	unfilled  []returning // with deliveries whose messages are in the log
	zones     map[string]*Zone
	listeners map[[3]string]*hook.ListenerInfo

	found   Restored
	changed []*Client // whose records are to be written anew
	sharers []*Client // who have something of a shared group
	groups  groupRecords
	back    bool // for one of them at least its position was pulled back
}

// returning is a session on its way back.
type returning struct {
	c       *Client
	routes  []*route
	since   []durable.Subscription // those that begin at a position
	changed bool                   // the record is another one now
}

func newRestoration(d *durability) *restoration {
	t := &restoration{d: d, seed: maphash.MakeSeed()}
	for range runtime.GOMAXPROCS(0) {
		t.workers = append(t.workers, d.newRestorer(d.br.NewBatch()))
	}
	return t
}

func (d *durability) newRestorer(b *Batch) *restorer {
	return &restorer{
		d: d, b: b, waiting: make(map[string]returning),
		zones: make(map[string]*Zone), listeners: make(map[[3]string]*hook.ListenerInfo),
		groups: make(groupRecords),
	}
}

func (t *restoration) run() error {
	clientOf := func(key string) string {
		k, _ := durable.ParseKey(key)
		return k.ClientID
	}
	if err := t.deal(t.d.sessions, clientOf, (*restorer).sessions); err != nil {
		return err
	}
	if err := t.deal(t.d.states, func(key string) string { return key }, (*restorer).states); err != nil {
		return err
	}
	var doubtful []*Client
	for _, w := range t.workers {
		for _, r := range w.doubtful {
			doubtful = append(doubtful, r.c)
		}
	}
	err := t.d.resolve(doubtful...)
	var all sync.WaitGroup
	for _, w := range t.workers {
		all.Go(func() { w.finish(err) })
	}
	all.Wait()
	return nil
}

// end is what all workers have found.
func (t *restoration) end() (found Restored, changed []*Client, back bool) {
	for _, w := range t.workers {
		found.Sessions += w.found.Sessions
		found.Subscriptions += w.found.Subscriptions
		found.Damaged += w.found.Damaged
		changed = append(changed, w.changed...)
		back = back || w.back
		w.b.End()
	}
	return found, changed, back
}

// sharers are those who have something of a shared group.
func (t *restoration) sharers() (all []*Client) {
	for _, w := range t.workers {
		all = append(all, w.sharers...)
	}
	return all
}

// groups are the records of shared groups.
func (t *restoration) groups() groupRecords {
	all := make(groupRecords)
	for _, w := range t.workers {
		for key, records := range w.groups {
			all[key] = append(all[key], records...)
		}
	}
	return all
}

// deal reads a map and has each worker see to the records of its clients.
func (t *restoration) deal(m Map, client func(key string) string, work func(*restorer) error) error {
	var all sync.WaitGroup
	failed := make([]error, len(t.workers))
	for i, w := range t.workers {
		w.records = make(chan []keptRecord, dealtAhead)
		all.Go(func() {
			failed[i] = work(w)
			for range w.records { // after an error: whoever deals must not wait
			}
		})
	}
	portions := make([][]keptRecord, len(t.workers))
	err := m.Each(func(key string, value []byte) error {
		i := maphash.String(t.seed, client(key)) % uint64(len(portions))
		if portions[i] = append(portions[i], keptRecord{key, value}); len(portions[i]) == dealt {
			t.workers[i].records <- portions[i]
			portions[i] = make([]keptRecord, 0, dealt)
		}
		return nil
	})
	for i, w := range t.workers {
		w.records <- portions[i]
		w.err = err
		close(w.records)
	}
	all.Wait()
	return cmp.Or(err, errors.Join(failed...))
}

// each goes through the records that the worker is dealt.
func (w *restorer) each(f func(key string, value []byte) error) error {
	for portion := range w.records {
		for _, r := range portion {
			if err := f(r.key, r.value); err != nil {
				return err
			}
		}
	}
	return w.err
}

// sessions makes clients of the records of sessions.
func (w *restorer) sessions() error {
	d := w.d
	return durable.Load(w.each, durable.Loading{
		Found: func(s *durable.Session) error {
			delete(w.waiting, s.ClientID) // it was written meanwhile
			if !d.mine(s) {
				return nil
			}
			revision, taken := d.restored(s)
			if taken {
				return nil
			}
			if r, err := w.client(s); err != nil {
				w.damaged(s.ClientID, err)
			} else {
				r.c.more.reader.revisions.record.Store(revision)
				w.waiting[s.ClientID] = r
			}
			return nil
		},
		Damaged: func(key string, err error) {
			w.found.Damaged++
			d.br.log.Error("the record of a session can't be read", "key", fmt.Sprintf("%.100q", key), "err", err)
		},
		Stray: func(key string) {
			if !d.several() { // else it may be one that another node has just written
				d.records.Delete(key, d.strayed)
			}
		},
	})
}

// states gives the clients their states, and those without one what they begin
// with.
func (w *restorer) states() error {
	err := w.each(func(id string, record []byte) error {
		if r, is := w.waiting[id]; is {
			delete(w.waiting, id)
			w.load(r, record)
		} else if s, is := durable.ParseGroupKey(id); is {
			w.groups.add(s, record)
		}
		return nil
	})
	if err != nil {
		return err
	}
	for _, r := range w.waiting {
		w.load(r, nil)
	}
	w.waiting = nil
	return nil
}

// finish brings in those that are left; err is why it isn't known which of the
// doubtful messages were kept.
func (w *restorer) finish(err error) {
	for _, r := range w.doubtful {
		if err != nil {
			w.damaged(r.c.info.ClientID, err)
		} else {
			w.unfilled = append(w.unfilled, r)
		}
	}
	for all := range slices.Chunk(w.unfilled, fillAtOnce) {
		w.fill(all)
	}
	w.unfilled, w.doubtful = nil, nil
}

// damaged tells that a session can't be restored.
func (w *restorer) damaged(id string, err error) {
	w.found.Damaged++
	w.d.br.log.Error("a session of the last run can't be restored", "client", id, "err", err)
}

// client makes the client of a record, without its state and without routes.
func (w *restorer) client(s *durable.Session) (returning, error) {
	d := w.d
	zone := w.zones[s.Zone]
	if zone == nil {
		zone = d.zone(s.Zone)
		w.zones[s.Zone] = zone
	}
	c := &Client{broker: d.br, info: infoOf(s, w.listener(s)), zone: zone, connectedAt: s.ConnectedAt, keepAlive: s.KeepAlive, receiveMax: s.ReceiveMaximum}
	c.self.Subscriber = c
	c.sess = session.New(&zone.Session, s.Created)
	c.sess.SetExpiryInterval(s.ExpiryInterval)
	c.cleanStart = s.CleanStart
	r := &reader{places: make([]place, len(d.shards)), epoch: s.Epoch}
	r.chunks, r.layout, r.kept, r.known = s.Chunks, s.Layout, s.Epoch, true
	c.extra().reader = r
	c.sess.SetDurable(true)
	routes, err := c.resubscribe(s.Subscriptions)
	c.goneSince(s, w.b.Now())
	return returning{c, routes, s.Subscriptions, s.OfflineAt == 0 || s.Node != d.self()}, err
}

// infoOf is who the client of a record was, who came by a listener.
func infoOf(s *durable.Session, by *hook.ListenerInfo) *hook.ClientInfo {
	i := &hook.ClientInfo{
		ClientID: s.ClientID, Username: s.Username, Mountpoint: s.Mountpoint, Peer: s.Peer, Version: s.Version,
		Bridge: s.Bridge, Superuser: s.Superuser, Anonymous: s.Anonymous, Expires: s.Expires, Listener: by,
	}
	if s.CommonName != "" || s.Subject != "" {
		i.Cert = &hook.CertInfo{CommonName: s.CommonName, Subject: s.Subject}
	}
	return i
}

func listenerOf(s *durable.Session) *hook.ListenerInfo {
	return &hook.ListenerInfo{Name: s.Listener, Protocol: s.Protocol, Zone: s.Zone}
}

// listener is listenerOf, and the same for all who came by it.
func (w *restorer) listener(s *durable.Session) *hook.ListenerInfo {
	is := w.listeners[[3]string{s.Listener, s.Protocol, s.Zone}]
	if is == nil {
		is = listenerOf(s)
		w.listeners[[3]string{s.Listener, s.Protocol, s.Zone}] = is
	}
	return is
}

// load gives a client its state. One without a record has read nothing: what it
// subscribes to says where it begins.
func (w *restorer) load(r returning, record []byte) {
	c := r.c
	if record != nil {
		c.more.reader.revisions.state.Store(unseen)
	}
	if len(record) > 0 { // see acquire
		if err := c.sess.Load(record); err != nil {
			w.damaged(c.info.ClientID, err)
			return
		}
	}
	r.findPlace(w.d)
	switch {
	case len(c.sess.Doubtful()) > 0:
		w.doubtful = append(w.doubtful, r)
	case len(c.sess.Pending()) > 0:
		if w.unfilled = append(w.unfilled, r); len(w.unfilled) == fillAtOnce {
			w.fill(w.unfilled)
			w.unfilled = w.unfilled[:0]
		}
	default:
		w.admitOr(r)
	}
}

// findPlace sets where the client goes on in the log.
func (r *returning) findPlace(d *durability) {
	c, rd := r.c, r.c.more.reader
	for _, sub := range r.since {
		if !c.past(sub.Since) {
			rd.beginAt(sub.Filter, sub.Since)
		}
	}
	r.since = nil
	for i := range rd.places {
		rd.places[i].next = max(c.sess.Read(i), 1)
		if d.several() { // what isn't here yet will come
			continue
		}
		_, last := d.log.Bounds(i) // a log that has lost its end, with the machine's power, begins again before
		rd.pulled = rd.pulled || c.sess.Read(i) > last+1
		rd.places[i].next = min(rd.places[i].next, last+1)
		for _, since := range rd.since {
			rd.pulled = rd.pulled || since[i] > last+1
			since[i] = min(since[i], last+1)
		}
	}
	rd.due = rd.due || rd.pulled
}

// fill gives sessions the messages that were in flight, which are read once
// for all of them, and brings the clients in.
func (w *restorer) fill(all []returning) {
	var at []mqtt.At
	for _, r := range all {
		at = append(at, r.c.sess.Pending()...)
	}
	messages, err := w.d.readAll(at)
	for _, r := range all {
		own, failed := messages, err
		if failed != nil { // who doesn't need what can't be read gets on
			own, failed = w.d.readAll(r.c.sess.Pending())
		}
		if failed != nil {
			w.damaged(r.c.info.ClientID, failed)
			continue
		}
		w.give(r.c, own)
		w.admitOr(r)
	}
}

// give gives a session the messages that were in flight.
func (w *restorer) give(c *Client, messages map[mqtt.At]*mqtt.Message) {
	w.b.client = c
	c.sess.Fill(func(at mqtt.At) *mqtt.Message { return messages[at] }, w.b)
	w.b.client = nil
}

// one brings a single session back.
func (w *restorer) one(s acquired) (*Client, error) {
	r, err := w.client(s.Session)
	if err != nil {
		return nil, err
	}
	rd := r.c.more.reader
	rd.revisions.record.Store(s.recordAt)
	rd.revisions.state.Store(s.stateAt)
	if len(s.state) > 0 {
		if err := r.c.sess.Load(s.state); err != nil {
			return nil, err
		}
	}
	r.findPlace(w.d)
	if err := w.d.resolve(r.c); err != nil {
		return nil, err
	}
	messages, err := w.d.readAll(r.c.sess.Pending())
	if err != nil {
		return nil, err
	}
	w.give(r.c, messages)
	if err := w.d.keepFlights(r.c); err != nil {
		return nil, err
	}
	return r.c, w.admit(r)
}

func (w *restorer) admitOr(r returning) {
	if err := w.admit(r); err != nil {
		w.damaged(r.c.info.ClientID, err)
	}
}

// admit makes a client one of the broker's. One whose time is over goes again,
// with its will, as soon as timers run.
func (w *restorer) admit(r returning) error {
	c, br := r.c, w.d.br
	c.enter(w.b)
	defer c.leave(w.b)
	if !br.clients.add(c) {
		c.ended = true
		return errAnother
	}
	c.status.add(isDurable)
	w.d.durables.Add(1)
	c.countPersistent(!c.cleanStart)
	for _, rt := range r.routes {
		f := split(rt.Filter)
		if f.Kind == topic.Exclusive && !br.exclusive.claim(c, f.Bare) {
			c.sess.Unsubscribe(rt.Filter)
			continue
		}
		c.route(rt, f, true)
	}
	c.routes()
	c.wake(c.sess.ExpiresAt())
	c.wake(c.sess.WillAt())
	if w.d.restoring && c.hasShared() {
		w.sharers = append(w.sharers, c)
	}
	w.found.Sessions++
	w.found.Subscriptions += len(r.routes)
	if pulled := c.more.reader.pulled; pulled || r.changed {
		w.back = w.back || pulled
		w.changed = append(w.changed, c)
	}
	return nil
}

var errAnother = errors.New("there is another one of the same client")
