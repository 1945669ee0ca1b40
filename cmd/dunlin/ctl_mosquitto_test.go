package main

import (
	"os/exec"
	"regexp"
	"strings"
	"testing"
	"time"
)

// TestCtlOfRealClients shows two clients as every verb sees them: one that is
// connected, and one that has left its session behind.
func TestCtlOfRealClients(t *testing.T) {
	if _, err := exec.LookPath("mosquitto_sub"); err != nil {
		if promised {
			t.Fatal("mosquitto_sub is needed and DUNLIN_REQUIRE_PEERS=1")
		}
		t.Skip("mosquitto_sub is needed: run scripts/setup-debian.sh")
	}
	dir := t.TempDir()
	p := start(t, "DUNLIN_NODE__DATA_DIR="+dir)
	_, port, _ := strings.Cut(p.addr, ":")
	one := exec.Command("mosquitto_sub", "-p", port, "-i", "c/1", "-u", "bob", "-P", "x", "-q", "1", "-t", "site/#", "-t", "$share/g/job", "-v", "-C", "1")
	out := new(strings.Builder)
	one.Stdout = out
	if err := one.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { one.Process.Kill() })
	f := func(want string, code int, args ...string) {
		t.Helper()
		pattern := strings.ReplaceAll(regexp.QuoteMeta(want), `\.\.\.`, "(?s:.*)")
		var got string
		var exit int
		for until := time.Now().Add(time.Minute); time.Now().Before(until); time.Sleep(50 * time.Millisecond) { // until mosquitto_sub is there
			got, exit = execute(t, nil, append([]string{"ctl", "--data-dir", dir}, args...)...)
			if regexp.MustCompile("^"+pattern+"$").MatchString(got) && exit == code {
				return
			}
		}
		t.Errorf("%v: exit %d, want %d\n%swant\n%s", args, exit, code, got, want)
	}
	f("c/1 -> $share/g/job\nc/1 -> site/#\n", 0, "subscriptions", "show", "c/1")
	leave := exec.Command("mosquitto_sub", "-p", port, "-i", "away", "-V", "mqttv5", "-c", "-x", "3600", "-q", "1", "-t", "keep", "-E")
	if said, err := leave.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, said)
	}

	const client = "Client(c/1, username=bob, peername=127.0.0.1:..., clean_start=true, keepalive=60, session_expiry_interval=0, subscriptions=2, inflight=0, " +
		"awaiting_rel=0, delivered_msgs=0, enqueued_msgs=0, dropped_msgs=0, connected=true, created_at=1...000, connected_at=1...000)\n"
	f(client, 0, "clients", "show", "c/1")
	f("Client(away, ... connected=false, created_at=..., connected_at=..., disconnected_at=1...000)\n"+client, 0, "clients", "list")
	f("Session(away, clean_start=false, expiry_interval=3600, ...)\nSession(c/1, clean_start=true, ...)\n", 0, "sessions", "list")
	f("Couldn't clean a session with a valid connection.\n", 1, "sessions", "clean-persistent", "c/1")
	f("Clean persistent session successfully.\n", 0, "sessions", "clean-persistent", "away")
	f("Not Found.\n", 1, "sessions", "show", "away")
	f("job -> dunlin@127.0.0.1\nsite/# -> dunlin@127.0.0.1\n", 0, "routes", "list")
	f("site/# -> dunlin@127.0.0.1\n", 0, "routes", "show", "site/#")

	f("ok\n", 0, "subscriptions", "add", "c/1", "more/+", "2")
	f("...c/1 -> more/+\n...", 0, "subscriptions", "list")
	f("ok\n", 0, "subscriptions", "del", "c/1", "site/#")
	if said, err := exec.Command("mosquitto_pub", "-p", port, "-q", "1", "-t", "more/1", "-m", "hi").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, said)
	}
	if err := one.Wait(); err != nil || out.String() != "more/1 hi\n" {
		t.Errorf("the client printed %q, %v", out, err)
	}

	f("mqtt:tcp:external\n  listen_on       : "+p.addr+"\n  acceptors       : ...\n  current_conn    : 0\n  shutdown_count  : [{...}]\n...", 0, "listeners")
	f("sysdescr  : Dunlin\n...", 0, "broker")
	f("...\nsubscriptions.count           : ...", 0, "broker", "stats")
	f("...\nmessages.publish              : 1\n...", 0, "broker", "metrics")
	f("Cluster status: #{running_nodes => ['dunlin@127.0.0.1'],stopped_nodes => []}\n", 0, "cluster", "status")
	f("cpu/load1               : ...\nio/max_fds              : ...\n", 0, "vm")
	f("...Plugin(emqx_retainer, description=..., active=true)\n...", 0, "plugins", "list")
	f("Load plugin emqx_retainer error: already_started.\n", 1, "plugins", "load", "emqx_retainer")
	f("...Module(emqx_mod_presence, description=..., active=true)\n...", 0, "modules", "list")
	f("Unload module emqx_mod_acl_internal error: ...\n", 1, "modules", "unload", "emqx_mod_acl_internal")
	f("Not Found.\n", 1, "clients", "kick", "c/1")
}
