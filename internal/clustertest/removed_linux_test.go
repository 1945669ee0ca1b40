package clustertest

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync/atomic"
	"testing"
	"time"

	"github.com/dunlin-mq/dunlin/mqtt"
)

// TestSessionsOfRemoved: the durable sessions of a node that was killed and then
// removed are there when their clients come, with what was acknowledged for them
// before and after that.
func TestSessionsOfRemoved(t *testing.T) {
	for _, count := range []int{2, 3} {
		t.Run(fmt.Sprintf("of %d", count), func(t *testing.T) {
			t.Parallel()
			nodes := newCluster(t, nil, count)
			a, b := nodes[0], nodes[1]
			ctx, end := context.WithCancel(t.Context())
			run := &Run{History: NewHistory(), t: t, nodes: nodes, end: end, stop: func() {}, quiet: 20 * time.Second}
			t.Cleanup(run.close)
			var to atomic.Pointer[Node] // where the subscribers connect; nil: nowhere
			to.Store(a)
			dial := func() (net.Conn, error) {
				if n := to.Load(); n != nil {
					return n.Dial()
				}
				return nil, errors.New("it is away")
			}
			setUp, cancel := context.WithTimeout(ctx, patience)
			defer cancel()
			for i := range 4 {
				run.subscribe(setUp, newClient(ctx, run.History, fmt.Sprint("sub", i), sessionExpiry, dial), allTopics, 2)
			}
			run.settle(setUp)
			to.Store(nil)
			for _, c := range run.subscribers {
				c.stay(0, true)
			}
			pub := newClient(ctx, run.History, "pub", sessionExpiry, b.Dial)
			run.publishers = append(run.publishers, pub)
			n := 0
			publish := func() {
				for range 100 {
					n++
					pub.publish(ctx, Message{Publisher: "pub", Number: n, Topic: topicOf(n % 3), QoS: mqtt.QoS(1 + n/3%2)}, 100)
				}
			}
			publish()
			a.Kill()
			for deadline := time.Now().Add(gathering); ; time.Sleep(200 * time.Millisecond) {
				_, err := tryCtl(b, "cluster", "force-leave", a.Name)
				if err == nil {
					break
				} else if time.Now().After(deadline) {
					fail(t, nodes, "%v", err)
				}
			}
			publish()
			to.Store(b)
			judge(t, run, nodes[1:]...)
		})
	}
}
