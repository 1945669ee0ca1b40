package bench

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/dunlin-mq/dunlin/mqtt"
)

// bench runs the tool as the command line would and returns its JSON.
func bench(t *testing.T, port int, line string) (res result, code int, complaints string) {
	t.Helper()
	var out, errs bytes.Buffer
	args := append(strings.Fields(line), "--json", "-p", fmt.Sprint(port))
	code = Main(args, &out, &errs)
	if out.Len() > 0 {
		if err := json.Unmarshal(out.Bytes(), &res); err != nil {
			t.Fatalf("%s: stdout is not one JSON object: %v\n%s", line, err, out.String())
		}
	}
	return res, code, errs.String()
}

// good runs it and expects nothing refused, dropped, lost or repeated.
func good(t *testing.T, port int, line string) result {
	t.Helper()
	res, code, complaints := bench(t, port, line)
	if code != 0 || res.Refused+res.Dropped+res.Duplicates+res.Disordered+res.Rejected > 0 || res.Lost != 0 || complaints != "" {
		t.Errorf("%s: exit code %d, %s\n%+v", line, code, complaints, res)
	}
	return res
}

// engines runs the test over each engine; the fake broker speaks TLS for the
// one of goroutines.
func engines(t *testing.T, test func(t *testing.T, listener net.Listener, flags string)) {
	plain := func(t *testing.T) net.Listener {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		return l
	}
	t.Run("plain", func(t *testing.T) { test(t, plain(t), "") })
	t.Run("tls", func(t *testing.T) { test(t, listenTLS(t, plain(t)), " -S") })
}

func TestRoundtrip(t *testing.T) {
	engines(t, func(t *testing.T, l net.Listener, flags string) {
		b := (&fakeBroker{}).start(t, l)
		for _, line := range []string{
			"roundtrip -c 3 -V 4 --rate 2000 --topics 2",
			"roundtrip -c 3 -V 5 -q 1 --rate 2000 --filter all --idle 2",
			"roundtrip -c 2 -V 3 -q 1 -I 5 --filter plus --spread --topics 5",
			"roundtrip -c 2 -I 0 --window 20 -L 500 --seconds 0",
			"roundtrip --publishers 2 --subscribers 3 --filter mixed --filters 300 --rate 1000",
		} {
			res := good(t, b.port(), "roundtrip --warmup 0.05 --seconds 0.2 -i 0"+strings.TrimPrefix(line, "roundtrip")+flags)
			if res.Sent == 0 || res.Delivered < res.Sent || res.P50 <= 0 || res.Max < res.P99 || res.ConnectMax <= 0 {
				t.Errorf("%s: %+v", line, res)
			}
			if strings.Contains(line, "-L 500") && res.Sent != 500 {
				t.Errorf("%s: sent %d", line, res.Sent)
			}
		}
		b.stop()
		if b.goodbyes == 0 || b.goodbyes != len(b.clients) {
			t.Errorf("%d of %d clients said goodbye", b.goodbyes, len(b.clients))
		}
	})
}

func TestRateIsKept(t *testing.T) {
	b := (&fakeBroker{}).start(t, nil)
	res := good(t, b.port(), "roundtrip -c 4 --rate 1000 --warmup 0.1 --seconds 1 -i 0")
	if res.SentPerS < 900 || res.SentPerS > 1100 {
		t.Errorf("asked for 1000 messages a second, sent %v", res.SentPerS)
	}
}

func TestLossAndRepetitionAreCounted(t *testing.T) {
	engines(t, func(t *testing.T, l net.Listener, flags string) {
		b := (&fakeBroker{lose: 10, repeat: 7}).start(t, l)
		res, _, _ := bench(t, b.port(), "roundtrip -c 2 --drain 0.3 -L 350 -I 0 --warmup 0 --seconds 0 -i 0"+flags)
		// Of 350 deliveries every 10th is lost; of the rest every 7th comes twice.
		if res.Lost != 35 || res.Duplicates != 350/7-350/70 || res.Delivered != 315 {
			t.Errorf("lost %d, duplicates %d, delivered %d", res.Lost, res.Duplicates, res.Delivered)
		}
	})
}

