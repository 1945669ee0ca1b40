package clustertest

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/dunlin-mq/dunlin/mqtt"
)

// Report is the judgement on a history. The first group are defects, the
// second what is allowed and worth knowing.
type Report struct {
	Lost       int // acknowledged, owed to a session, and never received there
	Duplicated int // received more than once at QoS 2 or 0
	// The same of shared groups as a whole. Whether they are defects is a matter
	// of what was promised.
	GroupLost, GroupDuplicated int
	Reordered                  int // received first after a later one of the same publisher, topic and QoS
	Degraded                   int // received at another QoS than the lower one of message and subscription
	Foreign                    int // received without a subscription, or never published
	Forgotten                  int // sessions that a CONNACK said were not there
	Violations                 int // packets that no broker may send

	Published, Acknowledged, Refused int
	Unknown                          int // above QoS 0, and the publisher had no answer to the end
	Received                         int
	Repeated                         int // QoS 1 deliveries of what had come before
	RepeatedWithoutDUP               int // of these
	LateRefused                      int // received though refused
	MissingQoS0                      int // of QoS 0, owed if nothing failed

	promise Promise
	details map[string][]string // by kind
	events  []event
}

// Promise is what is owed to shared groups.
type Promise uint8

const (
	// ExactlyOnce is what one node gives at QoS 2, and two nodes while both live.
	ExactlyOnce Promise = iota
	// AtLeastOnce is what several nodes give while none of them dies: at QoS 2, too,
	// a message may come twice.
	AtLeastOnce
	// BestEffort is what a node gives that dies: what it held for members that
	// were away, or had sent to them at QoS 2, ends with it.
	BestEffort
)

// What is said of one kind, and of what the test did, when everything went wrong.
const (
	maxDetails = 10
	maxEvents  = 40
)

func (r *Report) detail(kind, format string, args ...any) {
	if r.details == nil {
		r.details = make(map[string][]string)
	}
	if len(r.details[kind]) < maxDetails {
		r.details[kind] = append(r.details[kind], fmt.Sprintf(format, args...))
	}
}

// Defects counts what is wrong. Repeated deliveries of QoS 1 and what QoS 0
// misses are not.
func (r *Report) Defects() int {
	n := r.Lost + r.Duplicated + r.Reordered + r.Degraded + r.Foreign + r.Forgotten + r.Violations
	if r.promise == ExactlyOnce {
		n += r.GroupDuplicated
	}
	return n + r.groupOwed()
}

// groupOwed is what groups must still get.
func (r *Report) groupOwed() int {
	if r.promise == BestEffort {
		return 0
	}
	return r.GroupLost
}

// String is the report for people: what the test did to the nodes and when, the
// totals, and the first defects one by one.
func (r *Report) String() string {
	var b strings.Builder
	if r.Defects() > 0 {
		for _, e := range r.events[max(0, len(r.events)-maxEvents):] {
			fmt.Fprintf(&b, "  %v: %s\n", e.moment, e.what)
		}
	}
	fmt.Fprintf(&b, "published %d: acknowledged %d, refused %d, unknown %d\n", r.Published, r.Acknowledged, r.Refused, r.Unknown)
	fmt.Fprintf(&b, "received %d: repeated %d (%d without DUP), refused and yet received %d, QoS 0 missing %d\n",
		r.Received, r.Repeated, r.RepeatedWithoutDUP, r.LateRefused, r.MissingQoS0)
	fmt.Fprintf(&b, "lost %d, duplicated %d, reordered %d, at the wrong QoS %d, foreign %d, sessions forgotten %d, violations %d, of groups lost %d, duplicated %d\n",
		r.Lost, r.Duplicated, r.Reordered, r.Degraded, r.Foreign, r.Forgotten, r.Violations, r.GroupLost, r.GroupDuplicated)
	told := 0
	for _, kind := range slices.Sorted(maps.Keys(r.details)) {
		for _, d := range r.details[kind] {
			fmt.Fprintf(&b, "  %s: %s\n", kind, d)
			told++
		}
	}
	if more := r.Defects() - told; more > 0 {
		fmt.Fprintf(&b, "  and %d more\n", more)
	}
	return b.String()
}

