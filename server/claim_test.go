package server

import (
	"io"
	"slices"
	"sync"
	"testing"

	"github.com/dunlin-mq/dunlin/broker"
	"github.com/dunlin-mq/dunlin/mqtt"
)

// claimed is a cluster in which client ids are asked for.
type claimed struct {
	mu     sync.Mutex
	asked  chan func(outbid bool)
	says   []broker.Claimed // one after the other; then ClaimAsked
	opened []string
}

func (c *claimed) Claim(_ string, _ bool, done func(outbid bool)) broker.Claimed {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.says) > 0 {
		says := c.says[0]
		c.says = c.says[1:]
		return says
	}
	c.asked <- done
	return broker.ClaimAsked
}

func (c *claimed) Opened(id string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.opened = append(c.opened, id)
}

func (c *claimed) has(id string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, one := range c.opened {
		if one == id {
			return true
		}
	}
	return false
}

func (*claimed) Ended(string)                                                          {}
func (*claimed) Added(string, bool)                                                    {}
func (*claimed) Removed(string, bool)                                                  {}
func (*claimed) Group(string, string, int, int)                                        {}
func (*claimed) Forward(*broker.Batch, *mqtt.Message, []broker.GroupKey) int           { return 0 }
func (*claimed) Dispatch(*broker.Batch, *mqtt.Message, broker.GroupKey, int, int) bool { return false }
func (*claimed) Members(broker.GroupKey) (members, online int)                         { return 0, 0 }
func (*claimed) Wanted(*broker.Batch, string) (anybody, inLog bool)                    { return false, false }

// startClaimed starts a server of a cluster that answers when a test says so.
func startClaimed(t *testing.T, kind string) (*testServer, *claimed) {
	ts := startTestServer(t, kind+".a = 127.0.0.1:0")
	c := &claimed{asked: make(chan func(bool), 1)}
	ts.broker.SetCluster(&broker.Cluster{Routes: c, Peers: c, Claims: c, Zone: func(string) *broker.Zone { return &ts.zone }})
	t.Cleanup(func() { ts.broker.SetCluster(nil) })
	return ts, c
}

// TestConnectClaims has CONNECT wait for other nodes, with packets behind it.
func TestConnectClaims(t *testing.T) {
	for _, kind := range []string{"tcp", "ws"} {
		ts, c := startClaimed(t, kind)
		var nc io.ReadWriter
		if kind == "ws" {
			nc = &wsStream{wsClient: openWS(t, ts, "ws")}
		} else {
			nc = dial(t, ts.addr("tcp"))
		}
		go func() {
			done := <-c.asked
			if ts.broker.Client("c") != nil || ts.metric("connections.count") != 0 {
				t.Error("the client is there before it may be")
			}
			done(false)
		}()
		own := publishPacket("t", 0, 0)
		talk(t, nc, slices.Concat(connectPacket("c"), subscribePacket("t"), own, ping), slices.Concat(connack, suback, own, pong311))
		if !eventually(func() bool { return c.has("c") }) {
			t.Error("nobody was told that the session is open")
		}
	}
}

// TestConnectClaimsAgain: what was to be resumed has gone to another node before
// it was.
func TestConnectClaimsAgain(t *testing.T) {
	ts, c := startClaimed(t, "tcp")
	c.says = []broker.Claimed{broker.ClaimHere, broker.ClaimHere}
	go func() { (<-c.asked)(false) }()
	talk(t, dial(t, ts.addr("tcp")), connectPacket("c"), connack)
	c.mu.Lock()
	c.says = []broker.Claimed{broker.ClaimAlone}
	c.mu.Unlock()
	talk(t, dial(t, ts.addr("tcp")), connectPacket("d"), connack)
	if c.has("d") || !c.has("c") {
		t.Errorf("opened were %v", c.opened)
	}
}

// TestConnectOutbid: a newer connection has come to another node meanwhile.
func TestConnectOutbid(t *testing.T) {
	ts, c := startClaimed(t, "tcp")
	nc := dial(t, ts.addr("tcp"))
	go func() { (<-c.asked)(true) }()
	talk(t, nc, connectPacket("c"), mqtt.Append(nil, &mqtt.Connack{Code: mqtt.ServerUnavailable}, mqtt.V311))
	wantEnd(t, nc)
	if ts.broker.Client("c") != nil || c.has("c") {
		t.Error("it has a session")
	}
	ts.wantEnded("tcp", "takeovered")
}

// TestEndWhileClaiming ends connections while their client ids are asked for.
func TestEndWhileClaiming(t *testing.T) {
	ts, c := startClaimed(t, "tcp")
	nc := dial(t, ts.addr("tcp"))
	if _, err := nc.Write(connectPacket("c")); err != nil {
		t.Fatal(err)
	}
	done := <-c.asked
	nc.SetLinger(0)
	nc.Close()
	ts.wantEnded("tcp", "econnreset")
	done(false)
	if !eventually(func() bool { return c.has("c") }) {
		t.Error("the others still wait for the session")
	}
	if ts.broker.Client("c") != nil {
		t.Error("it has a session")
	}
}
