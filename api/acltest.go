package api

import (
	"context"
	"errors"
	"fmt"
	"net/netip"

	"github.com/dunlin-mq/dunlin/auth"
	"github.com/dunlin-mq/dunlin/broker"
	"github.com/dunlin-mq/dunlin/topic"
)

// aclTestRoutes ask the ACL a question that no client has asked.
func (s *Server) aclTestRoutes() []Route {
	if s.o.Broker == nil || s.o.Zone == nil {
		return nil
	}
	return []Route{{Method: "POST", Path: "/acl/test", Versions: V4, Name: "test_acl", Summary: "Ask whether a client may publish or subscribe, and which rule says so",
		Params: []Param{
			{Name: "clientid", Type: Text, Required: true, Doc: "whose; of one that is connected the rest is known"},
			{Name: "username", Type: Text, Doc: "the connected client's"},
			{Name: "peerhost", Type: Text, Doc: "its address; the connected client's, or 0.0.0.0"},
			{Name: "zone", Type: Text, Doc: "whose settings hold; the connected client's, or that of the first listener"},
			{Name: "action", Type: Text, Required: true, OneOf: []string{"publish", "subscribe"}},
			{Name: "topic", Type: Text, Required: true, Doc: "as the client writes it, without its mountpoint"},
			{Name: "qos", Type: Whole, Doc: "of a publish, which zone.*.max_qos_allowed may forbid; 0"},
		},
		Returns: "{result: 'allow'|'deny', by, rule, where, connected: bool, username, peerhost, zone, asked: [{by, answer: 'ignore'|'allow'|'deny'|'error', rule, error}]}",
		Fails:   []int{codeValue, codeTopic, codeQoS, codeUnknown}, handle: s.testACL}}
}

// subjectOfTest is about whom the ACL is asked.
type subjectOfTest struct {
	who       auth.Client
	zone      *broker.Zone
	zoneName  string
	connected bool
}

// testSubject is the client as it is connected, with what the request says
// otherwise.
func (s *Server) testSubject(p params) (t subjectOfTest, err error) {
	t.who = auth.Client{ClientID: p.text("clientid"), Peer: netip.AddrPortFrom(netip.IPv4Unspecified(), 0)}
	if c := s.o.Broker.Client(t.who.ClientID); c != nil && c.Connected() {
		status := c.Status()
		t.who, t.zone, t.connected = *status.Client, status.Zone, true
		if status.Client.Listener != nil {
			t.zoneName = status.Client.Listener.Zone
		}
	}
	if name := p.text("zone"); t.zone == nil || name != "" {
		var known bool
		if t.zoneName, t.zone, known = s.o.Zone(name); !known {
			return t, fail(codeValue, fmt.Sprintf("no listener is in the zone %q", name))
		}
	}
	if name := p.text("username"); name != "" && name != t.who.Username {
		t.who.Username, t.who.Superuser, t.who.Rights = name, false, nil // these came with the other name
	}
	if host := p.text("peerhost"); host != "" {
		a, err := netip.ParseAddr(host)
		if err != nil {
			return t, fail(codeValue, "peerhost must be an address")
		}
		t.who.Peer = netip.AddrPortFrom(a.Unmap().WithZone(""), t.who.Peer.Port())
	}
	return t, nil
}

func (s *Server) testACL(q *request) (any, error) {
	t, err := s.testSubject(q.params)
	if err != nil {
		return nil, err
	}
	r := &auth.Request{Client: &t.who, Action: auth.Publish, Topic: q.params.text("topic")}
	qos := q.params.whole("qos", 0)
	switch {
	case qos < 0 || qos > 2:
		return nil, fail(codeQoS, "bad_qos")
	case q.params.text("action") == "subscribe":
		r.Action = auth.Subscribe
		if _, err := topic.Parse(r.Topic); err != nil {
			return nil, fail(codeTopic, "the topic filter is none: "+err.Error())
		}
	case topic.ValidName(r.Topic) != nil:
		return nil, fail(codeTopic, "the topic is none: "+topic.ValidName(r.Topic).Error())
	}
	e, err := s.o.Broker.ExplainACL(q.ctx, t.zone, r)
	if err != nil {
		return nil, notInTime(err)
	}
	answer := object{
		"result": "allow", "by": e.By, "connected": t.connected, "username": t.who.Username, "peerhost": t.who.Peer.Addr().String(), "zone": t.zoneName,
	}
	answer["rule"], answer["where"] = explained(e.Rule)
	if e.Code.Failed() {
		answer["result"] = "deny"
	} else if r.Action == auth.Publish && byte(qos) > t.zone.MaxQoSAllowed {
		answer["result"], answer["by"], answer["rule"], answer["where"] = "deny", "max_qos_allowed", "", ""
	}
	asked := []object{}
	for _, a := range e.Asked {
		row := object{"by": a.By, "answer": [...]string{"ignore", "allow", "deny"}[a.Verdict], "error": ""}
		row["rule"], _ = explained(a.Rule)
		if a.Err != nil {
			row["answer"], row["error"] = "error", a.Err.Error()
		}
		asked = append(asked, row)
	}
	answer["asked"] = asked
	return answer, nil
}

func explained(w auth.Why) (rule, where string) {
	if w == nil {
		return "", ""
	}
	return w.Explain()
}

// notInTime is the sentence for a chain of backends that takes longer than a
// request may.
func notInTime(err error) error {
	if errors.Is(err, context.DeadlineExceeded) {
		return fail(codeUnknown, "the backends did not answer in time")
	}
	return err
}
