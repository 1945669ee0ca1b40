package otel

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"math"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"time"

	collectormetrics "go.opentelemetry.io/proto/otlp/collector/metrics/v1"
	collectortraces "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	"google.golang.org/protobuf/proto"
)

// maxAnswer bounds what a collector may say, in bytes.
const maxAnswer = 64 << 10

// longestWait bounds for how long a collector may ask not to be sent anything.
const longestWait = time.Hour

// client sends requests of OTLP.
type client struct {
	endpoint string
	timeout  time.Duration
	by       transport
}

// transport is how a request comes to the collector, and its answer back.
type transport interface {
	call(ctx context.Context, to service, request, answer proto.Message) error
	close() error
}

// service is one kind of request.
type service struct{ grpc, http string }

var (
	metricsService = service{"/opentelemetry.proto.collector.metrics.v1.MetricsService/Export", "/v1/metrics"}
	tracesService  = service{"/opentelemetry.proto.collector.trace.v1.TraceService/Export", "/v1/traces"}
)

func newClient(c *ExporterConfig) (*client, error) {
	u, err := c.url()
	if err != nil {
		return nil, err
	}
	secure, err := c.secure(u)
	if err != nil {
		return nil, err
	}
	k := &client{endpoint: u.String(), timeout: c.Timeout}
	if c.Protocol == "grpc" {
		k.by, err = newGRPC(c, u, secure)
	} else {
		k.by = newHTTP(c, u, secure)
	}
	return k, err
}

// refusal is a request that was not taken.
type refusal struct {
	why   string
	again bool          // it may be sent again
	after time.Duration // not before; 0: the collector doesn't say
}

func (r *refusal) Error() string { return r.why }

// metrics sends a request and waits for the answer, for as long as the timeout
// or ctx allows. What isn't a refusal is a request that may not have come there.
func (k *client) metrics(ctx context.Context, r *collectormetrics.ExportMetricsServiceRequest) (rejected int64, why string, err error) {
	answer := new(collectormetrics.ExportMetricsServiceResponse)
	err = k.call(ctx, metricsService, r, answer)
	p := answer.GetPartialSuccess()
	return count(p.GetRejectedDataPoints()), p.GetErrorMessage(), err
}

// traces is the same for spans.
func (k *client) traces(ctx context.Context, r *collectortraces.ExportTraceServiceRequest) (rejected int64, why string, err error) {
	answer := new(collectortraces.ExportTraceServiceResponse)
	err = k.call(ctx, tracesService, r, answer)
	p := answer.GetPartialSuccess()
	return count(p.GetRejectedSpans()), p.GetErrorMessage(), err
}

// count is a number of things, whatever the collector says.
func count(n int64) int64 { return min(max(n, 0), math.MaxInt32) }

func (k *client) call(ctx context.Context, to service, request, answer proto.Message) error {
	ctx, cancel := context.WithTimeout(ctx, k.timeout)
	defer cancel()
	return k.by.call(ctx, to, request, answer)
}

// overHTTP is the protocol http_protobuf.
type overHTTP struct {
	http     http.Client
	endpoint string
	header   http.Header
}

func newHTTP(c *ExporterConfig, u *url.URL, secure *tls.Config) *overHTTP {
	h := &overHTTP{endpoint: u.String(), header: make(http.Header)}
	for name, value := range c.Headers {
		h.header.Set(name, value)
	}
	h.header.Set("Content-Type", "application/x-protobuf")
	h.header.Set("User-Agent", "Dunlin")
	h.http = http.Client{
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		Transport: &http.Transport{
			DialContext:         (&net.Dialer{Timeout: c.Timeout, KeepAlive: 15 * time.Second}).DialContext,
			TLSClientConfig:     secure,
			TLSHandshakeTimeout: c.Timeout,
			MaxIdleConns:        2,
			IdleConnTimeout:     5 * time.Minute,
			DisableCompression:  true,
		},
	}
	return h
}

func (h *overHTTP) call(ctx context.Context, to service, request, answer proto.Message) error {
	body, err := proto.Marshal(request)
	if err != nil {
		return &refusal{why: err.Error()}
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, h.endpoint+to.http, bytes.NewReader(body))
	if err != nil {
		return err
	}
	r.Header = h.header.Clone()
	resp, err := h.http.Do(r)
	if err != nil {
		if withURL, is := errors.AsType[*url.Error](err); is {
			err = withURL.Err // the endpoint stands in front of every error anyway
		}
		return err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	if err != nil {
		return fmt.Errorf("reading the answer: %w", err)
	}
	if err := httpAnswer(resp); err != nil {
		return err
	}
	if err := proto.Unmarshal(text, answer); err != nil {
		return &refusal{why: "the collector's answer is no message of Protocol Buffers"}
	}
	return nil
}

func (h *overHTTP) close() error {
	h.http.CloseIdleConnections()
	return nil
}

// httpAnswer judges the status of OTLP over HTTP.
func httpAnswer(resp *http.Response) error {
	if resp.StatusCode/100 == 2 {
		return nil
	}
	r := &refusal{why: "the collector answers " + resp.Status}
	switch resp.StatusCode {
	case http.StatusTooManyRequests, http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		r.again = true
		if s, err := strconv.Atoi(resp.Header.Get("Retry-After")); err == nil && s > 0 {
			r.after = time.Second * time.Duration(min(s, int(longestWait.Seconds())))
		}
	}
	return r
}
