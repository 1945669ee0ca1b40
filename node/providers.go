package node

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"path/filepath"
	"strings"
	"time"

	"github.com/dunlin-mq/dunlin/auth"
	"github.com/dunlin-mq/dunlin/auth/builtin"
	"github.com/dunlin-mq/dunlin/auth/file"
	authhttp "github.com/dunlin-mq/dunlin/auth/http"
	"github.com/dunlin-mq/dunlin/auth/jwt"
	"github.com/dunlin-mq/dunlin/auth/psk"
	"github.com/dunlin-mq/dunlin/auth/query"
	"github.com/dunlin-mq/dunlin/auth/scram"
	"github.com/dunlin-mq/dunlin/config"
	"github.com/dunlin-mq/dunlin/connector"
	"github.com/dunlin-mq/dunlin/connector/http"
	"github.com/dunlin-mq/dunlin/connector/ldap"
	"github.com/dunlin-mq/dunlin/connector/mongodb"
	"github.com/dunlin-mq/dunlin/connector/mysql"
	"github.com/dunlin-mq/dunlin/connector/postgres"
	"github.com/dunlin-mq/dunlin/connector/redis"
	"github.com/dunlin-mq/dunlin/discovery"
	"github.com/dunlin-mq/dunlin/discovery/dns"
	"github.com/dunlin-mq/dunlin/discovery/etcd"
	"github.com/dunlin-mq/dunlin/discovery/k8s"
	"github.com/dunlin-mq/dunlin/discovery/mcast"
)

// Providers is the configuration of whoever can be asked about clients.
type Providers struct {
	ACLFile string         `conf:"acl_file" alias:"mqtt.acl_file"`
	Builtin builtin.Config `conf:"auth"`
	PSK     struct {
		Enable Switch     `conf:"enable"`
		File   psk.Config `conf:"."`
	} `conf:"psk.file"`

	JWT struct {
		Enable  Switch      `conf:"enable"`
		Tokens  jwt.Config  `conf:"."`
		Service http.Config `conf:"jwks"`
	} `conf:"auth.jwt"`
	HTTP struct {
		AskedKeys `conf:"."`
		Timeout   time.Duration   `conf:"timeout" bare:"ms"`
		Questions authhttp.Config `conf:"."`
		Service   http.Config     `conf:"."`
	} `conf:"auth.http"`
	MySQL struct {
		AskedKeys `conf:"."`
		Timeout   time.Duration `conf:"timeout"`
		Queries   query.SQL     `conf:"."`
		Server    mysql.Config  `conf:"."`
	} `conf:"auth.mysql"`
	Postgres struct {
		AskedKeys `conf:"."`
		Timeout   time.Duration   `conf:"timeout"`
		Queries   query.SQL       `conf:"."`
		Server    postgres.Config `conf:"."`
	} `conf:"auth.pgsql"`
	Redis struct {
		AskedKeys `conf:"."`
		Timeout   time.Duration `conf:"timeout"`
		Commands  query.Redis   `conf:"."`
		Server    redis.Config  `conf:"."`
	} `conf:"auth.redis"`
	Mongo struct {
		AskedKeys `conf:"."`
		Timeout   time.Duration  `conf:"timeout"`
		Queries   query.MongoDB  `conf:"."`
		Server    mongodb.Config `conf:"."`
	} `conf:"auth.mongo"`
	LDAP struct {
		AskedKeys `conf:"."`
		Search    query.LDAP  `conf:"."`
		Server    ldap.Config `conf:"."`
	} `conf:"auth.ldap"`
}

// AlarmService is how the service of alarm.webhook.url is reached. It stands here as only this file knows the connectors.
type AlarmService struct {
	TLS connector.TLS `conf:"ssl"`
}

// SetDefaults gives the values of a configuration that says nothing.
func (s *AlarmService) SetDefaults() { s.TLS.Verify = true }

