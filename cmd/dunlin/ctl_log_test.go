package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/dunlin-mq/dunlin/mqtt"
	"github.com/dunlin-mq/dunlin/node"
)

// openTestLog is a log with a console, a file, and one for errors.
func openTestLog(t *testing.T) *node.Log {
	t.Helper()
	var c node.LogConfig
	c.SetDefaults()
	c.To, c.Error, c.Dir = "both", "error.log", t.TempDir()
	l, err := c.Open(new(bytes.Buffer))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(l.Close)
	return l
}

// TestCtlLogOfARunningBroker turns the log up while a client with a password
// comes, renames the file, and turns it down again.
func TestCtlLogOfARunningBroker(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "emqx.log")
	p := start(t, "DUNLIN_NODE__DATA_DIR="+dir, "DUNLIN_LOG__TO=file", "DUNLIN_LOG__DIR="+dir,
		"DUNLIN_MANAGEMENT__LISTENER__HTTP=off", "DUNLIN_DASHBOARD__LISTENER__HTTP=off", "DUNLIN_ALLOW_ANONYMOUS=false")
	f := func(want string, args ...string) {
		t.Helper()
		if out, code := execute(t, nil, append([]string{"ctl", "--data-dir", dir}, args...)...); code != 0 || out != want {
			t.Errorf("%v: exit %d\n%swant\n%s", args, code, out, want)
		}
	}
	text := func(path string) string {
		t.Helper()
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	has := func(path, what string) {
		t.Helper()
		for end := time.Now().Add(time.Minute); !strings.Contains(text(path), what); time.Sleep(10 * time.Millisecond) {
			if time.Now().After(end) {
				t.Fatalf("%s has no %q:\n%s", path, what, text(path))
			}
		}
	}
	const password, wrong = "swordfish-7", "marlin-8"
	f("ok\n", "users", "add", "ann", password)
	if text(file) != "" {
		t.Errorf("at log.level = warning: %s", text(file))
	}
	f("LogHandler(id=file, level=warning, destination="+file+", status=started)\n", "log", "handlers", "list")
	f("debug\n", "log", "set-level", "debug")
	connects(t, p.addr, "ann", password, mqtt.Success)
	connects(t, p.addr, "ann", wrong, mqtt.BadUserNameOrPassword)
	f("ok\n", "users", "update", "ann", wrong)
	has(file, "/auth_username/ann")
	has(file, "a CONNECT is refused")

	if err := os.Rename(file, file+".old"); err != nil {
		t.Fatal(err)
	}
	if err := p.Process.Signal(syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	for end := time.Now().Add(time.Minute); ; time.Sleep(10 * time.Millisecond) {
		if _, err := os.Stat(file); err == nil {
			break
		} else if time.Now().After(end) {
			t.Fatal(err)
		}
	}
	has(file, "certificates are reloaded")
	f("log handler file stopped\n", "log", "handlers", "stop", "file")
	before := text(file)
	connects(t, p.addr, "ann", password, mqtt.BadUserNameOrPassword)
	p.Process.Signal(syscall.SIGTERM)
	p.Wait()
	if after := text(file); after != before {
		t.Errorf("a stopped handler has written %s", strings.TrimPrefix(after, before))
	}
	for _, all := range []string{text(file), text(file + ".old"), p.out.String()} {
		if strings.Contains(all, password) || strings.Contains(all, wrong) {
			t.Errorf("a password is in the log:\n%s", all)
		}
	}
}
