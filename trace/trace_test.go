package trace

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/dunlin-mq/dunlin/internal/testlog"
)

var home = netip.MustParseAddrPort("192.0.2.7:4000")

// keeper keeps records in memory.
type keeper struct {
	mu     sync.Mutex
	all    map[string][]byte
	broken error
}

func (k *keeper) Each(f func(string, []byte) error) error {
	for key, value := range k.all {
		if err := f(key, value); err != nil {
			return err
		}
	}
	return nil
}

func (k *keeper) Put(key string, value []byte) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.broken != nil {
		return k.broken
	}
	k.all[key] = bytes.Clone(value)
	return nil
}

func (k *keeper) Delete(key string) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	delete(k.all, key)
	return k.broken
}

// kit is a Tracer in a folder of the test.
type kit struct {
	*Tracer
	t        *testing.T
	dir      string
	log      *testlog.Log
	keep     *keeper
	switches []bool
}

func newKit(t *testing.T) *kit {
	k := &kit{t: t, dir: filepath.Join(t.TempDir(), "trace"), log: new(testlog.Log), keep: &keeper{all: make(map[string][]byte)}}
	k.open()
	return k
}

func (k *kit) open() {
	k.t.Helper()
	var err error
	k.Tracer, err = New(Options{
		Dir: k.dir, Keep: k.keep, Log: slog.New(slog.NewTextHandler(k.log, nil)),
		Switched: func(on bool) { k.switches = append(k.switches, on) },
	})
	if err != nil {
		k.t.Fatal(err)
	}
	k.t.Cleanup(k.close)
}

func (k *kit) close() {
	if k.Tracer == nil {
		return
	}
	if err := k.Close(); err != nil {
		k.t.Error(err)
	}
	k.Tracer = nil
}

func (k *kit) start(s Spec) {
	k.t.Helper()
	if err := k.Start(s); err != nil {
		k.t.Fatal(err)
	}
}

// text is the file of a trace.
func (k *kit) text(file string) string {
	k.t.Helper()
	b, err := os.ReadFile(filepath.Join(k.dir, file))
	if err != nil {
		k.t.Fatal(err)
	}
	return string(b)
}

func (k *kit) statuses() (all string) {
	for _, s := range k.List() {
		all += s.Name + "=" + s.Status + " "
	}
	return all
}

// publishes has a message of a client on its way.
func (k *kit) publishes(client, topic, payload string) {
	if a := k.Active(); a != nil {
		a.Message(client, home.Addr(), topic).Write(Line{Level: slog.LevelDebug, Event: "received", Client: client, Peer: home, Topic: topic, Payload: []byte(payload)})
	}
}

func TestEachTypeFindsItsOwn(t *testing.T) {
	k := newKit(t)
	k.start(Spec{Name: "client", Type: ClientID, Value: "c1"})
	k.start(Spec{Name: "topic", Type: Topic, Value: "a/+/#"})
	k.start(Spec{Name: "net", Type: IPAddress, Value: "192.0.2.128/25"})
	k.start(Spec{Name: "host", Type: IPAddress, Value: "::ffff:192.0.2.7"})
	f := func(want, client, peer, topic string) {
		t.Helper()
		var got []string
		for _, r := range k.Active().Message(client, netip.MustParseAddr(peer), topic) {
			got = append(got, r.spec.Name)
		}
		if s := strings.Join(got, " "); s != want {
			t.Errorf("%s %s %s: %q, want %q", client, peer, topic, s, want)
		}
	}
	f("", "c2", "198.51.100.1", "t")
	f("client", "c1", "198.51.100.1", "t")
	f("topic", "c2", "198.51.100.1", "a/b")
	f("", "c2", "198.51.100.1", "a")
	f("client net topic", "c1", "192.0.2.200", "a/b/c")
	f("client host", "c1", "::ffff:192.0.2.7", "b")
	f("", "", "::1", "")
	if got := k.Active().Filters("c2", netip.Addr{}, "x", "#"); len(got) != 1 || got[0].spec.Name != "topic" {
		t.Error("the filter # reaches what is traced")
	}
}

func TestFiltersOverlap(t *testing.T) {
	f := func(a, b string, want bool) {
		t.Helper()
		if overlap(a, b) != want || overlap(b, a) != want {
			t.Errorf("%s and %s: not %t", a, b, want)
		}
	}
	f("a", "a", true)
	f("a", "b", false)
	f("a", "a/b", false)
	f("a/#", "a", true)
	f("a/#", "+", true)
	f("a/+", "+/b", true)
	f("a/+/c", "a/b/d", false)
	f("#", "a/b/c", true)
	f("#", "$SYS/x", false)
	f("+/x", "$SYS/x", false)
	f("$SYS/#", "$SYS/+", true)
	f("a/b/#", "a", false)
	f("a/", "a/+", true)
	f("a/", "a", false)
	f("", "+", true)
}

