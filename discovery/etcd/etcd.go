// Package etcd finds nodes by keys in an etcd, of the API v3: every node keeps
// one under its own name, with a lease that ends some time after the node.
//
// It is EMQ X's strategy with its keys in the configuration. EMQ X 3 and 4
// speak the API v2, which etcd 3.6 has no more and whose data v3 doesn't see:
// nodes of Dunlin and EMQ X don't find each other.
package etcd

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"time"

	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	"go.etcd.io/etcd/client/pkg/v3/logutil"
	clientv3 "go.etcd.io/etcd/client/v3"
	"google.golang.org/grpc"

	"github.com/dunlin-mq/dunlin/config"
	"github.com/dunlin-mq/dunlin/discovery"
)

// Nodes are the keys below <prefix>/<cluster>/nodes/. It is a
// discovery.Registrar, a discovery.Locker and an io.Closer.
type Nodes struct {
	client *clientv3.Client
	self   discovery.Self
	ttl    time.Duration
	root   string // <prefix>/<cluster>/

	mu    sync.Mutex // held while the registration is being changed, for as long as a request takes
	lease clientv3.LeaseID
	stop  context.CancelFunc // of the refreshing; nil: not registered
	ended sync.WaitGroup

	locking sync.WaitGroup
}

const (
	lockTTL   = 30 * time.Second // after the death of who has the lock
	lockRetry = time.Second
	// refreshes are how often a lease is renewed in its time: two may fail.
	refreshes      = 3
	requestTimeout = 5 * time.Second // where nobody says how long it may take
	// quiet is the level of fatal messages: the library has a log of its own
	// on stderr. What goes wrong comes back as an error as well.
	quiet = 5
)

// New returns a Discoverer that connects to nobody yet; it reads the files of
// certificates. An error about them is made by config.Invalid, its key below
// cluster.etcd.
func New(c discovery.Etcd, self discovery.Self) (*Nodes, error) {
	secure, err := tlsConfig(c)
	if err != nil {
		return nil, err
	}
	log, err := logutil.CreateDefaultZapLogger(quiet)
	if err != nil {
		return nil, err
	}
	client, err := clientv3.New(clientv3.Config{
		Endpoints: c.Server, TLS: secure, Logger: log, DialTimeout: requestTimeout,
		DialOptions: []grpc.DialOption{grpc.WithChainUnaryInterceptor(failFast), grpc.WithChainStreamInterceptor(failFastStream)},
		// Whoever asks here asks again after a while.
		MaxUnaryRetries: 3,
		// A server that has gone without a word is noticed, so that another one is asked.
		DialKeepAliveTime: 10 * time.Second, DialKeepAliveTimeout: requestTimeout,
	})
	if err != nil {
		return nil, fmt.Errorf("etcd: %w", err)
	}
	return &Nodes{client: client, self: self, ttl: c.NodeTTL, root: strings.Trim(c.Prefix, "/") + "/" + self.Cluster + "/"}, nil
}

// failFast makes an error of a server that can't be reached. The library's own
// way is to wait until time is up, and never to say for what.
func failFast(ctx context.Context, method string, req, reply any, cc *grpc.ClientConn, next grpc.UnaryInvoker, opts ...grpc.CallOption) error {
	return next(ctx, method, req, reply, cc, append(opts, grpc.WaitForReady(false))...)
}

func failFastStream(ctx context.Context, desc *grpc.StreamDesc, cc *grpc.ClientConn, method string, next grpc.Streamer, opts ...grpc.CallOption) (grpc.ClientStream, error) {
	return next(ctx, desc, cc, method, append(opts, grpc.WaitForReady(false))...)
}

