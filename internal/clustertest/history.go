package clustertest

import (
	"bytes"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/dunlin-mq/dunlin/mqtt"
	"github.com/dunlin-mq/dunlin/topic"
)

// Message is one message of a workload: each publisher numbers its own from 1.
type Message struct {
	Publisher string // client id
	Number    int
	Topic     string
	QoS       mqtt.QoS // as it was published
}

func (m Message) String() string {
	return fmt.Sprintf("%s number %d on %s at QoS %d", m.Publisher, m.Number, m.Topic, m.QoS)
}

// payload is "publisher number QoS " and padding up to size bytes.
func (m Message) payload(size int) []byte {
	text := fmt.Appendf(nil, "%s %d %d ", m.Publisher, m.Number, m.QoS)
	return append(text, bytes.Repeat([]byte{'.'}, max(0, size-len(text)))...)
}

// parseMessage reads what payload wrote.
func parseMessage(topicName string, payload []byte) (m Message, err error) {
	m.Topic = topicName
	if _, err := fmt.Sscanf(string(payload), "%s %d %d ", &m.Publisher, &m.Number, &m.QoS); err != nil {
		return m, fmt.Errorf("a payload that no publisher wrote, %.40q: %w", payload, err)
	}
	return m, nil
}

// moment is a place in the order of all that the clients of a test do, and the
// time since the history began. What has the higher order happened later.
type moment struct {
	order int
	at    time.Duration
	node  string // that it happened with; empty: with none, or with one that has no name
}

func (m moment) String() string {
	text := fmt.Sprintf("%.3fs", m.at.Seconds())
	if m.node != "" {
		text += " by " + m.node
	}
	return text
}

// outcome is what the publisher knows of its message.
type outcome uint8

const (
	unknown      outcome = iota // not acknowledged, or of QoS 0
	acknowledged                // by PUBACK or PUBREC
	refused                     // by one with a failure
)

// fate is what became of one message on its publisher's side.
type fate struct {
	published moment
	answered  moment
	outcome   outcome
	code      mqtt.ReasonCode
}

// receipt is one PUBLISH that a client took for a message of its own: of a QoS 2
// message that is sent again before its PUBREL it takes the first one only.
type receipt struct {
	Message
	moment
	qos mqtt.QoS // as it was delivered
	dup bool
}

// subscription is one filter of a session, from its SUBACK on.
type subscription struct {
	filter string // without the group
	group  string // of a shared subscription
	qos    mqtt.QoS
	since  moment
}

// grants returns the QoS at which the message should come, if it should.
func (s *subscription) grants(m Message) (mqtt.QoS, bool) {
	return min(s.qos, m.QoS), topic.Match(s.filter, m.Topic)
}

// sessionLog is what one client with a session saw.
type sessionLog struct {
	client        string
	subscriptions []subscription // which do not overlap
	receipts      []receipt
	forgotten     []moment // CONNACKs that denied a session which should have been there
	violations    []string // what a broker may never do
}

// History is what all clients of a test did and saw. Any goroutine may write
// into it; it is judged when they have come to an end.
type History struct {
	began time.Time

	mu       sync.Mutex
	order    int
	fates    map[Message]*fate
	sessions []*sessionLog
	events   []event
}

// event is what the test itself did.
type event struct {
	moment
	what string
}

// NewHistory begins a history.
func NewHistory() *History { return &History{began: time.Now(), fates: make(map[Message]*fate)} }

// now is the next moment; the caller holds mu.
func (h *History) now() moment {
	h.order++
	return moment{order: h.order, at: time.Since(h.began)}
}

// with is now, at a node; the caller holds mu.
func (h *History) with(node string) moment {
	m := h.now()
	m.node = node
	return m
}

// Note keeps what the test does to the nodes, for the report.
func (h *History) Note(format string, args ...any) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.events = append(h.events, event{h.now(), fmt.Sprintf(format, args...)})
}

func (h *History) session(client string) *sessionLog {
	h.mu.Lock()
	defer h.mu.Unlock()
	s := &sessionLog{client: client}
	h.sessions = append(h.sessions, s)
	return s
}

// subscribed notes a SUBACK; filter may be that of a shared subscription.
func (h *History) subscribed(s *sessionLog, filter string, qos mqtt.QoS) {
	h.mu.Lock()
	defer h.mu.Unlock()
	sub := subscription{filter: filter, qos: qos, since: h.now()}
	if rest, shared := strings.CutPrefix(filter, "$share/"); shared {
		sub.group, sub.filter, _ = strings.Cut(rest, "/")
	}
	s.subscriptions = append(s.subscriptions, sub)
}

// publishing notes that the message is about to be sent for the first time.
func (h *History) publishing(m Message) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.fates[m] = &fate{published: h.now()}
}

// answered notes a PUBACK or PUBREC of a node.
func (h *History) answered(m Message, code mqtt.ReasonCode, node string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	f := h.fates[m]
	f.answered, f.code, f.outcome = h.with(node), code, acknowledged
	if code.Failed() {
		f.outcome = refused
	}
}

func (h *History) received(s *sessionLog, m Message, qos mqtt.QoS, dup bool, node string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	s.receipts = append(s.receipts, receipt{m, h.with(node), qos, dup})
}

func (h *History) forgot(s *sessionLog) {
	h.mu.Lock()
	defer h.mu.Unlock()
	s.forgotten = append(s.forgotten, h.now())
}

// maxViolations is how many a session keeps: the first ones tell enough.
const maxViolations = 20

func (h *History) violated(s *sessionLog, format string, args ...any) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(s.violations) < maxViolations {
		s.violations = append(s.violations, fmt.Sprintf("at %v "+format, append([]any{h.now()}, args...)...))
	}
}

// receipts counts all that came, to see whether more comes.
func (h *History) receipts() (n int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, s := range h.sessions {
		n += len(s.receipts)
	}
	return n
}
