package node

import (
	_ "embed"
	"errors"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/dunlin-mq/dunlin/alarm"
	"github.com/dunlin-mq/dunlin/api"
	"github.com/dunlin-mq/dunlin/auth"
	"github.com/dunlin-mq/dunlin/broker"
	"github.com/dunlin-mq/dunlin/config"
	"github.com/dunlin-mq/dunlin/otel"
	"github.com/dunlin-mq/dunlin/retain"
	"github.com/dunlin-mq/dunlin/server"
)

// Config is the configuration of a node: what its parts own, nested. Relative paths in it are resolved.
type Config struct {
	Node NodeConfig `conf:"node"`
	Log  LogConfig  `conf:"log"`

	Cluster ClusterConfig `conf:"cluster"`

	// Access and MQTT are what zones start from. EMQ X 2 wrote the first below mqtt, like the second.
	Access auth.Access            `conf:"." alias:"mqtt"`
	MQTT   broker.Limits          `conf:"mqtt"`
	Zones  map[string]broker.Zone `conf:"zone.$name"`

	// AccessControl holds for all zones, Providers are who decides.
	AccessControl auth.Config   `conf:"."`
	Providers     Providers     `conf:"."`
	Management    api.Config    `conf:"management"`
	Dashboard     api.Dashboard `conf:"dashboard"`

	Listener server.Listeners `conf:"listener"`
	Broker   broker.Config    `conf:"."`
	Storage  StorageConfig    `conf:"."`
	Plugins  PluginsConfig    `conf:"."`
	Alarms   alarm.Config     `conf:"."`
	Webhook  AlarmService     `conf:"alarm.webhook"`
	OTel     otel.Config      `conf:"opentelemetry"`
	Retainer retain.Config    `conf:"retainer"`

	root string   // where relative paths start; "" is the working directory
	idle []string // warnings of what is configured and not on

	sources *sources // nil: it can't change while the node runs
}

// NodeConfig is node.*.
type NodeConfig struct {
	Name       string `conf:"name"`   // name@host, part of every $SYS topic
	Cookie     string `conf:"cookie"` // what all nodes of a cluster know and nobody else; without one of its own the node stays alone
	DataDir    string `conf:"data_dir"`
	MaxClients int    `conf:"max_clients" range:"1.."` // of all listeners; above it CONNECT is refused with 0x97
}

// DefaultConfig is the configuration of a node that is given no file, in the form of a file to copy and change.
//
//go:embed default.conf
var DefaultConfig []byte

// LoadConfig reads a configuration file, or emqx.conf in a folder, the plugin files in the folder `plugins` beside it,
// the environment (as os.Environ gives it), and what was changed while an earlier node ran: overrides.conf in the data directory. Without a file the DefaultConfig counts; with one, only its listeners do, and these only as
// long as neither file nor environment names a listener. The error joins everything that is wrong; the report is also
// there when the error is not nil.
func LoadConfig(file string, env []string) (*Config, *config.Report, error) {
	if info, err := os.Stat(file); err == nil && info.IsDir() {
		file = filepath.Join(file, "emqx.conf")
	}
	src := config.Source{
		Base:          DefaultConfig,
		File:          file,
		Env:           env,
		ReplaceGroups: []string{"listener.$kind.$name"},
	}
	if file != "" {
		src.PluginDir = filepath.Join(filepath.Dir(file), "plugins")
	}
	s := &sources{root: config.Root(file), layers: config.Read(src)}
	c, report, err := s.bind(nil, false)
	if err != nil {
		return nil, report, err
	}
	return c.withOverrides()
}

// finish is for what binding leaves to be done.
func (c *Config) finish(report *config.Report) {
	for _, p := range append(slices.Concat(c.Providers.files(), c.OTel.Exporter.TLS.Files(), c.Webhook.TLS.Files(), c.Cluster.files()), &c.Node.DataDir, &c.Log.Dir, &c.Management.BootstrapFile,
		&c.Management.HTTPS.CertFile, &c.Management.HTTPS.KeyFile, &c.Management.HTTPS.CACertFile,
		&c.Dashboard.HTTPS.CertFile, &c.Dashboard.HTTPS.KeyFile, &c.Dashboard.HTTPS.CACertFile) {
		*p = c.path(*p)
	}
	c.reportOldTLS(report)
	c.leaveOutQueries(report)
	c.noteIdle(report)
	c.noteAlone(report)
}