// Check judges a history whose clients have come to an end. Of a session's
// subscriptions no two may match one topic.
//
// A message is owed to a session that had its SUBACK before the message was
// published, if the publisher has an acknowledgement without a failure; to a
// shared group as a whole.
func Check(h *History) *Report {
	h.mu.Lock()
	defer h.mu.Unlock()
	r := &Report{events: h.events}
	for m, f := range h.fates {
		r.Published++
		switch {
		case f.outcome == acknowledged:
			r.Acknowledged++
		case f.outcome == refused:
			r.Refused++
		case m.QoS > 0:
			r.Unknown++
		}
	}
	groups := make(map[string]*audience)
	for _, s := range h.sessions {
		r.checkSession(h, s)
		for i := range s.subscriptions {
			r.checkSubscription(h, s, &s.subscriptions[i], groups)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(groups)) {
		r.checkAudience(h, groups[name])
	}
	return r
}

// checkSession finds what is wrong with a session whatever it subscribed to.
func (r *Report) checkSession(h *History, s *sessionLog) {
	r.Received += len(s.receipts)
	r.Forgotten += len(s.forgotten)
	for _, at := range s.forgotten {
		r.detail("FORGOTTEN", "the session of %s was not there at %v", s.client, at)
	}
	r.Violations += len(s.violations)
	for _, v := range s.violations {
		r.detail("VIOLATION", "to %s %s", s.client, v)
	}
	for _, got := range s.receipts {
		f := h.fates[got.Message]
		sub := s.subscriptionFor(got.Message)
		switch {
		case f == nil:
			r.Foreign++
			r.detail("FOREIGN", "%s got %v at %v, which nobody published", s.client, got.Message, got.moment)
		case sub == nil:
			r.Foreign++
			r.detail("FOREIGN", "%s got %v at %v, which it had not subscribed to", s.client, got.Message, got.moment)
		case got.qos != min(sub.qos, got.QoS):
			r.Degraded++
			r.detail("WRONG QOS", "%s got %v at %v with QoS %d, expected %d", s.client, got.Message, got.moment, got.qos, min(sub.qos, got.QoS))
		case f.outcome == refused:
			r.LateRefused++
		}
	}
}

func (s *sessionLog) subscriptionFor(m Message) *subscription {
	for i := range s.subscriptions {
		if _, match := s.subscriptions[i].grants(m); match {
			return &s.subscriptions[i]
		}
	}
	return nil
}

// audience is who a message is owed to: one session, or the members of a group.
type audience struct {
	name     string
	sub      subscription // of the first member
	receipts []receipt    // in order
}

func (r *Report) checkSubscription(h *History, s *sessionLog, sub *subscription, groups map[string]*audience) {
	a := &audience{name: s.client, sub: *sub}
	if sub.group != "" {
		name := "group " + sub.group + " of " + sub.filter
		if groups[name] == nil {
			groups[name] = &audience{name: name, sub: *sub}
		}
		a = groups[name]
	}
	for _, got := range s.receipts {
		if _, match := sub.grants(got.Message); match && h.fates[got.Message] != nil {
			a.receipts = append(a.receipts, got)
		}
	}
	if sub.group == "" {
		r.checkAudience(h, a)
	}
}

func (r *Report) checkAudience(h *History, a *audience) {
	slices.SortFunc(a.receipts, func(x, y receipt) int { return cmp.Compare(x.order, y.order) })
	first := make(map[Message]moment)
	highest := make(map[Message]Message) // of a flow: the message without its number
	for _, got := range a.receipts {
		qos := min(a.sub.qos, got.QoS)
		if before, again := first[got.Message]; again {
			r.repeated(a, got, qos, before)
			continue
		}
		first[got.Message] = got.moment
		flow := got.Message
		flow.Number = 0
		if last := highest[flow]; a.sub.group == "" && got.Number < last.Number {
			r.Reordered++
			r.detail("REORDERED", "%s got %v at %v after number %d at %v; published at %v and %v, acknowledged at %v and %v", a.name, got.Message, got.moment, last.Number, first[last],
				h.fates[got.Message].published, h.fates[last].published, h.fates[got.Message].answered, h.fates[last].answered)
			continue
		}
		highest[flow] = got.Message
	}
	r.checkOwed(h, a, first)
}

func (r *Report) repeated(a *audience, got receipt, qos mqtt.QoS, before moment) {
	if qos != 1 {
		if a.sub.group != "" {
			r.GroupDuplicated++
		} else {
			r.Duplicated++
		}
		r.detail("DUPLICATED", "%s got %v at %v and again at %v (DUP %v)", a.name, got.Message, before, got.moment, got.dup)
		return
	}
	r.Repeated++
	if !got.dup {
		r.RepeatedWithoutDUP++
	}
}

// checkOwed looks for what should have come and did not.
func (r *Report) checkOwed(h *History, a *audience, came map[Message]moment) {
	var lost []Message
	for m, f := range h.fates {
		qos, match := a.sub.grants(m)
		_, there := came[m]
		switch {
		case !match || there || f.published.order < a.sub.since.order:
		case qos == 0:
			r.MissingQoS0++
		case f.outcome == acknowledged:
			lost = append(lost, m)
		}
	}
	if a.sub.group != "" {
		r.GroupLost += len(lost)
	} else {
		r.Lost += len(lost)
	}
	slices.SortFunc(lost, func(x, y Message) int { return cmp.Compare(h.fates[x].published.order, h.fates[y].published.order) })
	for _, m := range lost {
		f := h.fates[m]
		r.detail("LOST", "%s never got %v, published at %v, acknowledged at %v (0x%02X)", a.name, m, f.published, f.answered, byte(f.code))
	}
}
