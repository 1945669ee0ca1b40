package api

import (
	"context"
	"encoding/json"

	"github.com/dunlin-mq/dunlin/auth"
	"github.com/dunlin-mq/dunlin/backup"
)

// OpenApps reads the apps of a node that does not run, to import into them.
func OpenApps(keeper auth.Keeper, passwords *auth.Passwords) (*Apps, error) {
	hash, err := auth.ParseHash("bcrypt")
	if err != nil {
		return nil, err
	}
	return openApps(keeper, passwords, hash, "")
}

// StoredApps returns the apps with what is kept of their secrets.
func (a *Apps) StoredApps() (all []backup.App) {
	for _, app := range a.All() {
		all = append(all, backup.App{
			ID: app.ID, Name: app.Name, Desc: app.Desc, Enabled: app.Enabled, Expires: app.Expires,
			Hashed: backup.Hashed{Hash: app.hash(), Stored: app.Stored, Salt: app.Salt},
		})
	}
	return all
}

// PutApp adds an app, or puts it in the place of the one of its id.
func (a *Apps) PutApp(ctx context.Context, from backup.App) (err error) {
	app := App{
		ID: from.ID, Name: from.Name, Desc: from.Desc, Enabled: from.Enabled, Expires: from.Expires,
		Hash: from.Hash.String(), Stored: from.Stored, Salt: from.Salt,
	}
	if from.Secret != "" {
		app.Hash = a.hash.String()
		if app.Stored, app.Salt, err = a.passwords.Make(ctx, a.hash, []byte(from.Secret)); err != nil {
			return err
		}
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.keeper != nil {
		value, err := json.Marshal(app)
		if err == nil {
			err = a.keeper.Put(app.ID, value)
		}
		if err != nil {
			return err
		}
	}
	a.apps[app.ID] = app
	return nil
}
