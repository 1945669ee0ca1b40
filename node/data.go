package node

import (
	"context"
	"errors"
	"log/slog"
	"path/filepath"
	"time"

	"github.com/dunlin-mq/dunlin/api/login"
	"github.com/dunlin-mq/dunlin/auth"
	"github.com/dunlin-mq/dunlin/backup"
)

// exports is the folder of the data exports.
func (c *Config) exports() backup.Folder {
	return backup.Folder(filepath.Join(c.Node.DataDir, "backup"))
}

// exported is what is exported, and imported into, but for what is the API's own.
func (n *Node) exported() *backup.Target {
	return &backup.Target{Accounts: n.leaves.builtin, Rules: n.leaves.builtin, Bans: n.Access.Bans()}
}

// OpenData opens what a node keeps that does not run, to import into it; one
// that runs holds it. A member waits up to a minute for a majority of the others. Close it.
func OpenData(c *Config) (*Data, error) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	k, err := c.openKept(ctx, slog.New(slog.DiscardHandler), nil)
	if err != nil {
		return nil, err
	}
	d := &Data{kept: k, access: auth.New(auth.Options{Config: c.AccessControl, Bans: k.bans})}
	passwords := auth.NewPasswords()
	list, err := c.keptAccounts(k, passwords)
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
	apps, err := login.OpenApps(d.kept.apps, hasher, "", nil)
	if err != nil {
		return err
	}
	users, err := login.OpenUsers(d.kept.users, hasher, login.SessionOptions{}, nil)
	d.Apps, d.Users = apps, users
	return err
}

// Data is what a node keeps that does not run.
type Data struct {
	backup.Target
	kept   *kept
	access *auth.Control
}

// Close gives the data directory free.
func (d *Data) Close() error {
	d.access.Close()
	return d.kept.engine.Close()
}
