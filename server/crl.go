package server

import (
	"bytes"
	"context"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"strings"
	"sync/atomic"
	"time"
)

// maxCRL bounds a revocation list in bytes; public authorities' are below 10 MB.
const maxCRL = 32 << 20

// revocations are the revocation lists a listener checks clients' certificates
// against. It errs on the safe side: while there is no list of the authority
// that signed it, a client's certificate is refused. A list that can't be read
// anew stays in use, also past the time it should have been replaced, so that
// an authority's web server that is down locks nobody out.
type revocations struct {
	urls  []string // http, https, file or a plain path
	every time.Duration
	http  http.Client
	log   *slog.Logger
	lists atomic.Pointer[map[string]*revocationList] // by url
}

// revocationList is one list, ready to be asked.
type revocationList struct {
	*x509.RevocationList
	serials  map[string]struct{} // big-endian bytes
	verified atomic.Bool         // the issuer's signature was found to be right
}

func newRevocations(t *TLS, log *slog.Logger) *revocations {
	r := &revocations{
		urls: t.CRLURLs, every: t.CRLRefreshEvery, log: log,
		http: http.Client{Timeout: t.CRLHTTPTimeout},
	}
	r.lists.Store(&map[string]*revocationList{})
	return r
}

// load reads every list anew; the error joins what couldn't be read.
func (r *revocations) load(ctx context.Context) error {
	old, fresh := *r.lists.Load(), make(map[string]*revocationList)
	var errs []error
	for _, url := range r.urls {
		list, err := r.fetch(ctx, url)
		if err != nil {
			errs = append(errs, fmt.Errorf("revocation list %s: %w", url, err))
			list = old[url]
		}
		if list != nil {
			fresh[url] = list
		}
	}
	r.lists.Store(&fresh)
	return errors.Join(errs...)
}

// refresh loads the lists again and again until ctx ends.
func (r *revocations) refresh(ctx context.Context) {
	if r.every <= 0 {
		return
	}
	tick := time.NewTicker(r.every)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			if err := r.load(ctx); err != nil && ctx.Err() == nil {
				r.log.Error("a revocation list can't be read; the one before stays in use", "err", err)
			}
		}
	}
}

func (r *revocations) fetch(ctx context.Context, url string) (*revocationList, error) {
	data, err := r.read(ctx, url)
	if err != nil {
		return nil, err
	}
	if block, _ := pem.Decode(data); block != nil {
		data = block.Bytes
	}
	list, err := x509.ParseRevocationList(data)
	if err != nil {
		return nil, fmt.Errorf("expected a revocation list in PEM or DER: %w", err)
	}
	if time.Now().After(list.NextUpdate) && !list.NextUpdate.IsZero() {
		r.log.Warn("a revocation list is out of date", "url", url, "since", list.NextUpdate)
	}
	out := &revocationList{RevocationList: list, serials: make(map[string]struct{}, len(list.RevokedCertificateEntries))}
	for _, e := range list.RevokedCertificateEntries {
		out.serials[string(e.SerialNumber.Bytes())] = struct{}{}
	}
	return out, nil
}

func (r *revocations) read(ctx context.Context, url string) ([]byte, error) {
	if !strings.HasPrefix(url, "http://") && !strings.HasPrefix(url, "https://") {
		return os.ReadFile(strings.TrimPrefix(url, "file://"))
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, http.NoBody)
	if err != nil {
		return nil, err
	}
	defer r.http.CloseIdleConnections() // the next visit is minutes away
	resp, err := r.http.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("the web server answers %s", resp.Status)
	}
	data, err := io.ReadAll(io.LimitReader(resp.Body, maxCRL+1))
	if len(data) > maxCRL {
		return nil, fmt.Errorf("it is longer than %d bytes", maxCRL)
	}
	return data, err
}

// check judges a verified chain from the client's certificate to the root.
// There must be a list for the client's certificate; for those above it one is
// asked if it is there.
func (r *revocations) check(chain []*x509.Certificate) error {
	for i, cert := range chain[:len(chain)-1] {
		found, err := r.revoked(cert, chain[i+1])
		if err != nil {
			return err
		}
		if !found && i == 0 {
			return fmt.Errorf("no revocation list of %q is at hand", cert.Issuer)
		}
	}
	return nil
}

// revoked fails if the issuer has revoked cert; found: it has a list.
func (r *revocations) revoked(cert, issuer *x509.Certificate) (found bool, err error) {
	for _, list := range *r.lists.Load() {
		if !bytes.Equal(list.RawIssuer, cert.RawIssuer) {
			continue
		}
		if !list.verified.Load() {
			if list.CheckSignatureFrom(issuer) != nil {
				continue // an authority of the same name, or a forgery
			}
			list.verified.Store(true)
		}
		found = true
		if _, listed := list.serials[string(cert.SerialNumber.Bytes())]; listed {
			return true, fmt.Errorf("the certificate of %q is revoked", cert.Subject)
		}
	}
	return found, nil
}
