package alarm

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/dunlin-mq/dunlin/metrics"
)

// fakeService answers with a status for each request, or an error for 0; -1
// hangs. When there is none left it answers 204.
type fakeService struct {
	mu     sync.Mutex
	status []int
	came   []string
	header http.Header
}

func (s *fakeService) Do(ctx context.Context, method, url string, header http.Header, body []byte) (int, string, []byte, error) {
	s.mu.Lock()
	status := http.StatusNoContent
	if len(s.status) > 0 {
		status, s.status = s.status[0], s.status[1:]
	}
	s.header = header
	if status == http.StatusNoContent {
		s.came = append(s.came, string(body))
	}
	s.mu.Unlock()
	switch status {
	case 0:
		return 0, "", nil, errors.New("connection refused")
	case -1:
		<-ctx.Done()
		return 0, "", nil, ctx.Err()
	}
	return status, "", nil, nil
}

type hookRig struct {
	*Webhook
	*fakeService
	t        *testing.T
	registry metrics.Registry
}

func newHookRig(t *testing.T, queue, retries int, status ...int) *hookRig {
	var c WebhookConfig
	c.SetDefaults()
	c.URL, c.MaxQueue, c.MaxRetries, c.Headers = "http://hook", queue, retries, map[string]string{"authorization": "mine"}
	r := &hookRig{t: t, fakeService: &fakeService{status: status}}
	r.Webhook = NewWebhook(c, "n@host", r.fakeService, &r.registry, slog.New(slog.DiscardHandler))
	return r
}

// wants compares what was sent and what was dropped for one reason; nothing
// else may have been dropped.
func (r *hookRig) wants(sent int64, why string, dropped int64) {
	r.t.Helper()
	s, _ := r.registry.Get("alarms.webhook.sent")
	d, _ := r.registry.Get("alarms.webhook.dropped")
	got := int64(0)
	for _, one := range d.Reasons {
		if one.Reason == why {
			got = one.Count
		}
	}
	if s.Value != sent || got != dropped || d.Value != dropped {
		r.t.Errorf("sent %d, dropped %v; want %d, and %d as %q", s.Value, d.Reasons, sent, dropped, why)
	}
}

func TestWebhook(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newHookRig(t, 10, 3)
		defer r.Close()
		a := Alarm{Name: "high<cpu>", Message: "m", Details: Details{"usage": 90}, ActivateAt: time.UnixMicro(5)}
		r.Tell(a)
		a.DeactivateAt = time.UnixMicro(7)
		r.Tell(a)
		synctest.Wait()
		const rest = `"node":"n@host","name":"high<cpu>","message":"m","details":{"usage":90},"activate_at":5,"deactivate_at":`
		want := `{"action":"alarm_activated",` + rest + `"infinity","activated":true} {"action":"alarm_deactivated",` + rest + `7,"activated":false}`
		if got := strings.Join(r.came, " "); got != want {
			t.Errorf("got\n%s\nwant\n%s", got, want)
		}
		if r.header.Get("Authorization") != "mine" || r.header.Get("Content-Type") != "application/json" {
			t.Errorf("header: %v", r.header)
		}
		r.wants(2, "", 0)
	})
}

// TestWebhookRetries: what may help is tried again, later and later.
func TestWebhookRetries(t *testing.T) {
	f := func(status []int, took time.Duration, sent int64, why string, dropped int64) {
		t.Helper()
		synctest.Test(t, func(t *testing.T) {
			r := newHookRig(t, 10, 8, status...)
			defer r.Close()
			began := time.Now()
			r.Tell(Alarm{Name: "a"})
			time.Sleep(took - time.Millisecond)
			synctest.Wait()
			r.wants(0, why, 0)
			time.Sleep(time.Millisecond)
			synctest.Wait()
			r.wants(sent, why, dropped)
			if time.Since(began) != took {
				t.Errorf("it took %v", time.Since(began))
			}
		})
	}
	f([]int{0}, time.Second, 1, "", 0)
	f([]int{500, 503, 429, 408}, 15*time.Second, 1, "", 0)
	f([]int{-1}, 6*time.Second, 1, "", 0) // the timeout of five seconds, and one
	f([]int{0, 404}, time.Second, 0, dropRefused, 1)
	f([]int{0, 301}, time.Second, 0, dropRefused, 1)
	f([]int{0, 0, 0, 0, 0, 0, 0, 0, 0}, (1+2+4+8+16+32+60+60)*time.Second, 0, dropGivenUp, 1)
}

// TestWebhookIsBounded: nobody waits for a service that hangs, nor does Close.
func TestWebhookIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newHookRig(t, 3, 8, -1)
		r.Tell(Alarm{Name: "hangs"})
		synctest.Wait()
		for range 5 {
			r.Tell(Alarm{Name: "a"})
		}
		r.wants(0, dropFull, 2)
		began := time.Now()
		r.Close()
		if time.Since(began) != 0 {
			t.Errorf("Close took %v", time.Since(began))
		}
		if d, _ := r.registry.Get("alarms.webhook.dropped"); d.Value != 6 {
			t.Errorf("dropped in the end: %v", d.Reasons)
		}
	})
	synctest.Test(t, func(t *testing.T) { // while it waits to try again
		r := newHookRig(t, 3, 8, 0)
		r.Tell(Alarm{Name: "a"})
		synctest.Wait()
		r.Close()
		r.wants(0, dropStopped, 1)
	})
}
