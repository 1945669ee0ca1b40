package http

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	nethttp "net/http"
	"net/url"
	"strings"

	"github.com/dunlin-mq/dunlin/auth"
	"github.com/dunlin-mq/dunlin/mqtt"
)

// New returns the provider a configuration describes: an Authenticator and an
// Authorizer as far as their URLs are configured. The backend's Timeout may be
// replaced by c.RequestTimeout; its Ping is set.
func New(c *Config, service Service, backend auth.Backend) (auth.Provider, error) {
	if err := c.Complete(); err != nil {
		return auth.Provider{}, err
	}
	if c.RequestTimeout > 0 {
		backend.Timeout = c.RequestTimeout
	}
	backend.Ping = func(ctx context.Context) error { return ping(ctx, service, c) }
	p := auth.Provider{Name: "http", Backend: &backend}
	if to := newRequest(service, &c.Auth, c.Headers); to != nil {
		p.Authenticator = &authenticator{to, newRequest(service, &c.Super, c.Headers)}
	}
	if to := newRequest(service, &c.ACL, c.Headers); to != nil {
		p.Authorizer = &authorizer{to}
	}
	return p, nil
}

// ping reaches for each host once.
func ping(ctx context.Context, service Service, c *Config) error {
	seen := make(map[string]bool)
	var errs []error
	for _, q := range []*Question{&c.Auth, &c.Super, &c.ACL} {
		u, err := url.Parse(q.URL)
		if err != nil || u.Host == "" || seen[u.Host] {
			continue
		}
		seen[u.Host] = true
		errs = append(errs, service.Ping(ctx, q.URL))
	}
	return errors.Join(errs...)
}

type authenticator struct {
	auth  *request
	super *request // nil: nobody is a superuser unless auth says so
}

// Authenticate is the auth.Authenticator.
func (a *authenticator) Authenticate(ctx context.Context, r *auth.Request) (auth.Answer, error) {
	status, body, err := a.auth.ask(ctx, r)
	if err != nil {
		return auth.Answer{}, err
	}
	if status != nethttp.StatusOK {
		return refusal(status)
	}
	said := readAnswer(body)
	if said.verdict != auth.Allow {
		return auth.Answer{Verdict: said.verdict}, nil
	}
	answer := auth.Answer{Verdict: auth.Allow, Mountpoint: said.mountpoint}
	if said.superuser != nil {
		answer.Superuser = *said.superuser
	} else if a.super != nil {
		// Without an answer the client stays an ordinary one.
		status, _, err := a.super.ask(ctx, r)
		answer.Superuser = err == nil && status == nethttp.StatusOK
	}
	return answer, nil
}

// statusError is a status that says nothing about the client: the question went
// to a wrong place, or the service is broken.
type statusError struct {
	question string
	status   int
}

// Error is for the operator.
func (e statusError) Error() string {
	return fmt.Sprintf("%s was answered with status %d (%s), which says nothing about the client", e.question, e.status, nethttp.StatusText(e.status))
}

// Permanent keeps one such answer from being taken for a service that is gone.
func (statusError) Permanent() bool { return true }

// refusal is EMQ X 4.3's reading of a status, as far as it has one.
func refusal(status int) (auth.Answer, error) {
	deny := auth.Answer{Verdict: auth.Deny}
	switch status {
	case nethttp.StatusBadRequest, nethttp.StatusUnauthorized:
		deny.Code = mqtt.BadUserNameOrPassword
	case nethttp.StatusForbidden:
		deny.Code = mqtt.NotAuthorized
	case nethttp.StatusTooManyRequests:
		deny.Code = mqtt.Banned
	case nethttp.StatusServiceUnavailable:
		deny.Code = mqtt.ServerUnavailable
	case nethttp.StatusGatewayTimeout:
		deny.Code = mqtt.ServerBusy
	default:
		return auth.Answer{}, statusError{"auth_req", status}
	}
	return deny, nil
}

type authorizer struct{ acl *request }

// Authorize is the auth.Authorizer. It isn't asked about user names with a $,
// which EMQ X keeps for itself.
func (a *authorizer) Authorize(ctx context.Context, r *auth.Request) (auth.Answer, error) {
	if strings.HasPrefix(r.Client.Username, "$") {
		return auth.Answer{}, nil
	}
	status, body, err := a.acl.ask(ctx, r)
	switch {
	case err != nil:
		return auth.Answer{}, err
	case status >= nethttp.StatusInternalServerError: // denying would lose what the client believes to be sent
		return auth.Answer{}, statusError{"acl_req", status}
	}
	why := auth.Because{Rule: fmt.Sprintf("status %d", status), Where: "auth.http.acl_req"}
	if status != nethttp.StatusOK {
		return auth.Answer{Verdict: auth.Deny, Rule: why}, nil
	}
	return auth.Answer{Verdict: readAnswer(body).verdict, Rule: why}, nil
}

// answer is what the body of a status 200 says.
type answer struct {
	verdict    auth.Verdict
	superuser  *bool // nil: nothing is said about that
	mountpoint string
}

// readAnswer follows EMQ X 4: the word ignore is Ignore, everything else Allow,
// and a JSON object may have a mountpoint. An object with a result allow, deny
// or ignore is written for EMQX 5 and counts as it says there, is_superuser
// with it; without such a result nothing but the mountpoint is taken from it.
func readAnswer(body []byte) answer {
	if body = bytes.TrimSpace(body); string(body) == "ignore" {
		return answer{verdict: auth.Ignore}
	}
	a := answer{verdict: auth.Allow}
	var said map[string]json.RawMessage
	if json.Unmarshal(body, &said) != nil {
		return a
	}
	// A member of another type than expected says nothing.
	var result string
	_ = json.Unmarshal(said["result"], &result)
	_ = json.Unmarshal(said["mountpoint"], &a.mountpoint)
	switch result {
	case "ignore":
		return answer{verdict: auth.Ignore}
	case "deny":
		return answer{verdict: auth.Deny}
	case "allow":
		_ = json.Unmarshal(said["is_superuser"], &a.superuser)
	}
	return a
}
