package mqtttest

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/dunlin-mq/dunlin/auth"
	"github.com/dunlin-mq/dunlin/mqtt"
	"github.com/dunlin-mq/dunlin/node"
)

// TestAccess plays what clients see of access control, against a node in this
// process whose backend does what user names and topics tell it.
func TestAccess(t *testing.T) {
	if *against != "dunlin" {
		t.Skip("needs a backend that only this process has")
	}
	playAll(t, "testdata/access", inProcess{})
}

// inProcess starts nodes in this process.
type inProcess struct{}

// Start implements Broker.
func (inProcess) Start(t testing.TB, settings []string, ws bool) (Node, error) {
	c, _, err := node.LoadConfig("", envSettings(append(ownSettings(t.TempDir(), ws), settings...)))
	if err != nil {
		return Node{}, err
	}
	n, err := node.Start(c, nil)
	if err != nil {
		return Node{}, err
	}
	provider := func(name string, o oracle) auth.Provider {
		return auth.Provider{
			Name: name, Authenticator: o, Authorizer: o,
			Backend: &auth.Backend{Pool: 64, Timeout: 1500 * time.Millisecond, MaxWaiting: 1000, OnError: "deny"},
		}
	}
	n.Access.Remove("file")
	n.Access.Use(provider("oracle", oracle{}), provider("sick", oracle{sick: true})) // what is sick gets avoided, so it is another one
	n.Access.UseMechanism("NAME", nameMechanism{})
	if err := n.Access.Bans().Add(auth.Ban{Kind: auth.BanUsername, Who: "outlaw"}); err != nil {
		return Node{}, err
	}
	t.Cleanup(n.Stop)
	var at Node
	for _, l := range n.Server.Listeners() {
		switch l.Protocol {
		case "tcp":
			at.TCP = l.Addr.String()
		case "ws":
			at.WS = l.Addr.String()
		}
	}
	return at, nil
}

// oracle is a backend that knows what to say from the words in what it is
// asked about: about down and hang the sick one alone, and about nothing else.
type oracle struct{ sick bool }

// has reports whether a word stands in a text such as b/slow-no.
func has(text, word string) bool {
	return slices.Contains(strings.FieldsFunc(text, func(r rune) bool { return r < 'a' || r > 'z' }), word)
}

var errDown = errors.New("the oracle is down")

// slowness is how long the oracle takes where it is slow.
const slowness = 600 * time.Millisecond

func (o oracle) say(ctx context.Context, about string) (auth.Answer, error) {
	if o.sick != (has(about, "hang") || has(about, "down")) {
		return auth.Answer{}, nil
	}
	if has(about, "slow") {
		time.Sleep(slowness)
	}
	switch {
	case has(about, "hang"):
		<-ctx.Done()
		return auth.Answer{}, ctx.Err()
	case has(about, "down"):
		return auth.Answer{}, errDown
	case has(about, "no"):
		return auth.Answer{Verdict: auth.Deny}, nil
	case has(about, "ignore"):
		return auth.Answer{}, nil
	}
	return auth.Answer{Verdict: auth.Allow}, nil
}

// Authenticate implements auth.Authenticator.
func (o oracle) Authenticate(ctx context.Context, r *auth.Request) (auth.Answer, error) {
	name := r.Client.Username
	if name == "" {
		return auth.Answer{}, nil
	}
	a, err := o.say(ctx, name)
	if a.Verdict != auth.Allow {
		return a, err
	}
	a.Superuser = has(name, "root")
	if has(name, "brief") {
		a.Expires = time.Now().Add(time.Second)
	}
	if has(name, "below") {
		a.Mountpoint = "below/%c/"
	}
	if has(name, "wrong") {
		a = auth.Answer{Verdict: auth.Deny, Code: mqtt.BadUserNameOrPassword}
	}
	return a, err
}

// Authorize implements auth.Authorizer.
func (o oracle) Authorize(ctx context.Context, r *auth.Request) (auth.Answer, error) {
	return o.say(ctx, r.Topic)
}

// nameMechanism is a method of enhanced authentication that believes the name
// it is told: ask, who?, name.
type nameMechanism struct{}

// Begin implements auth.Mechanism.
func (nameMechanism) Begin(*auth.Client) auth.Exchange { return new(nameExchange) }

type nameExchange struct{ name string }

// Step implements auth.Exchange.
func (x *nameExchange) Step(data []byte) ([]byte, mqtt.ReasonCode) {
	switch text := string(data); {
	case text == "" || text == "ask":
		return []byte("who?"), mqtt.ContinueAuthentication
	case has(text, "panic"):
		panic(text)
	case has(text, "no"):
		return nil, mqtt.NotAuthorized
	default:
		x.name = text
		return []byte("welcome"), mqtt.Success
	}
}

// Answer implements auth.Exchange.
func (x *nameExchange) Answer() (auth.Answer, string) {
	a := auth.Answer{Verdict: auth.Allow, Superuser: has(x.name, "root")}
	if has(x.name, "brief") {
		a.Expires = time.Now().Add(time.Second)
	}
	if has(x.name, "below") {
		a.Mountpoint = "below/%u/"
	}
	return a, x.name
}
