package login

import (
	"bufio"
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"time"

	"github.com/dunlin-mq/dunlin/keep"
)

// App is the login of a program.
type App struct {
	ID      string    `json:"-"`
	Name    string    `json:"name"`
	Desc    string    `json:"desc"`
	Enabled bool      `json:"enabled"`
	Expires time.Time `json:"expires,omitzero"` // zero: never
	Secret
}

// Errors of changing apps.
var (
	ErrAppExists = errors.New("an app of this id exists already")
	ErrNoApp     = errors.New("there is no app of this id")
	ErrName      = errors.New("a name must not be empty nor hold a colon") // HTTP could not say it
)

// Apps are the logins of programs. They are safe for concurrent use.
type Apps struct {
	hasher    *Hasher
	newSecret string
	records[App]
}

// OpenApps reads the apps that are kept, and follows them; newSecret is given to
// those that bring none, empty for a random one. kept and log may be nil.
func OpenApps(kept keep.Map, hasher *Hasher, newSecret string, log *slog.Logger) (*Apps, error) {
	a := &Apps{hasher: hasher, newSecret: newSecret}
	return a, a.open(kept, log, "app", func(app *App, id string) { app.ID = id })
}

// All returns the apps by their ids.
func (a *Apps) All() []App { return a.list() }

// Get returns an app.
func (a *Apps) Get(id string) (app App, ok bool) { return a.get(id) }

// Add makes an app and returns its secret: the one given, else that of new
// apps. Only its hash is kept.
func (a *Apps) Add(ctx context.Context, app App, secret string) (string, error) {
	if checkName(app.ID) != nil {
		return "", ErrName
	}
	if secret = cmp.Or(secret, a.newSecret); secret == "" {
		secret = rand.Text()
	}
	var err error
	if app.Secret, err = a.hasher.make(ctx, secret); err != nil {
		return "", err
	}
	return secret, a.change(app.ID, func(_ App, there bool) (App, error) {
		if there {
			return app, ErrAppExists
		}
		return app, nil
	})
}

// AddMissing is Add for what a configuration names: an app that is there stays
// as it is.
func (a *Apps) AddMissing(ctx context.Context, id, secret string) error {
	if _, known := a.get(id); known {
		return nil
	}
	_, err := a.Add(ctx, App{ID: id, Name: id, Enabled: true}, secret)
	return err
}

// Update changes what f changes; the id and the secret stay.
func (a *Apps) Update(id string, f func(*App)) error {
	return a.change(id, func(app App, there bool) (App, error) {
		if !there {
			return app, ErrNoApp
		}
		secret := app.Secret
		f(&app)
		app.ID, app.Secret = id, secret
		return app, nil
	})
}

// Delete removes an app; the error may be ErrNoApp.
func (a *Apps) Delete(id string) error {
	return a.remove(id, func(_ App, there bool) error {
		if !there {
			return ErrNoApp
		}
		return nil
	})
}

// Load makes the apps of a file with lines app_id:secret that aren't there.
func (a *Apps) Load(ctx context.Context, path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	lines := bufio.NewScanner(f)
	for n := 1; lines.Scan(); n++ {
		line := strings.TrimSpace(lines.Text())
		if line == "" {
			continue
		}
		id, secret, ok := strings.Cut(line, ":")
		if !ok || id == "" || secret == "" {
			return fmt.Errorf("%s:%d: expected app_id:secret", path, n)
		}
		if err := a.AddMissing(ctx, id, secret); err != nil {
			return fmt.Errorf("%s:%d: %w", path, n, err)
		}
	}
	return lines.Err()
}

func (app *App) valid(now time.Time) bool {
	return app.Enabled && (app.Expires.IsZero() || !app.Expires.Before(now))
}

// Proven reports, at once, that the secret is right and was found so before.
func (a *Apps) Proven(id, secret string) bool {
	app, there := a.get(id)
	return there && app.valid(time.Now()) && a.hasher.proven(&app.Secret, secret)
}

// Check takes its time, the same whether the id or the secret is wrong.
func (a *Apps) Check(ctx context.Context, id, secret string) bool {
	app, there := a.get(id)
	kept := &app.Secret
	if !there {
		kept = nil
	}
	return a.hasher.fits(ctx, kept, secret) && app.valid(time.Now())
}

func checkName(name string) error {
	if name == "" || strings.Contains(name, ":") {
		return ErrName
	}
	return nil
}
