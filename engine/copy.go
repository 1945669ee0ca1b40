package engine

import (
	"errors"
	"fmt"
	"reflect"
	"sync"
	"time"
	"unsafe" // for go:linkname, and what it can't name

	"github.com/nats-io/nats-server/v2/server"
)

// A node reads its own copy of a stream where the server has it, beside the
// server's questions and answers: those go to any copy, also to one that is
// behind, and none of them says how far the copy has come. DESIGN.md says more.

//go:linkname serverStream github.com/nats-io/nats-server/v2/server.(*Account).lookupStream
func serverStream(a *server.Account, name string) (unsafe.Pointer, error)

//go:linkname streamStore github.com/nats-io/nats-server/v2/server.(*stream).Store
func streamStore(stream unsafe.Pointer) server.StreamStore

//go:linkname streamGroup github.com/nats-io/nats-server/v2/server.(*stream).raftNode
func streamGroup(stream unsafe.Pointer) server.RaftNode

// Where the server's record, which has no methods, has what is of interest.
const (
	storedSubject = 0
	storedData    = 2
	storedNumber  = 4
)

var storedKnown = sync.OnceValue(func() error {
	t := reflect.TypeFor[server.StoreMsg]()
	for i, want := range map[int]string{storedSubject: "subj string", storedData: "msg []uint8", storedNumber: "seq uint64"} {
		if i >= t.NumField() || t.Field(i).Name+" "+t.Field(i).Type.String() != want {
			return fmt.Errorf("engine: the embedded server's records have no %s at place %d", want, i)
		}
	}
	return nil
})

// appliedWithin is how long a copy may take to apply what it has got.
const appliedWithin = 50 * time.Millisecond

// replica is this node's copy of a stream.
type replica struct {
	store server.StreamStore
	group server.RaftNode // nil: it is the only one
}

// replica finds the copy of a stream that the server has, if it has one.
func (l *link) replica(name string) (r replica, ok bool) {
	s, err := serverStream(l.server.GlobalAccount(), name)
	if err != nil {
		return r, false
	}
	r.store, r.group = streamStore(s), streamGroup(s)
	return r, r.store != nil
}

// reaches returns the numbers of the first and the last record that the copy has.
func (r replica) reaches() (first, last uint64) {
	var state server.StreamState
	r.store.FastState(&state)
	return state.FirstSeq, state.LastSeq
}

// question asks a copy of a stream for records.
type question struct {
	Stream  string
	Subject string `json:",omitempty"` // its newest record; "": all with numbers of From and above
	From    uint64 `json:",omitempty"`
	Most    int    `json:",omitempty"` // so many at most, and about readBytes
	Least   uint64 // of the copy's last number: one that has less can't answer
	Sure    bool   // that there is no more has to be certain
}

// answer is what a copy has.
type answer struct {
	Behind  bool     `json:",omitempty"` // nothing: there is no copy, or it has not come so far
	Records []record `json:",omitempty"`
	Next    uint64   // the number to go on with
	Last    uint64   // of the copy
	End     bool     // there was no more
}

// answer answers from the copy as it is now.
func (r replica) answer(q *question) (a answer, err error) {
	if _, a.Last = r.reaches(); a.Last < q.Least {
		return answer{Behind: true}, nil
	}
	a.Next = q.From
	for sure := !q.Sure; ; sure = true {
		var more bool
		if q.Subject != "" {
			more, err = r.newest(q.Subject, &a)
		} else {
			more, err = r.walk(q, &a)
		}
		switch {
		case err != nil || more:
			return a, err
		case sure:
			a.End = true
			return a, nil
		case !r.applied():
			return answer{Behind: true}, nil
		}
	}
}

// applied waits until the copy has applied what it has got until now. What it
// misses then isn't there. A copy that is brought up to date first deletes what
// was replaced meanwhile, and then gets what has replaced it.
func (r replica) applied() bool {
	if r.group == nil {
		return true
	}
	_, commit, applied := r.group.Progress()
	for end := time.Now().Add(appliedWithin); applied < commit; _, _, applied = r.group.Progress() {
		if time.Now().After(end) {
			return false
		}
		time.Sleep(appliedWithin / 500)
	}
	return true
}

func (r replica) newest(subject string, a *answer) (found bool, err error) {
	var m server.StoreMsg
	switch _, err = r.store.LoadLastMsg(subject, &m); {
	case errors.Is(err, server.ErrStoreMsgNotFound):
		return false, nil
	case err != nil:
		return false, err
	}
	a.Records = append(a.Records, stored(&m))
	return true, nil
}

// walk adds records; more: there are others behind them.
func (r replica) walk(q *question, a *answer) (more bool, err error) {
	for size := 0; len(a.Records) < q.Most && size < readBytes; {
		var m server.StoreMsg // one each, as it keeps the bytes
		switch _, last, err := r.store.LoadNextMsg("", false, a.Next, &m); {
		case errors.Is(err, server.ErrStoreEOF):
			a.Next = max(a.Next, last+1)
			return false, nil
		case err != nil:
			return false, err
		}
		rec := stored(&m)
		a.Records, a.Next = append(a.Records, rec), rec.seq+1
		size += len(rec.data)
	}
	return true, nil
}

func stored(m *server.StoreMsg) record {
	v := reflect.ValueOf(m).Elem()
	return record{v.Field(storedNumber).Uint(), v.Field(storedSubject).String(), v.Field(storedData).Bytes()}
}
