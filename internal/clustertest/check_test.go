package clustertest

import (
	"fmt"
	"strings"
	"testing"

	"github.com/dunlin-mq/dunlin/mqtt"
)

// tell makes a history of a text: events with semicolons between.
//
//	sub CLIENT FILTER QOS             a SUBACK
//	pub TOPIC QOS NUMBER              p publishes
//	ack NUMBER [CODE]                 and gets its PUBACK or PUBREC
//	got CLIENT NUMBER [dup] [qos N]   a client takes the message
//	forgot CLIENT                     a CONNACK without the session
//	broken CLIENT                     something no broker may send
func tell(t *testing.T, text string) *History {
	t.Helper()
	h := NewHistory()
	logs := map[string]*sessionLog{}
	messages := map[string]Message{}
	log := func(client string) *sessionLog {
		if logs[client] == nil {
			logs[client] = h.session(client)
		}
		return logs[client]
	}
	for event := range strings.SplitSeq(text, ";") {
		f := append(strings.Fields(event), "", "", "")
		var n int
		var qos mqtt.QoS
		switch f[0] {
		case "sub":
			fmt.Sscan(f[3], &qos)
			h.subscribed(log(f[1]), f[2], qos)
		case "pub":
			fmt.Sscan(f[2], &qos)
			fmt.Sscan(f[3], &n)
			messages[f[3]] = Message{"p", n, f[1], qos}
			h.publishing(messages[f[3]])
		case "ack":
			var code mqtt.ReasonCode
			fmt.Sscan(f[2], &code)
			h.answered(messages[f[1]], code, "n1")
		case "got":
			m, known := messages[f[2]]
			if !known {
				m = Message{"stranger", 1, "t", 1}
			}
			qos = min(2, m.QoS)
			for _, s := range log(f[1]).subscriptions {
				qos = min(s.qos, m.QoS)
			}
			if strings.Contains(event, "qos") {
				fmt.Sscan(event[strings.Index(event, "qos")+3:], &qos)
			}
			h.received(log(f[1]), m, qos, strings.Contains(event, "dup"), "n2")
		case "forgot":
			h.forgot(log(f[1]))
		case "broken":
			h.violated(log(f[1]), "came nonsense")
		default:
			t.Fatalf("unknown event %q", event)
		}
	}
	return h
}

