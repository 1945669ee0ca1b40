package node

import (
	"slices"
	"strings"
	"testing"

	"github.com/dunlin-mq/dunlin/config"
)

const ownCookie = "node.cookie = a-cookie-of-these-tests\n"

// TestCookie: a node opens no port for others before it has a cookie that not
// everybody knows, or certificates.
func TestCookie(t *testing.T) {
	f := func(want bool, text string) {
		t.Helper()
		c, err := mustLoad(t, text).engineCluster()
		if err != nil || (c != nil) != want {
			t.Errorf("%q: %+v %v, may be a member: %v", text, c, err, want)
		}
	}
	f(false, "")
	f(false, "node.cookie = emqxsecretcookie")
	f(false, "node.cookie = emqxsecretcookie\nnode.name = emqx@10.0.0.1\ncluster.discovery = static\ncluster.static.seeds = emqx@10.0.0.1")
	f(true, ownCookie)
	f(true, "cluster.ssl.cacertfile = a\ncluster.ssl.certfile = b\ncluster.ssl.keyfile = c")
	f(true, "node.cookie = emqxsecretcookie\ncluster.ssl.cacertfile = a\ncluster.ssl.certfile = b\ncluster.ssl.keyfile = c")
}

// TestPlaces: where a node is reached, and where it listens.
func TestPlaces(t *testing.T) {
	all := func(host string) bool { return host == "::" || host == "0.0.0.0" }
	f := func(name, set, address, door string, everywhere bool) {
		t.Helper()
		c, err := mustLoad(t, ownCookie+"node.name = "+name+"\n"+set).engineCluster()
		if err != nil {
			t.Fatal(err)
		}
		if c.Address != address || c.Door != door || all(c.AddressHost) != everywhere {
			t.Errorf("%s, %s: %+v", name, set, c)
		}
	}
	f("emqx@127.0.0.1", "", "127.0.0.1:4370", "127.0.0.1:5370", false)
	f("emqx@localhost", "", "localhost:4370", "localhost:5370", false)
	f("emqx7@10.0.0.1", "", "10.0.0.1:4377", "10.0.0.1:5377", false)
	f("n1-02@10.0.0.1", "", "10.0.0.1:4372", "10.0.0.1:5372", false)
	f("emqx@fd00::1", "", "[fd00::1]:4370", "[fd00::1]:5370", false)
	f("emqx@n1.example.org", "", "n1.example.org:4370", "n1.example.org:5370", true)
	f("emqx@n1.example.org", "cluster.listen = 6000", "n1.example.org:6000", "n1.example.org:5370", true)
	f("emqx@n1.example.org", "cluster.listen = 0.0.0.0:6000\ncluster.door = 6001", "n1.example.org:6000", "n1.example.org:6001", true)
	f("emqx@10.0.0.1", "cluster.listen = [::]:6000", "10.0.0.1:6000", "10.0.0.1:5370", true)
	f("emqx@10.0.0.1", "cluster.listen = 10.0.0.9:6000\ncluster.door = 10.0.0.9:6001", "10.0.0.9:6000", "10.0.0.9:6001", false)
	f("emqx99999@10.0.0.1", "cluster.listen = 6000\ncluster.door = 6001", "10.0.0.1:6000", "10.0.0.1:6001", true)
}

// TestDoors: where another node is asked.
func TestDoors(t *testing.T) {
	f := func(set, node, want string) {
		t.Helper()
		door, err := mustLoad(t, ownCookie+set).doorOf(node)
		if err != nil || door != want {
			t.Errorf("%s with %q is asked at %s, %v", node, set, door, err)
		}
	}
	f("", "emqx@10.0.0.2", "10.0.0.2:5370")
	f("", "emqx12@n2.example.org", "n2.example.org:5382")
	f("", "emqx@fd00::2", "[fd00::2]:5370")
	f("cluster.door = 0.0.0.0:6000", "emqx2@10.0.0.2", "10.0.0.2:6000")
	if door, err := mustLoad(t, ownCookie).doorOf("emqx99999@10.0.0.2"); err == nil {
		t.Error(door)
	}
}

func TestClusterErrors(t *testing.T) {
	f := func(text, want string) {
		t.Helper()
		_, _, err := load(t, text)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %s", text, err, want)
		}
	}
	f("cluster.listen = 10.0.0.1:0", "cluster.listen: expected a port that other nodes can know, found 0")
	f("cluster.door = 0", "cluster.door: expected a port")
	f("cluster.ssl.certfile = a", "cluster.ssl: cacertfile, certfile and keyfile go together")
	f(ownCookie+"node.name = emqx.1@10.0.0.1", "node.name: expected a node such as")
	f(ownCookie+"node.name = emqx99999@10.0.0.1", "node.name: emqx99999@10.0.0.1: the number at the end of its name makes no port")
	f("cluster.discovery = static", "cluster.static.seeds: discovery = static needs at least one node")
	f("cluster.discovery = gossip", "cluster.discovery: expected")
}

// TestClusterWithoutEffect: what nothing follows from is said.
func TestClusterWithoutEffect(t *testing.T) {
	f := func(text, key string, warned bool) {
		t.Helper()
		c, report, err := load(t, text)
		if err != nil {
			t.Fatal(err)
		}
		said := slices.ContainsFunc(report.NoEffect, func(i config.Ignored) bool { return i.Key == key })
		if said != (key != "") || (len(c.idle) > 0) != warned {
			t.Errorf("%q: %+v, %q", text, report.NoEffect, c.idle)
		}
	}
	const seeds = "cluster.discovery = static\ncluster.static.seeds = emqx@10.0.0.1\n"
	f(seeds, "cluster.discovery", true)
	f(seeds+"node.cookie = emqxsecretcookie", "cluster.discovery", true)
	f(seeds+ownCookie, "", false)
	f(ownCookie, "", false)
	f("cluster.autoheal = on\ncluster.autoclean = 5m", "", false)
	f("cluster.autoheal = off", "cluster.autoheal", false)
	f("cluster.proto_dist = inet_tls", "cluster.proto_dist", false)
	f("cluster.mcast.buffer = 32KB", "cluster.mcast.buffer", false)
}

func TestCookieWarning(t *testing.T) {
	f := func(text string, want bool) {
		t.Helper()
		if got := mustLoad(t, text).cookieWarning(); (got != "") != want {
			t.Errorf("%q: %s", text, got)
		}
	}
	f("node.cookie = emqxsecretcookie\nnode.name = emqx@10.0.0.1", false) // opens nothing
	f("node.cookie = short\nnode.name = emqx@10.0.0.1", true)
	f("node.cookie = short\nnode.name = emqx@127.0.0.1", false)
	f(ownCookie+"node.name = emqx@10.0.0.1", false)
}
