package main

import (
	"os"
	"testing"

	"github.com/dunlin-mq/dunlin/node"
)

// TestCtlConf shows and changes the configuration of a node that runs.
func TestCtlConf(t *testing.T) {
	text, err := os.ReadFile("testdata/conf.txt")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	c, _, err := node.LoadConfig("", []string{
		"DUNLIN_NODE__DATA_DIR=" + dir, "DUNLIN_LISTENER__TCP__EXTERNAL=127.0.0.1:0", "DUNLIN_MANAGEMENT__LISTENER__HTTP=off",
		"DUNLIN_DASHBOARD__LISTENER__HTTP=off", "DUNLIN_RETAINER__MAX_RETAINED_MESSAGES=7", "DUNLIN_NODE__COOKIE=monster",
	})
	if err != nil {
		t.Fatal(err)
	}
	n, err := node.Start(c, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer n.Stop()
	runSession(t, &managed{dataDir: dir}, string(text))
}
