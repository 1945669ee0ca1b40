package mqtttest

import (
	"errors"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

func TestEnvSettings(t *testing.T) {
	got := envSettings([]string{"node.data_dir = /tmp/x", "zone.external.max_inflight=2", "module.rewrite.rule.1 = x/# ^x/(.+)$ y/$1"})
	want := []string{"DUNLIN_NODE__DATA_DIR=/tmp/x", "DUNLIN_ZONE__EXTERNAL__MAX_INFLIGHT=2", "DUNLIN_MODULE__REWRITE__RULE__1=x/# ^x/(.+)$ y/$1"}
	if !slices.Equal(got, want) {
		t.Errorf("got %q", got)
	}
}

// fakeBroker counts what it is asked for.
type fakeBroker struct{ started []string }

func (b *fakeBroker) Start(_ testing.TB, settings []string, ws bool) (Node, error) {
	name := strings.Join(settings, "+")
	if ws {
		name += "+ws"
	}
	b.started = append(b.started, name)
	if name == "bad" {
		return Node{}, errors.New("no")
	}
	return Node{TCP: name}, nil
}

// TestFarm: scenarios of the same settings share a broker, whatever the order of their lines.
func TestFarm(t *testing.T) {
	b := &fakeBroker{}
	farm := &Farm{Broker: b, T: t}
	gets := func(text, want string) {
		t.Helper()
		list, err := Parse("f", "== x\n"+text)
		if err != nil {
			t.Fatal(err)
		}
		if node, _ := farm.For(list[0]); node.TCP != want {
			t.Errorf("%q got the broker %q, want %q", text, node.TCP, want)
		}
	}
	gets("connect a", "")
	gets("connect b", "")
	gets("config b\nconfig a", "a+b")
	gets("config a\nconfig b", "a+b")
	gets("config a\nalone", "a")
	gets("config a\nalone", "a")
	gets("config bad", "")
	gets("config bad", "")
	gets("a open ws mqtt", "+ws")
	if want := []string{"", "a+b", "a", "a", "bad", "+ws"}; !slices.Equal(b.started, want) {
		t.Errorf("started %q, want %q", b.started, want)
	}
}

// TestStartFails: a broker that ends at once is reported with what it said.
func TestStartFails(t *testing.T) {
	node, err := freeNode(true)
	if err != nil || node.TCP == node.WS {
		t.Fatalf("%+v, %v", node, err)
	}
	err = start(t, &node, exec.Command("sh", "-c", "echo no such key; exit 1"), func(string) bool { return false })
	if err == nil || !strings.Contains(err.Error(), "no such key") {
		t.Errorf("got %v", err)
	}
}
