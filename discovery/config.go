package discovery

import (
	"errors"
	"net/netip"
	"net/url"
	"regexp"
	"strings"
	"time"

	"github.com/dunlin-mq/dunlin/config"
)

// Config is the part of cluster.* that says which cluster this node belongs to
// and how to find it.
type Config struct {
	Name     string `conf:"name"` // keeps clusters apart that share a network, an etcd or a cookie
	Strategy string `conf:"discovery" oneof:"manual static mcast dns etcd k8s"`

	Static Static `conf:"static"`
	Mcast  Mcast  `conf:"mcast"`
	DNS    DNS    `conf:"dns"`
	Etcd   Etcd   `conf:"etcd"`
	K8s    K8s    `conf:"k8s"`
}

// Static is cluster.static.*: a list that somebody keeps in the configuration.
type Static struct {
	Seeds []string `conf:"seeds"` // name@host
}

// Mcast is cluster.mcast.*: nodes of one network that hear each other.
type Mcast struct {
	Addr    string       `conf:"addr"`                   // IPv4, of a group
	Ports   []uint16     `conf:"ports" range:"1..65535"` // each is asked, and listened at if possible
	Iface   string       `conf:"iface"`                  // the IPv4 address of an interface; 0.0.0.0 leaves it to the system
	TTL     int          `conf:"ttl" range:"0..255"`
	Loop    bool         `conf:"loop"` // nodes of the same machine hear each other
	SendBuf config.Bytes `conf:"sndbuf" range:"1.."`
	RecvBuf config.Bytes `conf:"recbuf" range:"1.."`
}

// DNS is cluster.dns.*: records of a name server.
type DNS struct {
	Name string `conf:"name"`
	App  string `conf:"app"`                     // before the @; "": what this node has there
	Type string `conf:"type" oneof:"a aaaa srv"` // a, aaaa: nodes are app@address; srv: app@target
}

// Etcd is cluster.etcd.*: keys in an etcd 3.4 or later.
type Etcd struct {
	Server  []string      `conf:"server"` // URLs of any of its members, all http or all https
	Prefix  string        `conf:"prefix"`
	NodeTTL time.Duration `conf:"node_ttl" unit:"s"` // how long a dead node is found
	SSL     EtcdSSL       `conf:"ssl"`
}

// EtcdSSL are the PEM files for servers with https, which always have to prove
// who they are.
type EtcdSSL struct {
	KeyFile    string `conf:"keyfile"`
	CertFile   string `conf:"certfile"`
	CACertFile string `conf:"cacertfile"` // "": the authorities of the operating system
}

// K8s is cluster.k8s.*: the pods behind a service of Kubernetes.
type K8s struct {
	APIServer   string `conf:"apiserver"`
	ServiceName string `conf:"service_name"` // best a headless one
	AddressType string `conf:"address_type" oneof:"ip dns hostname"`
	AppName     string `conf:"app_name"` // before the @; "": what this node has there
	Namespace   string `conf:"namespace"`
	Suffix      string `conf:"suffix"` // ends the names of type dns and hostname
}

// SetDefaults gives the values of a configuration that says nothing.
func (c *Config) SetDefaults() { c.Name, c.Strategy = "emqxcl", "manual" }

// SetDefaults gives the values of a configuration that says nothing.
func (c *Mcast) SetDefaults() {
	c.Addr, c.Ports, c.Iface, c.TTL, c.Loop = "239.192.0.1", []uint16{4369}, "0.0.0.0", 255, true
	c.SendBuf, c.RecvBuf = 16*config.KB, 16*config.KB
}

// SetDefaults gives the values of a configuration that says nothing.
func (c *DNS) SetDefaults() { c.Type = "a" }

// SetDefaults gives the values of a configuration that says nothing.
func (c *Etcd) SetDefaults() { c.Prefix, c.NodeTTL = "emqcl", time.Minute }

// SetDefaults gives the values of a configuration that says nothing. The
// server is that of the cluster the node runs in.
func (c *K8s) SetDefaults() {
	c.APIServer, c.AddressType, c.Namespace = "https://kubernetes.default.svc:443", "ip", "default"
}

// Files returns the fields that are paths, for whoever resolves relative ones.
func (c *Config) Files() []*string {
	return []*string{&c.Etcd.SSL.KeyFile, &c.Etcd.SSL.CertFile, &c.Etcd.SSL.CACertFile}
}

// Validate checks what no single value shows. Of the strategies only the one
// that is used is checked.
func (c *Config) Validate() error {
	var errs []error
	if c.Name == "" || len(c.Name) > MaxName || strings.ContainsFunc(c.Name, func(r rune) bool { return r <= ' ' || r == '/' || r == 0x7F }) {
		errs = append(errs, config.Invalid("name", "expected a name without blanks and slashes, of at most %d bytes", MaxName))
	}
	check := map[string]func() []error{
		"static": c.Static.check, "mcast": c.Mcast.check, "dns": c.DNS.check, "etcd": c.Etcd.check, "k8s": c.K8s.check,
	}[c.Strategy]
	if check != nil {
		errs = append(errs, check()...)
	}
	return errors.Join(errs...)
}

