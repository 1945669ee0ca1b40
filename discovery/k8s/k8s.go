// Package k8s finds nodes behind a service of Kubernetes: it asks the API
// server for the addresses of the pods that are ready.
//
// It is a small client of its own for two requests, not one of Kubernetes at
// large: it reads, and watches nothing. Nobody registers here; Kubernetes does
// when a pod is ready. Like EMQ X it asks for Endpoints, and where these are
// not to be had, as in clusters that no longer keep them, for EndpointSlices.
package k8s

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/dunlin-mq/dunlin/discovery"
)

// Account is the folder in which a pod finds the token of its service account
// and the authority of the API server.
const Account = "/var/run/secrets/kubernetes.io/serviceaccount"

const (
	maxAnswer = 8 << 20 // bytes; a thousand pods take about one in four of it
	timeout   = 10 * time.Second
)

// Pods are those behind a service. It is a discovery.Discoverer and an
// io.Closer.
type Pods struct {
	c       discovery.K8s
	app     string
	host    string // this node's, which tells the family of addresses
	account string // folder

	mu     sync.Mutex
	ca     []byte // what client trusts
	client *http.Client
}

// New returns a Discoverer. The account is usually Account; its files are read
// for every request, since Kubernetes renews them.
func New(c discovery.K8s, self discovery.Self, account string) *Pods {
	_, host, _ := strings.Cut(self.Name, "@")
	return &Pods{c: c, app: self.App(c.AppName), host: host, account: account}
}

// Discover returns the nodes of the pods that are ready.
func (p *Pods) Discover(ctx context.Context) ([]string, error) {
	nodes, err := p.discover(ctx)
	if err != nil {
		return nil, fmt.Errorf("kubernetes: service %s in namespace %s: %w", p.c.ServiceName, p.c.Namespace, err)
	}
	return nodes, nil
}

func (p *Pods) discover(ctx context.Context) ([]string, error) {
	body, err := p.get(ctx, "/api/v1/namespaces/"+p.c.Namespace+"/endpoints/"+p.c.ServiceName)
	var refusal *refused
	switch {
	case err == nil:
		pods, err := parseEndpoints(body)
		return p.names(pods, err)
	case !errors.As(err, &refusal) || !refusal.mayTrySlices():
		return nil, err
	}
	label := url.QueryEscape("kubernetes.io/service-name=" + p.c.ServiceName)
	body, slicesErr := p.get(ctx, "/apis/discovery.k8s.io/v1/namespaces/"+p.c.Namespace+"/endpointslices?labelSelector="+label)
	if slicesErr != nil {
		return nil, errors.Join(err, slicesErr)
	}
	pods, slicesErr := parseSlices(body, p.host)
	if slicesErr == nil && len(pods) == 0 {
		// Slices of a service that doesn't exist are an empty list, so what the first answer said counts.
		return nil, err
	}
	return p.names(pods, slicesErr)
}

// get returns the body of an answer of status 200.
func (p *Pods) get(ctx context.Context, path string) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, strings.TrimSuffix(p.c.APIServer, "/")+path, nil)
	if err != nil {
		return nil, err
	}
	req.Header.Set("Accept", "application/json")
	client, err := p.authorize(req)
	if err != nil {
		return nil, err
	}
	resp, err := client.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer+1))
	switch {
	case err != nil:
		return nil, fmt.Errorf("GET %s: %w", path, err)
	case resp.StatusCode != http.StatusOK:
		return nil, newRefused(path, resp.StatusCode, body)
	case len(body) > maxAnswer:
		return nil, fmt.Errorf("GET %s: the answer is longer than %d bytes", path, maxAnswer)
	}
	return body, nil
}

// authorize gives a request the token, and returns the client that knows the
// server. Without TLS there is neither: that is for a proxy on this machine,
// which has its own, and anybody else could read the token.
func (p *Pods) authorize(req *http.Request) (*http.Client, error) {
	if req.URL.Scheme != "https" {
		return p.trusting(nil)
	}
	token, err := os.ReadFile(filepath.Join(p.account, "token"))
	if err != nil {
		return nil, fmt.Errorf("the token of the service account: %w", err)
	}
	ca, err := os.ReadFile(filepath.Join(p.account, "ca.crt"))
	if err != nil {
		return nil, fmt.Errorf("the authority of the API server: %w", err)
	}
	req.Header.Set("Authorization", "Bearer "+strings.TrimSpace(string(token)))
	return p.trusting(ca)
}

// trusting returns the client, a new one if the authority has changed.
func (p *Pods) trusting(ca []byte) (*http.Client, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.client != nil && bytes.Equal(p.ca, ca) {
		return p.client, nil
	}
	transport := &http.Transport{IdleConnTimeout: timeout, TLSHandshakeTimeout: timeout, ForceAttemptHTTP2: false}
	if ca != nil {
		pool := x509.NewCertPool()
		if !pool.AppendCertsFromPEM(ca) {
			return nil, fmt.Errorf("the authority of the API server: expected certificates in the form PEM in %s", filepath.Join(p.account, "ca.crt"))
		}
		transport.TLSClientConfig = &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: pool}
	}
	p.close()
	p.ca = ca
	p.client = &http.Client{
		Transport: transport,
		Timeout:   timeout,
		CheckRedirect: func(*http.Request, []*http.Request) error {
			return http.ErrUseLastResponse // the token is for the API server alone
		},
	}
	return p.client, nil
}

// Close ends the connections that are idle.
func (p *Pods) Close() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.close()
	return nil
}

func (p *Pods) close() {
	if p.client != nil {
		p.client.CloseIdleConnections()
	}
}
