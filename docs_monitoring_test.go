package dunlin_test

import (
	"bufio"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/dunlin-mq/dunlin/internal/build"
	"github.com/dunlin-mq/dunlin/internal/peers"
)

const (
	dashboard  = "docs/grafana/dunlin.json"
	alertRules = "docs/prometheus/alerts.yml"
	alertTests = "testenv/prometheus/alerts_test.yml"
	emqxNames  = "testenv/prometheus/emqx-names.txt"

	monitoringPage = "docs/monitoring.md"
)

// TestMonitoring has a real Prometheus scrape a real node, and asks it every query of the dashboard and of the alert rules.
func TestMonitoring(t *testing.T) {
	requireTools(t, "prometheus", "promtool")
	for _, check := range [][]string{{"check", "rules", alertRules}, {"test", "rules", alertTests}} {
		if out, err := exec.Command("promtool", check...).CombinedOutput(); err != nil {
			t.Errorf("promtool %s: %v\n%s", strings.Join(check, " "), err, out)
		}
	}
	p := prometheus{t, startWatched(t)}
	p.scrapesEverything()
	known := p.names()
	hasEMQXNames(t, known)
	describesNames(t, known)
	for _, q := range dashboardQueries(t) {
		namesOnly(t, known, q)
		p.answers(q, true)
	}
	for _, q := range p.rules() {
		namesOnly(t, known, q)
		p.answers(q, false)
	}
}

// startWatched starts a node that has had some clients, and a Prometheus that reads both its pages; it returns the address
// of that.
func startWatched(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	bin, err := build.Program(dir)
	if err != nil {
		t.Fatal(err)
	}
	conf := filepath.Join(dir, "dunlin.conf")
	text := "node.data_dir = " + dir + "\nlistener.tcp.external = 127.0.0.1:0\nmanagement.listener.http = 127.0.0.1:0\ndashboard.listener.http = off\n" +
		"allow_anonymous = true\nlistener.tcp.internal = off\nlistener.ssl.external = off\nlistener.ws.external = off\nlistener.wss.external = off\n" +
		// What needs somebody else is on, so that its figures are there, and nobody is there for it.
		"opentelemetry.metrics.enable = on\nopentelemetry.traces.enable = on\nopentelemetry.exporter.endpoint = 127.0.0.1:1\nalarm.webhook.url = http://127.0.0.1:1\n"
	if err := os.WriteFile(conf, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), bin, "--config", conf)
	cmd.Env = slices.DeleteFunc(os.Environ(), func(v string) bool { return strings.HasPrefix(v, "DUNLIN_") || strings.HasPrefix(v, "EMQX_") })
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Wait() }) // the test's context has killed it
	mqtt, management := greeted(t, bufio.NewScanner(out))
	_, port, _ := strings.Cut(mqtt, ":")
	load := exec.CommandContext(t.Context(), bin, "bench", "roundtrip", "-p", port, "-c", "10", "-q", "1", "-I", "10", "-L", "100", "--quiet")
	if out, err := load.CombinedOutput(); err != nil {
		t.Fatalf("dunlin bench roundtrip: %v\n%s", err, out)
	}
	rules, err := filepath.Abs(alertRules)
	if err != nil {
		t.Fatal(err)
	}
	return peers.Prometheus(t, fmt.Sprintf(`global: {scrape_interval: 1s, evaluation_interval: 1s}
rule_files: [%q]
scrape_configs:
  - job_name: dunlin
    static_configs: [{targets: [%q]}]
  - job_name: emqx
    metrics_path: /api/v4/emqx_prometheus
    params: {type: [prometheus]}
    static_configs: [{targets: [%[2]q]}]
  - job_name: emqx_without_type
    metrics_path: /api/v4/emqx_prometheus
    static_configs: [{targets: [%[2]q]}]
`, rules, management)).Addr()
}

// greeted reads the addresses of the two listeners from what a node prints at its start.
func greeted(t *testing.T, lines *bufio.Scanner) (mqtt, management string) {
	t.Helper()
	for lines.Scan() && (mqtt == "" || management == "") {
		switch f := strings.Fields(lines.Text()); {
		case len(f) < 3:
		case f[0] == "tcp":
			mqtt = f[2]
		case f[0] == "http":
			management = f[2]
		}
	}
	if mqtt == "" || management == "" {
		t.Fatal("the node doesn't say where it listens")
	}
	go func() { // what it says further on must not fill the pipe
		for lines.Scan() {
		}
	}()
	return mqtt, management
}

