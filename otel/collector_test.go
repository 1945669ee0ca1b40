package otel

import (
	"context"
	"crypto/tls"
	"net"
	"sync"
	"testing"
	"time"

	collectormetrics "go.opentelemetry.io/proto/otlp/collector/metrics/v1"
	collectortraces "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	common "go.opentelemetry.io/proto/otlp/common/v1"
	traces "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/metadata"
)

// patience is how long a test waits for what must happen.
const patience = 30 * time.Second

// collector is a real gRPC server that keeps what it is sent.
type collector struct {
	collectormetrics.UnimplementedMetricsServiceServer
	server *grpc.Server
	addr   string
	news   chan struct{} // holds one when something has come

	mu      sync.Mutex
	metrics []*collectormetrics.ExportMetricsServiceRequest
	spans   []*traces.Span
	header  metadata.MD
	answers []answer // to the next requests for spans; then all are taken
}

// answer is what the collector says to spans: an error, or how many it rejects.
type answer struct {
	err      error
	rejected int64
	hang     bool // until the caller has gone
}

func newCollector(t *testing.T, secure *tls.Config) *collector {
	t.Helper()
	muteGRPC() // now, not while the server runs
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var options []grpc.ServerOption
	if secure != nil {
		options = append(options, grpc.Creds(credentials.NewTLS(secure)))
	}
	c := &collector{server: grpc.NewServer(options...), addr: l.Addr().String(), news: make(chan struct{}, 1)}
	collectormetrics.RegisterMetricsServiceServer(c.server, c)
	collectortraces.RegisterTraceServiceServer(c.server, tracesServer{collector: c})
	served := make(chan error)
	go func() { served <- c.server.Serve(l) }()
	t.Cleanup(func() {
		c.server.Stop()
		if err := <-served; err != nil {
			t.Error(err)
		}
	})
	return c
}

func (c *collector) came() {
	select {
	case c.news <- struct{}{}:
	default:
	}
}

// until waits for something to have come.
func (c *collector) until(t *testing.T, what string, done func() bool) {
	t.Helper()
	late := time.After(patience)
	for {
		c.mu.Lock()
		is := done()
		c.mu.Unlock()
		if is {
			return
		}
		select {
		case <-c.news:
		case <-time.After(100 * time.Millisecond): // for what the collector isn't told
		case <-late:
			t.Fatalf("no %s within %v", what, patience)
		}
	}
}

func (c *collector) Export(ctx context.Context, r *collectormetrics.ExportMetricsServiceRequest) (*collectormetrics.ExportMetricsServiceResponse, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	defer c.came()
	c.metrics = append(c.metrics, r)
	c.header, _ = metadata.FromIncomingContext(ctx)
	return &collectormetrics.ExportMetricsServiceResponse{
		PartialSuccess: &collectormetrics.ExportMetricsPartialSuccess{RejectedDataPoints: 3, ErrorMessage: "three too many"},
	}, nil
}

type tracesServer struct {
	collectortraces.UnimplementedTraceServiceServer
	*collector
}

func (c tracesServer) Export(ctx context.Context, r *collectortraces.ExportTraceServiceRequest) (*collectortraces.ExportTraceServiceResponse, error) {
	c.mu.Lock()
	var a answer
	if len(c.answers) > 0 {
		a = c.answers[0]
		c.answers = c.answers[1:]
	}
	if a.err == nil && !a.hang {
		for _, rs := range r.ResourceSpans {
			for _, ss := range rs.ScopeSpans {
				c.spans = append(c.spans, ss.Spans...)
			}
		}
	}
	c.mu.Unlock()
	c.came()
	if a.hang {
		<-ctx.Done()
		return nil, ctx.Err()
	}
	response := new(collectortraces.ExportTraceServiceResponse)
	if a.rejected > 0 {
		response.PartialSuccess = &collectortraces.ExportTracePartialSuccess{RejectedSpans: a.rejected}
	}
	return response, a.err
}

// attributes are those of a list, numbers as text.
func attributes(all []*common.KeyValue) map[string]any {
	m := make(map[string]any)
	for _, kv := range all {
		switch v := kv.Value.Value.(type) {
		case *common.AnyValue_StringValue:
			m[kv.Key] = v.StringValue
		case *common.AnyValue_IntValue:
			m[kv.Key] = v.IntValue
		}
	}
	return m
}
