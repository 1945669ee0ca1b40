package api

import (
	"errors"
	"fmt"
	"math"

	"github.com/dunlin-mq/dunlin/broker"
)

// topicMetricRoutes count single topics.
func (s *Server) topicMetricRoutes() []Route {
	if s.o.Broker == nil {
		return nil
	}
	const metrics = "{*: number}"
	return []Route{
		{Method: "GET", Path: "/topic-metrics", Versions: V4, Name: "list_all_topic_metrics", Summary: "List the topics that are counted by themselves, with their counts",
			Returns: "[{topic, metrics: " + metrics + "}]", spread: sums(addTopics), handle: s.listTopicMetrics},
		{Method: "GET", Path: "/topic-metrics/:topic", Versions: V4, Name: "list_topic_metrics", Summary: "What was counted of a topic; nothing if it isn't counted",
			Returns: metrics, spread: sums(addTopic), handle: s.getTopicMetrics},
		{Method: "POST", Path: "/topic-metrics", Versions: V4, Name: "register_topic_metrics", Summary: "Count a topic, from now on; at most 512 are counted, further ones are left out without a word, as in EMQ X",
			Params: []Param{{Name: "topic", Type: Text, Doc: "without wildcards"}}, spread: everywhere, handle: s.countTopic},
		{Method: "DELETE", Path: "/topic-metrics/:topic", Versions: V4, Name: "unregister_topic_metrics", Summary: "Count a topic no longer",
			spread: everywhere, handle: func(q *request) (any, error) { s.o.Broker.UncountTopic(q.path["topic"]); return nil, nil }},
		{Method: "DELETE", Path: "/topic-metrics", exact: true, Versions: V4, Name: "unregister_all_topic_metrics", Summary: "Count no single topic any longer",
			spread: everywhere, handle: func(*request) (any, error) { s.o.Broker.UncountTopics(); return nil, nil }},
	}
}

// topicRow is a topic that is counted.
type topicRow struct {
	Metrics topicFigures `json:"metrics"`
	Topic   string       `json:"topic"`
}

// topicFigures are counts and rates by EMQ X's names. JSON shows a count as
// it is up to 2^53.
type topicFigures map[string]float64

func (s *Server) listTopicMetrics(*request) (any, error) {
	return mapped(s.o.Broker.TopicCounts(), func(c broker.TopicCount) topicRow { return topicRow{figuresOf(&c), c.Topic} }), nil
}

func (s *Server) getTopicMetrics(q *request) (any, error) {
	c, ok := s.o.Broker.TopicCount(q.path["topic"])
	if !ok {
		return topicFigures{}, nil
	}
	return figuresOf(&c), nil
}

func (s *Server) countTopic(q *request) (any, error) {
	name := q.params.text("topic")
	if name == "" {
		return nil, failWithoutCode("missing_required_params")
	}
	err := s.o.Broker.CountTopic(name)
	if err != nil && !errors.Is(err, broker.ErrCounted) && !errors.Is(err, broker.ErrTooManyTopics) {
		return nil, failWithoutCode("invalid_topic_name")
	}
	return nil, nil
}

// figuresOf are the counts under EMQ X's names.
func figuresOf(c *broker.TopicCount) topicFigures {
	all := make(topicFigures)
	add := func(name string, r broker.Rated) {
		all[name+".count"], all[name+".rate"] = float64(r.Count), math.Round(r.Rate*100)/100
	}
	var in, out broker.Rated
	for q := range c.In {
		add(fmt.Sprintf("messages.qos%d.in", q), c.In[q])
		add(fmt.Sprintf("messages.qos%d.out", q), c.Out[q])
		in = broker.Rated{Count: in.Count + c.In[q].Count, Rate: in.Rate + c.In[q].Rate}
		out = broker.Rated{Count: out.Count + c.Out[q].Count, Rate: out.Rate + c.Out[q].Rate}
	}
	add("messages.in", in)
	add("messages.out", out)
	add("messages.dropped", c.Dropped)
	return all
}
