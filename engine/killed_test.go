package engine

import (
	"bufio"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"

	"go.uber.org/goleak"
)

// What the process that TestKilled starts gets: the folder, the durability and
// the number to begin with.
const childEnv = "ENGINE_TEST_CHILD"

func TestMain(m *testing.M) {
	if o := os.Getenv(childNode); o != "" {
		beNode(o)
	}
	if args := strings.Fields(os.Getenv(childEnv)); len(args) == 3 {
		writeForever(args[0], args[1], args[2])
	}
	// Tests of clusters wait for elections, most of the time.
	flag.Parse()
	if err := flag.Set("test.parallel", "4"); err != nil {
		panic(err)
	}
	// The embedded server leaves behind: the acceptor of its routes (routing.go),
	// and now and then a store that it was making just when it was stopped.
	const server = "github.com/nats-io/nats-server/v2/server."
	goleak.VerifyTestMain(m, goleak.IgnoreAnyFunction(server+"(*Server).StartRouting"), goleak.IgnoreAnyFunction(server+"(*fileStore).flushStreamStateLoop"))
}

// writeForever appends and puts numbers, many at a time, and says each once it
// is kept.
func writeForever(dir, durability, begin string) {
	e, err := Start(Options{Dir: dir, Durability: durability})
	fail := func(err error) {
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	}
	fail(err)
	l, err := e.Log("l", LogOptions{Shards: 2})
	fail(err)
	m, err := e.Map("m")
	fail(err)
	from, err := strconv.Atoi(begin)
	fail(err)
	room := make(chan bool, 200)
	for i := from; ; i++ {
		room <- true
		room <- true
		l.Append(fmt.Sprint("t/", i%10), fmt.Appendf(nil, "%d:%0*d", i, i%2000, 0), func(_ At, err error) {
			fail(err)
			fmt.Println("log", i)
			<-room
		})
		m.PutLater(fmt.Sprint(i%50), []byte(strconv.Itoa(i)), func(err error) {
			fail(err)
			fmt.Println("map", i)
			<-room
		})
	}
}

// TestKilled ends the writer at any moment: nothing that it said is missing,
// and the order is kept.
func TestKilled(t *testing.T) {
	for durability, rounds := range map[string]int{DurabilityOS: 20, DurabilityAlways: 4} {
		t.Run(durability, func(t *testing.T) {
			dir := t.TempDir()
			next, values := 0, make(map[string]int)
			said := make(map[int]bool)
			for range rounds {
				next = killAfter(t, dir, durability, next, rand.IntN(4000), said, values)
				e, err := Start(Options{Dir: dir, Durability: durability})
				if err != nil {
					t.Fatal(err)
				}
				if err := e.Health(); err != nil {
					t.Error(err)
				}
				checkLog(t, openLog(t, e, "l", LogOptions{Shards: 2}), said)
				m := openMap(t, e, "m")
				for key, least := range values {
					v, _, err := m.Get(key)
					if got, _ := strconv.Atoi(string(v)); err != nil || got < least {
						t.Fatalf("%s is %q, %v, but %d was said", key, v, err, least)
					}
				}
				if err := e.Close(); err != nil {
					t.Fatal(err)
				}
			}
			t.Log(len(said), "entries were said")
		})
	}
}

// checkLog demands all entries that were said, in order for each topic.
func checkLog(t *testing.T, l *Log, said map[int]bool) {
	t.Helper()
	there := make(map[int]bool)
	for shard := range l.Shards() {
		last := make(map[string]int)
		for _, e := range readAll(t, l, shard, nil, 1000) {
			digits, _, _ := strings.Cut(string(e.Record), ":")
			i, err := strconv.Atoi(digits)
			if err != nil {
				t.Fatal(err)
			}
			if was, ok := last[e.Topic]; ok && i <= was {
				t.Fatalf("%s: %d after %d", e.Topic, i, was)
			}
			last[e.Topic], there[i] = i, true
		}
	}
	for i := range said {
		if !there[i] {
			t.Fatalf("%d was said and is lost", i)
		}
	}
}

// killAfter starts a writer, kills it after so many lines, and notes what it
// said. It returns a number that was not written.
func killAfter(t *testing.T, dir, durability string, begin, lines int, said map[int]bool, values map[string]int) int {
	t.Helper()
	child := exec.Command(os.Args[0])
	child.Env = append(os.Environ(), fmt.Sprintf("%s=%s %s %d", childEnv, dir, durability, begin))
	child.SysProcAttr = dieWithParent()
	child.Stderr = os.Stderr
	out, err := child.StdoutPipe()
	if err == nil {
		err = child.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	next := begin
	for s := bufio.NewScanner(out); s.Scan(); lines-- {
		what, digits, _ := strings.Cut(s.Text(), " ")
		i, err := strconv.Atoi(digits)
		if err != nil {
			t.Fatal(err)
		}
		next = max(next, i+1000) // more than may be on its way
		if what == "log" {
			said[i] = true
		} else {
			values[strconv.Itoa(i%50)] = i
		}
		if lines == 0 {
			if err := child.Process.Kill(); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := child.Wait(); err == nil || !strings.Contains(err.Error(), "killed") {
		t.Fatalf("the writer ended by itself: %v", err)
	}
	return next
}
