package api

import (
	"encoding/json"
	"errors"
	"strings"

	"github.com/dunlin-mq/dunlin/broker"
	"github.com/dunlin-mq/dunlin/mqtt"
	"github.com/dunlin-mq/dunlin/topic"
)

// messageRoutes publish, and subscribe for clients.
func (s *Server) messageRoutes() (all []Route) {
	if s.o.Broker == nil {
		return nil
	}
	for _, m := range []messages{
		{s, V3, "client_id", "session_not_found"},
		{s, V4, "clientid", "channel_not_found"},
	} {
		all = append(all, m.routes()...)
	}
	return all
}

// messages are the routes of one version.
type messages struct {
	*Server
	version  Versions
	clientID string // the name of the parameter
	unknown  string // what is said about a client that isn't there
}

func (m *messages) routes() []Route {
	names := []Param{
		{Name: "topic", Type: Text, Doc: "one, or several with commas between them"},
		{Name: "topics", Type: Text, Doc: "the same; takes the place of topic"},
	}
	qos := Param{Name: "qos", Type: Whole, Doc: "0, 1 or 2; 0"}
	who := Param{Name: m.clientID, Type: Text, Doc: "the client"}
	from := Param{Name: m.clientID, Type: Text, Doc: "who it is from"}
	publish := append(names[:2:2], qos, from,
		Param{Name: "payload", Type: Any, Doc: "a text; what is none is sent as its JSON"},
		Param{Name: "retain", Type: Flag, Doc: "whether it is kept for later subscribers"})
	if m.version == V4 {
		publish = append(publish,
			Param{Name: "encoding", Type: Text, OneOf: []string{"plain", "base64"}, Doc: "of the payload; plain"},
			Param{Name: "return", Type: Any, Doc: "anything: the answer has the ids of the messages"},
			Param{Name: "properties", Type: Any, Doc: "those of MQTT 5, by name"},
			Param{Name: "user_properties", Type: Any, Doc: "those of MQTT 5, by name"})
	}
	var all []Route
	add := func(verb, summary, returns string, fails []int, params []Param, do func(params) (any, error)) {
		one := Route{Method: "POST", Path: "/mqtt/" + verb, Name: "mqtt_" + verb, Summary: summary, Returns: returns, Params: params, Fails: fails,
			handle: func(q *request) (any, error) { return do(q.params) }}
		many := one
		many.Path, many.Name, many.Summary = one.Path+"_batch", one.Name+"_batch", summary+"; the body is an array of such objects"
		many.Returns = returns + " | [{" + m.clientID + "?: any, topic?: any, topics?: any, code: int}]" // the answer to a body that is no array is that of one
		many.batch = func(_ *request, items []item) any { return m.each(items, do, verb != "publish") }
		one.Versions, many.Versions = m.version, m.version
		if verb != "publish" {
			one.spread, many.spread = anywhere, eachAnywhere
		}
		all = append(all, one, many)
	}
	add("subscribe", "Subscribe for a client; the ACL isn't asked", "none", []int{codeValue, codeOffline, codeTopic, codeQoS}, append(names[:2:2], qos, who), m.subscribe)
	add("unsubscribe", "Unsubscribe for a client", "none", []int{codeValue, codeOffline, codeTopic}, append(names[:2:2], who), m.unsubscribe)
	add("publish", "Publish a message; the ACL isn't asked, and there is no mountpoint; the answer has the ids if return was given", "none | {msgid} | {msgids: [string]}", []int{codeTopic}, publish, m.publish)
	return all
}

// each does the same for every object of an array, and says what came of it.
func (m *messages) each(items []item, do func(params) (any, error), forClient bool) any {
	rows := make([]object, len(items))
	for i := range items {
		one := &items[i]
		if one.err == nil {
			_, one.err = do(one.params)
		}
		row := object{"code": codeOf(one.err)}
		for _, name := range []string{"topic", "topics", m.clientID} {
			if v, sent := one.sent[name]; sent && (forClient || name != m.clientID) {
				row[name] = v
			}
		}
		rows[i] = row
	}
	return rows
}

