//go:build unix

package api

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/dunlin-mq/dunlin/auth"
)

// BenchmarkList is a page of each list over 20,000 clients with a subscription
// each, without the network; p99 is of the single requests.
func BenchmarkList(b *testing.B) {
	var access auth.Config
	access.SetDefaults()
	control := auth.New(auth.Options{Config: access})
	b.Cleanup(control.Close)
	all := newClients(b, control)
	for i := range 20_000 {
		id := fmt.Sprintf("device-%05d", i*7919%20_000)
		all.do(b, "connect "+id+" username=user")
		all.do(b, "subscribe "+id+" site/"+id+"/#")
	}
	var c Config
	c.SetDefaults()
	c.HTTP.Addresses = nil
	s, err := New(Options{Config: c, Node: "dunlin@host", Broker: all.Broker, Metrics: &all.metrics})
	if err != nil {
		b.Fatal(err)
	}
	h := s.handler(socket)
	for _, path := range []string{
		"/api/v4/clients?_limit=100&_page=1", "/api/v4/clients?_limit=100&_page=200", "/api/v4/clients",
		"/api/v4/clients?_limit=100&_like_clientid=999", "/api/v4/clients?_limit=100&conn_state=connected&_page=100",
		"/api/v4/clients/device-00042", "/api/v4/clients/username/nobody", "/api/v3/connections?_limit=100", "/api/v3/sessions?_limit=100&_page=200",
		"/api/v4/subscriptions?_limit=100&_page=1", "/api/v4/subscriptions?_limit=100&_page=200", "/api/v4/subscriptions?_limit=100&_match_topic=site/device-0/%23",
		"/api/v4/routes?_limit=100&_page=1", "/api/v4/routes?_limit=100&_page=200", "/api/v4/stats", "/api/v4/metrics",
	} {
		b.Run(path, func(b *testing.B) {
			b.ReportAllocs()
			var took []time.Duration
			before := cpuTime(b)
			for b.Loop() {
				start := time.Now()
				w := new(nowhere)
				if h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, path, nil)); w.code != 0 {
					b.Fatal(w.code)
				}
				took = append(took, time.Since(start))
			}
			b.ReportMetric((cpuTime(b)-before).Seconds()*1000/float64(len(took)), "cpu-ms/op")
			slices.Sort(took)
			b.ReportMetric(float64(took[len(took)*99/100].Microseconds())/1000, "ms-p99")
		})
	}
}

// nowhere is a peer that costs nothing.
type nowhere struct {
	header http.Header
	code   int // 0: OK
}

func (w *nowhere) Write(p []byte) (int, error) { return len(p), nil }
func (w *nowhere) WriteHeader(code int)        { w.code = code }
func (w *nowhere) Header() http.Header {
	if w.header == nil {
		w.header = make(http.Header)
	}
	return w.header
}

// cpuTime is what the process has used: unlike a clock, it tells the same on a
// busy machine.
func cpuTime(b *testing.B) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
