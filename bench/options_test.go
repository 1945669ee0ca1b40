package bench

import (
	"io"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/dunlin-mq/dunlin/mqtt"
)

func parsed(t *testing.T, line string) *options {
	t.Helper()
	args := strings.Fields(line)
	o, err := parse(args[0], args[1:], io.Discard)
	if err != nil {
		t.Fatalf("%s: %v", line, err)
	}
	return o
}

func TestFlagsOfEmqttBench(t *testing.T) {
	o := parsed(t, "pub -h localhost -p 2883 -c 10 -i 5 -I 250 -t a/%i/%c/%u -s 64 -q 2 -L 99 -V 4 -k 60 -C false"+
		" -u joe -P secret -r true -n 7 --prefix p --ifaddr 127.0.0.2,127.0.0.3 -w -x 30 -F 5")
	want := options{
		verb: "pub", host: "localhost", port: 2883, count: 10, interval: 5 * time.Millisecond, connRate: 200,
		intervalOfMsg: 250 * time.Millisecond, topic: "a/%i/%c/%u", size: 64, qos: 2, limit: 99, version: mqtt.V311,
		keepAlive: 60, username: "joe", password: "secret", retain: true, startNumber: 7, prefix: "p", wait: true,
		sessionExpiry: 30, inflight: 5, drain: 3 * time.Second, wsPath: "/mqtt", window: 1000, ifaddr: []string{"127.0.0.2", "127.0.0.3"},
		brokers: []broker{{"localhost", 2883}}, publishTo: []int{0}, subscribeTo: []int{0},
	}
	if !reflect.DeepEqual(*o, want) {
		t.Errorf("got\n%+v, expected\n%+v", *o, want)
	}
}

func TestDefaults(t *testing.T) {
	port := func(line string, want int) {
		t.Helper()
		if got := parsed(t, line).port; got != want {
			t.Errorf("%s: port %d, expected %d", line, got, want)
		}
	}
	port("conn", 1883)
	port("conn -S", 8883)
	port("conn --ws", 8083)
	port("conn --ws -S", 8084)
	port("conn --ws -S -p 1", 1)

	o := parsed(t, "roundtrip -c 3")
	if o.publishers != 3 || o.subscribers != 3 || o.topics != 3 || !o.wait || o.version != mqtt.V5 || !o.clean {
		t.Errorf("roundtrip -c 3: %+v", o)
	}
	if o := parsed(t, "pub -t x -m hello"); o.size != 5 {
		t.Errorf("-m hello: size %d, expected 5", o.size)
	}
	if o := parsed(t, "conn -i 0"); o.connRate != 0 {
		t.Errorf("-i 0: %v connections a second, expected no limit", o.connRate)
	}
	if a := parsed(t, "conn").prefix; a == "" || a == "bench" {
		t.Errorf("the prefix is %q: two runs at once would take each other's client ids", a)
	}
}

func TestRefusals(t *testing.T) {
	refused := func(line, want string) {
		t.Helper()
		args := strings.Fields(line)
		_, err := parse(args[0], args[1:], io.Discard)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, expected it to say %q", line, err, want)
		}
	}
	refused("pub", `-t "": topic: a topic needs`)
	refused("sub", `-t "": topic: a topic needs`)
	refused("pub -t a/#", `-t "a/#": topic: a topic name must not`)
	refused("sub -t a/#/b", `-t "a/#/b": topic:`)
	refused("conn -V 6", "--version: expected 3, 4 or 5, got 6")
	refused("pub -t a -q 3", "--qos: expected 0, 1 or 2, got 3")
	refused("conn -c 0", "--count: expected 1 to 1000000, got 0")
	refused("conn -c 1000001", "--count")
	refused("conn -p 70000", "--port: expected 1 to 65535")
	refused("conn -n -1", "--startnumber")
	refused("conn -h a,,b", `--host: expected ADDRESS or ADDRESS:PORT, got ""`)
	refused("conn -h a:0", `--host: expected ADDRESS or ADDRESS:PORT, got "a:0"`)
	refused("conn -h a:mqtt", `got "a:mqtt"`)
	refused("conn -h 1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17", "expected 16 brokers at most, got 17")
	refused("roundtrip --publish-at :1", "--publish-at: expected ADDRESS")
	refused("conn --publish-at a", "publish-at")
	refused("conn --pid 7,-7", "--pid: expected process ids, got -7")
	refused("offline -q 0", "--qos: expected 1 or 2")
	refused("offline -L 0", "--limit: expected 1 or more")
	refused("offline -x 0", "--session-expiry: expected 1 or more")
	refused("offline --filter shared", `--filter: expected own, all or plus, got "shared"`)
	refused("offline --subscribers 0", "--publishers and --subscribers")
	refused("offline -s 8", "needs 16 bytes")
	refused("offline --slow 1", "slow")
	refused("offline -C false", "-C")
	refused("conn -i -1", "expected a number of 1ms from 0")
	refused("conn --seconds soon", "expected a number of 1s from 0")
	refused("conn -k 70000", "keepalive")
	refused("conn extra", `expected flags only, got "extra"`)
	refused("conn --nonsense", "nonsense")
	refused("conn -t a", "-t")
	refused("conn -S --certfile a", "go together")
	refused("conn --cafile a", "need -S")
	refused("pub -t a -s -1", "--size")
	refused("pub -t a --inflight 0", "--inflight")
	refused("pub -t a --window 0", "--window")
	refused("roundtrip -s 8", "needs 16 bytes")
	refused("roundtrip -m hi", "makes its own payload")
	refused("roundtrip --filter none", "expected own, all, plus, shared or mixed")
	refused("roundtrip --publishers 0 --subscribers 0", "--publishers, --subscribers and --idle")
	refused("roundtrip --slow 1 -c 5", "--slow needs --filter all or plus")
	refused("roundtrip --slow 5 -c 5 --filter all", "expected fewer than the 5 subscribers")
	refused("roundtrip --filter mixed --filters 0", "--filters")
	refused("conn -V 6 -c 0", "--count") // all mistakes at once
}

func TestPlaceholders(t *testing.T) {
	o := &options{username: "joe"}
	replaced := func(template, want string) {
		t.Helper()
		if got := o.replace(template, "id-4", 4); got != want {
			t.Errorf("%s becomes %s, expected %s", template, got, want)
		}
	}
	replaced("a/b", "a/b")
	replaced("%i/%c/%u", "4/id-4/joe")
	replaced("%%i%x", "%4%x")
}
