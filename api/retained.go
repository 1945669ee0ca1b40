package api

import (
	"cmp"
	"context"
	"encoding/base64"
	"iter"
	"slices"
	"strings"

	"github.com/dunlin-mq/dunlin/broker"
	"github.com/dunlin-mq/dunlin/mqtt"
	"github.com/dunlin-mq/dunlin/retain"
	"github.com/dunlin-mq/dunlin/topic"
)

// retainedRoutes show and delete retained messages, and show delayed ones. EMQ X
// has none of them.
func (s *Server) retainedRoutes() []Route {
	if s.o.Broker == nil {
		return nil
	}
	matching := Param{Name: "_match_topic", Type: Text, Doc: "a filter: those whose topics match it"}
	all := []Route{
		{Method: "GET", Path: "/retained", Name: "list_retained", Summary: "List the retained messages, by topic, level by level",
			Params:  paging(matching, Param{Name: "_like_topic", Type: Text, Doc: "a part of the topic"}),
			Returns: "[" + rowOf[retainedRow]() + "]", Fails: []int{codeTopic, codeUnknown}, handle: s.listRetained},
		{Method: "DELETE", Path: "/retained", exact: true, Name: "clean_retained", Summary: "Delete retained messages; without a filter all", Strict: true,
			Params: []Param{matching}, Returns: "{deleted: int}", Fails: []int{codeTopic, codeUnknown}, handle: s.cleanRetained},
		{Method: "GET", Path: "/retained/:topic", Name: "lookup_retained", Summary: "Look up the retained message of a topic",
			Returns: rowOf[retainedMessage](), Fails: []int{codeOffline}, handle: s.lookupRetained},
		{Method: "DELETE", Path: "/retained/:topic", Name: "delete_retained", Summary: "Delete the retained message of a topic", Fails: []int{codeOffline}, handle: s.deleteRetained},
		{Method: "GET", Path: "/delayed", Name: "list_delayed", Summary: "List the messages that wait in $delayed, by the time when they are due",
			Params: paging(), Returns: "[{topic, qos: int, size: int, due_at: int}]", handle: s.listDelayed},
	}
	for i := range all {
		all[i].Versions = V4
	}
	return all
}

// retainedRow is a retained message without what it says.
type retainedRow struct {
	Topic     string `json:"topic"`
	QoS       byte   `json:"qos"`
	Size      int    `json:"size"`
	At        int64  `json:"at"`
	ExpiresAt *int64 `json:"expires_at"` // null: never; times are Unix milliseconds
}

// retainedMessage is all of it.
type retainedMessage struct {
	retainedRow
	From       string `json:"from"`
	Username   string `json:"username"`
	Payload    string `json:"payload"`    // base64
	Properties object `json:"properties"` // those of MQTT 5
}

func newRetainedRow(e retain.Entry, m *mqtt.Message) retainedRow {
	r := retainedRow{Topic: m.Topic, QoS: byte(m.QoS), Size: len(m.Payload), At: m.Timestamp}
	if at := e.ExpiresAt(); at != 0 {
		r.ExpiresAt = &at
	}
	return r
}

// lookEvery is after how many messages a search asks whether anybody waits for
// it still: some milliseconds.
const lookEvery = 10_000

// retained are the messages that a request chooses and that haven't expired.
// Nobody waits for the rest of them when the request's time is over: then err
// is set.
func (s *Server) retained(ctx context.Context, filter, like string, err *error) iter.Seq[retain.Entry] {
	return func(yield func(retain.Entry) bool) {
		looked, now := 0, broker.Now()
		for e := range s.o.Broker.Retained.Browse(filter) {
			if looked++; looked%lookEvery == 0 && ctx.Err() != nil {
				*err = ctx.Err()
				return
			}
			if at := e.ExpiresAt(); at != 0 && at <= now || like != "" && !strings.Contains(e.Topic(), like) {
				continue
			}
			if !yield(e) {
				return
			}
		}
	}
}