// open returns a client with one connection: alarms go out one after the other.
func (s *AlarmService) open() (*http.Client, error) {
	var c http.Config
	c.SetDefaults()
	c.PoolSize, c.TLS = 1, s.TLS
	return http.New(c)
}

// AskedKeys are the keys of a provider that asks somebody else. EMQ X has none of them.
type AskedKeys struct {
	Enable     Switch `conf:"enable"`
	MaxWaiting int    `conf:"max_waiting" range:"1.."` // requests that wait for their turn
	OnError    string `conf:"on_error" oneof:"deny ignore"`
}

// SetDefaults gives the values of a configuration that says nothing.
func (k *AskedKeys) SetDefaults() { k.MaxWaiting, k.OnError = 100_000, "deny" }

func (k *AskedKeys) backend(pool int, timeout time.Duration, ping func(context.Context) error) *auth.Backend {
	return &auth.Backend{Pool: pool, Timeout: timeout, MaxWaiting: k.MaxWaiting, OnError: k.OnError, Ping: ping}
}

// SetDefaults gives the values of a configuration that says nothing.
func (p *Providers) SetDefaults() {
	p.JWT.Service.TLS.Verify = true // the keys decide about everybody
	for _, t := range []*time.Duration{&p.HTTP.Timeout, &p.MySQL.Timeout, &p.Postgres.Timeout, &p.Redis.Timeout, &p.Mongo.Timeout} {
		*t = 5 * time.Second
	}
}

// Switch is the key enable of a provider: on, off, or auto, which is on if EMQ X has loaded the plugin.
type Switch string

// UnmarshalText is the configuration's.
func (s *Switch) UnmarshalText(text []byte) error {
	switch string(text) {
	case "on", "true":
		*s = "on"
	case "off", "false":
		*s = "off"
	case "auto":
		*s = ""
	default:
		return config.Expected("on, off or auto", string(text))
	}
	return nil
}

// String returns what UnmarshalText reads.
func (s Switch) String() string {
	if s == "" {
		return "auto"
	}
	return string(s)
}

func (s Switch) on(loaded names, plugin string) bool {
	return s == "on" || s == "" && loaded.has(plugin)
}

// optional is a provider that is on only if something says so.
type optional struct {
	name, plugin string
	enable       Switch
	open         func() (auth.Provider, error)
}

// optional are all of them, in the order in which they are asked.
func (p *Providers) optional(pw *auth.Passwords, log *slog.Logger) []optional {
	return []optional{
		{"jwt", "emqx_auth_jwt", p.JWT.Enable, func() (auth.Provider, error) { return p.openJWT(log) }},
		{"http", "emqx_auth_http", p.HTTP.Enable, p.openHTTP},
		{"mysql", "emqx_auth_mysql", p.MySQL.Enable, func() (auth.Provider, error) {
			db, err := mysql.Open(p.MySQL.Server)
			return asks(query.NewMySQL(p.MySQL.Queries, db, pw, log), db, err, p.MySQL.backend(p.MySQL.Server.Pool, p.MySQL.Timeout, db.Ping), log)
		}},
		{"pgsql", "emqx_auth_pgsql", p.Postgres.Enable, func() (auth.Provider, error) {
			db, err := postgres.Open(p.Postgres.Server)
			return asks(query.NewPostgres(p.Postgres.Queries, db, pw, log), db, err, p.Postgres.backend(p.Postgres.Server.Pool, p.Postgres.Timeout, db.Ping), log)
		}},
		{"redis", "emqx_auth_redis", p.Redis.Enable, func() (auth.Provider, error) {
			c, err := redis.New(p.Redis.Server)
			return asks(query.NewRedis(p.Redis.Commands, c, pw, log), c, err, p.Redis.backend(p.Redis.Server.Pool, p.Redis.Timeout, c.Ping), log)
		}},
		{"mongo", "emqx_auth_mongo", p.Mongo.Enable, func() (auth.Provider, error) {
			c, err := mongodb.New(p.Mongo.Server)
			return asks(query.NewMongoDB(p.Mongo.Queries, c, pw, log), c, err, p.Mongo.backend(p.Mongo.Server.Pool, p.Mongo.Timeout, c.Ping), log)
		}},
		{"ldap", "emqx_auth_ldap", p.LDAP.Enable, func() (auth.Provider, error) {
			c, err := ldap.New(p.LDAP.Server)
			return asks(query.NewLDAP(p.LDAP.Search, c, log), c, err, p.LDAP.backend(p.LDAP.Server.Pool, p.LDAP.Server.Timeout, c.Ping), log)
		}},
	}
}

