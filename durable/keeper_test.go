package durable

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// slowMap is a Map that answers when it is told to, and notes what it is asked.
type slowMap struct {
	mu      sync.Mutex
	asked   []string
	waiting []func(error)
	refuses error // at once
}

func (m *slowMap) ask(what string, done func(error)) {
	m.mu.Lock()
	err := m.refuses
	m.asked = append(m.asked, what)
	if err == nil {
		m.waiting = append(m.waiting, done)
	}
	m.mu.Unlock()
	if err != nil {
		done(err)
	}
}

func (m *slowMap) PutLater(key string, value []byte, done func(error)) {
	m.ask(key+"="+string(value), done)
}
func (m *slowMap) DeleteLater(key string, done func(error)) { m.ask("-"+key, done) }

// answer answers what has waited longest.
func (m *slowMap) answer(err error) {
	m.mu.Lock()
	done := m.waiting[0]
	m.waiting = m.waiting[1:]
	m.mu.Unlock()
	done(err)
}

// notes are what callers hear.
type notes struct {
	mu    sync.Mutex
	heard []string
}

func (n *notes) done(who string) func(error) {
	return func(err error) {
		n.mu.Lock()
		defer n.mu.Unlock()
		if err != nil {
			who += ":" + err.Error()
		}
		n.heard = append(n.heard, who)
	}
}

func (n *notes) String() string {
	n.mu.Lock()
	defer n.mu.Unlock()
	return strings.Join(n.heard, " ")
}

func wants(t *testing.T, what fmt.Stringer, want string) {
	t.Helper()
	if got := what.String(); got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func (m *slowMap) String() string {
	m.mu.Lock()
	defer m.mu.Unlock()
	return strings.Join(m.asked, " ")
}

func TestKeeperLetsChangesGoTogether(t *testing.T) {
	m, n := &slowMap{}, &notes{}
	k := NewKeeper(m, 1<<20)
	k.Put("a", []byte("1"), n.done("a1"))
	k.Put("a", []byte("2"), n.done("a2"))
	k.Put("b", []byte("1"), n.done("b1"))
	k.Delete("a", n.done("a3"))
	k.Put("a", []byte("4"), n.done("a4"))
	wants(t, m, "a=1 b=1")
	m.answer(nil)
	wants(t, n, "a1")
	wants(t, m, "a=1 b=1 a=4")
	m.answer(errors.New("no"))
	m.answer(errors.New("full"))
	wants(t, n, "a1 b1:no a2:full a3:full a4:full")
	k.Put("a", []byte("5"), n.done("a5"))
	k.Delete("a", n.done("a6"))
	m.answer(nil)
	m.answer(nil)
	wants(t, m, "a=1 b=1 a=4 a=5 -a")
	wants(t, n, "a1 b1:no a2:full a3:full a4:full a5 a6")
	if err := k.Wait(context.Background()); err != nil {
		t.Error(err)
	}
	if left := k.bytes.Load(); left != 0 {
		t.Errorf("%d bytes are still counted", left)
	}
}

// Each change goes by way of its own map, and waits for the one before all the same.
func TestKeeperLetsOthersChange(t *testing.T) {
	own, other, n := &slowMap{}, &slowMap{}, &notes{}
	k := NewKeeper(own, 1<<20)
	k.PutBy(other, "a", []byte("1"), n.done("a1"))
	k.Put("a", []byte("2"), n.done("a2"))
	k.DeleteBy(other, "b", n.done("b1"))
	wants(t, own, "")
	wants(t, other, "a=1 -b")
	other.answer(nil)
	wants(t, own, "a=2")
	k.Put("a", []byte("3"), n.done("a3"))
	k.PutBy(other, "a", []byte("4"), n.done("a4"))
	own.answer(nil)
	wants(t, own, "a=2")
	wants(t, other, "a=1 -b a=4")
	other.answer(nil)
	other.answer(errors.New("taken"))
	wants(t, n, "a1 a2 b1 a3:taken a4:taken")
}

// The caller holds a lock that done takes: it must not hang.
func TestKeeperAnswersNeverInsideTheCall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var lock sync.Mutex
		n := &notes{}
		locked := func(who string) func(error) {
			return func(err error) {
				lock.Lock()
				defer lock.Unlock()
				n.done(who)(err)
			}
		}
		m := &slowMap{refuses: errors.New("busy")}
		k := NewKeeper(m, 1000)
		lock.Lock()
		k.Put("a", []byte("1"), locked("refused by the map"))
		lock.Unlock()
		synctest.Wait()
		lock.Lock()
		k.Put("a", make([]byte, 2000), locked("refused by the keeper"))
		lock.Unlock()
		synctest.Wait()
		wants(t, n, "refused by the map:busy refused by the keeper:"+ErrBusy.Error())
	})
}

func TestKeeperIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, n := &slowMap{}, &notes{}
		k := NewKeeper(m, 2*perChange+30)
		k.Put("a", make([]byte, 10), n.done("first"))
		k.Put("a", make([]byte, 10), n.done("second"))
		k.Put("a", make([]byte, 1), n.done("third"))
		synctest.Wait()
		wants(t, n, "third:"+ErrBusy.Error())
		m.answer(nil)
		m.answer(nil)
		k.Put("a", make([]byte, 30), n.done("fourth"))
		m.answer(nil)
		wants(t, n, "third:"+ErrBusy.Error()+" first second fourth")
	})
}

func TestKeeperMayBeCalledFromDone(t *testing.T) {
	m, n := &slowMap{}, &notes{}
	k := NewKeeper(m, 1<<20)
	k.Put("a", []byte("1"), func(error) { k.Put("a", []byte("2"), n.done("again")) })
	m.answer(nil)
	m.answer(nil)
	wants(t, m, "a=1 a=2")
	wants(t, n, "again")
}

func TestKeeperWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, n := &slowMap{}, &notes{}
		k := NewKeeper(m, 1<<20)
		k.Put("a", nil, n.done("a"))
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		if err := k.Wait(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v", err)
		}
		go func() {
			time.Sleep(time.Second)
			m.answer(nil)
		}()
		if err := k.Wait(context.Background()); err != nil {
			t.Error(err)
		}
		wants(t, n, "a")
	})
}

// disk is a map that answers on a goroutine of its own and fails sometimes,
// with the change made or not. It checks that a key has one change under way.
type disk struct {
	t      *testing.T
	mu     sync.Mutex
	r      *rand.Rand
	values map[string]string
	busy   map[string]bool
	work   chan func()
}

func (d *disk) PutLater(key string, value []byte, done func(error)) {
	d.change(key, done, func() { d.values[key] = string(value) })
}

func (d *disk) DeleteLater(key string, done func(error)) {
	d.change(key, done, func() { delete(d.values, key) })
}

func (d *disk) change(key string, done func(error), do func()) {
	d.mu.Lock()
	if d.busy[key] {
		d.t.Errorf("two changes of %s are under way", key)
	}
	if d.r.IntN(20) == 0 {
		d.mu.Unlock()
		done(ErrBusy)
		return
	}
	d.busy[key] = true
	d.mu.Unlock()
	d.work <- func() {
		d.mu.Lock()
		var err error
		switch d.r.IntN(20) {
		case 0:
			err = errors.New("not done")
		case 1:
			do()
			err = errors.New("nobody knows")
		default:
			do()
		}
		d.busy[key] = false
		d.mu.Unlock()
		done(err)
	}
}

// TestKeeperKeepsItsWord has many callers change few keys. Whoever hears of no
// error reads his value or a later one, and all hear in order.
func TestKeeperKeepsItsWord(t *testing.T) {
	d := &disk{t: t, r: rand.New(rand.NewPCG(1, 2)), values: map[string]string{}, busy: map[string]bool{}, work: make(chan func(), 1000)}
	var worker sync.WaitGroup
	worker.Go(func() {
		for f := range d.work {
			f()
		}
	})
	k := NewKeeper(d, 1<<30)
	var callers sync.WaitGroup
	heard := make([][]int, 8)
	for c := range heard {
		key := fmt.Sprint("key", c)
		callers.Go(func() {
			var waiting sync.WaitGroup
			for n := range 2000 {
				waiting.Add(1)
				done := func(err error) {
					defer waiting.Done()
					heard[c] = append(heard[c], n)
					if err != nil {
						return
					}
					d.mu.Lock()
					defer d.mu.Unlock()
					var got int
					if v, there := d.values[key]; there {
						fmt.Sscan(v, &got)
						if got < n {
							t.Errorf("%s is %d after %d is kept", key, got, n)
						}
					}
				}
				if n%10 == 9 {
					k.Delete(key, done)
				} else {
					k.Put(key, fmt.Append(nil, n), done)
				}
			}
			waiting.Wait()
		})
	}
	callers.Wait()
	if err := k.Wait(context.Background()); err != nil {
		t.Error(err)
	}
	close(d.work)
	worker.Wait()
	for c, all := range heard {
		if len(all) != 2000 || !slices.IsSorted(all) {
			t.Errorf("caller %d heard %d times, in order: %v", c, len(all), slices.IsSorted(all))
		}
	}
	if left := k.bytes.Load(); left != 0 {
		t.Errorf("%d bytes are still counted", left)
	}
}

func BenchmarkKeeper(b *testing.B) {
	m := &slowMap{}
	k := NewKeeper(m, 1<<20)
	value := make([]byte, 100)
	b.ReportAllocs()
	for b.Loop() {
		m.asked = m.asked[:0]
		k.Put("key", value, func(error) {})
		m.answer(nil)
	}
}