// TestCheck finds each defect, and nothing in what is right.
func TestCheck(t *testing.T) {
	f := func(text string, want Report) {
		t.Helper()
		got := Check(tell(t, text))
		received, published := got.Received, got.Published
		acked, unknown := got.Acknowledged, got.Unknown
		report := got.String()
		got.Received, got.Published, got.Acknowledged, got.Unknown, got.details, got.events = 0, 0, 0, 0, nil, nil
		if fmt.Sprint(*got) != fmt.Sprint(want) {
			t.Errorf("%s\n(published %d, acknowledged %d, unknown %d, received %d):\n%s", text, published, acked, unknown, received, report)
		}
	}
	// What is right.
	f("sub s # 1; pub t 1 1; ack 1; got s 1", Report{})
	f("sub s # 2; pub t 2 1; got s 1; ack 1", Report{})
	f("sub s # 2; pub t 1 1; ack 1; pub u 1 2; ack 2; got s 2; got s 1", Report{}) // order is of one topic
	f("sub s # 2; pub t 1 1; ack 1; pub t 2 2; ack 2; got s 2; got s 1", Report{}) // and of one QoS
	f("sub s a 1; pub t 1 1; ack 1", Report{})
	f("pub t 1 1; ack 1; sub s # 1", Report{})          // subscribed too late
	f("sub s # 1; pub t 1 1", Report{})                 // never acknowledged
	f("pub t 1 1; sub s # 1; ack 1; got s 1", Report{}) // came although it was not owed
	f("sub s # 2; pub t 1 1; ack 1; pub t 1 3; ack 3; got s 1; got s 3", Report{})
	// What is allowed.
	f("sub s # 2; pub t 1 1; ack 1; got s 1; got s 1 dup", Report{Repeated: 1})
	f("sub s # 1; pub t 2 1; ack 1; got s 1; got s 1", Report{Repeated: 1, RepeatedWithoutDUP: 1})
	f("sub s # 1; pub t 1 1; ack 1; pub t 1 2; ack 2; got s 1; got s 2; got s 1 dup; got s 2 dup", Report{Repeated: 2})
	f("sub s # 1; pub t 0 1", Report{MissingQoS0: 1})
	f("sub s # 1; pub t 1 1; ack 1 151; got s 1", Report{Refused: 1, LateRefused: 1})
	f("sub s # 1; pub t 1 1; ack 1 151", Report{Refused: 1})
	// Each defect.
	f("sub s # 1; pub t 1 1; ack 1", Report{Lost: 1})
	f("sub s # 1; pub t 1 1; ack 1 16", Report{Lost: 1}) // "no matching subscribers" is an acknowledgement
	f("sub s # 1; sub r # 1; pub t 1 1; ack 1; got r 1", Report{Lost: 1})
	f("sub s # 1; pub t 1 1; ack 1; pub t 1 2; ack 2; got s 2", Report{Lost: 1})
	f("sub s # 2; pub t 2 1; ack 1; got s 1; got s 1 dup", Report{Duplicated: 1})
	f("sub s # 0; pub t 2 1; ack 1; got s 1; got s 1", Report{Duplicated: 1})
	f("sub s # 1; pub t 1 1; ack 1; pub t 1 2; ack 2; got s 2; got s 1", Report{Reordered: 1})
	f("sub s # 1; pub t 1 1; ack 1; pub t 1 2; ack 2; pub t 1 3; ack 3; got s 3; got s 1; got s 2", Report{Reordered: 2})
	f("sub s # 1; pub t 2 1; ack 1; got s 1 qos 2", Report{Degraded: 1})
	f("sub s # 1; pub t 1 1; ack 1; got s 1 qos 0", Report{Degraded: 1})
	f("sub s # 1; got s 1", Report{Foreign: 1})
	f("sub s u 1; pub t 1 1; ack 1; got s 1", Report{Foreign: 1})
	f("sub s # 1; forgot s", Report{Forgotten: 1})
	f("sub s # 1; broken s; broken s", Report{Violations: 2})
	// Shared groups.
	f("sub a $share/g/# 2; sub b $share/g/# 2; pub t 2 1; ack 1; pub t 2 2; ack 2; got b 2; got a 1", Report{})
	f("sub a $share/g/# 2; sub b $share/g/# 2; pub t 2 1; ack 1", Report{GroupLost: 1})
	f("sub a $share/g/# 2; sub b $share/g/# 2; pub t 2 1; ack 1; got a 1; got b 1 dup", Report{GroupDuplicated: 1})
	f("sub a $share/g/# 2; sub b $share/h/# 2; pub t 2 1; ack 1; got a 1", Report{GroupLost: 1})
	f("sub a $share/g/# 2; sub s # 2; pub t 1 1; ack 1; got a 1; got s 1", Report{})
}

// TestReport: totals, the defect with its times, and what the test did.
func TestReport(t *testing.T) {
	h := tell(t, "sub s # 1; pub t 1 1; ack 1; pub t 0 2; pub t 1 3")
	h.Note("node %d killed", 1)
	r := Check(h)
	text := r.String()
	for _, want := range []string{
		"published 3: acknowledged 1, refused 0, unknown 1\n", "lost 1, duplicated 0",
		"LOST: s never got p number 1 on t at QoS 1, published at 0.0", "(0x00)", "node 1 killed",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("the report has no %q:\n%s", want, text)
		}
	}
	if r.Defects() != 1 {
		t.Errorf("%d defects", r.Defects())
	}
	var all strings.Builder
	all.WriteString("sub s # 1")
	for i := range 5 * maxDetails {
		fmt.Fprintf(&all, "; pub t 1 %d; ack %[1]d", i+1)
	}
	if text := Check(tell(t, all.String())).String(); !strings.Contains(text, fmt.Sprintf("and %d more\n", 4*maxDetails)) {
		t.Errorf("a long report:\n%s", text)
	}
}

func TestPayload(t *testing.T) {
	for _, size := range []int{0, 10, 100} {
		m := Message{"pub1", 17, "work/3", 2}
		payload := m.payload(size)
		got, err := parseMessage("work/3", payload)
		if err != nil || got != m || len(payload) < size {
			t.Errorf("size %d: %v from %q (%v)", size, got, payload, err)
		}
	}
	if _, err := parseMessage("t", []byte("hello")); err == nil {
		t.Error("a foreign payload was taken")
	}
}
