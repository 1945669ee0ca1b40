package api

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/dunlin-mq/dunlin/auth"
)

func fast(t *testing.T) auth.Hash {
	t.Helper()
	h, err := auth.ParseHash(fastHash)
	if err != nil {
		t.Fatal(err)
	}
	return h
}

func TestAppsAreKept(t *testing.T) {
	var keeper fakeKeeper
	passwords := auth.NewPasswords()
	apps, err := openApps(&keeper, passwords, fast(t), "")
	if err != nil {
		t.Fatal(err)
	}
	secret, err := apps.Add(App{ID: "a", Name: "n", Desc: "d", Enabled: true, Expires: someTime.AddDate(100, 0, 0)}, "")
	if err != nil || len(secret) < 20 {
		t.Fatalf("secret %q, %v", secret, err)
	}
	if other, err := apps.Add(App{ID: "b"}, ""); err != nil || other == secret {
		t.Errorf("two apps have the same secret: %v", err)
	}
	if _, err := apps.Add(App{ID: "a"}, "x"); !errors.Is(err, ErrAppExists) {
		t.Errorf("added twice: %v", err)
	}
	again, err := openApps(&keeper, passwords, fast(t), "")
	if err != nil {
		t.Fatal(err)
	}
	all := again.All()
	if len(all) != 2 || all[0].ID != "a" || all[0].Name != "n" || all[0].Desc != "d" || !all[0].Enabled || all[0].Expires.IsZero() || all[1].ID != "b" {
		t.Errorf("after a restart: %+v", all)
	}
	if !again.check(t.Context(), "a", secret) || again.check(t.Context(), "a", "wrong") || again.check(t.Context(), "c", secret) {
		t.Error("after a restart the secret is another")
	}
}

func TestAppsThatCannotBe(t *testing.T) {
	var keeper fakeKeeper
	apps, err := openApps(&keeper, auth.NewPasswords(), fast(t), "shared")
	if err != nil {
		t.Fatal(err)
	}
	for _, id := range []string{"", "a:b"} {
		if _, err := apps.Add(App{ID: id}, ""); err == nil {
			t.Errorf("the id %q was taken", id)
		}
	}
	if secret, err := apps.Add(App{ID: "a"}, ""); err != nil || secret != "shared" {
		t.Errorf("management.application.default_secret isn't given: %q %v", secret, err)
	}
	keeper.broken = errDisk
	if _, err := apps.Add(App{ID: "b", Enabled: true}, "s"); !errors.Is(err, errDisk) || apps.check(t.Context(), "b", "s") {
		t.Errorf("an app that can't be kept: %v", err)
	}
	keeper.records["c"] = []byte("{")
	if _, err := New(Options{Apps: &keeper}); err == nil || !strings.Contains(err.Error(), `the app "c" can't be read`) {
		t.Errorf("a damaged record: %v", err)
	}
}

func TestAppsOfTheConfiguration(t *testing.T) {
	file := filepath.Join(t.TempDir(), "apps.txt")
	boot := func(text string, keeper *fakeKeeper) (*Server, error) {
		t.Helper()
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		o := Options{Apps: keeper, hash: fastHash}
		o.Config.SetDefaults()
		o.Config.BootstrapFile = file
		return New(o)
	}
	var keeper fakeKeeper
	s, err := boot("one:first\r\n\n two:with:colon\n", &keeper)
	if err != nil {
		t.Fatal(err)
	}
	if !s.apps.check(t.Context(), "one", "first") || !s.apps.check(t.Context(), "two", "with:colon") || len(s.apps.All()) != 2 {
		t.Errorf("the file's apps are %+v", s.apps.All())
	}
	if s.first.secret != "" {
		t.Error("there is a first login beside those of the file")
	}
	if s, err = boot("one:other\n", &keeper); err != nil || !s.apps.check(t.Context(), "one", "first") {
		t.Errorf("the file has changed an app that was there: %v", err)
	}
	for text, want := range map[string]string{
		"a:b\nnonsense\n": file + ":2: expected app_id:secret",
		"a:\n":            file + ":1: expected app_id:secret",
	} {
		if _, err := boot(text, new(fakeKeeper)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %s", text, err, want)
		}
	}
	o := Options{}
	o.Config.SetDefaults()
	o.Config.BootstrapFile = file + ".none"
	if _, err := New(o); err == nil || !strings.Contains(err.Error(), "management.bootstrap_apps_file") {
		t.Errorf("no such file: %v", err)
	}
}

func TestSecretEverybodyKnows(t *testing.T) {
	_, f := newServer(t, func(o *Options) { o.Config.DefaultSecret = "public" })
	if !strings.Contains(f.log.String(), "management.default_application.secret is the one EMQ X is delivered with") {
		t.Errorf("the log says: %s", f.log.String())
	}
}

// TestSecretsAreKeptByBcrypt where nothing else is asked for.
func TestSecretsAreKeptByBcrypt(t *testing.T) {
	var keeper fakeKeeper
	_, _ = newServer(t, func(o *Options) { o.hash, o.Apps = "", &keeper })
	if value := string(keeper.records["admin"]); !strings.Contains(value, `"hash":"bcrypt","stored":"$2`) || strings.Contains(value, secretOfAdmin) {
		t.Errorf("kept is %s", value)
	}
}
