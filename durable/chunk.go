package durable

import (
	"encoding/binary"
	"hash/fnv"
	"iter"
	"strings"

	"github.com/dunlin-mq/dunlin/fields"
)

// A session's subscriptions are in its own record while they are few, so that
// most sessions are one record. Of many, a SUBSCRIBE must not rewrite all: they
// are spread over chunks by their filters, and only the chunk of what changed
// is written.
const (
	inRecord  = 128     // subscriptions that the session's record takes
	maxChunks = 1 << 16 // of a session; each is larger then
)

// Chunks is over how many chunks n subscriptions should be spread, if there
// are now `now` of them; 0: they go into the session's record. It doubles and
// halves with a distance between, so that a client at the edge doesn't have
// all rewritten again and again. Whoever changes the number takes another
// Layout, writes all chunks under it, then the session's record, and then
// deletes the old ones: at any moment the record names chunks that are whole.
func Chunks(n, now int) int {
	switch {
	case now == 0 && n <= inRecord || n <= inRecord/4:
		return 0
	case now == 0:
		now = 2
	}
	for n > now*inRecord && now < maxChunks {
		now *= 2
	}
	for n < now*inRecord/8 && now > 1 {
		now /= 2
	}
	return now
}

// Chunk is in which of the chunks, 0 to chunks-1, a filter is.
func Chunk(filter string, chunks int) int {
	h := fnv.New32a()
	h.Write([]byte(filter))
	return int(h.Sum32() % uint32(chunks))
}

// AppendChunk appends the record of one chunk, which has these subscriptions.
func AppendChunk(dst []byte, all iter.Seq[Subscription]) []byte {
	return appendSubscriptions(append(dst, sessionVersion), all)
}

// ParseChunk reads such a record.
func ParseChunk(record []byte) (all []Subscription, err error) {
	err = parse("subscriptions", record, sessionVersion, func(r *reader) { all = r.subscriptions() })
	return all, err
}

// Key is what a record in the map of sessions is found by.
type Key struct {
	ClientID string
	Chunk    int // -1: the session's own record
	Layout   uint32
}

// SessionKey is the key of a session's own record.
func SessionKey(clientID string) string { return "s" + clientID }

// ChunkKey is the key of a chunk.
func ChunkKey(clientID string, layout uint32, chunk int) string {
	key := append(make([]byte, 0, 11+len(clientID)), 'c')
	key = binary.AppendUvarint(key, uint64(layout))
	key = binary.AppendUvarint(key, uint64(chunk))
	return string(append(key, clientID...))
}

// MarkKey is the key of a mark of a node, in the map of sessions or in that of
// states: no session has it.
func MarkKey(node string) string { return markPrefix + node }

const markPrefix = "\x00" // which no client id begins with [MQTT-1.5.4-2]

// IsMark reports whether a key is that of a mark.
func IsMark(key string) bool { return strings.HasPrefix(key, markPrefix) }

// ParseKey takes a key of the map of sessions apart; false: it is none.
func ParseKey(key string) (k Key, ok bool) {
	switch {
	case key == "":
		return k, false
	case key[0] == 's':
		return Key{ClientID: key[1:], Chunk: -1}, true
	case key[0] != 'c':
		return k, false
	}
	r := reader{fields.Reader{Left: []byte(key[1:])}}
	k.Layout = uint32(r.Below(1<<32, "layout"))
	k.Chunk = int(r.Below(maxChunks, "chunk"))
	k.ClientID = string(r.Left)
	return k, r.Err == nil
}
