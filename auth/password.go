package auth

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"runtime"
	"sync"
)

// maxProven is how many proven passwords are remembered: some 5 MB.
const maxProven = 100_000

// Passwords checks passwords for a whole process. Slow kinds run on half of the
// processors at most, so that the event loops keep the others, and a password
// that was right once is remembered: a storm of reconnecting clients is not
// hashed again. It is safe for concurrent use.
//
// What is remembered is a keyed digest of kind, stored value, salt and password
// under a key that no other process has. It holds no password, and it can't
// be out of date: another stored value makes another digest.
type Passwords struct {
	slots chan struct{}
	key   [sha256.Size]byte

	mu     sync.Mutex
	proven map[proof]struct{}
}

type proof [sha256.Size]byte

// NewPasswords makes the one of a process.
func NewPasswords() *Passwords {
	p := &Passwords{
		slots:  make(chan struct{}, max(1, runtime.GOMAXPROCS(0)/2)),
		proven: make(map[proof]struct{}),
	}
	rand.Read(p.key[:]) // never fails
	return p
}

// Verify reports whether a password fits a stored value. It waits for its turn
// if h is Slow; the error is that of ctx, which ended meanwhile. A stored value
// that can't be read fits nothing.
func (p *Passwords) Verify(ctx context.Context, h Hash, stored, salt string, password []byte) (bool, error) {
	if !h.Slow() {
		return h.matches(stored, salt, password), nil
	}
	id := p.proof(h, stored, salt, password)
	if p.remembers(id) {
		return true, nil
	}
	if err := p.acquire(ctx); err != nil {
		return false, err
	}
	defer p.release()
	if p.remembers(id) { // proven by one that was before us in the line
		return true, nil
	}
	if !h.matches(stored, salt, password) {
		return false, nil
	}
	p.remember(id)
	return true, nil
}

// VerifyAtOnce is Verify for an event loop: it never waits. known is false if
// only the slow way can tell.
func (p *Passwords) VerifyAtOnce(h Hash, stored, salt string, password []byte) (fits, known bool) {
	if !h.Slow() {
		return h.matches(stored, salt, password), true
	}
	fits = p.remembers(p.proof(h, stored, salt, password))
	return fits, fits
}

// Make is h.Make in its turn. The error may be that of ctx.
func (p *Passwords) Make(ctx context.Context, h Hash, password []byte) (stored, salt string, err error) {
	if h.Slow() {
		if err := p.acquire(ctx); err != nil {
			return "", "", err
		}
		defer p.release()
	}
	return h.Make(password)
}

func (p *Passwords) acquire(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	select {
	case p.slots <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (p *Passwords) release() { <-p.slots }

// proof is the digest a password is remembered by. Lengths go in as well, so
// that no two sets of values run together.
func (p *Passwords) proof(h Hash, stored, salt string, password []byte) (id proof) {
	buf := make([]byte, 0, 256)
	buf = append(buf, byte(h.kind), byte(h.digest), byte(h.salt))
	buf = binary.BigEndian.AppendUint16(buf, h.length)
	buf = binary.BigEndian.AppendUint32(buf, h.rounds)
	buf = binary.AppendUvarint(buf, uint64(len(stored)))
	buf = append(buf, stored...)
	buf = binary.AppendUvarint(buf, uint64(len(salt)))
	buf = append(buf, salt...)
	buf = append(buf, password...)
	mac := hmac.New(sha256.New, p.key[:])
	mac.Write(buf)
	mac.Sum(id[:0])
	clear(buf)
	return id
}

func (p *Passwords) remembers(id proof) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	_, ok := p.proven[id]
	return ok
}

// remember makes room, if it must, at the cost of any other: a map's order of
// iteration is random enough.
func (p *Passwords) remember(id proof) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.proven) >= maxProven {
		for old := range p.proven {
			delete(p.proven, old)
			break
		}
	}
	p.proven[id] = struct{}{}
}
