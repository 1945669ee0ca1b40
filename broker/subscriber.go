package broker

import (
	"github.com/dunlin-mq/dunlin/auth"
	"github.com/dunlin-mq/dunlin/mqtt"
	"github.com/dunlin-mq/dunlin/session"
	"github.com/dunlin-mq/dunlin/topic"
)

// Subscriber is whoever has an entry in the index of subscriptions: a client
// of this node, a shared group, another node, a gateway's client.
type Subscriber interface {
	// Deliver hands over one message that sub's filter matched. It never
	// blocks: what can't be taken is queued or dropped, and counted. m may be
	// borrowed: who wants it longer than the call keeps it, see mqtt.Message.
	Deliver(b *Batch, m *mqtt.Message, sub *session.Subscription)
}

// recipient is a Subscriber as its routes know it: by one pointer instead of
// two, because of routes there are millions.
type recipient struct{ Subscriber }

// route is an entry of the index: whose subscription it is, and with what
// options. It is never changed; a changed subscription is a new route.
type route struct {
	session.Subscription
	to *recipient
}

// routeKey tells the routes of one filter apart: a client can have a plain and
// an exclusive one.
type routeKey struct {
	to   *recipient
	kind topic.Kind
}

// Bare and Key are topic.Entry's.
func (r *route) Bare() string  { return split(r.Filter).Bare }
func (r *route) Key() routeKey { return routeKey{r.to, split(r.Filter).Kind} }

// Conn is a client's connection as the broker sees it. All methods are safe
// for concurrent use, return at once and never call back into the broker.
type Conn interface {
	// Send appends one PUBLISH to the connection's output; false: it exceeds
	// the client's maximum packet size and was not sent [MQTT-3.1.2-24].
	Send(b *Batch, t *mqtt.Template, o *mqtt.PublishOptions) bool
	// SendAck appends a PUBACK, PUBREC, PUBREL or PUBCOMP.
	SendAck(b *Batch, kind mqtt.Type, id uint16, code mqtt.ReasonCode)
	// Full reports that the output has reached its high-water mark. The
	// connection calls Client.Drain when there is room again.
	Full() bool
	// Flush writes what has been appended since the last Flush.
	Flush()
	// ACLCache is what backends have said about the client's topics; nil: none
	// was asked. It goes with the connection.
	ACLCache() *auth.Cache
	// End closes the connection, with a DISCONNECT where the client's version
	// knows one.
	End(why Ending)
}

// Ending says why a connection ends.
type Ending struct {
	Code mqtt.ReasonCode // sent to a version 5 client; Success: nothing is sent
	Word string          // what it is counted as: kicked, discarded, …
}

// The endings that the broker causes.
var (
	endTakenOver = Ending{mqtt.SessionTakenOver, "takeovered"}
	endDiscarded = Ending{mqtt.SessionTakenOver, "discarded"}
	endKicked    = Ending{mqtt.AdministrativeAction, "kicked"}
	endExclusive = Ending{mqtt.QuotaExceeded, "exclusive_lost"}
)
