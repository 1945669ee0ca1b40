package alarm

import (
	"cmp"
	"encoding/json"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// Keeper keeps small records over a restart. What changes it doesn't wait for a
// disk, or for other nodes: an alarm may be that these can't be had. done is
// called when it has ended, in the order of the calls.
type Keeper interface {
	Each(f func(key string, value []byte) error) error
	PutLater(key string, value []byte, done func(error))
	DeleteLater(key string, done func(error))
}

// Options are what Alarms are made of. What is nil isn't done.
type Options struct {
	Config Config
	Log    *slog.Logger
	Keeper Keeper
	// Publish sends a message on a topic below $SYS/brokers/<node>/. Like Event
	// it is called by whoever changes an alarm, one change after the other, and
	// must change none itself.
	Publish func(topic string, payload []byte)
	// Event is told of an alarm that was raised, or that has ended.
	Event func(Alarm)
	// Webhook is told of the same, for others.
	Webhook func(Alarm)
}

// Alarms are those of a node. All methods may be called at the same time. What
// changes something waits for whoever is told of it, so no event loop may call it. Names
// come from the program, which bounds how many can be active.
type Alarms struct {
	o      Options
	config atomic.Pointer[Config]

	turn sync.Mutex // around a change with its record and what is told of it; taken before mu
	next uint64     // record

	mu      sync.RWMutex
	active  map[string]*Alarm
	history []*Alarm // the one that ended first comes first

	stop    chan struct{}
	watches sync.WaitGroup
}

// New reads what was kept. Alarms that were active when the process ended are
// history: if a cause is still there, it is found again. The error is
// that of the Keeper.
func New(o Options) (*Alarms, error) {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	a := &Alarms{o: o, active: make(map[string]*Alarm), stop: make(chan struct{})}
	a.config.Store(&o.Config)
	if o.Keeper == nil {
		return a, nil
	}
	return a, a.load(time.Now())
}

// Change puts another configuration in force, but for the intervals. What the
// history has beyond its new limits goes when the next alarm ends.
func (a *Alarms) Change(to Config) { a.config.Store(&to) }

// Activate raises an alarm and reports whether it wasn't active. details
// belong to the alarm from then on.
func (a *Alarms) Activate(name, message string, details Details) bool {
	a.turn.Lock()
	defer a.turn.Unlock()
	if a.IsActive(name) {
		return false
	}
	one := &Alarm{Name: name, Message: message, Details: details, ActivateAt: time.Now(), key: a.newKey()}
	a.mu.Lock()
	a.active[name] = one
	a.mu.Unlock()
	a.keep(one)
	a.tell(one)
	return true
}

// Deactivate ends an alarm and reports whether it was active.
func (a *Alarms) Deactivate(name string) bool {
	a.turn.Lock()
	defer a.turn.Unlock()
	a.mu.Lock()
	was := a.active[name]
	if was == nil {
		a.mu.Unlock()
		return false
	}
	over := *was // who was given the other may still read it
	over.DeactivateAt = time.Now()
	delete(a.active, name)
	a.history = append(a.history, &over)
	dropped := a.trim(over.DeactivateAt)
	a.mu.Unlock()
	a.keep(&over)
	a.forget(dropped)
	a.tell(&over)
	return true
}

// IsActive reports whether there is such an alarm now.
func (a *Alarms) IsActive(name string) bool {
	a.mu.RLock()
	defer a.mu.RUnlock()
	return a.active[name] != nil
}

// Active are the alarms that are active, in the order in which they were
// raised.
func (a *Alarms) Active() []Alarm {
	a.mu.RLock()
	defer a.mu.RUnlock()
	all := make([]Alarm, 0, len(a.active))
	for _, one := range slices.SortedFunc(maps.Values(a.active), func(x, y *Alarm) int { return strings.Compare(x.key, y.key) }) {
		all = append(all, *one)
	}
	return all
}

// History are the alarms that have ended, the last one first.
func (a *Alarms) History() []Alarm {
	a.mu.RLock()
	defer a.mu.RUnlock()
	now := time.Now()
	all := make([]Alarm, 0, len(a.history))
	for _, one := range slices.Backward(a.history) {
		if !a.outdated(one, now) {
			all = append(all, *one)
		}
	}
	return all
}

// ClearHistory forgets the alarms that have ended.
func (a *Alarms) ClearHistory() {
	a.turn.Lock()
	defer a.turn.Unlock()
	a.mu.Lock()
	dropped := a.history
	a.history = nil
	a.mu.Unlock()
	a.forget(dropped)
}

// Close ends the watches and waits for them. Alarms stay as they are.
func (a *Alarms) Close() {
	close(a.stop)
	a.watches.Wait()
}

// trim takes out of the history what its limits don't allow. The caller holds
// mu.
func (a *Alarms) trim(now time.Time) (dropped []*Alarm) {
	n := 0
	if limit := a.config.Load().SizeLimit; limit > 0 {
		n = max(0, len(a.history)-limit)
	}
	for n < len(a.history) && a.outdated(a.history[n], now) {
		n++
	}
	dropped = slices.Clone(a.history[:n])
	a.history = slices.Delete(a.history, 0, n)
	return dropped
}

func (a *Alarms) outdated(one *Alarm, now time.Time) bool {
	keep := a.config.Load().Validity
	return keep > 0 && now.Sub(one.DeactivateAt) >= keep
}

// newKey makes keys that grow, so that records come back in the order in which
// the alarms were raised, whatever the clock does.
func (a *Alarms) newKey() string {
	a.next++
	return fmt.Sprintf("%016x", a.next)
}

// keep writes the record of an alarm. One that can't be written is no reason
// to have no alarm.
func (a *Alarms) keep(one *Alarm) {
	if a.o.Keeper == nil {
		return
	}
	failed := func(err error) {
		if err != nil {
			a.o.Log.Error("the record of an alarm can't be written", "alarm", one.Name, "err", err)
		}
	}
	value, err := json.Marshal(one)
	if err != nil {
		failed(err)
		return
	}
	a.o.Keeper.PutLater(one.key, value, failed)
}

func (a *Alarms) forget(all []*Alarm) {
	if a.o.Keeper == nil {
		return
	}
	for _, one := range all {
		a.o.Keeper.DeleteLater(one.key, func(err error) {
			if err != nil {
				a.o.Log.Error("the record of an alarm can't be deleted", "alarm", one.Name, "err", err)
			}
		})
	}
}

// load reads the records, and ends what was active. What can't be read is
// forgotten: a history is no reason not to start.
func (a *Alarms) load(now time.Time) error {
	var left, foreign []*Alarm
	err := a.o.Keeper.Each(func(key string, value []byte) error {
		one := &Alarm{key: key}
		n, err := strconv.ParseUint(key, 16, 64)
		if err == nil {
			err = json.Unmarshal(value, one)
		}
		if err != nil {
			a.o.Log.Error("a record that is no alarm is forgotten", "key", key, "err", err)
			foreign = append(foreign, one)
			return nil
		}
		a.next = max(a.next, n)
		if one.Active() {
			one.DeactivateAt = now
			left = append(left, one)
		}
		a.history = append(a.history, one)
		return nil
	})
	if err != nil {
		return err
	}
	slices.SortFunc(a.history, func(x, y *Alarm) int {
		return cmp.Or(x.DeactivateAt.Compare(y.DeactivateAt), strings.Compare(x.key, y.key))
	})
	for _, one := range left {
		a.keep(one)
	}
	a.forget(append(foreign, a.trim(now)...))
	return nil
}
