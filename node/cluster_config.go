package node

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/dunlin-mq/dunlin/config"
	"github.com/dunlin-mq/dunlin/discovery"
	"github.com/dunlin-mq/dunlin/engine"
)

// ClusterConfig is cluster.*: who the other nodes are, and how they and this one
// reach each other.
type ClusterConfig struct {
	Discovery discovery.Config `conf:"."`
	Listen    config.Address   `conf:"listen"`    // for members; off: the host of node.name, port 4370+N
	Door      config.Address   `conf:"door"`      // for who asks to join; off: the host of node.name, port 5370+N
	Autoheal  bool             `conf:"autoheal"`  // it is always on
	Autoclean time.Duration    `conf:"autoclean"` // members that are down for so long are removed; 0: none
	SSL       ClusterSSL       `conf:"ssl"`
}

// ClusterSSL is cluster.ssl.*: PEM files for the connections between nodes, in
// both directions. Without them node.cookie stands for all three.
type ClusterSSL struct {
	CACertFile string `conf:"cacertfile"`
	CertFile   string `conf:"certfile"`
	KeyFile    string `conf:"keyfile"`
}

// SetDefaults gives the values of a configuration that says nothing.
func (c *ClusterConfig) SetDefaults() { c.Autoheal = true }

// Validate checks what no single value shows.
func (c *ClusterConfig) Validate() error {
	var errs []error
	for key, a := range map[string]config.Address{"listen": c.Listen, "door": c.Door} {
		if !a.Off() && a.Port == 0 {
			errs = append(errs, config.Invalid(key, "expected a port that other nodes can know, found 0"))
		}
	}
	if s := c.SSL; s != (ClusterSSL{}) && (s.CACertFile == "" || s.CertFile == "" || s.KeyFile == "") {
		errs = append(errs, config.Invalid("ssl", "cacertfile, certfile and keyfile go together"))
	}
	return errors.Join(errs...)
}

// files returns the fields that are paths.
func (c *ClusterConfig) files() []*string {
	return append(c.Discovery.Files(), &c.SSL.CACertFile, &c.SSL.CertFile, &c.SSL.KeyFile)
}

// publicCookie is EMQ X's, which stands in its files and in its documentation.
const publicCookie = "emqxsecretcookie"

// clustered reports whether the node may become one of several. It opens ports
// for them then, so it takes something that says who they are: a cookie that not
// everybody knows, or certificates.
func (c *Config) clustered() bool {
	return c.Node.Cookie != "" && c.Node.Cookie != publicCookie || c.Cluster.SSL != (ClusterSSL{})
}

// errNoCookie is what stands in the way of a cluster.
var errNoCookie = errors.New("node.cookie is not set, or is the one that everybody knows: give all nodes the same one of your own and start them again")

// noteAlone notes what has no effect as the node stays alone, or never has.
func (c *Config) noteAlone(report *config.Report) {
	if how := c.Cluster.Discovery.Strategy; how != "manual" && !c.clustered() {
		noEffect(report, "cluster.discovery", errNoCookie.Error())
		c.idle = append(c.idle, fmt.Sprintf("cluster.discovery = %s has no effect: %v", how, errNoCookie))
	}
	if !c.Cluster.Autoheal {
		noEffect(report, "cluster.autoheal", "the sides of a split always find together again, without a restart")
	}
}

// noEffect reports that what a key was set to has no effect.
func noEffect(report *config.Report, key, reason string) {
	at := slices.IndexFunc(report.Values, func(v config.Value) bool { return v.Key == key })
	v := &report.Values[at]
	report.NoEffect = append(report.NoEffect, config.Ignored{
		Setting: config.Setting{Key: key, Value: v.Value, Origin: v.Origin}, Kind: config.Runtime, Reason: reason,
	})
}

// shortCookie is the length below which it can be guessed by trying, at the
// twenty a second that each connection allows.
const shortCookie = 16

// cookieWarning is what an operator should know of the cookie; empty: nothing.
func (c *Config) cookieWarning() string {
	host := hostOf(c.Node.Name)
	if !c.clustered() || c.Cluster.SSL != (ClusterSSL{}) || len(c.Node.Cookie) >= shortCookie || isLoopback(host) {
		return ""
	}
	return fmt.Sprintf("node.cookie has fewer than %d characters: who can reach the ports for other nodes may find it by trying, and would be one of them", shortCookie)
}