func TestLinesHaveTheFormThatIsAsked(t *testing.T) {
	k := newKit(t)
	k.start(Spec{Name: "text", Type: ClientID, Value: "c1"})
	k.start(Spec{Name: "json", Type: IPAddress, Value: "192.0.2.7", JSON: true, Payload: Hex, PayloadLimit: 2})
	k.start(Spec{Name: "hidden", Type: Topic, Value: "#", Payload: Hidden})
	k.start(Spec{Name: "loud", Type: Topic, Value: "+", Level: "warning"})
	k.publishes("c1", "t\nu", "päyload")
	k.close()
	has := func(file, want string) {
		t.Helper()
		if text := k.text(file + ".log"); !strings.Contains(text, want) {
			t.Errorf("%s has no %s:\n%s", file, want, text)
		}
	}
	has("text", `level=debug event=received clientid=c1 peer=192.0.2.7:4000 topic="t\nu" payload=päyload`+"\n")
	has("json", `"level":"debug","event":"received","clientid":"c1","peer":"192.0.2.7:4000","topic":"t\nu","payload":"70c3... (8 bytes)"}`+"\n")
	has("hidden", "payload=******\n")
	has("loud", `level=notice event="trace begins" type=topic value=+`+"\n")
	has("loud", `event="trace ends" reason="the node stops" lost=0`+"\n")
	if strings.Contains(k.text("loud.log"), "received") {
		t.Error("a line below the level is written")
	}
	for line := range strings.Lines(k.text("json.log")) {
		if !json.Valid([]byte(line)) {
			t.Errorf("no JSON: %s", line)
		}
	}
	if info, err := os.Stat(filepath.Join(k.dir, "text.log")); err != nil || info.Mode() != 0o600 {
		t.Errorf("%v %v", info.Mode(), err)
	}
}

func TestPayloadsAreCutBetweenCharacters(t *testing.T) {
	f := func(payload string, limit int, want string) {
		t.Helper()
		s := Spec{Payload: Text, PayloadLimit: limit}
		if got := s.payload([]byte(payload)); got != want {
			t.Errorf("%q to %d: %q, want %q", payload, limit, got, want)
		}
	}
	f("abc", 3, "abc")
	f("abc", 2, "ab... (3 bytes)")
	f("aé", 2, "a... (3 bytes)")
	f("aéx", 3, "aé... (4 bytes)")
	f("日本", 5, "日... (6 bytes)")
	f("", 1, "")
}

func TestUserNamesThatAreTokensAreHidden(t *testing.T) {
	if User("ann") != "ann" || User("eyJhbGciOiJIUzI1NiJ9.e30.sig") != "(token)" || User("") != "" {
		t.Error(User("ann"), User("eyJhbGciOiJIUzI1NiJ9.e30.sig"))
	}
}

func TestWhatIsWrongIsSaid(t *testing.T) {
	k := newKit(t)
	f := func(want string, s Spec) {
		t.Helper()
		err := k.Start(s)
		if invalid := Invalid(""); !errors.As(err, &invalid) || !strings.Contains(err.Error(), want) {
			t.Errorf("%+v: %v, want %s", s, err, want)
		}
	}
	now := time.Now()
	for _, name := range []string{"", "1a", "-a", "a.b", "../a", "a/b", "a b", "ä", strings.Repeat("a", 257), "a\n"} {
		f("Name should be", Spec{Name: name, Type: ClientID, Value: "c"})
	}
	f("type=", Spec{Name: "a"})
	f("required", Spec{Name: "a", Type: ClientID})
	f("no topic filter", Spec{Name: "a", Type: Topic, Value: "a/#/b"})
	f("published to: a/#", Spec{Name: "a", Type: Topic, Value: "$share/g/a/#"})
	f("$SYS", Spec{Name: "a", Type: Topic, Value: "$SYS/#"})
	f("neither an address", Spec{Name: "a", Type: IPAddress, Value: "host"})
	f("neither an address", Spec{Name: "a", Type: IPAddress, Value: "192.0.2.0/33"})
	f("already passed", Spec{Name: "a", Type: ClientID, Value: "c", End: now.Add(-time.Second)})
	f("start_at >= end_at", Spec{Name: "a", Type: ClientID, Value: "c", Start: now.Add(time.Hour), End: now.Add(time.Minute)})
	f("payload must", Spec{Name: "a", Type: ClientID, Value: "c", Payload: "all"})
	f("payload_limit", Spec{Name: "a", Type: ClientID, Value: "c", PayloadLimit: MostPayload + 1})
	f("max_size", Spec{Name: "a", Type: ClientID, Value: "c", MaxSize: -1})
	f("level", Spec{Name: "a", Type: ClientID, Value: "c", Level: "loud"})
	if k.Active() != nil || len(k.List()) > 0 {
		t.Error("something is traced")
	}
}

