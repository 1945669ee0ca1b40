package clustertest

import (
	"fmt"
	"net"
	"net/netip"
	"testing"
	"time"
)

// stub is a node without a process, for tests of the network alone.
func stub(t *testing.T, network *Network) *Node { return NewNode(t, "nothing to run", network) }

// echo takes what is sent to a node.
type echo struct {
	conn *net.UDPConn
	came chan datagram
}

// datagram has a text, as one may come when the next ones are on their way.
type datagram struct {
	from netip.Addr
	text string
}

const echoPort = 7

func startEcho(t *testing.T, n *Node) *echo {
	t.Helper()
	e := &echo{came: make(chan datagram, 100)}
	var err error
	n.place.Load().home.do(func() {
		e.conn, err = net.ListenUDP("udp4", &net.UDPAddr{IP: n.Addr().AsSlice(), Port: echoPort})
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { e.conn.Close() })
	go func() {
		buf := make([]byte, 1500)
		for {
			n, from, err := e.conn.ReadFromUDPAddrPort(buf)
			if err != nil {
				return
			}
			e.came <- datagram{from.Addr(), string(buf[:n])}
		}
	}()
	return e
}

// send sends a datagram from one node to the echo of another.
func send(t *testing.T, from, to *Node, text string) {
	t.Helper()
	from.place.Load().home.do(func() {
		conn, err := net.Dial("udp4", fmt.Sprintf("%v:%d", to.Addr(), echoPort))
		if err == nil {
			_, err = conn.Write([]byte(text))
			conn.Close()
		}
		if err != nil {
			t.Error(err)
		}
	})
}

// TestFaults: each fault cuts what it should and nothing else, and healing
// undoes it. The witness is never cut off: what it sends after a datagram shows
// that this one, having had its time, does not come.
func TestFaults(t *testing.T) {
	network := NewNetwork(t)
	a, b, c, witness := stub(t, network), stub(t, network), stub(t, network), stub(t, network)
	at := map[*Node]*echo{a: startEcho(t, a), b: startEcho(t, b), c: startEcho(t, c)}
	sent := 0
	reaches := func(from, to *Node) (came bool) {
		sent++
		text := fmt.Sprint(sent)
		send(t, from, to, text)
		send(t, witness, to, text)
		for {
			select {
			case d := <-at[to].came:
				if d == (datagram{witness.Addr(), text}) {
					return came
				}
				came = came || d == datagram{from.Addr(), text}
			case <-time.After(patience):
				t.Fatal("nothing comes from the witness")
			}
		}
	}
	expect := func(fault string, from, to *Node, want bool) {
		t.Helper()
		got := false
		for range 20 { // the witness may be faster
			if got = reaches(from, to); got {
				break
			}
		}
		if got != want {
			t.Errorf("%s: %s reaches %s: %v, expected %v", fault, from.Name, to.Name, got, want)
		}
	}
	all := func(fault string, want bool, pairs ...[2]*Node) {
		t.Helper()
		for _, p := range pairs {
			expect(fault, p[0], p[1], want)
			expect(fault, p[1], p[0], want)
		}
	}
	all("none", true, [2]*Node{a, b}, [2]*Node{b, c}, [2]*Node{a, c})
	network.Set(a, b, Link{Down: true})
	expect("one way", a, b, false)
	expect("one way", b, a, true)
	all("one way", true, [2]*Node{b, c}, [2]*Node{a, c})
	network.Heal()
	all("healed", true, [2]*Node{a, b})
	network.Split([]*Node{a}, []*Node{b, c})
	all("split", false, [2]*Node{a, b}, [2]*Node{a, c})
	all("split", true, [2]*Node{b, c})
	network.Heal()
	network.Set(c, b, Link{Loss: 1})
	expect("loss", c, b, false)
	expect("loss", b, c, true)
	network.Heal()
	all("healed", true, [2]*Node{a, b}, [2]*Node{b, c}, [2]*Node{a, c})
}

// TestSlowLink: a delay holds for each direction it is set for, and keeps the
// order.
func TestSlowLink(t *testing.T) {
	network := NewNetwork(t)
	a, b := stub(t, network), stub(t, network)
	at := startEcho(t, b)
	network.Set(a, b, Link{Delay: 200 * time.Millisecond})
	began := time.Now()
	for range 5 {
		send(t, a, b, "x")
	}
	for range 5 {
		select {
		case <-at.came:
		case <-time.After(patience):
			t.Fatal("a datagram did not come over the slow link")
		}
	}
	if took := time.Since(began); took < 200*time.Millisecond {
		t.Errorf("the slow link took %v", took)
	}
}

// TestFlap: the link changes by itself until it is told to stop, and is whole
// then.
func TestFlap(t *testing.T) {
	network := NewNetwork(t)
	a, b := stub(t, network), stub(t, network)
	at := startEcho(t, b)
	stop := network.Flap([]*Node{a}, []*Node{b}, 5*time.Millisecond, 5*time.Millisecond)
	sent, came := 0, 0
	for deadline := time.Now().Add(patience); (came == 0 || came == sent) && time.Now().Before(deadline); sent++ {
		send(t, a, b, "x")
		select {
		case <-at.came:
			came++
		case <-time.After(20 * time.Millisecond):
		}
	}
	if came == 0 || came == sent {
		t.Errorf("of %d datagrams %d came", sent, came)
	}
	stop()
	send(t, a, b, "x")
	select {
	case <-at.came:
	case <-time.After(patience):
		t.Error("nothing comes after the end of the flapping")
	}
}

// TestMulticast: discovery by multicast finds every node of a network.
func TestMulticast(t *testing.T) {
	network := NewNetwork(t)
	a, b := stub(t, network), stub(t, network)
	group := &net.UDPAddr{IP: net.IPv4(239, 192, 0, 1), Port: 4369}
	var listener *net.UDPConn
	var err error
	b.place.Load().home.do(func() { listener, err = net.ListenMulticastUDP("udp4", nil, group) })
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	a.place.Load().home.do(func() {
		var conn *net.UDPConn
		if conn, err = net.DialUDP("udp4", nil, group); err == nil {
			_, err = conn.Write([]byte("who is there"))
			conn.Close()
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	listener.SetReadDeadline(time.Now().Add(patience))
	buf := make([]byte, 100)
	n, from, err := listener.ReadFromUDPAddrPort(buf)
	if err != nil || string(buf[:n]) != "who is there" || from.Addr() != a.Addr() {
		t.Errorf("got %q from %v (%v)", buf[:n], from, err)
	}
}
