package api

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http/httptest"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/dunlin-mq/dunlin/metrics"
)

// scraped is a page as Prometheus understands it: values by name and labels, and kinds by family.
type scraped struct {
	values map[string]float64
	kinds  map[string]string
}

var sampleLine = regexp.MustCompile(`^([a-z_][a-z0-9_]*)(\{[a-z_]+="[^"]*"(?:,[a-z_]+="[^"]*")*\})? (\S+)$`)

// scrape reads a page and demands that it is one: each family once, with its help and kind in front of its samples, no
// sample twice, counters ending in _total if native.
func scrape(t *testing.T, page string, native bool) scraped {
	t.Helper()
	s := scraped{make(map[string]float64), make(map[string]string)}
	family, helped := "", ""
	for line := range strings.Lines(page) {
		line = strings.TrimSuffix(line, "\n")
		fields := strings.Fields(line)
		switch {
		case strings.HasPrefix(line, "# HELP "):
			helped = fields[2]
			if native && len(fields) < 4 {
				t.Errorf("%s: no help", line)
			}
		case strings.HasPrefix(line, "# TYPE "):
			family = fields[2]
			if s.kinds[family] != "" || helped != family {
				t.Errorf("%s: a second time, or without help", line)
			}
			s.kinds[family] = fields[3]
			if native && (fields[3] == "counter") != strings.HasSuffix(family, "_total") {
				t.Errorf("%s: a counter ends in _total, and nothing else does", line)
			}
		default:
			m := sampleLine.FindStringSubmatch(line)
			if m == nil || m[1] != family && (s.kinds[family] != "histogram" || !strings.HasPrefix(m[1], family+"_")) {
				t.Fatalf("%q in family %s", line, family)
			}
			v, err := strconv.ParseFloat(m[3], 64)
			if _, twice := s.values[m[1]+m[2]]; twice || err != nil {
				t.Errorf("%s: twice, or %v", line, err)
			}
			s.values[m[1]+m[2]] = v
		}
	}
	return s
}

func (s scraped) want(t *testing.T, sample string, v float64) {
	t.Helper()
	if got, there := s.values[sample]; !there || got != v {
		t.Errorf("%s is %v, %v; want %v", sample, got, there, v)
	}
}

// exporterOf is one of a registry and nothing else.
func exporterOf(r *metrics.Registry) *exporter {
	return newExporter(&Server{o: Options{Metrics: r, Node: "n@host", Version: "1.2.3"}})
}

func TestNativePage(t *testing.T) {
	var r metrics.Registry
	r.Counter("packets.publish.received", "").Add(5)
	r.Counter("packets.connect.received", "").Add(2)
	r.Counter("packets.received", "").Add(7)
	r.Counter("messages.qos1.sent", "").Add(3)
	r.Counter("delivery.dropped.queue_full", "").Add(4)
	r.Counter("something.new", "").Add(6)
	r.Gauge("deliveries.queued", "").Set(-1)
	r.Stat("connections", "").Set(9)
	r.Stat("subscriptions.shared", "").Set(8)
	r.Stat("channels", "").Set(9)
	r.Reasons("why", "", "reason", 5, "this").Inc("that")
	calls := r.Histogram("auth.mysql.calls", "", []int64{1000, 2_500_000})
	calls.Observe(1000)
	calls.Observe(1_500_000)
	r.Histogram("sizes", "", []int64{10}).Observe(7)

	s := scrape(t, strings.ReplaceAll(string(nativePage(exporterOf(&r))), " \n", " help\n"), true)
	s.want(t, `dunlin_info{node="n@host",version="1.2.3"}`, 1)
	s.want(t, `dunlin_packets_received_total{type="publish"}`, 5)
	s.want(t, `dunlin_packets_received_total{type="connect"}`, 2)
	s.want(t, `dunlin_messages_sent_total{qos="1"}`, 3)
	s.want(t, `dunlin_deliveries_dropped_total{reason="queue_full"}`, 4)
	s.want(t, `dunlin_something_new_total`, 6)
	s.want(t, `dunlin_deliveries_queued`, -1)
	s.want(t, `dunlin_connections`, 9)
	s.want(t, `dunlin_connections_max`, 9)
	s.want(t, `dunlin_subscriptions_shared`, 8)
	s.want(t, `dunlin_why_total{reason="that"}`, 1)
	s.want(t, `dunlin_why_total{reason="this"}`, 0)
	s.want(t, `dunlin_auth_provider_call_seconds_bucket{provider="mysql",le="0.001"}`, 1)
	s.want(t, `dunlin_auth_provider_call_seconds_bucket{provider="mysql",le="2.5"}`, 2)
	s.want(t, `dunlin_auth_provider_call_seconds_sum{provider="mysql"}`, 1.501)
	s.want(t, `dunlin_sizes_bucket{le="10"}`, 1)
	for _, sum := range []string{"dunlin_packets_received_total", "dunlin_channels", "dunlin_channels_max"} {
		if _, there := s.values[sum]; there {
			t.Errorf("%s counts something a second time", sum)
		}
	}
	again := scrape(t, strings.ReplaceAll(string(nativePage(exporterOf(&r))), " \n", " help\n"), true)
	if !maps.Equal(s.kinds, again.kinds) {
		t.Error("the second page has other families")
	}
}

