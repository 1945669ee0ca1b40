package ldap

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/go-ldap/ldap/v3"

	"github.com/dunlin-mq/dunlin/connector"
)

// maxEntries is how many entries one Search returns at most.
const maxEntries = 1000

// Client talks to one directory. Its methods may be called concurrently; they
// block until the answer is there, the context or Config.Timeout is over, or
// the connection is lost.
type Client struct {
	config Config
	// Connections that searched and such that logged users in never change
	// places, so that no search runs with the rights of a user.
	searches *pool
	logins   *pool
	where    string // for errors
}

// New checks the files of TLS and connects to nothing yet.
func New(c Config) (*Client, error) {
	secure, err := c.TLS.Config()
	if err != nil {
		return nil, err
	}
	addrs := c.addrs()
	return &Client{
		config:   c,
		searches: newPool(c.Pool, &dialer{addrs: addrs, secure: secure, login: c.BindDN, password: c.BindPassword}),
		logins:   newPool(c.Pool, &dialer{addrs: addrs, secure: secure}),
		where:    "ldap at " + strings.Join(addrs, ","),
	}, nil
}

// Search returns the entries at and below base that a filter of RFC 4515
// fits: of each the values of the attributes, by the names they were asked by,
// and its distinguished name as "dn". A base that isn't there has no entries.
// More than 1,000 are an error. Base and filter have to be escaped already.
func (c *Client) Search(ctx context.Context, base, filter string, attributes []string) ([]map[string][]string, error) {
	question := ldap.NewSearchRequest(base, ldap.ScopeWholeSubtree, ldap.NeverDerefAliases, maxEntries, 0, false, filter, attributes, nil)
	var found *ldap.SearchResult
	err := c.searches.use(ctx, c.config.Timeout, func(conn *ldap.Conn) (err error) {
		found, err = conn.Search(question)
		return err
	}, ldap.LDAPResultNoSuchObject)
	if ldap.IsErrorWithCode(err, ldap.LDAPResultNoSuchObject) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("%s: search below %s: %w", c.where, base, kind(err))
	}
	entries := make([]map[string][]string, len(found.Entries))
	for i, e := range found.Entries {
		entries[i] = map[string][]string{"dn": {e.DN}}
		for _, name := range attributes {
			if values := e.GetEqualFoldAttributeValues(name); len(values) > 0 {
				entries[i][name] = values
			}
		}
	}
	return entries, nil
}

// refusals are the ways of a directory to say that a login is wrong, or that
// the entry has no password, or may not log in.
var refusals = []uint16{
	ldap.LDAPResultInvalidCredentials, ldap.LDAPResultInappropriateAuthentication, ldap.LDAPResultNoSuchObject,
	ldap.LDAPResultInsufficientAccessRights, ldap.LDAPResultUnwillingToPerform, ldap.LDAPResultInvalidDNSyntax,
}

// Bind reports whether an entry logs in with a password. An empty password
// doesn't: a directory would take that for a login of nobody and say yes, RFC
// 4513 clause 5.1.2.
func (c *Client) Bind(ctx context.Context, dn, password string) (bool, error) {
	if dn == "" || password == "" {
		return false, nil
	}
	err := c.logins.use(ctx, c.config.Timeout, func(conn *ldap.Conn) error { return conn.Bind(dn, password) }, refusals...)
	switch {
	case err == nil:
		return true, nil
	case ldap.IsErrorAnyOf(err, refusals...):
		return false, nil
	}
	return false, fmt.Errorf("%s: login of %s: %w", c.where, dn, kind(err))
}

// Ping finds out whether a server answers, and knows who searches.
func (c *Client) Ping(ctx context.Context) error {
	question := ldap.NewSearchRequest("", ldap.ScopeBaseObject, ldap.NeverDerefAliases, 1, 0, false, "(objectClass=*)", []string{"1.1"}, nil)
	hidden := []uint16{ldap.LDAPResultNoSuchObject, ldap.LDAPResultInsufficientAccessRights}
	err := c.searches.use(ctx, c.config.Timeout, func(conn *ldap.Conn) error {
		_, err := conn.Search(question)
		return err
	}, hidden...)
	if err == nil || ldap.IsErrorAnyOf(err, hidden...) {
		return nil
	}
	return fmt.Errorf("%s: %w", c.where, kind(err))
}

// Close waits for the calls under way and closes all connections.
func (c *Client) Close() error {
	c.searches.close()
	c.logins.close()
	return nil
}

// kind marks an error by whether asking again makes sense.
func kind(err error) error {
	var said *ldap.Error
	switch {
	case errors.Is(err, connector.ErrNotConnected):
		return err
	case !errors.As(err, &said) || said.ResultCode == ldap.ErrorNetwork:
		return fmt.Errorf("%w: %w", connector.ErrNotConnected, err)
	// What a directory says that is about its state and not about the question.
	case slices.Contains([]uint16{ldap.LDAPResultBusy, ldap.LDAPResultUnavailable, ldap.LDAPResultTimeLimitExceeded}, said.ResultCode):
		return err
	}
	return connector.Permanent(err)
}
