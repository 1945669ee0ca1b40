package engine

import (
	"cmp"
	"encoding/binary"
	"errors"
	"hash"
	"io"
	"slices"
	"sort"
	"strings"

	"github.com/dunlin-mq/dunlin/topic"
)

// blockIndex says where in a file the entries of each topic are. It is made
// when the file is read for the first time, holds no pointers but four, and is
// some 5 bytes an entry and the length of each topic.
type blockIndex struct {
	topics []byte   // the topics of the file, in their order
	ends   []uint32 // where each of them ends
	starts []uint32 // where in offsets the entries of each begin; one more than topics
	places []uint32 // of the entries in the file, ascending for each topic
	marks  []mark   // every markEvery-th entry
	end    int64    // of the last entry that is in here
	last   uint64   // its number
}

type mark struct {
	seq   uint64
	place uint32
}

const (
	markEvery  = 64
	windowSize = 256 << 10
)

// window reads a file from front to back.
type window struct {
	file io.ReaderAt
	buf  []byte
	from int64 // place of buf[0] in the file
	at   int   // in buf
}

// place is where the next record begins.
func (w *window) place() int64 { return w.from + int64(w.at) }

// next returns the next record and its bytes, which stay until the next call.
// At the end of the file, and where only a part of a record is there, it
// returns io.EOF.
func (w *window) next() (r blockRecord, raw []byte, err error) {
	for {
		r, err = parseBlock(w.buf[w.at:])
		if err == nil {
			raw = w.buf[w.at : w.at+r.size]
			w.at += r.size
			return r, raw, nil
		}
		if !errors.Is(err, errCut) {
			return r, nil, err
		}
		if err := w.fill(); err != nil {
			return r, nil, err
		}
	}
}

// back makes the record that next returned the next one again.
func (w *window) back(r *blockRecord) { w.at -= r.size }

// resync moves to the next whole record behind the place, of a number behind
// last; io.EOF: there is none.
func (w *window) resync(h hash.Hash64, last uint64) error {
	for {
		w.at = min(w.at+1, len(w.buf))
		for len(w.buf)-w.at < blockHead+blockSum {
			if err := w.fill(); err != nil {
				w.at = len(w.buf)
				return err
			}
		}
		if _, err := blockSize(w.buf[w.at:]); err != nil {
			continue
		}
		seq := binary.LittleEndian.Uint64(w.buf[w.at+4:]) &^ (blockErased | blockMark)
		if seq <= last || seq > last+farthest && last > 0 || seq >= 1<<48 {
			continue
		}
		r, err := parseBlock(w.buf[w.at:])
		for errors.Is(err, errCut) && w.fill() == nil {
			r, err = parseBlock(w.buf[w.at:])
		}
		if err == nil && r.intact(w.buf[w.at:], h) {
			return nil
		}
	}
}

// fill moves on in the file, so that a longer part of the record is in buf.
func (w *window) fill() error {
	rest := copy(w.buf[:cap(w.buf)], w.buf[w.at:])
	w.from, w.at = w.place(), 0
	if need, err := blockSize(w.buf[:rest]); rest >= 4 && err == nil && need > cap(w.buf) {
		w.buf = append(make([]byte, 0, need), w.buf[:rest]...)
	}
	n, err := w.file.ReadAt(w.buf[rest:cap(w.buf)], w.from+int64(rest))
	w.buf = w.buf[:rest+n]
	if n == 0 && err == nil {
		err = io.ErrNoProgress
	}
	if n > 0 {
		return nil
	}
	return err
}

// farthest is how much higher the number of the record behind a damage may be.
const farthest = 1 << 24

