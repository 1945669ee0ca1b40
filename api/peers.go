package api

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"runtime/debug"
	"slices"
	"strings"
	"time"
)

// Peers are the nodes of the cluster that this one is in. Nobody but a member
// can ask, or be asked.
type Peers interface {
	// Members are all of them, this one too, in any order; one, or none, if
	// there are no others.
	Members() []Member
	// Ask returns what Server.Answer of another member says to a question. It
	// waits no longer than ctx lasts, and both have less than 30 MB.
	Ask(ctx context.Context, id string, question []byte) ([]byte, error)
}

// Member is one node of a cluster.
type Member struct {
	ID    string // for Ask
	Name  string // node.name
	Self  bool
	Alive bool
}

// NodesHeader is a header of requests that says which nodes of a cluster are to
// answer: OwnNode, or all, if it is not there.
const (
	NodesHeader = "Dunlin-Nodes"
	OwnNode     = "own"
)

// Bounds of what one node asks of another.
const (
	askTime    = 5 * time.Second
	longestSay = 24 << 20 // bytes of an answer
	mostAsked  = 64       // questions that are answered at once
)

// question is one call of a route that another node answers for itself.
type question struct {
	Version string   `json:"version"`
	Method  string   `json:"method"`
	Path    []string `json:"path"`
	Params  params   `json:"params,omitempty"` // as they came
	Items   []params `json:"items,omitempty"`
	Content []byte   `json:"content,omitempty"`
	Slice   *slice   `json:"slice,omitempty"`
	Longest int      `json:"longest"`
	By      string   `json:"by"` // the caller, whom the asking node has let do this
}

// slice is a part of a list, in the place of _page and _limit.
type slice struct {
	From  int `json:"from"`
	Limit int `json:"limit"`
}

// said is the first line of an answer. What follows is what a caller would have
// got, or the rows of a list with commas between them.
type said struct {
	Status int    `json:"status"`
	Type   string `json:"type"`
	Rows   bool   `json:"rows,omitempty"`
	Meta   *meta  `json:"meta,omitempty"`
	Total  int    `json:"total,omitempty"` // of the list; Meta doesn't always say
}

// reply is an answer that has come.
type reply struct {
	said
	from Member
	text []byte
	body struct { // of what isn't rows
		Code    json.RawMessage `json:"code"`
		Message string          `json:"message"`
		Data    json.RawMessage `json:"data"`
	}
}

// failed reports whether it says that something was wrong.
func (r *reply) failed() bool {
	return !r.Rows && (r.Status != http.StatusOK || r.body.Message != "" || r.body.Code != nil && string(r.body.Code) != "0")
}

// absent reports whether it says that a client, or a file, isn't there.
func (r *reply) absent() bool {
	return string(r.body.Code) == fmt.Sprint(codeOffline) || string(r.body.Code) == `"`+traceNotFound+`"` || r.body.Message == notFound
}

// EMQ X's words for what isn't there.
const (
	notFound      = "not_found"
	traceNotFound = "NOT_FOUND"
)

// members are all nodes of the cluster, by name; nil if this is the only one.
func (s *Server) members() []Member {
	if s.o.Peers == nil {
		return nil
	}
	all := s.o.Peers.Members()
	if len(all) < 2 {
		return nil
	}
	slices.SortFunc(all, func(a, b Member) int {
		return cmp.Or(strings.Compare(a.Name, b.Name), strings.Compare(a.ID, b.ID))
	})
	return all
}

// named is the member of a name, one that is there rather than one that isn't.
func named(all []Member, name string) (found Member, ok bool) {
	for _, m := range all {
		if m.Name == name && (!ok || m.Self || m.Alive && !found.Self) {
			found, ok = m, true
		}
	}
	return found, ok
}

// ask has another node answer the request as if it had come to that one alone.
// part, if not nil, is what is wanted of a list.
func (s *Server) ask(q *request, m Member, part *slice) (*reply, error) {
	if !m.Alive {
		return nil, fmt.Errorf("node %s is down", m.Name)
	}
	text, err := json.Marshal(&question{
		Version: q.version.String(), Method: q.route.Method, Path: q.parts, Params: q.sent, Items: q.items, Content: q.content,
		Slice: part, Longest: q.longest, By: q.caller.name,
	})
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(q.ctx, askTime)
	defer cancel()
	if text, err = s.o.Peers.Ask(ctx, m.ID, text); err != nil {
		return nil, fmt.Errorf("node %s did not answer: %w", m.Name, err)
	}
	return readReply(m, text)
}

