package node

import (
	"errors"
	"path/filepath"

	"github.com/dunlin-mq/dunlin/api/login"
	"github.com/dunlin-mq/dunlin/auth"
	"github.com/dunlin-mq/dunlin/backup"
	"github.com/dunlin-mq/dunlin/store"
)

// openStore opens the file of everything that the node keeps.
func (c *Config) openStore() (*store.Store, error) {
	return store.Open(filepath.Join(c.Node.DataDir, "dunlin.db"))
}

// exports is the folder of the data exports.
func (c *Config) exports() backup.Folder {
	return backup.Folder(filepath.Join(c.Node.DataDir, "backup"))
}

// kept is what is exported, and imported into, but for what is the API's own.
func (n *Node) kept() *backup.Target {
	return &backup.Target{Accounts: n.leaves.builtin, Rules: n.leaves.builtin, Bans: n.Access.Bans()}
}

// OpenData opens what a node keeps that does not run, to import into it; one
// that runs has its store locked. Close it.
func OpenData(c *Config) (*Data, error) {
	s, err := c.openStore()
	if err != nil {
		return nil, err
	}
	d := &Data{store: s, access: auth.New(auth.Options{Config: c.AccessControl, Bans: s.Map("banned")})}
	passwords := auth.NewPasswords()
	list, err := c.keptAccounts(s, passwords)
	if err == nil {
		d.Target = backup.Target{Accounts: list, Rules: list, Bans: d.access.Bans()}
		err = d.openLogins(passwords)
	}
	if err != nil {
		return nil, errors.Join(err, d.Close())
	}
	return d, nil
}

// openLogins opens the logins of the management API and of the dashboard.
func (d *Data) openLogins(passwords *auth.Passwords) error {
	hash, err := auth.ParseHash("bcrypt")
	if err != nil {
		return err
	}
	hasher := login.NewHasher(hash, passwords)
	apps, err := login.OpenApps(d.store.Map(appsMap), hasher, "")
	if err != nil {
		return err
	}
	users, err := login.OpenUsers(d.store.Map(usersMap), hasher, login.SessionOptions{})
	d.Apps, d.Users = apps, users
	return err
}

// Data is what a node keeps that does not run.
type Data struct {
	backup.Target
	store  *store.Store
	access *auth.Control
}

// Close gives the store free.
func (d *Data) Close() error {
	d.access.Close()
	return d.store.Close()
}
