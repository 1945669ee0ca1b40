package auth

import (
	"errors"

	"github.com/dunlin-mq/dunlin/mqtt"
)

// Why there was no answer.
var (
	errTimeout = errors.New("no answer in time")
	errDown    = errors.New("it is down")
	errBusy    = errors.New("too many requests wait for it")
	errClosed  = errors.New("it is closed")
)

// refusal is the reason code of a question that got no answer, and for that
// is not allowed.
func refusal(acl bool, err error) mqtt.ReasonCode {
	switch {
	case acl: // 0x88 and 0x89 can't be in PUBACK, PUBREC and SUBACK
		return mqtt.QuotaExceeded
	case errors.Is(err, errBusy):
		return mqtt.ServerBusy
	}
	return mqtt.ServerUnavailable
}

// passOver reports whether the chain goes on after an error. It doesn't if too
// many wait: that says nothing about the backend, and whoever floods it must
// not be let through by that.
func (l *link) passOver(err error) bool {
	return l.backend != nil && l.Backend.OnError == "ignore" && !errors.Is(err, errBusy) && !errors.Is(err, errClosed)
}

// result is what a chain came to.
type result struct {
	Answer
	by  *link // who decided; nil: nobody
	err error // the answer is a refusal because of this

	asked  bool // a backend had a part in it
	missed bool // somebody could not be asked and was passed over
}

func (res *result) lasting() bool { return res.asked && !res.missed && res.err == nil }

// walk is one question on its way through a chain.
type walk struct {
	left []*link // still to be asked
	acl  bool
	r    *Request
	// probe: if it comes to no decision, all are asked again later. Until then
	// it isn't known whether those who ignore the question are to be counted.
	probe bool
	trail *[]Asked // gets what each says, who is then not counted; nil: nobody wants to know
	result
}

// decide asks a chain, if it comes to a decision with nobody to wait for.
func (c *Control) decide(acl bool, r *Request) (res result, decided bool) {
	for {
		chain := c.chains.Load()
		w := walk{left: chain.of(acl), acl: acl, r: r, probe: true}
		decided = w.atOnce()
		if c.replaced(chain, w.err) {
			continue
		}
		if decided {
			ignored := chain.of(acl)
			for _, l := range ignored[:len(ignored)-len(w.left)] {
				l.count.verdict(acl, Ignore)
			}
		}
		return w.result, decided
	}
}

// later asks a chain and calls done on another goroutine.
func (c *Control) later(acl bool, r *Request, done func(result)) {
	chain := c.chains.Load()
	w := &walk{left: chain.of(acl), acl: acl, r: r}
	end := func() {
		if c.replaced(chain, w.err) {
			c.later(acl, r, done)
			return
		}
		done(w.result)
	}
	if w.atOnce() {
		c.crew.run(end)
		return
	}
	w.ask(end)
}

// replaced reports whether a provider was closed because it has been taken out
// of the chain meanwhile.
func (c *Control) replaced(chain *chains, err error) bool {
	return errors.Is(err, errClosed) && c.chains.Load() != chain
}

// atOnce goes as far as nobody has to be waited for, and reports whether that
// was to a decision. If it was, left begins with who decided.
func (w *walk) atOnce() (decided bool) {
	for ; len(w.left) > 0; w.left = w.left[1:] {
		l := w.left[0]
		a, known, err := l.atOnce(w.acl, w.r)
		if !known {
			return false
		}
		w.asked = w.asked || l.backend != nil
		if w.take(a, err) {
			return true
		}
	}
	return true
}

// take notes what the next link said and reports whether that decides.
func (w *walk) take(a Answer, err error) (decided bool) {
	l := w.left[0]
	if w.trail != nil {
		*w.trail = append(*w.trail, Asked{l.Name, a, err})
	}
	if err != nil {
		if errors.Is(err, errDown) || errors.Is(err, errBusy) {
			l.count.backend.refused.Inc()
		}
		if l.passOver(err) {
			w.missed = true
			return false
		}
		w.Answer, w.by, w.err = Answer{Verdict: Deny, Code: refusal(w.acl, err)}, l, err
		return true
	}
	if w.trail == nil && (a.Verdict != Ignore || !w.probe) {
		l.count.verdict(w.acl, a.Verdict)
	}
	if a.Verdict == Ignore {
		return false
	}
	w.Answer, w.by = a, l
	return true
}

// ask waits for the next link and for those after it.
func (w *walk) ask(end func()) {
	w.asked = true
	w.left[0].backend.ask(w.acl, w.r, func(a Answer, err error) {
		decided := w.take(a, err)
		if w.left = w.left[1:]; decided || w.atOnce() {
			end()
			return
		}
		w.ask(end)
	})
}
