package session

import (
	"iter"
	"strings"

	"github.com/dunlin-mq/dunlin/mqtt"
	"github.com/dunlin-mq/dunlin/topic"
)

// Subscription is one topic filter that a session holds. It must not change
// once it is subscribed; a changed one replaces it.
type Subscription struct {
	Filter string // as the client gave it, with the prefix of a shared one; mounted
	mqtt.SubscribeOptions
	ID uint32 // the subscription identifier, 0 none
}

// subscriptions is a set by filter. Most clients have one subscription, which
// needs no table.
type subscriptions struct {
	one  *Subscription
	many *topic.Table[*Subscription] // nil while one is enough
}

// identity is what makes two subscriptions the same one. $share/$queue/filter
// is another way to write $queue/filter.
func identity(filter string) string {
	const alias, prefix = "$share/$queue/", "$share/"
	if strings.HasPrefix(filter, alias) {
		return filter[len(prefix):]
	}
	return filter
}

func (s *subscriptions) get(filter string) *Subscription {
	if s.many != nil {
		sub, _ := s.many.Get(identity(filter))
		return sub
	}
	if s.one != nil && identity(s.one.Filter) == identity(filter) {
		return s.one
	}
	return nil
}

func (s *subscriptions) set(sub *Subscription) {
	if s.many == nil {
		if s.one == nil || s.get(sub.Filter) != nil {
			s.one = sub
			return
		}
		s.many = topic.NewTable(func(sub *Subscription) string { return identity(sub.Filter) })
		s.many.Put(s.one)
		s.one = nil
	}
	s.many.Put(sub)
}

func (s *subscriptions) remove(filter string) {
	s.one = nil
	if s.many == nil {
		return
	}
	if s.many.Delete(identity(filter)); s.many.Len() == 0 {
		s.many = nil
	}
}

func (s *subscriptions) count() int {
	if s.one != nil {
		return 1
	}
	return s.many.Len()
}

func (s *subscriptions) all(yield func(*Subscription) bool) {
	if s.one != nil {
		yield(s.one)
	} else {
		s.many.All(yield)
	}
}

// Subscribe adds a subscription or replaces the one with the same filter,
// which is returned [MQTT-3.8.4-3]. A shared subscription is told apart by its
// group and bare filter. The error is mqtt.QuotaExceeded: the client has
// Config.MaxSubscriptions others.
func (s *Session) Subscribe(sub *Subscription) (old *Subscription, err error) {
	old = s.subs.get(sub.Filter)
	if most := s.cfg.MaxSubscriptions; old == nil && most > 0 && s.subs.count() >= most {
		return nil, mqtt.QuotaExceeded
	}
	s.subs.set(sub)
	return old, nil
}

// Unsubscribe removes the subscription with this filter and returns it; nil if
// there is none. What is queued or in flight for it is still delivered, as
// MQTT 5 clause 3.10.4 allows or demands.
func (s *Session) Unsubscribe(filter string) *Subscription {
	sub := s.subs.get(filter)
	if sub != nil {
		s.subs.remove(filter)
	}
	return sub
}

// Subscription returns the one with this filter, nil if there is none.
func (s *Session) Subscription(filter string) *Subscription { return s.subs.get(filter) }

// Subscriptions goes through all of them in no order. The session may
// subscribe and unsubscribe meanwhile: what it holds all the time comes exactly
// once, what comes or goes may be left out or not.
func (s *Session) Subscriptions() iter.Seq[*Subscription] { return s.subs.all }

// SubscriptionCount is the number of subscriptions.
func (s *Session) SubscriptionCount() int { return s.subs.count() }
