package api

import "github.com/dunlin-mq/dunlin/broker"

// Rows of each list of who lost most.
const (
	someLosers = 10
	mostLosers = 100
)

// accountingRoutes say what became of all messages. EMQ X has nothing like it.
func (s *Server) accountingRoutes() []Route {
	if s.o.Broker == nil {
		return nil
	}
	get := s.withNode(
		Route{Method: "GET", Path: "/accounting", Versions: V4, Name: "get_accounting",
			Summary: "What became of every message and delivery, and who lost most for each reason; balance is what can't be accounted for",
			Params:  []Param{{Name: "_limit", Type: Whole, Doc: "how many clients and topics of each reason, at most 100; 10 otherwise"}},
			Returns: "{since: int, published: int, matched: int, redispatched: int, moved_in: int, moved_out: int, delivered: int, queued: int, dropped: {*: int}, messages_dropped: {*: int}, balance: int, " +
				"top_since: int, top: {*: {clients: [{clientid, count: int}], topics: [{topic, count: int}]}}}",
			Fails: []int{codeValue}, spread: sums(addAccount), handle: s.accounting})
	return append(get,
		Route{Method: "DELETE", Path: "/accounting/top", Versions: V4, Name: "forget_top", Summary: "Begin the search for who loses most again",
			spread: everywhere, handle: func(*request) (any, error) { s.o.Broker.ForgetLosers(); return nil, nil }})
}

// account is all of it as it is shown.
type account struct {
	Since           int64             `json:"since"`
	Published       uint64            `json:"published"`
	Matched         uint64            `json:"matched"`
	Redispatched    uint64            `json:"redispatched"`
	MovedIn         uint64            `json:"moved_in"`
	MovedOut        uint64            `json:"moved_out"`
	Delivered       uint64            `json:"delivered"`
	Queued          int64             `json:"queued"`
	Dropped         map[string]uint64 `json:"dropped"`
	MessagesDropped map[string]uint64 `json:"messages_dropped"`
	Balance         int64             `json:"balance"`
	TopSince        int64             `json:"top_since"`
	Top             map[string]losers `json:"top"`
}

type losers struct {
	Clients []loser `json:"clients"`
	Topics  []loser `json:"topics"`
}

// loser is a client or a topic.
type loser struct {
	ClientID string `json:"clientid,omitempty"`
	Topic    string `json:"topic,omitempty"`
	Count    uint64 `json:"count"` // at least
}

func (s *Server) accounting(q *request) (any, error) {
	most := q.params.whole("_limit", someLosers)
	if most < 1 || most > mostLosers {
		return nil, fail(codeValue, "_limit must be from 1 to 100")
	}
	a := s.o.Broker.Account(int(most))
	l := &a.Ledger
	shown := account{
		Since: a.Since, Published: a.Published, Matched: l.Matched, Redispatched: l.Redispatched, MovedIn: l.MovedIn, MovedOut: l.MovedOut,
		Delivered: l.Delivered, Queued: l.Queued,
		Dropped: l.Dropped, MessagesDropped: a.Refused, Balance: l.Balance(), TopSince: a.LosersSince, Top: make(map[string]losers),
	}
	for reason, top := range a.Losers {
		shown.Top[reason] = losers{
			mapped(top.Clients, func(t broker.Tallied) loser { return loser{ClientID: t.Name, Count: t.Count} }),
			mapped(top.Topics, func(t broker.Tallied) loser { return loser{Topic: t.Name, Count: t.Count} }),
		}
	}
	return shown, nil
}

// mapped shows each of all; the answer is an array even if there is none.
func mapped[T, R any](all []T, row func(T) R) []R {
	rows := make([]R, len(all))
	for i, one := range all {
		rows[i] = row(one)
	}
	return rows
}
