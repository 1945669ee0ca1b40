package cluster

import (
	"encoding/binary"
	"errors"
	"math"
	"slices"

	"github.com/dunlin-mq/dunlin/fields"
)

// Interest is what one node's clients want of the messages that one filter
// matches. The zero Interest is none: there is no route.
type Interest struct {
	Plain   bool         // some client gets them, each its own copy
	Durable bool         // some durable session wants those of QoS 1 and 2 in the log, connected or not
	Groups  []GroupCount // of shared groups, by name; never changed, only replaced
}

// GroupCount is how many members of a shared group a node has.
type GroupCount struct {
	Name    string
	Members uint32 // connected or not; not 0
	Online  uint32 // of these, connected
}

func (in Interest) none() bool { return !in.Plain && !in.Durable && len(in.Groups) == 0 }

func (in Interest) equal(other Interest) bool {
	return in.Plain == other.Plain && in.Durable == other.Durable && slices.Equal(in.Groups, other.Groups)
}

// The bits of an encoded Interest's first byte. Without any, the route ends.
const (
	interestPlain = 1 << iota
	interestDurable
	interestGroups
)

// appendRoute encodes one filter and what it is wanted for.
func appendRoute(dst []byte, filter string, in Interest) []byte {
	dst = fields.AppendText(dst, filter)
	var bits byte
	if in.Plain {
		bits |= interestPlain
	}
	if in.Durable {
		bits |= interestDurable
	}
	if len(in.Groups) > 0 {
		bits |= interestGroups
	}
	dst = append(dst, bits)
	if len(in.Groups) == 0 {
		return dst
	}
	dst = binary.AppendUvarint(dst, uint64(len(in.Groups)))
	for _, g := range in.Groups {
		dst = fields.AppendText(dst, g.Name)
		dst = binary.AppendUvarint(dst, uint64(g.Members))
		dst = binary.AppendUvarint(dst, uint64(g.Online))
	}
	return dst
}

var errBadRoute = errors.New("the message has a route without a filter or with unordered groups")

// route reads what appendRoute wrote.
func (r *reader) route() (filter string, in Interest) {
	filter = r.Text()
	bits := r.Byte()
	in.Plain, in.Durable = bits&interestPlain != 0, bits&interestDurable != 0
	if bits&interestGroups != 0 {
		in.Groups = make([]GroupCount, r.Count())
	}
	for i := range in.Groups {
		in.Groups[i] = GroupCount{r.Text(), r.members(), r.members()}
		if i > 0 && in.Groups[i-1].Name >= in.Groups[i].Name {
			r.Fail(errBadRoute)
		}
	}
	if filter == "" {
		r.Fail(errBadRoute)
	}
	return filter, in
}

// routeHash is what one route adds to the digest of a node's routes; none adds
// nothing. It is the same on every node. The seed is the epoch of the routes'
// owner, so that nobody can look for filters that hide each other.
func routeHash(seed uint64, filter string, in Interest) uint64 {
	if in.none() {
		return 0
	}
	var room [128]byte
	const offset, prime = 14695981039346656037, 1099511628211 // FNV-1a
	h := offset ^ seed
	for _, b := range appendRoute(room[:0], filter, in) {
		h = (h ^ uint64(b)) * prime
	}
	return mix(h)
}

// mix spreads the bits of a hash (the finalizer of MurmurHash3).
func mix(h uint64) uint64 {
	h = (h ^ h>>33) * 0xff51afd7ed558ccd
	h = (h ^ h>>33) * 0xc4ceb9fe1a85ec53
	return h ^ h>>33
}

// hashText is a hash of s that is the same on every node.
func hashText(s string) uint64 {
	h := uint64(14695981039346656037)
	for i := range len(s) {
		h = (h ^ uint64(s[i])) * 1099511628211
	}
	return mix(h)
}

const maxCount = math.MaxUint32

func (r *reader) members() uint32 { return uint32(r.Below(maxCount+1, "the members of a group")) }
