package clustertest

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"sync/atomic"
	"testing"
	"time"

	"github.com/dunlin-mq/dunlin/mqtt"
)

// TestGroupsGetCompany: what waits on a node for the members of a shared group, which
// are away, comes to them all and once when they connect to a node that has joined it
// meanwhile; also when the first one is killed as they do, and comes back.
func TestGroupsGetCompany(t *testing.T) {
	for _, killed := range []bool{false, true} {
		t.Run(fmt.Sprintf("killed=%v", killed), func(t *testing.T) {
			t.Parallel()
			a, b := newNode(t, program, memory(t), nil, unlimited), newNode(t, program, memory(t), nil, unlimited)
			cookie := "node.cookie=only-for-this-test-" + rand.Text()
			for _, n := range []*Node{a, b} {
				n.Configure("cluster.discovery=static", "cluster.static.seeds="+a.Name+","+b.Name, cookie)
			}
			a.Start()
			ctx, end := context.WithCancel(t.Context())
			run := &Run{History: NewHistory(), t: t, nodes: []*Node{a}, end: end, stop: func() {}, quiet: time.Minute}
			t.Cleanup(run.close)
			var to atomic.Pointer[Node] // where the members connect; nil: nowhere
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
				run.subscribe(setUp, newClient(ctx, run.History, fmt.Sprint("member", i), sessionExpiry, dial), "$share/group/"+allTopics, 2)
			}
			run.settle(setUp)
			to.Store(nil)
			for _, c := range run.subscribers {
				c.stay(0, true)
			}
			pub := newClient(ctx, run.History, "pub", sessionExpiry, a.Dial)
			run.publishers = append(run.publishers, pub)
			for i := range 500 {
				pub.publish(ctx, Message{Publisher: "pub", Number: i + 1, Topic: topicOf(i % 3), QoS: mqtt.QoS(1 + i/3%2)}, 100)
			}
			for deadline := time.Now().Add(patience); ; time.Sleep(10 * time.Millisecond) {
				if _, rest := pub.state(); rest == 0 {
					break
				} else if time.Now().After(deadline) {
					t.Fatalf("%d messages are not acknowledged", rest)
				}
			}
			b.Start()
			joined(t, a, b)
			settled(t, a)
			to.Store(b)
			if killed {
				a.Kill()
				a.Start()
			}
			judge(t, run, a, b)
		})
	}
}