func TestOneTraceOfANameAndOfACondition(t *testing.T) {
	k := newKit(t)
	k.start(Spec{Name: "a", Type: ClientID, Value: "c"})
	is := func(want, got error) {
		t.Helper()
		if !errors.Is(got, want) {
			t.Errorf("got %v, want %v", got, want)
		}
	}
	is(ErrExists, k.Start(Spec{Name: "a", Type: Topic, Value: "t"}))
	is(ErrDuplicate, k.Start(Spec{Name: "b", Type: ClientID, Value: "c"}))
	is(nil, k.Start(Spec{Name: "b", Type: Topic, Value: "c"}))
	is(nil, k.Stop("a"))
	is(nil, k.Stop("a"))
	is(nil, k.Start(Spec{Name: "c", Type: ClientID, Value: "c"}))
	is(ErrNotFound, k.Stop("none"))
	is(ErrNotFound, k.Delete("none"))
	is(nil, k.Delete("a"))
	for i := len(k.List()); i < Most; i++ {
		is(nil, k.Start(Spec{Name: fmt.Sprint("n", i), Type: ClientID, Value: fmt.Sprint(i)}))
	}
	is(ErrTooMany, k.Start(Spec{Name: "more", Type: ClientID, Value: "more"}))
	is(ErrTooMany, k.StartFile(Spec{Type: ClientID, Value: "more"}, filepath.Join(k.dir, "f")))
	is(nil, k.DeleteAll())
	if left, err := os.ReadDir(k.dir); err != nil || len(left) > 0 || len(k.keep.all) > 0 {
		t.Errorf("left: %v %v %v", left, k.keep.all, err)
	}
	if fmt.Sprint(k.switches) != "[true false]" {
		t.Errorf("switched %v", k.switches)
	}
}

// TestTracesRunInTheirTime with a clock that is wound.
func TestTracesRunInTheirTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newKit(t)
		now := time.Now()
		k.start(Spec{Name: "now", Type: ClientID, Value: "c1"})
		k.start(Spec{Name: "soon", Type: ClientID, Value: "c2", Start: now.Add(5 * time.Minute), End: now.Add(15 * time.Minute)})
		is := func(want string) {
			t.Helper()
			synctest.Wait()
			k.publishes("c1", "t", "1")
			k.publishes("c2", "t", "2")
			if got := k.statuses(); got != want {
				t.Errorf("%s, want %s", got, want)
			}
		}
		is("soon=waiting now=running ")
		time.Sleep(5 * time.Minute)
		is("soon=running now=running ")
		time.Sleep(5 * time.Minute)
		is("soon=running now=stopped ")
		time.Sleep(5 * time.Minute)
		is("soon=stopped now=stopped ")
		if k.Active() != nil {
			t.Error("something is traced")
		}
		for _, name := range []string{"now", "soon"} {
			if text := k.text(name + ".log"); strings.Count(text, "received") != 2 || !strings.Contains(text, "reason=end_at") {
				t.Errorf("%s has\n%s", name, text)
			}
		}
		k.close()
	})
}

// TestTracesOutliveTheProcess with their files, and one that runs goes on.
func TestTracesOutliveTheProcess(t *testing.T) {
	k := newKit(t)
	k.start(Spec{Name: "runs", Type: ClientID, Value: "c1", JSON: true, Payload: Hex})
	k.start(Spec{Name: "stopped", Type: Topic, Value: "t"})
	k.start(Spec{Name: "waits", Type: ClientID, Value: "c3", Start: time.Now().Add(time.Hour)})
	if err := k.Stop("stopped"); err != nil {
		t.Fatal(err)
	}
	if err := k.StartFile(Spec{Type: ClientID, Value: "c1"}, filepath.Join(k.dir, "own.txt")); err != nil {
		t.Fatal(err)
	}
	k.publishes("c1", "t", "1")
	before := k.List()
	k.close()
	k.keep.all["damaged"] = []byte("{")
	k.keep.all["../etc"] = []byte(`{"name":"../etc","type":"clientid","value":"c"}`)
	k.open()
	k.publishes("c1", "t", "2")
	after := k.List()
	for i := range before {
		b, a := before[i], after[i]
		if a.Name != b.Name || a.Status != b.Status || !a.Start.Equal(b.Start) || !a.End.Equal(b.End) || a.JSON != b.JSON || a.Payload != b.Payload {
			t.Errorf("was %+v\nis %+v", b, a)
		}
	}
	if len(k.Files()) > 0 {
		t.Error("a trace to a file goes on")
	}
	if log := k.log.String(); strings.Count(log, "can't be read") != 2 {
		t.Errorf("the log has %s", log)
	}
	k.close()
	if text := k.text("runs.log"); strings.Count(text, `"event":"received"`) != 2 {
		t.Errorf("has\n%s", text)
	}
}

