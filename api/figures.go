package api

import (
	"strings"

	"github.com/dunlin-mq/dunlin/metrics"
)

// figureRoutes are what the node counts, under the names it has on $SYS.
func (s *Server) figureRoutes() []Route {
	if s.o.Metrics == nil {
		return nil
	}
	list := Route{Method: "GET", Path: "/metrics", Versions: V3 | V4, Name: "list_metrics", Summary: "What has been counted since the start",
		Returns: "{*: number}", handle: func(*request) (any, error) { return s.figures(false), nil }}
	stats := Route{Method: "GET", Path: "/stats", Versions: V4, Name: "list_stats", Summary: "How many of each thing there are, and were at most",
		Returns: "{*: number}", handle: func(*request) (any, error) { return s.figures(true), nil }}
	all := append(s.eachNode(list, "metrics"), s.eachNode(stats, "stats")...)
	flat, one := stats, all[len(all)-1]
	flat.Versions, flat.Returns, flat.spread, flat.handle = V3, "[{node, *: number}]", lists, s.flatStats
	one.Versions = V3
	return append(all, flat, one)
}

// figures are the stats, or everything else that is a number.
func (s *Server) figures(stats bool) map[string]any {
	all := make(map[string]any)
	s.o.Metrics.Each(func(m metrics.Sample) {
		is := strings.HasSuffix(m.Name, ".count") || strings.HasSuffix(m.Name, ".max")
		if is == stats && m.Kind != metrics.KindHistogram {
			all[m.Name] = m.Value
		}
	})
	return all
}

func (s *Server) flatStats(*request) (any, error) {
	all := s.figures(true)
	all["node"] = s.o.Node
	return []any{all}, nil
}
