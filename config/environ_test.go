package config

import (
	"slices"
	"strings"
	"testing"
)

func TestEnviron(t *testing.T) {
	// f compares the settings, written `key=value` and in order of precedence, with `-key` for a removed key and
	// `?` behind one that may be unknown.
	f := func(env string, want ...string) {
		t.Helper()
		var got []string
		for _, s := range Environ(strings.Fields(env)) {
			text := s.Key + "=" + s.Value
			if s.Remove {
				text = "-" + s.Key
			}
			if s.Lax {
				text += "?"
			}
			got = append(got, text)
		}
		if !slices.Equal(got, want) {
			t.Errorf("%s: got %q, want %q", env, got, want)
		}
	}
	f("PATH=/bin HOME=/root DUNLIN=1 DUNLIN_=1 XDUNLIN_A=1")
	f("DUNLIN_ALLOW_ANONYMOUS=false", "allow_anonymous=false")
	f("DUNLIN_ZONE__EXTERNAL__MAX_INFLIGHT=64", "zone.external.max_inflight=64")
	f("DUNLIN_MODULE__REWRITE__RULE__1=a=b", "module.rewrite.rule.1=a=b")
	f("DUNLIN_A__B=", "-a.b")
	f("EMQX_A__B=1", "a.b=1?")
	f("DUNLIN_A__B=1 EMQX_A__B=2", "a.b=2?", "a.b=1")
	f("DUNLIN_B=1 DUNLIN_A=2", "a=2", "b=1")

	// Short names come before the keys they stand for, so the long form wins.
	f("EMQX_NODE_NAME=a@b EMQX_NODE__NAME=c@d", "node.name=a@b?", "node.name=c@d?")
	f("DUNLIN_TCP_PORT=2883 DUNLIN_WSS_PORT=", "listener.tcp.external=2883", "-listener.wss.external")
	f("EMQX_NAME=n EMQX_HOST=h EMQX_NODE_NAME=x@y", "node.name=n@h?", "node.name=x@y?")
	f("DUNLIN_NAME=n", "node.name=n@127.0.0.1")
	f("DUNLIN_HOST=h", "node.name=emqx@h")
	f("EMQX_ADMIN_PASSWORD=p", "dashboard.default_user.password=p?")
	f("EMQX_LOADED_PLUGINS=a,b EMQX_LOADED_MODULES=c", "loaded_modules=c?", "loaded_plugins=a,b?")

	// What is not configuration.
	f("DUNLIN_CONFIG=x WAIT_FOR_ERLANG=15 EMQX_WAIT_FOR_STOP=120")
	f("DUNLIN_PORT=tcp://10.0.0.1:1883 DUNLIN_PORT_1883_TCP_ADDR=10.0.0.1 DUNLIN_SERVICE_HOST=h DUNLIN_SERVICE_PORT_MQTT=1")
	f("DUNLIN_PORTS=1", "ports=1")
}

func TestEnvironOrigin(t *testing.T) {
	for _, s := range Environ([]string{"EMQX_A__B=1", "DUNLIN_NAME=n"}) {
		if got := s.Origin.String(); got != "EMQX_A__B" && got != "DUNLIN_NAME" {
			t.Errorf("%s: origin %s", s.Key, got)
		}
	}
}