func TestTraceEndsAtItsSize(t *testing.T) {
	k := newKit(t)
	k.start(Spec{Name: "small", Type: ClientID, Value: "c1", MaxSize: 2000})
	for i := 0; k.statuses() == "small=running "; i++ {
		if i > 100_000 {
			t.Fatal("it doesn't end")
		}
		k.publishes("c1", "t", "payload")
	}
	text := k.text("small.log")
	last := text[strings.LastIndex(strings.TrimSpace(text), "\n")+1:]
	if lost := k.List()[0].Lost; lost == 0 || !strings.Contains(last, fmt.Sprintf(`event="trace ends" reason=max_size lost=%d`, lost)) {
		t.Errorf("%d lost, ends with %s", lost, last)
	}
	if len(text)-len(last) > 2000 || k.List()[0].Size != int64(len(text)) {
		t.Errorf("%d bytes, and then %s; %d are told of", len(text)-len(last), last, k.List()[0].Size)
	}
	if k.Active() != nil {
		t.Error("it is still fed")
	}
	k.close()
	k.open()
	if k.statuses() != "small=stopped " {
		t.Error(k.statuses())
	}
}

// TestTraceOnAFullDisk has the device that is always full under the trace: the
// loss is counted and told in the log.
func TestTraceOnAFullDisk(t *testing.T) {
	if _, err := os.Stat("/dev/full"); err != nil {
		if os.Getenv("DUNLIN_REQUIRE_PEERS") == "1" {
			t.Fatal(err)
		}
		t.Skip(err)
	}
	k := newKit(t)
	if err := k.StartFile(Spec{Type: ClientID, Value: "c1"}, "/dev/full"); err == nil {
		t.Error("a trace begins that can't be written")
	}
	path := filepath.Join(k.dir, "f")
	if err := k.StartFile(Spec{Type: ClientID, Value: "c1"}, path); err != nil {
		t.Fatal(err)
	}
	r := k.Active().clients["c1"][0]
	if err := errors.Join(os.Remove(path), os.Symlink("/dev/full", path)); err != nil {
		t.Fatal(err)
	}
	r.queue.Reopen() // and finds the device
	for range 50 {
		k.publishes("c1", "t", "1")
	}
	for end := time.Now().Add(20 * time.Second); r.queue.Lost() < 50 || !strings.Contains(k.log.String(), "can't be written"); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%d lines are lost", r.queue.Lost())
		}
	}
	if err := k.StopFile(ClientID, "c1"); err != nil {
		t.Fatal(err)
	}
	if r.queue.Lost() < 50 {
		t.Errorf("%d lines are lost, want 50 and more", r.queue.Lost())
	}
	if log := k.log.String(); strings.Count(log, "a trace can't be written, its lines are lost") != 1 {
		t.Errorf("the log has %s", log)
	}
}

func TestTraceToAFile(t *testing.T) {
	k := newKit(t)
	path := filepath.Join(k.dir, "f")
	is := func(want, got error) {
		t.Helper()
		if !errors.Is(got, want) {
			t.Errorf("got %v, want %v", got, want)
		}
	}
	is(nil, k.StartFile(Spec{Type: Topic, Value: "t/#", MaxSize: 1000}, path))
	is(ErrDuplicate, k.StartFile(Spec{Type: Topic, Value: "t/#"}, path+"2"))
	is(Invalid("another trace writes this file"), k.StartFile(Spec{Type: ClientID, Value: "c"}, k.dir+"/./f"))
	is(Invalid("a file is needed"), k.StartFile(Spec{Type: ClientID, Value: "c"}, ""))
	if err := k.StartFile(Spec{Type: ClientID, Value: "c"}, filepath.Join(k.dir, "no", "f")); err == nil {
		t.Error("there is no folder for the file")
	}
	for range 50 { // 4 kB
		k.publishes("c1", "t/1", "1")
	}
	if all := k.Files(); len(all) != 1 || all[0].File != path || all[0].Status != Running {
		t.Errorf("%+v", all)
	}
	is(ErrNotFound, k.StopFile(ClientID, "c"))
	is(nil, k.StopFile(Topic, "t/#"))
	is(ErrNotFound, k.StopFile(Topic, "t/#"))
	if len(k.text("f")) > 1200 || len(k.text("f.1")) > 1000 || !strings.Contains(k.text("f"), "reason=stopped lost=0") {
		t.Errorf("%s\n%s", k.text("f"), k.text("f.1"))
	}
}

