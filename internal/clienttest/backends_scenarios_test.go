package clienttest

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/dunlin-mq/dunlin/mqtt"
)

// versions are what scenarios are played in where it makes a difference.
var versions = []mqtt.Version{mqtt.V311, mqtt.V5}

// passwords: the right one lets in, a wrong one doesn't, wherever one comes, and
// none at all is a wrong one.
func passwords(t *testing.T, s *scene) {
	for _, v := range versions {
		for _, at := range []listener{closed, ajar} {
			f := func(password string, want mqtt.ReasonCode) {
				t.Helper()
				if _, code := s.try(t, at, v, login("ann", password)); code != want {
					t.Errorf("%s, version %d, password %q: %v, expected %v", at, v, password, code, want)
				}
			}
			f(s.password("ann"), mqtt.Success)
			f(s.wrong("ann"), s.refusal)
			f(s.wrong("ann"), s.refusal) // nor the second time
			if s.provider != "jwt" {     // where a password is no token, somebody else is to know
				f("", s.refusal)
				f(s.password("bob"), s.refusal)
			}
		}
	}
	if _, code := s.try(t, internal, mqtt.V5, login("ann", s.wrong("ann"))); code != mqtt.Success {
		t.Errorf("where nobody is asked: %v", code)
	}
}

// strangers: whom nobody knows gets in where allow_anonymous says so, and may
// do nothing there.
func strangers(t *testing.T, s *scene) { unknown(t, s, login("stranger", "whatever")) }

// nameless are strangers.
func nameless(t *testing.T, s *scene) { unknown(t, s) }

func unknown(t *testing.T, s *scene, who ...func(*mqtt.Connect)) {
	for _, v := range versions {
		if _, code := s.try(t, closed, v, who...); code != mqtt.NotAuthorized {
			t.Errorf("version %d: %v, expected a refusal", v, code)
		}
		w, code := s.try(t, ajar, v, who...)
		if code != mqtt.Success {
			t.Fatalf("version %d, allow_anonymous: %v", v, code)
		}
		if code := w.put(t, 1, "pub/1", ""); code != refusals[v].publish {
			t.Errorf("version %d: PUBLISH was answered with %v", v, code)
		}
		if got := w.asks(t, "sub/1"); got[0] != refusals[v].subscribe {
			t.Errorf("version %d: SUBSCRIBE was answered with %v", v, got)
		}
	}
}

// refusals are what is answered to those who may not. Version 3 can't say it to
// a PUBLISH.
var refusals = map[mqtt.Version]struct{ publish, subscribe mqtt.ReasonCode }{
	mqtt.V311: {mqtt.Success, mqtt.UnspecifiedError},
	mqtt.V5:   {mqtt.NotAuthorized, mqtt.NotAuthorized},
}

func superuser(t *testing.T, s *scene) {
	watch := s.sees(t, "anywhere")
	for _, v := range versions {
		w := s.as(t, v, "root")
		if got := w.asks(t, "#", "no/1"); got[0].Failed() || got[1].Failed() {
			t.Errorf("version %d: SUBSCRIBE was answered with %v", v, got)
		}
		w.send(t, &mqtt.Publish{Topic: "anywhere", Payload: []byte("mine")})
		watch.expectMessage(t, "anywhere", "mine")
	}
}

// publishing: what is allowed arrives, and nothing else.
func publishing(t *testing.T, s *scene) {
	watch := s.sees(t, "pub/#", "no/#")
	for _, v := range versions {
		ann := s.as(t, v, "ann")
		for qos := range mqtt.QoS(3) {
			for _, topic := range []string{"no/1", "pub/1/2", "sub/1"} {
				if code := ann.put(t, qos, topic, "forbidden"); qos > 0 && code != refusals[v].publish {
					t.Errorf("version %d, QoS %d, %s: %v", v, qos, topic, code)
				}
			}
			payload := fmt.Sprintf("version %d, QoS %d", v, qos)
			if code := ann.put(t, qos, "pub/1", payload); code != mqtt.Success {
				t.Errorf("%s: %v", payload, code)
			}
			watch.expectMessage(t, "pub/1", payload)
		}
	}
}

// subscribing: each filter of one SUBSCRIBE is judged by itself.
func subscribing(t *testing.T, s *scene) {
	for _, v := range versions {
		ann, no := s.as(t, v, "ann"), refusals[v].subscribe
		got := ann.asks(t, "sub/1", "no/1", "sub/a/#", "#", "pub/1", "$share/g/no/2", "$share/g/sub/2")
		if want := []mqtt.ReasonCode{0, no, 0, no, no, no, 0}; !slices.Equal(got, want) {
			t.Errorf("version %d: %v, expected %v", v, got, want)
		}
		other := connect(t, s.addr[internal], s.fresh())
		for _, topic := range []string{"no/1", "pub/1", "no/2", "sub/1"} {
			other.put(t, 1, topic, "")
		}
		ann.expectMessage(t, "sub/1", "")
	}
}

// namesInTopics: %u and %c are the names of who asks.
func namesInTopics(t *testing.T, s *scene) {
	for topic, want := range map[string]mqtt.ReasonCode{
		"own/ann/me": mqtt.Success, "own/ann/you": mqtt.NotAuthorized, "own/bob/me": mqtt.NotAuthorized,
		"own/%u/%c": mqtt.NotAuthorized, "own/ann/me/more": mqtt.NotAuthorized,
	} {
		w := s.as(t, mqtt.V5, "ann", func(k *mqtt.Connect) { k.ClientID = "me" })
		if code := w.put(t, 1, topic, ""); code != want {
			t.Errorf("PUBLISH to %s: %v, expected %v", topic, code, want)
		}
		if got := w.asks(t, topic); got[0] != want {
			t.Errorf("SUBSCRIBE to %s: %v, expected %v", topic, got, want)
		}
	}
}

