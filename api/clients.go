package api

import (
	"iter"
	"strings"
	"time"

	"github.com/dunlin-mq/dunlin/broker"
	"github.com/dunlin-mq/dunlin/hook"
	"github.com/dunlin-mq/dunlin/mqtt"
)

// client is one with its id, for which it doesn't have to be locked.
type client struct {
	id string
	*broker.Client
}

func byID(a, b client) int { return strings.Compare(a.id, b.id) }

// clients are all that pass; nil: all.
func (s *Server) clients(pass func(client) bool) iter.Seq[client] {
	return func(yield func(client) bool) {
		for id, c := range s.o.Broker.ByID() {
			if one := (client{id, c}); (pass == nil || pass(one)) && !yield(one) {
				return
			}
		}
	}
}

// byName is a handler that answers with the clients of a user name, as many as
// a page may hold.
func byName[R any](s *Server, pass func(client) bool, row func(client) R) func(*request) (any, error) {
	return func(q *request) (any, error) {
		some, _ := span(s.clients(func(c client) bool {
			return c.Info().Username == q.path["username"] && (pass == nil || pass(c))
		}), 0, q.longest, byID)
		return rowsOf(some, row), nil
	}
}

// lookUp is a handler that answers with the client of an id, in an array that
// is empty if there is none.
func lookUp[R any](s *Server, pass func(client) bool, row func(client) R) func(*request) (any, error) {
	return func(q *request) (any, error) {
		found := []R{}
		c := client{q.path["clientid"], s.o.Broker.Client(q.path["clientid"])}
		if c.Client != nil && (pass == nil || pass(c)) {
			found = append(found, row(c))
		}
		return found, nil
	}
}

// clientRoutes are version 4's clients.
func (s *Server) clientRoutes() []Route {
	if s.o.Broker == nil {
		return nil
	}
	criteria := clientCriteria()
	var params []Param
	for i := range criteria {
		params = append(params, criteria[i].Param)
	}
	answer := "[" + rowOf[clientRow]() + "]"
	all := s.withNode(
		Route{Method: "GET", Path: "/clients", Versions: V4, Name: "list_clients", Summary: "List the clients, connected or not, by client id",
			Params: paging(params...), Returns: answer, spread: pages, handle: func(q *request) (any, error) { return s.listClients(q, criteria) }},
		Route{Method: "GET", Path: "/clients/:clientid", Versions: V4, Name: "lookup_client", Summary: "Look up a client; the answer is empty if there is none",
			Returns: answer, spread: lists, handle: lookUp(s, nil, s.clientRow)},
		Route{Method: "GET", Path: "/clients/username/:username", Versions: V4, Name: "lookup_clients_via_username", Summary: "Look up the clients of a user name",
			Returns: answer, spread: lists, handle: byName(s, nil, s.clientRow)},
	)
	return append(all, Route{
		Method: "DELETE", Path: "/clients/:clientid", Versions: V4, Name: "kickout_client",
		Summary: "Close a client's connection and end its session", Fails: []int{codeOffline}, spread: anywhere, handle: s.kick,
	})
}

func (s *Server) listClients(q *request, criteria []criterion) (any, error) {
	pass := choose(q, criteria)
	some, m, err := pageOf(q, s.clients(pass), byID)
	if err != nil {
		return nil, err
	}
	if m.more(); pass != nil {
		m.filtered()
	}
	return page{rowsOf(some, s.clientRow), m}, nil
}

func (s *Server) kick(q *request) (any, error) {
	b := s.o.Broker.NewBatch()
	defer b.End()
	if !s.o.Broker.Kick(b, q.path["clientid"]) {
		return nil, fail(codeOffline, "not_found")
	}
	return nil, nil
}

// clientRow is a client as version 4 shows it.
type clientRow struct {
	Node       string `json:"node"`
	ClientID   string `json:"clientid"`
	Username   string `json:"username"`
	Mountpoint string `json:"mountpoint"`
	Zone       string `json:"zone"`
	IsBridge   bool   `json:"is_bridge"`
	IPAddress  string `json:"ip_address"`
	Port       uint16 `json:"port"`
	ProtoName  string `json:"proto_name"`
	ProtoVer   byte   `json:"proto_ver"`

	Connected      bool   `json:"connected"`
	ConnectedAt    string `json:"connected_at"`
	CreatedAt      string `json:"created_at"`
	DisconnectedAt string `json:"disconnected_at,omitempty"`
	Keepalive      uint16 `json:"keepalive"`
	CleanStart     bool   `json:"clean_start"`
	ExpiryInterval uint32 `json:"expiry_interval"`

	Subscriptions    int    `json:"subscriptions_cnt"`
	MaxSubscriptions int    `json:"max_subscriptions"`
	Inflight         int    `json:"inflight"`
	MaxInflight      int    `json:"max_inflight"`
	AwaitingRel      int    `json:"awaiting_rel"`
	MaxAwaitingRel   int    `json:"max_awaiting_rel"`
	MqueueLen        int    `json:"mqueue_len"`
	MaxMqueue        int    `json:"max_mqueue"`
	MqueueDropped    uint64 `json:"mqueue_dropped"`

	trafficRow
	messageRow
	runtimeRow
}

