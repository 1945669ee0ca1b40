package discovery

import (
	"errors"
	"fmt"
	"strings"
	"testing"
)

func TestCheckName(t *testing.T) {
	f := func(node string, ok bool) {
		t.Helper()
		if err := CheckName(node); (err == nil) != ok {
			t.Errorf("%.40q: %v", node, err)
		}
	}
	f("emqx@127.0.0.1", true)
	f("dunlin@n1.example.org", true)
	f("emqx-1_a@host", true)
	f("emqx@fd00::1", true)
	f("emqx@1-2-3-4.default.pod.cluster.local", true)
	f("e@"+strings.Repeat("h", MaxName-2), true)
	f("e@"+strings.Repeat("h", MaxName-1), false)
	for _, node := range []string{"", "emqx", "@", "emqx@", "@h", "a@b@c", "a b@h", "a@h h", "a@h/x", "a/b@h", "a@+", "#@h", "a@h\n", "ä@h", "a@\xff", "a.b@h"} {
		f(node, false)
	}
}

func TestApp(t *testing.T) {
	self := Self{Name: "dunlin@10.0.0.1"}
	if got := self.App("") + " " + self.App("emqx"); got != "dunlin emqx" {
		t.Error(got)
	}
}

func TestClean(t *testing.T) {
	nodes, wrong := Clean([]string{"b@h", "x", "a@h", "b@h", "x", "y"})
	if got := fmt.Sprint(nodes, len(wrong)); got != "[b@h a@h] 2" {
		t.Error(got)
	}
	if err := errors.Join(wrong...); !strings.Contains(err.Error(), `found "x"`) {
		t.Error(err)
	}
}

func FuzzCheckName(f *testing.F) {
	for _, node := range []string{"emqx@127.0.0.1", "emqx@fd00::1", "a@b@c", "@", "a@\x00"} {
		f.Add(node)
	}
	f.Fuzz(func(t *testing.T, node string) {
		if CheckName(node) == nil && (strings.ContainsAny(node, "/+#$ \x00") || strings.Count(node, "@") != 1) {
			t.Errorf("%q is taken", node)
		}
	})
}