// TestOrderIsWatched: what comes behind a later message is counted, but not
// where a publisher's messages have several topics.
func TestOrderIsWatched(t *testing.T) {
	for line, want := range map[string]uint64{
		"roundtrip -c 1 -L 95 -I 0": 9, "roundtrip -c 1 -L 95 -I 0 -q 1 --filter all": 9, "offline -c 1 -L 95": 9,
		"roundtrip -c 1 -L 95 -I 0 --topics 5 --filter all --spread": 0,
	} {
		b := (&fakeBroker{swap: 10}).start(t, nil)
		res, code, complaints := bench(t, b.port(), line+" -i 0")
		if code != 0 || res.Disordered != want || res.Delivered != 95 || res.Duplicates != 0 {
			t.Errorf("%s: exit code %d, %s, %d out of order, want %d, %d delivered", line, code, complaints, res.Disordered, want, res.Delivered)
		}
	}
}

func TestForeignMessagesAreCountedApart(t *testing.T) {
	b := (&fakeBroker{}).start(t, nil)
	done := make(chan struct{})
	go func() {
		defer close(done)
		bench(t, b.port(), "pub -c 1 -t bench/0 -I 10 --seconds 1")
	}()
	res := good(t, b.port(), "roundtrip -c 1 --rate 100 --warmup 0.1 --seconds 0.5")
	<-done
	if res.Foreign == 0 {
		t.Error("another publisher's messages were not noticed")
	}
}

func TestPubAndSub(t *testing.T) {
	engines(t, func(t *testing.T, l net.Listener, flags string) {
		b := (&fakeBroker{}).start(t, l)
		done := make(chan result)
		go func() {
			res, _, _ := bench(t, b.port(), "sub -c 2 -t x/# -q 1 -L 200 -i 0"+flags)
			done <- res
		}()
		waitFor(t, func() bool { return b.subscribers() == 2 })
		pub := good(t, b.port(), "pub -c 5 -t x/%i -q 1 -I 1 -L 100 -i 1 -s 20 -r"+flags)
		sub := <-done
		b.stop()
		if pub.Sent != 100 || pub.Acked != 100 || b.retained != 100 {
			t.Errorf("pub: sent %d, acknowledged %d, retained %d", pub.Sent, pub.Acked, b.retained)
		}
		if sub.Delivered != 200 || sub.P50 <= 0 {
			t.Errorf("sub: %+v", sub)
		}
	})
}

func (b *fakeBroker) subscribers() (n int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for l := range b.links {
		n += len(l.filters)
	}
	return n
}

func waitFor(t *testing.T, what func() bool) {
	t.Helper()
	for until := time.Now().Add(time.Minute); time.Now().Before(until); time.Sleep(10 * time.Millisecond) {
		if what() {
			return
		}
	}
	t.Fatal("waited a minute in vain")
}

func TestClientIDs(t *testing.T) {
	b := (&fakeBroker{}).start(t, nil)
	good(t, b.port(), "conn -c 3 -n 10 --prefix p -i 1 --seconds 0.05")
	b.stop()
	slices.Sort(b.clients)
	if got := strings.Join(b.clients, " "); got != "p-idle-10 p-idle-11 p-idle-12" {
		t.Errorf("client ids are %s", got)
	}
}

func TestConnRate(t *testing.T) {
	b := (&fakeBroker{}).start(t, nil)
	res := good(t, b.port(), "conn -c 21 -R 50 --seconds 0.01")
	if res.ConnectS < 0.38 || res.ConnectS > 1 {
		t.Errorf("21 connections at 50 a second took %v s, expected 0.4", res.ConnectS)
	}
}

func TestKeepAliveWhileHolding(t *testing.T) {
	b := (&fakeBroker{}).start(t, nil)
	good(t, b.port(), "conn -c 4 -k 1 -i 0 --hold 1.3 --seconds 0.01")
	b.stop()
	if b.pings < 4 {
		t.Errorf("%d pings of 4 clients in 1.3 s with a keep alive of 1 s", b.pings)
	}
}

