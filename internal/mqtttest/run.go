package mqtttest

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io"
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
// stands for letters of this run alone, so runs share a broker without meeting.
func Run(t *testing.T, node Node, s Scenario) {
	t.Helper()
	if err := play(node, s); err != nil {
		t.Fatal(err)
	}
}

// play returns what does not hold, with its place.
func play(node Node, s Scenario) error {
	r := &runner{node: node, version: s.Version, token: strings.ToLower(rand.Text()[:4]), conns: map[string]*conn{}, vars: vars{}, wait: answerTime}
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
	if st.verb == "open" {
		_, err := r.open(name, st.text)
		return err
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
	case "text":
		ws, ok := c.nc.(*wsConn)
		if !ok {
			return errors.New("text needs a WebSocket")
		}
		return ws.writeFrame(wsText, []byte(st.text))
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

// connect opens a connection with a clean start and the id ~name, and wants it accepted; words override the defaults.
func (r *runner) connect(c *conn, words string) error {
	text := "CONNECT " + words
	for _, preset := range []string{"clean=1", "id=" + r.token + c.name} {
		key, _, _ := strings.Cut(preset, "=")
		if !strings.Contains(" "+words, " "+key+"=") {
			text += " " + preset
		}
	}
	if err := r.send(c, text, false); err != nil {
		return err
	}
	return r.wantText(c, "CONNACK present=* …")
}

// subscribe sends the filters in one SUBSCRIBE and wants each granted with the QoS asked for.
func (r *runner) subscribe(c *conn, words string) error {
	var codes []string
	text := "SUBSCRIBE id=65000"
	for _, w := range strings.Fields(words) {
		if strings.HasPrefix(w, "props{") {
			text += " " + w
			continue
		}
		_, opts, err := parseSub(w)
		if err != nil {
			return err
		}
		text, codes = text+" sub="+w, append(codes, fmt.Sprint(opts&3))
	}
	if err := r.send(c, text, false); err != nil {
		return err
	}
	return r.wantText(c, "SUBACK id=65000 codes="+strings.Join(codes, ","))
}

// publish sends one message and goes through the whole of its handshake, with any code that is no failure; after QoS 0 it
// waits for a PINGRESP, so that the broker has taken the message in any case.
func (r *runner) publish(c *conn, words string) error {
	p, err := parsePacket("PUBLISH " + words)
	if err != nil {
		return err
	}
	const id = " id=65001"
	flow := []string{"> PUBLISH " + words, "> PINGREQ", "< PINGRESP"}
	switch p.num("qos") {
	case 1:
		flow = []string{"> PUBLISH " + words + id, "< PUBACK code=0..127" + id}
	case 2:
		flow = []string{"> PUBLISH " + words + id, "< PUBREC code=0..127" + id, "> PUBREL" + id, "< PUBCOMP" + id}
	}
	for _, line := range flow {
		text, out := strings.CutPrefix(line, "> ")
		if out {
			err = r.send(c, text, false)
		} else {
			err = r.wantText(c, strings.TrimPrefix(line, "< "))
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (r *runner) wantText(c *conn, text string) error {
	want, err := parsePacket(text)
	if err != nil {
		return err
	}
	return r.want(c, want)
}

func (r *runner) want(c *conn, want packet) error {
	got, err := c.next(r.wait)
	if err != nil {
		return fmt.Errorf("%s waits for %s: %w", c.name, want, err)
	}
	if bad := compare(want, got, r.vars); bad != "" {
		return fmt.Errorf("%s: %s\nwant %s\n got %s", c.name, bad, want, got)
	}
	return nil
}

// receive wants the packet on the connection, or on exactly one of several.
func (r *runner) receive(st step) error {
	conns, err := r.known(st.conn)
	if err != nil {
		return err
	}
	if len(conns) == 1 {
		return r.wantText(conns[0], st.text)
	}
	want, err := parsePacket(st.text)
	if err != nil {
		return err
	}
	for deadline := time.Now().Add(r.wait); time.Now().Before(deadline); {
		for i, c := range conns {
			got, err := c.next(time.Millisecond)
			if errors.Is(err, errSilence) {
				continue
			}
			if err != nil {
				return fmt.Errorf("%s: %w", c.name, err)
			}
			if bad := compare(want, got, r.vars); bad != "" {
				return fmt.Errorf("%s: %s\nwant %s\n got %s", c.name, bad, want, got)
			}
			r.name(st.as, conns, i)
			return nil
		}
	}
	return fmt.Errorf("none of %v got %s", st.conn, want)
}

// name gives the receiver, and with two connections the other one, further names.
func (r *runner) name(as string, conns []*conn, got int) {
	winner, loser, _ := strings.Cut(as, "/")
	if winner != "" {
		r.conns[winner] = conns[got]
	}
	if loser != "" && len(conns) == 2 {
		r.conns[loser] = conns[1-got]
	}
}

func (r *runner) known(names []string) ([]*conn, error) {
	var conns []*conn
	for _, name := range names {
		c, ok := r.conns[name]
		if !ok {
			return nil, fmt.Errorf("there is no connection %s", name)
		}
		conns = append(conns, c)
	}
	return conns, nil
}

// receiveSet wants as many packets as there are lines, in any order.
func (r *runner) receiveSet(steps []step) error {
	conns, err := r.known(steps[0].conn[:1])
	if err != nil {
		return err
	}
	var wanted []packet
	for _, st := range steps {
		want, err := parsePacket(strings.ReplaceAll(st.text, "~", r.token))
		if err != nil {
			return err
		}
		wanted = append(wanted, want)
	}
	for len(wanted) > 0 {
		got, err := conns[0].next(r.wait)
		if err != nil {
			return fmt.Errorf("%s waits for %s: %w", conns[0].name, wanted[0], err)
		}
		at := slices.IndexFunc(wanted, func(want packet) bool { return compare(want, got, r.vars) == "" })
		if at < 0 {
			return fmt.Errorf("%s: nothing of the set left fits\n got %s\nleft %v", conns[0].name, got, wanted)
		}
		wanted = slices.Delete(wanted, at, at+1)
	}
	return nil
}

// closed wants the peer to end the connection without another packet.
func (r *runner) closed(name string) error {
	conns, err := r.known([]string{name})
	if err != nil {
		return err
	}
	switch got, err := conns[0].next(r.wait); {
	case errors.Is(err, io.EOF):
		conns[0].close(false)
		delete(r.conns, name)
		return nil
	case err != nil:
		return fmt.Errorf("%s should be closed: %w", name, err)
	default:
		return fmt.Errorf("%s should be closed, but got %s", name, got)
	}
}

// ends wants the peer to end the connection, whatever it says before.
func (r *runner) ends(name string) error {
	conns, err := r.known([]string{name})
	if err != nil {
		return err
	}
	deadline := time.After(r.wait)
	for {
		select {
		case _, more := <-conns[0].frames:
			if !more {
				conns[0].close(false)
				delete(r.conns, name)
				return nil
			}
		case <-deadline:
			return fmt.Errorf("%s should be closed", name)
		}
	}
}

func (r *runner) silent(st step) error {
	wait := quietTime
	if st.text != "" {
		var err error
		if wait, err = time.ParseDuration(st.text); err != nil {
			return err
		}
	}
	conns, err := r.known(st.conn)
	if err != nil {
		return err
	}
	switch got, err := conns[0].next(wait); {
	case errors.Is(err, errSilence):
		return nil
	case err != nil:
		return fmt.Errorf("%s should be silent: %w", st.conn[0], err)
	default:
		return fmt.Errorf("%s should be silent, but got %s", st.conn[0], got)
	}
}
