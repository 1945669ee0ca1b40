package api

import (
	"encoding/base64"

	"github.com/dunlin-mq/dunlin/broker"
	"github.com/dunlin-mq/dunlin/session"
)

const (
	pendingRows    = 100  // of a page without _limit
	mostPending    = 1000 // of any page
	pendingPayload = 1024 // bytes of a payload that are shown
)

// pendingRoutes show what is on its way to a single client. EMQ X has them from
// version 5 on, in another shape.
func (s *Server) pendingRoutes() []Route {
	if s.o.Broker == nil {
		return nil
	}
	const message = "topic, qos: int, retain: bool, age_ms: int, size: int, payload, truncated: bool"
	return []Route{
		{Method: "GET", Path: "/clients/:clientid/inflight", Versions: V4, Name: "list_inflight",
			Summary: "List what was sent to a client and isn't acknowledged, in that order; ages since it was sent, payloads in base64, at most 1024 bytes of each",
			Params:  paging(), Returns: "[{packet_id: int, state: 'publish'|'pubrel', " + message + "}]", Fails: []int{codeOffline}, spread: anywhere, handle: s.inflight},
		{Method: "GET", Path: "/clients/:clientid/mqueue", Versions: V4, Name: "list_mqueue",
			Summary: "List what waits for a client, higher priorities first; ages since it was published, payloads as in its inflight",
			Params:  paging(), Returns: "[{priority: int, " + message + "}]", Fails: []int{codeOffline}, spread: anywhere, handle: s.mqueue},
	}
}

// pendingRow is one message on its way.
type pendingRow struct {
	PacketID  *uint16 `json:"packet_id,omitempty"` // only of what was sent
	State     string  `json:"state,omitempty"`     // likewise
	Priority  *int    `json:"priority,omitempty"`  // only of what waits
	Topic     string  `json:"topic"`               // empty once PUBREC has come, like all that follows
	QoS       byte    `json:"qos"`
	Retain    bool    `json:"retain"`
	Age       int64   `json:"age_ms"`
	Size      int     `json:"size"`
	Payload   string  `json:"payload"`
	Truncated bool    `json:"truncated"`
}

func newPendingRow(d *session.Delivery, since int64) pendingRow {
	r := pendingRow{QoS: byte(d.QoS), Retain: d.Retain, Age: max(broker.Now()-since, 0)}
	if d.Msg != nil {
		r.Topic, r.Size, r.Truncated = d.Msg.Topic, len(d.Msg.Payload), len(d.Msg.Payload) > pendingPayload
		r.Payload = base64.StdEncoding.EncodeToString(d.Msg.Payload[:min(len(d.Msg.Payload), pendingPayload)])
	}
	return r
}

func (s *Server) inflight(q *request) (any, error) {
	return s.pending(q, func(c *broker.Client, from, limit int) (rows []pendingRow, total int) {
		some, total := c.InflightPage(from, limit)
		return mapped(some, func(f session.InFlight) pendingRow {
			r := newPendingRow(&f.Delivery, f.Sent)
			r.PacketID, r.State = &f.ID, "publish"
			if f.Released {
				r.State = "pubrel"
			}
			return r
		}), total
	})
}

func (s *Server) mqueue(q *request) (any, error) {
	return s.pending(q, func(c *broker.Client, from, limit int) (rows []pendingRow, total int) {
		some, total := c.QueuePage(from, limit)
		return mapped(some, func(w session.Waiting) pendingRow {
			r := newPendingRow(&w.Delivery, w.Msg.Timestamp)
			r.Priority = &w.Priority
			return r
		}), total
	})
}

// pending answers with one page of what list has of the client in the path.
func (s *Server) pending(q *request, list func(c *broker.Client, from, limit int) (rows []pendingRow, total int)) (any, error) {
	q.longest = min(q.longest, mostPending)
	from, limit, m, err := q.page(pendingRows)
	if err != nil {
		return nil, err
	}
	c := s.o.Broker.Client(q.path["clientid"])
	if c == nil {
		return nil, fail(codeOffline, "not_found")
	}
	rows, total := list(c, from, limit)
	m.Count = total
	return page{rows, m}, nil
}
