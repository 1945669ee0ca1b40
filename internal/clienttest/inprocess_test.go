package clienttest

import (
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/dunlin-mq/dunlin/node"
)

// inProcess is a broker inside the test, for what can't be seen from outside.
type inProcess struct{ *node.Node }

// configured starts a broker inside the test with the configuration file text.
func configured(t testing.TB, text string) inProcess {
	t.Helper()
	file := filepath.Join(t.TempDir(), "emqx.conf")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	c, _, err := node.LoadConfig(file, []string{"DUNLIN_NODE__DATA_DIR=" + t.TempDir(), "DUNLIN_MANAGEMENT__LISTENER__HTTP=off", "DUNLIN_DASHBOARD__LISTENER__HTTP=off"})
	if err != nil {
		t.Fatal(err)
	}
	n, err := node.Start(c, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(n.Stop)
	return inProcess{n}
}

// lines joins settings to the text of a file.
func lines(settings ...string) string { return strings.Join(settings, "\n") + "\n" }

// addr is the address of a listener of one kind and name.
func (n inProcess) addr(t testing.TB, kind, name string) string {
	t.Helper()
	for _, l := range n.Server.Listeners() {
		if l.Protocol == kind && l.Name == name {
			return l.Addr.String()
		}
	}
	t.Fatalf("there is no listener.%s.%s", kind, name)
	return ""
}

// expectEnded waits until a listener has counted these ends of connections,
// and no others.
func (n inProcess) expectEnded(t testing.TB, kind, name string, want map[string]uint64) {
	t.Helper()
	var got map[string]uint64
	for until := time.Now().Add(patience); time.Now().Before(until); time.Sleep(time.Millisecond) {
		for _, l := range n.Server.Listeners() {
			if l.Protocol == kind && l.Name == name {
				got = l.Ended
			}
		}
		if total(got) >= total(want) {
			break
		}
	}
	if !maps.Equal(got, want) {
		t.Errorf("the listener has counted %v, expected %v", got, want)
	}
}

func total(counts map[string]uint64) (n uint64) {
	for _, c := range counts {
		n += c
	}
	return n
}
