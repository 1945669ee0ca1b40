package otel

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/url"
	"sync"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/grpclog"
	"google.golang.org/grpc/keepalive"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
)

// muteGRPC takes gRPC's own log from standard error: what matters of it is in
// the errors of the calls. It may only run before gRPC is used.
var muteGRPC = sync.OnceFunc(func() { grpclog.SetLoggerV2(grpclog.NewLoggerV2(io.Discard, io.Discard, io.Discard)) })

// overGRPC is the protocol grpc.
type overGRPC struct {
	conn   *grpc.ClientConn
	path   string // in front of the names of the services
	header metadata.MD
}

// newGRPC connects to nobody before the first call. It heeds neither proxies of
// the environment nor what DNS says beside addresses.
func newGRPC(c *ExporterConfig, u *url.URL, secure *tls.Config) (*overGRPC, error) {
	muteGRPC()
	security, port := insecure.NewCredentials(), "80"
	if secure != nil {
		security, port = credentials.NewTLS(secure), "443"
	}
	if u.Port() != "" {
		port = u.Port()
	}
	dialer := &net.Dialer{KeepAlive: 15 * time.Second}
	conn, err := grpc.NewClient("passthrough:///"+net.JoinHostPort(u.Hostname(), port),
		grpc.WithTransportCredentials(security),
		grpc.WithContextDialer(func(ctx context.Context, addr string) (net.Conn, error) { return dialer.DialContext(ctx, "tcp", addr) }),
		grpc.WithNoProxy(),
		grpc.WithDisableServiceConfig(),
		grpc.WithDisableRetry(), // the exporter knows what may be sent again
		grpc.WithUserAgent("Dunlin"),
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(maxAnswer)),
		// A connection that doesn't answer pings is dead, whatever TCP believes.
		grpc.WithKeepaliveParams(keepalive.ClientParameters{Time: 30 * time.Second, Timeout: 10 * time.Second}),
		grpc.WithConnectParams(grpc.ConnectParams{
			Backoff:           backoff.Config{BaseDelay: firstPause, Multiplier: 2, Jitter: 0.2, MaxDelay: longestPause},
			MinConnectTimeout: c.Timeout,
		}),
	)
	if err != nil {
		return nil, err
	}
	return &overGRPC{conn: conn, path: u.EscapedPath(), header: metadata.New(c.Headers)}, nil
}

func (g *overGRPC) call(ctx context.Context, to service, request, answer proto.Message) error {
	return grpcAnswer(g.conn.Invoke(metadata.NewOutgoingContext(ctx, g.header), g.path+to.grpc, request, answer))
}

func (g *overGRPC) close() error { return g.conn.Close() }

// grpcAnswer judges the status of a call: after which codes one may be sent
// again is OTLP's decision.
func grpcAnswer(err error) error {
	if err == nil {
		return nil
	}
	s := status.Convert(err)
	r := &refusal{why: fmt.Sprintf("gRPC code %d (%s): %.300q", s.Code(), s.Code(), s.Message())}
	switch s.Code() {
	case codes.Canceled, codes.DeadlineExceeded, codes.ResourceExhausted, codes.Aborted, codes.OutOfRange, codes.Unavailable, codes.DataLoss:
		r.again = true
	}
	for _, detail := range s.Details() {
		if info, is := detail.(*errdetails.RetryInfo); is && r.again {
			r.after = min(max(info.GetRetryDelay().AsDuration(), 0), longestWait)
		}
	}
	return r
}
