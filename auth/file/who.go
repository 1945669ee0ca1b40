package file

import (
	"errors"
	"net/netip"
	"regexp"
	"regexp/syntax"
	"strings"

	"github.com/dunlin-mq/dunlin/auth"
)

// who says which clients a rule is about.
type who interface {
	includes(c *auth.Client) bool
	// names are those of which a client must have one to be included; open:
	// clients of any name may be.
	names() (names []name, open bool)
}

// name is a user name or a client id.
type name struct {
	client bool
	text   string
}

type (
	everyone  struct{}
	named     name
	addresses []netip.Prefix
	allOf     []who
	anyOf     []who
	looksLike struct {
		client     bool
		expression *regexp.Regexp
	}
)

func (everyone) includes(*auth.Client) bool { return true }
func (everyone) names() ([]name, bool)      { return nil, true }

func (n named) includes(c *auth.Client) bool { return n.text == nameOf(c, n.client) }
func (n named) names() ([]name, bool)        { return []name{name(n)}, false }

func nameOf(c *auth.Client, client bool) string {
	if client {
		return c.ClientID
	}
	return c.Username
}

func (l looksLike) includes(c *auth.Client) bool {
	name := nameOf(c, l.client)
	return name != "" && l.expression.MatchString(name)
}
func (looksLike) names() ([]name, bool) { return nil, true }

func (a addresses) includes(c *auth.Client) bool {
	// An IPv4 client on an IPv6 socket is one of IPv4, and a prefix contains no
	// address with a zone.
	addr := c.Peer.Addr().Unmap().WithZone("")
	for _, prefix := range a {
		if prefix.Contains(addr) {
			return true
		}
	}
	return false
}
func (addresses) names() ([]name, bool) { return nil, true }

func (a allOf) includes(c *auth.Client) bool {
	for _, w := range a {
		if !w.includes(c) {
			return false
		}
	}
	return true
}

// names are the fewest that one of the parts asks for.
func (a allOf) names() (fewest []name, open bool) {
	open = true
	for _, w := range a {
		if names, anybody := w.names(); !anybody && (open || len(names) < len(fewest)) {
			fewest, open = names, false
		}
	}
	return fewest, open
}

func (a anyOf) includes(c *auth.Client) bool {
	for _, w := range a {
		if w.includes(c) {
			return true
		}
	}
	return false
}

func (a anyOf) names() (all []name, open bool) {
	for _, w := range a {
		names, anybody := w.names()
		if anybody {
			return nil, true
		}
		all = append(all, names...)
	}
	return all, false
}

// newWho says what the second part of a rule means.
func newWho(t term) (who, *mistake) {
	if t.is("all") {
		return everyone{}, nil
	}
	if t.kind == tuple && len(t.items) == 2 {
		value := t.items[1]
		switch t.name() {
		case "user", "username":
			return newNamed(value, false)
		case "client", "clientid":
			return newNamed(value, true)
		case "ipaddr":
			prefix, err := newPrefix(value)
			return addresses{prefix}, err
		case "ipaddrs":
			prefixes, err := each(value, newPrefix)
			return addresses(prefixes), err
		case "and":
			parts, err := each(value, newWho)
			return allOf(parts), err
		case "or":
			parts, err := each(value, newWho)
			return anyOf(parts), err
		}
	}
	return nil, unexpected(t, `all, {user, "…"}, {client, "…"}, {ipaddr, "…"}, {ipaddrs, […]}, {'and', […]} or {'or', […]}`,
		"all", "user", "username", "client", "clientid", "ipaddr", "ipaddrs", "and", "or")
}

// each reads a list of what read reads.
func each[T any](t term, read func(term) (T, *mistake)) ([]T, *mistake) {
	if t.kind != list {
		return nil, unexpected(t, "a list in square brackets")
	}
	all := make([]T, len(t.items))
	for i, item := range t.items {
		var err *mistake
		if all[i], err = read(item); err != nil {
			return nil, err
		}
	}
	return all, nil
}

// newNamed reads "name", all or {re, "expression"}. The expression is one of
// package regexp, which finds it anywhere in the name. As in EMQ X, all also
// means clients without a name.
func newNamed(t term, client bool) (who, *mistake) {
	switch {
	case t.is("all"):
		return everyone{}, nil
	case t.kind == text && t.text == "":
		return nil, mistakef(t.at, "found an empty name, which no client has")
	case t.kind == text && strings.ContainsRune(t.text, 0):
		return nil, mistakef(t.at, "found %s, which no client is called: names have no U+0000", t)
	case t.kind == text:
		return named{client, t.text}, nil
	case t.name() == "re" && len(t.items) == 2 && t.items[1].kind == text:
		expression, err := regexp.Compile(t.items[1].text)
		if err != nil {
			return nil, mistakef(t.items[1].at, "found %s, which is no regular expression: %s", t.items[1], reason(err))
		}
		return looksLike{client, expression}, nil
	}
	return nil, unexpected(t, `a name in double quotes, {re, "…"} or all`, "all", "re")
}

// reason leaves the expression, of any length, out of an error about it.
func reason(err error) string {
	var wrong *syntax.Error
	if errors.As(err, &wrong) {
		return wrong.Code.String()
	}
	return err.Error()
}

// newPrefix reads "10.0.0.1" or "10.0.0.0/8"; bits of the address behind the
// mask do not count.
func newPrefix(t term) (p netip.Prefix, mis *mistake) {
	if t.kind != text {
		return p, unexpected(t, `an address in double quotes such as "10.0.0.0/8"`)
	}
	p, err := netip.ParsePrefix(t.text)
	if err != nil && !strings.Contains(t.text, "/") {
		var addr netip.Addr
		if addr, err = netip.ParseAddr(t.text); err == nil {
			p = netip.PrefixFrom(addr.WithZone(""), addr.BitLen())
		}
	}
	if err != nil {
		return p, mistakef(t.at, `found %s, expected an address such as "10.0.0.1" or "10.0.0.0/8"`, t)
	}
	if addr := p.Addr(); addr.Is4In6() && p.Bits() >= 96 {
		p = netip.PrefixFrom(addr.Unmap(), p.Bits()-96)
	}
	return p.Masked(), nil
}
