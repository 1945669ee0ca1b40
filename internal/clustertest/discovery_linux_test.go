package clustertest

import (
	"crypto/rand"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/dunlin-mq/dunlin/internal/peers"
)

// apart prepares nodes that don't know of each other.
func apart(t *testing.T, network *Network, count int) (nodes []*Node) {
	t.Helper()
	for range count {
		nodes = append(nodes, newNode(t, program, memory(t), network))
	}
	return nodes
}

// find starts nodes at once, with the same configuration file and no command
// that joins them, and waits until they are one cluster that passes messages.
func find(t *testing.T, nodes []*Node, lines ...string) {
	t.Helper()
	lines = append(lines, "node.cookie = only-for-this-test-"+rand.Text(), "allow_anonymous = true")
	file := put(t, t.TempDir(), "emqx.conf", strings.Join(lines, "\n")+"\n")
	for _, n := range nodes {
		n.Configure("config=" + file)
	}
	startAll(t, nodes...)
	joined(t, nodes...)
	meet(t, nodes...)
}

// put writes a file and returns its path.
func put(t *testing.T, dir, name, text string) string {
	t.Helper()
	path := filepath.Join(dir, name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// TestFindByMulticast: nodes of one network need no more than to be told so.
func TestFindByMulticast(t *testing.T) {
	t.Parallel()
	find(t, apart(t, NewNetwork(t), 3), "cluster.discovery = mcast")
}

// TestFindByDNS: nodes ask the name server of their system for addresses.
func TestFindByDNS(t *testing.T) {
	t.Parallel()
	network := NewNetwork(t)
	nodes := apart(t, network, 3)
	var records []string
	for _, n := range nodes {
		records = append(records, fmt.Sprintf("--host-record=nodes.example.org,%v", n.Addr()))
	}
	serveNames(t, network, nodes, records...)
	find(t, nodes, "cluster.discovery = dns", "cluster.dns.name = nodes.example.org", "cluster.dns.app = dunlin")
}

// serveNames gives a network a name server, which is that of the nodes.
func serveNames(t *testing.T, network *Network, nodes []*Node, records ...string) {
	t.Helper()
	at := network.add()
	peers.SystemDNS(t, at.do, append(records, "--listen-address="+at.addr.String())...)
	file := put(t, t.TempDir(), "resolv.conf", fmt.Sprintf("nameserver %v\n", at.addr))
	for _, n := range nodes {
		n.Furnish("mount --bind " + file + " /etc/resolv.conf")
	}
}

// TestFindByEtcd: nodes register themselves, and one that ends does no longer.
func TestFindByEtcd(t *testing.T) {
	t.Parallel()
	t.Run("plain", func(t *testing.T) {
		t.Parallel()
		server, nodes := peers.Etcd(t, peers.EtcdOptions{}), apart(t, nil, 3)
		find(t, nodes, "cluster.discovery = etcd", "cluster.etcd.server = http://"+server.Addr(), "cluster.etcd.prefix = plant", "cluster.name = line1")
		registered := func() (n int) {
			keys := peers.EtcdCtl(t, server, "get", "plant/line1/nodes/", "--prefix", "--keys-only")
			return len(strings.Fields(keys))
		}
		if n := registered(); n != len(nodes) {
			t.Errorf("%d nodes are registered, expected %d", n, len(nodes))
		}
		nodes[0].Stop()
		if n := registered(); n != len(nodes)-1 {
			t.Errorf("%d nodes are registered after one has ended, expected %d", n, len(nodes)-1)
		}
	})
	t.Run("TLS", func(t *testing.T) {
		t.Parallel()
		certs := peers.NewCertificates(t)
		server := peers.Etcd(t, peers.EtcdOptions{TLS: certs, ClientCertificate: true})
		find(t, apart(t, nil, 3), "cluster.discovery = etcd", "cluster.etcd.server = https://"+server.Addr(),
			"cluster.etcd.ssl.cacertfile = "+certs.CA, "cluster.etcd.ssl.certfile = "+certs.ClientCert, "cluster.etcd.ssl.keyfile = "+certs.ClientKey)
	})
}

// TestFindByKubernetes: nodes are pods whose service account may read Endpoints;
// they are found once they are ready.
func TestFindByKubernetes(t *testing.T) {
	t.Parallel()
	nodes := apart(t, nil, 3)
	api := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		const path, token = "/api/v1/namespaces/iot/endpoints/dunlin-headless", "Bearer of-the-pods"
		if r.Method != http.MethodGet || r.URL.Path != path || r.Header.Get("Authorization") != token {
			t.Errorf("%s %s with %q", r.Method, r.URL, r.Header.Get("Authorization"))
		}
		if err := json.NewEncoder(w).Encode(endpoints(nodes)); err != nil {
			t.Error(err)
		}
	}))
	t.Cleanup(api.Close)
	ca := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: api.Certificate().Raw})
	account := t.TempDir()
	put(t, account, "token", "of-the-pods\n")
	put(t, account, "ca.crt", string(ca))
	for _, n := range nodes {
		n.Furnish("mount -t tmpfs run /run; at=/var/run/secrets/kubernetes.io/serviceaccount; mkdir -p $at; cp " + account + "/* $at")
	}
	find(t, nodes, "cluster.discovery = k8s", "cluster.k8s.apiserver = "+api.URL, "cluster.k8s.namespace = iot",
		"cluster.k8s.service_name = dunlin-headless", "cluster.k8s.address_type = ip", "cluster.k8s.app_name = dunlin")
}

// endpoints are those of a service in Kubernetes whose pods are the nodes, ready
// when they take connections.
func endpoints(nodes []*Node) any {
	type address struct {
		IP string `json:"ip"`
	}
	var subset struct {
		Ready    []address `json:"addresses,omitempty"`
		NotReady []address `json:"notReadyAddresses,omitempty"`
	}
	for _, n := range nodes {
		at := address{n.Addr().String()}
		conn, err := n.Dial()
		if err != nil {
			subset.NotReady = append(subset.NotReady, at)
			continue
		}
		conn.Close()
		subset.Ready = append(subset.Ready, at)
	}
	return map[string]any{"kind": "Endpoints", "apiVersion": "v1", "subsets": []any{subset}}
}
