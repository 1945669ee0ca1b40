package otel

import (
	"fmt"
	"strings"
	"testing"

	"github.com/dunlin-mq/dunlin/mqtt"
)

const someParent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"

func TestParseContext(t *testing.T) {
	f := func(s string, want bool) {
		t.Helper()
		c, ok := parseContext(s)
		if ok != want {
			t.Errorf("%q: %v", s, ok)
		}
		if !ok && c != (spanContext{}) {
			t.Errorf("%q: %+v of what is none", s, c)
		}
	}
	f(someParent, true)
	f(strings.Replace(someParent, "-01", "-00", 1), true)
	f(strings.Replace(someParent, "-01", "-ff", 1), true)
	f("", false)
	f(someParent[:54], false)
	f(someParent+"-x", false)                  // version 00 has four parts
	f("cc"+someParent[2:]+"-what-comes", true) // a later one may have more
	f("cc"+someParent[2:]+"x", false)
	f("ff"+someParent[2:], false)
	f(strings.ToUpper(someParent), false)
	f(strings.Replace(someParent, "4bf9", "4bfg", 1), false)
	f("00-00000000000000000000000000000000-00f067aa0ba902b7-01", false)
	f("00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01", false)
	f(strings.Replace(someParent, "-", "_", 1), false)
	c, _ := parseContext(someParent)
	if c.String() != someParent || !c.sampled {
		t.Errorf("%v", c)
	}
	if c, _ := parseContext(strings.Replace(someParent, "-01", "-02", 1)); c.sampled {
		t.Error("only the lowest bit says so")
	}
}

func FuzzParseContext(f *testing.F) {
	f.Add(someParent)
	f.Add("cc" + someParent[2:] + "-x")
	f.Add(strings.Repeat("-", 60))
	f.Fuzz(func(t *testing.T, s string) {
		c, ok := parseContext(s)
		if ok && c.String()[3:52] != s[3:52] {
			t.Errorf("%q became %v", s, c)
		}
	})
}

func TestWithContext(t *testing.T) {
	c, _ := parseContext(someParent)
	f := func(want string, props *mqtt.Properties) {
		t.Helper()
		before := ""
		if props != nil {
			before = fmt.Sprint(props.Present, props.UserProperties)
		}
		m := &mqtt.Message{Topic: "t", Props: props}
		m.Keep()
		got := withContext(m, c).Keep()
		if s := fmt.Sprint(got.Props.UserProperties); s != want || !got.Props.Has(mqtt.PropUserProperty) {
			t.Errorf("%s, want %s", s, want)
		}
		if props != nil && fmt.Sprint(props.Present, props.UserProperties) != before {
			t.Error("the properties of the message itself were changed")
		}
	}
	has := func(all ...mqtt.UserProperty) *mqtt.Properties {
		return &mqtt.Properties{Present: mqtt.PropUserProperty, UserProperties: append(make([]mqtt.UserProperty, 0, 9), all...)}
	}
	f("[{traceparent "+someParent+"}]", nil)
	f("[{traceparent "+someParent+"}]", &mqtt.Properties{UserProperties: []mqtt.UserProperty{{Key: "not", Value: "present"}}})
	f("[{a b} {traceparent "+someParent+"}]", has(mqtt.UserProperty{Key: "a", Value: "b"}))
	f("[{traceparent "+someParent+"} {a b}]", has(mqtt.UserProperty{Key: "traceparent", Value: "old"}, mqtt.UserProperty{Key: "a", Value: "b"}))
}