// readReply reads what a member has said.
func readReply(m Member, text []byte) (*reply, error) {
	r := &reply{from: m}
	head, rest, _ := bytes.Cut(text, []byte("\n"))
	err := json.Unmarshal(head, &r.said)
	if r.text = rest; err == nil && !r.Rows && r.Status == http.StatusOK && r.Type == mediaJSON {
		err = json.Unmarshal(rest, &r.body)
	}
	if err != nil {
		return nil, fmt.Errorf("node %s gave an answer that can't be read: %w", m.Name, err)
	}
	return r, nil
}

// Answer answers a question of another member, later, by calling reply once.
// It never asks anybody, so that no question goes round.
func (s *Server) Answer(from string, text []byte, reply func([]byte)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	select {
	case s.asked <- struct{}{}:
	default:
		reply(refuse(http.StatusServiceUnavailable, "the node has too many questions to answer"))
		return
	}
	if s.stopped {
		<-s.asked
		reply(refuse(http.StatusServiceUnavailable, "the node stops"))
		return
	}
	s.serving.Go(func() {
		defer func() { <-s.asked }()
		reply(s.answerMember(from, text))
	})
}

// refuse is an answer that says why there is none.
func refuse(status int, why string) []byte {
	return said{Status: status, Type: "text/plain"}.with([]byte(why))
}

func (h said) with(text []byte) []byte {
	line, err := json.Marshal(h)
	if err != nil {
		panic(err) // it has nothing that JSON refuses
	}
	return append(append(line, '\n'), text...)
}

// answerMember runs the route that is asked for, for this node alone.
func (s *Server) answerMember(from string, text []byte) (answer []byte) {
	var asked question
	defer func() {
		if p := recover(); p != nil {
			s.log.Error("a request of another node failed", "method", asked.Method, "path", asked.Path, "panic", fmt.Sprint(p), "stack", string(debug.Stack()))
			answer = refuse(http.StatusInternalServerError, "Internal Error")
		}
	}()
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	if err := d.Decode(&asked); err != nil {
		return refuse(http.StatusBadRequest, "Bad Request")
	}
	version, _ := parseVersion(asked.Version)
	route, values := s.tree.find(version, asked.Method, asked.Path)
	if route == nil || route.spread == nil || asked.Items != nil && route.batch == nil {
		return refuse(http.StatusNotFound, "Not found.")
	}
	ctx, cancel := context.WithTimeout(context.Background(), askTime)
	defer cancel()
	q := &request{
		ctx: ctx, version: version, route: route, path: route.named(values), parts: asked.Path, params: asked.Params, items: asked.Items,
		content: asked.Content, door: management, caller: &caller{name: asked.By}, longest: max(asked.Longest, 1), alone: true, slice: asked.Slice,
	}
	if q.params == nil {
		q.params = make(params)
	}
	if asked.Method != http.MethodGet {
		s.log.Info("management", "by", asked.By, "from", s.nameOf(from), "method", asked.Method, "path", "/"+strings.Join(asked.Path, "/"))
	}
	return s.saying(q)
}

// nameOf is the name of a member.
func (s *Server) nameOf(id string) string {
	for _, m := range s.members() {
		if m.ID == id {
			return m.Name
		}
	}
	return id
}

// recorder keeps an answer that goes to another node.
type recorder struct {
	header http.Header
	status int
	text   []byte
	long   bool // longer than an answer may be
}

func (w *recorder) Header() http.Header { return w.header }

func (w *recorder) WriteHeader(status int) { w.status = status }

func (w *recorder) Write(p []byte) (int, error) {
	if w.long = w.long || len(w.text)+len(p) > longestSay; w.long {
		return 0, fmt.Errorf("the answer to another node has more than %d bytes", longestSay)
	}
	w.text = append(w.text, p...)
	return len(p), nil
}

// saying is the answer to q in the form of Answer.
func (s *Server) saying(q *request) []byte {
	data, err := s.run(q)
	if q.slice != nil && err == nil {
		data, err = inRows(data)
	}
	if list, m, is := asRows(data); is && err == nil {
		h := said{Status: http.StatusOK, Type: mediaJSON, Rows: true, Meta: m}
		if m != nil {
			h.Total = m.total()
		}
		var text []byte
		for i := range list.count {
			if text = list.next(text, i); len(text) > longestSay {
				return refuse(http.StatusInternalServerError, "the answer is too long for another node")
			}
		}
		return h.with(text)
	}
	w := &recorder{header: make(http.Header)}
	s.write(w, q, data, err)
	if w.long {
		return refuse(http.StatusInternalServerError, "the answer is too long for another node")
	}
	return said{Status: cmp.Or(w.status, http.StatusOK), Type: w.header.Get("Content-Type")}.with(w.text)
}
