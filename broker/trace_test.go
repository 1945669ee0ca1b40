package broker

import (
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/dunlin-mq/dunlin/hook"
	"github.com/dunlin-mq/dunlin/mqtt"
	"github.com/dunlin-mq/dunlin/trace"
)

// traced is a rig whose broker is traced.
type traced struct {
	*rig
	*trace.Tracer
	dir string
}

func newTraced(t *testing.T, set ...func(*Options)) *traced {
	t.Helper()
	k := &traced{dir: t.TempDir()}
	var err error
	if k.Tracer, err = trace.New(trace.Options{Dir: k.dir, Log: slog.New(slog.DiscardHandler)}); err != nil {
		t.Fatal(err)
	}
	k.rig = newRig(t, append(set, func(o *Options) { o.Trace = k.Tracer })...)
	t.Cleanup(func() {
		if err := k.Tracer.Close(); err != nil {
			t.Error(err)
		}
	})
	return k
}

func (k *traced) start(name, kind, value string) {
	k.Helper()
	if err := k.Start(trace.Spec{Name: name, Type: kind, Value: value}); err != nil {
		k.Fatal(err)
	}
}

// wants ends a trace and checks its lines, without their times and addresses.
func (k *traced) wants(name string, want ...string) {
	k.Helper()
	if err := k.Stop(name); err != nil {
		k.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(k.dir, name+".log"))
	if err != nil {
		k.Fatal(err)
	}
	lines := strings.Split(strings.TrimSpace(string(text)), "\n")
	var got []string
	for _, line := range lines[1 : len(lines)-1] { // of the trace itself
		got = append(got, regexp.MustCompile(`^time=\S+ | peer=\S+|until=\S+`).ReplaceAllString(line, ""))
	}
	for i := range max(len(got), len(want)) {
		if i >= len(got) || i >= len(want) || got[i] != want[i] {
			k.Errorf("%s has\n%s\nwant\n%s", name, strings.Join(got, "\n"), strings.Join(want, "\n"))
			return
		}
	}
}

func TestTraceOfAClient(t *testing.T) {
	k := newTraced(t)
	k.start("c", trace.ClientID, "c")
	old := k.connect("c", expiry(60)).subscribe("t", 1)
	k.connect("other").publish("t", "x", 1)
	k.connect("other").publish("u", "x", 1)
	c := k.connect("c", expiry(60))
	old.close("closed") // hears that it is over
	c.publish("nobody", "x", 0)
	c.close("closed")
	k.connect("other").publish("t", "x", 1)
	k.connect("c", clean).close("normal")
	k.wants("c",
		`level=info event="session created" clientid=c`,
		`level=info event="session taken over" clientid=c reason=takeovered`,
		`level=info event="session resumed" clientid=c`,
		`level=debug event=route clientid=c topic=nobody matched=0`,
		`level=warning event=dropped clientid=c topic=nobody reason=no_subscribers`,
		`level=debug event=queued clientid=c topic=t filter=t from=other qos=1 queued=1`,
		`level=warning event=dropped clientid=c topic=t reason=session_ended filter=t from=other qos=1 queued=0`,
		`level=info event="session discarded" clientid=c reason=discarded`,
		`level=info event="session created" clientid=c`,
		`level=info event="session ended" clientid=c reason=normal`)
}

func TestTraceOfATopic(t *testing.T) {
	k := newTraced(t)
	k.zone.Session.MaxMqueueLen = 1
	on := k.Hooks.MessagePublish.Add("test", 0, func(e *hook.MessagePublish) hook.Verdict {
		e.Refuse, e.Code = string(e.Message.Payload) == "no", mqtt.NotAuthorized
		return hook.Continue
	})
	if on != nil {
		t.Fatal(on)
	}
	k.start("t", trace.Topic, "t/#")
	away := k.connect("away", expiry(60)).subscribe("t/1", 1)
	away.close("closed")
	here := k.connect("here", v5).subscribe("t/+", 1)
	p := k.connect("p")
	p.publish("t/1", "first", 1)
	for _, s := range here.take() {
		here.ack(k.batch, s)
	}
	p.publish("t/1", "second", 0)
	p.publish("t/1", "third", 1) // pushes the first out
	p.publish("t/2", "no", 1)
	p.publish("other", "x", 1)
	p.publishIn(k.batch, &mqtt.Message{Topic: "t/2", Payload: []byte("kept"), Retain: true})
	p.publishIn(k.batch, &mqtt.Message{Topic: "t/2", Retain: true})
	p.publish("$delayed/60/t/3", "later", 1)
	k.wants("t",
		`level=debug event=route clientid=p topic=t/1 matched=2`,
		`level=debug event=queued clientid=away topic=t/1 filter=t/1 from=p qos=1 queued=1`,
		`level=debug event=acked clientid=here topic=t/1 from=p`,
		`level=debug event=route clientid=p topic=t/1 matched=2`,
		`level=warning event=dropped clientid=away topic=t/1 reason=qos0_msg filter=t/1 from=p qos=0 queued=1`,
		`level=debug event=route clientid=p topic=t/1 matched=2`,
		`level=warning event=dropped clientid=away topic=t/1 reason=queue_full filter=t/1 from=p qos=1 queued=0`,
		`level=debug event=queued clientid=away topic=t/1 filter=t/1 from=p qos=1 queued=1`,
		`level=warning event=dropped clientid=p topic=t/2 reason=refused_by_hook code=not_authorized`,
		`level=debug event=retained clientid=p topic=t/2`,
		`level=debug event=route clientid=p topic=t/2 matched=1`,
		`level=debug event="retained message deleted" clientid=p topic=t/2`,
		`level=debug event=route clientid=p topic=t/2 matched=1`,
		`level=debug event=delayed clientid=p topic=t/3 `)
}

// TestTraceKnowsNoSYS, whoever is traced.
func TestTraceKnowsNoSYS(t *testing.T) {
	k := newTraced(t)
	k.connect("c").subscribe("$SYS/#", 1)
	k.start("c", trace.ClientID, "c")
	k.start("all", trace.Topic, "#")
	k.publishSys(k.batch, "$SYS/brokers/dunlin@host/uptime", []byte("1 seconds"), 0, false)
	k.batch.End()
	k.wants("c")
	k.wants("all")
}

// TestTracesComeAndGo while messages are on their way; for the race detector,
// and nothing but what is traced is lost by it.
func TestTracesComeAndGo(t *testing.T) {
	k := newTraced(t)
	var wg sync.WaitGroup
	const each = 2000
	for i := range 3 {
		name := fmt.Sprint("c", i)
		sub := k.connect(name).subscribe("t/"+name, 0)
		sub.onSend = func(sent) {}
		wg.Go(func() {
			b := k.NewBatch()
			for range each {
				sub.publishIn(b, &mqtt.Message{Topic: "t/" + name, Payload: []byte("x")})
			}
		})
	}
	wg.Go(func() {
		for i := range 20 {
			name := fmt.Sprint("n", i)
			k.start(name, trace.Topic, "t/#")
			time.Sleep(time.Millisecond)
			if err := k.Delete(name); err != nil {
				t.Error(err)
			}
		}
	})
	wg.Wait()
	k.balances()
	if n := k.metric("messages.delivered"); n != 3*each {
		t.Errorf("%d messages are delivered, want %d", n, 3*each)
	}
}