func isLoopback(host string) bool {
	addr, err := netip.ParseAddr(host)
	return err == nil && addr.IsLoopback() || host == "localhost"
}

// Where EMQ X 4 has its two ports between nodes; what is added is the number at
// the end of a node's name, so that several fit on one machine.
const (
	memberPort = 4370
	doorPort   = 5370
)

func hostOf(node string) string {
	_, host, _ := strings.Cut(node, "@")
	return host
}

// portOf is the port of a node by EMQ X's rule.
func portOf(node string, base int) (int, error) {
	name, _, _ := strings.Cut(node, "@")
	digits := name[len(strings.TrimRight(name, "0123456789")):]
	n := 0
	if digits != "" {
		var err error
		if n, err = strconv.Atoi(digits); err != nil || base+n > 65535 {
			return 0, fmt.Errorf("%s: the number at the end of its name makes no port; set cluster.listen and cluster.door", node)
		}
	}
	return base + n, nil
}

// place is where a node listens, and where others reach it.
type place struct{ address, host string }

// placeOf is the place that a setting means, or by the name of the node.
func placeOf(node string, set config.Address, base int) (p place, err error) {
	host, port := hostOf(node), int(set.Port)
	if set.Off() {
		if port, err = portOf(node, base); err != nil {
			return p, err
		}
		if _, err := netip.ParseAddr(host); err != nil && !isLoopback(host) {
			p.host = everywhere() // what a machine takes its own name for is often an address that nobody else has
		}
	} else if ip, err := netip.ParseAddr(set.Host); set.Host == "" || err == nil && ip.IsUnspecified() {
		p.host = set.Host
		if set.Host == "" {
			p.host = everywhere()
		}
	} else {
		host = set.Host
	}
	p.address = net.JoinHostPort(host, strconv.Itoa(port))
	return p, nil
}

// everywhere is the host of a listener that takes connections at all addresses,
// of IPv6 too if the machine has it.
func everywhere() string {
	l, err := net.Listen("tcp", "[::]:0")
	if err != nil {
		return "0.0.0.0"
	}
	if err := l.Close(); err != nil {
		return "0.0.0.0"
	}
	return "::"
}

// doorOf is where another node is asked whether this one may join: at the port
// that this node has too, if that is configured.
func (c *Config) doorOf(node string) (string, error) {
	port := int(c.Cluster.Door.Port)
	if c.Cluster.Door.Off() {
		var err error
		if port, err = portOf(node, doorPort); err != nil {
			return "", err
		}
	}
	return net.JoinHostPort(hostOf(node), strconv.Itoa(port)), nil
}

// engineCluster is the cluster of the engine; nil: the node is alone for good.
func (c *Config) engineCluster() (*engine.Cluster, error) {
	if !c.clustered() {
		return nil, nil //nolint:nilnil // no cluster is none
	}
	members, err := placeOf(c.Node.Name, c.Cluster.Listen, memberPort)
	if err != nil {
		return nil, err
	}
	door, err := placeOf(c.Node.Name, c.Cluster.Door, doorPort)
	if err != nil {
		return nil, err
	}
	cookie := c.Node.Cookie
	if cookie == "" {
		cookie = publicCookie // the certificates say who is who
	}
	ssl := c.Cluster.SSL
	return &engine.Cluster{
		Name: c.Cluster.Discovery.Name, Address: members.address, Door: door.address, Cookie: cookie,
		TLS:         engine.ClusterTLS{CA: ssl.CACertFile, Certificate: ssl.CertFile, Key: ssl.KeyFile},
		AddressHost: members.host, DoorHost: door.host,
	}, nil
}

// checkCluster checks the name of a node that others have to reach.
func (c *Config) checkCluster() error {
	if !c.clustered() {
		return nil
	}
	var errs []error
	if err := discovery.CheckName(c.Node.Name); err != nil {
		errs = append(errs, config.Invalid("node.name", "%v", err))
	}
	for base, set := range map[int]config.Address{memberPort: c.Cluster.Listen, doorPort: c.Cluster.Door} {
		if _, err := portOf(c.Node.Name, base); err != nil && set.Off() {
			errs = append(errs, config.Invalid("node.name", "%v", err))
		}
	}
	return errors.Join(errs...)
}
