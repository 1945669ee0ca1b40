package login

import (
	"context"
	"crypto/rand"
	"sync"

	"github.com/dunlin-mq/dunlin/auth"
)

// Secret is what is kept of a secret or a password.
type Secret struct {
	Hash   string `json:"hash"` // how it is stored, as auth.ParseHash reads it
	Stored string `json:"stored"`
	Salt   []byte `json:"salt,omitempty"`
}

// Hasher makes and checks Secrets. It is safe for concurrent use.
type Hasher struct {
	hash      auth.Hash
	name      string
	passwords *auth.Passwords
	// nobody is a Secret that nobody has: a name that isn't there must take as
	// long as one that is.
	nobody func() Secret
}

// NewHasher makes one that stores in the way of hash; passwords are those of
// the process.
func NewHasher(hash auth.Hash, passwords *auth.Passwords) *Hasher {
	h := &Hasher{hash: hash, name: hash.String(), passwords: passwords}
	h.nobody = sync.OnceValue(func() Secret {
		s, _ := h.make(context.Background(), rand.Text()) // if nothing can be made, nothing fits it either
		return s
	})
	return h
}

// make hashes a secret, which takes its time and its turn.
func (h *Hasher) make(ctx context.Context, secret string) (Secret, error) {
	stored, salt, err := h.passwords.Make(ctx, h.hash, []byte(secret))
	return Secret{h.name, stored, []byte(salt)}, err
}

// proven reports, at once, that a secret fits and was found so before. Of one
// that is stored in another way it says nothing: that may be a digest that was
// imported, which would fit at once without having been found so.
func (h *Hasher) proven(s *Secret, secret string) bool {
	if s.Hash != h.name {
		return false
	}
	fits, _ := h.passwords.VerifyAtOnce(h.hash, s.Stored, string(s.Salt), []byte(secret))
	return fits
}

// fits takes the same time whether the secret is wrong or there is none, which
// is nil. One that is stored in another way, as it was imported, may be found
// out faster, so that the time of the usual way is spent as well.
func (h *Hasher) fits(ctx context.Context, s *Secret, secret string) bool {
	nobody := h.nobody()
	if s != nil && s.Hash == h.name {
		return h.verify(ctx, s, secret)
	}
	found := s != nil && h.verify(ctx, s, secret)
	h.verify(ctx, &nobody, secret)
	return found
}

func (h *Hasher) verify(ctx context.Context, s *Secret, secret string) bool {
	fits, err := h.passwords.Verify(ctx, s.kind(), s.Stored, string(s.Salt), []byte(secret))
	return err == nil && fits
}

// kind is the way it is stored; nothing fits one that isn't known.
func (s *Secret) kind() auth.Hash {
	h, _ := auth.ParseHash(s.Hash)
	return h
}
