package clienttest

import (
	"bufio"
	"encoding/json"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"
)

// nodeJS is a Node.js process in which testdata/mqttjs.js drives any number of
// MQTT.js clients.
type nodeJS struct {
	cmd *exec.Cmd
	in  io.WriteCloser

	mu      sync.Mutex
	lastSeq int
	waiting map[int]chan string     // for the answer to a command
	peers   map[string]chan message // by name
}

// command is a line to the script; see there.
type command struct {
	Op        string   `json:"op"`
	Seq       int      `json:"seq"`
	Peer      string   `json:"peer"`
	ID        string   `json:"id,omitempty"`
	URL       string   `json:"url,omitempty"`
	CA        string   `json:"ca,omitempty"`
	Version   byte     `json:"version,omitempty"`
	Keep      bool     `json:"keep,omitempty"`
	Reconnect bool     `json:"reconnect,omitempty"`
	Will      *jsWill  `json:"will,omitempty"`
	Filter    string   `json:"filter,omitempty"`
	Topic     string   `json:"topic,omitempty"`
	QoS       byte     `json:"qos"`
	Retain    bool     `json:"retain"`
	Payloads  []string `json:"payloads,omitempty"`
}

type jsWill struct {
	Topic   string `json:"topic"`
	Payload string `json:"payload"`
	QoS     byte   `json:"qos"`
	Retain  bool   `json:"retain"`
}

// startNode starts the script, which ends with the test; nil: Node.js or
// MQTT.js is missing.
func startNode(t testing.TB) *nodeJS {
	t.Helper()
	library, err := filepath.Abs(filepath.Join("..", "..", "testenv", "node", "node_modules", "mqtt"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(library); err != nil {
		return nil
	}
	if _, err := exec.LookPath("node"); err != nil {
		return nil
	}
	n := &nodeJS{waiting: make(map[int]chan string), peers: make(map[string]chan message)}
	n.cmd = exec.Command("node", filepath.Join("testdata", "mqttjs.js"), library)
	n.cmd.Stderr = os.Stderr
	if n.in, err = n.cmd.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	out, err := n.cmd.StdoutPipe()
	if err == nil {
		err = n.cmd.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		n.read(t, out)
	}()
	t.Cleanup(func() {
		n.in.Close() // at which the script ends
		<-done
		n.cmd.Wait() // what it has to say it has said on stderr
	})
	return n
}

// read passes on the lines of the script.
func (n *nodeJS) read(t testing.TB, out io.Reader) {
	lines := json.NewDecoder(bufio.NewReader(out))
	for {
		var l struct {
			Seq     int
			Error   string
			Peer    string
			Topic   string
			Payload []byte // in base64
			QoS     byte
			Retain  bool
		}
		if err := lines.Decode(&l); err != nil {
			if err != io.EOF {
				t.Errorf("testdata/mqttjs.js: %v", err)
			}
			return
		}
		n.mu.Lock()
		answer, in := n.waiting[l.Seq], n.peers[l.Peer]
		delete(n.waiting, l.Seq)
		n.mu.Unlock()
		if l.Seq != 0 {
			answer <- l.Error
		} else {
			in <- message{l.Topic, string(l.Payload), l.QoS, l.Retain}
		}
	}
}

// do has the script carry out one command.
func (n *nodeJS) do(t testing.TB, c command) {
	t.Helper()
	answer := make(chan string, 1)
	n.mu.Lock()
	n.lastSeq++
	c.Seq = n.lastSeq
	n.waiting[c.Seq] = answer
	line, err := json.Marshal(c)
	if err == nil {
		_, err = n.in.Write(append(line, '\n'))
	}
	n.mu.Unlock()
	if err != nil {
		t.Fatal(err)
	}
	select {
	case failed := <-answer:
		if failed != "" {
			t.Fatalf("MQTT.js: %s: %s", c.Op, failed)
		}
	case <-time.After(patience):
		t.Fatalf("MQTT.js: %s isn't answered within %v", c.Op, patience)
	}
}

// connect is a row's.
func (n *nodeJS) connect(t testing.TB, at endpoint, s session) peer {
	need(t, n != nil, "MQTT.js (scripts/setup-debian.sh)")
	p := &mqttJS{node: n, name: s.id + " of " + t.Name(), in: make(chan message, inboxSize)}
	n.mu.Lock()
	n.peers[p.name] = p.in
	n.mu.Unlock()
	c := command{Op: "connect", Peer: p.name, ID: s.id, URL: at.url(), Version: at.version, Keep: s.keep, Reconnect: s.reconnect}
	if at.transport == "ssl" || at.transport == "wss" {
		c.CA = at.ca
	}
	if w := s.will; w != nil {
		c.Will = &jsWill{w.topic, w.payload, w.qos, w.retain}
	}
	n.do(t, c)
	t.Cleanup(func() { p.kill(t) })
	return p
}

// mqttJS is one client in a node.
type mqttJS struct {
	node *nodeJS
	name string
	in   chan message
}

func (p *mqttJS) subscribe(t testing.TB, filter string, qos byte) {
	t.Helper()
	p.node.do(t, command{Op: "subscribe", Peer: p.name, Filter: filter, QoS: qos})
}

func (p *mqttJS) unsubscribe(t testing.TB, filter string) {
	t.Helper()
	p.node.do(t, command{Op: "unsubscribe", Peer: p.name, Filter: filter})
}

func (p *mqttJS) publish(t testing.TB, topic string, qos byte, retain bool, payloads ...string) {
	t.Helper()
	for window := range slices.Chunk(payloads, window) {
		p.node.do(t, command{Op: "publish", Peer: p.name, Topic: topic, QoS: qos, Retain: retain, Payloads: window})
	}
}

func (p *mqttJS) disconnect(t testing.TB) {
	t.Helper()
	p.node.do(t, command{Op: "disconnect", Peer: p.name})
}

func (p *mqttJS) kill(t testing.TB) {
	t.Helper()
	p.node.do(t, command{Op: "kill", Peer: p.name})
}

func (p *mqttJS) inbox() <-chan message { return p.in }
