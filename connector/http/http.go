// Package http reaches HTTP services over connections that are kept and
// bounded in number, with the TLS of EMQ X's keys. It takes one request to one
// answer: it follows no redirect, uses no proxy, keeps no cookies, and doesn't
// know what the answers mean.
package http

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	nethttp "net/http"
	"net/url"
	"time"

	"github.com/dunlin-mq/dunlin/config"
	"github.com/dunlin-mq/dunlin/connector"
)

// Config is how services are reached.
type Config struct {
	// PoolSize is how many connections, and so requests under way, one host
	// sees at most. Further requests wait.
	PoolSize int `conf:"pool_size" range:"1.."`
	// ConnectTimeout is for TCP, and again for TLS. 0, which EMQ X 3 takes for
	// ever, means the default.
	ConnectTimeout time.Duration `conf:"connect_timeout" alias:"request.connect_timeout request.connect_timout" bare:"ms"`
	// TLS is what https means; `ssl` needs not be switched on for it.
	TLS connector.TLS `conf:"ssl" alias:"ssl_opts"`

	// MaxAnswer bounds the body of an answer in bytes; 0 means 64 KB.
	MaxAnswer int
}

const (
	defaultConnectTimeout = 5 * time.Second
	defaultMaxAnswer      = 64 << 10
	maxHeader             = 64 << 10 // of an answer, bytes
	// idleTimeout is below what servers grant an idle connection: closing it
	// is for them a matter of course, for a request just sent a failure.
	idleTimeout = 30 * time.Second
)

// SetDefaults gives the values of a configuration that says nothing.
func (c *Config) SetDefaults() { c.PoolSize, c.ConnectTimeout = 32, defaultConnectTimeout }

// Validate checks what no single value shows.
func (c *Config) Validate() error {
	if c.TLS.Enable {
		return nil // it has been checked
	}
	used := c.TLS
	used.Enable = true // a URL may ask for it all the same
	var below *config.Error
	if err := used.Validate(); errors.As(err, &below) {
		return config.Invalid("ssl."+below.Key, "%s", below.Msg)
	}
	return nil
}

// Client sends requests. It is safe for concurrent use.
type Client struct {
	http      nethttp.Client
	transport *nethttp.Transport
	dialer    net.Dialer
	tls       *tls.Config
	timeout   time.Duration // of a TLS handshake
	maxAnswer int
}

// New returns a client; it reads the files of c.TLS and connects to nobody yet.
func New(c Config) (*Client, error) {
	c.TLS.Enable = true
	secure, err := c.TLS.Config()
	if err != nil {
		return nil, err
	}
	if c.ConnectTimeout <= 0 {
		c.ConnectTimeout = defaultConnectTimeout
	}
	if c.MaxAnswer <= 0 {
		c.MaxAnswer = defaultMaxAnswer
	}
	client := &Client{
		dialer:    net.Dialer{Timeout: c.ConnectTimeout, KeepAlive: 15 * time.Second},
		tls:       secure,
		timeout:   c.ConnectTimeout,
		maxAnswer: c.MaxAnswer,
	}
	var http1 nethttp.Protocols
	http1.SetHTTP1(true)
	client.transport = &nethttp.Transport{
		DialContext:            client.dialer.DialContext,
		TLSClientConfig:        secure,
		TLSHandshakeTimeout:    c.ConnectTimeout,
		MaxConnsPerHost:        c.PoolSize,
		MaxIdleConnsPerHost:    c.PoolSize,
		IdleConnTimeout:        idleTimeout,
		MaxResponseHeaderBytes: maxHeader,
		DisableCompression:     true, // a small answer may not become a large one
		Protocols:              &http1,
	}
	client.http = nethttp.Client{
		Transport: client.transport,
		CheckRedirect: func(*nethttp.Request, []*nethttp.Request) error {
			return nethttp.ErrUseLastResponse // what was asked about is not for others' ears
		},
	}
	return client, nil
}

// Do sends one request and returns the answer. It blocks until ctx ends at
// worst. A body longer than MaxAnswer is an error if the status is 2xx, else
// what it begins with is returned.
//
// An error names the method and the URL without its query, user and password,
// and is connector.ErrNotConnected unless the answer itself was at fault. On a
// connection that was idle, a request that another could repeat without harm
// (GET, or a header Idempotency-Key, which isn't sent when it has no value)
// is sent again over a new one when the service has just closed the old.
func (c *Client) Do(ctx context.Context, method, url string, header nethttp.Header, body []byte) (status int, contentType string, answer []byte, err error) {
	req, err := nethttp.NewRequestWithContext(ctx, method, url, bytes.NewReader(body))
	if err != nil {
		return 0, "", nil, connector.Permanent(fmt.Errorf("%s %s: %w", method, bare(url), cause(err)))
	}
	if len(body) == 0 {
		req.Body, req.GetBody = nethttp.NoBody, nil
	}
	if header != nil {
		req.Header = header
	}
	if host := header.Get("Host"); host != "" {
		req.Host = host
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return 0, "", nil, fmt.Errorf("%s %s: %w", method, bare(url), notConnected(cause(err)))
	}
	defer resp.Body.Close()
	answer, err = io.ReadAll(io.LimitReader(resp.Body, int64(c.maxAnswer)+1))
	if err != nil {
		return 0, "", nil, fmt.Errorf("%s %s: reading the answer: %w", method, bare(url), notConnected(err))
	}
	if len(answer) > c.maxAnswer {
		if resp.StatusCode/100 == 2 {
			return 0, "", nil, fmt.Errorf("%s %s: the answer is longer than %d bytes", method, bare(url), c.maxAnswer)
		}
		answer = answer[:c.maxAnswer]
	}
	return resp.StatusCode, resp.Header.Get("Content-Type"), answer, nil
}

// Ping reports whether the host of a URL takes a connection, with TLS if the
// URL asks for it. It uses one of its own and sends no request.
func (c *Client) Ping(ctx context.Context, rawURL string) error {
	u, err := url.Parse(rawURL)
	if err != nil {
		return connector.Permanent(fmt.Errorf("%s: %w", bare(rawURL), cause(err)))
	}
	if err := c.connect(ctx, u); err != nil {
		return fmt.Errorf("connect to %s: %w", u.Host, notConnected(err))
	}
	return nil
}

func (c *Client) connect(ctx context.Context, u *url.URL) error {
	port := u.Port()
	if port == "" {
		port = map[string]string{"http": "80", "https": "443"}[u.Scheme]
	}
	conn, err := c.dialer.DialContext(ctx, "tcp", net.JoinHostPort(u.Hostname(), port))
	if err != nil {
		return err
	}
	defer conn.Close()
	if u.Scheme != "https" {
		return nil
	}
	secure := c.tls.Clone()
	if secure.ServerName == "" {
		secure.ServerName = u.Hostname()
	}
	ctx, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	return tls.Client(conn, secure).HandshakeContext(ctx)
}

// Close ends the connections that are idle; those in use end with their request.
func (c *Client) Close() { c.transport.CloseIdleConnections() }

// bare is a URL without what may be secret in it.
func bare(rawURL string) string {
	u, err := url.Parse(rawURL)
	if err != nil {
		return "a URL that can't be read"
	}
	return (&url.URL{Scheme: u.Scheme, Host: u.Host, Path: u.Path}).String()
}

// cause takes the URL, which may hold a password, out of an error.
func cause(err error) error {
	var withURL *url.Error
	if errors.As(err, &withURL) {
		return withURL.Err
	}
	return err
}

func notConnected(err error) error { return fmt.Errorf("%w: %w", connector.ErrNotConnected, err) }
