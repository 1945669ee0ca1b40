package login

import (
	"context"

	"github.com/dunlin-mq/dunlin/backup"
)

// StoredApps are the apps with what is kept of their secrets, for an export.
func (a *Apps) StoredApps() (all []backup.App) {
	kept := a.All()
	for i := range kept {
		app := &kept[i]
		all = append(all, backup.App{
			ID: app.ID, Name: app.Name, Desc: app.Desc, Enabled: app.Enabled, Expires: app.Expires, Hashed: app.hashed(),
		})
	}
	return all
}

// PutApp adds an app of an export, or puts it in the place of the one of its
// id. A secret in clear is hashed.
func (a *Apps) PutApp(ctx context.Context, from backup.App) error {
	if err := checkName(from.ID); err != nil {
		return err
	}
	app := App{ID: from.ID, Name: from.Name, Desc: from.Desc, Enabled: from.Enabled, Expires: from.Expires, Secret: secretOf(from.Hashed)}
	if from.Secret != "" {
		var err error
		if app.Secret, err = a.hasher.make(ctx, from.Secret); err != nil {
			return err
		}
	}
	return a.change(app.ID, func(App, bool) (App, error) { return app, nil })
}

// StoredUsers are the users with what is kept of their passwords, for an export.
func (u *Users) StoredUsers() (all []backup.User) {
	for _, user := range u.All() {
		all = append(all, backup.User{Name: user.Name, Tags: string(user.Role), MustChange: user.MustChange, Hashed: user.hashed()})
	}
	return all
}

// PutUser adds a user of an export, or puts him in the place of the one of his
// name, whose sessions end. In EMQ X everybody may do everything, whatever the
// tags say, but for viewers. The error may be ErrLast.
func (u *Users) PutUser(_ context.Context, from backup.User) error {
	if err := checkName(from.Name); err != nil {
		return err
	}
	user := User{Name: from.Name, Role: Administrator, MustChange: from.MustChange, Secret: secretOf(from.Hashed)}
	if from.Tags == string(Viewer) {
		user.Role = Viewer
	}
	return u.change(user.Name, func(old User, _ bool) (User, error) { return user, u.remainsOne(&old, user.Role) })
}

func (s *Secret) hashed() backup.Hashed {
	return backup.Hashed{Hash: s.kind(), Stored: s.Stored, Salt: string(s.Salt)}
}

func secretOf(h backup.Hashed) Secret { return Secret{h.Hash.String(), h.Stored, []byte(h.Salt)} }
