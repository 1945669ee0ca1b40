package dunlin_test

import (
	"go/token"
	"path"
	"strings"
	"testing"
)

// TestLayerRule shows, case by case, what the table allows.
func TestLayerRule(t *testing.T) {
	ok := func(from, to string) {
		t.Helper()
		if err := mayImport(from, to); err != "" {
			t.Errorf("%s → %s should be allowed: %s", from, to, err)
		}
	}
	bad := func(from, to, want string) {
		t.Helper()
		if err := mayImport(from, to); !strings.Contains(err, want) {
			t.Errorf("%s → %s: got %q, want it to say %q", from, to, err, want)
		}
	}
	ok("cmd/dunlin", "node")
	ok("broker", "session")
	ok("server", "server/netloop")
	ok("connector/kafka", "connector")
	ok("connector/kafka", "mqtt")
	ok("internal/mqtttest", "node")
	ok("bench", "mqtt")
	bad("session", "broker", "row 2 may not import row 3")
	bad("session", "retain", "row 2 may not import row 2")
	bad("server/netloop", "server", "row 4 may not import row 4")
	bad("mqtt", "topic", "row 0 may not import row 0")
	bad("connector/kafka", "connector/http", "only node/providers.go imports a leaf")
	bad("broker", "auth/jwt", "only node/providers.go imports a leaf")
	bad("connector/kafka", "hook", "a leaf imports its parent and row 0 only")
	bad("broker", "internal/mqtttest", "only tests may import it")
	bad("node", "bench", "only cmd/dunlin may import it")
	bad("bench", "hook", "package bench imports nothing above row 0")
}

// TestFileRules shows that each rule on a file can fail, and stays quiet on the nearest thing that is allowed.
func TestFileRules(t *testing.T) {
	check := func(rule func(*pkg, *file) []string, name, src, want string) {
		t.Helper()
		f, err := parse(token.NewFileSet(), name, []byte(src))
		if err != nil {
			t.Fatal(err)
		}
		got := strings.Join(rule(&pkg{path: path.Dir(name)}, f), "\n")
		if (want == "") != (got == "") || !strings.Contains(got, want) {
			t.Errorf("%s: got %q, want %q", name, got, want)
		}
	}
	lines := func(n int) string { return strings.Repeat("\n", n) }

	check(importsPointDown, "mqtt/a.go", `package mqtt; import "github.com/dunlin-mq/dunlin/broker"`, "mqtt/a.go imports broker")
	check(importsPointDown, "node/a.go", `package node; import "github.com/dunlin-mq/dunlin/auth/jwt"`, "imports a leaf")
	check(importsPointDown, leafTable, `package node; import "github.com/dunlin-mq/dunlin/auth/jwt"`, "")
	check(hiddenLibraries, "broker/a.go", `package broker; import "github.com/nats-io/nats.go"`, "only package engine")
	check(hiddenLibraries, "engine/a.go", `package engine; import "github.com/nats-io/nats.go"`, "")
	check(oneClientLibrary, "auth/jwt/a.go", `package jwt; import ("github.com/a/b"; "github.com/c/d")`, "github.com/a and github.com/c")
	check(oneClientLibrary, "auth/jwt/a.go", `package jwt; import ("github.com/a/b"; "github.com/a/d"; "crypto/rsa")`, "")
	check(staysPure, "session/a.go", `package session; import "sync"`, "imports sync")
	check(staysPure, "session/a.go", `package session; func f() { go f() }`, "session/a.go:1 starts a goroutine")
	check(staysPure, "broker/a.go", `package broker; import "sync"`, "")
	check(noInit, "mqtt/a.go", `package mqtt; func init() {}`, "func init")
	check(noInit, "mqtt/a.go", `package mqtt; type T int; func (T) init() {}`, "")
	check(fileLength, "mqtt/a.go", "package mqtt"+lines(maxFileLines+1), "over 900")
	check(fileLength, "mqtt/a.go", generatedMarker+"by x.\npackage mqtt"+lines(maxFileLines), "")
	check(funcLength, "mqtt/a.go", "package mqtt; func long() {"+lines(maxFuncLines)+"}", "long has 151 lines")
	check(funcLength, "mqtt/a.go", "package mqtt; func long() {"+lines(maxFuncLines-1)+"}", "")
	check(smallInterfaces, "mqtt/a.go", "package mqtt; type I interface { A(); B(); C(); D(); E(); F(); G() }", "7 methods")
	check(smallInterfaces, "mqtt/a.go", "package mqtt; type I interface { A(); B(); C(); D(); E(); F() }", "")
}

// TestPackageRules does the same for the rules on whole packages.
func TestPackageRules(t *testing.T) {
	check := func(rule func(*pkg) []string, folder, src, want string) {
		t.Helper()
		f, err := parse(token.NewFileSet(), folder+"/a.go", []byte(src))
		if err != nil {
			t.Fatal(err)
		}
		got := strings.Join(rule(&pkg{path: folder, files: []*file{f}}), "\n")
		if (want == "") != (got == "") || !strings.Contains(got, want) {
			t.Errorf("%s: got %q, want %q", folder, got, want)
		}
	}
	check(knownPackage, "things", "package things", "place it in the layers table")
	check(knownPackage, "auth/jwt", "package jwt", "")
	check(packageName, "mqtt/util", "package util", "says nothing")
	check(packageName, "mqtt", "package mqtt", "")
	check(folderDepth, "a/b/c/d", "package d", "deeper than 3")
	check(folderDepth, "a/b/c", "package c", "")
	check(packageDoc, "mqtt", "package mqtt", "no package comment")
	check(packageDoc, "mqtt", "// Package mqtt is one sentence.\npackage mqtt", "no package comment")
	check(packageDoc, "mqtt", "// Package mqtt is this. It is not that.\npackage mqtt", "")
	t.Chdir(t.TempDir())
	check(hasDesign, "sink", "package sink", "sink/DESIGN.md is missing")
	check(hasDesign, "mqtt", "package mqtt", "")
}

// TestPageRules shows that the rules on text can fail.
func TestPageRules(t *testing.T) {
	says := func(page, want string) {
		t.Helper()
		there := func(p string) bool { return p == "mqtt/reader.go" || p == "mqtt" }
		got := strings.Join(architecturePage(page, []string{"mqtt"}, there), "\n")
		if want == "" && got != "" || !strings.Contains(got, want) {
			t.Errorf("page %q: got %q, want %q", page, got, want)
		}
	}
	says("`mqtt` is read by `mqtt/reader.go`", "")
	says("`mqtt` writes `a/#` with `go run ./cmd/dunlin` on `$SYS/brokers`", "")
	says("`mqtt` has `mqtt/gone.go`", "mqtt/gone.go")
	says("`mqtt/reader.go` alone", "does not name the package mqtt")
}