// asks completes a provider that asks a connector.
func asks(p auth.Provider, c io.Closer, err error, b *auth.Backend, log *slog.Logger) (auth.Provider, error) {
	if err != nil {
		return auth.Provider{}, err
	}
	p.Backend = b
	p.Close = func() {
		if err := c.Close(); err != nil {
			log.Warn("connections are not closed properly", "provider", p.Name, "err", err)
		}
	}
	return p, nil
}

func (p *Providers) openJWT(log *slog.Logger) (auth.Provider, error) {
	service, err := http.New(p.JWT.Service)
	if err != nil {
		return auth.Provider{}, err
	}
	tokens, err := jwt.New(&p.JWT.Tokens, service, log)
	if err != nil {
		return auth.Provider{}, err
	}
	provider := tokens.Provider()
	provider.Close = func() {
		tokens.Close()
		service.Close()
	}
	return provider, nil
}

func (p *Providers) openHTTP() (auth.Provider, error) {
	service, err := http.New(p.HTTP.Service)
	if err != nil {
		return auth.Provider{}, err
	}
	provider, err := authhttp.New(&p.HTTP.Questions, service, *p.HTTP.backend(p.HTTP.Service.PoolSize, p.HTTP.Timeout, nil))
	provider.Close = service.Close
	return provider, err
}

// providers are all that are on, in the order in which they are asked, but for the built-in ones.
func (c *Config) providers(pw *auth.Passwords, log *slog.Logger) ([]auth.Provider, error) {
	loaded, err := c.loadedPlugins()
	if err != nil {
		return nil, err
	}
	var all []auth.Provider
	for _, o := range c.Providers.optional(pw, log) {
		if !o.enable.on(loaded, o.plugin) {
			continue
		}
		p, err := o.open()
		if err != nil {
			for _, opened := range all {
				opened.Close()
			}
			return nil, fmt.Errorf("auth.%s is on: %w", o.name, err)
		}
		all = append(all, p)
	}
	return all, nil
}

// noteIdle notes providers that are configured and not on. Files in the folder plugins don't count.
func (c *Config) noteIdle(report *config.Report) {
	loaded, err := c.loadedPlugins()
	if err != nil {
		return // the start says it
	}
	if loaded != nil && !loaded.has("emqx_dashboard") {
		c.noteNoDashboard(report)
	}
	known := names{"emqx_auth_mnesia", "emqx_auth_username", "emqx_auth_clientid"} // always on
	for _, o := range c.Providers.optional(nil, nil) {
		known = append(known, o.plugin)
		if o.enable == "off" || o.enable.on(loaded, o.plugin) {
			continue
		}
		prefix := "auth." + o.name + "."
		for _, v := range report.Values {
			if strings.HasPrefix(v.Key, prefix) && v.Origin.Source != "" && !inPlugins(v.Origin) {
				c.idle = append(c.idle, fmt.Sprintf("%s (%s) has no effect: nobody is checked there before auth.%s.enable = on", v.Key, v.Origin, o.name))
				break
			}
		}
	}
	for _, name := range loaded {
		if strings.HasPrefix(name, "emqx_auth_") && !known.has(name) {
			c.idle = append(c.idle, fmt.Sprintf("the plugin %s is to be loaded and is not known: it checks nobody", name))
		}
	}
}

