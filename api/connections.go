package api

import (
	"github.com/dunlin-mq/dunlin/broker"
)

// connectionRoutes are version 3's connections and sessions, which version 4
// shows as one.
func (s *Server) connectionRoutes() []Route {
	if s.o.Broker == nil {
		return nil
	}
	connection, session := "["+rowOf[connectionRow]()+"]", "["+rowOf[sessionRow]()+"]"
	all := s.withNode(
		Route{Method: "GET", Path: "/connections", Versions: V3, Name: "list_connections", Summary: "List the connected clients, by client id", Params: paging(),
			Returns: connection, handle: listPages(s, connected, s.connectionRow)},
		Route{Method: "GET", Path: "/connections/:clientid", Versions: V3, Name: "lookup_connection", Summary: "Look up a connected client; the answer is empty if there is none",
			Returns: connection, spread: lists, handle: lookUp(s, connected, s.connectionRow)},
		Route{Method: "GET", Path: "/connection/username/:username", Versions: V3, Name: "lookup_connection_via_username", Summary: "Look up the connected clients of a user name",
			Returns: connection, spread: lists, handle: byName(s, connected, s.connectionRow)},
		Route{Method: "GET", Path: "/sessions", Versions: V3, Name: "list_sessions", Summary: "List the sessions, by client id", Params: paging(),
			Returns: session, handle: listPages(s, nil, s.sessionRow)},
		Route{Method: "GET", Path: "/sessions/:clientid", Versions: V3, Name: "lookup_session", Summary: "Look up a session; the answer is empty if there is none",
			Returns: session, spread: lists, handle: lookUp(s, nil, s.sessionRow)},
		Route{Method: "DELETE", Path: "/sessions/persistent/:clientid", Versions: V3, Name: "clean_session", Summary: "End the session of a client that is away",
			spread: anywhere, handle: s.endSession},
	)
	return append(all,
		Route{Method: "DELETE", Path: "/connections/:clientid", Versions: V3, Name: "kickout_connection", Summary: "Close a client's connection",
			Fails: []int{codeOffline}, spread: anywhere, handle: s.disconnect},
		Route{Method: "DELETE", Path: "/clients/:clientid", Versions: V2 | V3, Name: "kickout_client", Summary: "Close a client's connection, as in EMQ X 2",
			Returns: "{code: int, result: [any]}", Whole: true, Fails: []int{codeOffline}, spread: anywhere, handle: s.disconnectV2})
}

func connected(c client) bool { return c.Connected() }

// listPages is a handler that lists the clients that pass.
func listPages[R any](s *Server, pass func(client) bool, row func(client) R) func(*request) (any, error) {
	return func(q *request) (any, error) {
		some, m, err := pageOf(q, s.clients(pass), byID)
		if err != nil {
			return nil, err
		}
		return page{rowsOf(some, row), m}, nil
	}
}

func (s *Server) disconnect(q *request) (any, error) {
	if !s.o.Broker.Disconnect(q.path["clientid"]) {
		return nil, fail(codeOffline, "not_found")
	}
	return nil, nil
}

func (s *Server) disconnectV2(q *request) (any, error) {
	if _, err := s.disconnect(q); err != nil {
		return nil, err
	}
	return asItIs{"code": 0, "result": []any{}}, nil
}

func (s *Server) endSession(q *request) (any, error) {
	id := q.path["clientid"]
	c := s.o.Broker.Client(id)
	if c != nil && c.Connected() {
		return nil, failWithoutCode("running_session")
	}
	b := s.o.Broker.NewBatch()
	defer b.End()
	if !s.o.Broker.Kick(b, id) {
		return nil, failWithoutCode("not_found")
	}
	return nil, nil
}

