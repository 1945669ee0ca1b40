package bench

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestOffline: sessions are made and left, filled, and drained, by every way in
// which messages find them.
func TestOffline(t *testing.T) {
	engines(t, func(t *testing.T, l net.Listener, flags string) {
		b := (&fakeBroker{}).start(t, l)
		f := func(line string, queued uint64) {
			t.Helper()
			res := good(t, b.port(), "offline -i 0 "+line+flags)
			if res.Queued != queued || res.Delivered != queued || res.Acked != res.Sent || res.Connected == 0 ||
				res.LastMessageS < res.FirstMessageS || res.DeliveredPerS <= 0 || res.Max != 0 {
				t.Errorf("%s: queued %d of %d, %+v", line, res.Queued, queued, res)
			}
		}
		f("-c 3 -L 50", 50)
		f("--publishers 2 --subscribers 5 --filter all -L 40", 200)
		f("--publishers 1 --subscribers 4 --topics 2 --spread -L 30", 60)
		f("-c 2 -L 20 -I 1", 20)
		f("-c 3 -L 50 -V 4", 50) // last: its sessions stay
		b.stop()
		if len(b.sessions) != 3 {
			t.Errorf("%d sessions are left, expected those of version 4 alone", len(b.sessions))
		}
	})
}

func TestOfflineLossAndRepetition(t *testing.T) {
	b := (&fakeBroker{lose: 10, repeat: 7}).start(t, nil)
	res, code, complaints := bench(t, b.port(), "offline -i 0 -c 2 -L 350 --drain 0.3")
	if code != 0 || res.Lost != 35 || res.Duplicates != 350/7-350/70 || res.Queued != 350 {
		t.Errorf("exit code %d, %s, lost %d, duplicates %d, queued %d", code, complaints, res.Lost, res.Duplicates, res.Queued)
	}
	text := res.text(parsed(t, "offline"))
	for _, want := range []string{"offline      350 deliveries waited; all back after ", "lost         35; duplicates 45"} {
		if !strings.Contains(text, want) {
			t.Errorf("the summary has no %q:\n%s", want, text)
		}
	}
}

// TestOfflineBetween: the command runs when everybody has gone; its failure
// ends the run.
func TestOfflineBetween(t *testing.T) {
	b := (&fakeBroker{}).start(t, nil)
	mark := filepath.Join(t.TempDir(), "mark")
	args := []string{"offline", "-i", "0", "-L", "10", "-p", fmt.Sprint(b.port()), "--json", "--between"}
	var out, errs strings.Builder
	if code := Main(append(args, "echo done >"+mark), &out, &errs); code != 0 || !strings.Contains(out.String(), `"queued":10,`) {
		t.Errorf("exit code %d, %s%s", code, out.String(), errs.String())
	}
	if text, err := os.ReadFile(mark); err != nil || string(text) != "done\n" {
		t.Errorf("the command left %q (%v)", text, err)
	}
	errs.Reset()
	if code := Main(append(args, "exit 3"), &out, &errs); code != exitFailed || !strings.Contains(errs.String(), "--between: exit status 3") {
		t.Errorf("exit code %d, %s", code, errs.String())
	}
}

// TestOfflineSessionsGone: a broker that forgets its sessions is found out.
func TestOfflineSessionsGone(t *testing.T) {
	b := (&fakeBroker{forget: true}).start(t, nil)
	res, _, _ := bench(t, b.port(), "offline -i 0 -c 2 -L 10 --drain 0.2")
	if res.Lost != 10 || res.Reasons["the broker has no session of the client any more"] != 2 {
		t.Errorf("%+v", res)
	}
}

// TestOfflineElsewhere: with --return-at the subscribers come back to other
// brokers, in turn. One that shares its sessions with the first, as it is the
// same one, has all that waited; one that knows of no session is found out.
func TestOfflineElsewhere(t *testing.T) {
	a, b := (&fakeBroker{}).start(t, nil), (&fakeBroker{}).start(t, nil)
	f := func(at string, lost int64, strangers uint64) {
		t.Helper()
		res, code, complaints := bench(t, a.port(), fmt.Sprintf("offline -i 0 -c 4 -L 40 --drain 0.3 --prefix lost%d --return-at %s", lost, at))
		if code != 0 || res.Queued != 40 || res.Lost != lost || res.Reasons["the broker has no session of the client any more"] != strangers {
			t.Errorf("to %s: exit code %d, %s%+v", at, code, complaints, res)
		}
	}
	f(fmt.Sprintf("localhost:%d", a.port()), 0, 0)
	f(fmt.Sprintf("127.0.0.1:%d,127.0.0.1:%d", a.port(), b.port()), 20, 2)
	f(fmt.Sprintf("127.0.0.1:%d", b.port()), 40, 4)
}
