package api

import (
	"bufio"
	"cmp"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/dunlin-mq/dunlin/auth"
)

// App is one login of the interface.
type App struct {
	ID      string    `json:"-"`
	Name    string    `json:"name"`
	Desc    string    `json:"desc"`
	Enabled bool      `json:"enabled"`
	Expires time.Time `json:"expires,omitzero"` // zero: never

	Hash   string `json:"hash"` // the way the secret is stored
	Stored string `json:"stored"`
	Salt   string `json:"salt,omitempty"`
}

// Errors of changing apps.
var (
	ErrAppExists = errors.New("an app of this id exists already")
	errAppID     = errors.New("the id of an app must not be empty nor hold a colon")
)

// Apps are all logins: in memory, and written to a Keeper. It is safe for
// concurrent use.
type Apps struct {
	keeper    auth.Keeper // nil: memory only
	hash      auth.Hash
	passwords *auth.Passwords
	newSecret string
	// nobody is an app whose secret nobody has: an unknown id must take as long
	// as a wrong secret.
	nobody func() App

	mu   sync.RWMutex
	apps map[string]App
}

func openApps(keeper auth.Keeper, passwords *auth.Passwords, hash auth.Hash, newSecret string) (*Apps, error) {
	a := &Apps{keeper: keeper, hash: hash, passwords: passwords, newSecret: newSecret, apps: make(map[string]App)}
	a.nobody = sync.OnceValue(func() App {
		var app App // if nothing can be made, nothing fits it either
		app.Hash = hash.String()
		app.Stored, app.Salt, _ = hash.Make([]byte(rand.Text()))
		return app
	})
	if keeper == nil {
		return a, nil
	}
	err := keeper.Each(func(id string, value []byte) error {
		app := App{ID: id}
		if err := json.Unmarshal(value, &app); err != nil {
			return fmt.Errorf("the app %q can't be read: %w", id, err)
		}
		a.apps[id] = app
		return nil
	})
	return a, err
}

// All returns the apps by their ids.
func (a *Apps) All() []App {
	a.mu.RLock()
	defer a.mu.RUnlock()
	return slices.SortedFunc(maps.Values(a.apps), func(x, y App) int { return cmp.Compare(x.ID, y.ID) })
}

// Add makes an app and returns its secret: the one given, else the configured
// one for new apps, else a random one. Only its hash is kept.
func (a *Apps) Add(app App, secret string) (string, error) {
	if app.ID == "" || strings.Contains(app.ID, ":") {
		return "", errAppID
	}
	if secret = cmp.Or(secret, a.newSecret); secret == "" {
		secret = rand.Text()
	}
	var err error
	app.Hash = a.hash.String()
	if app.Stored, app.Salt, err = a.hash.Make([]byte(secret)); err != nil {
		return "", err
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if _, exists := a.apps[app.ID]; exists {
		return "", ErrAppExists
	}
	if a.keeper != nil {
		value, err := json.Marshal(app)
		if err == nil {
			err = a.keeper.Put(app.ID, value)
		}
		if err != nil {
			return "", err
		}
	}
	a.apps[app.ID] = app
	return secret, nil
}

// addMissing is Add for what a configuration names: an app that is there stays
// as it is.
func (a *Apps) addMissing(id, secret string) error {
	if _, known := a.get(id); known {
		return nil
	}
	_, err := a.Add(App{ID: id, Name: id, Enabled: true}, secret)
	return err
}

// load makes the apps of a file with lines app_id:secret.
func (a *Apps) load(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("management.bootstrap_apps_file: %w", err)
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
			return fmt.Errorf("management.bootstrap_apps_file: %s:%d: expected app_id:secret", path, n)
		}
		if err := a.addMissing(id, secret); err != nil {
			return fmt.Errorf("management.bootstrap_apps_file: %s:%d: %w", path, n, err)
		}
	}
	return lines.Err()
}

func (a *Apps) get(id string) (App, bool) {
	a.mu.RLock()
	defer a.mu.RUnlock()
	app, ok := a.apps[id]
	return app, ok
}

// hash is the way the secret is stored; nothing fits one that isn't known.
func (app *App) hash() auth.Hash {
	h, _ := auth.ParseHash(app.Hash)
	return h
}

func (app *App) valid(now time.Time) bool {
	return app.Enabled && (app.Expires.IsZero() || !app.Expires.Before(now))
}

// proven reports, at once, that the secret is right and was found so before.
func (a *Apps) proven(id, secret string) bool {
	app, ok := a.get(id)
	if !ok || !app.valid(time.Now()) {
		return false
	}
	fits, _ := a.passwords.VerifyAtOnce(app.hash(), app.Stored, app.Salt, []byte(secret))
	return fits
}

// check takes its time, the same whether the id or the secret is wrong.
func (a *Apps) check(ctx context.Context, id, secret string) bool {
	app, known := a.get(id)
	if !known {
		app = a.nobody()
	}
	fits, err := a.passwords.Verify(ctx, app.hash(), app.Stored, app.Salt, []byte(secret))
	return err == nil && fits && known && app.valid(time.Now())
}