// SetDefaults gives the values of a configuration that says nothing.
func (c *NodeConfig) SetDefaults() {
	c.Name, c.DataDir, c.MaxClients = "emqx@127.0.0.1", "data", 1024000
}

// Inherit gives a new zone the global values.
func (c *Config) Inherit(instance any) {
	if z, ok := instance.(*broker.Zone); ok {
		z.Access, z.Limits = c.Access, c.MQTT
	}
}

// Zone returns the zone of a name; "" and names nobody configured give the global values.
func (c *Config) Zone(name string) broker.Zone {
	if z, ok := c.Zones[name]; ok {
		return z
	}
	var z broker.Zone
	z.SetDefaults()
	c.Inherit(&z)
	return z
}

// ZoneOf returns the name of the zone a listener belongs to: the one it names, else the one named like itself, else "".
func (c *Config) ZoneOf(l *server.Named) string {
	name := l.Zone
	if name == "" {
		name = l.Name
	}
	if _, ok := c.Zones[name]; !ok {
		return ""
	}
	return name
}

// Listeners returns all listeners, the paths of their files resolved.
func (c *Config) Listeners() []server.Named {
	all := c.Listener.All()
	for i := range all {
		if t := all[i].TLS; t != nil {
			t.KeyFile, t.CertFile, t.CACertFile = c.path(t.KeyFile), c.path(t.CertFile), c.path(t.CACertFile)
			t.CRLURLs = slices.Clone(t.CRLURLs)
			for j, url := range t.CRLURLs {
				if !strings.Contains(url, "://") {
					t.CRLURLs[j] = c.path(url)
				}
			}
			sni := make(map[string]server.Certificate, len(t.SNI))
			for host, cert := range t.SNI {
				sni[host] = server.Certificate{KeyFile: c.path(cert.KeyFile), CertFile: c.path(cert.CertFile)}
			}
			t.SNI = sni
		}
	}
	return all
}

func (c *Config) path(p string) string {
	if p == "" || filepath.IsAbs(p) {
		return p
	}
	return filepath.Join(c.root, p)
}

// Validate checks what concerns more than one part.
func (c *Config) Validate() error {
	var errs []error
	if name, host, ok := strings.Cut(c.Node.Name, "@"); !ok || name == "" || host == "" || strings.ContainsAny(c.Node.Name, " /+#") {
		errs = append(errs, config.Invalid("node.name", "expected name@host, as it is part of topics, found %q", c.Node.Name))
	}
	errs = append(errs, c.checkCluster())
	all := c.Listener.All()
	for i := range all {
		l := &all[i]
		if _, known := c.Zones[l.Zone]; l.Zone != "" && !known {
			errs = append(errs, config.Invalid(l.Key()+".zone", "expected the name of a zone, but no zone.%s.* is set", l.Zone))
		}
		for j := range all[:i] {
			if other := &all[j]; (l.Kind == "quic") == (other.Kind == "quic") && collide(l.Address, other.Address) {
				errs = append(errs, config.Invalid(l.Key(), "the address %s is also that of %s (%s)", l.Address, other.Key(), other.Address))
			}
		}
	}
	return errors.Join(errs...)
}

// collide reports whether two addresses cannot be listened on at once.
func collide(a, b config.Address) bool {
	if a.Port != b.Port || a.Port == 0 {
		return false
	}
	return a.Host == b.Host || covers(a.Host, b.Host) || covers(b.Host, a.Host)
}

// covers reports whether listening on host all means listening on host as well.
func covers(all, host string) bool {
	switch all {
	case "", "::":
		return true
	case "0.0.0.0":
		addr, err := netip.ParseAddr(host)
		return err != nil || addr.Is4() || addr.IsUnspecified()
	}
	return false
}

// reportOldTLS reports versions of TLS that were asked for and are not spoken.
func (c *Config) reportOldTLS(report *config.Report) {
	for _, l := range c.Listener.All() {
		if l.TLS == nil || !slices.Contains(l.TLS.Versions, "tlsv1.1") && !slices.Contains(l.TLS.Versions, "tlsv1") {
			continue
		}
		noEffect(report, l.Key()+".tls_versions", "of the versions named, only TLS 1.2 and 1.3 are spoken")
	}
}
