package broker

import (
	"sync"
	"sync/atomic"

	"github.com/dunlin-mq/dunlin/metrics"
	"github.com/dunlin-mq/dunlin/session"
)

// Refusal is the reason why a message reached nobody's session.
type Refusal uint8

// The refusals. All but NoSubscribers and DelayedFull are answered to the
// publisher with a failure, if its version of the protocol has one.
const (
	NoSubscribers   Refusal = iota
	NotAuthorized           // the ACL forbids it
	NotJudged               // no backend could say whether the ACL does
	QuotaExceeded           // quota.* of the zone
	TooManyReleases         // max_awaiting_rel QoS 2 messages wait for PUBREL
	RefusedByHook           // a function on message.publish
	DelayedFull             // broker.max_delayed_messages or max_delayed_bytes
	NotKept                 // it is for durable sessions, and the log didn't take it
	refusals
)

// String is the reason's word in metrics and answers.
func (r Refusal) String() string {
	return [...]string{
		"no_subscribers", "not_authorized", "not_judged", "quota_exceeded", "receive_maximum_exceeded", "refused_by_hook", "delayed_full", "not_kept",
	}[r]
}

// account counts what was refused, and remembers for each reason who lost most
// by it. It is touched when something is dropped, and never otherwise.
type account struct {
	refused     [refusals]*metrics.Counter
	ofRefused   [refusals]losers
	ofDropped   [session.Unsubscribed + 1]losers
	since       int64        // Unix milliseconds
	losersSince atomic.Int64 // Unix milliseconds
}

// losers are the clients and topics of one reason.
type losers struct {
	mu              sync.Mutex
	clients, topics sketch
}

func (l *losers) add(client, topic string) { l.addMany(client, topic, 1) }

func (l *losers) addMany(client, topic string, n uint64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if client != "" {
		l.clients.add(client, n)
	}
	if topic != "" {
		l.topics.add(topic, n)
	}
}

func (l *losers) forget() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.clients, l.topics = sketch{}, sketch{}
}

var refusalHelp = [refusals]string{
	NoSubscribers:   "messages that nobody subscribed to",
	NotAuthorized:   "messages that the ACL forbade",
	NotJudged:       "messages refused because no backend could say whether the ACL forbids them",
	QuotaExceeded:   "messages refused for a quota of the zone",
	TooManyReleases: "QoS 2 messages refused because max_awaiting_rel others waited for PUBREL",
	RefusedByHook:   "messages refused by a function on message.publish",
	DelayedFull:     "delayed messages refused because as many waited as may",
	NotKept:         "messages refused because they are for durable sessions and couldn't be kept",
}

func (a *account) open(r *metrics.Registry) {
	a.since = Now()
	a.losersSince.Store(a.since)
	for why := range refusals {
		name := "messages.refused." + why.String()
		if why == NoSubscribers { // EMQ X's name
			name = "messages.dropped.no_subscribers"
		}
		a.refused[why] = r.Counter(name, refusalHelp[why])
	}
}

// Refused books a message that a connection has refused before it came to
// Publish. client is who published it.
func (br *Broker) Refused(why Refusal, client, topic string) {
	br.account.refused[why].Inc()
	br.account.ofRefused[why].add(client, topic)
}

// Losers are those who lost most for one reason, the first one most: at least
// so many messages or deliveries each.
type Losers struct {
	Clients []Tallied // the publishers of messages, the receivers of deliveries
	Topics  []Tallied
}

func (l *losers) top(most int) Losers {
	l.mu.Lock()
	defer l.mu.Unlock()
	return Losers{l.clients.top(most), l.topics.top(most)}
}

// Account is what became of all messages and deliveries.
type Account struct {
	Since     int64  // Unix milliseconds
	Published uint64 // messages, $SYS excluded
	Ledger    Ledger
	Refused   map[string]uint64 // messages by Refusal

	Losers      map[string]Losers // by Refusal and reason of Ledger.Dropped; only those that lost something
	LosersSince int64             // Unix milliseconds
}

// Account reads the books; of each reason at most so many losers.
func (br *Broker) Account(losers int) Account {
	k := &br.account
	a := Account{
		Since: k.since, Published: br.count.published.Value(), Ledger: br.Ledger(),
		Refused: make(map[string]uint64), Losers: make(map[string]Losers), LosersSince: k.losersSince.Load(),
	}
	for why := range refusals {
		a.Refused[why.String()] = k.refused[why].Value()
		a.add(why.String(), k.ofRefused[why].top(losers))
	}
	for why := session.NoLocal; why <= session.Unsubscribed; why++ {
		a.add(why.String(), k.ofDropped[why].top(losers))
	}
	return a
}

func (a *Account) add(reason string, l Losers) {
	if len(l.Topics)+len(l.Clients) > 0 {
		a.Losers[reason] = l
	}
}

// ForgetLosers begins the search for who loses most again.
func (br *Broker) ForgetLosers() {
	k := &br.account
	for i := range k.ofRefused {
		k.ofRefused[i].forget()
	}
	for i := range k.ofDropped {
		k.ofDropped[i].forget()
	}
	k.losersSince.Store(Now())
}