func nativePage(e *exporter) []byte { return e.page(e.native) }

// TestPagesOfANode: both pages have everything there is, and nobody has to log in for them.
func TestPagesOfANode(t *testing.T) {
	srv, f := newServer(t, func(o *Options) { o.DataDir = t.TempDir() })
	h := srv.handler(management)
	page := func(path, accept, wantType string) string {
		t.Helper()
		r := from("192.0.2.1:1", "GET", path, "")
		r.Header.Set("Accept", accept)
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		if got := w.Header().Get("Content-Type"); w.Code != 200 || got != wantType {
			t.Errorf("%s: %d %s", path, w.Code, got)
		}
		return w.Body.String()
	}
	s := scrape(t, page("/metrics", "", metrics.ExpositionType), true)
	s.want(t, `dunlin_listener_connections{protocol="tcp",listener="external"}`, 2)
	s.want(t, `dunlin_listener_connections_limit{protocol="ws",listener="external"}`, 1000)
	s.want(t, `dunlin_listener_connections_ended_total{protocol="tcp",listener="external",reason="normal"}`, 3)
	s.want(t, `dunlin_auth_provider_up{provider="mysql"}`, 0)
	s.want(t, `dunlin_auth_provider_up{provider="redis"}`, 1)
	for _, family := range words("go_goroutines go_gc_pauses_seconds go_sched_latencies_seconds process_cpu_seconds_total process_open_fds " +
		"dunlin_host_cpu_seconds_total dunlin_host_memory_available_bytes dunlin_host_load dunlin_data_dir_available_bytes " +
		"dunlin_host_network_received_bytes_total dunlin_host_tcp_retransmitted_total") {
		if s.kinds[family] == "" {
			t.Errorf("%s is missing", family)
		}
	}

	text := page("/api/v4/emqx_prometheus?type=prometheus", "", metrics.ExpositionType)
	if again := page("/api/v4/emqx_prometheus", "application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5,*/*;q=0.1",
		metrics.ExpositionType); len(again) < len(text)/2 {
		t.Error("who accepts text is not given it")
	}
	emqx := scrape(t, text, false)
	var answer struct{ Data map[string]map[string]float64 }
	if err := json.Unmarshal([]byte(page("/api/v4/emqx_prometheus", "*/*", "application/json")), &answer); err != nil {
		t.Fatal(err)
	}
	n := 0
	for group, values := range answer.Data {
		for name := range values {
			if _, there := emqx.values[name]; !there {
				t.Errorf("%s of %s is not on the page", name, group)
			}
			n++
		}
	}
	if n != len(emqx.values) {
		t.Errorf("JSON has %d values, the page %d", n, len(emqx.values))
	}
	f.clients.metrics.Each(func(m metrics.Sample) {
		name := "emqx_" + strings.ReplaceAll(m.Name, ".", "_")
		if m.Kind != metrics.KindHistogram && m.Name != "packets.connect.received" && emqx.kinds[name] == "" {
			t.Errorf("%s is missing", name)
		}
	})
}

