package main

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestFirstLoginOfTheDashboard is its life: the password of the greeting has to
// be changed, is kept over a restart, gets lost, and is set by ctl.
func TestFirstLoginOfTheDashboard(t *testing.T) {
	dir, dashboard := t.TempDir(), freeAddr(t)
	env := []string{"DUNLIN_NODE__DATA_DIR=" + dir, "DUNLIN_DASHBOARD__LISTENER__HTTP=" + dashboard}
	ask := func(method, path, password, body, want string) {
		t.Helper()
		r, err := http.NewRequest(method, "http://"+dashboard+path, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		r.SetBasicAuth("admin", password)
		resp, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		said, err := io.ReadAll(resp.Body)
		if err != nil {
			t.Fatal(err)
		}
		if got := fmt.Sprint(resp.StatusCode, " ", string(said)); !strings.HasPrefix(got, want) {
			t.Errorf("%s %s: %s, want %s", method, path, got, want)
		}
	}
	stop := func(p *process) string {
		t.Helper()
		if err := p.Process.Signal(syscall.SIGTERM); err != nil {
			t.Fatal(err)
		}
		if err := p.Wait(); err != nil {
			t.Fatal(err)
		}
		return p.out.String()
	}
	first := regexp.MustCompile(`http://` + regexp.QuoteMeta(dashboard) + `  user admin, password (\S+)`).FindStringSubmatch(stop(start(t, env...)))
	if first == nil {
		t.Fatal("no first login")
	}
	p := start(t, env...)
	ask("GET", "/api/v4/brokers", first[1], "", "403 Change the password first")
	ask("PUT", "/api/v4/change_pwd/admin", first[1], `{"old_pwd":"`+first[1]+`","new_pwd":"my own choice"}`, `200 {"code":0}`)
	ask("GET", "/api/v3/brokers", "my own choice", "", `200 {"code":0`)
	if out := stop(p); strings.Contains(out, first[1]) || strings.Contains(out, "user admin") {
		t.Errorf("the second start says a first login:\n%s", out)
	}
	start(t, env...)
	ask("GET", "/api/v4/brokers", first[1], "", "401 UNAUTHORIZED")
	ask("GET", "/api/v4/brokers", "my own choice", "", `200 {"code":0`)
	if out, code := execute(t, nil, "ctl", "--data-dir", dir, "admins", "passwd", "admin", "the lost one"); out != "ok\n" || code != 0 {
		t.Errorf("exit %d: %s", code, out)
	}
	ask("GET", "/api/v4/brokers", "my own choice", "", "401 UNAUTHORIZED")
	ask("GET", "/api/v4/brokers", "the lost one", "", `200 {"code":0`)
	for _, path := range []string{"/../../../../etc/passwd", "/..%2f..%2f..%2fetc/passwd", "/assets/../../../../etc/passwd", "/%2e%2e/%2e%2e/etc/passwd", "//etc/passwd", "/assets/%00"} {
		if said := raw(t, dashboard, "GET "+path+" HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"); strings.Contains(said, "root:") || strings.Contains(said, "Location:") {
			t.Errorf("%s leads to %s", path, said)
		}
	}
}

// raw sends text as it stands and returns all that is answered.
func raw(t *testing.T, addr, text string) string {
	t.Helper()
	c, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(time.Minute))
	if _, err := io.WriteString(c, text); err != nil {
		t.Fatal(err)
	}
	said, err := io.ReadAll(bufio.NewReader(c))
	if err != nil {
		t.Fatal(err)
	}
	return string(said)
}
