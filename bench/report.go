package bench

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"
	"time"
)

// result is what a run has found. Its JSON is flat and its names stay: scripts
// read it. Rates, latency and CPU are of the measured time alone; everything
// else is of the whole run.
type result struct {
	Verb        string `json:"verb"`
	Interrupted bool   `json:"interrupted"`

	Connected   int     `json:"connected"`
	Refused     uint64  `json:"refused"`
	Dropped     uint64  `json:"dropped"`
	Killed      uint64  `json:"killed"`
	ConnectS    float64 `json:"connect_s"`
	ConnectP50  float64 `json:"connect_p50_ms"`
	ConnectP90  float64 `json:"connect_p90_ms"`
	ConnectP99  float64 `json:"connect_p99_ms"`
	ConnectP999 float64 `json:"connect_p999_ms"`
	ConnectMax  float64 `json:"connect_max_ms"`

	Seconds       float64 `json:"seconds"`
	SentPerS      float64 `json:"sent_per_s"`
	DeliveredPerS float64 `json:"delivered_per_s"`
	AckedPerS     float64 `json:"acked_per_s"`
	P50           float64 `json:"p50_us"`
	P90           float64 `json:"p90_us"`
	P99           float64 `json:"p99_us"`
	P999          float64 `json:"p999_us"`
	Max           float64 `json:"max_us"`
	Sent          uint64  `json:"sent"`
	Delivered     uint64  `json:"delivered"`
	Acked         uint64  `json:"acked"`
	Rejected      uint64  `json:"rejected"`
	Lost          int64   `json:"lost"`
	Duplicates    uint64  `json:"duplicates"`
	Disordered    uint64  `json:"disordered"` // 0 if nothing says in which order they have to come
	Foreign       uint64  `json:"foreign"`
	Slow          uint64  `json:"slow_delivered"`
	SlowLost      int64   `json:"slow_lost"`

	Queued        uint64  `json:"queued"`          // deliveries for those who were away
	BackS         float64 `json:"back_s"`          // until all were connected again
	FirstMessageS float64 `json:"first_message_s"` // since they began to come back
	LastMessageS  float64 `json:"last_message_s"`

	Pairs []pairResult `json:"pairs,omitempty"` // of brokers, if there are several

	BrokerCPUS       float64 `json:"broker_cpu_s"`
	BrokerCPUPerMsg  float64 `json:"broker_cpu_us_per_msg"`
	BrokerConnectCPU float64 `json:"connect_cpu_us"`
	BrokerIdleCPU    float64 `json:"idle_cpu_percent"`
	RSSBefore        int64   `json:"rss_kb_before"`
	RSSConnected     int64   `json:"rss_kb_connected"`
	RSSPerConn       float64 `json:"rss_bytes_per_conn"`
	RSSPerFilter     float64 `json:"rss_bytes_per_filter"`
	RSSPeak          int64   `json:"rss_kb_peak"`
	RSSEnd           int64   `json:"rss_kb_end"`
	LoadCPUS         float64 `json:"load_cpu_s"`

	Reasons map[string]uint64 `json:"reasons,omitempty"` // of refused, dropped and rejected
}

// reporter writes what a run has to say, and where: lines while it runs to
// progress, the result to out.
type reporter struct {
	out, progress io.Writer
	json          bool
	terminal      bool // progress can be drawn over
	drawn         bool // the cursor stands behind a bar
	last          counts
	lastAt        time.Duration
}

func newReporter(o *options, stdout, stderr io.Writer) *reporter {
	r := &reporter{out: stdout, progress: stdout, json: o.json}
	if o.json {
		r.progress = stderr
	}
	if file, ok := r.progress.(*os.File); ok {
		info, err := file.Stat()
		r.terminal = err == nil && info.Mode()&os.ModeCharDevice != 0
	}
	if o.quiet || o.json && !r.terminal {
		r.progress = io.Discard
	}
	return r
}

// connecting draws a bar, on a terminal only.
func (r *reporter) connecting(done, all int) {
	if !r.terminal || r.progress == io.Discard {
		return
	}
	const width = 40
	full := width * done / max(all, 1)
	fmt.Fprintf(r.progress, "\r[%s%s] %d of %d connected", strings.Repeat("#", full), strings.Repeat(".", width-full), done, all)
	r.drawn = true
}

