package api

import (
	"cmp"
	"iter"
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
			Answer: "[{node, client_id, topic, qos}]", handle: s.listSubscriptions},
		Route{Method: "GET", Path: "/subscriptions", Versions: V4, Name: "list_subscriptions", Summary: summary, Params: paging(filters...),
			Answer: "[{node, clientid, topic, qos}]", handle: s.listSubscriptions},
		Route{Method: "GET", Path: "/subscriptions/:clientid", Versions: V3 | V4, Name: "lookup_subscriptions", Summary: "List a client's subscriptions",
			Answer: "as in the list; [] if there is no such client", handle: s.lookUpSubscriptions},
	)
	return append(all,
		Route{Method: "GET", Path: "/routes", Versions: V3 | V4, Name: "list_routes", Summary: "List the distinct topic filters, without $share and such",
			Params: paging(), Answer: "[{topic, node}]", handle: s.listRoutes},
		Route{Method: "GET", Path: "/routes/:topic", Versions: V3 | V4, Name: "lookup_routes", Summary: "Look up a topic filter",
			Answer: "as in the list; [] if nobody subscribes to it", handle: s.lookUpRoute})
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

// subscriptionRow has the client under the version's name.
func (q *request) subscriptionRow(s *Server, id string, sub *subscription) object {
	return object{"node": s.o.Node, q.clientID(): id, "topic": sub.shown, "qos": sub.qos}
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
	rows := []object{}
	add := func(id string, some []subscription) {
		for i := range some {
			rows = append(rows, q.subscriptionRow(s, id, &some[i]))
		}
	}
	pass := chooseSubscriptions(q.params)
	if pass != nil {
		m.Count = s.chosenSubscriptions(q.params, pass, from, limit, add)
	} else {
		m.Count = s.allSubscriptions(from, limit, add)
	}
	if q.version == V4 {
		m.more()
		if _, exact := q.params["topic"]; pass != nil && !exact {
			m.filtered()
		}
	}
	return page{rows, m}, nil
}

// allSubscriptions gives what is on a page of all, client by client, and
// returns how many all are. Of a client that lies before the page the number
// will do.
func (s *Server) allSubscriptions(from, limit int, give func(string, []subscription)) (total int) {
	subscribers, _ := first(s.clients(func(c client) bool {
		n := c.SubscriptionCount()
		total += n
		return n > 0
	}), from+limit, byID)
	var r room
	for _, c := range subscribers {
		if n := c.SubscriptionCount(); n <= from {
			from -= n
			continue
		}
		some, _ := first(r.subscriptions(c.Client, nil), from+limit, byFilter)
		some = some[min(from, len(some)):]
		give(c.id, some)
		if from, limit = 0, limit-len(some); limit == 0 {
			break
		}
	}
	return total
}

// chosenSubscriptions gives what is on a page of those that pass, and returns
// how many these are.
func (s *Server) chosenSubscriptions(p params, pass func(*subscription) bool, from, limit int, give func(string, []subscription)) (total int) {
	type owned struct {
		id  string
		sub subscription
	}
	var r room
	some, total := first(func(yield func(owned) bool) {
		for c := range s.subscribers(p) {
			for sub := range r.subscriptions(c.Client, pass) {
				if !yield(owned{c.id, sub}) {
					return
				}
			}
		}
	}, from+limit, func(a, b owned) int { return cmp.Or(strings.Compare(a.id, b.id), byFilter(a.sub, b.sub)) })
	for _, one := range some[min(from, len(some)):] {
		give(one.id, []subscription{one.sub})
	}
	return total
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
	id, rows := q.path["clientid"], []object{}
	if c := s.o.Broker.Client(id); c != nil {
		some, _ := first(new(room).subscriptions(c, nil), q.longest, byFilter)
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
