package api

import (
	"cmp"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/dunlin-mq/dunlin/host"
	"github.com/dunlin-mq/dunlin/metrics"
)

// exporter makes the pages that Prometheus reads: /metrics with names that
// follow its conventions, and emqx_prometheus with those of EMQ X. They are two
// pages, as one with both would have everything stored twice. Between scrapes
// it does nothing; during one it holds mu, so that whoever asks all the time
// keeps one processor busy at most.
type exporter struct {
	server *Server

	mu     sync.Mutex
	places map[string]*place // of the registry's names on the native page
	names  map[string]emqxName
	points int       // of the last page, for the next one
	size   int       // of the last page
	cpu    host.CPU  // at the last reading
	usage  float64   // percent of the processors, up to then
	read   time.Time // when that was
}

func newExporter(s *Server) *exporter {
	return &exporter{server: s, places: make(map[string]*place), names: make(map[string]emqxName)}
}

// exporterRoutes are the page that EMQ X has in the API.
func (s *Server) exporterRoutes() []Route {
	if s.o.Metrics == nil {
		return nil
	}
	return []Route{{
		Method: "GET", Path: "/emqx_prometheus", Versions: V4, Name: "stats", Summary: "All stats and metrics, for Prometheus or as JSON",
		Params: []Param{{Name: "type", Type: Text, OneOf: []string{"prometheus", "json"},
			Doc: "json if it isn't given, unless the Accept header asks for text/plain as Prometheus does"}},
		Returns: "{*: {*: number}}", Media: "text/plain",
		open: true, handle: s.exporter.emqxAnswer,
	}}
}

// isScrape reports whether a request is for the page that has no place in the
// API.
func (s *Server) isScrape(r *http.Request, path []string) bool {
	return s.o.Metrics != nil && r.Method == http.MethodGet && len(path) == 1 && path[0] == "metrics"
}

// serveMetrics answers with the page of native names.
func (s *Server) serveMetrics(w http.ResponseWriter) {
	writePage(w, s.exporter.page(s.exporter.native))
}

// plain is an answer that is a page of text.
type plain []byte

func writePage(w http.ResponseWriter, page plain) {
	w.Header().Set("Content-Type", metrics.ExpositionType)
	_, _ = w.Write(page) // a peer that is gone needs no answer
}

func (e *exporter) emqxAnswer(q *request) (any, error) {
	wanted, _ := q.params["type"].(string)
	if wanted == "" && strings.Contains(q.accept, "text/plain") {
		wanted = "prometheus"
	}
	if wanted == "prometheus" {
		return plain(e.page(e.emqx)), nil
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	groups := make(map[string]map[string]float64)
	for _, p := range e.emqxPoints() {
		if groups[p.group] == nil {
			groups[p.group] = make(map[string]float64)
		}
		groups[p.group][p.family] = p.value
	}
	return groups, nil
}

// page makes one page.
func (e *exporter) page(fill func(*metrics.Exposition)) []byte {
	e.mu.Lock()
	defer e.mu.Unlock()
	x := metrics.NewExposition(e.size + e.size/8)
	fill(x)
	e.size = len(x.Bytes())
	return x.Bytes()
}

// place is where a metric of the registry stands on the native page.
type place struct {
	family, help string
	label, of    string  // "": none
	scale        float64 // of a histogram
	leaveOut     bool
}

// point is one metric at its place.
type point struct {
	*place
	metrics.Sample
}

// native fills the page of native names.
func (e *exporter) native(x *metrics.Exposition) {
	x.Family("dunlin_info", "the version that runs, under its node's name", metrics.KindGauge)
	x.Value(1, "node", e.server.o.Node, "version", e.server.o.Version)
	e.registry(x)
	e.listeners(x)
	e.backends(x)
	e.machine(x)
	process(x)
	goRuntime(x)
}

// registry writes everything that is counted; what belongs to one family is
// together, in the order of the metrics' own names.
func (e *exporter) registry(x *metrics.Exposition) {
	points := make([]point, 0, e.points)
	e.server.o.Metrics.Each(func(s metrics.Sample) {
		p := e.places[s.Name]
		if p == nil {
			p = nativePlace(&s)
			e.places[s.Name] = p
		}
		if !p.leaveOut {
			points = append(points, point{p, s})
		}
	})
	e.points = len(points)
	slices.SortStableFunc(points, func(a, b point) int { return cmp.Compare(a.family, b.family) })
	for i := range points {
		if p := &points[i]; i == 0 || p.family != points[i-1].family {
			x.Family(p.family, p.help, p.Kind)
		}
		points[i].write(x)
	}
}

func (p *point) write(x *metrics.Exposition) {
	var labels []string
	if p.label != "" {
		labels = []string{p.label, p.of}
	}
	switch p.Kind {
	case metrics.KindReasons:
		for _, r := range p.Reasons {
			x.Value(float64(r.Count), p.Label, r.Reason)
		}
	case metrics.KindHistogram:
		b := p.Histogram
		bounds := make([]float64, len(b.Bounds))
		for i := range bounds {
			bounds[i] = float64(b.Bounds[i]) / p.scale
		}
		x.Histogram(bounds, b.Counts, float64(b.Sum)/p.scale, labels...)
	default:
		x.Value(float64(p.Value), labels...)
	}
}

// listeners writes what there is to know of each listener.
func (e *exporter) listeners(x *metrics.Exposition) {
	if e.server.o.MQTT == nil {
		return
	}
	all := e.server.o.MQTT.Listeners()
	if len(all) == 0 {
		return
	}
	x.Family("dunlin_listener_connections", "connections that are open", metrics.KindGauge)
	for _, l := range all {
		x.Value(float64(l.Connections), "protocol", l.Protocol, "listener", l.Name)
	}
	x.Family("dunlin_listener_connections_limit", "connections that may be open", metrics.KindGauge)
	for _, l := range all {
		x.Value(float64(l.MaxConnections), "protocol", l.Protocol, "listener", l.Name)
	}
	begun := false
	for _, l := range all {
		for _, reason := range sortedKeys(l.Ended) {
			if !begun {
				x.Family("dunlin_listener_connections_ended_total", "connections that ended, by reason", metrics.KindCounter)
				begun = true
			}
			x.Value(float64(l.Ended[reason]), "protocol", l.Protocol, "listener", l.Name, "reason", reason)
		}
	}
}

// backends writes whether the systems that access control asks answer.
func (e *exporter) backends(x *metrics.Exposition) {
	if e.server.o.Backends == nil {
		return
	}
	for i, b := range e.server.o.Backends() {
		if i == 0 {
			x.Family("dunlin_auth_provider_up", "whether what the provider asks answers", metrics.KindGauge)
		}
		up := 0.0
		if b.Up {
			up = 1
		}
		x.Value(up, "provider", b.Name)
	}
}
