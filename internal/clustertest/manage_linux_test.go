package clustertest

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/dunlin-mq/dunlin/mqtt"
)

// connected is a client of a node that does nothing.
func connected(t testing.TB, n *Node, id, username string) net.Conn {
	t.Helper()
	c, err := n.Dial()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	hello := mqtt.Append(nil, &mqtt.Connect{Version: mqtt.V311, ClientID: id, Username: &username, CleanStart: true}, mqtt.V311)
	answer := make([]byte, 4)
	if _, err := c.Write(hello); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadFull(c, answer); err != nil || string(answer) != "\x20\x02\x00\x00" {
		t.Fatalf("%s: % x %v", id, answer, err)
	}
	return c
}

// ends waits until the broker closes a connection.
func ends(t *testing.T, c net.Conn) {
	t.Helper()
	if err := c.SetReadDeadline(time.Now().Add(gathering)); err != nil {
		t.Fatal(err)
	}
	if _, err := io.Copy(io.Discard, c); err != nil {
		t.Fatal("the connection goes on:", err)
	}
}

// row is what matters here of what REST shows.
type row struct{ Node, ClientID, Topic, Listener string }

// shows waits until the node shows these rows, in their order.
func shows(t *testing.T, n *Node, path string, want ...row) {
	t.Helper()
	for deadline := time.Now().Add(gathering); ; time.Sleep(50 * time.Millisecond) {
		var got []row
		err := n.Get(path, &got)
		if err == nil && slices.Equal(got, want) {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s of %s: %+v %v, want %+v", path, n.Name, got, err, want)
		}
	}
}

// ctl asks a node on the command line.
func ctl(t *testing.T, n *Node, args ...string) string {
	t.Helper()
	out, err := tryCtl(n, args...)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func tryCtl(n *Node, args ...string) (string, error) {
	c := exec.Command(program, append([]string{"ctl", "--data-dir", n.Dir}, args...)...)
	c.Env = []string{"PATH=" + os.Getenv("PATH")}
	out, err := c.CombinedOutput()
	if err != nil {
		err = fmt.Errorf("ctl %v: %w\n%s", args, err, out)
	}
	return string(out), err
}

// TestManageAnyNode asks and changes a cluster by any of its nodes.
func TestManageAnyNode(t *testing.T) {
	nodes := newCluster(t, nil, 2, "zone.external.enable_ban=on", "zone.external.allow_anonymous=true")
	slices.SortFunc(nodes, func(a, b *Node) int { return strings.Compare(a.Name, b.Name) }) // as lists are
	a, b := nodes[0], nodes[1]
	c1, c2 := connected(t, a, "c1", "ann"), connected(t, b, "c2", "ann")
	c3 := connected(t, b, "c3", "bob")
	in1, in2, in3 := row{Node: a.Name, ClientID: "c1"}, row{Node: b.Name, ClientID: "c2"}, row{Node: b.Name, ClientID: "c3"}
	for _, n := range nodes {
		shows(t, n, "/clients", in1, in2, in3)
		shows(t, n, "/clients?_page=2&_limit=2", in3)
		shows(t, n, "/clients/c2", in2)
		shows(t, n, "/nodes/"+a.Name+"/clients", in1)
		shows(t, n, "/listeners", row{Node: a.Name}, row{Node: b.Name})
	}
	if err := a.Call("POST", "/mqtt/subscribe", `{"topic":"t/#","clientid":"c2","qos":1}`, nil); err != nil {
		t.Fatal(err)
	}
	shows(t, a, "/subscriptions/c2", row{Node: b.Name, ClientID: "c2", Topic: "t/#"})
	shows(t, a, "/routes/t%2F%23", row{Node: b.Name, Topic: "t/#"})

	if got := ctl(t, a, "clients", "list"); !strings.Contains(got, "Client(c1,") || strings.Contains(got, "c2") {
		t.Errorf("the clients of one node are:\n%s", got)
	}
	if got := ctl(t, a, "clients", "show", "c2"); !strings.HasPrefix(got, "Client(c2,") {
		t.Error(got)
	}
	if got := ctl(t, a, "routes", "list"); got != "t/# -> "+b.Name+"\n" {
		t.Error(got)
	}

	// Who is banned loses the connection, wherever it is; the others stay.
	if err := a.Call("POST", "/banned", `{"who":"ann","as":"username"}`, nil); err != nil {
		t.Fatal(err)
	}
	ends(t, c1)
	ends(t, c2)
	for _, n := range nodes {
		shows(t, n, "/clients", in3)
	}
	if err := a.Call("DELETE", "/clients/c3", "", nil); err != nil {
		t.Fatal(err)
	}
	ends(t, c3)
	shows(t, b, "/clients")

	b.Kill()
	stopped := func() bool {
		running, err := a.running()
		return err == nil && running[a.Name] && !running[b.Name]
	}
	for deadline := time.Now().Add(gathering); !stopped(); time.Sleep(50 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("a still takes b for running")
		}
	}
	if err := a.Call("GET", "/nodes/"+b.Name+"/clients", "", nil); err == nil || !strings.Contains(err.Error(), "code 101") {
		t.Error(err)
	}
	shows(t, a, "/listeners", row{Node: a.Name})
}