func tlsConfig(c discovery.Etcd) (*tls.Config, error) {
	if !strings.HasPrefix(c.Server[0], "https://") {
		return nil, nil
	}
	secure := &tls.Config{MinVersion: tls.VersionTLS12}
	if c.SSL.CACertFile != "" {
		pem, err := os.ReadFile(c.SSL.CACertFile)
		if err != nil {
			return nil, config.Invalid("ssl.cacertfile", "%v", err)
		}
		if secure.RootCAs = x509.NewCertPool(); !secure.RootCAs.AppendCertsFromPEM(pem) {
			return nil, config.Invalid("ssl.cacertfile", "expected certificates in the form PEM in %s", c.SSL.CACertFile)
		}
	}
	if c.SSL.CertFile == "" {
		return secure, nil
	}
	load := func() (*tls.Certificate, error) {
		pair, err := tls.LoadX509KeyPair(c.SSL.CertFile, c.SSL.KeyFile)
		return &pair, err
	}
	if _, err := load(); err != nil {
		return nil, config.Invalid("ssl.certfile", "%v", err)
	}
	// Read for each connection: certificates are renewed while nodes run.
	secure.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return load() }
	return secure, nil
}

func (n *Nodes) dir() string { return n.root + "nodes/" }
func (n *Nodes) key() string { return n.dir() + n.self.Name }

// Discover returns the names of the keys.
func (n *Nodes) Discover(ctx context.Context) ([]string, error) {
	answer, err := n.client.Get(ctx, n.dir(), clientv3.WithPrefix(), clientv3.WithKeysOnly())
	if err != nil {
		return nil, n.fail("read the nodes below "+n.dir(), err)
	}
	nodes := make([]string, len(answer.Kvs))
	for i, kv := range answer.Kvs {
		nodes[i] = strings.TrimPrefix(string(kv.Key), n.dir())
	}
	return nodes, nil
}

// Register puts the key of this node, and keeps it there until Unregister. If
// somebody has deleted it, it is put again.
func (n *Nodes) Register(ctx context.Context) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	if err := n.put(ctx); err != nil {
		return n.fail("write "+n.key(), err)
	}
	if n.stop == nil {
		var refreshing context.Context
		refreshing, n.stop = context.WithCancel(context.Background())
		n.ended.Go(func() { n.refresh(refreshing) })
	}
	return nil
}

// put writes the key if it isn't there, under the lease, or a new one if that
// has ended.
func (n *Nodes) put(ctx context.Context) error {
	if n.lease != 0 {
		_, err := n.client.Txn(ctx).
			If(clientv3.Compare(clientv3.LeaseValue(n.key()), "=", n.lease)).
			Else(clientv3.OpPut(n.key(), n.self.Name, clientv3.WithLease(n.lease))).Commit()
		if !errors.Is(err, rpctypes.ErrLeaseNotFound) {
			return err
		}
	}
	lease, err := n.client.Grant(ctx, int64(n.ttl/time.Second))
	if err != nil {
		return err
	}
	n.lease = lease.ID
	_, err = n.client.Put(ctx, n.key(), n.self.Name, clientv3.WithLease(n.lease))
	return err
}

// refresh keeps the lease alive, and puts the key again when it was too late.
func (n *Nodes) refresh(ctx context.Context) {
	ticker := time.NewTicker(n.ttl / refreshes)
	defer ticker.Stop()
	failing := false
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		err := n.refreshOnce(ctx)
		switch {
		case ctx.Err() != nil:
			return
		case err != nil && !failing:
			n.self.Log.Warn("this node can't renew its key in etcd; others won't find it when the key has ended",
				"key", n.key(), "node_ttl", n.ttl, "error", err)
		case err == nil && failing:
			n.self.Log.Info("this node has renewed its key in etcd", "key", n.key())
		}
		failing = err != nil
	}
}

func (n *Nodes) refreshOnce(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, min(n.ttl/refreshes, requestTimeout))
	defer cancel()
	n.mu.Lock()
	defer n.mu.Unlock()
	_, err := n.client.KeepAliveOnce(ctx, n.lease)
	if errors.Is(err, rpctypes.ErrLeaseNotFound) {
		err = n.put(ctx)
	}
	if err != nil {
		return n.fail("write "+n.key(), err)
	}
	return nil
}

