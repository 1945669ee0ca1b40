package otel

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	collectortraces "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	otlp "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/connectivity"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/dunlin-mq/dunlin/mqtt"
)

// judged fails unless err is a refusal of that kind.
func judged(t *testing.T, what string, err error, again bool, after time.Duration) {
	t.Helper()
	if r, is := errors.AsType[*refusal](err); !is || r.again != again || r.after != after || r.why == "" {
		t.Errorf("%s: %#v, want again %v after %v", what, err, again, after)
	}
}

func TestGRPCAnswer(t *testing.T) {
	f := func(code codes.Code, again bool, ask, after time.Duration) {
		t.Helper()
		s := status.New(code, "why")
		if ask != 0 {
			var err error
			if s, err = s.WithDetails(&errdetails.RetryInfo{RetryDelay: durationpb.New(ask)}); err != nil {
				t.Fatal(err)
			}
		}
		judged(t, code.String(), grpcAnswer(s.Err()), again, after)
	}
	f(codes.Canceled, true, 0, 0)
	f(codes.DeadlineExceeded, true, 0, 0)
	f(codes.ResourceExhausted, true, 0, 0)
	f(codes.ResourceExhausted, true, 7*time.Second, 7*time.Second)
	f(codes.Unavailable, true, 1000*time.Hour, time.Hour)
	f(codes.Unavailable, true, -time.Second, 0)
	f(codes.Aborted, true, 0, 0)
	f(codes.OutOfRange, true, 0, 0)
	f(codes.DataLoss, true, 0, 0)
	f(codes.Unknown, false, 0, 0)
	f(codes.InvalidArgument, false, time.Second, 0)
	f(codes.Internal, false, 0, 0)
	f(codes.PermissionDenied, false, 0, 0)
	judged(t, "an error of another kind", grpcAnswer(errors.New("x")), false, 0)
	if err := grpcAnswer(nil); err != nil {
		t.Error(err)
	}
}

func TestHTTPAnswer(t *testing.T) {
	f := func(code int, header string, again bool, after time.Duration) {
		t.Helper()
		resp := &http.Response{StatusCode: code, Status: "text", Header: http.Header{"Retry-After": {header}}}
		judged(t, http.StatusText(code), httpAnswer(resp), again, after)
	}
	f(429, "3", true, 3*time.Second)
	f(502, "", true, 0)
	f(503, "99999999999", true, time.Hour)
	f(503, "-1", true, 0)
	f(504, "tomorrow", true, 0)
	f(400, "3", false, 0)
	f(307, "", false, 0)
	f(500, "", false, 0)
	for _, code := range []int{200, 202} {
		if err := httpAnswer(&http.Response{StatusCode: code}); err != nil {
			t.Errorf("%d: %v", code, err)
		}
	}
}

// TestHTTPAnswers are bodies: what is partly taken, nothing, and no message.
func TestHTTPAnswers(t *testing.T) {
	f := func(body []byte, rejected int64, why string, readable bool) {
		t.Helper()
		web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			if _, err := w.Write(body); err != nil {
				t.Error(err)
			}
		}))
		defer web.Close()
		k, err := newClient(&ExporterConfig{Endpoint: web.URL, Protocol: "http_protobuf", Timeout: patience})
		if err != nil {
			t.Fatal(err)
		}
		n, got, err := k.traces(t.Context(), new(collectortraces.ExportTraceServiceRequest))
		if err := k.by.close(); err != nil {
			t.Error(err)
		}
		switch {
		case !readable:
			judged(t, string(body), err, false, 0)
		case n != rejected || got != why || err != nil:
			t.Errorf("%q: %d %q %v, want %d %q", body, n, got, err, rejected, why)
		}
	}
	partly := func(n int64) []byte {
		text, err := proto.Marshal(&collectortraces.ExportTraceServiceResponse{
			PartialSuccess: &collectortraces.ExportTracePartialSuccess{RejectedSpans: n, ErrorMessage: "y"},
		})
		if err != nil {
			t.Fatal(err)
		}
		return text
	}
	f(nil, 0, "", true)
	f(partly(7), 7, "y", true)
	f(partly(-1), 0, "y", true)
	f(partly(1<<40), 1<<31-1, "y", true)
	f([]byte("OK, thanks"), 0, "", false)
}

// TestLazy connects to nobody before there is something to send.
func TestLazy(t *testing.T) {
	c := newCollector(t, nil)
	r := newRig(t, c.addr, "metrics", func(c *Config) { c.Metrics.Interval = time.Hour })
	if state := r.client.by.(*overGRPC).conn.GetState(); state != connectivity.Idle {
		t.Errorf("the connection is %v", state)
	}
}

// TestPath has a collector behind a path.
func TestPath(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	muteGRPC()
	asked := make(chan string, 1)
	server := grpc.NewServer(grpc.UnknownServiceHandler(func(_ any, s grpc.ServerStream) error {
		method, _ := grpc.MethodFromServerStream(s)
		asked <- method
		return status.Error(codes.Unimplemented, "no")
	}))
	served := make(chan error)
	go func() { served <- server.Serve(l) }()
	defer func() {
		server.Stop()
		if err := <-served; err != nil {
			t.Error(err)
		}
	}()
	k, err := newClient(&ExporterConfig{Endpoint: "http://" + l.Addr().String() + "/tenant/", Protocol: "grpc", Timeout: patience})
	if err != nil {
		t.Fatal(err)
	}
	_, _, err = k.traces(context.Background(), new(collectortraces.ExportTraceServiceRequest))
	judged(t, "unknown service", err, false, 0)
	if got := <-asked; got != "/tenant"+tracesService.grpc {
		t.Errorf("asked for %s", got)
	}
	if err := k.by.close(); err != nil {
		t.Error(err)
	}
}

// TestNoUTF8: one client with bad text must not cost the others their spans.
func TestNoUTF8(t *testing.T) {
	c := newCollector(t, nil)
	r := newRig(t, c.addr, "traces")
	r.message(&mqtt.Message{Topic: "a/\xff\xfe", From: "\xc0"})
	r.queueOne()
	c.until(t, "two spans", func() bool { return len(c.spans) == 2 })
	if a := attributes(c.spans[0].Attributes); a["messaging.destination.name"] != "a/\ufffd" || a["messaging.client.id"] != "\ufffd" {
		t.Errorf("sent: %v", a)
	}
	bad := span{state: "\xff", failure: strings.Repeat("\xff", 3)}
	if _, err := proto.Marshal(bad.otlp()); err != nil {
		t.Error(err)
	}
}

// BenchmarkRequest makes a full batch of spans, as it is sent.
func BenchmarkRequest(b *testing.B) {
	e := &Exporter{o: Options{Node: "n@host", Version: "1.2"}}
	spans := make([]span, spansAtOnce)
	for i := range spans {
		spans[i] = span{
			name: spanDeliver, kind: otlp.Span_SPAN_KIND_PRODUCER, context: spanContext{newTraceID(), newSpanID(), true}, parent: newSpanID(),
			from: 1e18, to: 1e18, topic: "plant/7/line/3/temperature", client: "sensor-12345", size: 100, qos: 1, deliveries: -1,
		}
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := proto.Marshal(e.tracesRequest(spans)); err != nil {
			b.Fatal(err)
		}
	}
}