// filterOf is the filter a request names; empty: all.
func filterOf(q *request) (string, error) {
	filter := q.params.text("_match_topic")
	if filter == "" {
		return "", nil
	}
	f, err := topic.Parse(filter)
	if err != nil || f.Bare != filter {
		return "", fail(codeTopic, "bad_topic")
	}
	return filter, nil
}

// listRetained stops at the end of the page: the first pages of a million
// messages are as cheap as those of a few. The last one takes 0.2 s, in which a
// message is stored within 1.4 ms at the latest (BenchmarkBrowse).
func (s *Server) listRetained(q *request) (any, error) {
	from, limit, m, err := q.page(q.longest)
	if err != nil {
		return nil, err
	}
	filter, err := filterOf(q)
	if err != nil {
		return nil, err
	}
	like := q.params.text("_like_topic")
	rows, more := []retainedRow{}, false
	for e := range s.retained(q.ctx, filter, like, &err) {
		if from > 0 {
			from--
			continue
		}
		if more = len(rows) == limit; more {
			break
		}
		rows = append(rows, newRetainedRow(e, e.Message()))
	}
	m.HasNext, m.Count = &more, s.o.Broker.Retained.Len()
	if filter != "" || like != "" {
		m.filtered()
	}
	return page{rows, m}, err
}

func (s *Server) cleanRetained(q *request) (any, error) {
	filter, err := filterOf(q)
	if err != nil {
		return nil, err
	}
	n := 0
	for e := range s.retained(q.ctx, filter, "", &err) {
		s.o.Broker.Retained.Delete(e.Topic())
		n++
	}
	return object{"deleted": n}, err
}

// find is the retained message that the path names.
func (s *Server) find(q *request) (retain.Entry, error) {
	e, ok := s.o.Broker.Retained.Lookup(q.path["topic"])
	if !ok || e.ExpiresAt() != 0 && e.ExpiresAt() <= broker.Now() {
		return e, fail(codeOffline, "not_found")
	}
	return e, nil
}

func (s *Server) lookupRetained(q *request) (any, error) {
	e, err := s.find(q)
	if err != nil {
		return nil, err
	}
	m := e.Message()
	return retainedMessage{newRetainedRow(e, m), m.From, orUndefined(m.Username), base64.StdEncoding.EncodeToString(m.Payload), shownProperties(m.Props)}, nil
}

func (s *Server) deleteRetained(q *request) (any, error) {
	e, err := s.find(q)
	if err == nil {
		s.o.Broker.Retained.Delete(e.Topic())
	}
	return nil, err
}

// shownProperties are those of MQTT 5 that a message has, by the names with
// which they are published.
func shownProperties(p *mqtt.Properties) object {
	all := object{}
	put := func(which mqtt.Prop, name string, value func() any) {
		if p.Has(which) {
			all[name] = value()
		}
	}
	put(mqtt.PropPayloadFormat, "payload_format_indicator", func() any { return p.PayloadFormat })
	put(mqtt.PropMessageExpiry, "message_expiry_interval", func() any { return p.MessageExpiry })
	put(mqtt.PropResponseTopic, "response_topic", func() any { return p.ResponseTopic })
	put(mqtt.PropContentType, "content_type", func() any { return p.ContentType })
	put(mqtt.PropCorrelationData, "correlation_data", func() any { return base64.StdEncoding.EncodeToString(p.CorrelationData) })
	put(mqtt.PropUserProperty, "user_properties", func() any {
		users := []object{}
		for _, u := range p.UserProperties {
			users = append(users, object{"key": u.Key, "value": u.Value})
		}
		return users
	})
	return all
}

func (s *Server) listDelayed(q *request) (any, error) {
	some, m, err := pageOf(q, slices.Values(s.o.Broker.Delayed()), func(a, b broker.Delayed) int {
		return cmp.Or(cmp.Compare(a.At, b.At), cmp.Compare(a.Order, b.Order))
	})
	if err != nil {
		return nil, err
	}
	rows := []object{}
	for _, d := range some {
		rows = append(rows, object{"topic": d.Message.Topic, "qos": d.Message.QoS, "size": len(d.Message.Payload), "due_at": d.At})
	}
	m.more()
	return page{rows, m}, nil
}
