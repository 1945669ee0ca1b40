package clustertest

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/dunlin-mq/dunlin/mqtt"
)

// homes runs a test with nodes on loopback and with nodes of a network.
func homes(t *testing.T, test func(t *testing.T, network *Network)) {
	t.Run("loopback", func(t *testing.T) { test(t, nil) })
	t.Run("network", func(t *testing.T) { test(t, NewNetwork(t)) })
}

// serves reports whether the node answers a CONNECT.
func serves(t *testing.T, n *Node) error {
	t.Helper()
	conn, err := n.Dial()
	if err != nil {
		return err
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(patience))
	if _, err := conn.Write(mqtt.Append(nil, &mqtt.Connect{Version: mqtt.V5, CleanStart: true}, mqtt.V5)); err != nil {
		return err
	}
	answer := make([]byte, 1)
	if _, err := conn.Read(answer); err != nil {
		return err
	}
	if mqtt.Type(answer[0]>>4) != mqtt.TypeConnack {
		return errors.New("the answer is no CONNACK")
	}
	return nil
}

func TestNode(t *testing.T) {
	homes(t, func(t *testing.T, network *Network) {
		n := NewNode(t, program, network)
		expect := func(what string, up bool) {
			t.Helper()
			if err := serves(t, n); (err == nil) != up {
				t.Errorf("%s: serves: %v", what, err)
			}
			if n.Running() != up {
				t.Errorf("%s: running is %v", what, n.Running())
			}
		}
		n.Start()
		expect("started", true)
		addr := n.Addr()
		var nodes []struct{ Node string }
		if err := n.Get("/nodes", &nodes); err != nil || len(nodes) != 1 || nodes[0].Node != n.Name {
			t.Errorf("GET /nodes: %v, %v", nodes, err)
		}
		if err := n.Get("/none", nil); err == nil {
			t.Error("GET /none was answered")
		}
		n.Kill()
		expect("killed", false)
		n.Start()
		expect("started again", true)
		if n.Addr() != addr {
			t.Errorf("its address was %v and is %v", addr, n.Addr())
		}
		n.Kill()
		n.StartAndKill(10 * time.Millisecond)
		expect("killed at once", false)
		n.Readdress()
		expect("at another address", true)
		if n.Addr() == addr || !strings.HasSuffix(n.Name, addr.String()) {
			t.Errorf("its address is still %v, its name %s", addr, n.Name)
		}
		n.Stop()
		expect("stopped", false)
	})
}

// TestPausedNode: a node that hangs takes connections and says nothing, until
// it goes on.
func TestPausedNode(t *testing.T) {
	n := NewNode(t, program, nil)
	n.Start()
	n.Pause()
	answered := make(chan error, 1)
	go func() { answered <- serves(t, n) }()
	select {
	case err := <-answered:
		t.Errorf("a node that hangs answered (%v)", err)
	case <-time.After(200 * time.Millisecond):
	}
	n.Resume()
	if err := <-answered; err != nil {
		t.Error(err)
	}
}

// TestDataStays: a node finds its files again, killed or not.
func TestDataStays(t *testing.T) {
	n := NewNode(t, program, nil)
	n.Start()
	mark := filepath.Join(n.Dir, "mark")
	if err := os.WriteFile(mark, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	before, err := os.ReadDir(n.Dir)
	if err != nil {
		t.Fatal(err)
	}
	n.Restart()
	after, err := os.ReadDir(n.Dir)
	if err != nil || len(after) < len(before) || len(before) < 2 {
		t.Errorf("before %v, after %v (%v)", before, after, err)
	}
}

func TestNodeThatCannotStart(t *testing.T) {
	n := NewNode(t, program, nil, "zone.external.max_mqueue_len=many")
	if err := n.Launch(); err == nil || !strings.Contains(err.Error(), "max_mqueue_len") {
		t.Errorf("Launch: %v", err)
	}
	if n.Running() {
		t.Error("it runs")
	}
	n.Configure("zone.external.max_mqueue_len=10")
	n.Start()
}
