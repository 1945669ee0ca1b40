package redis

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/logging"
	"github.com/redis/go-redis/v9/maintnotifications"

	"github.com/dunlin-mq/dunlin/connector"
)

// Client talks to one Redis, whatever that is made of. Its methods may be
// called concurrently; they block until the reply is there, the context is
// over, or the connection is lost.
type Client struct {
	client redis.UniversalClient
	where  string // for errors
}

const (
	// dialTimeout is what a server that says nothing may cost before another is
	// asked. The library asks all sentinels and waits for the slowest.
	dialTimeout = 3 * time.Second
	// longest bounds each command, also those that the library sends by itself
	// to learn about a cluster, without anybody's context.
	longest = 30 * time.Second
	// bufferSize of a connection, for each direction: commands and replies are
	// small, and the library's 32 KiB are held for as long as the connection.
	bufferSize = 4 << 10
	// maxRedirects is how often a cluster may send one command elsewhere.
	maxRedirects = 3
)

// New checks the files of TLS and connects to nothing yet.
func New(c Config) (*Client, error) {
	t := c.tls()
	secure, err := t.Config()
	if err != nil {
		return nil, err
	}
	// The library's log is one for the whole process and goes to stderr. All it
	// says comes back as errors.
	logging.Disable()
	return &Client{client: open(&c, secure), where: c.Type + " redis at " + strings.Join(c.addrs(), ",")}, nil
}

func open(c *Config, secure *tls.Config) redis.UniversalClient {
	o := redis.UniversalOptions{
		Addrs:      c.addrs(),
		MasterName: c.Sentinel,
		DB:         c.Database,
		Username:   c.Username,
		Password:   c.Password,

		PoolSize:         c.Pool,
		PipelinePoolSize: -1,
		ReadBufferSize:   bufferSize,
		WriteBufferSize:  bufferSize,

		Dialer:                dialer(secure),
		ReadTimeout:           cmp.Or(c.QueryTimeout, longest),
		WriteTimeout:          cmp.Or(c.QueryTimeout, longest),
		ContextTimeoutEnabled: true,

		// Who calls decides about trying again. One attempt to connect is the
		// least the library does.
		MaxRetries:    -1,
		DialerRetries: 1,
		MaxRedirects:  maxRedirects,

		// Replies have the same shape from servers of every version, and a new
		// connection costs no commands that old ones don't know.
		Protocol:                 2,
		DisableIdentity:          true,
		MaintNotificationsConfig: &maintnotifications.Config{Mode: maintnotifications.ModeDisabled},
	}
	switch c.Type {
	case "sentinel":
		return redis.NewFailoverClient(o.Failover())
	case "cluster":
		return redis.NewClusterClient(o.Cluster())
	}
	return redis.NewClient(o.Simple())
}

// dialer makes connections within the context, the handshake of TLS included.
func dialer(secure *tls.Config) func(ctx context.Context, network, addr string) (net.Conn, error) {
	d := &net.Dialer{Timeout: dialTimeout}
	if secure == nil {
		return d.DialContext
	}
	return (&tls.Dialer{NetDialer: d, Config: secure}).DialContext
}

// Do sends one command, word for word as given, and returns the reply: a
// string, an int64, a []any of replies, or nil where Redis has nil. What the
// server refuses is a Permanent error, what didn't reach it ErrNotConnected.
func (c *Client) Do(ctx context.Context, args ...string) (any, error) {
	words := make([]any, len(args))
	for i, a := range args {
		words[i] = a
	}
	reply, err := c.client.Do(ctx, words...).Result()
	switch {
	case err == nil:
		return reply, nil
	case errors.Is(err, redis.Nil):
		return nil, nil
	}
	return nil, fmt.Errorf("%s: %w", c.where, kind(err))
}

// Ping finds out whether Redis answers; of a cluster, one of its nodes.
func (c *Client) Ping(ctx context.Context) error {
	if err := c.client.Ping(ctx).Err(); err != nil {
		return fmt.Errorf("%s: %w", c.where, kind(err))
	}
	return nil
}

// Close closes all connections. Calls under way fail.
func (c *Client) Close() error { return c.client.Close() }

// kind marks an error by whether asking again makes sense.
func kind(err error) error {
	if said := redis.Error(nil); !errors.As(err, &said) || redis.HasErrorPrefix(err, "NOAUTH") || redis.HasErrorPrefix(err, "WRONGPASS") {
		return fmt.Errorf("%w: %w", connector.ErrNotConnected, err)
	}
	// What a server says that is about its state and not about the command.
	for _, state := range []string{
		"LOADING", "BUSY", "READONLY", "MASTERDOWN", "CLUSTERDOWN", "TRYAGAIN", "MOVED", "ASK", "NOREPLICAS",
		"max number of clients",
	} {
		if redis.HasErrorPrefix(err, state) {
			return err
		}
	}
	return connector.Permanent(err)
}