// Unregister deletes the key.
func (n *Nodes) Unregister(ctx context.Context) error {
	if !n.stopRefreshing() {
		return nil
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	lease := n.lease
	n.lease = 0
	if _, err := n.client.Revoke(ctx, lease); err != nil && !errors.Is(err, rpctypes.ErrLeaseNotFound) {
		return n.fail("delete "+n.key(), err)
	}
	return nil
}

// stopRefreshing reports whether there was something to stop.
func (n *Nodes) stopRefreshing() bool {
	n.mu.Lock()
	stop := n.stop
	n.stop = nil
	n.mu.Unlock()
	if stop == nil {
		return false
	}
	stop()
	n.ended.Wait()
	return true
}

// Lock makes the key <prefix>/<cluster>/lock, which others can't while it is
// there, and tries again every second.
func (n *Nodes) Lock(ctx context.Context) (unlock func(context.Context) error, err error) {
	key := n.root + "lock"
	lease, err := n.client.Grant(ctx, int64(lockTTL/time.Second))
	if err != nil {
		return nil, n.fail("lock "+key, err)
	}
	keeping, stop := context.WithCancel(context.Background())
	unlock = func(ctx context.Context) error {
		stop()
		if _, err := n.client.Revoke(ctx, lease.ID); err != nil && !errors.Is(err, rpctypes.ErrLeaseNotFound) {
			return n.fail("unlock "+key, err)
		}
		return nil
	}
	err = n.acquire(ctx, key, lease.ID)
	if err == nil {
		err = n.keep(keeping, lease.ID)
	}
	if err != nil {
		bounded, cancel := context.WithTimeout(context.WithoutCancel(ctx), requestTimeout)
		defer cancel()
		return nil, errors.Join(n.fail("lock "+key, err), unlock(bounded))
	}
	return unlock, nil
}

// acquire returns when the key is made.
func (n *Nodes) acquire(ctx context.Context, key string, lease clientv3.LeaseID) error {
	holder := ""
	for {
		answer, err := n.client.Txn(ctx).
			If(clientv3.Compare(clientv3.CreateRevision(key), "=", 0)).
			Then(clientv3.OpPut(key, n.self.Name, clientv3.WithLease(lease))).
			Else(clientv3.OpGet(key)).Commit()
		switch {
		case err == nil && answer.Succeeded:
			return nil
		case err == nil:
			holder = string(answer.Responses[0].GetResponseRange().GetKvs()[0].Value)
		case holder == "" || ctx.Err() == nil:
			return err
		}
		select {
		case <-time.After(lockRetry):
		case <-ctx.Done():
			return fmt.Errorf("%s has it: %w", holder, ctx.Err())
		}
	}
}

// keep renews a lease until ctx ends, for as long as the server lets it.
func (n *Nodes) keep(ctx context.Context, lease clientv3.LeaseID) error {
	renewed, err := n.client.KeepAlive(ctx, lease)
	if err != nil {
		return err
	}
	n.locking.Go(func() {
		for range renewed { // closed when ctx ends, or the lease
		}
	})
	return nil
}

// Close ends the connections. A key that is still registered ends with its
// lease.
func (n *Nodes) Close() error {
	n.stopRefreshing()
	defer n.locking.Wait()
	if err := n.client.Close(); err != nil && !errors.Is(err, context.Canceled) {
		return fmt.Errorf("etcd: %w", err)
	}
	return nil
}

// fail says what has failed, and has the library connect at once when it is
// asked again: it would wait for up to two minutes.
func (n *Nodes) fail(what string, err error) error {
	n.client.ActiveConnection().ResetConnectBackoff()
	return fmt.Errorf("etcd: %s: %w", what, err)
}
