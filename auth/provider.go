package auth

import (
	"context"
	"time"

	"github.com/dunlin-mq/dunlin/hook"
	"github.com/dunlin-mq/dunlin/mqtt"
)

// Client is the identity of who asks.
type Client = hook.ClientInfo

// Action is what an ACL check is about.
type Action = hook.Action

// The two actions.
const (
	Publish   = hook.Publish
	Subscribe = hook.Subscribe
)

// Request is one question to the chains. Who asks doesn't change it until the
// answer is there, and a provider keeps nothing of it. Requests are identical, and
// may be given one answer, if all is the same but the client's port.
type Request struct {
	Client   *Client
	Password []byte // of a CONNECT; nil: none was given

	// Of an ACL check; the topic has no mountpoint and no share prefix.
	Action Action
	Topic  string
}

// Because is a Why whose words are there already, for who has asked a backend.
type Because struct{ Rule, Where string }

// Explain is Why's.
func (b Because) Explain() (rule, where string) { return b.Rule, b.Where }

// Verdict is what an answer comes to.
type Verdict uint8

// The three verdicts.
const (
	Ignore Verdict = iota // ask the next one
	Allow
	Deny
)

// Answer is what a provider says to one Request. The zero Answer is Ignore.
type Answer struct {
	Verdict Verdict
	// Code is the reason of a Deny; zero stands for NotAuthorized.
	Code mqtt.ReasonCode

	// Rule is what an authorizer's answer rests on; nil: no rule of its own.
	Rule Why

	// What an authenticator may add to an Allow.
	Superuser  bool      // the ACL is not asked about this client
	Mountpoint string    // takes the place of the zone's; empty: it doesn't
	Rights     any       // kept as Client.Rights, for the Authorizer of the same provider
	Expires    time.Time // the connection ends then; zero: it doesn't
}

// Why is what an answer rests on: a rule of a file, a row, a claim. It may be
// asked long after the answer was given.
type Why interface {
	// Explain returns the rule as it was written, and where it stands, such as
	// acl.conf:12; empty: in no place that has a name.
	Explain() (rule, where string)
}

// Authenticator says who a client is. An error means that no answer could be
// had; what then holds is the Provider's OnError. Errors name what was tried
// and never hold a password.
type Authenticator interface {
	Authenticate(ctx context.Context, r *Request) (Answer, error)
}

// Authorizer says whether a client may publish to a topic or subscribe to a
// filter. For errors see Authenticator.
type Authorizer interface {
	Authorize(ctx context.Context, r *Request) (Answer, error)
}

// Mechanism is one method of enhanced authentication, MQTT 5 clause 4.12. It
// answers at once.
type Mechanism interface {
	// Begin starts an exchange, at CONNECT or to authenticate again.
	Begin(c *Client) Exchange
}

// Exchange is one run of a Mechanism. Step takes what the client sent and
// returns what to send back; the code is ContinueAuthentication, Success or a
// failure. After Success, Answer says who the client is.
type Exchange interface {
	Step(data []byte) (reply []byte, code mqtt.ReasonCode)
	// Answer is what the exchange has found out, and the user name it proved.
	Answer() (a Answer, username string)
}

// Provider is one source of answers in the chains. Both its Authenticator and
// its Authorizer may be nil: it has nothing to say there. Two of one name may
// be given to Control.Use together.
type Provider struct {
	Name string // as in auth_order: http, jwt, mysql, …
	Authenticator
	Authorizer
	// Backend is nil if the answers come out of memory; else the provider may
	// block and is called on a pool of its own, outside the event loops.
	Backend *Backend
	// Last has the provider asked after all others: the rule file.
	Last bool
	// Close, if not nil, is called once the provider is out of the chains and
	// no call of it is under way, on any goroutine.
	Close func()
}

// Backend is how a provider that asks somebody else is treated.
type Backend struct {
	// Pool is how many calls may be under way at once; 0 stands for 8.
	Pool int
	// Timeout is for one question, waiting for its turn included; 0 stands for
	// 5 s. A call that goes on after it keeps its place in the pool.
	Timeout time.Duration `conf:"timeout"`
	// MaxWaiting is how many requests may wait for their turn; 0 stands for
	// 10,000. Those above are refused, whatever OnError says.
	MaxWaiting int `conf:"max_waiting" range:"1.."`
	// OnError is what holds while no answer is to be had: deny, also if it is
	// empty, or ignore, which asks the next provider.
	OnError string `conf:"on_error" oneof:"deny ignore"`
	// Ping, if not nil, is how the backend's return is noticed; else one
	// request is put to it on trial.
	Ping func(ctx context.Context) error
}

// Prompt is what an Authenticator with a Backend may be as well: one that
// often knows the answer without asking.
type Prompt interface {
	// AuthenticateAtOnce must not block; false: Authenticate has to be called.
	AuthenticateAtOnce(r *Request) (a Answer, ok bool)
}
