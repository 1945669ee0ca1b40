package main

import (
	"net"
	"net/http"
	"regexp"
	"strings"
	"testing"

	"github.com/dunlin-mq/dunlin/mqtt"
)

// TestCtlOfARunningBroker is one life of a broker and a half: a user who may
// come once he is there, a ban, kill -9, and all of it is there again.
func TestCtlOfARunningBroker(t *testing.T) {
	dir, management := t.TempDir(), freeAddr(t)
	env := []string{"DUNLIN_NODE__DATA_DIR=" + dir, "DUNLIN_MANAGEMENT__LISTENER__HTTP=" + management, "DUNLIN_DASHBOARD__LISTENER__HTTP=off", "DUNLIN_ALLOW_ANONYMOUS=false"}
	f := func(want string, args ...string) {
		t.Helper()
		if out, code := execute(t, nil, append([]string{"ctl", "--data-dir", dir}, args...)...); code != 0 || out != want {
			t.Errorf("%v: exit %d\n%swant\n%s", args, code, out, want)
		}
	}
	p := start(t, env...)
	f("ok\n", "users", "add", "alice", "secret")
	f("alice\n", "users", "list")
	connects(t, p.addr, "alice", "secret", mqtt.Success)
	connects(t, p.addr, "alice", "guess", mqtt.BadUserNameOrPassword)
	f("ok\n", "banned", "add", "username", "alice")
	connects(t, p.addr, "alice", "secret", mqtt.Banned)

	if err := p.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	p.Wait()
	login := regexp.MustCompile(`curl -u (\w+):(\w+) http://` + regexp.QuoteMeta(management))
	first := login.FindStringSubmatch(p.out.String())
	if first == nil {
		t.Fatalf("no first login in:\n%s", p.out)
	}
	out, code := execute(t, nil, "ctl", "--data-dir", dir, "status")
	if code != 1 || !strings.HasSuffix(out, "not responding to pings.\n") {
		t.Errorf("without a broker: exit %d: %s", code, out)
	}

	p = start(t, env...)
	connects(t, p.addr, "alice", "secret", mqtt.Banned)
	f("ok\n", "banned", "del", "username", "alice")
	connects(t, p.addr, "alice", "secret", mqtt.Success)
	for secret, want := range map[string]int{first[2]: 200, "public": 401} {
		r, err := http.NewRequest(http.MethodGet, "http://"+management+"/api/v4/brokers", nil)
		if err != nil {
			t.Fatal(err)
		}
		r.SetBasicAuth(first[1], secret)
		resp, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != want {
			t.Errorf("the login %s:%s: %d, want %d", first[1], secret, resp.StatusCode, want)
		}
	}
	p.Process.Kill()
	p.Wait()
	if login.MatchString(p.out.String()) {
		t.Errorf("the second start has made a first login:\n%s", p.out)
	}
}

// connects expects what a CONNECT with a password is answered.
func connects(t *testing.T, addr, username, password string, want mqtt.ReasonCode) {
	t.Helper()
	nc, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	c := &mqtt.Connect{Version: mqtt.V5, CleanStart: true, ClientID: "c1", Username: &username, Password: []byte(password)}
	if _, err := nc.Write(mqtt.Append(nil, c, mqtt.V5)); err != nil {
		t.Fatal(err)
	}
	r := &reader{nc: nc, stream: mqtt.Stream{Version: mqtt.V5, Client: true}}
	if k, ok := r.next(t).(*mqtt.Connack); !ok || k.Code != want {
		t.Errorf("%s with %s: %v, want %v", username, password, k, want)
	}
}