// eachAnywhere is anywhere for each object of an array: those about clients that
// aren't here are sent to all others.
func eachAnywhere(s *Server, q *request, all []Member) (any, error) {
	if q.items == nil {
		return anywhere(s, q, all)
	}
	data, err := q.own()
	rows, _ := data.([]object)
	var rest []params
	var at []int // where they are in rows
	for i := range rows {
		if rows[i]["code"] == codeOffline {
			rest, at = append(rest, q.items[i]), append(at, i)
		}
	}
	if err != nil || rest == nil {
		return data, err
	}
	q.items = rest
	for _, r := range s.askAll(q, all) {
		var codes []struct{ Code int }
		if err := json.Unmarshal(r.body.Data, &codes); err != nil || len(codes) != len(at) {
			s.unanswered(q, r.from, fail(codeRPC, r.why()))
			q.missing = append(q.missing, r.from.Name)
			continue
		}
		for i, one := range codes {
			if one.Code != codeOffline {
				rows[at[i]]["code"] = one.Code
			}
		}
	}
	return rows, nil
}

func codeOf(err error) int {
	if err == nil {
		return 0
	}
	if f, ok := errors.AsType[*fault](err); ok && f.code != 0 {
		return f.code
	}
	return codeUnknown
}

// topics are those named that are valid; if there is none, that is an error.
func topics(p params, valid func(string) error) (all []string, err error) {
	list := p.text("topic")
	if more, ok := p["topics"].(string); ok {
		list = more
	}
	for name := range strings.SplitSeq(list, ",") {
		if valid(name) == nil {
			all = append(all, name)
		}
	}
	if all == nil {
		return nil, fail(codeTopic, "bad_topic")
	}
	return all, nil
}

func validFilter(s string) error {
	_, err := topic.Parse(s)
	return err
}

// client is the id of the client that is acted for.
func (m *messages) client(p params) (string, error) {
	id, ok := p[m.clientID].(string)
	switch {
	case ok || m.version == V3:
		return id, nil
	default:
		return "", fail(codeValue, "bad clientid: must be string")
	}
}

func (m *messages) subscribe(p params) (any, error) {
	id, err := m.client(p)
	if err != nil {
		return nil, err
	}
	qos := p.whole("qos", 0)
	if qos < 0 || qos > 2 {
		return nil, fail(codeQoS, "bad_qos")
	}
	filters, err := topics(p, validFilter)
	if err != nil {
		return nil, err
	}
	return nil, m.act(filters, func(b *broker.Batch, filter string) (mqtt.ReasonCode, bool) {
		o := mqtt.SubscribeFilter{Filter: filter, SubscribeOptions: mqtt.SubscribeOptions{QoS: mqtt.QoS(qos)}}
		return m.o.Broker.SubscribeFor(b, id, o)
	})
}

func (m *messages) unsubscribe(p params) (any, error) {
	id, err := m.client(p)
	if err != nil {
		return nil, err
	}
	filters, err := topics(p, validFilter)
	if err != nil {
		return nil, err
	}
	return nil, m.act(filters, func(b *broker.Batch, filter string) (mqtt.ReasonCode, bool) {
		return m.o.Broker.UnsubscribeFor(b, id, filter)
	})
}

// act does something about filters on a client's behalf.
func (m *messages) act(filters []string, do func(*broker.Batch, string) (code mqtt.ReasonCode, known bool)) error {
	b := m.o.Broker.NewBatch()
	defer b.End()
	for _, filter := range filters {
		switch code, known := do(b, filter); {
		case !known:
			return fail(codeOffline, m.unknown)
		case code.Failed():
			return fail(codeUnknown, filter+": "+code.String())
		}
	}
	return nil
}
