package clienttest

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/dunlin-mq/dunlin/mqtt"
)

// TestEMQXConfigurations: the configuration that EMQ X is delivered with
// starts the broker as it is; only the addresses are others here, and given
// by the environment.
func TestEMQXConfigurations(t *testing.T) {
	t.Parallel()
	for sample, anonymous := range map[string]bool{"emqx-3.2": true, "emqx-4.2-enterprise": false, "emqx-4.3": true} {
		t.Run(sample, func(t *testing.T) {
			t.Parallel()
			home := t.TempDir() // the folder that relative paths start from
			if err := os.CopyFS(home, os.DirFS(filepath.Join("..", "..", "node", "testdata", sample))); err != nil {
				t.Fatal(err)
			}
			makeCertificates(t, filepath.Join(home, "etc", "certs"))
			cmd := exec.Command(program, "--config", filepath.Join(home, "etc", "emqx.conf"))
			cmd.Dir = home
			b := run(t, cmd, "listener.tcp.external=127.0.0.1:0", "listener.tcp.internal=127.0.0.1:0", "listener.ssl.external=127.0.0.1:0",
				"listener.ws.external=127.0.0.1:0", "listener.wss.external=127.0.0.1:0", "log.dir="+t.TempDir())
			for _, name := range strings.Split("tcp external,tcp internal,ssl external,ws external,wss external", ",") {
				if b.addr[listener(name)] == "" {
					t.Errorf("listener %s isn't open", name)
				}
			}
			if out := b.output(); !strings.Contains(out, "settings have no effect here") {
				t.Errorf("the broker doesn't say that settings for Erlang have no effect:\n%s", out)
			}
			if !anonymous {
				if k := open(t, b.tcp()).connect(t, "stranger"); k.Code != mqtt.NotAuthorized {
					t.Errorf("a stranger's CONNECT is answered with %v", k)
				}
				return
			}
			sub, pub := connect(t, b.tcp(), "sub", version(mqtt.V311)), connect(t, b.addr["tcp internal"], "pub")
			sub.subscribe(t, 1, "a/+")
			pub.publish(t, "a/b", "hello")
			sub.expectMessage(t, "a/b", "hello")
		})
	}
}

// makeCertificates writes what EMQ X brings along: its configuration names
// key.pem, cert.pem and cacert.pem.
func makeCertificates(t *testing.T, dir string) {
	t.Helper()
	needTool(t, "openssl")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	key, cert := filepath.Join(dir, "key.pem"), filepath.Join(dir, "cert.pem")
	generate := exec.Command("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=Server", "-days", "1",
		"-keyout", key, "-out", cert)
	if out, err := generate.CombinedOutput(); err != nil {
		t.Fatalf("openssl: %v: %s", err, out)
	}
	text, err := os.ReadFile(cert)
	if err == nil {
		err = os.WriteFile(filepath.Join(dir, "cacert.pem"), text, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
}
