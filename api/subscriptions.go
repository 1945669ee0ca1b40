package api

import (
	"cmp"
	"iter"
	"slices"
	"strings"

	"github.com/dunlin-mq/dunlin/broker"
	"github.com/dunlin-mq/dunlin/mqtt"
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
	all := s.withNode(
		Route{Method: "GET", Path: "/subscriptions", Versions: V3, Name: "list_subscriptions", Summary: summary, Params: paging(),
			Returns: "[{node, client_id, topic, qos: int}]", handle: s.listSubscriptions},
		Route{Method: "GET", Path: "/subscriptions", Versions: V4, Name: "list_subscriptions", Summary: summary, Params: paging(filters...),
			Returns: "[{node, clientid, topic, qos: int}]", spread: pages, handle: s.listSubscriptions},
		Route{Method: "GET", Path: "/subscriptions/:clientid", Versions: V3 | V4, Name: "lookup_subscriptions", Summary: "List a client's subscriptions",
			Returns: "[{node, clientid?, client_id?, topic, qos: int}]", spread: lists, handle: s.lookUpSubscriptions},
	)
	return append(all,
		Route{Method: "GET", Path: "/routes", Versions: V3 | V4, Name: "list_routes", Summary: "List the distinct topic filters, without $share and such",
			Params: paging(), Returns: "[{topic, node}]", spread: pages, handle: s.listRoutes},
		Route{Method: "GET", Path: "/routes/:topic", Versions: V3 | V4, Name: "lookup_routes", Summary: "Look up a topic filter",
			Returns: "[{topic, node}]", spread: lists, handle: s.lookUpRoute})
}

// subscription is one as lists show it.
type subscription struct {
	topic.Filter
	shown string
	qos   mqtt.QoS
}

func byFilter(a, b subscription) int { return strings.Compare(a.shown, b.shown) }

// room is where the subscriptions of one client after the other are looked at.
type room []*session.Subscription

// subscriptions are those of a client that pass; nil: all.
func (r *room) subscriptions(c *broker.Client, pass func(*subscription) bool) iter.Seq[subscription] {
	return func(yield func(subscription) bool) {
		*r = c.AppendSubscriptions((*r)[:0])
		for _, sub := range *r {
			f, err := topic.Parse(sub.Filter)
			if err != nil {
				continue // the session has none that isn't valid
			}
			one := subscription{f, f.String(), sub.QoS}
			if (pass == nil || pass(&one)) && !yield(one) {
				return
			}
		}
	}
}

// owned is a subscription with the client that has it.
type owned struct {
	id  string
	sub subscription
}

func byOwner(a, b owned) int { return cmp.Or(strings.Compare(a.id, b.id), byFilter(a.sub, b.sub)) }

// subscriptionRow is a subscription as version 4 shows it.
type subscriptionRow struct {
	ClientID string `json:"clientid"`
	Node     string `json:"node"`
	QoS      uint8  `json:"qos"`
	Topic    string `json:"topic"`
}

// oldSubscriptionRow is one as version 3 shows it.
type oldSubscriptionRow struct {
	ClientID string `json:"client_id"`
	Node     string `json:"node"`
	QoS      uint8  `json:"qos"`
	Topic    string `json:"topic"`
}

// subscriptionRows shows subscriptions in the form of the version.
func (q *request) subscriptionRows(s *Server, some []owned) rows {
	show := func(one owned) subscriptionRow {
		return subscriptionRow{one.id, s.o.Node, uint8(one.sub.qos), one.sub.shown}
	}
	if q.version == V4 {
		return rowsOf(some, show)
	}
	return rowsOf(some, func(one owned) oldSubscriptionRow { return oldSubscriptionRow(show(one)) })
}

func (s *Server) listSubscriptions(q *request) (any, error) {
	from, limit, m, err := q.page(q.longest)
	if err != nil {
		return nil, err
	}
	var some []owned
	pass := chooseSubscriptions(q.params)
	if pass != nil {
		some, m.Count = s.chosenSubscriptions(q.params, pass, from, limit)
	} else {
		some, m.Count = s.allSubscriptions(from, limit)
	}
	if q.version == V4 {
		m.more()
		if _, exact := q.params["topic"]; pass != nil && !exact {
			m.filtered()
		}
	}
	return page{q.subscriptionRows(s, some), m}, nil
}

// subscriber is a client with how many subscriptions it has.
type subscriber struct {
	client
	count int
}

// allSubscriptions are what is on a page of all, and how many all are. Of a
// client that is not on the page the number will do.
func (s *Server) allSubscriptions(from, limit int) (some []owned, total int) {
	all := make([]subscriber, 0, s.o.Broker.Sessions())
	for c := range s.clients(nil) {
		if n := c.SubscriptionCount(); n > 0 {
			all = append(all, subscriber{c, n})
			total += n
		}
	}
	compare := func(a, b subscriber) int { return strings.Compare(a.id, b.id) }
	weight := func(c *subscriber) int { return c.count }
	before, skipped := divide(all, from, compare, weight)
	all, from = all[before:], from-skipped
	n, _ := divide(all, from+limit, compare, weight)
	all = all[:min(n+1, len(all))]
	slices.SortFunc(all, compare)
	var r room
	for _, c := range all {
		subs, _ := span(r.subscriptions(c.Client, nil), from, limit-len(some), byFilter)
		for i := range subs {
			some = append(some, owned{c.id, subs[i]})
		}
		if from = 0; len(some) == limit {
			break
		}
	}
	return some, total
}

// chosenSubscriptions are what is on a page of those that pass, and how many
// these are.
func (s *Server) chosenSubscriptions(p params, pass func(*subscription) bool, from, limit int) (some []owned, total int) {
	var r room
	return span(func(yield func(owned) bool) {
		for c := range s.subscribers(p) {
			for sub := range r.subscriptions(c.Client, pass) {
				if !yield(owned{c.id, sub}) {
					return
				}
			}
		}
	}, from, limit, byOwner)
}

// subscribers are the clients whose subscriptions are looked through.
func (s *Server) subscribers(p params) iter.Seq[client] {
	id, ok := p["clientid"].(string)
	if !ok {
		return s.clients(nil)
	}
	return func(yield func(client) bool) {
		if c := s.o.Broker.Client(id); c != nil {
			yield(client{id, c})
		}
	}
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
		all = append(all, func(sub *subscription) bool { return int64(sub.qos) == qos })
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
	id, some := q.path["clientid"], []owned{}
	if c := s.o.Broker.Client(id); c != nil {
		subs, _ := span(new(room).subscriptions(c, nil), 0, q.longest, byFilter)
		for i := range subs {
			some = append(some, owned{id, subs[i]})
		}
	}
	return q.subscriptionRows(s, some), nil
}

// routeRow is a topic filter that somebody has.
type routeRow struct {
	Node  string `json:"node"`
	Topic string `json:"topic"`
}

func (s *Server) listRoutes(q *request) (any, error) {
	some, m, err := pageOf(q, s.o.Broker.Filters(), strings.Compare)
	if err != nil {
		return nil, err
	}
	return page{rowsOf(some, s.routeRow), m}, nil
}

func (s *Server) routeRow(filter string) routeRow { return routeRow{s.o.Node, filter} }

func (s *Server) lookUpRoute(q *request) (any, error) {
	if name := q.path["topic"]; s.o.Broker.HasFilter(name) {
		return []routeRow{s.routeRow(name)}, nil
	}
	return []routeRow{}, nil
}
