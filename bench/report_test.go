package bench

import (
	"bytes"
	"strings"
	"testing"
	"time"
)

func TestLineASecond(t *testing.T) {
	var out bytes.Buffer
	r := newReporter(&options{}, &out, nil)
	s := newStats()
	s.connected, s.ready[publisher], s.sent, s.delivered = 10, 10, 100, 50
	r.second(time.Second, s)
	s.sent, s.refused["no"] = 300, 2
	r.second(3*time.Second, s)
	want := "   1s  connections 10 (+10/s)  sent 100 (100/s)  received 50 (50/s)\n" +
		"   3s  connections 10 (+0/s)  sent 300 (100/s)  received 50 (0/s)  failed 2\n"
	if got := out.String(); got != want {
		t.Errorf("got\n%s, expected\n%s", got, want)
	}
	r.connecting(1, 2)
	if out.String() != want {
		t.Error("a progress bar is drawn where there is no terminal")
	}
}

func TestProgressBar(t *testing.T) {
	var out bytes.Buffer
	r := &reporter{progress: &out, terminal: true}
	r.connecting(50, 200)
	if got := out.String(); !strings.HasPrefix(got, "\r["+strings.Repeat("#", 10)+strings.Repeat(".", 30)+"]") {
		t.Errorf("a quarter looks like %q", got)
	}
	r.second(time.Second, newStats())
	if got := out.String(); !strings.Contains(got, "\r\x1b[K") {
		t.Errorf("the bar is not wiped before the next line: %q", got)
	}
}

func TestSummaryLeavesOutWhatDoesNotApply(t *testing.T) {
	res := &result{Connected: 3, Reasons: map[string]uint64{"refused: banned (0x8A)": 2}}
	text := res.text(&options{verb: "conn"})
	for _, no := range []string{"sent", "received", "latency", "lost", "slow", "broker", "memory"} {
		if strings.Contains(text, no) {
			t.Errorf("the summary of conn speaks of %q:\n%s", no, text)
		}
	}
	if !strings.Contains(text, "2 × refused: banned (0x8A)") {
		t.Errorf("the reason is missing:\n%s", text)
	}
	res.Sent, res.Delivered, res.Max = 5, 5, 1500
	text = res.text(&options{verb: "roundtrip", pids: []int{1}, slow: 1})
	for _, yes := range []string{"sent", "received", "max 1.500", "lost", "slow", "broker", "memory"} {
		if !strings.Contains(text, yes) {
			t.Errorf("the summary of a round trip does not have %q:\n%s", yes, text)
		}
	}
}

func TestUsage(t *testing.T) {
	said := func(want string, code int, args ...string) {
		t.Helper()
		var out, errs bytes.Buffer
		if got := Main(args, &out, &errs); got != code || !strings.Contains(out.String()+errs.String(), want) {
			t.Errorf("%q: exit code %d, %s%s", args, got, out.String(), errs.String())
		}
	}
	said("dunlin bench roundtrip", exitOK)
	said("dunlin bench roundtrip", exitOK, "--help")
	said("--interval_of_msg", exitOK, "pub", "--help")
	said(`got "storm"`, exitUsage, "storm")
	said("dunlin bench pub: -t", exitUsage, "pub")
	said("--count", exitUsage, "conn", "-c", "0")
	said("--host", exitFailed, "conn", "-h", "no.such.host.invalid")
	said("--ifaddr", exitFailed, "conn", "--ifaddr", "here")
	said("--pid", exitFailed, "conn", "--pid", "1073741824")
}
