package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/dunlin-mq/dunlin/api"
)

// answerTimeout is how long the broker may take for one answer.
const answerTimeout = time.Minute

// remote is the broker that runs.
type remote struct {
	name, socket string
	version      string // of REST
	client       *http.Client
	stdin        *bufio.Reader
	out, errOut  io.Writer
	json         bool
	own          bool      // the others of its cluster are not asked
	answers      []*answer // of the broker, for --json
	shown        any       // what --json prints in their place; nil: nothing does
}

// refusal is what the broker says when it won't.
type refusal string

func (r refusal) Error() string { return string(r) }

// sentence is a refusal in the words that EMQ X has for it.
type sentence string

func (s sentence) Error() string { return string(s) }

// notRunning is the name of a node that can't be reached.
type notRunning string

// Error is EMQ X's sentence.
func (n notRunning) Error() string { return "Node '" + string(n) + "' not responding to pings." }

// connect finds the broker; whether it runs shows with the first call.
func connect(c *cobra.Command, where *place) (*remote, error) {
	name, dataDir, err := where.find(c.ErrOrStderr())
	if err != nil {
		return nil, err
	}
	r := newRemote(name, dataDir)
	r.json = where.json
	r.stdin, r.out, r.errOut = bufio.NewReader(c.InOrStdin()), c.OutOrStdout(), c.ErrOrStderr()
	return r, nil
}

// newRemote is the broker of a data directory, to be asked for REST's version 4.
func newRemote(name, dataDir string) *remote {
	r := &remote{name: name, socket: api.Socket(dataDir), version: "v4"}
	var d net.Dialer
	r.client = &http.Client{Timeout: answerTimeout, Transport: &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) { return d.DialContext(ctx, "unix", r.socket) },
	}}
	return r
}

func (r *remote) close() { r.client.CloseIdleConnections() }

// printf prints text; with --json the answers are printed in the end.
func (r *remote) printf(format string, args ...any) {
	if !r.json {
		fmt.Fprintf(r.out, format, args...)
	}
}

// say is the end of every verb. It prints what was wrong, if anything was: what
// the broker said where its answers go, everything else where errors go. Of a
// refusal it makes errSaid. With --json it prints one object, whatever the verb.
func (r *remote) say(err error) error {
	refused, emqx := refusal(""), sentence("")
	if failed := err != nil; r.json && (!failed || errors.As(err, &emqx) || errors.As(err, &refused)) {
		if err := r.printJSON(err); err != nil || !failed {
			return err
		}
		return errSaid
	}
	switch {
	case err == nil, errors.Is(err, errSaid):
		return err
	case errors.As(err, &emqx):
		r.printf("%s\n", emqx)
	case errors.As(err, &refused) && strings.HasPrefix(string(refused), "[error] "):
		r.printf("%s\n", refused)
	case errors.As(err, &refused):
		r.printf("Error: %s\n", refused)
	default:
		fmt.Fprintln(r.errOut, err)
		return err
	}
	return errSaid
}

// call sends one request; into, if not nil, gets what is in data.
func (r *remote) call(method, path string, body, into any) error {
	answer, err := r.ask(method, path, body)
	if err != nil {
		return err
	}
	return r.take(answer, into)
}

func (r *remote) get(path string, into any) error { return r.call("GET", path, nil, into) }

// answer is the shape of all answers.
type answer struct {
	Code    json.RawMessage `json:"code,omitempty"` // a number, or a word of EMQ X 4.4
	Message string          `json:"message,omitempty"`
	Reason  string          `json:"reason,omitempty"` // more of Message
	Data    json.RawMessage `json:"data,omitempty"`
	Meta    *meta           `json:"meta,omitempty"`
}

func (a *answer) ok() bool { return string(a.Code) == success }

// success is the code of what was done.
const success = "0"

type meta struct {
	Count int `json:"count"`
}

// take reads an answer, and keeps it for --json.
func (r *remote) take(a *answer, into any) error {
	r.answers = append(r.answers, a)
	if !a.ok() {
		return refusal(a.Message)
	}
	if into == nil {
		return nil
	}
	return json.Unmarshal(a.Data, into)
}

func (r *remote) ask(method, path string, body any) (*answer, error) {
	var text bytes.Buffer
	if body != nil {
		if err := json.NewEncoder(&text).Encode(body); err != nil {
			return nil, err
		}
	}
	return r.send(method, path, &text)
}

// send is ask with a body as it is.
func (r *remote) send(method, path string, body io.Reader) (*answer, error) {
	req, err := http.NewRequest(method, "http://node/api/"+r.version+path, body)
	if err != nil {
		return nil, err
	}
	if r.own {
		req.Header.Set(api.NodesHeader, api.OwnNode)
	}
	resp, err := r.client.Do(req)
	if err != nil {
		return nil, r.unreachable(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode == http.StatusNotFound {
		return &answer{Message: "this is switched off in the configuration of node " + r.name}, nil
	}
	a := new(answer)
	if err := json.NewDecoder(resp.Body).Decode(a); err != nil || resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("node %s answered %s %s with %s", r.name, method, path, resp.Status)
	}
	return a, nil
}

// unreachable says why the broker can't be asked, in EMQ X's words if it
// doesn't run.
func (r *remote) unreachable(err error) error {
	switch {
	case errors.Is(err, fs.ErrPermission):
		return fmt.Errorf("only the user that the broker runs as may use %s", r.socket)
	case errors.As(err, new(*net.OpError)):
		return notRunning(r.name)
	}
	return fmt.Errorf("node %s did not answer: %w", r.name, err)
}

// rowsPerPage is how many rows of a list one request asks for.
const rowsPerPage = 1000

// list reads all pages of a list.
func (r *remote) list(path string) (rows []map[string]any, err error) {
	return rows, r.listInto(path, &rows)
}

// listInto is list for rows of a type.
func (r *remote) listInto(path string, rows any) error {
	all := []json.RawMessage{}
	and := "?"
	if strings.Contains(path, and) {
		and = "&"
	}
	for page := 1; ; page++ {
		a, err := r.ask("GET", fmt.Sprintf("%s%s_page=%d&_limit=%d", path, and, page, rowsPerPage), nil)
		if err != nil {
			return err
		}
		var some []json.RawMessage
		if a.ok() {
			if err := json.Unmarshal(a.Data, &some); err != nil {
				return err
			}
		}
		all = append(all, some...)
		if a.Meta == nil || len(some) == 0 || len(all) >= a.Meta.Count {
			a.Meta = nil
			if a.Data != nil {
				if a.Data, err = json.Marshal(all); err != nil {
					return err
				}
			}
			return r.take(a, rows)
		}
	}
}

// node asks for the name of the broker, which the command line may not know.
func (r *remote) node() (string, error) {
	var brokers []struct{ Node string }
	own := *r
	own.own = true
	a, err := own.ask("GET", "/brokers", nil)
	if err == nil {
		err = json.Unmarshal(a.Data, &brokers)
	}
	if err != nil || len(brokers) == 0 {
		return r.name, err
	}
	return brokers[0].Node, nil
}

// secret is a password: the argument, or the next line of the input for -.
func (r *remote) secret(arg string) (string, error) {
	if arg != "-" {
		return arg, nil
	}
	line, err := r.stdin.ReadString('\n')
	if err != nil && line == "" {
		return "", errors.New("expected a line with the password on the standard input")
	}
	return strings.TrimRight(line, "\r\n"), nil
}

func escape(part string) string { return url.PathEscape(part) }
