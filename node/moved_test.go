package node

import (
	"io"
	"net"
	"os"
	"path/filepath"
	"testing"

	"github.com/dunlin-mq/dunlin/auth"
	"github.com/dunlin-mq/dunlin/backup"
	"github.com/dunlin-mq/dunlin/mqtt"
)

// moved is an installation of EMQ X, copied as docs/migrating-from-emqx.md says, with the data of an export, and running.
func moved(t *testing.T, sample, export, env string, more map[string]string) *Node {
	t.Helper()
	dir := t.TempDir()
	if err := os.CopyFS(filepath.Join(dir, "etc"), os.DirFS(filepath.Join("testdata", sample, "etc"))); err != nil {
		t.Fatal(err)
	}
	for name, text := range more {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	c, _, err := LoadConfig(filepath.Join(dir, "etc", "emqx.conf"), []string{
		"EMQX_LISTENER__TCP__EXTERNAL=127.0.0.1:0", "DUNLIN_LISTENER__TCP__INTERNAL=off", "DUNLIN_LISTENER__SSL__EXTERNAL=off",
		"DUNLIN_LISTENER__WS__EXTERNAL=off", "DUNLIN_LISTENER__WSS__EXTERNAL=off",
		"DUNLIN_MANAGEMENT__LISTENER__HTTP=off", "DUNLIN_MANAGEMENT__LISTENER__HTTPS=off", "DUNLIN_DASHBOARD__LISTENER__HTTP=off", "DUNLIN_DASHBOARD__LISTENER__HTTPS=off",
		"EMQX_ALLOW_ANONYMOUS=false",
	})
	if err == nil {
		err = c.Check()
	}
	if err != nil {
		t.Fatal(err)
	}
	imports(t, c, export, env)
	n, err := Start(c, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(n.Stop)
	return n
}

// imports takes over an export into a node that doesn't run.
func imports(t *testing.T, c *Config, export, env string) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("../backup/testdata", export))
	if err != nil {
		t.Fatal(err)
	}
	d, err := backup.Read(text, []byte(env))
	if err != nil {
		t.Fatal(err)
	}
	kept, err := OpenData(c)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := kept.Import(t.Context(), d, false); err != nil {
		t.Fatal(err)
	}
	if err := kept.Close(); err != nil {
		t.Fatal(err)
	}
}

// connects demands the code with which a client of MQTT 3.1.1 is answered.
func connects(t *testing.T, n *Node, clientID, username, password string, want byte) {
	t.Helper()
	nc, err := net.Dial("tcp", n.Server.Listeners()[0].Addr.String())
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	connect := &mqtt.Connect{Version: mqtt.V311, CleanStart: true, ClientID: clientID, Username: &username, Password: []byte(password)}
	if _, err := nc.Write(mqtt.Append(nil, connect, mqtt.V311)); err != nil {
		t.Fatal(err)
	}
	var answer [4]byte
	if _, err := io.ReadFull(nc, answer[:]); err != nil || answer[3] != want {
		t.Errorf("%s, %s with %s: % x, %v, want the code %d", clientID, username, password, answer, err, want)
	}
}

// The codes of CONNACK.
const (
	accepted      = 0
	badPassword   = 4
	notAuthorized = 5
)

func TestMovedFrom32(t *testing.T) {
	n := moved(t, "emqx-3.2", "emqx-export-4.0.json", `{"auth.mnesia.as":"username"}`, map[string]string{
		"etc/plugins/emqx_auth_username.conf": "auth.user.password_hash = sha256\nauth.user.1.username = admin\nauth.user.1.password = for-tests\n",
		"data/loaded_plugins":                 "emqx_management.\nemqx_auth_username.\nemqx_auth_clientid.\n",
	})
	connects(t, n, "x", "admin", "for-tests", accepted) // of the file
	connects(t, n, "x", "old user", "secret", accepted) // of the data
	connects(t, n, "x", "m", "secret", accepted)
	connects(t, n, "old-client", "", "secret", accepted)
	connects(t, n, "x", "old user", "Secret", badPassword)
	connects(t, n, "x", "nobody", "secret", notAuthorized)
}

func TestMovedFrom42Enterprise(t *testing.T) {
	n := moved(t, "emqx-4.2-enterprise", "emqx-export-4.2-enterprise.json", "", map[string]string{
		"data/loaded_plugins": "{emqx_management, true}.\n{emqx_auth_mnesia, true}.\n",
	})
	connects(t, n, "usera", "", "secret", accepted)
	connects(t, n, "usera", "", "other", badPassword)
}

func TestMovedFrom43(t *testing.T) {
	n := moved(t, "emqx-4.3", "emqx-export-4.3.json", "", map[string]string{
		"data/loaded_plugins": "{emqx_management, true}.\n{emqx_auth_mnesia, true}.\n",
		"data/loaded_modules": "{emqx_mod_acl_internal, true}.\n{emqx_mod_presence, true}.\n",
	})
	connects(t, n, "x", "alice", "wonder", accepted)
	connects(t, n, "x", "alice", "secret", badPassword)
	connects(t, n, "usera", "", "secret", accepted)
	connects(t, n, "x", "mallory", "wonder", notAuthorized) // banned
	if rules, total := n.leaves.builtin.Rules(auth.RuleFilter{}, 0, 10); total != 4 {
		t.Errorf("the rules are %v", rules)
	}
	if bans := n.exported().Export().Bans; len(bans) != 2 {
		t.Errorf("the bans are %v", bans)
	}
}

// TestDataOfARunningNodeIsNotOpened: it would change below the broker.
func TestDataOfARunningNodeIsNotOpened(t *testing.T) {
	c := configured(t)
	n, err := Start(c, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer n.Stop()
	if d, err := OpenData(c); err == nil || err.Error() != "engine: "+filepath.Join(c.Node.DataDir, "engine")+" is in use by another process" {
		t.Errorf("%v, %v", d, err)
	}
}