func (s *Server) clientRow(c client) clientRow {
	st := c.Status()
	who, limits := st.Client, &st.Zone.Session
	r := clientRow{
		Node: s.o.Node, ClientID: c.id, Username: orUndefined(who.Username), Mountpoint: orUndefined(who.Mountpoint), Zone: zone(who),
		IsBridge: who.Bridge, IPAddress: address(who), Port: who.Peer.Port(), ProtoName: protocol(who), ProtoVer: byte(who.Version),
		Connected: st.Connected, ConnectedAt: clock(st.ConnectedAt), CreatedAt: clock(st.Created),
		Keepalive: st.KeepAlive, CleanStart: st.CleanStart, ExpiryInterval: st.ExpiryInterval,
		Subscriptions: st.Subscribed, MaxSubscriptions: limits.MaxSubscriptions, Inflight: st.Inflight, MaxInflight: maxInflight(&st),
		AwaitingRel: st.AwaitingRel, MaxAwaitingRel: limits.MaxAwaitingRel,
		MqueueLen: st.Queued, MaxMqueue: limits.MaxMqueueLen, MqueueDropped: st.Dropped,
	}
	f := c.Figures()
	r.trafficRow, r.messageRow = trafficOf(&f), messagesOf(&f)
	if at := c.DisconnectedAt(); at != 0 && !st.Connected {
		r.DisconnectedAt = clock(at)
	}
	return r
}

// clock is a time, Unix milliseconds, as EMQ X writes it: the local one.
func clock(ms int64) string { return time.UnixMilli(ms).Format(time.DateTime) }

func address(who *hook.ClientInfo) string { return who.Peer.Addr().Unmap().String() }

func protocol(who *hook.ClientInfo) string {
	if who.Version == mqtt.V31 {
		return "MQIsdp"
	}
	return "MQTT"
}

func zone(who *hook.ClientInfo) string {
	if who.Listener == nil {
		return undefined
	}
	return orUndefined(who.Listener.Zone)
}

// maxInflight is the smaller of what the zone and what the client allow.
func maxInflight(st *broker.Status) int {
	most, wanted := st.Zone.Session.MaxInflight, int(st.ReceiveMaximum)
	if wanted > 0 && (most <= 0 || wanted < most) {
		return wanted
	}
	return most
}

// criterion is a parameter that chooses clients.
type criterion struct {
	Param
	holds func(value any, c *candidate) bool
}

// candidate is a client that may be chosen. It is looked at only as far as
// needed: most are ruled out by their id or by who they are.
type candidate struct {
	client
	who    *hook.ClientInfo // nil: not looked at yet
	status broker.Status
	known  bool // status is
}

func (c *candidate) info() *hook.ClientInfo {
	if c.who == nil {
		c.who = c.Info()
	}
	return c.who
}

func (c *candidate) state() *broker.Status {
	if !c.known {
		c.status, c.known = c.Status(), true
	}
	return &c.status
}

// choose returns a function that says which clients fulfil all criteria that
// the request names; nil: it names none.
func choose(q *request, criteria []criterion) func(client) bool {
	var named []criterion
	var values []any
	for _, c := range criteria {
		if v, ok := q.params[c.Name]; ok {
			named, values = append(named, c), append(values, v)
		}
	}
	if named == nil {
		return nil
	}
	var one candidate // for all: a request goes through them one by one
	return func(c client) bool {
		one.client, one.who, one.known = c, nil, false
		for i := range named {
			if !named[i].holds(values[i], &one) {
				return false
			}
		}
		return true
	}
}

// clientCriteria are those of version 4, what is quick to see first.
func clientCriteria() []criterion {
	var all []criterion
	text := func(name, doc string, of func(*candidate) string, values ...string) {
		all = append(all, criterion{Param{Name: name, Type: Text, OneOf: values, Doc: doc},
			func(v any, c *candidate) bool { return of(c) == v.(string) }})
	}
	like := func(name, doc string, of func(*candidate) string) {
		all = append(all, criterion{Param{Name: name, Type: Text, Doc: doc},
			func(v any, c *candidate) bool { return strings.Contains(of(c), v.(string)) }})
	}
	span := func(name, doc string, of func(*broker.Status) int64) {
		all = append(all,
			criterion{Param{Name: "_gte_" + name, Type: Whole, Doc: "at least: " + doc},
				func(v any, c *candidate) bool { return of(c.state()) >= v.(int64) }},
			criterion{Param{Name: "_lte_" + name, Type: Whole, Doc: "at most: " + doc},
				func(v any, c *candidate) bool { return of(c.state()) <= v.(int64) }})
	}
	id := func(c *candidate) string { return c.id }
	username := func(c *candidate) string { return c.info().Username }
	text("clientid", "the client id", id)
	like("_like_clientid", "a part of the client id", id)
	text("conn_state", "whether it is connected", state, "connected", "disconnected", "idle", "connecting")
	text("username", "the user name", username)
	like("_like_username", "a part of the user name", username)
	text("zone", "the zone", func(c *candidate) string { return zone(c.info()) })
	text("ip_address", "the client's address", func(c *candidate) string { return address(c.info()) })
	text("proto_name", "the protocol", func(c *candidate) string { return protocol(c.info()) })
	all = append(all,
		criterion{Param{Name: "proto_ver", Type: Whole, Doc: "3, 4 or 5"},
			func(v any, c *candidate) bool { return v.(int64) == int64(c.info().Version) }},
		criterion{Param{Name: "clean_start", Type: Flag, Doc: "what the client asked for"},
			func(v any, c *candidate) bool { return v.(bool) == c.state().CleanStart }})
	span("created_at", "when the session began, Unix seconds", func(st *broker.Status) int64 { return st.Created / 1000 })
	span("connected_at", "when the client connected, Unix seconds", func(st *broker.Status) int64 { return st.ConnectedAt / 1000 })
	span("mqueue_len", "messages that wait for it", func(st *broker.Status) int64 { return int64(st.Queued) })
	span("mqueue_dropped", "messages dropped of those", func(st *broker.Status) int64 { return int64(st.Dropped) })
	return all
}

func state(c *candidate) string {
	if c.Connected() {
		return "connected"
	}
	return "disconnected"
}