func words(text string) []string { return strings.Fields(text) }

func TestEMQXNames(t *testing.T) {
	var r metrics.Registry
	r.Counter("packets.connect.received", "").Add(1)
	r.Counter("messages.dropped.await_pubrel_timeout", "").Add(2)
	r.Counter("bytes.sent", "").Add(3)
	r.Stat("sessions", "").Set(4)
	r.Histogram("auth.mysql.calls", "", []int64{1}).Observe(1)
	for _, p := range exporterOf(&r).emqxPoints() {
		want := map[string]string{
			"emqx_packets_connect": "packets 1", "emqx_messages_dropped_await_pubrel_timeout": "messages 2", "emqx_messages_dropped_expired": "messages 2",
			"emqx_bytes_sent": "packets 3", "emqx_sessions_count": "stats 4", "emqx_sessions_max": "stats 4",
		}[p.family]
		if got := fmt.Sprint(p.group, " ", p.value); p.group != "metrics" && got != want {
			t.Errorf("%s: %s, want %q", p.family, got, want)
		}
	}
}

func TestMatchName(t *testing.T) {
	f := func(pattern, name, want string, ok bool) {
		t.Helper()
		if of, is := matchName(pattern, name); of != want || is != ok {
			t.Errorf("%s in %s: %q, %v", pattern, name, of, is)
		}
	}
	f("a.b", "a.b", "", true)
	f("a.b", "a.c", "", false)
	f("a.*.c", "a.b.c", "b", true)
	f("a.*.c", "a.b.b.c", "", false)
	f("a.*", "a.", "", false)
	f("messages.qos*.sent", "messages.qos2.sent", "2", true)
}

// TestRulesAreUsed: a rule that a later one hides, or that is there twice, is a mistake.
func TestRulesAreUsed(t *testing.T) {
	for i, rule := range nativeRules {
		name := strings.Replace(rule.pattern, "*", "x", 1)
		first := slices.IndexFunc(nativeRules, func(other struct{ pattern, family, label, help string }) bool {
			_, ok := matchName(other.pattern, name)
			return ok
		})
		if first != i {
			t.Errorf("%s is hidden by %s", rule.pattern, nativeRules[first].pattern)
		}
		if rule.family != "" && rule.help == "" || strings.Contains(rule.pattern, "*") && rule.family != "" && rule.label == "" {
			t.Errorf("%s lacks a help or a label", rule.pattern)
		}
	}
}

// TestScrapesAtOnce: many may ask at the same time.
func TestScrapesAtOnce(t *testing.T) {
	srv, _ := newServer(t)
	h := srv.handler(management)
	var all sync.WaitGroup
	for i := range 8 {
		all.Go(func() {
			path := []string{"/metrics", "/api/v4/emqx_prometheus", "/api/v4/emqx_prometheus?type=prometheus"}[i%3]
			for range 5 {
				if got := ask(h, from("192.0.2.1:1", "GET", path, "")); len(got) < 1000 {
					t.Errorf("%s: %s", path, got)
				}
			}
		})
	}
	all.Wait()
}

func TestNoPageWithoutMetrics(t *testing.T) {
	s, err := New(Options{Node: "n"})
	if err != nil {
		t.Fatal(err)
	}
	if got := ask(s.handler(socket), from("@", "GET", "/metrics", "")); got != "400 Not found." {
		t.Error(got)
	}
	full, _ := newServer(t)
	if got := ask(full.handler(socket), from("@", "POST", "/metrics", "")); got != "400 Not found." {
		t.Error(got)
	}
}

// BenchmarkScrape is one page with all there is: the counters take a tenth of it, the machine the rest.
func BenchmarkScrape(b *testing.B) {
	var r metrics.Registry
	for i := range 120 {
		r.Counter(fmt.Sprintf("packets.t%d.received", i), "packets")
	}
	e := exporterOf(&r)
	each := func(name string, fill func(*metrics.Exposition)) {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				e.page(fill)
			}
		})
	}
	each("counters", e.registry)
	each("machine", func(x *metrics.Exposition) { e.machine(x) })
	each("process", process)
	each("runtime", goRuntime)
	each("native", e.native)
	each("emqx", e.emqx)
}