func (c *Static) check() (errs []error) {
	if len(c.Seeds) == 0 {
		return []error{config.Invalid("static.seeds", "discovery = static needs at least one node")}
	}
	for _, seed := range c.Seeds {
		if err := CheckName(seed); err != nil {
			errs = append(errs, config.Invalid("static.seeds", "%v", err))
		}
	}
	return errs
}

func (c *Mcast) check() (errs []error) {
	if group, err := netip.ParseAddr(c.Addr); err != nil || !group.Is4() || !group.IsMulticast() {
		errs = append(errs, config.Invalid("mcast.addr", "expected an IPv4 multicast address such as 239.192.0.1, found %q", c.Addr))
	}
	if iface, err := netip.ParseAddr(c.Iface); err != nil || !iface.Is4() {
		errs = append(errs, config.Invalid("mcast.iface", "expected the IPv4 address of an interface or 0.0.0.0, found %q", c.Iface))
	}
	if len(c.Ports) == 0 {
		errs = append(errs, config.Invalid("mcast.ports", "expected at least one port"))
	}
	return errs
}

func (c *DNS) check() (errs []error) {
	if !isHost(c.Name) {
		errs = append(errs, config.Invalid("dns.name", "expected a DNS name such as nodes.example.org, found %q", c.Name))
	}
	return append(errs, checkApp("dns.app", c.App)...)
}

func (c *Etcd) check() (errs []error) {
	if len(c.Server) == 0 {
		errs = append(errs, config.Invalid("etcd.server", "discovery = etcd needs a URL such as http://127.0.0.1:2379"))
	}
	for i, server := range c.Server {
		// The URL isn't repeated: it may hold a password.
		switch u, err := url.Parse(server); {
		case err != nil || !isServer(u) || strings.Trim(u.Path, "/") != "" || u.RawQuery != "":
			errs = append(errs, config.Invalid("etcd.server", "expected URLs such as http://127.0.0.1:2379, server %d isn't one", i+1))
		case !strings.HasPrefix(c.Server[0], u.Scheme+"://"):
			errs = append(errs, config.Invalid("etcd.server", "expected all servers with http or all with https"))
		}
	}
	if strings.Trim(c.Prefix, "/") == "" || strings.ContainsFunc(c.Prefix, func(r rune) bool { return r <= ' ' || r == 0x7F }) {
		errs = append(errs, config.Invalid("etcd.prefix", "expected a word or a path of words, found %q", c.Prefix))
	}
	if c.NodeTTL < time.Second {
		errs = append(errs, config.Invalid("etcd.node_ttl", "expected at least 1s"))
	}
	if (c.SSL.CertFile == "") != (c.SSL.KeyFile == "") {
		errs = append(errs, config.Invalid("etcd.ssl", "certfile and keyfile go together"))
	}
	return errs
}

func (c *K8s) check() (errs []error) {
	if u, err := url.Parse(c.APIServer); err != nil || !isServer(u) || u.RawQuery != "" {
		errs = append(errs, config.Invalid("k8s.apiserver", "expected a URL such as https://kubernetes.default.svc:443"))
	}
	for _, label := range []struct{ key, value string }{{"service_name", c.ServiceName}, {"namespace", c.Namespace}} {
		if !label1123.MatchString(label.value) {
			errs = append(errs, config.Invalid("k8s."+label.key, "expected small letters, digits and -, found %q", label.value))
		}
	}
	if c.Suffix != "" && !isHost(c.Suffix) {
		errs = append(errs, config.Invalid("k8s.suffix", "expected the end of a DNS name such as pod.cluster.local, found %q", c.Suffix))
	}
	return append(errs, checkApp("k8s.app_name", c.AppName)...)
}

// isServer reports whether a URL has no login in it: neither an etcd nor
// Kubernetes takes one there.
func isServer(u *url.URL) bool {
	return (u.Scheme == "http" || u.Scheme == "https") && u.Hostname() != "" && u.User == nil && u.Fragment == ""
}

func checkApp(key, app string) []error {
	if app == "" || isWord(app) {
		return nil
	}
	return []error{config.Invalid(key, "expected letters, digits, _ and -, found %q", app)}
}

func isHost(s string) bool {
	return s != "" && len(s) <= MaxName && !strings.ContainsFunc(s, func(r rune) bool { return r == ':' || isForeign(r) })
}

// label1123 are the names that Kubernetes allows for services and namespaces.
var label1123 = regexp.MustCompile(`^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$`)
