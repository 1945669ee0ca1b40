package engine

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net"
	"os"
	"runtime"
	"sync"
	"testing"
	"time"
)

// address is a free one on the loopback interface. On Linux it has an IP address
// of its own and a port that no connection is given, as a node that restarts
// must find it free still, whatever else is tested beside.
func address(t testing.TB) string {
	t.Helper()
	at := "127.0.0.1:0"
	if runtime.GOOS == "linux" {
		at = fmt.Sprintf("127.%d.%d.%d:%d", 1+rand.IntN(254), rand.IntN(256), 1+rand.IntN(254), 20000+rand.IntN(10000))
	}
	l, err := net.Listen("tcp", at)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// cookie is one for all nodes of a test, and no others: the port of a node that
// has ended may be another's now, with nodes of other tests still looking for it.
func cookie(t testing.TB) string { return fmt.Sprintf("%s %d %p", t.Name(), os.Getpid(), t) }

// node is what a node of a cluster on this machine needs to be started.
func node(t testing.TB, name string) Options {
	t.Helper()
	if testing.Short() {
		t.Skip("several servers that elect are too much for -short")
	}
	o := Options{Dir: memory(t), Node: name, Cluster: &Cluster{Name: "test", Address: address(t), Door: address(t), Cookie: cookie(t)}}
	if os.Getenv("ENGINE_TEST_LOG") != "" {
		o.Log = slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelDebug})).With("node", name)
	}
	return o
}

// memory is a folder that no slow disk delays, where the machine has one with
// room: tests of clusters are about nodes that elect, which write each vote.
func memory(t testing.TB) string {
	t.Helper()
	const shared, room = "/dev/shm", 1 << 30
	if free, err := freeBytes(shared); err != nil || free < room {
		return t.TempDir()
	}
	dir, err := os.MkdirTemp(shared, "dunlin-engine-") //nolint:usetesting // T.TempDir has no choice of where
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	return dir
}

func within(t testing.TB) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	t.Cleanup(cancel)
	return ctx
}

// together starts nodes and joins them; the first one keeps its data.
func together(t testing.TB, options ...Options) (all []*Engine) {
	t.Helper()
	for _, o := range options {
		all = append(all, start(t, o))
	}
	for _, e := range all[1:] {
		said := ""
		eventually(t, "a member more", func() bool { // on a busy machine nobody may lead at the moment
			err := e.Join(within(t), all[0].o.Cluster.Door)
			if err != nil && err.Error() != said {
				said = err.Error()
				t.Log(err)
			}
			return err == nil
		})
	}
	copied(t, all...)
	return all
}

// copied waits until every stream has as many complete copies as it should.
func copied(t testing.TB, all ...*Engine) {
	t.Helper()
	eventually(t, "copies of all streams", func() bool {
		for _, e := range all {
			if len(e.Members()) != len(all) {
				return false
			}
			for _, s := range e.all() {
				info, err := e.to().js.StreamInfo(s.name)
				if err != nil || info.Config.Replicas != min(len(all), mostCopies) || info.Cluster == nil || len(info.Cluster.Replicas) != info.Config.Replicas-1 {
					return false
				}
				for _, r := range info.Cluster.Replicas {
					if !r.Current || r.Lag != 0 {
						return false
					}
				}
			}
		}
		return true
	})
}

// kept appends entries and returns when they are kept.
func kept(t *testing.T, l *Log, topic string, from, to int) {
	t.Helper()
	var wg sync.WaitGroup
	for i := from; i < to; i++ {
		wg.Add(1)
		l.Append(topic, fmt.Append(nil, i), func(_ At, err error) {
			if err != nil {
				t.Errorf("append %d: %v", i, err)
			}
			wg.Done()
		})
	}
	wg.Wait()
}

// holds demands the numbers from 0 on, in order and each once, in the only
// shard of a log.
func holds(t *testing.T, e *Engine, l *Log, most int) {
	t.Helper()
	eventually(t, fmt.Sprintf("%d entries on %s", most, e.o.Node), func() bool { _, last := l.Bounds(0); return last >= uint64(most) })
	n, from := 0, uint64(1)
	for n < most {
		entries, next, err := l.Read(within(t), 0, from, nil, 1000)
		if err != nil {
			t.Fatal(err)
		}
		for _, en := range entries {
			if string(en.Record) != fmt.Sprint(n) || en.Seq != uint64(n+1) {
				t.Fatalf("%s: entry %d with number %d is %s", e.o.Node, n, en.Seq, en.Record)
			}
			n++
		}
		if next == from {
			time.Sleep(time.Millisecond)
		}
		from = next
	}
}

func TestGrowth(t *testing.T) {
	t.Parallel()
	a := start(t, node(t, "a"))
	l, m := openLog(t, a, "l", LogOptions{Shards: 1}), openMap(t, a, "m")
	kept(t, l, "t", 0, 5000)
	if err := m.Put("k", []byte("v")); err != nil {
		t.Fatal(err)
	}
	b := start(t, node(t, "b"))
	lb, mb := openLog(t, b, "l", LogOptions{Shards: 1}), openMap(t, b, "m")
	kept(t, lb, "t", 0, 10)
	if err := mb.Put("given up", nil); err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	if err := b.Join(within(t), a.o.Cluster.Door); err != nil {
		t.Fatal(err)
	}
	t.Logf("joined within %v", time.Since(began))
	copied(t, a, b)
	t.Logf("two copies within %v", time.Since(began))
	kept(t, l, "t", 5000, 5100)
	kept(t, lb, "t", 5100, 5200)
	holds(t, a, l, 5200)
	holds(t, b, lb, 5200)
	eventually(t, "the map of the cluster", func() bool {
		v, _, err := mb.Get("k")
		_, old, _ := mb.Get("given up")
		return err == nil && string(v) == "v" && !old
	})
}
