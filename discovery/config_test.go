package discovery

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/dunlin-mq/dunlin/config"
)

// bind reads a configuration as a node will nest it.
func bind(text string) (*Config, *config.Report, error) {
	file, err := config.Parse(strings.NewReader(text), "test.conf")
	if err != nil {
		return nil, nil, err
	}
	var tree struct {
		Cluster Config `conf:"cluster"`
	}
	report, err := config.Bind(&tree, file.Settings, config.NoEffect(config.Later, "not of discovery", `
		cluster.autoheal     flag
		cluster.autoclean    duration
		cluster.proto_dist
		cluster.mcast.buffer size
	`))
	return &tree.Cluster, report, err
}

func TestDefaults(t *testing.T) {
	c, _, err := bind("")
	if err != nil {
		t.Fatal(err)
	}
	got := fmt.Sprintf("%+v", *c)
	want := "{Name:emqxcl Strategy:manual Static:{Seeds:[]} " +
		"Mcast:{Addr:239.192.0.1 Ports:[4369] Iface:0.0.0.0 TTL:255 Loop:true SendBuf:16KB RecvBuf:16KB} " +
		"DNS:{Name: App: Type:a} Etcd:{Server:[] Prefix:emqcl NodeTTL:1m0s SSL:{KeyFile: CertFile: CACertFile:}} " +
		"K8s:{APIServer:https://kubernetes.default.svc:443 ServiceName: AddressType:ip AppName: Namespace:default Suffix:}}"
	if got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

// TestShippedFiles reads the cluster sections that EMQ X ships, with what is
// commented out there put to use, once for each strategy.
func TestShippedFiles(t *testing.T) {
	for _, version := range []string{"3.2", "4.3"} {
		text, err := os.ReadFile("../node/testdata/emqx-" + version + "/etc/emqx.conf")
		if err != nil {
			t.Fatal(err)
		}
		var section strings.Builder
		for line := range strings.Lines(string(text)) {
			if line = strings.TrimPrefix(line, "# "); strings.HasPrefix(line, "cluster.") {
				section.WriteString(line)
			}
		}
		for _, strategy := range []string{"manual", "static", "mcast", "dns", "etcd", "k8s"} {
			c, report, err := bind(section.String() + "cluster.discovery = " + strategy)
			if err != nil || len(report.Unknown) > 0 {
				t.Errorf("%s, %s: %v, unknown: %v", version, strategy, err, report)
				continue
			}
			got := fmt.Sprintf("%+v", *c)
			want := "{Name:emqxcl Strategy:" + strategy + " Static:{Seeds:[emqx1@127.0.0.1 emqx2@127.0.0.1]} " +
				"Mcast:{Addr:239.192.0.1 Ports:[4369 4370] Iface:0.0.0.0 TTL:255 Loop:true SendBuf:16KB RecvBuf:16KB} " +
				"DNS:{Name:localhost App:emqx Type:a} Etcd:{Server:[http://127.0.0.1:2379] Prefix:emqxcl NodeTTL:1m0s " +
				"SSL:{KeyFile:etc/certs/client-key.pem CertFile:etc/certs/client.pem CACertFile:etc/certs/ca.pem}} " +
				"K8s:{APIServer:http://10.110.111.204:8080 ServiceName:emqx AddressType:ip AppName:emqx Namespace:default Suffix:pod.cluster.local}}"
			if got != want {
				t.Errorf("%s, %s:\ngot  %s\nwant %s", version, strategy, got, want)
			}
		}
	}
}

func TestConfigValues(t *testing.T) {
	c, _, err := bind(`
		cluster.name = plant-1.prod
		cluster.discovery = etcd
		cluster.etcd.server = https://10.0.0.1:2379, https://etcd2:2379/,https://[fd00::1]:2379
		cluster.etcd.node_ttl = 1500ms
		cluster.mcast.buffer = 32KB
		cluster.dns.type = srv
	`)
	if err != nil {
		t.Fatal(err)
	}
	if len(c.Etcd.Server) != 3 || c.Etcd.NodeTTL != 2*time.Second || c.Name != "plant-1.prod" || c.DNS.Type != "srv" {
		t.Errorf("%+v", *c)
	}
	c.Etcd.SSL = EtcdSSL{"k", "c", "ca"}
	for _, file := range c.Files() {
		*file = "etc/" + *file
	}
	if c.Etcd.SSL != (EtcdSSL{"etc/k", "etc/c", "etc/ca"}) {
		t.Errorf("%+v", c.Etcd.SSL)
	}
}

func TestConfigErrors(t *testing.T) {
	f := func(text, want string) {
		t.Helper()
		text = strings.ReplaceAll(text, "; ", "\n")
		if _, _, err := bind(text); err == nil || !strings.HasSuffix(err.Error(), want) {
			t.Errorf("%s:\ngot  %v\nwant %s", text, err, want)
		}
	}
	f("cluster.discovery = magic", `cluster.discovery: expected one of manual, static, mcast, dns, etcd, k8s, found "magic"`)
	f("cluster.name = a/b", "test.conf:1: cluster.name: expected a name without blanks and slashes, of at most 255 bytes")

	f("cluster.discovery = static", "cluster.static.seeds: discovery = static needs at least one node")
	f("cluster.discovery = static; cluster.static.seeds = a@h, b",
		`test.conf:2: cluster.static.seeds: expected a node such as emqx@10.0.0.1 or emqx@n1.example.org, found "b"`)

	const mcast = "cluster.discovery = mcast; "
	f(mcast+"cluster.mcast.addr = 10.0.0.1", `cluster.mcast.addr: expected an IPv4 multicast address such as 239.192.0.1, found "10.0.0.1"`)
	f(mcast+"cluster.mcast.addr = ff02::1", `such as 239.192.0.1, found "ff02::1"`)
	f(mcast+"cluster.mcast.iface = eth0", `cluster.mcast.iface: expected the IPv4 address of an interface or 0.0.0.0, found "eth0"`)
	f(mcast+"cluster.mcast.ports = ,", "cluster.mcast.ports: expected at least one port")
	f(mcast+"cluster.mcast.ports = 4369,0", `cluster.mcast.ports: expected a value from 1 to 65535, found "0"`)
	f(mcast+"cluster.mcast.ttl = 256", `cluster.mcast.ttl: expected a value from 0 to 255, found "256"`)
	f(mcast+"cluster.mcast.sndbuf = 0", "cluster.mcast.sndbuf: "+`expected a value of at least 1, found "0"`)

	f("cluster.discovery = dns", `cluster.dns.name: expected a DNS name such as nodes.example.org, found ""`)
	f("cluster.discovery = dns; cluster.dns.name = a b", `cluster.dns.name: expected a DNS name such as nodes.example.org, found "a b"`)
	f("cluster.discovery = dns; cluster.dns.name = a; cluster.dns.app = a@b", `cluster.dns.app: expected letters, digits, _ and -, found "a@b"`)

	const etcd = "cluster.discovery = etcd; "
	f(etcd, "cluster.etcd.server: discovery = etcd needs a URL such as http://127.0.0.1:2379")
	for _, server := range []string{"127.0.0.1:2379", "ftp://h", "http://", "http://h/v2", "http://h?x", "http://h#x", "http://[::1"} {
		f(etcd+"cluster.etcd.server = http://a,"+server, "cluster.etcd.server: expected URLs such as http://127.0.0.1:2379, server 2 isn't one")
	}
	f(etcd+"cluster.etcd.server = http://a,https://b", "cluster.etcd.server: expected all servers with http or all with https")
	f(etcd+"cluster.etcd.server = https://a; cluster.etcd.prefix = /", `cluster.etcd.prefix: expected a word or a path of words, found "/"`)
	f(etcd+"cluster.etcd.server = https://a; cluster.etcd.node_ttl = 0s", "cluster.etcd.node_ttl: expected at least 1s")
	f(etcd+"cluster.etcd.server = https://a; cluster.etcd.ssl.keyfile = k", "cluster.etcd.ssl: certfile and keyfile go together")

	const k8s = "cluster.discovery = k8s; cluster.k8s.service_name = emqx; "
	f("cluster.discovery = k8s", `cluster.k8s.service_name: expected small letters, digits and -, found ""`)
	f(k8s+"cluster.k8s.apiserver = kubernetes:443", "cluster.k8s.apiserver: expected a URL such as https://kubernetes.default.svc:443")
	f(k8s+"cluster.k8s.namespace = a/b", `cluster.k8s.namespace: expected small letters, digits and -, found "a/b"`)
	f(k8s+"cluster.k8s.suffix = a/b", `cluster.k8s.suffix: expected the end of a DNS name such as pod.cluster.local, found "a/b"`)
	f(k8s+"cluster.k8s.app_name = a.b", `cluster.k8s.app_name: expected letters, digits, _ and -, found "a.b"`)

	for _, server := range []string{"http://u:hidden@h", "http://u:hidden@[::1"} {
		if _, _, err := bind(etcd + "\ncluster.etcd.server = " + server); err == nil || strings.Contains(err.Error(), "hidden") {
			t.Errorf("a URL with a password: %v", err)
		}
	}
}

// TestUnusedIsNotChecked: a sample that nobody has filled in stops no start.
func TestUnusedIsNotChecked(t *testing.T) {
	if _, _, err := bind("cluster.etcd.server = later\ncluster.mcast.addr = x\ncluster.k8s.apiserver = y\ncluster.static.seeds = z"); err != nil {
		t.Error(err)
	}
}
