package scram

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha512"

	"github.com/xdg-go/scram"
	"github.com/xdg-go/stringprep"

	"github.com/dunlin-mq/dunlin/auth"
	"github.com/dunlin-mq/dunlin/mqtt"
)

// The mechanisms, as a CONNECT names them.
const (
	SHA256 = "SCRAM-SHA-256"
	SHA512 = "SCRAM-SHA-512"
)

// hashes are the mechanisms there are, and what they are made of.
var hashes = map[string]scram.HashGeneratorFcn{SHA256: scram.SHA256, SHA512: scram.SHA512}

// Users are the accounts a Mechanism looks up. Both methods answer at once and
// may be called by any number of goroutines; names are prepared (RFC 4013).
type Users interface {
	Credentials(mechanism, username string) (account Account, ok bool)
	// Usual is what the salt and the iterations of most accounts are like: a
	// user who doesn't exist is to look like one of them.
	Usual(mechanism string) (saltLength, iterations int)
}

// Mechanisms returns what auth.Control takes under each name.
func Mechanisms(users Users) map[string]auth.Mechanism {
	all := make(map[string]auth.Mechanism)
	for name := range hashes {
		m := &mechanism{name: name, users: users}
		rand.Read(m.secret[:]) // never fails
		all[name] = m
	}
	return all
}

type mechanism struct {
	name   string
	users  Users
	secret [32]byte // of this process: makes up salts
	nonce  scram.NonceGeneratorFcn
}

// Begin starts an exchange.
func (m *mechanism) Begin(*auth.Client) auth.Exchange {
	e := &exchange{mechanism: m}
	server, err := hashes[m.name].NewServer(e.lookUp)
	if err != nil {
		e.failed = true // the library says it may happen
		return e
	}
	if m.nonce != nil {
		server.WithNonceGenerator(m.nonce)
	}
	e.conversation = server.NewConversation()
	return e
}

// nobody is the account of a user who doesn't exist: always with the same salt,
// so that asking twice tells nothing, until the process ends.
func (m *mechanism) nobody(username string) Account {
	length, iterations := m.users.Usual(m.name)
	mac := hmac.New(sha512.New, m.secret[:])
	mac.Write([]byte(username))
	salt := mac.Sum(nil)
	for len(salt) < length {
		mac.Write(salt)
		salt = mac.Sum(salt)
	}
	keys := Keys{Salt: salt[:length], Iterations: iterations, StoredKey: make([]byte, hashes[m.name]().Size())}
	return Account{Mechanism: m.name, Username: username, Keys: keys}
}

// maxMessage bounds what a client may send in one step, in bytes.
const maxMessage = 4096

// exchange is one run: client first, server first, client final, server final.
type exchange struct {
	mechanism    *mechanism
	conversation *scram.ServerConversation
	account      Account
	known        bool // the account exists
	invited      bool // the client was asked to begin
	failed       bool
}

func (e *exchange) lookUp(username string) (scram.StoredCredentials, error) {
	prepared, err := prepare(username)
	if err == nil {
		e.account, e.known = e.mechanism.users.Credentials(e.mechanism.name, prepared)
	}
	nobody := e.mechanism.nobody(username) // whether needed or not: the time it takes tells nothing
	if !e.known {
		e.account = nobody
	}
	return scram.StoredCredentials{
		KeyFactors: scram.KeyFactors{Salt: string(e.account.Salt), Iters: e.account.Iterations},
		StoredKey:  e.account.StoredKey,
		ServerKey:  e.account.ServerKey,
	}, nil
}

// Step takes the client's next message. A CONNECT that names the mechanism and
// has no data yet is answered by an empty message. With a failure the reply is
// RFC 5802's e=…, the same for a wrong password and a user who doesn't exist.
func (e *exchange) Step(data []byte) (reply []byte, code mqtt.ReasonCode) {
	if len(data) == 0 && !e.invited && !e.failed {
		e.invited = true
		return nil, mqtt.ContinueAuthentication
	}
	e.invited = true
	if e.failed || len(data) > maxMessage {
		return nil, e.fail()
	}
	message, err := e.conversation.Step(string(data))
	switch {
	case err != nil:
		return []byte(message), e.fail()
	case !e.conversation.Done():
		if !e.asItself() {
			return []byte(scram.ErrOtherError), e.fail()
		}
		return []byte(message), mqtt.ContinueAuthentication
	case !e.proved():
		return nil, e.fail()
	}
	return []byte(message), mqtt.Success
}

func (e *exchange) fail() mqtt.ReasonCode {
	e.failed = true
	return mqtt.NotAuthorized
}

// asItself reports whether the client wants to act as the user it will prove
// to be, and as nobody else.
func (e *exchange) asItself() bool {
	id := e.conversation.AuthzID()
	return id == "" || id == e.conversation.Username()
}

func (e *exchange) proved() bool {
	return !e.failed && e.known && e.conversation.Done() && e.conversation.Valid()
}

// Answer is who the client has proved to be.
func (e *exchange) Answer() (a auth.Answer, username string) {
	if !e.proved() {
		return auth.Answer{Verdict: auth.Deny}, ""
	}
	return auth.Answer{Verdict: auth.Allow, Superuser: e.account.Superuser}, e.account.Username
}

// prepare makes names that look the same equal (RFC 5802, clause 5.1).
func prepare(username string) (string, error) { return stringprep.SASLprep.Prepare(username) }
