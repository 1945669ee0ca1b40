package clustertest

import (
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/dunlin-mq/dunlin/mqtt"
)

// evacuate begins to send the node's clients to others.
func evacuate(t *testing.T, n *Node, rate int, to ...*Node) {
	t.Helper()
	evacuateBy(t, n, n, rate, to...)
}

// evacuateBy has another node do so.
func evacuateBy(t *testing.T, by, n *Node, rate int, to ...*Node) {
	t.Helper()
	var servers []string
	for _, other := range to {
		servers = append(servers, other.Listener())
	}
	body := fmt.Sprintf(`{"conn_evict_rate":%d,"redirect_to":%q,"wait_health_check":0,"wait_takeover":%d}`, rate, strings.Join(servers, " "), min(20*len(to), 20))
	if err := by.Call("POST", "/load_rebalance/"+n.Name+"/evacuation/start", body, nil); err != nil {
		t.Fatal(err)
	}
}

// evacuation is what a node says of its own.
type evacuation struct {
	Status, State string
	Stats         struct {
		Initial int `json:"initial_connected"`
		Current int `json:"current_connected"`
	}
}

// evacuated waits until no client is connected to the node.
func evacuated(t *testing.T, n *Node) (e evacuation) {
	t.Helper()
	for deadline := time.Now().Add(patience); ; time.Sleep(20 * time.Millisecond) {
		e = evacuation{}
		if err := n.Get("/load_rebalance/status", &e); err != nil {
			t.Fatal(err)
		}
		if e.State == "prohibiting" && e.Stats.Current == 0 {
			return e
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s is not evacuated after %v: %+v", n.Name, patience, e)
		}
	}
}

func letIn(t *testing.T, n *Node) {
	t.Helper()
	if err := n.Call("POST", "/load_rebalance/"+n.Name+"/evacuation/stop", "", nil); err != nil {
		t.Fatal(err)
	}
}

// TestEvacuateAndReturn: a node sends its clients away again and again, and they
// have nowhere else to go: when they are let in, their sessions are there and
// nothing acknowledged is lost.
func TestEvacuateAndReturn(t *testing.T) {
	n := started(t, nil, unlimited)
	w := standard
	w.Away = 0
	run := w.Start(t, n)
	away := 0
	for range 5 {
		time.Sleep(500 * time.Millisecond)
		evacuate(t, n, 100)
		away += evacuated(t, n).Stats.Initial
		run.History.Note("evacuated")
		letIn(t, n)
	}
	if away == 0 {
		t.Error("nobody was ever there")
	}
	judge(t, run, n)
}

// TestEvacuateByAnother: any node of a cluster can be asked to empty another one,
// and all know of it.
func TestEvacuateByAnother(t *testing.T) {
	t.Parallel()
	nodes := newCluster(t, nil, 3)
	evacuateBy(t, nodes[0], nodes[1], 100, nodes[2])
	evacuated(t, nodes[1])
	for _, n := range nodes {
		var all struct{ Evacuations map[string]evacuation }
		if err := n.Get("/load_rebalance/global_status", &all); err != nil || len(all.Evacuations) != 1 || all.Evacuations[nodes[1].Name].State != "prohibiting" {
			t.Errorf("%s says %+v, %v", n.Name, all, err)
		}
	}
}

// TestEvacuateMemory: sessions that live in memory and have no client go to other
// nodes before theirs stops, with what waits in them.
func TestEvacuateMemory(t *testing.T) {
	t.Parallel()
	nodes := newCluster(t, nil, 3, "zone.external.session_durability=memory", "zone.external.allow_anonymous=true")
	from, to := nodes[0], nodes[1]
	const sessions = 100
	for i := range sessions {
		c := connected(t, from, fmt.Sprint("old", i), "user")
		if err := c.Close(); err != nil { // a clean session
			t.Fatal(err)
		}
		c, present := resumed(t, from, fmt.Sprint("m", i))
		if present {
			t.Fatal("there is a session already")
		}
		if _, err := c.Write(mqtt.Append(nil, &mqtt.Subscribe{PacketID: 1, Filters: []mqtt.SubscribeFilter{{Filter: "t", SubscribeOptions: mqtt.SubscribeOptions{QoS: 1}}}}, mqtt.V311)); err != nil {
			t.Fatal(err)
		}
		if _, err := io.ReadFull(c, make([]byte, 5)); err != nil {
			t.Fatal(err)
		}
		if err := c.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if err := from.Call("POST", "/mqtt/publish", `{"topic":"t","qos":1,"payload":"waits","clientid":"p"}`, nil); err != nil {
		t.Fatal(err)
	}
	body := fmt.Sprintf(`{"wait_health_check":0,"wait_takeover":0,"sess_evict_rate":200,"migrate_to":%q}`, to.Name)
	if err := nodes[2].Call("POST", "/load_rebalance/"+from.Name+"/evacuation/start", body, nil); err != nil {
		t.Fatal(err)
	}
	evacuated(t, from)
	for i := range sessions {
		shows(t, nodes[2], fmt.Sprint("/clients/m", i), row{Node: to.Name, ClientID: fmt.Sprint("m", i)})
	}
	from.Kill()
	for i := range sessions {
		c, present := resumed(t, to, fmt.Sprint("m", i))
		publish := make([]byte, 12)
		if _, err := io.ReadFull(c, publish); !present || err != nil || !strings.HasSuffix(string(publish), "waits") {
			t.Fatalf("m%d: present %v, %q %v", i, present, publish, err)
		}
	}
}

// resumed connects a client that goes on with its session.
func resumed(t *testing.T, n *Node, id string) (c net.Conn, present bool) {
	t.Helper()
	c, err := n.Dial()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	answer := make([]byte, 4)
	if _, err := c.Write(mqtt.Append(nil, &mqtt.Connect{Version: mqtt.V311, ClientID: id}, mqtt.V311)); err != nil {
		t.Fatal(err)
	}
	if err := c.SetReadDeadline(time.Now().Add(gathering)); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadFull(c, answer); err != nil || answer[0] != 0x20 || answer[3] != 0 {
		t.Fatalf("%s: % x %v", id, answer, err)
	}
	return c, answer[2] == 1
}
