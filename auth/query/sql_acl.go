package query

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/dunlin-mq/dunlin/auth"
)

// sqlAuthorizer is the second half of an SQL provider.
type sqlAuthorizer struct {
	dialect
	db  Rows
	acl statement
	log *complaints
}

// Authorize tries the rows as rules, the last one first: that is EMQ X's order,
// in which a row that was added later takes the place of earlier ones. A row
// that is no rule is skipped. No row or none that fits is Ignore, and so is a
// user name that begins with $.
func (a *sqlAuthorizer) Authorize(ctx context.Context, r *auth.Request) (auth.Answer, error) {
	if strings.HasPrefix(r.Client.Username, "$") {
		return auth.Answer{}, nil
	}
	_, rows, err := a.acl.ask(ctx, a.db, r)
	if err != nil {
		return auth.Answer{}, err
	}
	for i, row := range slices.Backward(rows) {
		rule, err := readRule(row)
		if err != nil {
			a.log.say("a row that is no rule is skipped", "key", "auth."+a.name+".acl_query", "error", err)
			continue
		}
		if rule.fits(r) {
			where := fmt.Sprintf("auth.%s.acl_query, row %d of %d", a.name, i+1, len(rows))
			return auth.Answer{Verdict: rule.verdict, Rule: auth.Because{Rule: shownRow(row), Where: where}}, nil
		}
	}
	return auth.Answer{}, nil
}

// shownRow is a row as it is explained.
func shownRow(row []any) string {
	return fmt.Sprintf("allow=%s ipaddr=%s username=%s clientid=%s access=%s topic=%s",
		text(row[0]), text(row[1]), text(row[2]), text(row[3]), text(row[4]), text(row[5]))
}

// sqlRule is one row of an acl_query.
type sqlRule struct {
	verdict            auth.Verdict
	all                bool         // about every client
	network            netip.Prefix // not valid: any
	username, clientid string       // empty: any
	publish, subscribe bool
	topic              auth.Pattern
}

// readRule reads the columns allow, ipaddr, username, clientid, access, topic;
// their names don't matter.
func readRule(row []any) (rule sqlRule, err error) {
	if len(row) < 6 {
		return rule, fmt.Errorf("expected the columns allow, ipaddr, username, clientid, access, topic, found %d columns", len(row))
	}
	switch text(row[0]) {
	case "1", "true":
		rule.verdict = auth.Allow
	case "0", "false":
		rule.verdict = auth.Deny
	default:
		return rule, fmt.Errorf("expected 0 or 1 in the column allow, found %v", row[0])
	}
	if err := rule.readWho(text(row[1]), text(row[2]), text(row[3])); err != nil {
		return rule, err
	}
	switch access := text(row[4]); access {
	case "1", "2", "3":
		rule.subscribe, rule.publish = access != "2", access != "1"
	default:
		return rule, fmt.Errorf("expected 1, 2 or 3 in the column access, found %v", row[4])
	}
	if rule.topic, err = auth.NewPattern(text(row[5])); err != nil {
		return rule, fmt.Errorf("topic %q: %w", text(row[5]), err)
	}
	return rule, nil
}

// readWho reads who a rule is about. As in EMQ X `$all` outweighs what else is
// said.
func (rule *sqlRule) readWho(network, username, clientid string) (err error) {
	switch {
	case username == "$all":
		rule.all = true
		return nil
	case network == "" && username == "" && clientid == "":
		return errors.New("expected an ipaddr, a username or a clientid, found none of them")
	}
	rule.username, rule.clientid = username, clientid
	if network == "" {
		return nil
	}
	if rule.network, err = parseNetwork(network); err != nil {
		return fmt.Errorf("expected an address or a network such as 192.0.2.0/24 in the column ipaddr, found %q", network)
	}
	return nil
}

func parseNetwork(text string) (netip.Prefix, error) {
	if strings.Contains(text, "/") {
		return netip.ParsePrefix(text)
	}
	addr, err := netip.ParseAddr(text)
	if err != nil {
		return netip.Prefix{}, err
	}
	return netip.PrefixFrom(addr, addr.BitLen()), nil
}

// fits reports whether the rule says something about a request.
func (rule *sqlRule) fits(r *auth.Request) bool {
	if r.Action == auth.Publish && !rule.publish || r.Action == auth.Subscribe && !rule.subscribe {
		return false
	}
	return rule.isAbout(r.Client) && rule.topic.Concerns(rule.verdict, r.Client, r.Topic)
}

func (rule *sqlRule) isAbout(c *auth.Client) bool {
	if rule.all {
		return true
	}
	return (!rule.network.IsValid() || rule.network.Contains(c.Peer.Addr().Unmap().WithZone(""))) &&
		(rule.username == "" || rule.username == c.Username) &&
		(rule.clientid == "" || rule.clientid == c.ClientID)
}
