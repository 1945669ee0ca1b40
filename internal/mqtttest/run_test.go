package mqtttest

import (
	"bufio"
	"net"
	"runtime"
	"strings"
	"testing"
	"time"
)

// puppet is a server that reads a packet, then says its next line: packets with ; between, - nothing, bye closes.
func puppet(t *testing.T, lines ...string) Node {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ln.Close() })
	go func() {
		for {
			nc, err := ln.Accept()
			if err != nil {
				return
			}
			go puppetry(nc, lines)
		}
	}()
	return Node{TCP: ln.Addr().String()}
}

func puppetry(nc net.Conn, lines []string) {
	defer nc.Close()
	r := bufio.NewReader(nc)
	for _, line := range lines {
		if _, err := readFrame(r); err != nil {
			return
		}
		for _, text := range strings.Split(line, ";") {
			text = strings.TrimSpace(text)
			if text == "-" || text == "bye" {
				continue
			}
			p, err := parsePacket(text)
			if err != nil {
				panic(err)
			}
			raw, err := encode(p, 5)
			if err != nil {
				panic(err)
			}
			if _, err := nc.Write(raw); err != nil {
				return
			}
		}
		if strings.Contains(line, "bye") {
			return
		}
	}
	readFrame(r) // until the client goes
}

// TestRun plays scenarios against a puppet: which ones hold, and where and why others don't.
func TestRun(t *testing.T) {
	plays := func(want, scenario string, lines ...string) {
		t.Helper()
		list, err := Parse("f", "== x\ntimeout 300ms\n"+scenario)
		if err != nil {
			t.Fatal(err)
		}
		err = play(puppet(t, lines...), list[0])
		switch {
		case err == nil && want != "":
			t.Errorf("%q against %q holds, want %q", scenario, lines, want)
		case err != nil && (want == "" || !strings.Contains(err.Error(), want)):
			t.Errorf("%q against %q: got %v, want %q", scenario, lines, err, want)
		}
	}
	holds := func(scenario string, lines ...string) { t.Helper(); plays("", scenario, lines...) }

	holds("a> CONNECT id=~ clean=1\na< CONNACK", "CONNACK")
	holds("connect a\na> PINGREQ\na< PINGRESP\na closed", "CONNACK props{alias-max=1}", "PINGRESP; bye")
	holds("connect a\nsubscribe a ~/t,1 ~/u,2,nl\na< PUBLISH topic=x", "CONNACK", "SUBACK id=65000 codes=1,2; PUBLISH topic=x")
	holds("connect a\npublish a topic=~/t qos=1", "CONNACK", "PUBACK id=65001 code=0x10")
	holds("connect a\npublish a topic=~/t qos=2", "CONNACK", "PUBREC id=65001", "PUBCOMP id=65001")
	holds("connect a\npublish a topic=~/t", "CONNACK", "-", "PINGRESP")
	holds("connect a\na> PINGREQ\na<* PUBLISH topic=x\na<* PINGRESP", "CONNACK", "PINGRESP; PUBLISH topic=x")
	holds("connect a\na silent", "CONNACK")
	holds("connect a\na> PINGREQ\na ends", "CONNACK", "PUBLISH topic=x; PINGRESP; bye")
	holds("connect a\na> PUBLISH topic=x qos=1 id=9\na< PUBACK id=?i\na> PUBREL id=?i\na< PUBCOMP id=?i", "CONNACK", "PUBACK id=9", "PUBCOMP id=9")
	holds("connect a\na close\nconnect a\na abort\nconnect a", "CONNACK")
	holds("a> raw c0\na> raw 00\na closed", "bye")
	holds("a>+ CONNECT id=a\na>+ raw c0\na> raw 00\na< CONNACK\na< PINGRESP", "CONNACK", "PINGRESP")
	holds("connect a\nconnect b\na> PINGREQ\na|b as w/l< PINGRESP\nw silent\nl> PINGREQ\nb< PINGRESP", "CONNACK", "PINGRESP")

	plays("f:3: a waits for CONNACK", "connect a", "-")
	plays("f:3: a: unexpected code=0x87", "connect a", "CONNACK code=0x87")
	plays("f:5: a waits for PINGRESP: nothing came", "connect a\na> PINGREQ\na< PINGRESP", "CONNACK", "-")
	plays("f:5: a waits for PINGRESP: EOF", "connect a\na> PINGREQ\na< PINGRESP", "CONNACK", "bye")
	plays("f:5: a should be closed: nothing came", "connect a\na> PINGREQ\na closed", "CONNACK", "-")
	plays("f:5: a should be closed, but got PINGRESP", "connect a\na> PINGREQ\na closed", "CONNACK", "PINGRESP; bye")
	plays("f:5: a should be closed", "connect a\na> PINGREQ\na ends", "CONNACK", "PINGRESP")
	plays("f:5: a should be silent, but got PINGRESP", "connect a\na> PINGREQ\na silent", "CONNACK", "PINGRESP")
	plays("f:5: a should be silent: EOF", "connect a\na> PINGREQ\na silent", "CONNACK", "bye")
	plays("f:5: a: nothing of the set left fits", "connect a\na> PINGREQ\na<* PINGRESP\na<* PINGRESP", "CONNACK", "PINGRESP; PUBLISH topic=x")
	plays("f:5: none of [a b] got PINGRESP", "connect a\nconnect b\na|b< PINGRESP", "CONNACK")
	plays("illegal packet", "connect a\na> PINGREQ\na< PUBLISH topic=x qos=1 id=*", "CONNACK", "PUBLISH topic=x qos=1 id=0")
	plays("a second CONNACK", "connect a\na> PINGREQ\na< CONNACK", "CONNACK", "CONNACK")
	plays("?x is not bound", "connect a\na> PUBACK id=?x", "CONNACK")
	plays("there is no connection b", "b< PINGRESP")
	plays("not ours to stop", "stop")
	plays("frame needs a WebSocket", "a frame 81", "-")
	holds("connect a\nrepeat 3\na> PUBLISH topic=x qos=1 id={i}\na< PUBACK id={i}\nend", "CONNACK", "PUBACK id=1", "PUBACK id=2", "PUBACK id=3")
}

