package api

import (
	"iter"
	"math"
	"strings"

	"github.com/dunlin-mq/dunlin/broker"
	"github.com/dunlin-mq/dunlin/session"
	"github.com/dunlin-mq/dunlin/topic"
)

// subscriptionRoutes are who subscribes to what, and which filters there are.
func (s *Server) subscriptionRoutes() []Route {
	if s.o.Broker == nil {
		return nil
	}
	const summary = "List the subscriptions, by client id and filter, as they are in force: with mountpoint"
	filters := []Param{
		{Name: "clientid", Type: Text, Doc: "the client"},
		{Name: "topic", Type: Text, Doc: "the filter, without $share and such"},
		{Name: "share", Type: Text, Doc: "the share group"},
		{Name: "qos", Type: Whole, Doc: "the QoS"},
		{Name: "_match_topic", Type: Text, Doc: "a filter that matches the subscription's"},
	}
	var all []Route
	for _, r := range []Route{
		{Method: "GET", Path: "/subscriptions", Versions: V3, Name: "list_subscriptions", Summary: summary, Params: paging(),
			Answer: "[{node, client_id, topic, qos}]", handle: s.listSubscriptions},
		{Method: "GET", Path: "/subscriptions", Versions: V4, Name: "list_subscriptions", Summary: summary, Params: paging(filters...),
			Answer: "[{node, clientid, topic, qos}]", handle: s.listSubscriptions},
		{Method: "GET", Path: "/subscriptions/:clientid", Versions: V3 | V4, Name: "lookup_subscriptions", Summary: "List a client's subscriptions",
			Answer: "as in the list; [] if there is no such client", handle: s.lookUpSubscriptions},
	} {
		all = append(all, s.withNode(r)...)
	}
	return append(all,
		Route{Method: "GET", Path: "/routes", Versions: V3 | V4, Name: "list_routes", Summary: "List the distinct topic filters, without $share and such",
			Params: paging(), Answer: "[{topic, node}]", handle: s.listRoutes},
		Route{Method: "GET", Path: "/routes/:topic", Versions: V3 | V4, Name: "lookup_routes", Summary: "Look up a topic filter",
			Answer: "as in the list; [] if nobody subscribes to it", handle: s.lookUpRoute})
}

// subscription is one as lists show it.
type subscription struct {
	session.Subscription
	topic.Filter
	shown string
}

func byFilter(a, b subscription) int { return strings.Compare(a.shown, b.shown) }

// subscriptions are those of a client that pass; nil: all.
func subscriptions(c *broker.Client, pass func(*subscription) bool) iter.Seq[subscription] {
	return func(yield func(subscription) bool) {
		for sub := range c.Subscriptions() {
			f, err := topic.Parse(sub.Filter)
			if err != nil {
				continue // the session has none that isn't valid
			}
			one := subscription{*sub, f, f.String()}
			if (pass == nil || pass(&one)) && !yield(one) {
				return
			}
		}
	}
}

// subscriptionRow has the client under the version's name.
func (q *request) subscriptionRow(s *Server, id string, sub *subscription) object {
	return object{"node": s.o.Node, q.clientID(): id, "topic": sub.shown, "qos": sub.QoS}
}

// clientID is the version's name of a client id.
func (q *request) clientID() string {
	if q.version == V4 {
		return "clientid"
	}
	return "client_id"
}

func (s *Server) listSubscriptions(q *request) (any, error) {
	from, limit, m, err := q.page(q.longest)
	if err != nil {
		return nil, err
	}
	pass := chooseSubscriptions(q.params)
	rows := []object{}
	for _, c := range s.subscribers(q.params) {
		// Of a client that lies before the page or behind it the number will do.
		n := c.SubscriptionCount()
		if pass == nil && (m.Count+n <= from || len(rows) == limit) {
			m.Count += n
			continue
		}
		some, n := first(subscriptions(c.Client, pass), max(from-m.Count, 0)+limit-len(rows)+1, byFilter)
		for i := max(from-m.Count, 0); i < len(some) && len(rows) < limit; i++ {
			rows = append(rows, q.subscriptionRow(s, c.id, &some[i]))
		}
		m.Count += n
	}
	if q.version == V4 {
		m.more()
		if _, exact := q.params["topic"]; pass != nil && !exact {
			m.filtered()
		}
	}
	return page{rows, m}, nil
}

// subscribers are the clients whose subscriptions are listed, in their order.
func (s *Server) subscribers(p params) []client {
	if id, ok := p["clientid"].(string); ok {
		if c := s.o.Broker.Client(id); c != nil {
			return []client{{id, c}}
		}
		return nil
	}
	all, _ := first(s.clients(nil), math.MaxInt, byID)
	return all
}

// chooseSubscriptions returns a function that says which subscriptions fulfil
// the criteria of version 4; nil: there are none.
func chooseSubscriptions(p params) func(*subscription) bool {
	var all []func(*subscription) bool
	if _, ok := p["clientid"]; ok { // see subscribers
		all = append(all, func(*subscription) bool { return true })
	}
	if name, ok := p["topic"].(string); ok {
		all = append(all, func(sub *subscription) bool { return sub.Bare == name })
	}
	if group, ok := p["share"].(string); ok {
		all = append(all, func(sub *subscription) bool { return sub.Kind == topic.Shared && sub.Group == group })
	}
	if qos, ok := p["qos"].(int64); ok {
		all = append(all, func(sub *subscription) bool { return int64(sub.QoS) == qos })
	}
	if filter, ok := p["_match_topic"].(string); ok {
		all = append(all, func(sub *subscription) bool { return topic.Match(filter, sub.Bare) })
	}
	if all == nil {
		return nil
	}
	return func(sub *subscription) bool {
		for _, holds := range all {
			if !holds(sub) {
				return false
			}
		}
		return true
	}
}

func (s *Server) lookUpSubscriptions(q *request) (any, error) {
	id, rows := q.path["clientid"], []object{}
	if c := s.o.Broker.Client(id); c != nil {
		some, _ := first(subscriptions(c, nil), q.longest, byFilter)
		for i := range some {
			rows = append(rows, q.subscriptionRow(s, id, &some[i]))
		}
	}
	return rows, nil
}

func (s *Server) listRoutes(q *request) (any, error) {
	some, m, err := pageOf(q, s.o.Broker.Filters(), strings.Compare)
	if err != nil {
		return nil, err
	}
	rows := make([]object, len(some))
	for i := range some {
		rows[i] = object{"topic": some[i], "node": s.o.Node}
	}
	return page{rows, m}, nil
}

func (s *Server) lookUpRoute(q *request) (any, error) {
	if name := q.path["topic"]; s.o.Broker.HasFilter(name) {
		return []object{{"topic": name, "node": s.o.Node}}, nil
	}
	return []object{}, nil
}
