package clienttest

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"os/exec"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/dunlin-mq/dunlin/api"
	"github.com/dunlin-mq/dunlin/mqtt"
)

// What bench/lists.sh asks for; without it there are few clients, and no time
// is demanded of a machine that others use.
var (
	listClients = flag.Int("list-clients", 500, "clients of TestLists")
	listGate    = flag.Duration("list-gate", 0, "what 99 of 100 pages must take at most; 0: anything")
	listRounds  = flag.Int("list-rounds", 0, "rounds in which the CPU of messages is measured with and without paging")
)

// lists are the endpoints that have a row for each client, or for each of its
// subscriptions, and the member that tells rows apart.
var lists = []struct{ path, key string }{
	{"/api/v4/clients?", "clientid"},
	{"/api/v4/clients?_like_clientid=lists&conn_state=connected&", "clientid"},
	{"/api/v4/subscriptions?", "topic"},
	{"/api/v4/subscriptions?qos=1&", "topic"},
	{"/api/v4/routes?", "topic"},
	{"/api/v3/connections?", "client_id"},
	{"/api/v3/sessions?", "client_id"},
	{"/api/v3/subscriptions?", "topic"},
	{"/api/v3/routes?", "topic"},
}

// TestLists pages every list to its end, in pages of different lengths, while
// messages pass: each client and subscription must be there once.
func TestLists(t *testing.T) {
	b := start(t, "tcp", "listener.tcp.external.max_conn_rate=100000")
	crowd := make([]*wire, *listClients)
	defer func() {
		for _, w := range crowd {
			if w != nil {
				w.Close()
			}
		}
	}()
	each(t, len(crowd), func(i int) (err error) {
		id := fmt.Sprintf("lists-%05d", i*7919%100_003) // in no order
		if crowd[i], err = dialWire(b.tcp()); err != nil {
			return err
		}
		w := crowd[i]
		err = w.trySend(&mqtt.Connect{Version: mqtt.V5, CleanStart: true, ClientID: id},
			&mqtt.Subscribe{PacketID: 1, Filters: []mqtt.SubscribeFilter{{Filter: "site/" + id + "/+/state", SubscribeOptions: mqtt.SubscribeOptions{QoS: 1}}}})
		for err == nil {
			var p mqtt.Packet
			if p, err = w.next(patience); err == nil && p.Type() == mqtt.TypeSuback {
				break
			}
		}
		return err
	})
	pages := newPager(t, b)
	stop := traffic(t, b)
	var took []time.Duration
	for _, list := range lists {
		for _, limit := range []int{100, 1000, 0} {
			took = append(took, pages.walk(list.path, list.key, limit)...)
		}
	}
	stop()
	slices.Sort(took)
	p99 := took[len(took)*99/100]
	t.Logf("%d pages of lists of %d clients: half within %v, 99 of 100 within %v, all within %v", len(took), len(crowd), took[len(took)/2], p99, took[len(took)-1])
	if *listGate > 0 && p99 > *listGate {
		t.Errorf("99 of 100 pages took up to %v, expected %v at most", p99, *listGate)
	}
	if *listRounds > 0 {
		pages.compareCPU(b)
	}
}

// traffic has messages pass until stop is called.
func traffic(t *testing.T, b *process) (stop func()) {
	sub, pub := connect(t, b.tcp(), "sub"), connect(t, b.tcp(), "pub")
	sub.subscribe(t, 0, "traffic")
	done, ended := make(chan struct{}), make(chan int)
	go func() {
		n := 0
		defer func() { ended <- n }()
		for ; ; n++ {
			select {
			case <-done:
				return
			case <-time.After(time.Millisecond):
			}
			if err := pub.trySend(&mqtt.Publish{Topic: "traffic", Payload: []byte(strconv.Itoa(n))}); err != nil {
				t.Errorf("message %d: %v", n, err)
				return
			}
			got, err := sub.next(patience)
			if p, is := got.(*mqtt.Publish); !is || string(p.Payload) != strconv.Itoa(n) {
				t.Errorf("message %d came as %v (%v)", n, got, err)
				return
			}
		}
	}()
	return func() {
		close(done)
		t.Logf("%d messages passed meanwhile", <-ended)
		sub.disconnect(t)
		pub.disconnect(t)
	}
}

