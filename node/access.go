package node

import (
	"fmt"
	"path/filepath"

	"github.com/dunlin-mq/dunlin/api"
	"github.com/dunlin-mq/dunlin/auth"
	"github.com/dunlin-mq/dunlin/store"
)

// aclModule is EMQ X's name of what reads the rule file.
const aclModule = "emqx_mod_acl_internal"

// startAccess opens what the node keeps and builds the access control.
func (n *Node) startAccess() (err error) {
	c := n.Config
	if n.store, err = store.Open(filepath.Join(c.Node.DataDir, "dunlin.db")); err != nil {
		return err
	}
	n.passwords = auth.NewPasswords()
	n.Access = auth.New(auth.Options{Config: c.AccessControl, Metrics: n.Metrics, Log: n.log, Bans: n.store.Map("banned")})
	if err := n.useProviders(); err != nil {
		n.stopAccess()
		return err
	}
	return nil
}

// stopAccess is for when nobody asks any more.
func (n *Node) stopAccess() {
	n.Access.Close()
	if err := n.store.Close(); err != nil {
		n.log.Error("the store of accounts and bans isn't closed properly", "err", err)
	}
}

// startAPI opens the management API.
func (n *Node) startAPI() error {
	server, err := api.New(api.Options{
		Config: n.Config.Management, Node: n.Config.Node.Name, Version: Version, DataDir: n.Config.Node.DataDir, Log: n.log,
		Apps: n.store.Map("apps"), Passwords: n.passwords,
		Accounts: n.leaves.builtin, Rules: n.leaves.builtin, Scram: n.leaves.scram,
		Bans: n.Access.Bans(), Caches: n.Broker, Drainer: n.Access, ReloadACL: n.ReloadRules, Health: n.health,
	})
	if err != nil {
		return err
	}
	if err := server.Start(); err != nil {
		return err
	}
	n.API = server
	return nil
}

// health is for the management API.
func (n *Node) health() api.Health {
	h := api.Health{Warnings: n.Warnings()}
	for _, b := range n.Access.Backends() {
		h.Backends = append(h.Backends, api.Backend{Name: b.Name, Up: b.Up, Since: b.Since, Error: b.LastError, Waiting: b.Waiting, Busy: b.Busy})
	}
	return h
}

// Warnings are what an operator should know about who can get in, a sentence each.
func (n *Node) Warnings() []string {
	var all []string
	for _, l := range n.Server.Listeners() {
		if !l.Addr.Addr().Unmap().IsLoopback() && n.Config.Zone(l.Zone).AllowAnonymous == auth.AnonymousAllowed {
			all = append(all, fmt.Sprintf("other machines can connect to listener.%s.%s without a password (allow_anonymous = true). To refuse them: DUNLIN_ALLOW_ANONYMOUS=false", l.Protocol, l.Name))
		}
	}
	return append(all, n.Config.idle...)
}