// connectionRow is a connected client as version 3 shows it.
type connectionRow struct {
	Node        string `json:"node"`
	ClientID    string `json:"client_id"`
	Username    string `json:"username"`
	IPAddress   string `json:"ipaddress"`
	Port        uint16 `json:"port"`
	CleanStart  bool   `json:"clean_start"`
	ProtoVer    byte   `json:"proto_ver"`
	ProtoName   string `json:"proto_name"`
	Keepalive   uint16 `json:"keepalive"`
	ConnectedAt string `json:"connected_at"`
	Zone        string `json:"zone"`
	IsBridge    bool   `json:"is_bridge"`
	PeerCert    string `json:"peercert"`
	ConnMod     string `json:"conn_mod"`
	SendPend    int    `json:"send_pend"`
	trafficRow
	runtimeRow
}

func (s *Server) connectionRow(c client) connectionRow {
	st := c.Status()
	who := st.Client
	r := connectionRow{
		Node: s.o.Node, ClientID: c.id, Username: orUndefined(who.Username), IPAddress: address(who), Port: who.Peer.Port(),
		CleanStart: st.CleanStart, ProtoVer: byte(who.Version), ProtoName: protocol(who), Keepalive: st.KeepAlive,
		ConnectedAt: clock(st.ConnectedAt), Zone: zone(who), IsBridge: who.Bridge, PeerCert: undefined, ConnMod: connMod(&st),
	}
	f := c.Figures()
	r.trafficRow = trafficOf(&f)
	if who.Cert != nil {
		r.PeerCert = orUndefined(who.Cert.Subject)
	}
	return r
}

// connMod is what EMQ X calls the part that serves such connections.
func connMod(st *broker.Status) string {
	if l := st.Client.Listener; l != nil && (l.Protocol == "ws" || l.Protocol == "wss") {
		return "emqx_ws_connection"
	}
	return "emqx_connection"
}

// sessionRow is a session as version 3 shows it.
type sessionRow struct {
	Node             string `json:"node"`
	ClientID         string `json:"client_id"`
	Username         string `json:"username"`
	CleanStart       bool   `json:"clean_start"`
	Binding          string `json:"binding"` // local: everything of it is on this node
	ExpiryInterval   uint32 `json:"expiry_interval"`
	CreatedAt        string `json:"created_at"`
	MaxSubscriptions int    `json:"max_subscriptions"`
	Subscriptions    int    `json:"subscriptions_count"`
	MaxInflight      int    `json:"max_inflight"`
	Inflight         int    `json:"inflight_len"`
	MaxMqueue        int    `json:"max_mqueue"`
	MqueueLen        int    `json:"mqueue_len"`
	MqueueDropped    uint64 `json:"mqueue_dropped"`
	MaxAwaitingRel   int    `json:"max_awaiting_rel"`
	AwaitingRel      int    `json:"awaiting_rel_len"`
	DeliverMsg       uint64 `json:"deliver_msg"`
	EnqueueMsg       uint64 `json:"enqueue_msg"`
	MailboxLen       int    `json:"mailbox_len"`
	HeapSize         int    `json:"heap_size"`
	Reductions       int    `json:"reductions"`
}

func (s *Server) sessionRow(c client) sessionRow {
	st, f := c.Status(), c.Figures()
	limits := &st.Zone.Session
	return sessionRow{
		Node: s.o.Node, ClientID: c.id, Username: orUndefined(st.Client.Username), CleanStart: st.CleanStart, Binding: "local",
		ExpiryInterval: st.ExpiryInterval, CreatedAt: clock(st.Created),
		MaxSubscriptions: limits.MaxSubscriptions, Subscriptions: st.Subscribed, MaxInflight: maxInflight(&st), Inflight: st.Inflight,
		MaxMqueue: limits.MaxMqueueLen, MqueueLen: st.Queued, MqueueDropped: st.Dropped,
		MaxAwaitingRel: limits.MaxAwaitingRel, AwaitingRel: st.AwaitingRel, DeliverMsg: f.Delivered, EnqueueMsg: f.Queued,
	}
}
