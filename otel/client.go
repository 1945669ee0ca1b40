package otel

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"time"
)

// maxAnswer bounds what a collector may say, in bytes.
const maxAnswer = 64 << 10

// client sends requests of OTLP: one of gRPC is a POST over HTTP/2 whose body
// has a length in front and whose answer ends with a status in the trailer.
type client struct {
	http     http.Client
	endpoint string
	grpc     bool
	header   http.Header
	timeout  time.Duration
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
	k := &client{endpoint: u.String(), grpc: c.Protocol == "grpc", header: make(http.Header), timeout: c.Timeout}
	for name, value := range c.Headers {
		k.header.Set(name, value)
	}
	k.header.Set("Content-Type", "application/x-protobuf")
	k.header.Set("User-Agent", "Dunlin")
	if k.grpc {
		k.header.Set("Content-Type", "application/grpc+proto")
		k.header.Set("TE", "trailers")
		k.header.Set("Grpc-Timeout", strconv.FormatInt(c.Timeout.Milliseconds(), 10)+"m")
	}
	k.http = http.Client{Transport: k.transport(secure), CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	return k, nil
}

func (k *client) transport(secure *tls.Config) *http.Transport {
	var speak http.Protocols
	speak.SetHTTP2(k.grpc)
	speak.SetUnencryptedHTTP2(k.grpc)
	speak.SetHTTP1(!k.grpc)
	return &http.Transport{
		DialContext:         (&net.Dialer{Timeout: k.timeout, KeepAlive: 15 * time.Second}).DialContext,
		TLSClientConfig:     secure,
		TLSHandshakeTimeout: k.timeout,
		Protocols:           &speak,
		// A connection that doesn't answer pings is dead, whatever TCP believes.
		HTTP2:              &http.HTTP2Config{SendPingTimeout: 30 * time.Second, PingTimeout: 10 * time.Second},
		MaxIdleConns:       2,
		IdleConnTimeout:    5 * time.Minute,
		DisableCompression: true,
	}
}

// refusal is a request that was not taken.
type refusal struct {
	why   string
	again bool          // it may be sent again
	after time.Duration // not before; 0: the collector doesn't say
}

func (r *refusal) Error() string { return r.why }

// send sends a request and waits for the answer, for as long as the timeout or
// ctx allows. What isn't a refusal is a request that may not have come there.
func (k *client) send(ctx context.Context, to service, request []byte) (rejected int64, why string, err error) {
	ctx, cancel := context.WithTimeout(ctx, k.timeout)
	defer cancel()
	path := to.http
	if k.grpc {
		path = to.grpc
		request = append(binary.BigEndian.AppendUint32([]byte{0}, uint32(len(request))), request...)
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, k.endpoint+path, bytes.NewReader(request))
	if err != nil {
		return 0, "", err
	}
	r.Header = k.header.Clone()
	resp, err := k.http.Do(r)
	if err != nil {
		if withURL, is := errors.AsType[*url.Error](err); is {
			err = withURL.Err // the endpoint stands in front of every error anyway
		}
		return 0, "", err
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer)) // to its end: the trailer comes behind it
	switch {
	case err != nil:
		return 0, "", fmt.Errorf("reading the answer: %w", err)
	case k.grpc:
		answer, err = grpcAnswer(resp, answer)
	default:
		err = httpAnswer(resp)
	}
	if err != nil {
		return 0, "", err
	}
	return partial(answer)
}

func (k *client) close() { k.http.CloseIdleConnections() }

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
			r.after = min(time.Duration(s), 3600) * time.Second
		}
	}
	return r
}

// Codes of gRPC after which OTLP lets a request be sent again.
const (
	grpcCancelled         = 1
	grpcDeadlineExceeded  = 4
	grpcResourceExhausted = 8
	grpcAborted           = 10
	grpcOutOfRange        = 11
	grpcUnavailable       = 14
	grpcDataLoss          = 15
)

// grpcAnswer judges the status of a call, and takes the message out of its
// frame.
func grpcAnswer(resp *http.Response, answer []byte) ([]byte, error) {
	if resp.StatusCode != http.StatusOK {
		return nil, &refusal{why: "what is at the endpoint is no gRPC: it answers " + resp.Status, again: resp.StatusCode/100 == 5}
	}
	from := resp.Trailer
	if from.Get("Grpc-Status") == "" {
		from = resp.Header // an answer without a message has no trailer apart
	}
	code, err := strconv.Atoi(from.Get("Grpc-Status"))
	if err != nil {
		return nil, &refusal{why: "what is at the endpoint is no gRPC: its answer has no status", again: true}
	}
	if code != 0 {
		why := from.Get("Grpc-Message")
		if text, err := url.PathUnescape(why); err == nil {
			why = text
		}
		r := &refusal{why: fmt.Sprintf("the collector refuses with gRPC code %d: %.200q", code, why)}
		switch code {
		case grpcCancelled, grpcDeadlineExceeded, grpcResourceExhausted, grpcAborted, grpcOutOfRange, grpcUnavailable, grpcDataLoss:
			r.again = true
		}
		return nil, r
	}
	if len(answer) < 5 || answer[0] != 0 || uint64(binary.BigEndian.Uint32(answer[1:])) != uint64(len(answer)-5) {
		return nil, &refusal{why: "the collector's answer has no message that can be read"}
	}
	return answer[5:], nil
}