// noteNoDashboard notes that the dashboard is configured and not loaded.
func (c *Config) noteNoDashboard(report *config.Report) {
	for _, v := range report.Values {
		if strings.HasPrefix(v.Key, "dashboard.listener.") && v.Origin.Source != "" && !inPlugins(v.Origin) && v.Value != "off" {
			c.idle = append(c.idle, fmt.Sprintf("%s (%s) has no effect: emqx_dashboard is not among what is to be loaded", v.Key, v.Origin))
			return
		}
	}
}

// leaveOutQueries switches queries off that a file in the folder plugins leaves out: there EMQ X writes all of them, and
// whoever made a comment of one has meant it.
func (c *Config) leaveOutQueries(report *config.Report) {
	p := &c.Providers
	queries := map[string]*string{
		"auth.mysql.auth_query": &p.MySQL.Queries.AuthQuery, "auth.mysql.super_query": &p.MySQL.Queries.SuperQuery, "auth.mysql.acl_query": &p.MySQL.Queries.ACLQuery,
		"auth.pgsql.auth_query": &p.Postgres.Queries.AuthQuery, "auth.pgsql.super_query": &p.Postgres.Queries.SuperQuery, "auth.pgsql.acl_query": &p.Postgres.Queries.ACLQuery,
		"auth.redis.auth_cmd": &p.Redis.Commands.AuthCmd, "auth.redis.super_cmd": &p.Redis.Commands.SuperCmd, "auth.redis.acl_cmd": &p.Redis.Commands.ACLCmd,
	}
	written := make(map[string]bool) // providers that have such a file
	for _, v := range report.Values {
		if words := strings.Split(v.Key, "."); words[0] == "auth" && inPlugins(v.Origin) {
			written[words[1]] = true
		}
	}
	for _, v := range report.Values {
		if q := queries[v.Key]; q != nil && v.Origin.Source == "" && written[strings.Split(v.Key, ".")[1]] {
			*q = ""
		}
	}
}

// inPlugins reports whether a setting stands in a file of the folder plugins, of which EMQ X delivers one for each plugin.
func inPlugins(o config.Origin) bool { return filepath.Base(filepath.Dir(o.Source)) == "plugins" }