func TestFilesAreReadPieceByPiece(t *testing.T) {
	k := newKit(t)
	k.start(Spec{Name: "a", Type: ClientID, Value: "c1"})
	k.start(Spec{Name: "later", Type: ClientID, Value: "c2", Start: time.Now().Add(time.Hour)})
	for range 20 {
		k.publishes("c1", "t", "日本語")
	}
	if err := k.Stop("a"); err != nil {
		t.Fatal(err)
	}
	for _, n := range []int64{1, 2, 7, 1000, 1 << 40} {
		var all []byte
		for at, more := int64(0), true; more; more = at < int64(len(k.text("a.log"))) {
			part, next, err := k.Read("a", at, n)
			if err != nil || next != at+int64(len(part)) || next == at || int64(len(part)) > n {
				t.Fatalf("%d bytes from %d: %q, next %d, %v", n, at, part, next, err)
			}
			all, at = append(all, part...), next
		}
		if string(all) != k.text("a.log") {
			t.Errorf("in pieces of %d: %s", n, all)
		}
	}
	if part, next, err := k.Read("a", 1<<40, 10); part != nil || next != int64(len(k.text("a.log"))) || err != nil {
		t.Errorf("behind the end: %q %d %v", part, next, err)
	}
	if part, next, err := k.Read("later", 0, 10); part != nil || next != 0 || err != nil {
		t.Errorf("what has not begun: %q %d %v", part, next, err)
	}
	if _, _, err := k.Read("none", 0, 10); !errors.Is(err, ErrNotFound) {
		t.Error(err)
	}
}

// TestWhatCantBeKeptIsNotTraced, and leaves nothing.
func TestWhatCantBeKeptIsNotTraced(t *testing.T) {
	k := newKit(t)
	k.keep.broken = errors.New("disk full")
	if err := k.Start(Spec{Name: "a", Type: ClientID, Value: "c1"}); !errors.Is(err, k.keep.broken) {
		t.Error(err)
	}
	if left, err := os.ReadDir(k.dir); k.Active() != nil || len(k.List()) > 0 || len(left) > 0 {
		t.Errorf("left: %v %v", left, err)
	}
	k.keep.broken = nil
}

func TestWithoutTracesThereIsNothingToPay(t *testing.T) {
	k := newKit(t)
	var none *Tracer
	if n := testing.AllocsPerRun(100, func() {
		k.publishes("c1", "t", "1")
		if none.Active() != nil {
			t.Error("nobody traces")
		}
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// TestTracesComeAndGoUnderLoad is for the race detector; what is written and
// what is lost make the whole.
func TestTracesComeAndGoUnderLoad(t *testing.T) {
	k := newKit(t)
	k.start(Spec{Name: "all", Type: Topic, Value: "#"})
	const writers, each = 4, 5000
	var wg sync.WaitGroup
	for i := range writers {
		wg.Go(func() {
			for range each {
				k.publishes(fmt.Sprint("c", i), "t", "payload")
			}
		})
	}
	wg.Go(func() {
		for i := range 30 {
			name := fmt.Sprint("n", i)
			if err := errors.Join(k.Start(Spec{Name: name, Type: ClientID, Value: "c1"}), k.Stop(name), k.Delete(name)); err != nil {
				t.Error(err)
			}
			k.List()
		}
	})
	wg.Wait()
	if err := k.Stop("all"); err != nil {
		t.Fatal(err)
	}
	text, lost := k.text("all.log"), k.List()[0].Lost
	if n := strings.Count(text, "event=received"); n+int(lost) != writers*each {
		t.Errorf("%d lines and %d lost, of %d", n, lost, writers*each)
	}
	if !strings.Contains(text, fmt.Sprintf("lost=%d\n", lost)) {
		t.Error("the file doesn't say what is missing")
	}
}

func BenchmarkActive(b *testing.B) {
	var t Tracer
	for b.Loop() {
		if t.Active() != nil {
			b.Fatal()
		}
	}
}
