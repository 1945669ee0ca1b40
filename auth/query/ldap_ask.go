package query

import (
	"context"
	"fmt"
	"log/slog"
	"strings"

	"github.com/dunlin-mq/dunlin/auth"
)

// Directory is what LDAP is asked through. Search returns the values of the
// attributes of each entry at and below base that a filter fits, and its name
// as "dn". Bind reports whether an entry logs in with a password; an empty one
// never does.
type Directory interface {
	Search(ctx context.Context, base, filter string, attributes []string) ([]map[string][]string, error)
	Bind(ctx context.Context, dn, password string) (bool, error)
}

// NewLDAP is the provider "ldap"; Backend and Close are the caller's.
func NewLDAP(c LDAP, d Directory, log *slog.Logger) auth.Provider {
	p := &ldapProvider{LDAP: c, directory: d, log: newComplaints(log)}
	return auth.Provider{Name: "ldap", Authenticator: p, Authorizer: p}
}

type ldapProvider struct {
	LDAP
	directory Directory
	log       *complaints
}

const enabledAttribute = "isEnabled"

// Authenticate ignores a client without an entry.
func (p *ldapProvider) Authenticate(ctx context.Context, r *auth.Request) (auth.Answer, error) {
	attributes := []string{enabledAttribute}
	if !p.BindAsUser {
		attributes = append(attributes, p.PasswordAttribute)
	}
	entry, err := p.find(ctx, r, attributes)
	if err != nil || entry == nil {
		return auth.Answer{}, err
	}
	fits := false
	switch {
	case disabled(entry) || len(r.Password) == 0:
	case p.BindAsUser:
		fits, err = p.directory.Bind(ctx, entry["dn"][0], string(r.Password))
	default:
		fits = p.matches(entry, r.Password)
	}
	switch {
	case err != nil:
		return auth.Answer{}, err
	case !fits:
		return auth.Answer{Verdict: auth.Deny}, nil
	}
	return auth.Answer{Verdict: auth.Allow}, nil
}

func (p *ldapProvider) matches(entry map[string][]string, password []byte) bool {
	for _, stored := range entry[p.PasswordAttribute] {
		fits, readable := ldapPassword(stored, password)
		if fits {
			return true
		}
		if !readable {
			p.log.say("a password is hashed in a way that only the directory can check: set auth.ldap.bind_as_user", "dn", entry["dn"][0])
		}
	}
	return false
}

// Authorize allows what the attributes of the entry say and ignores all else.
// An entry that was disabled meanwhile may do nothing.
func (p *ldapProvider) Authorize(ctx context.Context, r *auth.Request) (auth.Answer, error) {
	topics := []string{"mqttPublishTopic", "mqttPubSubTopic"}
	if r.Action == auth.Subscribe {
		topics[0] = "mqttSubscriptionTopic"
	}
	entry, err := p.find(ctx, r, append(topics, enabledAttribute))
	if err != nil || entry == nil {
		return auth.Answer{}, err
	}
	if disabled(entry) {
		return auth.Answer{Verdict: auth.Deny, Rule: auth.Because{Rule: enabledAttribute + ": FALSE", Where: entry["dn"][0]}}, nil
	}
	for _, attribute := range topics {
		for _, text := range entry[attribute] {
			pattern, err := auth.NewPattern(text)
			if err != nil {
				p.log.say("a topic is skipped", "dn", entry["dn"][0], "attribute", attribute, "topic", text, "error", err)
				continue
			}
			if pattern.Covers(r.Client, r.Topic) {
				return auth.Answer{Verdict: auth.Allow, Rule: auth.Because{Rule: attribute + ": " + text, Where: entry["dn"][0]}}, nil
			}
		}
	}
	return auth.Answer{}, nil
}

func disabled(entry map[string][]string) bool {
	for _, v := range entry[enabledAttribute] {
		if strings.EqualFold(v, "false") {
			return true
		}
	}
	return false
}

// find returns the entry of a client, nil if there is none. With several it
// can't be told who the client is.
func (p *ldapProvider) find(ctx context.Context, r *auth.Request, attributes []string) (map[string][]string, error) {
	if r.Client.Username == "" {
		return nil, nil
	}
	base, filter := p.base(r.Client.Username), p.filter(r.Client.Username)
	found, err := p.directory.Search(ctx, base, filter, attributes)
	switch {
	case err != nil:
		return nil, err
	case len(found) == 0:
		return nil, nil
	case len(found) > 1:
		return nil, fmt.Errorf("ldap: expected one entry below %s with %s, found %d", base, filter, len(found))
	}
	return found[0], nil
}
