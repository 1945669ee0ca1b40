package node

import (
	"context"
	"fmt"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/dunlin-mq/dunlin/auth"
	"github.com/dunlin-mq/dunlin/host"
	"github.com/dunlin-mq/dunlin/mqtt"
)

// BenchmarkStart is what a node with much that is kept needs to start, and to
// keep it in the first place.
func BenchmarkStart(b *testing.B) {
	for _, n := range []struct {
		what string
		n    int
		keep func(*Node, int) error
	}{
		{"nothing", 0, func(*Node, int) error { return nil }},
		{"bans", 100_000, keepBans},
		{"accounts", 100_000, keepAccounts},
		{"retained", 1_000_000, keepRetained},
		{"durable sessions", 100_000, keepSessions},
		{"durable sessions", 1_000_000, keepSessions},
	} {
		b.Run(fmt.Sprint(n.n, " ", n.what), func(b *testing.B) {
			c := bare(b)
			node := startBench(b, c)
			begin := time.Now()
			if err := n.keep(node, n.n); err != nil {
				b.Fatal(err)
			}
			node.Stop()
			b.ReportMetric(time.Since(begin).Seconds(), "s-to-keep")
			for b.Loop() {
				b.StopTimer()
				runtime.GC()
				before, cpu := heapInUse(), cpuSeconds()
				b.StartTimer()
				node = startBench(b, c)
				b.StopTimer()
				b.ReportMetric(cpuSeconds()-cpu, "cpu-s")
				runtime.GC()
				b.ReportMetric(float64(heapInUse()-before)/1e6, "MB-heap")
				node.Stop()
				b.StartTimer()
			}
		})
	}
}

func heapInUse() int64 {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// cpuSeconds is what this process has taken of the processors; 0 where nobody
// says so. Unlike the time on a busy machine it is the work of a start.
func cpuSeconds() float64 {
	p, err := host.ReadProcess()
	if err != nil {
		return 0
	}
	return p.CPU
}

// bare is a configuration that listens nowhere.
func bare(b *testing.B) *Config {
	b.Helper()
	dir := b.TempDir()
	file := dir + "/dunlin.conf"
	text := "node.data_dir = " + dir + "/data\nlistener.tcp.external = 127.0.0.1:0\nmanagement.listener.http = off\ndashboard.listener.http = off\nauth.mnesia.password_hash = sha256\n"
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		b.Fatal(err)
	}
	c, _, err := LoadConfig(file, nil)
	if err != nil {
		b.Fatal(err)
	}
	return c
}

func startBench(b *testing.B, c *Config) *Node {
	b.Helper()
	n, err := Start(c, nil)
	if err != nil {
		b.Fatal(err)
	}
	return n
}

func keepBans(n *Node, count int) error {
	all := make([]auth.Ban, count)
	for i := range all {
		all[i] = auth.Ban{Kind: auth.BanClientID, Who: fmt.Sprintf("device-%07d", i), By: "bench", At: time.Now()}
	}
	return first(n.Access.Bans().AddAll(all))
}

func keepAccounts(n *Node, count int) error {
	all := make([]auth.NewAccount, count)
	for i := range all {
		all[i] = auth.NewAccount{Subject: auth.Subject{Kind: auth.ByUsername, Name: fmt.Sprintf("device-%07d", i)}, Password: []byte("public")}
	}
	return first(n.leaves.builtin.AddAccounts(context.Background(), all))
}

func first(errs []error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

func keepRetained(n *Node, count int) error {
	m := mqtt.Message{Payload: []byte(strings.Repeat("x", 64)), From: "device", QoS: 1}
	for i := 0; i < count; i++ {
		m.Topic, m.Timestamp = fmt.Sprintf("site/%d/dev/%d/state", i%100, i), time.Now().UnixMilli()
		if err := n.Broker.Retained.Put(&m, m.Timestamp); err != nil {
			time.Sleep(time.Millisecond) // the engine is behind
			i--
		}
	}
	return nil
}
