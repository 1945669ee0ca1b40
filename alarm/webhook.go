package alarm

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/dunlin-mq/dunlin/config"
	"github.com/dunlin-mq/dunlin/metrics"
)

// WebhookConfig is alarm.webhook.*: whom to tell by HTTP. EMQ X has nothing
// like it.
type WebhookConfig struct {
	URL     string            `conf:"url"`           // empty: nobody
	Headers map[string]string `conf:"headers.$name"` // sent with every request
	Timeout time.Duration     `conf:"request_timeout"`
	// MaxQueue is how many changes of alarms may wait, MaxRetries how often one
	// that wasn't taken is sent again.
	MaxQueue   int `conf:"max_queue" range:"1..100000"`
	MaxRetries int `conf:"max_retries" range:"0..1000"`
}

// SetDefaults gives the values of a configuration that says nothing.
func (c *WebhookConfig) SetDefaults() {
	c.Timeout, c.MaxQueue, c.MaxRetries = 5*time.Second, 1000, 10
}

// Validate checks the URL.
func (c *WebhookConfig) Validate() error {
	if c.URL != "" && !strings.HasPrefix(c.URL, "http://") && !strings.HasPrefix(c.URL, "https://") {
		return config.Invalid("url", "expected http://… or https://…, found %q", c.URL)
	}
	return nil
}

// Service sends one request and returns the answer; it blocks until ctx ends at
// worst.
type Service interface {
	Do(ctx context.Context, method, url string, header http.Header, body []byte) (status int, contentType string, answer []byte, err error)
}

// Webhook tells a service of alarms, one change after the other and in their
// order, however long it takes; nobody waits for it. What finds no room in its
// queue, or isn't taken in the end, is dropped and counted.
type Webhook struct {
	c       WebhookConfig
	node    string
	service Service
	log     *slog.Logger

	queue   chan []byte
	sent    *metrics.Counter
	dropped *metrics.Reasons

	ctx    context.Context // ends with Close
	cancel context.CancelFunc
	done   sync.WaitGroup
}

// Why changes are dropped.
const (
	dropFull    = "queue_full"
	dropRefused = "refused"  // the service doesn't want it
	dropGivenUp = "given_up" // it was sent as often as it may
	dropStopped = "stopped"  // the process ends
)

// NewWebhook starts to tell of the alarms of a node. What it does it counts as
// alarms.webhook.sent, and alarms.webhook.dropped by reason.
func NewWebhook(c WebhookConfig, node string, service Service, r *metrics.Registry, log *slog.Logger) *Webhook {
	w := &Webhook{
		c: c, node: node, service: service, log: log, queue: make(chan []byte, c.MaxQueue),
		sent: r.Counter("alarms.webhook.sent", "changes of alarms that the service of alarm.webhook.url has taken"),
		dropped: r.Reasons("alarms.webhook.dropped", "changes of alarms that it wasn't told of", "reason", 4,
			dropFull, dropRefused, dropGivenUp, dropStopped),
	}
	w.ctx, w.cancel = context.WithCancel(context.Background())
	w.done.Go(w.run)
	return w
}

// Tell has the service told of an alarm that was raised or has ended. It
// doesn't block.
func (w *Webhook) Tell(a Alarm) {
	body, err := w.body(&a)
	if err != nil {
		w.log.Error("an alarm can't be written as JSON", "alarm", a.Name, "err", err)
		return
	}
	select {
	case w.queue <- body:
	default:
		w.dropped.Inc(dropFull)
	}
}

// body is what EMQ X's webhooks would say: the action, the node, and the alarm
// as it stands on $SYS.
func (w *Webhook) body(a *Alarm) ([]byte, error) {
	action := "alarm_activated"
	if !a.Active() {
		action = "alarm_deactivated"
	}
	var text bytes.Buffer
	e := json.NewEncoder(&text)
	e.SetEscapeHTML(false)
	err := e.Encode(struct {
		Action string `json:"action"`
		Node   string `json:"node"`
		View
	}{action, w.node, a.View()})
	return bytes.TrimSpace(text.Bytes()), err
}

// Close ends what is under way and waits for that. What waits is dropped.
func (w *Webhook) Close() {
	w.cancel()
	w.done.Wait()
	for len(w.queue) > 0 {
		<-w.queue
		w.dropped.Inc(dropStopped)
	}
}

func (w *Webhook) run() {
	for {
		select {
		case <-w.ctx.Done():
			return
		case body := <-w.queue:
			if why := w.deliver(body); why == "" {
				w.sent.Inc()
			} else {
				w.dropped.Inc(why)
			}
		}
	}
}

// How long it takes until a change is sent again.
const (
	firstPause   = time.Second
	longestPause = time.Minute
)

// deliver sends until the service has taken the change, and returns why it is
// dropped, if it is.
func (w *Webhook) deliver(body []byte) (dropped string) {
	if w.ctx.Err() != nil { // run may find both, and chooses at random
		return dropStopped
	}
	pause := firstPause
	for try := 0; ; try++ {
		again, err := w.send(body)
		switch {
		case err == nil:
			return ""
		case w.ctx.Err() != nil:
			return dropStopped
		case !again:
			w.log.Warn("an alarm was refused by the service of alarm.webhook.url", "err", err)
			return dropRefused
		case try == w.c.MaxRetries:
			w.log.Warn("the service of alarm.webhook.url takes no alarms", "err", err, "tries", try+1)
			return dropGivenUp
		}
		select {
		case <-w.ctx.Done():
			return dropStopped
		case <-time.After(pause):
		}
		pause = min(2*pause, longestPause)
	}
}

// send sends once; again: it may help to do so later.
func (w *Webhook) send(body []byte) (again bool, err error) {
	ctx, cancel := context.WithTimeout(w.ctx, w.c.Timeout)
	defer cancel()
	header := make(http.Header)
	for name, value := range w.c.Headers {
		header.Set(name, value)
	}
	header.Set("Content-Type", "application/json")
	status, _, _, err := w.service.Do(ctx, http.MethodPost, w.c.URL, header, body)
	switch {
	case err != nil:
		return true, err
	case status/100 == 2:
		return false, nil
	}
	again = status/100 == 5 || status == http.StatusTooManyRequests || status == http.StatusRequestTimeout
	return again, fmt.Errorf("it answers %d %s", status, http.StatusText(status))
}
