package mqtttest

import (
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"testing"
	"time"
)

const (
	// answerTime is how long an answer may take on a busy machine.
	answerTime = 3 * time.Second
	// quietTime is how long silence must last to count: long for a broker on the same machine, short for the suite.
	quietTime = 200 * time.Millisecond
)

// Node is a broker that scenarios can talk to.
type Node struct {
	TCP  string // address of the MQTT listener
	WS   string // address of the WebSocket listener, path /mqtt; "" when there is none
	Stop func() // ends it as an operator would and waits; nil for a broker that is not ours
}

// Run plays a scenario against a broker and fails the test at the first line that does not hold. Every ~ in the scenario
// stands for a token of this run alone, so runs share a broker without meeting.
func Run(t *testing.T, node Node, s Scenario) {
	t.Helper()
	if err := play(node, s); err != nil {
		t.Fatal(err)
	}
}

// play returns what does not hold, with its place.
func play(node Node, s Scenario) error {
	r := &runner{node: node, version: s.Version, token: newToken(), conns: map[string]*conn{}, vars: vars{}, wait: answerTime}
	defer r.closeAll()
	for i := 0; i < len(s.steps); i++ {
		st := s.steps[i]
		var err error
		if st.verb == "set" {
			n := i
			for n+1 < len(s.steps) && s.steps[n+1].verb == "set" && slices.Equal(s.steps[n+1].conn, st.conn) {
				n++
			}
			err, i = r.receiveSet(s.steps[i:n+1]), n
		} else {
			err = r.do(st)
		}
		if err != nil {
			return fmt.Errorf("%s:%d: %w", s.File, st.line, err)
		}
	}
	return nil
}

// newToken makes up four letters and digits. Without these vowels they never spell one of the words that the backend of
// TestAccess obeys.
func newToken() string {
	return strings.NewReplacer("a", "0", "e", "1", "i", "8", "o", "9").Replace(strings.ToLower(rand.Text()[:4]))
}

type runner struct {
	node    Node
	version int
	token   string
	conns   map[string]*conn
	vars    vars
	wait    time.Duration
}

func (r *runner) closeAll() {
	for _, c := range r.conns {
		c.close(false)
	}
}

func (r *runner) do(st step) error {
	st.text = strings.ReplaceAll(st.text, "~", r.token)
	switch st.verb {
	case "wait":
		d, err := time.ParseDuration(st.text)
		time.Sleep(d)
		return err
	case "timeout":
		var err error
		r.wait, err = time.ParseDuration(st.text)
		return err
	case "stop":
		if r.node.Stop == nil {
			return errors.New("this broker is not ours to stop")
		}
		r.node.Stop()
		return nil
	case "recv":
		return r.receive(st)
	case "closed":
		return r.closed(st.conn[0])
	case "ends":
		return r.ends(st.conn[0])
	case "silent":
		return r.silent(st)
	}
	return r.act(st)
}

// act is everything that writes.
func (r *runner) act(st step) error {
	name := st.conn[0]
	switch st.verb {
	case "open":
		_, err := r.open(name, st.text)
		return err
	case "refused":
		if _, err := r.open(name, st.text); err == nil {
			return fmt.Errorf("%s: %s should be refused", name, st.text)
		}
		return nil
	}
	c, err := r.open(name, "")
	if err != nil {
		return err
	}
	switch st.verb {
	case "close", "abort":
		c.close(st.verb == "abort")
		delete(r.conns, name)
		return nil
	case "raw":
		raw, err := parseRaw(st.text)
		if err != nil {
			return err
		}
		if st.hold {
			c.held = append(c.held, raw...)
			return nil
		}
		return c.send(raw)
	case "frame":
		return frameOf(c, st.text)
	case "connect":
		return r.connect(c, st.text)
	case "subscribe":
		return r.subscribe(c, st.text)
	case "publish":
		return r.publish(c, st.text)
	}
	return r.send(c, st.text, st.hold)
}

// open returns the connection of that name, made now when there is none: over TCP, or "ws" with the subprotocols offered.
func (r *runner) open(name, how string) (*conn, error) {
	if c, ok := r.conns[name]; ok {
		return c, nil
	}
	var nc net.Conn
	var err error
	if offer, ws := strings.CutPrefix(how, "ws"); ws {
		var w *wsConn
		if w, err = dialWS(r.node.WS, strings.TrimSpace(offer)); err == nil {
			r.vars["subprotocol"], nc = w.protocol, w
		}
		if err == nil && offer != "" && w.protocol != "mqtt" {
			err = fmt.Errorf("the server chose the subprotocol %q", w.protocol)
		}
	} else {
		nc, err = net.Dial("tcp", r.node.TCP)
	}
	if err != nil {
		return nil, err
	}
	r.conns[name] = openConn(name, nc, r.version)
	return r.conns[name], nil
}

func (r *runner) send(c *conn, text string, hold bool) error {
	p, err := parsePacket(text)
	if err != nil {
		return err
	}
	if p.fields, err = fill(p.fields, r.vars); err != nil {
		return err
	}
	if p.props, err = fill(p.props, r.vars); err != nil {
		return err
	}
	return c.sendPacket(p, hold)
}
