package engine

import (
	"bytes"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"sort"
	"strconv"
	"strings"
	"sync"
)

const (
	shelfBytes = 8 << 20   // of the indexes of a shard
	shelfFiles = 64        // that are open at a time, of a shard
	tailBytes  = 512 << 10 // of a file that grows, before its index is made anew
	runBytes   = 16 << 10  // two entries that are closer are read at once
)

// shelf reads the files of a shard, beside the server. It was made because the
// server loads a whole file into memory for one record, and keeps it for ten
// seconds; the shelf reads what matches and no more, at a tenth of the time. It
// writes nothing. What it can't find in the files, the server is asked for.
type shelf struct {
	dir    string
	stream string
	mu     sync.Mutex
	blocks []*block // by number
	tick   uint64   // grows with each use of a block
	bytes  int      // of all indexes
	window []byte
	// onDamage is told of records that are left out, for they are damaged.
	onDamage func(error)
}

// block is one file.
type block struct {
	number uint64
	first  uint64 // number of its first entry
	file   *os.File
	hash   hash.Hash64
	index  *blockIndex // nil: not made, or given up for others
	used   uint64
}

func newShelf(dir, stream string) *shelf { return &shelf{dir: dir, stream: stream} }

// close gives everything back.
func (s *shelf) close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.empty()
}

func (s *shelf) empty() {
	for _, b := range s.blocks {
		s.drop(b)
	}
	s.blocks = nil
}

// move goes on in another folder.
func (s *shelf) move(dir string) {
	s.close()
	s.mu.Lock()
	s.dir = dir
	s.mu.Unlock()
}

// drop gives back what a block holds.
func (s *shelf) drop(b *block) {
	if b.index != nil {
		s.bytes -= b.index.size()
		b.index = nil
	}
	if b.file != nil {
		b.file.Close() // it was only read
		b.file = nil
	}
}

// read appends entries with numbers of from to last that match, most at most,
// and returns the number to go on with: from itself when the files hold
// nothing that goes on there.
func (s *shelf) read(entries []Entry, from, last uint64, filters []string, most int) ([]Entry, uint64, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.look(from, last); err != nil {
		return entries, from, err
	}
	for from <= last && most > 0 {
		i := sort.Search(len(s.blocks), func(i int) bool { return s.blocks[i].first > from })
		if i == 0 && len(s.blocks) == 0 {
			return entries, from, nil
		}
		if i == 0 {
			from = s.blocks[0].first // retention took what was before
			continue
		}
		b := s.blocks[i-1]
		before := len(entries)
		var next uint64
		var err error
		entries, next, err = s.readBlock(b, entries, from, last, filters, most)
		if errors.Is(err, fs.ErrNotExist) { // retention took it just now
			s.drop(b)
			s.blocks = slices.Delete(s.blocks, i-1, i)
			continue
		}
		if err != nil || next <= from {
			return entries, from, err
		}
		most -= len(entries) - before
		if from = next; most > 0 && i < len(s.blocks) {
			from = max(from, s.blocks[i].first)
		} else if most > 0 {
			return entries, from, nil // the end of the newest file
		}
	}
	return entries, from, nil
}

// look sees which files there are, when it doesn't know of one that must be.
func (s *shelf) look(from, last uint64) error {
	if n := len(s.blocks); n > 0 && s.blocks[0].first <= from && s.endOf(s.blocks[n-1]) >= last {
		return nil
	}
	names, err := os.ReadDir(s.dir)
	if errors.Is(err, fs.ErrNotExist) { // other nodes of the cluster have them
		s.empty()
		return nil
	}
	if err != nil {
		return err
	}
	known := make(map[uint64]*block, len(s.blocks))
	for _, b := range s.blocks {
		known[b.number] = b
	}
	s.blocks = s.blocks[:0]
	for _, name := range names {
		digits, is := strings.CutSuffix(name.Name(), ".blk")
		number, err := strconv.ParseUint(digits, 10, 32)
		if !is || err != nil {
			continue
		}
		b := known[number]
		delete(known, number)
		if b == nil {
			if b, err = s.newBlock(number); err != nil {
				return err
			}
			if b == nil {
				continue
			}
		}
		s.blocks = append(s.blocks, b)
	}
	for _, b := range known {
		s.drop(b)
	}
	slices.SortFunc(s.blocks, func(a, b *block) int { return int(int64(a.number) - int64(b.number)) })
	return nil
}

// endOf is the last number that a block is known to hold.
func (s *shelf) endOf(b *block) uint64 {
	if b.index == nil {
		return 0
	}
	return b.index.last
}

// newBlock reads the number of the first entry; nil when there is none.
func (s *shelf) newBlock(number uint64) (*block, error) {
	b := &block{number: number, hash: blockHash(s.stream, number)}
	err := s.open(b)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	w := s.scan(b, 0)
	for {
		r, _, err := w.next()
		if errors.Is(err, errDamaged) || errors.Is(err, io.EOF) {
			err = w.resync(b.hash, 0)
			if err == nil {
				continue
			}
		}
		switch {
		case errors.Is(err, io.EOF):
			s.drop(b)
			return nil, nil
		case err != nil:
			s.drop(b)
			return nil, err
		case !r.gone():
			b.first = r.seq
			return b, nil
		}
	}
}

func (s *shelf) open(b *block) (err error) {
	s.tick++
	b.used = s.tick
	if b.file != nil {
		return nil
	}
	b.file, err = os.Open(filepath.Join(s.dir, strconv.FormatUint(b.number, 10)+".blk"))
	s.spare(b)
	return err
}