// Check reads what the start would read about access, and asks nobody.
func (c *Config) Check() error {
	_, err := c.rules()
	loaded, loadedErr := c.loadedPlugins()
	errs := []error{err, loadedErr}
	p := &c.Providers
	if p.JWT.Enable.on(loaded, "emqx_auth_jwt") {
		errs = append(errs, below("auth.jwt.", p.JWT.Tokens.Complete()))
	}
	if p.HTTP.Enable.on(loaded, "emqx_auth_http") {
		errs = append(errs, below("auth.http.", p.HTTP.Questions.Complete()))
	}
	if p.PSK.Enable.on(loaded, "emqx_psk_file") {
		_, err := p.keys()
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// below completes the key that an error begins with.
func below(prefix string, err error) error {
	if err != nil {
		err = fmt.Errorf("%s%w", prefix, err)
	}
	return err
}

// rules are those of the rule file; nil if the module is off.
func (c *Config) rules() (*file.File, error) {
	modules, err := c.loadedModules()
	switch {
	case err != nil || !modules.has(aclModule):
		return nil, err
	case c.Providers.ACLFile == "":
		return file.Default(), nil
	}
	f, err := file.Load(c.Providers.ACLFile)
	if err != nil {
		return nil, fmt.Errorf("acl_file: %w", err)
	}
	return f, nil
}

// keys are the pre-shared ones.
func (p *Providers) keys() (*psk.File, error) {
	f, err := psk.Load(p.PSK.File)
	if err != nil {
		return nil, fmt.Errorf("psk.file.path: %w", err)
	}
	return f, nil
}

// files are all keys that are paths.
func (p *Providers) files() []*string {
	all := []*string{&p.ACLFile, &p.Builtin.BootstrapFile, &p.Builtin.AllowListFile, &p.PSK.File.Path}
	all = append(all, p.JWT.Tokens.Files()...)
	all = append(all, p.Redis.Server.Files()...)
	for _, t := range []*connector.TLS{
		&p.JWT.Service.TLS, &p.HTTP.Service.TLS, &p.MySQL.Server.TLS, &p.Postgres.Server.TLS, &p.Mongo.Server.TLS, &p.LDAP.Server.TLS,
	} {
		all = append(all, &t.CACertFile, &t.CertFile, &t.KeyFile)
	}
	return all
}

// leaves are the providers that are managed while the node runs.
type leaves struct {
	builtin *builtin.Builtin
	rules   *file.File // nil: off
	scram   *scram.Accounts
	keys    *psk.File // nil: none
}

// useProviders opens all providers and puts them into the chains. What was opened before an error is closed with them.
func (n *Node) useProviders() (err error) {
	c, l := n.Config, &n.leaves
	if l.builtin, err = builtin.New(context.Background(), builtin.Options{
		Config: c.Providers.Builtin, Passwords: n.passwords, Changed: n.Access.DrainCaches,
		Accounts: n.kept.accounts, Rules: n.kept.rules, Log: n.log,
	}); err != nil {
		return err
	}
	n.Access.Use(l.builtin.Providers()...)
	if list := l.builtin.AllowList(); list != nil {
		n.Access.Restrict(list.Listed)
	}
	asked, err := c.providers(n.passwords, n.log)
	if err != nil {
		return err
	}
	n.Access.Use(asked...)
	if l.rules, err = c.rules(); err != nil {
		return err
	}
	if l.rules != nil {
		n.Access.Use(l.rules.Provider())
	}
	if l.scram, err = scram.NewAccounts(n.kept.scram, n.log); err != nil {
		return err
	}
	for name, m := range scram.Mechanisms(l.scram) {
		n.Access.UseMechanism(name, m)
	}
	return n.loadKeys()
}

// keptAccounts are the built-in accounts and rules of a node that does not run, as they were kept.
func (c *Config) keptAccounts(k *kept, passwords *auth.Passwords) (*builtin.Builtin, error) {
	config := c.Providers.Builtin
	config.Users, config.Clients, config.BootstrapFile, config.AllowListFile = nil, nil, "", "" // the start takes care of them
	return builtin.New(context.Background(), builtin.Options{
		Config: config, Passwords: passwords, Accounts: k.accounts, Rules: k.rules,
	})
}

// loadKeys reads the file of pre-shared keys, if it is on.
func (n *Node) loadKeys() error {
	loaded, err := n.Config.loadedPlugins()
	if p := &n.Config.Providers; err == nil && p.PSK.Enable.on(loaded, "emqx_psk_file") {
		n.leaves.keys, err = p.keys()
	}
	return err
}

// ReloadRules reads the rule file and the list of client ids again, and has forgotten what the old rules said.
func (n *Node) ReloadRules() error {
	defer n.Access.DrainCaches() // after an error as well: one of the two may be new
	if n.leaves.rules != nil {
		if err := n.leaves.rules.Reload(); err != nil {
			return err
		}
	}
	if list := n.leaves.builtin.AllowList(); list != nil {
		if err := list.Reload(); err != nil {
			return fmt.Errorf("auth.clientid_allow_list: %w", err)
		}
	}
	return nil
}

// discoverer is what cluster.discovery names.
func (c *Config) discoverer(log *slog.Logger) (discovery.Discoverer, error) {
	d := &c.Cluster.Discovery
	self := discovery.Self{Name: c.Node.Name, Cluster: d.Name, Cookie: c.Node.Cookie, Log: log}
	switch d.Strategy {
	case "static":
		return discovery.NewStatic(d.Static), nil
	case "mcast":
		return mcast.New(d.Mcast, self), nil
	case "dns":
		return dns.New(d.DNS, self, net.DefaultResolver), nil
	case "etcd":
		return etcd.New(d.Etcd, self)
	case "k8s":
		return k8s.New(d.K8s, self, k8s.Account), nil
	}
	return nil, fmt.Errorf("cluster.discovery = %s looks for nobody", d.Strategy)
}