// prometheus is the interface of one.
type prometheus struct {
	t    *testing.T
	addr string
}

// get asks for something below /api/v1 and puts the data of the answer into it.
func (p prometheus) get(path string, query url.Values, into any) error {
	answer, err := http.Get("http://" + p.addr + "/api/v1/" + path + "?" + query.Encode())
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	var all struct {
		Status, Error string
		Data          json.RawMessage
	}
	if err := json.NewDecoder(answer.Body).Decode(&all); err != nil {
		return err
	}
	if all.Status != "success" {
		return fmt.Errorf("%s", all.Error)
	}
	return json.Unmarshal(all.Data, into)
}

// scrapesEverything waits until each page was read three times: a rate needs two.
func (p prometheus) scrapesEverything() {
	p.t.Helper()
	var last any
	for end := time.Now().Add(4 * docsDeadline); time.Now().Before(end); time.Sleep(100 * time.Millisecond) {
		var found struct {
			Result []struct {
				Metric map[string]string
				Value  [2]any
			}
		}
		err := p.get("query", url.Values{"query": {"sum_over_time(up[1m]) >= 3"}}, &found)
		if last = any(found); err != nil {
			last = err
		}
		if err == nil && len(found.Result) == 3 {
			return
		}
	}
	var targets any
	_ = p.get("targets", nil, &targets)
	p.t.Fatalf("not every page is scraped: %v\n%v", last, targets)
}

// names are those of all series.
func (p prometheus) names() map[string]bool {
	p.t.Helper()
	var all []string
	if err := p.get("label/__name__/values", nil, &all); err != nil {
		p.t.Fatal(err)
	}
	known := make(map[string]bool)
	for _, name := range all {
		known[name] = true
	}
	return known
}

// rules are the queries of the alert rules, each loaded and found good.
func (p prometheus) rules() (all []string) {
	p.t.Helper()
	for end := time.Now().Add(docsDeadline); ; time.Sleep(100 * time.Millisecond) {
		var found struct {
			Groups []struct {
				Rules []struct{ Name, Query, Health, LastError string }
			}
		}
		if err := p.get("rules", nil, &found); err != nil {
			p.t.Fatal(err)
		}
		bad := ""
		all = nil
		for _, g := range found.Groups {
			for _, r := range g.Rules {
				all = append(all, r.Query)
				if r.Health != "ok" {
					bad = fmt.Sprintf("%s is %s: %s", r.Name, r.Health, r.LastError)
				}
			}
		}
		switch {
		case len(all) > 0 && bad == "":
			return all
		case time.Now().After(end):
			p.t.Fatalf("of %d rules: %s", len(all), bad)
		}
	}
}

// answers asks a query, which must give something if it is to draw something.
func (p prometheus) answers(query string, something bool) {
	p.t.Helper()
	query = strings.NewReplacer("$__rate_interval", "1m", "$instance", ".*").Replace(query)
	var found struct{ Result []any }
	switch err := p.get("query", url.Values{"query": {query}}, &found); {
	case err != nil:
		p.t.Errorf("%s: %v", query, err)
	case something && len(found.Result) == 0:
		p.t.Errorf("%s: no result", query)
	}
}

// dashboardQueries are those of all panels. Each panel has some, and no place in common with another.
func dashboardQueries(t *testing.T) (all []string) {
	t.Helper()
	text, err := os.ReadFile(dashboard)
	if err != nil {
		t.Fatal(err)
	}
	type place struct{ X, Y, W, H int }
	var d struct {
		Panels []struct {
			ID          int
			Type, Title string
			GridPos     place
			Targets     []struct{ Expr string }
		}
	}
	if err := json.Unmarshal(text, &d); err != nil {
		t.Fatalf("%s: %v", dashboard, err)
	}
	ids := make(map[int]bool)
	for i, p := range d.Panels {
		if ids[p.ID] || p.Title == "" || p.Type != "row" && len(p.Targets) == 0 {
			t.Errorf("panel %d, %q: its number is taken, or it has no title or no query", p.ID, p.Title)
		}
		ids[p.ID] = true
		for _, o := range d.Panels[:i] {
			a, b := p.GridPos, o.GridPos
			if a.X < b.X+b.W && b.X < a.X+a.W && a.Y < b.Y+b.H && b.Y < a.Y+a.H {
				t.Errorf("the panels %q and %q lie upon each other", p.Title, o.Title)
			}
		}
		for _, target := range p.Targets {
			all = append(all, target.Expr)
		}
	}
	if len(all) == 0 {
		t.Errorf("%s has no queries", dashboard)
	}
	return all
}

