package auth

import (
	"container/list"
	"errors"
	"time"
)

// flight is one question under way. It has copies of all that the provider
// sees: a call that is stuck may look at them when the clients are long gone.
type flight struct {
	key    requestKey
	keyed  bool
	acl    bool
	client Client
	r      Request

	asked, deadline time.Duration
	done            []func(Answer, error)
	place           *list.Element
	running, over   bool
	trial           bool
}

// news is what those who wait are told once mu is free.
type news struct {
	to  []func(Answer, error)
	a   Answer
	err error
}

func tell(all []news) {
	for i := range all {
		n := &all[i]
		for _, f := range n.to {
			f(n.a, n.err)
		}
	}
}

// end takes a flight out of the line; whoever waits for it is in the news.
func (b *backend) end(f *flight, a Answer, err error) news {
	f.over = true
	if !f.running {
		if b.next == f.place {
			b.next = f.place.Next()
		}
		b.wait(-1)
	}
	b.line.Remove(f.place)
	b.askers -= len(f.done)
	if b.flights[f.key] == f {
		delete(b.flights, f.key)
	}
	if err != nil {
		b.count.failed.Add(uint64(len(f.done)))
		if errors.Is(err, errTimeout) {
			b.count.backend.timeout.Add(uint64(len(f.done)))
		}
	}
	return news{f.done, a, err}
}

// abandon ends a flight without its answer; its call goes on if it likes.
func (b *backend) abandon(f *flight, err error) news {
	if f.running {
		b.hang(1)
	}
	return b.end(f, Answer{}, err)
}

// dropWaiting ends all flights that have not begun.
func (b *backend) dropWaiting(err error) (all []news) {
	for b.next != nil {
		all = append(all, b.end(b.next.Value.(*flight), Answer{}, err))
	}
	return all
}
