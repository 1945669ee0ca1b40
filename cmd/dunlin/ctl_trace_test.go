package main

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestCtlTracesRealClients shows each step of a session of mosquitto_sub and
// mosquitto_pub, of a client that may not come, and of a message that may not be
// published; by client, by topic and by address.
func TestCtlTracesRealClients(t *testing.T) {
	if _, err := exec.LookPath("mosquitto_pub"); err != nil {
		if promised {
			t.Fatal("mosquitto_pub is needed and DUNLIN_REQUIRE_PEERS=1")
		}
		t.Skip("mosquitto_pub is needed: run scripts/setup-debian.sh")
	}
	dir := t.TempDir()
	rules := filepath.Join(dir, "acl.conf")
	if err := os.WriteFile(rules, []byte("% who may what\n{deny, {client, \"p1\"}, publish, [\"secret/#\"]}.\n{allow, all}.\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	p := start(t, "DUNLIN_NODE__DATA_DIR="+dir, "DUNLIN_ALLOW_ANONYMOUS=false", "DUNLIN_ACL_FILE="+rules, "DUNLIN_ZONE__EXTERNAL__ENABLE_ACL=on")
	_, port, _ := strings.Cut(p.addr, ":")
	ctl := func(want string, args ...string) {
		t.Helper()
		if out, code := execute(t, nil, append([]string{"ctl", "--data-dir", dir}, args...)...); code != 0 || out != want {
			t.Errorf("%v: exit %d\n%swant\n%s", args, code, out, want)
		}
	}
	client := func(fails bool, name string, args ...string) {
		t.Helper()
		said, err := exec.Command(name, append([]string{"-p", port}, args...)...).CombinedOutput()
		if (err != nil) != fails {
			t.Fatalf("%s %v: %v: %s", name, args, err, said)
		}
	}
	gone := func(id, says string) { // the node may hear of it after the client has ended
		t.Helper()
		for until := time.Now().Add(time.Minute); ; time.Sleep(10 * time.Millisecond) {
			out, _ := execute(t, nil, "ctl", "--data-dir", dir, "clients", "show", id)
			if strings.Contains(out, says) {
				return
			}
			if time.Now().After(until) {
				t.Fatalf("%s is still there: %s", id, out)
			}
		}
	}
	cwd, err := os.Getwd() // that of the node as well
	if err != nil {
		t.Fatal(err)
	}
	relative, err := filepath.Rel(cwd, filepath.Join(dir, "topic.log"))
	if err != nil {
		t.Fatal(err)
	}
	const password, will = "swordfish-7", "last words"
	ctl("ok\n", "users", "add", "ann", password)
	ctl("trace clientid p1 successfully\n", "trace", "start", "client", "p1", filepath.Join(dir, "client.log"))
	ctl("trace topic site/+/t successfully\n", "trace", "topic", "site/+/t", relative)
	ctl("trace ip_address 127.0.0.1 successfully\n", "trace", "start", "ip_address", "127.0.0.1", filepath.Join(dir, "ip.log"), "--formatter", "json", "--payload", "hex")

	client(false, "mosquitto_sub", "-i", "s1", "-u", "ann", "-P", password, "-q", "1", "-c", "-t", "site/#", "-E")
	gone("s1", "connected=false")
	client(false, "mosquitto_pub", "-i", "p1", "-u", "ann", "-P", password, "-q", "1", "-t", "site/1/t", "-m", "hällo", "--will-topic", "w", "--will-payload", will)
	client(false, "mosquitto_sub", "-i", "s1", "-u", "ann", "-P", password, "-q", "1", "-c", "-t", "site/#", "-C", "1")
	gone("p1", "Not Found.")
	client(false, "mosquitto_pub", "-V", "mqttv5", "-i", "p1", "-u", "ann", "-P", password, "-q", "1", "-t", "secret/1", "-m", "denied")
	gone("p1", "Not Found.")
	client(true, "mosquitto_pub", "-i", "p1", "-u", "ann", "-P", "marlin-8", "-t", "site/1/t", "-m", "x")
	ctl("stop tracing clientid p1 successfully\n", "trace", "stop", "client", "p1")
	ctl("stop tracing topic site/+/t successfully\n", "trace", "topic", "site/+/t", "off")
	ctl("stop tracing ip_address 127.0.0.1 successfully\n", "trace", "stop", "ip_address", "127.0.0.1")
	ctl("", "trace", "list")

	all := ""
	steps := func(file string, want ...string) string {
		t.Helper()
		b, err := os.ReadFile(filepath.Join(dir, file))
		if err != nil {
			t.Fatal(err)
		}
		rest := string(b)
		all += rest
		for _, step := range want {
			at := strings.Index(rest, step)
			if at < 0 {
				t.Fatalf("%s has no %s behind what is before it:\n%s", file, step, b)
			}
			rest = rest[at+len(step):]
		}
		return string(b)
	}
	steps("client.log",
		`event="trace begins" type=clientid value=p1`,
		`event=received clientid=p1 peer=127.0.0.1:`, `packet="CONNECT(ClientId=\"p1\", Version=4,`, `Password=******`, `Payload=10 bytes`,
		`event=authentication clientid=p1`, `username=ann by=mnesia code=success`,
		`event=sent`, `CONNACK(`, `event="session created"`,
		`event=received`, `PUBLISH(Q1, R0, D0, Topic=\"site/1/t\", PacketId=1, Payload=6 bytes)" topic=site/1/t payload=hällo`,
		`event=acl`, `topic=site/1/t action=publish result=allow by=file rule="{allow, all}" where=`+rules+":3",
		`event=route`, `matched=1`,
		`event=sent`, `PUBACK(PacketId=1, Code=success)`,
		`event=received`, `DISCONNECT(`, `event=disconnected`, `reason=normal`,
		`level=warning event=acl`, `topic=secret/1 action=publish result=deny by=file rule="{deny, {client, \"p1\"}, publish, [\"secret/#\"]}" where=`+rules+":2",
		`event=dropped`, `reason=not_authorized`, `PUBACK(PacketId=1, Code=not_authorized)`,
		`event=authentication`, `by=mnesia code=`, `event=refused clientid=p1`, `why="not authenticated"`,
		`event="trace ends" reason=stopped lost=0`)
	topic := steps("topic.log",
		`event=received clientid=s1`, `SUBSCRIBE(`, `event=acl clientid=s1`, `action=subscribe result=allow`, `event=subscription clientid=s1`,
		`event=received clientid=p1`, `payload=hällo`, `event=acl clientid=p1`, `event=route`, `event=queued clientid=s1`, `filter=site/# from=p1 qos=1 queued=1`,
		`event=sent clientid=s1`, `payload=hällo`, `event=acked clientid=s1`)
	if strings.Contains(topic, "secret") || strings.Contains(topic, "CONNECT") {
		t.Errorf("what is not of the topic is traced:\n%s", topic)
	}
	ip := steps("ip.log", `"event":"connection"`, `"listener":"tcp:external"`, `"event":"received","clientid":"s1"`, `"payload":"68c3a46c6c6f"`, `"event":"refused"`)
	for line := range strings.Lines(ip) {
		if !json.Valid([]byte(line)) {
			t.Errorf("no JSON: %s", line)
		}
	}
	for _, secret := range []string{password, "marlin-8", will} {
		if strings.Contains(all, secret) {
			t.Errorf("%q is in a trace", secret)
		}
	}
}

// TestCtlTracesGoOn after the node was started again.
func TestCtlTracesGoOn(t *testing.T) {
	dir := t.TempDir()
	f := func(want string, args ...string) {
		t.Helper()
		if out, code := execute(t, nil, append([]string{"ctl", "--data-dir", dir}, args...)...); code != 0 || !strings.HasPrefix(out, want) {
			t.Errorf("%v: exit %d\n%swant\n%s", args, code, out, want)
		}
	}
	p := start(t, "DUNLIN_NODE__DATA_DIR="+dir)
	f("Cluster_trace clientid c1 one successfully\n", "traces", "start", "one", "client", "c1")
	if err := p.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	if err := p.Wait(); err != nil {
		t.Fatal(err)
	}
	start(t, "DUNLIN_NODE__DATA_DIR="+dir)
	f("Trace(one: clientid=c1, running, LogSize:#{'dunlin@127.0.0.1' => ", "traces", "list")
	f("Stop cluster_trace one successfully\n", "traces", "stop", "one")
	text, err := os.ReadFile(filepath.Join(dir, "trace", "one.log"))
	if err != nil || strings.Count(string(text), "trace begins") != 2 || !strings.Contains(string(text), `reason="the node stops"`) {
		t.Errorf("has %s %v", text, err)
	}
}
