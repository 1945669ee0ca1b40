package api

import (
	"math"
	"strconv"
)

// historyRoutes are what the node's figures were lately, for charts.
func (s *Server) historyRoutes() []Route {
	if s.o.History == nil {
		return nil
	}
	return []Route{{
		Method: "GET", Path: "/history", Versions: V4, Name: "get_history", Summary: "What the figures of the node were in the last hour; null for no figure, rates per second, the oldest first",
		Returns: "{interval_ms: int, last_at: int, series: {*: [number|null]}}",
		handle:  s.history,
	}}
}

func (s *Server) history(*request) (any, error) {
	all, last := s.o.History.Values()
	shown := make(map[string]figures, len(all))
	for name, values := range all {
		shown[name] = values
	}
	return object{"interval_ms": s.o.History.Interval().Milliseconds(), "last_at": last.UnixMilli(), "series": shown}, nil
}

// figures are written with three decimals at most, and what is no number as
// null.
type figures []float64

// MarshalJSON is json.Marshaler's.
func (f figures) MarshalJSON() ([]byte, error) {
	text := append(make([]byte, 0, 8*len(f)+2), '[')
	for i, v := range f {
		if i > 0 {
			text = append(text, ',')
		}
		if math.IsNaN(v) || math.IsInf(v, 0) {
			text = append(text, "null"...)
			continue
		}
		text = strconv.AppendFloat(text, math.Round(v*1000)/1000, 'f', -1, 64)
	}
	return append(text, ']'), nil
}
