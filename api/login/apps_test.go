package login

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/dunlin-mq/dunlin/auth"
	"github.com/dunlin-mq/dunlin/backup"
	"github.com/dunlin-mq/dunlin/keep"
	"github.com/dunlin-mq/dunlin/keep/keeptest"
)

var errDisk = errors.New("the disk is full")

// fast is a way of storing that takes the way of a slow one, but not its time.
func fast(t *testing.T) *Hasher {
	t.Helper()
	h, err := auth.ParseHash("pbkdf2,sha256,1,20")
	if err != nil {
		t.Fatal(err)
	}
	return NewHasher(h, auth.NewPasswords())
}

func openApps(t *testing.T, kept keep.Map, newSecret string) *Apps {
	t.Helper()
	a, err := OpenApps(kept, fast(t), newSecret, nil)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func TestAppsAreKept(t *testing.T) {
	keeper := keeptest.New()
	ctx := t.Context()
	apps := openApps(t, keeper, "")
	until := time.Now().AddDate(100, 0, 0)
	secret, err := apps.Add(ctx, App{ID: "a", Name: "n", Desc: "d", Enabled: true, Expires: until}, "")
	if err != nil || len(secret) < 20 {
		t.Fatalf("secret %q, %v", secret, err)
	}
	if other, err := apps.Add(ctx, App{ID: "b"}, ""); err != nil || other == secret {
		t.Errorf("two apps have the same secret: %v", err)
	}
	if _, err := apps.Add(ctx, App{ID: "a"}, "x"); !errors.Is(err, ErrAppExists) {
		t.Errorf("added twice: %v", err)
	}
	if strings.Contains(keeper.Records()["a"], secret) {
		t.Error("the secret is kept in clear")
	}
	again := openApps(t, keeper, "")
	all := again.All()
	if len(all) != 2 || all[0].ID != "a" || all[0].Name != "n" || all[0].Desc != "d" || !all[0].Enabled || all[0].Expires.IsZero() || all[1].ID != "b" {
		t.Errorf("after a restart: %+v", all)
	}
	if !again.Check(ctx, "a", secret) || again.Check(ctx, "a", "wrong") || again.Check(ctx, "c", secret) {
		t.Error("after a restart the secret is another")
	}
}

func TestAppsThatCannotBe(t *testing.T) {
	keeper := keeptest.New()
	ctx := t.Context()
	apps := openApps(t, keeper, "shared")
	for _, id := range []string{"", "a:b"} {
		if _, err := apps.Add(ctx, App{ID: id}, ""); !errors.Is(err, ErrName) {
			t.Errorf("the id %q: %v", id, err)
		}
		if err := apps.PutApp(ctx, backup.App{ID: id}); !errors.Is(err, ErrName) {
			t.Errorf("the id %q is imported: %v", id, err)
		}
	}
	if secret, err := apps.Add(ctx, App{ID: "a"}, ""); err != nil || secret != "shared" {
		t.Errorf("the secret of new apps isn't given: %q %v", secret, err)
	}
	keeper.Fail(errDisk)
	if _, err := apps.Add(ctx, App{ID: "b", Enabled: true}, "s"); !errors.Is(err, errDisk) || apps.Check(ctx, "b", "s") {
		t.Errorf("an app that can't be kept: %v", err)
	}
	if err := apps.Delete("a"); !errors.Is(err, errDisk) || len(apps.All()) != 1 {
		t.Errorf("an app that can't be deleted: %v", err)
	}
	if _, err := OpenApps(keeptest.Of(map[string]string{"c": "{"}), fast(t), "", nil); err == nil || !strings.Contains(err.Error(), `the app "c" can't be read`) {
		t.Errorf("a damaged record: %v", err)
	}
}

func TestAppsChange(t *testing.T) {
	keeper := keeptest.New()
	ctx := t.Context()
	apps := openApps(t, keeper, "")
	if _, err := apps.Add(ctx, App{ID: "a", Name: "n", Enabled: true}, "secret"); err != nil {
		t.Fatal(err)
	}
	if !apps.Check(ctx, "a", "secret") || !apps.Proven("a", "secret") {
		t.Fatal("the login isn't right")
	}
	f := func(change func(*App), want bool) {
		t.Helper()
		if err := apps.Update("a", change); err != nil {
			t.Fatal(err)
		}
		if checked, proven := apps.Check(ctx, "a", "secret"), apps.Proven("a", "secret"); checked != want || proven != want {
			t.Errorf("%+v: checked %v, proven %v, want %v", apps.All(), checked, proven, want)
		}
	}
	f(func(a *App) { a.Enabled = false }, false)
	f(func(a *App) { a.Enabled, a.ID, a.Secret = true, "b", Secret{} }, true) // these two stay
	f(func(a *App) { a.Expires = time.Now().Add(-time.Minute) }, false)
	f(func(a *App) { a.Expires = time.Now().Add(time.Hour) }, true)
	if err := apps.Update("z", func(*App) {}); !errors.Is(err, ErrNoApp) {
		t.Errorf("of none: %v", err)
	}
	if err := apps.Delete("a"); err != nil || apps.Check(ctx, "a", "secret") || apps.Proven("a", "secret") {
		t.Errorf("after the deletion: %v", err)
	}
	if err := apps.Delete("a"); !errors.Is(err, ErrNoApp) {
		t.Errorf("deleted twice: %v", err)
	}
}

func TestAppsOfAFile(t *testing.T) {
	file := filepath.Join(t.TempDir(), "apps.txt")
	load := func(text string, apps *Apps) error {
		t.Helper()
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return apps.Load(t.Context(), file)
	}
	apps := openApps(t, nil, "")
	if err := load("one:first\r\n\n two:with:colon\n", apps); err != nil {
		t.Fatal(err)
	}
	ctx := t.Context()
	if !apps.Check(ctx, "one", "first") || !apps.Check(ctx, "two", "with:colon") || len(apps.All()) != 2 {
		t.Errorf("the file's apps are %+v", apps.All())
	}
	if err := load("one:other\n", apps); err != nil || !apps.Check(ctx, "one", "first") {
		t.Errorf("the file has changed an app that was there: %v", err)
	}
	for text, want := range map[string]string{
		"a:b\nnonsense\n": file + ":2: expected app_id:secret",
		"a:\n":            file + ":1: expected app_id:secret",
	} {
		if err := load(text, openApps(t, nil, "")); err == nil || err.Error() != want {
			t.Errorf("%q: %v, want %s", text, err, want)
		}
	}
	if err := apps.Load(ctx, file+".none"); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("no such file: %v", err)
	}
}