// indexBlock makes the index of a file, of the entries up to a number, but
// those that are damaged.
func indexBlock(w *window, h hash.Hash64, upTo uint64) (*blockIndex, error) {
	ix := new(blockIndex)
	ids := make(map[string]uint32)
	var names []string
	var owner []uint32 // of each place, the topic
	for {
		place := w.place()
		r, _, err := w.next()
		if errors.Is(err, errDamaged) || errors.Is(err, io.EOF) {
			err = w.resync(h, ix.last)
			if err == nil {
				continue
			}
		}
		if errors.Is(err, io.EOF) || err == nil && !r.gone() && r.seq > upTo {
			ix.end = place
			ix.sort(names, owner)
			return ix, nil
		}
		if err != nil {
			return nil, err
		}
		name, err := entryTopic(r.data)
		if err != nil || r.gone() {
			continue
		}
		id, known := ids[string(name)]
		if !known {
			id = uint32(len(names))
			names = append(names, string(name))
			ids[names[id]] = id
		}
		if len(owner)%markEvery == 0 {
			ix.marks = append(ix.marks, mark{r.seq, uint32(place)})
		}
		owner = append(owner, id)
		ix.places = append(ix.places, uint32(place))
		ix.last = r.seq
	}
}

// sort brings the places in the order of the topics.
func (ix *blockIndex) sort(names []string, owner []uint32) {
	order := make([]uint32, len(names))
	counts := make([]uint32, len(names))
	size := 0
	for i := range order {
		order[i] = uint32(i)
		size += len(names[i])
	}
	for _, id := range owner {
		counts[id]++
	}
	slices.SortFunc(order, func(a, b uint32) int { return strings.Compare(names[a], names[b]) })
	ix.topics, ix.ends = make([]byte, 0, size), make([]uint32, 0, len(names))
	ix.starts = make([]uint32, 1, len(names)+1)
	next := make([]uint32, len(names)) // where the next place of each topic goes
	for _, id := range order {
		ix.topics = append(ix.topics, names[id]...)
		ix.ends = append(ix.ends, uint32(len(ix.topics)))
		next[id] = ix.starts[len(ix.starts)-1]
		ix.starts = append(ix.starts, next[id]+counts[id])
	}
	places := make([]uint32, len(ix.places))
	for i, id := range owner {
		places[next[id]] = ix.places[i]
		next[id]++
	}
	ix.places = places
}

// size is what the index takes, in bytes.
func (ix *blockIndex) size() int {
	return len(ix.topics) + 4*(len(ix.ends)+len(ix.starts)+len(ix.places)) + 16*len(ix.marks)
}

func (ix *blockIndex) topic(i int) string {
	from := uint32(0)
	if i > 0 {
		from = ix.ends[i-1]
	}
	return string(ix.topics[from:ix.ends[i]])
}

// place is where to begin for entries of a number and above: at it, or some before.
func (ix *blockIndex) place(from uint64) uint32 {
	i := sort.Search(len(ix.marks), func(i int) bool { return ix.marks[i].seq > from })
	if i == 0 {
		return 0
	}
	return ix.marks[i-1].place
}

// find returns the places of entries that match a filter, from a place on,
// ascending for each topic, not more than most of each.
func (ix *blockIndex) find(filters []string, from uint32, most int) (places []uint32) {
	var matched []int
	for _, f := range filters {
		matched = ix.match(matched, f)
	}
	if len(filters) > 1 {
		slices.Sort(matched)
		matched = slices.Compact(matched)
	}
	for _, i := range matched {
		of := ix.places[ix.starts[i]:ix.starts[i+1]]
		at, _ := slices.BinarySearch(of, from)
		places = append(places, of[at:min(len(of), at+most)]...)
	}
	if len(matched) > 1 {
		slices.SortFunc(places, cmp.Compare)
	}
	return places
}

// match adds the topics that a filter matches. They lie together up to its
// first wildcard.
func (ix *blockIndex) match(matched []int, filter string) []int {
	head := filter
	if i := strings.IndexAny(filter, "+#"); i >= 0 {
		head = filter[:i]
		if filter[i] == '#' {
			head = strings.TrimSuffix(head, "/") // a/# matches a
		}
	}
	at := sort.Search(len(ix.ends), func(i int) bool { return ix.topic(i) >= head })
	for ; at < len(ix.ends); at++ {
		name := ix.topic(at)
		if !strings.HasPrefix(name, head) {
			break
		}
		if topic.Match(filter, name) {
			matched = append(matched, at)
		}
	}
	return matched
}
