package node

import (
	"context"
	"fmt"
	"slices"

	"github.com/dunlin-mq/dunlin/api"
	"github.com/dunlin-mq/dunlin/auth"
	"github.com/dunlin-mq/dunlin/dashboard"
)

// aclModule is EMQ X's name of what reads the rule file.
const aclModule = "emqx_mod_acl_internal"

// startAccess opens what the node keeps and builds the access control.
func (n *Node) startAccess(ctx context.Context) (err error) {
	c := n.Config
	if n.kept, err = c.openKept(ctx, n.log, n.Metrics); err != nil {
		return err
	}
	n.cluster = newClustering(c, n.kept.engine, n.log)
	n.passwords = auth.NewPasswords()
	n.Access = auth.New(auth.Options{Config: c.AccessControl, Metrics: n.Metrics, Log: n.log, Bans: n.kept.bans})
	err = n.useProviders()
	if err == nil {
		err = c.loadSlowSubs()
	}
	if err != nil {
		n.stopAccess()
	}
	return err
}

// stopAccess is for when nobody asks any more.
func (n *Node) stopAccess() {
	n.Access.Close()
	if err := n.kept.engine.Close(); err != nil {
		n.log.Error("what the node keeps isn't closed properly", "err", err)
	}
}

// startAPI opens the management API.
func (n *Node) startAPI() error {
	on, err := n.parts()
	if err != nil {
		return err
	}
	n.API, err = api.New(api.Options{
		Config: n.Config.Management, Dashboard: n.Config.dashboard(on), Node: n.Config.Node.Name, Peers: managers{n.kept.engine}, Version: Version, DataDir: n.Config.Node.DataDir, Log: n.log,
		Apps: n.kept.apps, Users: n.kept.users, UserSessions: n.kept.userSessions, Passwords: n.passwords,
		Accounts: n.leaves.builtin, Rules: n.leaves.builtin, Scram: n.leaves.scram,
		Bans: n.Access.Bans(), Backup: n.exported(), Exports: n.Config.exports(), Caches: n.Broker, Drainer: n.Access, ReloadACL: n.ReloadRules, Health: n.health, Degraded: n.degraded, Backends: n.backends, Alarms: n.Alarms,
		Logs: n.logs(), Traces: n.trace, Zone: n.zone, Broker: n.Broker, MQTT: n.Server, Evacuation: n.Server, Metrics: n.Metrics, History: n.History, On: func(name string) bool { return on[name] },
		Pages: dashboard.Handler(), Store: n.kept.engine, Cluster: n.cluster, Configs: n.configs(),
		Reread: n.ReloadCertificates,
	})
	if err != nil {
		return err
	}
	if err := n.kept.engine.HandleLater(manageKind, n.API.Answer); err != nil {
		return err
	}
	return n.API.Start()
}

// configs is the node if its configuration can change while it runs: one that
// LoadConfig has made.
func (n *Node) configs() api.Configs {
	if n.Config.sources == nil {
		return nil
	}
	return n
}

// dashboard is where it listens: nowhere if EMQ X would not have loaded it.
func (c *Config) dashboard(on map[string]bool) api.Dashboard {
	d := c.Dashboard
	if !on["emqx_dashboard"] {
		d.HTTP.Addresses, d.HTTPS.Addresses = nil, nil
	}
	return d
}

// backends are the systems that access control asks.
func (n *Node) backends() (all []api.Backend) {
	for _, b := range n.Access.Backends() {
		all = append(all, api.Backend{Name: b.Name, Up: b.Up, Since: b.Since, Error: b.LastError, Waiting: b.Waiting, Busy: b.Busy})
	}
	return all
}

// Warnings are what an operator should know about who can get in, a sentence each.
func (n *Node) Warnings() []string {
	var all []string
	c := n.inForce()
	for _, l := range n.Server.Listeners() {
		if !l.Addr.Addr().Unmap().IsLoopback() && c.Zone(l.Zone).AllowAnonymous == auth.AnonymousAllowed {
			all = append(all, fmt.Sprintf("other machines can connect to listener.%s.%s without a password (allow_anonymous = true). To refuse them: DUNLIN_ALLOW_ANONYMOUS=false", l.Protocol, l.Name))
		}
	}
	all = append(all, n.unasked()...)
	if w := n.Config.cookieWarning(); w != "" {
		all = append(all, w)
	}
	return append(all, c.idle...)
}

// unasked is what keeps nobody out, as no listener asks for it: zones do so only if they say it, as in EMQ X.
func (n *Node) unasked() (all []string) {
	acl, bans, c := false, false, n.inForce()
	for _, l := range n.Server.Listeners() {
		z := c.Zone(l.Zone)
		acl, bans = acl || z.EnableACL, bans || z.EnableBan
		flapping := fmt.Sprintf("zone.%s.enable_flapping_detect keeps nobody out without zone.%[1]s.enable_ban = on", l.Zone)
		if z.EnableFlapping && !z.EnableBan && !slices.Contains(all, flapping) {
			all = append(all, flapping)
		}
	}
	_, rules := n.leaves.builtin.Rules(auth.RuleFilter{}, 0, 0)
	if !acl && (n.Config.Providers.ACLFile != "" || rules > 0) {
		all = append(all, "the rules about topics are not looked at: no zone of a listener has enable_acl = on")
	}
	if !bans && len(n.Access.Bans().All()) > 0 {
		all = append(all, "the bans keep nobody out: no zone of a listener has enable_ban = on")
	}
	return all
}
