package main

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/dunlin-mq/dunlin/node"
)

// imports runs `dunlin import`.
func imports(args ...string) (out, errOut string, err error) {
	var stdout, stderr bytes.Buffer
	c := command()
	c.SetArgs(append([]string{"import"}, args...))
	c.SetOut(&stdout)
	c.SetErr(&stderr)
	err = c.Execute()
	return stdout.String(), stderr.String(), err
}

const sample43 = "../../backup/testdata/emqx-export-4.3.json"

// quietConfig is a configuration of a broker with one listener and nothing else.
func quietConfig(t *testing.T) (file, dataDir string) {
	t.Helper()
	dir := t.TempDir()
	dataDir = filepath.Join(dir, "data")
	file = filepath.Join(dir, "emqx.conf")
	text := "node.data_dir = " + dataDir + "\nlistener.tcp.external = 127.0.0.1:0\nmanagement.listener.http = off\n"
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return file, dataDir
}

// TestImportIntoAStoppedNode, which then starts and has it; while it runs, it
// imports itself.
func TestImportIntoAStoppedNode(t *testing.T) {
	file, dataDir := quietConfig(t)
	out, errOut, err := imports("-c", file, sample43)
	if err != nil || !strings.HasPrefix(out, "Node emqx@127.0.0.1 does not run: into "+dataDir+"\nExport of version 4.3") || !strings.HasSuffix(out, "\nThe emqx data has been imported successfully.\n") {
		t.Fatalf("%s%s%v", out, errOut, err)
	}
	out, _, err = imports("-c", file, "--json", "--dry-run", sample43)
	var answer struct {
		Code int
		Data struct {
			Parts []struct{ Unchanged, Added, Replaced int }
		}
	}
	if err := json.Unmarshal([]byte(out), &answer); err != nil || len(answer.Data.Parts) < 4 || answer.Data.Parts[1].Unchanged != 4 {
		t.Fatalf("%v %s", err, out)
	}
	if err != nil {
		t.Fatal(err)
	}

	c, _, err := node.LoadConfig(file, nil)
	if err != nil {
		t.Fatal(err)
	}
	n, err := node.Start(c, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer n.Stop()
	users, _, err := ctl(dataDir, "", "users", "list")
	if users != "alice\n" || err != nil {
		t.Errorf("the users are %q, %v", users, err)
	}
	out, errOut, err = imports("-c", file, sample43, "--env", `{"auth_mnesia":[]}`)
	if err != nil || strings.Contains(out, "does not run") || strings.Contains(out, "accounts") || !strings.Contains(out, "0 added, 0 replaced, 4 unchanged") {
		t.Errorf("%s%s%v", out, errOut, err)
	}
}

func TestImportsThatFail(t *testing.T) {
	file, dataDir := quietConfig(t)
	fails := func(says string, args ...string) {
		t.Helper()
		out, errOut, err := imports(append([]string{"-c", file}, args...)...)
		if err == nil || out+errOut != says {
			t.Errorf("%v: %v\n%swant\n%s", args, err, out+errOut, says)
		}
	}
	v5 := filepath.Join(t.TempDir(), "v5.json")
	if err := os.WriteFile(v5, []byte(`{"version":"5.0"}`), 0o600); err != nil {
		t.Fatal(err)
	}
	fails("The emqx data import failed: not_found while reading nowhere.json.\n", "nowhere.json")
	fails("The emqx data import failed: bad_json while reading "+file+".\n", file)
	fails("The emqx data import failed: Unsupported version.\nexpected an export of EMQ X 4.0 to 4.4, found \"5.0\"\n", v5)
	fails("The emqx data import failed.\nthe export doesn't say whether logins are user names or client ids: add {\"auth.mnesia.as\":\"username\"} or {\"auth.mnesia.as\":\"clientid\"}, as emqx_auth_mnesia.conf had it\n", "../../backup/testdata/emqx-export-4.0.json")
	if _, err := os.Stat(dataDir); !os.IsNotExist(err) {
		t.Errorf("a data directory was made for nothing: %v", err)
	}
	if err := os.MkdirAll(dataDir, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dataDir, "dunlin.db"), bytes.Repeat([]byte("no store"), 1000), 0o600); err != nil {
		t.Fatal(err)
	}
	out, errOut, err := imports("-c", file, sample43)
	if err == nil || out != "" || !strings.HasPrefix(errOut, "store: open "+dataDir) {
		t.Errorf("%s%s%v", out, errOut, err)
	}
}
