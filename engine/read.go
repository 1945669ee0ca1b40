package engine

import (
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/nats-io/nats.go"
)

const (
	readBytes  = 1 << 20 // of one answer
	readWithin = 30 * time.Second
	// copyWithin is how long one of several copies has for its answer: the next
	// question may meet another one that doesn't hang.
	copyWithin = 2 * time.Second
)

type directGet struct {
	Seq      uint64 `json:"seq,omitempty"`
	NextFor  string `json:"next_by_subj,omitempty"`
	Batch    int    `json:"batch,omitempty"`
	MaxBytes int    `json:"max_bytes,omitempty"`
}

// patiently asks until an answer comes, for readWithin at most.
func (s *stream) patiently(ask func(within time.Duration) error) (err error) {
	within := readWithin
	if s.e.to().clustered {
		within = copyWithin
	}
	for deadline := time.Now().Add(readWithin); ; {
		if err = ask(within); !errors.Is(err, nats.ErrTimeout) || !time.Now().Before(deadline) {
			break
		}
	}
	if err != nil {
		return fmt.Errorf("engine: read %s: %w", s.name, sentence(err))
	}
	return nil
}

// get returns records with numbers of from and above, most of them at most,
// and the number to go on with: behind the last record of the stream when there
// is nothing left.
func (s *stream) get(from uint64, most int) (records []record, next uint64, err error) {
	err = s.patiently(func(within time.Duration) error {
		records, next, err = s.getOnce(from, most, within)
		return err
	})
	return records, next, err
}

func (s *stream) getOnce(from uint64, most int, within time.Duration) (records []record, next uint64, err error) {
	last := s.last.Load()
	from = max(from, 1)
	if from > last {
		return nil, from, nil
	}
	ask, err := json.Marshal(directGet{Seq: from, NextFor: ">", Batch: most, MaxBytes: readBytes})
	if err != nil {
		return nil, from, err
	}
	l := s.e.to()
	alone := !l.clustered
	inbox := nats.NewInbox()
	sub, err := l.conn.SubscribeSync(inbox)
	if err != nil {
		return nil, from, err
	}
	defer sub.Unsubscribe() //nolint:errcheck // fails only with its connection, which NextMsg tells of
	if err := l.conn.PublishRequest("$JS.API.DIRECT.GET."+s.name, inbox, ask); err != nil {
		return nil, from, err
	}
	for {
		m, err := sub.NextMsg(within)
		if len(records) > 0 && errors.Is(err, nats.ErrTimeout) {
			return records, next, nil
		}
		if err != nil {
			return nil, from, err
		}
		if status := m.Header.Get("Status"); status != "" {
			switch {
			case status == "404" && alone: // nothing more
				return nil, max(from, last+1), nil
			case status == "404": // or this node doesn't have it yet
				return nil, from, nil
			case status != "204":
				return nil, from, errors.New(m.Header.Get("Description"))
			case alone && (len(records) == 0 || m.Header.Get("Nats-Num-Pending") == "0"):
				next = max(next, last+1)
			}
			return records, next, nil
		}
		r, err := parseRecord(m)
		if err != nil {
			return nil, from, err
		}
		records, next = append(records, r), r.seq+1
	}
}

var errNotFound = errors.New("engine: no such record")

// newest returns the last record of a subject.
func (s *stream) newest(subject string) (record, error) {
	var m *nats.Msg
	err := s.patiently(func(within time.Duration) (err error) {
		m, err = s.e.to().conn.Request("$JS.API.DIRECT.GET."+s.name+"."+subject, nil, within)
		return err
	})
	if err != nil {
		return record{}, err
	}
	switch status := m.Header.Get("Status"); status {
	case "":
		return parseRecord(m)
	case "404":
		return record{}, errNotFound
	default:
		return record{}, fmt.Errorf("engine: read %s: %s", s.name, m.Header.Get("Description"))
	}
}

func parseRecord(m *nats.Msg) (record, error) {
	seq, err := strconv.ParseUint(m.Header.Get("Nats-Sequence"), 10, 64)
	if err != nil {
		return record{}, fmt.Errorf("a record without a number: %w", err)
	}
	return record{seq, m.Header.Get("Nats-Subject"), m.Data}, nil
}
