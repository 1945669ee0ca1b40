package discovery_test

import (
	"context"
	"encoding/pem"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/dunlin-mq/dunlin/config"
	"github.com/dunlin-mq/dunlin/discovery"
	"github.com/dunlin-mq/dunlin/discovery/dns"
	"github.com/dunlin-mq/dunlin/discovery/etcd"
	"github.com/dunlin-mq/dunlin/discovery/k8s"
	"github.com/dunlin-mq/dunlin/discovery/mcast"
	"github.com/dunlin-mq/dunlin/internal/peers"
)

// example is a configuration of the page, and the nodes it says are found.
type example struct {
	discovery.Config
	finds string
}

func examples(t *testing.T) []example {
	t.Helper()
	page, err := os.ReadFile("../docs/discovery.md")
	if err != nil {
		t.Fatal(err)
	}
	var all []example
	for _, m := range regexp.MustCompile("(?s)```ini\n(.*?)```").FindAllStringSubmatch(string(page), -1) {
		file, err := config.Parse(strings.NewReader(m[1]), "discovery.md")
		if err != nil {
			t.Fatal(err)
		}
		var tree struct {
			Node struct {
				Name   string `conf:"name"`
				Cookie string `conf:"cookie"`
			} `conf:"node"`
			Cluster discovery.Config `conf:"cluster"`
		}
		if _, err := config.Bind(&tree, file.Settings, nil); err != nil {
			t.Errorf("%v, in\n%s", err, m[1])
		}
		finds := ""
		if first, _, _ := strings.Cut(m[1], "\n"); strings.HasPrefix(first, "# finds ") {
			finds = strings.TrimPrefix(first, "# finds ")
		}
		all = append(all, example{tree.Cluster, finds})
	}
	return all
}

// TestPage has every strategy of the page find what the page says, from real
// servers but for Kubernetes, whose package has them.
func TestPage(t *testing.T) {
	seen := map[string]bool{}
	for _, e := range examples(t) {
		seen[e.Strategy] = true
		self := discovery.Self{Name: "emqx@10.0.0.1", Cluster: e.Name, Cookie: "secret", Log: slog.New(slog.DiscardHandler)}
		t.Run(e.Strategy, func(t *testing.T) {
			d := e.start(t, self)
			if e.finds == "" {
				return
			}
			ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
			defer cancel()
			nodes, err := d.Discover(ctx)
			slices.Sort(nodes)
			if got := strings.Join(nodes, " "); err != nil || got != e.finds {
				t.Errorf("found %s, %v; the page says %s", got, err, e.finds)
			}
		})
	}
	for _, strategy := range []string{"manual", "static", "mcast", "dns", "etcd", "k8s"} {
		if !seen[strategy] {
			t.Errorf("the page has no example of %s", strategy)
		}
	}
}

// start makes the Discoverer of an example, with the server it names where
// the page says what is found.
func (e example) start(t *testing.T, self discovery.Self) discovery.Discoverer {
	t.Helper()
	switch e.Strategy {
	case "static":
		return discovery.NewStatic(e.Static)
	case "mcast":
		return mcast.New(e.Mcast, self) // needs a network of its own: the tests of its package make some
	case "dns":
		return dns.New(e.DNS, self, nameServer(t))
	case "etcd":
		return e.startEtcd(t, self)
	case "k8s":
		return e.startK8s(t, self)
	}
	return nil
}

func nameServer(t *testing.T) *net.Resolver {
	server := peers.DNS(t, "--host-record=nodes.example.org,10.0.0.1", "--host-record=nodes.example.org,10.0.0.2",
		"--srv-host=_emqx._tcp.example.org,n1.example.org,4370", "--srv-host=_emqx._tcp.example.org,n2.example.org,4370")
	return &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, network, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, network, server.Addr())
	}}
}

func (e example) startEtcd(t *testing.T, self discovery.Self) discovery.Discoverer {
	t.Helper()
	certs := peers.NewCertificates(t)
	o := peers.EtcdOptions{}
	if e.Etcd.SSL.CertFile != "" {
		o = peers.EtcdOptions{TLS: certs, ClientCertificate: true}
		e.Etcd.SSL = discovery.EtcdSSL{CACertFile: certs.CA, CertFile: certs.ClientCert, KeyFile: certs.ClientKey}
	}
	scheme, _, _ := strings.Cut(e.Etcd.Server[0], "://")
	e.Etcd.Server = []string{scheme + "://" + peers.Etcd(t, o).Addr()}
	var first *etcd.Nodes
	for _, name := range []string{"emqx@10.0.0.1", "emqx@10.0.0.2"} {
		self.Name = name
		n, err := etcd.New(e.Etcd, self)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if err := n.Close(); err != nil {
				t.Error(err)
			}
		})
		if err := n.Register(t.Context()); err != nil {
			t.Fatal(err)
		}
		if first == nil {
			first = n
		}
	}
	return first
}

func (e example) startK8s(t *testing.T, self discovery.Self) discovery.Discoverer {
	t.Helper()
	s := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/api/v1/namespaces/iot/endpoints/emqx-headless" {
			w.WriteHeader(http.StatusNotFound)
			return
		}
		fmt.Fprint(w, `{"kind": "Endpoints", "subsets": [{"addresses": [{"ip": "10.0.0.1", "hostname": "emqx-0"}, {"ip": "10.0.0.2", "hostname": "emqx-1"}]}]}`)
	}))
	t.Cleanup(s.Close)
	dir := t.TempDir()
	ca := string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw}))
	for name, text := range map[string]string{"token": "token", "ca.crt": ca} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	e.K8s.APIServer = s.URL
	return k8s.New(e.K8s, self, dir)
}