func TestCutConnectionsComeBack(t *testing.T) {
	engines(t, func(t *testing.T, l net.Listener, flags string) {
		b := (&fakeBroker{}).start(t, l)
		res, code, _ := bench(t, b.port(), "roundtrip -c 3 -i 0 --rate 200 --warmup 0 --seconds 1 --kill-every 0.2 --drain 0.3 --filter all"+flags)
		b.stop()
		if code != 0 || res.Killed < 3 || res.Dropped > 0 || len(b.clients) != 6+int(res.Killed) {
			t.Errorf("%d connections for 6 clients, %+v", len(b.clients), res)
		}
	})
}

func TestSlowSubscriberIsCountedApart(t *testing.T) {
	engines(t, func(t *testing.T, l net.Listener, flags string) {
		b := (&fakeBroker{}).start(t, l)
		res := good(t, b.port(), "roundtrip --publishers 1 --subscribers 3 --slow 1 --slow-seconds 0.5 --filter all -i 0 --rate 200 --warmup 0 --seconds 1"+flags)
		if res.SlowLost != 0 || res.Slow != res.Sent || res.Delivered != 2*res.Sent {
			t.Errorf("sent %d, delivered %d, to the slow one %d, lost there %d", res.Sent, res.Delivered, res.Slow, res.SlowLost)
		}
	})
}

func TestRefusedConnections(t *testing.T) {
	engines(t, func(t *testing.T, l net.Listener, flags string) {
		b := (&fakeBroker{refuse: mqtt.NotAuthorized}).start(t, l)
		res, code, complaints := bench(t, b.port(), "conn -c 3 -i 0 --seconds 1"+flags)
		if code != exitFailed || res.Refused != 3 || !strings.Contains(complaints, "refused: not_authorized (0x87)") {
			t.Errorf("exit code %d, %d refused, %s", code, res.Refused, complaints)
		}
	})
}

func TestNobodyListens(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	port := l.Addr().(*net.TCPAddr).Port
	l.Close()
	for _, flags := range []string{"", " -S", " --ws"} {
		_, code, complaints := bench(t, port, "conn -c 2 -i 0 --seconds 1"+flags)
		if code != exitFailed || !strings.Contains(complaints, "connection refused") {
			t.Errorf("conn%s: exit code %d, %s", flags, code, complaints)
		}
	}
}

func TestBrokerHangsUp(t *testing.T) {
	b := (&fakeBroker{endAfter: 5}).start(t, nil)
	res, code, _ := bench(t, b.port(), "pub -c 1 -t t -I 1 --seconds 5 -i 0")
	if code != 0 || res.Dropped != 1 || res.Reasons["closed by the broker"] != 1 || res.Seconds > 3 {
		t.Errorf("exit code %d, %+v", code, res)
	}
}

func TestInterruptGivesTheSummary(t *testing.T) {
	b := (&fakeBroker{}).start(t, nil)
	done := make(chan result)
	go func() {
		res, _, _ := bench(t, b.port(), "pub -c 1 -t t -I 1 -i 0")
		done <- res
	}()
	waitFor(t, func() bool { b.mu.Lock(); defer b.mu.Unlock(); return b.messages > 10 })
	if err := syscall.Kill(os.Getpid(), syscall.SIGINT); err != nil {
		t.Fatal(err)
	}
	if res := <-done; !res.Interrupted || res.Sent <= 10 {
		t.Errorf("%+v", res)
	}
}

func TestSilentBrokerIsGivenUp(t *testing.T) {
	b := (&fakeBroker{silent: true}).start(t, nil)
	o := parsed(t, fmt.Sprintf("conn -c 2 -i 0 -p %d", b.port()))
	r, err := newRun(o, newReporter(o, &bytes.Buffer{}, &bytes.Buffer{}))
	if err != nil {
		t.Fatal(err)
	}
	r.phaseEnd = r.base + int64(100*time.Millisecond)
	if _, err := r.play(context.Background()); err != nil {
		t.Fatal(err)
	}
	if r.stats.refused["no answer in time"] != 2 {
		t.Errorf("refused: %v", r.stats.refused)
	}
}
