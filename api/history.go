package api

import (
	"encoding/json"
	"math"
	"strconv"
)

// historyRoutes are what the node's figures were lately, for charts.
func (s *Server) historyRoutes() []Route {
	if s.o.History == nil {
		return nil
	}
	return s.withNode(Route{
		Method: "GET", Path: "/history", Versions: V4, Name: "get_history", Summary: "What the figures were in the last hour; null for no figure, rates per second, the oldest first. Of latency and CPU the highest of all nodes, of all else the sum",
		Returns: "{interval_ms: int, last_at: int, series: {*: [number|null]}}",
		spread:  sums(addHistory), handle: s.history,
	})
}

// history is all of it as it is shown.
type history struct {
	Interval int64              `json:"interval_ms"`
	LastAt   int64              `json:"last_at"`
	Series   map[string]figures `json:"series"`
}

func (s *Server) history(*request) (any, error) {
	all, last := s.o.History.Values()
	shown := history{s.o.History.Interval().Milliseconds(), last.UnixMilli(), make(map[string]figures, len(all))}
	for name, values := range all {
		shown.Series[name] = values
	}
	return shown, nil
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
		if !isFigure(v) {
			text = append(text, "null"...)
			continue
		}
		text = strconv.AppendFloat(text, math.Round(v*1000)/1000, 'f', -1, 64)
	}
	return append(text, ']'), nil
}

// UnmarshalJSON is json.Unmarshaler's.
func (f *figures) UnmarshalJSON(text []byte) error {
	var values []*float64
	err := json.Unmarshal(text, &values)
	*f = make(figures, len(values))
	for i, v := range values {
		if (*f)[i] = math.NaN(); v != nil {
			(*f)[i] = *v
		}
	}
	return err
}

func isFigure(v float64) bool { return !math.IsNaN(v) && !math.IsInf(v, 0) }