var (
	// notNames are the parts of a query in which words are no names of series: selectors, durations, texts, lists of labels.
	notNames = regexp.MustCompile(`"[^"]*"|\{[^}]*\}|\[[^\]]*\]|\b(?:by|without|on|ignoring|group_left|group_right)\s*\([^)]*\)`)
	word     = regexp.MustCompile(`[a-zA-Z_:][a-zA-Z0-9_:]*\s*\(?`)
	keywords = words("and or unless bool offset sum min max avg count")
)

// seriesIn are the names of series in a query.
func seriesIn(query string) (names []string) {
	for _, name := range word.FindAllString(notNames.ReplaceAllString(query, " "), -1) {
		if !strings.HasSuffix(name, "(") && !slices.Contains(keywords, strings.TrimSpace(name)) {
			names = append(names, strings.TrimSpace(name))
		}
	}
	return names
}

func namesOnly(t *testing.T, known map[string]bool, query string) {
	t.Helper()
	names := seriesIn(query)
	if len(names) == 0 {
		t.Errorf("%s: no series in it", query)
	}
	for _, name := range names {
		if !known[name] {
			t.Errorf("%s: there is no series %s", query, name)
		}
	}
}

func TestSeriesIn(t *testing.T) {
	for query, want := range map[string]string{
		`up{job="a"} == bool 0`: "up",
		`sum by (le, x) (rate(a_bucket{b=~"c|d"}[5m])) / on (x) e_f unless max_over_time(g[1m])`: "a_bucket e_f g",
		`sum (h) by (i)`: "h",
	} {
		if got := strings.Join(seriesIn(query), " "); got != want {
			t.Errorf("%s: %s, want %s", query, got, want)
		}
	}
}

// byRule are the names that the page gives by rule; all others must stand there themselves.
var byRule = regexp.MustCompile(`^(emqx|scrape|dunlin_(acl|alarms_webhook|auth|bytes|client|connect_|connections|delayed|deliveries|messages?|opentelemetry|packets|retained|routes|session|subscri))`)

// describesNames demands that the page for users has the name of every series, and names no other.
func describesNames(t *testing.T, known map[string]bool) {
	t.Helper()
	text, err := os.ReadFile(monitoringPage)
	if err != nil {
		t.Fatal(err)
	}
	for name := range known {
		family := strings.TrimSuffix(strings.TrimSuffix(strings.TrimSuffix(name, "_bucket"), "_sum"), "_count")
		if !byRule.MatchString(name) && !strings.Contains(string(text), "`"+family+"`") && name != "up" && !strings.HasPrefix(name, "ALERTS") {
			t.Errorf("%s doesn't name %s", monitoringPage, family)
		}
	}
	_, tables, _ := strings.Cut(string(text), "\nBeside them stand\n")
	for _, m := range regexp.MustCompile("`((?:dunlin|process|go|emqx)_[a-z_]*[a-z])`").FindAllStringSubmatch(tables, -1) {
		if !known[m[1]] && !known[m[1]+"_bucket"] {
			t.Errorf("%s names %s, which there is not", monitoringPage, m[1])
		}
	}
}

// TestMonitoringPage demands that the page for users has every alert, and no other.
func TestMonitoringPage(t *testing.T) {
	found := func(file, pattern string) (names []string) {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range regexp.MustCompile(pattern).FindAllStringSubmatch(string(text), -1) {
			names = append(names, m[1])
		}
		return names
	}
	here, there := found(monitoringPage, `(?m)^\| \x60(Dunlin\w+)\x60 \|`), found(alertRules, `alert: (\w+)`)
	if len(there) == 0 || !slices.Equal(here, there) {
		t.Errorf("%s has the alerts %v, %s has %v", monitoringPage, here, alertRules, there)
	}
}

// hasEMQXNames demands every series that dashboards made for EMQ X may ask for.
func hasEMQXNames(t *testing.T, known map[string]bool) {
	t.Helper()
	text, err := os.ReadFile(emqxNames)
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		if strings.HasPrefix(line, "#") {
			continue
		}
		for _, name := range words(line) {
			if !known["emqx_"+name] {
				t.Errorf("there is no series emqx_%s", name)
			}
		}
	}
}
