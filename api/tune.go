package api

import (
	"math"

	"github.com/dunlin-mq/dunlin/broker"
	"github.com/dunlin-mq/dunlin/config"
)

// tuneRoutes change the limits of a client's connection while it lasts; its
// next connection has those of the configuration again.
func (s *Server) tuneRoutes() []Route {
	if s.o.Broker == nil {
		return nil
	}
	const rates, quota = "/clients/:clientid/ratelimit", "/clients/:clientid/quota"
	rate := func(name, doc string) Param { return Param{Name: name, Type: Text, Doc: doc} }
	all := []Route{
		{Method: "POST", Path: rates, Name: "set_ratelimit_policy", Summary: "Limit what a client's connection may send",
			Params: []Param{
				rate("conn_bytes_in", `such as "100KB,10s"; in the place of the listener's and the zone's`),
				rate("conn_messages_in", `such as "100,1s"; in the place of the zone's`),
			}, Fails: []int{codeMissing, codeOffline}, handle: s.tune},
		{Method: "DELETE", Path: rates, Name: "clean_ratelimit_policy", Summary: "Have a connection limited by the configuration again", Fails: []int{codeOffline}, handle: func(q *request) (any, error) {
			return nil, s.tuneTo(q, broker.Tuning{BytesIn: new(config.Rate), MessagesIn: new(config.Rate)})
		}},
		{Method: "POST", Path: quota, Name: "set_quota_policy", Summary: "Limit the deliveries that a client's connection may cause; what is beyond is refused",
			Params: []Param{rate("conn_messages_routing", `such as "100,1s"; in the place of the zone's`)}, Fails: []int{codeMissing, codeOffline}, handle: s.tune},
		{Method: "DELETE", Path: quota, Name: "clean_quota_policy", Summary: "Have a connection's quota set by the configuration again", Fails: []int{codeOffline}, handle: func(q *request) (any, error) {
			return nil, s.tuneTo(q, broker.Tuning{Routing: new(config.Rate)})
		}},
		{Method: "PUT", Path: "/clients/:clientid/keepalive", Name: "set_keepalive", Summary: "Change after which silence a client's connection ends",
			Params: []Param{{Name: "interval", Type: Whole, Required: true, Doc: "seconds, up to 65535; 0: never. The client isn't told"}}, Fails: []int{codeOffline}, handle: s.setKeepAlive},
	}
	for i := range all {
		all[i].Versions, all[i].spread = V4, anywhere
	}
	return all
}

// tune sets the rates that the request names.
func (s *Server) tune(q *request) (any, error) {
	var t broker.Tuning
	for _, p := range []struct {
		name string
		to   **config.Rate
	}{{"conn_bytes_in", &t.BytesIn}, {"conn_messages_in", &t.MessagesIn}, {"conn_messages_routing", &t.Routing}} {
		text := q.params.text(p.name)
		if text == "" {
			continue
		}
		*p.to = new(config.Rate)
		if err := (*p.to).UnmarshalText([]byte(text)); err != nil {
			return nil, fail(codeValue, "bad "+p.name+": "+err.Error())
		}
	}
	if t == (broker.Tuning{}) {
		var names []string
		for _, p := range q.route.Params {
			names = append(names, p.Name)
		}
		return nil, fail(codeMissing, "expected at least one of "+quoted(names))
	}
	return nil, s.tuneTo(q, t)
}

func (s *Server) setKeepAlive(q *request) (any, error) {
	n := q.params.whole("interval", 0)
	if n < 0 || n > math.MaxUint16 {
		return nil, fail(codeValue, "bad interval: must be from 0 to 65535 seconds")
	}
	return nil, s.tuneTo(q, broker.Tuning{KeepAlive: new(uint16(n))})
}

func (s *Server) tuneTo(q *request, t broker.Tuning) error {
	if !s.o.Broker.Tune(q.path["clientid"], t) {
		return fail(codeOffline, "not_found")
	}
	return nil
}