// second writes the line of one second.
func (r *reporter) second(at time.Duration, s *stats) {
	dt := (at - r.lastAt).Seconds()
	if dt <= 0 {
		return
	}
	if r.drawn {
		fmt.Fprint(r.progress, "\r\x1b[K")
		r.drawn = false
	}
	rate := func(now, before uint64) float64 { return float64(now-before) / dt }
	fmt.Fprintf(r.progress, "%4.0fs  connections %d (+%.0f/s)", at.Seconds(), s.allReady(), rate(s.connected, r.last.connected))
	if s.sent > 0 {
		fmt.Fprintf(r.progress, "  sent %d (%.0f/s)", s.sent, rate(s.sent, r.last.sent))
	}
	if s.acked > 0 {
		fmt.Fprintf(r.progress, "  acknowledged %.0f/s", rate(s.acked, r.last.acked))
	}
	if s.delivered > 0 {
		fmt.Fprintf(r.progress, "  received %d (%.0f/s)", s.delivered, rate(s.delivered, r.last.delivered))
	}
	if n := sum(s.refused) + sum(s.dropped); n > 0 {
		fmt.Fprintf(r.progress, "  failed %d", n)
	}
	fmt.Fprintln(r.progress)
	r.last, r.lastAt = s.counts, at
}

// finish writes the result.
func (r *reporter) finish(o *options, res *result) error {
	if r.drawn {
		fmt.Fprintln(r.progress)
	}
	if r.json {
		return json.NewEncoder(r.out).Encode(res)
	}
	_, err := io.WriteString(r.out, res.text(o))
	return err
}

// text is the result for people; what does not apply is left out.
func (res *result) text(o *options) string {
	var b strings.Builder
	line := func(name, format string, args ...any) {
		fmt.Fprintf(&b, "%-12s %s\n", name, fmt.Sprintf(format, args...))
	}
	b.WriteByte('\n')
	line("connections", "%d ready after %.2f s, %d refused, %d dropped, %d cut", res.Connected, res.ConnectS, res.Refused, res.Dropped, res.Killed)
	line("connect ms", "p50 %.2f  p90 %.2f  p99 %.2f  p99.9 %.2f  max %.2f", res.ConnectP50, res.ConnectP90, res.ConnectP99, res.ConnectP999, res.ConnectMax)
	if res.Sent > 0 {
		line("sent", "%d, %.0f/s; acknowledged %d, rejected %d", res.Sent, res.SentPerS, res.Acked, res.Rejected)
	}
	if res.Delivered > 0 || verbs[o.verb].subscribes {
		line("received", "%d, %.0f/s", res.Delivered, res.DeliveredPerS)
	}
	if res.Max > 0 {
		line("latency ms", "p50 %.3f  p90 %.3f  p99 %.3f  p99.9 %.3f  max %.3f", res.P50/1e3, res.P90/1e3, res.P99/1e3, res.P999/1e3, res.Max/1e3)
	}
	for _, p := range res.Pairs {
		line("pair", "%s to %s: %.0f/s; ms p50 %.3f  p99 %.3f  max %.3f", p.From, p.To, p.DeliveredPerS, p.P50/1e3, p.P99/1e3, p.Max/1e3)
	}
	if verbs[o.verb].stored {
		line("offline", "%d deliveries waited; all back after %.2f s, first message after %.2f s, last after %.2f s",
			res.Queued, res.BackS, res.FirstMessageS, res.LastMessageS)
	}
	if o.bothWays() {
		line("lost", "%d; duplicates %d, out of order %d, not of this run %d", res.Lost, res.Duplicates, res.Disordered, res.Foreign)
	}
	if o.slow > 0 {
		line("slow", "%d received, %d not", res.Slow, res.SlowLost)
	}
	if len(o.pids) > 0 {
		line("broker", "%.3f µs CPU a message, %.1f µs a connection; idle %.2f %%", res.BrokerCPUPerMsg, res.BrokerConnectCPU, res.BrokerIdleCPU)
		line("memory", "%d KB before, %d KB connected (%.0f B each), peak %d KB, %d KB at the end",
			res.RSSBefore, res.RSSConnected, res.RSSPerConn, res.RSSPeak, res.RSSEnd)
	}
	for _, why := range slices.Sorted(maps.Keys(res.Reasons)) {
		line("", "%d × %s", res.Reasons[why], why)
	}
	return b.String()
}
