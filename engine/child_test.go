package engine

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// childNode has the options of the node that this process is to be.
const childNode = "ENGINE_TEST_NODE"

// beNode is the process of a node. It takes commands on its standard input and
// says what comes of them.
func beNode(options string) {
	var o Options
	err := json.Unmarshal([]byte(options), &o)
	var e *Engine
	logged, log := newLogTail()
	if o.Log = log; err == nil {
		e, err = Start(o)
	}
	var l *Log
	if err == nil {
		l, err = e.Log("l", LogOptions{Shards: 1})
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, o.Node, err)
		os.Exit(1)
	}
	fmt.Println("up", e.Self().ID)
	n := &nodeUnderLoad{name: o.Node, log: l}
	for in := bufio.NewScanner(os.Stdin); in.Scan(); {
		command, argument, _ := strings.Cut(in.Text(), " ")
		ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
		switch command {
		case "join":
			fmt.Println("join", e.Join(ctx, argument))
		case "leave":
			fmt.Println("leave", e.Leave(ctx))
		case "force":
			fmt.Println("force", e.ForceLeave(ctx, argument))
		case "load": // from a number on
			from, err := strconv.Atoi(argument)
			if err != nil {
				fmt.Println("load", err)
				break
			}
			n.start(from)
		case "stop":
			fmt.Println("stop", n.stop())
		case "append":
			began := time.Now()
			fmt.Println("append", wait(func(done func(error)) { l.Append("t", []byte(argument), func(_ At, err error) { done(err) }) }), time.Since(began).Milliseconds())
		case "read":
			n.read(ctx)
		case "copied":
			others, err := strconv.Atoi(argument)
			fmt.Println("copied", errors.Join(err, copiesMade(e, others)))
		case "self":
			fmt.Println("self", e.Self().ID)
		case "members":
			text, err := json.Marshal(members(e))
			fmt.Println("members", string(text), err)
		case "explain":
			for _, line := range append(explain(e), logged.tail()...) {
				fmt.Println(line)
			}
			fmt.Println("explained")
		case "close":
			fmt.Println("close", e.Close())
		}
		cancel()
	}
	os.Exit(0)
}

// copiesMade says which stream has not as many complete copies elsewhere.
func copiesMade(e *Engine, others int) error {
	for _, s := range e.all() {
		info, err := e.to().js.StreamInfo(s.name)
		if err != nil {
			return err
		}
		if info.Cluster == nil || len(info.Cluster.Replicas) != others {
			return fmt.Errorf("%s has %d copies", s.name, info.Config.Replicas)
		}
		for _, r := range info.Cluster.Replicas {
			if !r.Current || r.Lag != 0 {
				return fmt.Errorf("%s on %s is not complete", s.name, r.Name)
			}
		}
	}
	return nil
}

// members are the ids of the others, and whether they are alive.
func members(e *Engine) map[string]bool {
	all := make(map[string]bool)
	for _, m := range e.Members() {
		all[m.ID] = m.Alive
	}
	return all
}

// nodeUnderLoad appends numbers, a few at a time, and says which are kept.
type nodeUnderLoad struct {
	name    string
	log     *Log
	running atomic.Bool
	wg      sync.WaitGroup
}

const atATime = 8

func (n *nodeUnderLoad) start(from int) {
	n.running.Store(true)
	slots := make(chan struct{}, atATime)
	n.wg.Go(func() {
		for i := from; n.running.Load(); i++ {
			slots <- struct{}{}
			n.wg.Add(1)
			n.log.Append("t", fmt.Appendf(nil, "%s %d", n.name, i), func(at At, err error) {
				if err == nil {
					fmt.Println("kept", n.name, i)
				} else {
					fmt.Println("failed", n.name, i, err)
				}
				<-slots
				n.wg.Done()
			})
			time.Sleep(2 * time.Millisecond)
		}
	})
}

func (n *nodeUnderLoad) stop() error {
	n.running.Store(false)
	n.wg.Wait()
	return nil
}

func (n *nodeUnderLoad) read(ctx context.Context) {
	out := bufio.NewWriter(os.Stdout)
	defer out.Flush()
	for from := uint64(1); ; {
		entries, next, err := n.log.Read(ctx, 0, from, nil, 1000)
		for _, e := range entries {
			fmt.Fprintln(out, "entry", e.Seq, string(e.Record))
		}
		if err != nil || next == from {
			fmt.Fprintln(out, "end", err)
			return
		}
		from = next
	}
}

