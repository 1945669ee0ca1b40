package node

import (
	"os"
	"path/filepath"
	"testing"
)

func TestFolderStandsForItsEMQXConf(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{
		"emqx.conf":                   "node.name = a@host\nlistener.tcp.external = 127.0.0.1:0\n",
		"plugins/emqx_retainer.conf":  "retainer.max_retained_messages = 7\n",
		"plugins/not_read.conf.saved": "no configuration at all\n",
	} {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	c, _, err := LoadConfig(dir, nil)
	if err != nil {
		t.Fatal(err)
	}
	if c.Node.Name != "a@host" || c.Retainer.MaxMessages != 7 {
		t.Errorf("node.name = %s, retainer.max_retained_messages = %d", c.Node.Name, c.Retainer.MaxMessages)
	}
}