// wills are judged when they are due.
func wills(t *testing.T, s *scene) {
	watch := s.sees(t, "pub/#", "no/#")
	for _, v := range versions {
		for _, topic := range []string{"no/will", "pub/will"} {
			s.as(t, v, "ann", func(k *mqtt.Connect) { k.Will = &mqtt.Will{QoS: 1, Topic: topic, Payload: []byte("gone")} }).Close()
		}
		watch.expectMessage(t, "pub/will", "gone")
	}
	s.as(t, mqtt.V5, "ann").put(t, 1, "pub/end", "")
	watch.expectMessage(t, "pub/end", "")
}

// cachedRights: a new right is seen when what was said before is forgotten.
// What the broker itself knows it looks up.
func cachedRights(t *testing.T, s *scene) {
	publisher, subscriber, meanwhile := s.as(t, mqtt.V5, "ann"), s.as(t, mqtt.V5, "ann"), mqtt.NotAuthorized
	topic := "later" + s.way + "/" // both ways may lead to one database
	if s.own {
		meanwhile = mqtt.Success
	}
	f := func(when string, want mqtt.ReasonCode) {
		t.Helper()
		if code := publisher.put(t, 1, topic+"1", ""); code != want {
			t.Errorf("%s: PUBLISH was answered with %v, expected %v", when, code, want)
		}
		if got := subscriber.asks(t, topic+"2"); got[0] != want {
			t.Errorf("%s: SUBSCRIBE was answered with %v, expected %v", when, got, want)
		}
	}
	f("before", mqtt.NotAuthorized)
	s.grant(t, s, "ann", right{"pubsub", topic + "+"})
	f("before the cache is cleaned", meanwhile)
	s.forgets(t)
	f("after", mqtt.Success)
}

// evil are names that mean something to one backend or another, or to the
// broker. Nobody has them, but some databases take a few of them for ann.
var evil = append([]string{
	" ", "a b", " ann", "ann ", "ANN", "änn", `ann"`, "'", `"`, "ann'--", `\`, `\' or 1=1 -- `, "' or '1'='1", `"; drop table mqtt_user; --`, "' union select 'x", "`",
	"*", "an*", "a??", "ann)(uid=*", "*)(objectClass=*", "ann,ou=device,dc=emqx,dc=io", "x+uid=ann", "(|(uid=ann))", `\2a`, `\00`, "&", "|", "=", ";", "<>", "a,b=c",
	"$ann", "$all", "$ne", `{"$ne": null}`, `{"$where": "1"}`, "$1", "?", "%u", "%c", "%P", "%s", "%00", "%61nn", "${user}", "${username}",
	"ann password\r\nHMGET mqtt_user:ann", "mqtt_user:ann", "\r\n\r\nGET / HTTP/1.1", "ann&username=ann", "ann;username=ann", "a\x01b", "\t", "ann\n",
	"#", "+", "a/#", "+/+", "/", "a/b", "own/ann/me", "..", "../ann", "ünï", "☃", "ann\u200b", "аnn", "NULL", "null", "undefined", "true", "0", "-1", "1e9",
	strings.Repeat("x", 200), strings.Repeat("'", 200), strings.Repeat("ü", 100),
}, slices.Repeat([]string{"🐟"}, 8)...) // what can't be stored in some tables, again and again

// evilNames: they get in nowhere, and not at what others have; and nothing
// breaks.
func evilNames(t *testing.T, s *scene) {
	for i, name := range evil {
		if _, code := s.try(t, closed, mqtt.V5, login(name, s.password("ann"))); code.Failed() == slices.Contains(s.alike, name) {
			t.Errorf("%q: %v", name, code)
		}
		v := versions[i%2]
		w, code := s.try(t, closed, v, login("ann", s.password("ann")), func(k *mqtt.Connect) { k.ClientID = name })
		if code != mqtt.Success {
			t.Errorf("ann with the client id %q: %v", name, code)
			continue
		}
		if got := w.asks(t, "own/ann/x", "own/#", "own/ann/me/x"); slices.ContainsFunc(got, func(c mqtt.ReasonCode) bool { return !c.Failed() }) {
			t.Errorf("ann with the client id %q: SUBSCRIBE was answered with %v", name, got)
		}
	}
	if code := s.as(t, mqtt.V5, "ann").put(t, 1, "pub/1", ""); code != mqtt.Success {
		t.Errorf("afterwards ann's PUBLISH was answered with %v", code)
	}
}

// allAtOnce: 300 clients connect and publish without waiting for an answer.
func allAtOnce(t *testing.T, s *scene) {
	crowd := make([]*wire, 300)
	for i := range crowd {
		crowd[i] = s.knocks(t, closed, mqtt.V5)
		crowd[i].send(t, &mqtt.Publish{QoS: 1, PacketID: 1, Topic: "pub/1"}, &mqtt.Publish{QoS: 1, PacketID: 2, Topic: "no/1"})
	}
	for i, w := range crowd {
		if k := expect[*mqtt.Connack](t, w); k.Code != mqtt.Success {
			t.Fatalf("client %d: %v", i, k.Code)
		}
		if k := expect[*mqtt.Ack](t, w); k.PacketID != 1 || k.Code.Failed() {
			t.Fatalf("client %d: its PUBLISH was answered with %v", i, k)
		}
		if k := expect[*mqtt.Ack](t, w); k.PacketID != 2 || k.Code != mqtt.NotAuthorized {
			t.Fatalf("client %d: what it may not PUBLISH was answered with %v", i, k)
		}
	}
}
