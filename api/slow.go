package api

import "github.com/dunlin-mq/dunlin/broker"

// slowRoutes list the slow subscriptions.
func (s *Server) slowRoutes() []Route {
	if s.o.Broker == nil {
		return nil
	}
	return []Route{
		{Method: "GET", Path: "/slow_subscriptions", Versions: V4, Name: "get_slow_subscriptions",
			Summary: "List the clients that took longest over the messages of a topic, the worst first; while module.slow_subs is off an error without a code",
			Returns: "[{clientid, node, topic, timespan: int, last_update_time: int}]", spread: sums(addSlow), handle: s.slowSubscriptions},
		{Method: "DELETE", Path: "/slow_subscriptions", Versions: V4, Name: "clear_slow_subscriptions", Summary: "Empty that list",
			spread: everywhere, handle: func(*request) (any, error) { s.o.Broker.ForgetSlowSubscriptions(); return nil, nil }},
	}
}

// slowRow is a client that took long.
type slowRow struct {
	ClientID string `json:"clientid"`
	At       int64  `json:"last_update_time"`
	Node     string `json:"node"`
	Timespan int64  `json:"timespan"`
	Topic    string `json:"topic"`
}

func (s *Server) slowSubscriptions(*request) (any, error) {
	rows, on := s.o.Broker.SlowSubscriptions()
	if !on {
		return nil, failWithoutCode("module_not_loaded")
	}
	return mapped(rows, func(r broker.SlowSubscription) slowRow { return slowRow{r.ClientID, r.At, s.o.Node, r.Took, r.Topic} }), nil
}
