package engine

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// The server, when it finds a damaged record, forgets all that follow in the
// file, which may be thirty thousand. So the files are mended before it sees
// them: the damaged one is set aside, and what is whole in it takes its place.
// After a clean end, files that have the sizes they had then aren't read.

const (
	damageName = "damage"  // of what is wrong
	asideDir   = "damaged" // folder of the files that were set aside
	cleanFile  = "stopped" // the sizes of all files, as they were at the end
)

// sizes are those of the files of each stream.
type sizes map[string]map[string]int64

// loss is what one damage has cost.
type loss struct {
	stream string
	file   string
	first  uint64 // number of the first record that is lost; 0: not known
	count  uint64 // of records; 0: not known
	bytes  int
}

// doubtful leaves the files that are looked through even if they have the sizes
// that they had at the end: as logs are large, and each entry is checked when it
// is read, only those that the server reads at its start. It wants to know the
// newest records, and cuts a file off where it is damaged.
func doubtful(dir string, files map[string]int64) map[string]int64 {
	if len(files) == 0 {
		return nil
	}
	some := make(map[string]int64)
	byNumber := func(a, b string) int { return cmp.Or(cmp.Compare(len(a), len(b)), strings.Compare(a, b)) }
	names := slices.SortedFunc(maps.Keys(files), byNumber)
	for i, name := range names {
		info, err := os.Stat(filepath.Join(dir, name))
		if i == 0 || i == len(names)-1 || err != nil || time.Since(info.ModTime()) < 3*idsKept {
			some[name] = files[name]
		}
	}
	return some
}

func isLogName(stream string) bool { return strings.HasPrefix(stream, logPrefix) }

// streamsDir is where a server with its files in store keeps the streams.
func streamsDir(store string) string { return filepath.Join(store, storeDir, accountDir, "streams") }

// mend looks through the files before a server opens them.
func (e *Engine) mend(store string) error {
	was := readSizes(filepath.Join(store, cleanFile))
	if err := os.Remove(filepath.Join(store, cleanFile)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return cantOpen(store, err)
	}
	now, err := listSizes(streamsDir(store))
	if err != nil {
		return cantOpen(store, err)
	}
	var work sync.WaitGroup
	var mu sync.Mutex
	var lost []loss
	turns := make(chan bool, 4) // reading is most of it
	for stream, files := range now {
		if was != nil && maps.Equal(was[stream], files) && isLogName(stream) {
			files = doubtful(filepath.Join(streamsDir(store), stream, "msgs"), files)
		}
		before := was[stream]
		if len(files) < len(now[stream]) {
			before = files
		}
		work.Go(func() {
			turns <- true
			defer func() { <-turns }()
			m := mender{store: store, stream: stream}
			wrong := m.mend(files, before)
			mu.Lock()
			defer mu.Unlock()
			lost, err = append(lost, m.lost...), errors.Join(err, wrong)
		})
	}
	work.Wait()
	if err != nil {
		return cantOpen(store, err)
	}
	e.report(store, lost)
	return nil
}

// stopped notes the sizes of the files at the end.
func (e *Engine) stopped(store string) error {
	now, err := listSizes(streamsDir(store))
	if err != nil {
		return fmt.Errorf("engine: %w", err)
	}
	text, err := json.Marshal(now)
	if err != nil {
		return fmt.Errorf("engine: %w", err)
	}
	return writeSynced(filepath.Join(store, cleanFile), text)
}

func readSizes(name string) (was sizes) {
	text, err := os.ReadFile(name)
	if err == nil {
		err = json.Unmarshal(text, &was)
	}
	if err != nil {
		return nil // everything is read
	}
	return was
}

func listSizes(dir string) (sizes, error) {
	all := make(sizes)
	streams, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return all, nil
	}
	for _, stream := range streams {
		if err != nil {
			break
		}
		var files []os.DirEntry
		files, err = os.ReadDir(filepath.Join(dir, stream.Name(), "msgs"))
		if errors.Is(err, fs.ErrNotExist) {
			err = nil
			continue
		}
		of := make(map[string]int64)
		for _, f := range files {
			var info fs.FileInfo
			if !strings.HasSuffix(f.Name(), ".blk") {
				continue
			}
			if info, err = f.Info(); err != nil {
				break
			}
			of[f.Name()] = info.Size()
		}
		all[stream.Name()] = of
	}
	return all, err
}

// report says what was lost.
func (e *Engine) report(store string, lost []loss) {
	if len(lost) == 0 {
		return
	}
	records, places, known := uint64(0), []string{}, true
	for _, l := range lost {
		e.log.Error("engine: a file is damaged, or missing", "of", describe(l.stream), "file", l.file, "first_lost", l.first, "lost", l.count, "bytes", l.bytes)
		records += l.count
		known = known && l.count > 0
		places = append(places, describe(l.stream))
	}
	slices.Sort(places)
	e.count.lost.Add(records)
	much := fmt.Sprintf("%d records", records)
	if !known {
		much = "at least " + much
	}
	if records == 0 {
		much = "records"
	}
	e.health.set(damageName, fmt.Errorf("engine: files were damaged, and %s of %s are lost; the files are kept in %s",
		much, strings.Join(slices.Compact(places), ", "), filepath.Join(store, asideDir)))
}

// describe says what a stream is.
func describe(stream string) string {
	if name, is := strings.CutPrefix(stream, bigMap); is {
		return "the map " + name
	}
	if name, is := strings.CutPrefix(stream, logPrefix); is {
		i := strings.LastIndexByte(name, '_')
		return "the log " + name[:max(i, 0)] + ", shard " + name[i+1:]
	}
	return "the small maps"
}