// pager asks over the broker's socket.
type pager struct {
	*testing.T
	http http.Client
}

func newPager(t *testing.T, b *process) *pager {
	return &pager{t, http.Client{Transport: &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", api.Socket(b.dir))
	}}}}
}

// page returns the rows of one page, and how long it took to get them all.
func (p *pager) page(path string) ([]map[string]any, time.Duration) {
	p.Helper()
	began := time.Now()
	resp, err := p.http.Get("http://dunlin" + path)
	if err != nil {
		p.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	took := time.Since(began)
	var answer struct {
		Code int
		Data []map[string]any
	}
	if err == nil {
		err = json.Unmarshal(text, &answer)
	}
	if err != nil || answer.Code != 0 {
		p.Fatalf("%s: %.200s (%v)", path, text, err)
	}
	return answer.Data, took
}

// walk asks for page after page, to the end or as many as are enough, and
// checks that each row comes once. limit 0: pages are as long as the broker
// likes.
func (p *pager) walk(path, key string, limit int) (took []time.Duration) {
	p.Helper()
	const enough = 20
	seen := make(map[any]bool)
	whole := false
	for n := 1; n <= enough && !whole; n++ {
		asked := fmt.Sprintf("%s_page=%d", path, n)
		if limit > 0 {
			asked += fmt.Sprintf("&_limit=%d", limit)
		}
		rows, d := p.page(asked)
		took = append(took, d)
		for _, row := range rows {
			if seen[row[key]] {
				p.Errorf("%s: %v comes twice", asked, row[key])
			}
			seen[row[key]] = true
		}
		whole = len(rows) == 0
	}
	for i := range *listClients {
		id := fmt.Sprintf("lists-%05d", i*7919%100_003)
		if key == "topic" {
			id = "site/" + id + "/+/state"
		}
		if whole && !seen[id] {
			p.Errorf("%s, %d a page: %s is missing among %d", path, limit, id, len(seen))
			break
		}
	}
	return took
}

// compareCPU measures what a message costs the broker, with and without
// somebody who looks at a page of a list each second, in rounds by turns.
func (p *pager) compareCPU(b *process) {
	var ratios []float64
	for range *listRounds {
		var cost [2]float64
		for paging := range cost {
			stop := func() {}
			if paging == 1 {
				stop = p.look()
			}
			host, port, _ := net.SplitHostPort(b.tcp())
			out, err := exec.Command(program, "bench", "roundtrip", "-h", host, "-p", port, "--publishers", "1000", "--subscribers", "1000", "--rate", "10000",
				"-q", "1", "--warmup", "2", "--seconds", "8", "--pid", strconv.Itoa(b.cmd.Process.Pid), "--quiet", "--json").Output()
			stop()
			var result map[string]any
			if err == nil {
				err = json.Unmarshal(out, &result)
			}
			var is bool
			if cost[paging], is = result["broker_cpu_us_per_msg"].(float64); !is {
				p.Fatalf("bench: %v\n%s", err, out)
			}
		}
		ratios = append(ratios, cost[1]/cost[0])
		p.Logf("CPU of a message: %.2f µs, with paging %.2f µs", cost[0], cost[1])
	}
	slices.Sort(ratios)
	p.Logf("the median ratio of %d rounds is %.3f", len(ratios), ratios[len(ratios)/2])
}

// look asks for a page of each list by turns, one a second.
func (p *pager) look() (stop func()) {
	done := make(chan struct{})
	var looking sync.WaitGroup
	looking.Go(func() {
		for n := 0; ; n++ {
			list := lists[n%len(lists)]
			p.page(fmt.Sprintf("%s_limit=100&_page=%d", list.path, 1+n/len(lists)))
			select {
			case <-done:
				return
			case <-time.After(time.Second):
			}
		}
	})
	return func() { close(done); looking.Wait() }
}