// child is a node in a process of its own.
type child struct {
	t       *testing.T
	o       Options
	process *exec.Cmd
	in      *os.File
	id      string
	loaded  int // the next number of its load

	mu    sync.Mutex
	kept  map[string]bool   // of all its lives
	lost  map[string]string // what failed, and why
	said  chan string       // all but the kept
	ended chan struct{}
}

// spawn starts a process for a node. prefix may be a command to start it with.
func spawn(t *testing.T, o Options, prefix ...string) *child {
	t.Helper()
	c := &child{t: t, o: o, kept: make(map[string]bool), lost: make(map[string]string)}
	c.begin(prefix...)
	t.Cleanup(c.kill)
	return c
}

func (c *child) begin(prefix ...string) {
	c.t.Helper()
	options, err := json.Marshal(c.o)
	if err != nil {
		c.t.Fatal(err)
	}
	args := append(prefix, os.Args[0], "-test.run=^$")
	c.process = exec.Command(args[0], args[1:]...)
	c.process.Env = append(os.Environ(), childNode+"="+string(options))
	c.process.SysProcAttr = dieWithParent()
	c.process.Stderr = os.Stderr
	out, err := c.process.StdoutPipe()
	if err != nil {
		c.t.Fatal(err)
	}
	r, w, err := os.Pipe()
	if err != nil {
		c.t.Fatal(err)
	}
	c.process.Stdin, c.in = r, w
	if err := c.process.Start(); err != nil {
		c.t.Fatal(err)
	}
	r.Close()
	c.said, c.ended = make(chan string, 100000), make(chan struct{})
	go func() {
		defer close(c.ended)
		for lines := bufio.NewScanner(out); lines.Scan(); {
			if record, ok := strings.CutPrefix(lines.Text(), "kept "); ok {
				c.mu.Lock()
				c.kept[record] = true
				c.mu.Unlock()
				continue
			}
			if failed, ok := strings.CutPrefix(lines.Text(), "failed "); ok {
				name, rest, _ := strings.Cut(failed, " ")
				number, why, _ := strings.Cut(rest, " ")
				c.mu.Lock()
				c.lost[name+" "+number] = why
				c.mu.Unlock()
				continue
			}
			c.said <- lines.Text()
		}
		close(c.said)
	}()
}

// up waits until the node runs.
func (c *child) up() *child {
	c.t.Helper()
	c.id = c.says("up ")
	return c
}

// says waits for a line with a prefix, and returns what follows.
func (c *child) says(prefix string) string {
	c.t.Helper()
	late := time.After(2 * time.Minute)
	for {
		select {
		case line, ok := <-c.said:
			if !ok {
				c.t.Fatalf("%s ended before it said %q", c.o.Node, prefix)
			}
			if rest, is := strings.CutPrefix(line, prefix); is {
				return rest
			}
			if os.Getenv("ENGINE_TEST_LOG") != "" {
				c.t.Log(c.o.Node, line)
			}
		case <-late:
			c.t.Fatalf("%s never said %q", c.o.Node, prefix)
		}
	}
}

func (c *child) tell(command string) {
	c.t.Helper()
	if _, err := fmt.Fprintln(c.in, command); err != nil {
		c.t.Fatal(err)
	}
}

// does demands that a command succeeds.
func (c *child) does(command string) {
	c.t.Helper()
	c.tell(command)
	verb, _, _ := strings.Cut(command, " ")
	if answer := c.says(verb + " "); !strings.HasPrefix(answer, "<nil>") {
		c.t.Fatalf("%s: %s: %s", c.o.Node, command, answer)
	}
}

// tries gives a command until it succeeds. Elections write to the disk, which
// may take its time when others test beside.
func (c *child) tries(command string) {
	c.t.Helper()
	verb, _, _ := strings.Cut(command, " ")
	for deadline := time.Now().Add(4 * time.Minute); ; time.Sleep(2 * time.Millisecond) {
		c.tell(command)
		answer := c.says(verb + " ")
		if strings.HasPrefix(answer, "<nil>") {
			return
		}
		if time.Now().After(deadline) {
			c.t.Fatalf("%s: %s: %s", c.o.Node, command, answer)
		}
	}
}

// load lets it append, with numbers that it has not had before.
func (c *child) load() {
	c.t.Helper()
	c.loaded += 1000000
	c.tell(fmt.Sprint("load ", c.loaded))
}

// kill ends the process as a loss of power would, but for the page cache.
func (c *child) kill() {
	if err := c.process.Process.Kill(); err != nil {
		return // it has ended
	}
	<-c.ended
	if err := c.process.Wait(); err == nil {
		c.t.Errorf("%s ended by itself", c.o.Node)
	}
	c.in.Close()
}

