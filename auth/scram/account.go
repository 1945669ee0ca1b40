package scram

import (
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/xdg-go/scram"
)

// Account is a user of one mechanism.
type Account struct {
	Mechanism string
	Username  string // prepared, RFC 4013
	Superuser bool
	Keys
}

// Keys are what is kept instead of a password.
type Keys = struct {
	StoredKey, ServerKey, Salt []byte
	Iterations                 int
}

// Bounds of the iterations. The lower one, RFC 7677's, is also what an account
// gets that names none; at the upper one small devices need many seconds.
const (
	MinIterations = 4096
	MaxIterations = 1_000_000
)

const (
	usualSalt = 16 // bytes of a random one
	maxSalt   = 1024
)

// newAccount derives the keys of an account, which takes a while. Without a
// salt it gets a random one, with no iterations the fewest.
func newAccount(mechanism, username string, password, salt []byte, iterations int) (Account, error) {
	a := Account{Mechanism: mechanism}
	hash, ok := hashes[mechanism]
	if !ok {
		return a, fmt.Errorf("the mechanism is %q, expected %s or %s", mechanism, SHA256, SHA512)
	}
	if iterations == 0 {
		iterations = MinIterations
	}
	if iterations < MinIterations || iterations > MaxIterations {
		return a, fmt.Errorf("found %d iterations, expected %d to %d", iterations, MinIterations, MaxIterations)
	}
	if len(salt) > maxSalt {
		return a, fmt.Errorf("found a salt of %d bytes, expected at most %d", len(salt), maxSalt)
	}
	if len(salt) == 0 {
		salt = make([]byte, usualSalt)
		rand.Read(salt) // never fails
	}
	if len(password) == 0 {
		return a, errors.New("found no password")
	}
	name, err := prepare(username)
	if err != nil || name == "" {
		return a, fmt.Errorf("the user name %q can't be used: RFC 4013 wants at least one character, and none that is unassigned or for control", username)
	}
	client, err := hash.NewClient(name, string(password), "")
	if err != nil {
		return a, errors.New("the password can't be used: RFC 4013 forbids one of its characters")
	}
	stored, err := client.GetStoredCredentialsWithError(scram.KeyFactors{Salt: string(salt), Iters: iterations})
	if err != nil {
		return a, fmt.Errorf("the keys of %q can't be derived: %w", name, err)
	}
	a.Username = name
	a.Keys = Keys{StoredKey: stored.StoredKey, ServerKey: stored.ServerKey, Salt: salt, Iterations: iterations}
	return a, nil
}

// record is an account as it is kept; the bytes are base64.
type record struct {
	Mechanism  string `json:"mechanism"`
	Username   string `json:"username"`
	StoredKey  []byte `json:"stored_key"`
	ServerKey  []byte `json:"server_key"`
	Salt       []byte `json:"salt"`
	Iterations int    `json:"iteration_count"`
	Superuser  bool   `json:"is_superuser,omitempty"`
}

func (a Account) marshal() ([]byte, error) {
	return json.Marshal(record{a.Mechanism, a.Username, a.StoredKey, a.ServerKey, a.Salt, a.Iterations, a.Superuser})
}

func unmarshal(value []byte) (Account, error) {
	var r record
	if err := json.Unmarshal(value, &r); err != nil {
		return Account{}, err
	}
	hash, ok := hashes[r.Mechanism]
	switch {
	case !ok:
		return Account{}, fmt.Errorf("the mechanism %q is unknown", r.Mechanism)
	case r.Username == "":
		return Account{}, errors.New("the user name is missing")
	case len(r.StoredKey) != hash().Size() || len(r.ServerKey) != hash().Size():
		return Account{}, fmt.Errorf("its keys do not have %d bytes", hash().Size())
	case len(r.Salt) == 0 || len(r.Salt) > maxSalt:
		return Account{}, fmt.Errorf("its salt has %d bytes", len(r.Salt))
	case r.Iterations < MinIterations || r.Iterations > MaxIterations:
		return Account{}, fmt.Errorf("it has %d iterations", r.Iterations)
	}
	return Account{r.Mechanism, r.Username, r.Superuser, Keys{r.StoredKey, r.ServerKey, r.Salt, r.Iterations}}, nil
}