// mender mends the files of one stream.
type mender struct {
	store, stream string
	lost          []loss
	last          uint64 // number of the last record that is whole
	open          bool   // records are lost between last and the next one
	buf           []byte
}

// mend goes through files, of which was are those of the last end, if that was
// clean.
func (m *mender) mend(files, was map[string]int64) error {
	numbers := make([]uint64, 0, len(files))
	for _, names := range []map[string]int64{files, was} {
		for name := range names {
			n, err := strconv.ParseUint(strings.TrimSuffix(name, ".blk"), 10, 32)
			if err == nil {
				numbers = append(numbers, n)
			}
		}
	}
	slices.Sort(numbers)
	numbers = slices.Compact(numbers)
	for i, n := range numbers {
		name := strconv.FormatUint(n, 10) + ".blk"
		if _, there := files[name]; !there {
			m.add(loss{file: name, bytes: int(was[name])})
			continue
		}
		if err := m.gap(numbers, i, was != nil); err != nil {
			return err
		}
		if err := m.file(name, n, i == len(numbers)-1, was != nil, was[name]); err != nil {
			return err
		}
	}
	return nil
}

// add notes a loss, whose size the next whole record will tell.
func (m *mender) add(l loss) {
	l.stream = m.stream
	if m.last > 0 {
		l.first = m.last + 1
	}
	m.lost, m.open = append(m.lost, l), true
}

// gap notes files that are missing in a log, each once. A map has holes.
func (m *mender) gap(numbers []uint64, i int, known bool) error {
	if i == 0 || numbers[i] == numbers[i-1]+1 || known || !isLogName(m.stream) {
		return nil
	}
	name := fmt.Sprintf("%d.blk.missing", numbers[i]-1)
	noted := filepath.Join(m.store, asideDir, m.stream, name)
	if _, err := os.Stat(noted); err == nil {
		return nil
	}
	m.add(loss{file: strings.TrimSuffix(name, ".missing")})
	if _, err := m.aside(name); err != nil {
		return err
	}
	return os.WriteFile(noted, nil, 0o600)
}

// file looks through a file, and mends it.
func (m *mender) file(name string, number uint64, newest, known bool, was int64) error {
	path := filepath.Join(streamsDir(m.store), m.stream, "msgs", name)
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close() // it is only read
	h, before, kept := blockHash(m.stream, number), len(m.lost), [][2]int64{}
	if m.buf == nil {
		m.buf = make([]byte, 0, windowSize)
	}
	w := &window{file: f, buf: m.buf[:0]}
	for err == nil {
		at := w.place()
		r, raw, wrong := w.next()
		if wrong == nil && r.intact(raw, h) {
			m.found(&r)
			kept = append(kept, [2]int64{at, int64(r.size)})
			continue
		}
		ended := errors.Is(wrong, io.EOF)
		switch {
		case wrong == nil:
			w.back(&r)
		case !ended && !errors.Is(wrong, errDamaged):
			return wrong
		}
		if ended && w.at == len(w.buf) {
			break
		}
		// What was just being written when the process, or the machine, ended
		// nobody was told to be kept. The server cuts it off.
		if err = w.resync(h, m.last); err == nil || !newest || was > 0 {
			m.add(loss{file: name, bytes: int(w.place() - at)})
		}
	}
	if err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	info, err := f.Stat()
	if err != nil {
		return err
	}
	empty := info.Size() == 0 && !newest && !known
	if len(m.lost) == before && (info.Size() < was || empty) {
		m.add(loss{file: name, bytes: int(max(0, was-info.Size()))}) // at its end, or all of it
	}
	if empty { // so that it is said once
		return os.Remove(path)
	}
	if info.Size() < was && len(m.lost) == before+1 && len(kept) > 0 && kept[len(kept)-1][0]+kept[len(kept)-1][1] == info.Size() {
		return nil // what is there is whole
	}
	if len(m.lost) == before {
		return nil
	}
	return m.replace(path, name, f, kept)
}

// replace sets a file aside, and puts what is whole in its place.
func (m *mender) replace(path, name string, f *os.File, kept [][2]int64) error {
	to, err := os.OpenFile(path+".mended", os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	for _, k := range kept {
		if _, err := io.Copy(to, io.NewSectionReader(f, k[0], k[1])); err != nil {
			return errors.Join(err, to.Close())
		}
	}
	if err := errors.Join(to.Sync(), to.Close()); err != nil {
		return err
	}
	aside, err := m.aside(name)
	if err == nil {
		err = os.Link(path, aside) // so that one of the two is in its place at any time
	}
	if err == nil {
		err = os.Rename(path+".mended", path)
	}
	return err
}

// found takes a whole record: it tells how much was lost before it.
func (m *mender) found(r *blockRecord) {
	if r.gone() {
		return
	}
	if m.open {
		if l := &m.lost[len(m.lost)-1]; m.last > 0 && r.seq > m.last {
			l.count = r.seq - m.last - 1
		}
		m.open = false
	}
	m.last = max(m.last, r.seq)
}

// aside is a name for a damaged file that is not taken.
func (m *mender) aside(name string) (path string, err error) {
	dir := filepath.Join(m.store, asideDir, m.stream)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", err
	}
	path = filepath.Join(dir, name)
	for i := 2; ; i++ {
		if _, err := os.Lstat(path); errors.Is(err, fs.ErrNotExist) {
			return path, nil
		} else if err != nil {
			return "", err
		}
		path = filepath.Join(dir, fmt.Sprintf("%s.%d", name, i))
	}
}