// TestParse reads scenarios: their heads, their tags, one for each version.
func TestParse(t *testing.T) {
	list, err := Parse("f", "# comment\n== one\n[MQTT-1.2.3-4] [MQTT-1.2.3-5@311]\nconfig a.b = c\nalone\nversions v3 v4\nconnect a\n\n== two\na closed")
	if err != nil || len(list) != 3 {
		t.Fatalf("got %d scenarios, %v", len(list), err)
	}
	one, again, two := list[0], list[1], list[2]
	if one.Name != "one (v3)" || again.Name != "one (v4)" || again.Version != 4 || two.Name != "two" || two.Version != 5 {
		t.Errorf("names and versions: %+v", list)
	}
	if !one.Alone || one.Config[0] != "a.b = c" || one.Tags[0] != (Tag{"5.0", "MQTT-1.2.3-4"}) || one.Tags[1] != (Tag{"3.1.1", "MQTT-1.2.3-5"}) {
		t.Errorf("head: %+v", one)
	}

	refuses := func(text, want string) {
		t.Helper()
		if _, err := Parse("f", text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: got %v, want %q", text, err, want)
		}
	}
	refuses("connect a", "f:1: a scenario begins")
	refuses("== x\nrepeat 2\nconnect a", "end is missing")
	refuses("== x\nrepeat 2\nrepeat 2\nend", "f:3: repeat 2: want a number")
	refuses("== x\nversions vx", "want v3")
	refuses("== x\na> PUBACK id=x", "f:2: id=x: want a number")
	refuses("== x\na> raw 1", "no hex")
	refuses("== x\nwait long", "invalid duration")
	refuses("== x\nA> PINGREQ", "cannot read")
	refuses("== x\nwhatever this is", "cannot read")
	refuses("== x\n[MQTT-1]", "is no tag")
}

// TestRunLeavesNothing: neither a scenario that holds nor one that fails leaves a goroutine.
func TestRunLeavesNothing(t *testing.T) {
	node := puppet(t, "CONNACK", "PINGRESP")
	before := runtime.NumGoroutine()
	for _, text := range []string{"connect a\nconnect b\na> PINGREQ\na< PINGRESP", "connect a\ntimeout 10ms\na< PINGRESP"} {
		list, err := Parse("f", "== x\n"+text)
		if err != nil {
			t.Fatal(err)
		}
		if err := play(node, list[0]); (err == nil) != strings.Contains(text, "connect b") {
			t.Errorf("%q: %v", text, err)
		}
	}
	for deadline := time.Now().Add(time.Minute); runtime.NumGoroutine() > before; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%d goroutines, %d before", runtime.NumGoroutine(), before)
		}
	}
}