// wantsAlone has a client subscribe to $exclusive/t, and returns the code of the
// SUBACK.
func wantsAlone(c net.Conn) (mqtt.ReasonCode, error) {
	k := &mqtt.Subscribe{PacketID: 1, Filters: []mqtt.SubscribeFilter{{Filter: "$exclusive/t"}}}
	answer := make([]byte, 5)
	if _, err := c.Write(mqtt.Append(nil, k, mqtt.V311)); err != nil {
		return 0, err
	}
	if err := c.SetReadDeadline(time.Now().Add(gathering)); err != nil {
		return 0, err
	}
	if _, err := io.ReadFull(c, answer); err != nil || answer[0] != 0x90 {
		return 0, fmt.Errorf("in the place of a SUBACK came % x: %w", answer, err)
	}
	return mqtt.ReasonCode(answer[4]), nil
}

// TestExclusiveAnywhere has clients of two nodes subscribe to the same exclusive
// topic at the same moment, again and again: one of them gets it.
func TestExclusiveAnywhere(t *testing.T) {
	nodes := newCluster(t, nil, 2, "zone.external.allow_anonymous=true", "mqtt.exclusive_subscription=on")
	for round := range 20 {
		var all [4]net.Conn
		for i := range all {
			all[i] = connected(t, nodes[i%2], fmt.Sprintf("c%d-%d", round, i), "user")
		}
		var codes [len(all)]mqtt.ReasonCode
		var errs [len(all)]error
		var asking sync.WaitGroup
		for i, c := range all {
			asking.Go(func() { codes[i], errs[i] = wantsAlone(c) })
		}
		asking.Wait()
		granted := 0
		for _, code := range codes {
			if code == mqtt.Success {
				granted++
			} else if code != 0x80 { // as 3.1.1 has it
				granted = -len(all)
			}
		}
		if err := errors.Join(errs[:]...); granted != 1 || err != nil {
			t.Fatalf("round %d: the codes are %v: %v", round, codes, err)
		}
		for i, c := range all {
			if err := nodes[i%2].Call("DELETE", fmt.Sprintf("/clients/c%d-%d", round, i), "", nil); err != nil {
				t.Fatal(err)
			}
			ends(t, c)
		}
	}
	if code, err := wantsAlone(connected(t, nodes[0], "x", "user")); code != mqtt.Success || err != nil {
		t.Fatal(code, err)
	}
	nodes[0].Kill()
	for deadline := time.Now().Add(gathering); ; time.Sleep(50 * time.Millisecond) { // until it is noticed
		code, err := wantsAlone(connected(t, nodes[1], "y", "user"))
		if code == mqtt.Success && err == nil {
			return
		}
		if time.Now().After(deadline) {
			t.Fatal("the topic of a dead node's client is not free:", code, err)
		}
	}
}

// BenchmarkPages is the time of a page of 15,000 clients on three nodes, over the
// network and with the login.
func BenchmarkPages(b *testing.B) {
	nodes := newCluster(b, nil, 3, "zone.external.allow_anonymous=true", "node.max_clients=20000")
	for i, n := range nodes {
		for k := range 5000 {
			connected(b, n, fmt.Sprintf("device-%d-%05d", i, k), "user")
		}
	}
	for _, path := range []string{
		"/nodes", "/clients?_limit=100", "/clients?_limit=100&_page=150", "/clients", "/clients?_limit=100&_like_clientid=4999",
		"/clients/device-2-00042", "/stats", "/metrics", "/accounting", "/subscriptions?_limit=100",
	} {
		b.Run(path, func(b *testing.B) {
			for b.Loop() {
				if err := nodes[0].Call("GET", path, "", nil); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