// sees demands that all but one node are the members it sees, and alive.
func (c *child) sees(ids ...string) {
	c.t.Helper()
	eventually(c.t, c.o.Node+" sees its members", func() bool {
		c.tell("members")
		text, _, _ := strings.Cut(c.says("members "), " ")
		seen := make(map[string]bool)
		if err := json.Unmarshal([]byte(text), &seen); err != nil {
			c.t.Fatal(text, err)
		}
		for _, id := range ids {
			if !seen[id] {
				return false
			}
		}
		return len(seen) == len(ids)
	})
}

// entries are all records of the log, in order.
func (c *child) entries() (all []string) {
	c.t.Helper()
	c.tell("read")
	last := uint64(0)
	for line := range c.said {
		if rest, is := strings.CutPrefix(line, "entry "); is {
			number, record, _ := strings.Cut(rest, " ")
			if seq, err := strconv.ParseUint(number, 10, 64); err != nil || seq <= last {
				c.t.Errorf("%s: entry %s came after %d", c.o.Node, rest, last)
			} else {
				last = seq
			}
			all = append(all, record)
		} else if strings.HasPrefix(line, "end ") {
			break
		}
	}
	return all
}

// differ says where two nodes have different entries.
func differ(a, b *child) (all []string) {
	ea, eb := a.entries(), b.entries()
	for i := range min(len(ea), len(eb)) {
		if ea[i] != eb[i] {
			all = append(all, fmt.Sprintf("%d: %s has %s, %s has %s", i, a.o.Node, ea[i], b.o.Node, eb[i]))
		}
	}
	return append(all, fmt.Sprintf("%d and %d entries", len(ea), len(eb)))
}

// checked demands of the entries of a node that they have all that was kept,
// each node's in order, and nothing twice. It says what is wrong, or "".
func checked(entries []string, nodes ...*child) string {
	at := make(map[string]int)
	latest := make(map[string]int)
	for i, record := range entries {
		if was, twice := at[record]; twice {
			return fmt.Sprintf("%s came as %d and as %d", record, was, i)
		}
		at[record] = i
		name, text, _ := strings.Cut(record, " ")
		n, err := strconv.Atoi(text)
		if err != nil {
			continue
		}
		if n <= latest[name] {
			return fmt.Sprintf("%s came after %d: %s", record, latest[name], why(record, nodes))
		}
		latest[name] = n
	}
	for _, c := range nodes {
		c.mu.Lock()
		kept := slices.Collect(maps.Keys(c.kept))
		c.mu.Unlock()
		for _, record := range kept {
			if _, is := at[record]; !is {
				return fmt.Sprintf("%s was acknowledged and is lost, of %d", record, len(kept))
			}
		}
	}
	return ""
}

// why says whether a record failed.
func why(record string, nodes []*child) string {
	for _, c := range nodes {
		c.mu.Lock()
		reason, failed := c.lost[record]
		kept := c.kept[record]
		c.mu.Unlock()
		if failed {
			return reason
		}
		if kept {
			return "it was acknowledged"
		}
	}
	return "it was never answered"
}

// sound demands that all nodes have all that was kept.
func sound(t *testing.T, nodes ...*child) {
	t.Helper()
	for _, c := range nodes {
		if wrong := c.lacks(nodes...); wrong != "" {
			t.Errorf("%s: %s", c.o.Node, wrong)
			for _, other := range nodes {
				if other != c {
					all := differ(c, other)
					t.Logf("%d differences of %s and %s: %v", len(all), c.o.Node, other.o.Node, all[:min(len(all), 12)])
				}
			}
		}
	}
}

// lacks says what is wrong with the entries that a node has, once all that other nodes
// have kept has had the time to come to it.
func (c *child) lacks(nodes ...*child) (wrong string) {
	c.t.Helper()
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); time.Sleep(100 * time.Millisecond) {
		if wrong = checked(c.entries(), nodes...); wrong == "" {
			break
		}
	}
	return wrong
}

// three is a cluster of three processes.
func three(t *testing.T) []*child {
	t.Helper()
	var nodes []*child
	for _, name := range []string{"a", "b", "c"} {
		nodes = append(nodes, spawn(t, node(t, name)).up())
	}
	for _, c := range nodes[1:] {
		c.does("join " + nodes[0].o.Cluster.Door)
	}
	explainWhenFailed(nodes)
	return nodes
}
