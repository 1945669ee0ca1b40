package mongodb

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"strings"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
	"go.mongodb.org/mongo-driver/v2/mongo/readpref"
	"go.mongodb.org/mongo-driver/v2/mongo/writeconcern"

	"github.com/dunlin-mq/dunlin/connector"
)

// MaxDocuments is how many documents one Find returns at most.
const MaxDocuments = 10_000

// Client talks to one MongoDB. Its methods may be called concurrently; they
// block until the answer is there, the context is over, or the connection is
// lost.
type Client struct {
	config Config
	secure *tls.Config   // nil: none
	dns    *net.Resolver // nil: the system's
	where  string        // for errors

	// turn is held, as its one element, by whoever looks at the fields below:
	// connecting may have to wait for DNS, and others must not wait longer for
	// that than their contexts say.
	turn   chan struct{}
	client *mongo.Client // nil: not asked for yet
	closed bool
}

// New checks the files of TLS and connects to nothing yet.
func New(c Config) (*Client, error) {
	secure, err := c.TLS.Config()
	if err != nil {
		return nil, err
	}
	return &Client{
		config: c,
		secure: secure,
		where:  "mongodb at " + strings.Join(c.listed().hosts, ","),
		turn:   make(chan struct{}, 1),
	}, nil
}

// Find returns the documents of a collection whose fields have the values of
// the selector. Values are compared as they are: a string stays a string,
// whatever is in it. At most limit documents are returned; 0 means all, and
// then more than MaxDocuments are an error. Inside of the documents, a
// document is a map[string]any and an array a []any.
func (c *Client) Find(ctx context.Context, collection string, selector map[string]any, limit int) ([]map[string]any, error) {
	found, err := c.find(ctx, collection, selector, limit)
	if err != nil {
		return nil, fmt.Errorf("%s: %s: %w", c.where, collection, kind(err))
	}
	if limit == 0 && len(found) > MaxDocuments {
		return nil, connector.Permanent(fmt.Errorf("%s: %s: more than %d documents", c.where, collection, MaxDocuments))
	}
	return found, nil
}

func (c *Client) find(ctx context.Context, collection string, selector map[string]any, limit int) ([]map[string]any, error) {
	if t := c.config.QueryTimeout; t > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, t)
		defer cancel()
	}
	client, err := c.connected(ctx)
	if err != nil {
		return nil, err
	}
	if limit == 0 {
		limit = MaxDocuments + 1
	}
	exact := make(bson.M, len(selector))
	for field, value := range selector {
		exact[field] = bson.M{"$eq": value}
	}
	cursor, err := client.Database(c.config.Database).Collection(collection).Find(ctx, exact, options.Find().SetLimit(int64(limit)))
	if err != nil {
		return nil, err
	}
	var docs []bson.M
	if err := cursor.All(ctx, &docs); err != nil {
		return nil, err
	}
	found := make([]map[string]any, len(docs))
	for i, d := range docs {
		found[i] = plain(d).(map[string]any)
	}
	return found, nil
}

// plain replaces the library's types of documents and arrays.
func plain(v any) any {
	switch v := v.(type) {
	case bson.M:
		m := make(map[string]any, len(v))
		for name, value := range v {
			m[name] = plain(value)
		}
		return m
	case bson.D:
		m := make(map[string]any, len(v))
		for _, e := range v {
			m[e.Key] = plain(e.Value)
		}
		return m
	case bson.A:
		list := make([]any, len(v))
		for i, value := range v {
			list[i] = plain(value)
		}
		return list
	}
	return v
}

// Ping finds out whether a server answers that the configuration allows to ask.
func (c *Client) Ping(ctx context.Context) error {
	client, err := c.connected(ctx)
	if err == nil {
		err = client.Ping(ctx, nil)
	}
	if err != nil {
		return fmt.Errorf("%s: %w", c.where, kind(err))
	}
	return nil
}

// Close closes all connections. Calls under way have a second to end.
func (c *Client) Close() error {
	c.turn <- struct{}{}
	defer func() { <-c.turn }()
	c.closed = true
	if c.client == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	err := c.client.Disconnect(ctx)
	c.client = nil
	return err
}

// connected returns the library's client, which connects by itself.
func (c *Client) connected(ctx context.Context) (*mongo.Client, error) {
	select {
	case c.turn <- struct{}{}:
		defer func() { <-c.turn }()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	switch {
	case c.closed:
		return nil, errors.New("closed")
	case c.client != nil:
		return c.client, nil
	}
	s := c.config.listed()
	if c.config.SRVRecord {
		var err error
		if s, err = c.config.lookup(ctx, c.dns); err != nil {
			return nil, err
		}
		if c.config.Type == "single" && len(s.hosts) != 1 {
			return nil, fmt.Errorf("type = single, and the SRV record names %d servers", len(s.hosts))
		}
	}
	var err error
	c.client, err = mongo.Connect(c.options(s))
	return c.client, err
}

func (c *Client) options(s seeds) *options.ClientOptions {
	cfg := &c.config
	o := options.Client().
		SetHosts(s.hosts).
		SetAppName("dunlin").
		SetMaxPoolSize(uint64(cfg.Pool)).
		SetConnectTimeout(cfg.Topology.ConnectTimeout).
		SetServerSelectionTimeout(cfg.Topology.ServerSelectionTimeout).
		SetLocalThreshold(cfg.Topology.LocalThreshold).
		SetHeartbeatInterval(cfg.Topology.Heartbeat).
		SetRetryReads(false). // who calls decides about trying again
		SetRetryWrites(false).
		SetMaxAdaptiveRetries(0)
	if c.secure != nil {
		// A look at what a certificate says about its revocation would go to
		// addresses nobody has configured.
		o.SetTLSConfig(c.secure).SetDisableOCSPEndpointCheck(true)
	}
	switch cfg.Type {
	case "single":
		o.SetDirect(true)
	case "rs":
		o.SetReplicaSet(cmp.Or(s.replicaSet, defaultName))
	}
	if cfg.Username != "" {
		o.SetAuth(options.Credential{Username: cfg.Username, Password: cfg.Password, AuthSource: cmp.Or(s.authSource, defaultName)})
	}
	switch cfg.ReadMode {
	case "master":
		o.SetReadPreference(readpref.Primary())
	case "slave_ok":
		o.SetReadPreference(readpref.SecondaryPreferred())
	}
	switch cfg.WriteMode {
	case "safe":
		o.SetWriteConcern(writeconcern.W1())
	case "unsafe":
		o.SetWriteConcern(writeconcern.Unacknowledged())
	}
	return o
}

// kind marks an error by whether asking again makes sense.
func kind(err error) error {
	var said mongo.CommandError
	const loginFailed = 18
	if !errors.As(err, &said) || mongo.IsNetworkError(err) || mongo.IsTimeout(err) || said.HasErrorCode(loginFailed) {
		return fmt.Errorf("%w: %w", connector.ErrNotConnected, err)
	}
	// ShutdownInProgress, PrimarySteppedDown, NotWritablePrimary and the like:
	// what a server says that is about its state and not about the question.
	for _, state := range []int{91, 189, 10107, 11600, 11602, 13435, 13436} {
		if said.HasErrorCode(state) {
			return err
		}
	}
	return connector.Permanent(err)
}
