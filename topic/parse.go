package topic

import "strings"

// Kind tells the three ways to subscribe apart.
type Kind uint8

const (
	Plain     Kind = iota // every subscriber gets every message
	Shared                // one member of the group gets each message
	Exclusive             // the filter can have one subscriber only
)

// QueueGroup is the group that all subscribers of $queue/filter belong to.
const QueueGroup = "$queue"

const (
	sharePrefix     = "$share/"
	queuePrefix     = "$queue/"
	exclusivePrefix = "$exclusive/"
)

// Filter is a topic filter as a client writes it in SUBSCRIBE and UNSUBSCRIBE, taken apart.
type Filter struct {
	Kind  Kind
	Group string // the shared group's name; empty unless Kind is Shared
	Bare  string // what names are matched against
}

// Parse takes a filter apart and checks all of it (clauses 4.7 and 4.8.2); a fault is returned as an Error. These are
// understood: filter, $share/group/filter, $queue/filter (the same as $share/$queue/filter) and $exclusive/filter.
// The parts share the memory of s.
func Parse(s string) (Filter, error) {
	if err := validText(s); err != nil {
		return Filter{}, err
	}
	f, err := split(s)
	if err != nil {
		return Filter{}, err
	}
	if f.Kind != Plain {
		if f.Bare == "" {
			return Filter{}, ErrNoFilter
		}
		if hasPrefix(f.Bare) {
			return Filter{}, ErrNestedShare
		}
	}
	if err := validWildcards(f.Bare); err != nil {
		return Filter{}, err
	}
	return f, nil
}

// split finds the parts without looking at the bare filter.
func split(s string) (Filter, error) {
	if bare, ok := strings.CutPrefix(s, queuePrefix); ok {
		return Filter{Kind: Shared, Group: QueueGroup, Bare: bare}, nil
	}
	if bare, ok := strings.CutPrefix(s, exclusivePrefix); ok {
		return Filter{Kind: Exclusive, Bare: bare}, nil
	}
	rest, ok := strings.CutPrefix(s, sharePrefix)
	if !ok {
		return Filter{Bare: s}, nil
	}
	group, bare, _ := strings.Cut(rest, "/")
	if group == "" || HasWildcard(group) {
		return Filter{}, ErrGroup
	}
	return Filter{Kind: Shared, Group: group, Bare: bare}, nil
}

func hasPrefix(s string) bool {
	return strings.HasPrefix(s, sharePrefix) || strings.HasPrefix(s, queuePrefix) || strings.HasPrefix(s, exclusivePrefix)
}

// String returns the filter as a client would write it. The anonymous group comes out as $share/$queue/filter, the
// form lists of subscriptions show.
func (f Filter) String() string {
	switch f.Kind {
	case Shared:
		return sharePrefix + f.Group + "/" + f.Bare
	case Exclusive:
		return exclusivePrefix + f.Bare
	}
	return f.Bare
}
