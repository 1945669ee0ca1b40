package engine

import (
	"bytes"
	"cmp"
	"context"
	"crypto/subtle"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"time"
)

// door is where nodes that are no members (yet) are heard: who is there, and
// may I join. Only who has the secret of the cluster gets in.
type door struct {
	e      *Engine
	server *http.Server
	ended  chan struct{}
}

// Visit is what a node says at its door.
type Visit struct {
	Self    Member   `json:"self"`
	Cluster string   `json:"cluster"`
	Member  bool     `json:"member"`  // it is in a cluster
	Quorum  bool     `json:"quorum"`  // with enough of its members
	Members []Member `json:"members"` // this one too
	Error   string   `json:"error,omitempty"`
}

const (
	visitMost = 1 << 20 // bytes of a question and its answer
	doorIdle  = time.Minute
)

func (e *Engine) openDoor() (*door, error) {
	c := e.cluster
	host, port, err := net.SplitHostPort(c.o.Door)
	if err != nil {
		return nil, fmt.Errorf("engine: %w", err)
	}
	l, err := net.Listen("tcp", net.JoinHostPort(cmp.Or(c.o.DoorHost, host), port))
	if err != nil {
		return nil, fmt.Errorf("engine: %w", err)
	}
	d := &door{e: e, ended: make(chan struct{})}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /member", d.member)
	mux.HandleFunc("POST /join", d.join)
	d.server = &http.Server{
		Handler: d.knowing(mux), ReadHeaderTimeout: askWithin, IdleTimeout: doorIdle,
		ErrorLog: slog.NewLogLogger(e.log.Handler(), slog.LevelWarn),
	}
	go func() {
		defer close(d.ended)
		if err := d.server.Serve(tls.NewListener(l, c.secret.tls)); !errors.Is(err, http.ErrServerClosed) {
			e.log.Error("engine: the door: " + err.Error())
		}
	}()
	return d, nil
}

func (d *door) close() error {
	err := d.server.Close()
	<-d.ended
	if err != nil {
		return fmt.Errorf("engine: %w", err)
	}
	return nil
}

// knowing lets in who knows the cookie; the certificate has been seen to.
func (d *door) knowing(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, password, _ := r.BasicAuth()
		if subtle.ConstantTimeCompare([]byte(password), []byte(d.e.cluster.secret.password)) != 1 {
			http.Error(w, "the cookie is another one", http.StatusForbidden)
			return
		}
		r.Body = http.MaxBytesReader(w, r.Body, visitMost)
		next.ServeHTTP(w, r)
	})
}

func (d *door) member(w http.ResponseWriter, _ *http.Request) { d.answer(w, nil) }

func (d *door) join(w http.ResponseWriter, r *http.Request) {
	var m Member
	err := json.NewDecoder(r.Body).Decode(&m)
	if err == nil {
		err = d.e.admit(m)
	}
	d.answer(w, err)
}

func (d *door) answer(w http.ResponseWriter, err error) {
	e := d.e
	v := Visit{Self: e.Self(), Cluster: e.cluster.o.Name, Member: e.to().clustered, Quorum: e.quorate(), Members: e.standingMembers()}
	if err != nil {
		v.Error = err.Error()
	}
	w.Header().Set("Content-Type", "application/json")
	if err := json.NewEncoder(w).Encode(v); err != nil {
		e.log.Debug("engine: the door: " + err.Error())
	}
}

// Visit asks a node at its door what it is a member of.
func (e *Engine) Visit(ctx context.Context, door string) (Visit, error) {
	return e.knock(ctx, http.MethodGet, door, "/member", nil)
}

func (e *Engine) knock(ctx context.Context, method, door, path string, body any) (v Visit, err error) {
	if e.cluster == nil {
		return v, errNoCluster
	}
	text, err := json.Marshal(body)
	if err != nil {
		return v, fmt.Errorf("engine: %w", err)
	}
	r, err := http.NewRequestWithContext(ctx, method, "https://"+door+path, bytes.NewReader(text))
	if err != nil {
		return v, fmt.Errorf("engine: %w", err)
	}
	r.SetBasicAuth(ownUser, e.cluster.secret.password)
	t := &http.Transport{TLSClientConfig: e.cluster.secret.tls, DisableKeepAlives: true}
	answer, err := (&http.Client{Transport: t}).Do(r)
	if err != nil {
		return v, fmt.Errorf("engine: the node at %s can't be asked, or is of another cluster: %w", door, err)
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		return v, fmt.Errorf("engine: the node at %s refused: %s", door, answer.Status)
	}
	if err := json.NewDecoder(io.LimitReader(answer.Body, visitMost)).Decode(&v); err != nil {
		return v, fmt.Errorf("engine: the answer of %s: %w", door, err)
	}
	if v.Error != "" {
		return v, fmt.Errorf("engine: the node at %s: %s", door, v.Error)
	}
	if v.Cluster != e.cluster.o.Name {
		return v, fmt.Errorf("engine: the node at %s is of the cluster %s, this one of %s", door, v.Cluster, e.cluster.o.Name)
	}
	return v, nil
}

// standingMembers are all members, this one too.
func (e *Engine) standingMembers() []Member {
	return append(e.cluster.others(), e.Self())
}
