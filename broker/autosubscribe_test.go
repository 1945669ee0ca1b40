package broker

import (
	"slices"
	"strings"
	"testing"

	"github.com/dunlin-mq/dunlin/mqtt"
)

func filters(c *Client) (all []string) {
	for s := range c.Subscriptions() {
		all = append(all, s.Filter)
	}
	slices.Sort(all)
	return all
}

func TestAutoSubscribe(t *testing.T) {
	r := newRig(t, func(o *Options) {
		o.Config.Modules.Subscriptions = map[string]Subscription{
			"1": {Topic: "client/%c", QoS: 1}, "2": {Topic: "user/%u/#", QoS: 2, NoLocal: 1, RetainAsPublished: 1, RetainHandling: 2},
			"3": {Topic: "$share/g/all/+"},
		}
	})
	user := func(name string) how { return func(o *Opening) { o.Ask.Client.Username = name } }
	f := func(id string, want []string, with ...how) *Client {
		t.Helper()
		c := r.connect(id, with...).client
		if got := filters(c); !slices.Equal(got, want) {
			t.Errorf("%s: %q, want %q", id, got, want)
		}
		return c
	}
	f("a", []string{"$share/g/all/+", "client/a"})
	f("b", []string{"$share/g/all/+", "client/b", "user/u/#"}, user("u"))
	f("c", []string{"$share/g/m/all/+", "m/client/c"}, mounted("m/"))
	f("+", []string{"$share/g/all/+"})             // would listen to everybody
	f("#", []string{"$share/g/all/+"}, user("+"))  // the same
	f("d+", []string{"$share/g/all/+"}, user("#")) // not valid
	c := f("e", []string{"$share/g/all/+", "client/e", "user/u/#"}, user("u"), v5)
	for s := range c.Subscriptions() {
		if want := (mqtt.SubscribeOptions{QoS: 2, NoLocal: true, RetainAsPublished: true, RetainHandling: 2}); s.Filter == "user/u/#" && s.SubscribeOptions != want {
			t.Errorf("options %+v, want %+v", s.SubscribeOptions, want)
		}
	}
	for s := range f("f", []string{"$share/g/all/+", "client/f", "user/u/#"}, user("u")).Subscriptions() {
		if s.Filter == "user/u/#" && s.SubscribeOptions != (mqtt.SubscribeOptions{QoS: 2}) {
			t.Errorf("options of an old client: %+v", s.SubscribeOptions)
		}
	}
	if !strings.Contains(r.log.String(), "left out") {
		t.Error("nobody is told of what was left out")
	}
	off := newRig(t, func(o *Options) {
		o.Config.Modules.Subscriptions = map[string]Subscription{"1": {Topic: "t"}}
		o.Config.Modules.AutoSubscribe = false
	})
	if got := filters(off.connect("a").client); got != nil {
		t.Errorf("module.subscription = off: %q", got)
	}
}

func TestAutoSubscribeSendsRetained(t *testing.T) {
	r := newRig(t, func(o *Options) { o.Config.Modules.Subscriptions = map[string]Subscription{"1": {Topic: "t", QoS: 1}} })
	r.connect("p").publishIn(r.batch, &mqtt.Message{Topic: "t", Payload: []byte("1"), Retain: true})
	r.connect("a").wants("t=1 retain")
}