// spare gives back what was not used for the longest time, until the rest is
// within the bounds.
func (s *shelf) spare(but *block) {
	for {
		var oldest *block
		open := 0
		for _, b := range s.blocks {
			if b.file == nil || b == but {
				continue
			}
			if open++; oldest == nil || b.used < oldest.used {
				oldest = b
			}
		}
		if oldest == nil || open < shelfFiles && s.bytes <= shelfBytes {
			return
		}
		s.drop(oldest)
	}
}

// scan begins to read a block at a place. There is one at a time.
func (s *shelf) scan(b *block, place int64) *window {
	if s.window == nil {
		s.window = make([]byte, 0, windowSize)
	}
	return &window{file: b.file, buf: s.window[:0], from: place}
}

// readBlock is read for one block.
func (s *shelf) readBlock(b *block, entries []Entry, from, last uint64, filters []string, most int) ([]Entry, uint64, error) {
	if err := s.open(b); err != nil {
		return entries, from, err
	}
	if b.index == nil || from > b.index.last && s.grown(b) {
		if err := s.makeIndex(b, last); err != nil {
			return entries, from, err
		}
	}
	next := from
	if from <= b.index.last {
		var err error
		if len(filters) == 0 {
			return s.readOn(b, entries, int64(b.index.place(from)), from, last, nil, most)
		}
		before := len(entries)
		if entries, next, err = s.pick(b, entries, from, filters, most); err != nil {
			return entries, from, err
		}
		most -= len(entries) - before
	}
	if next > b.index.last && next <= last && most > 0 {
		return s.readOn(b, entries, b.index.end, next, last, filters, most)
	}
	return entries, next, nil
}

// grown says whether enough was added to a block to make its index anew.
func (s *shelf) grown(b *block) bool {
	info, err := b.file.Stat()
	return err == nil && info.Size()-b.index.end > tailBytes
}

func (s *shelf) makeIndex(b *block, last uint64) error {
	ix, err := indexBlock(s.scan(b, 0), b.hash, last)
	if err != nil {
		return err
	}
	if b.index != nil {
		s.bytes -= b.index.size()
	}
	b.index = ix
	s.bytes += ix.size()
	s.spare(b)
	return nil
}

// readOn reads every record of a block from a place on.
func (s *shelf) readOn(b *block, entries []Entry, place int64, from, last uint64, filters []string, most int) ([]Entry, uint64, error) {
	w, next := s.scan(b, place), from
	for most > 0 {
		at := w.place()
		r, raw, err := w.next()
		if err == nil && !r.gone() && r.seq > last {
			break
		}
		if err == nil && (r.gone() || r.seq < from) {
			continue
		}
		var e Entry
		if err == nil {
			if e, err = b.entry(&r, raw); err != nil {
				w.back(&r)
			}
		}
		if errors.Is(err, errDamaged) || errors.Is(err, io.EOF) {
			was := err
			if err = w.resync(b.hash, next-1); errors.Is(was, errDamaged) {
				s.damaged(b, at)
			}
			if err == nil {
				continue
			}
		}
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return entries, next, err
		}
		if next = r.seq + 1; matchesAny(filters, e.Topic) {
			entries = append(entries, e)
			most--
		}
	}
	return entries, next, nil
}

// pick reads what the index finds.
func (s *shelf) pick(b *block, entries []Entry, from uint64, filters []string, most int) ([]Entry, uint64, error) {
	// Places are found from a mark on, so that some of them may be before from.
	places := b.index.find(filters, b.index.place(from), most+markEvery)
	full := len(entries) + most
	var run window
	for i, place := range places {
		if at := int64(place) - run.from; run.file != nil && at < int64(len(run.buf)) {
			run.at = int(at)
		} else {
			run = window{file: b.file, buf: s.run(places[i:]), from: int64(place)}
		}
		r, raw, err := run.next()
		if err == nil && r.seq < from {
			continue
		}
		var e Entry
		if err == nil {
			e, err = b.entry(&r, raw)
		}
		if errors.Is(err, errDamaged) {
			s.damaged(b, int64(place))
			run.file = nil
			continue
		}
		if err != nil {
			return entries, from, err
		}
		if e.Topic == "" { // see doubt
			continue
		}
		if entries = append(entries, e); len(entries) == full {
			return entries, e.Seq + 1, nil
		}
	}
	return entries, b.index.last + 1, nil
}

// run returns a buffer for the entries that lie close to the first of places.
func (s *shelf) run(places []uint32) []byte {
	end := 0
	for end+1 < len(places) && places[end+1]-places[end] < runBytes && places[end+1]-places[0] < windowSize/2 {
		end++
	}
	if s.window == nil {
		s.window = make([]byte, 0, windowSize)
	}
	return s.window[:0:min(windowSize, int(places[end]-places[0])+4096)]
}

// entry makes a copy of an entry, if it is as it was written.
func (b *block) entry(r *blockRecord, raw []byte) (e Entry, err error) {
	if !r.intact(raw, b.hash) {
		return e, errDamaged
	}
	if e, err = parseEntry(bytes.Clone(r.data)); err != nil {
		return e, errDamaged
	}
	e.Seq = r.seq
	return e, nil
}

// damaged says that a record is.
func (s *shelf) damaged(b *block, place int64) {
	if s.onDamage != nil {
		s.onDamage(fmt.Errorf("%s at %d: %w", b.file.Name(), place, errDamaged))
	}
}
