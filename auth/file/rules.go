package file

import (
	"math"
	"strings"
	"unicode/utf8"

	"github.com/dunlin-mq/dunlin/auth"
)

// rules are those of one file. They never change.
type rules struct {
	all                []*rule
	publish, subscribe chain
}

// chain is the rules for one action, in their order. Rules that name their
// clients are found by these names; the order of the file is that of the
// numbers.
type chain struct {
	rules    []*rule
	general  []int32
	byUser   map[string][]int32
	byClient map[string][]int32
}

// parse reads the text of a file; the name is for errors.
func parse(name, src string) (*rules, error) {
	wrong := mistakes{file: name, src: src}
	if i := invalidUTF8(src); i >= 0 {
		wrong.add(mistakef(i, "found the byte %#02x, expected UTF-8", src[i]))
		return nil, wrong.err()
	}
	rs := &rules{}
	p := parser{lexer: lexer{src: src}}
	line, counted := 1, 0
	for {
		t, end, err := p.statement()
		if end {
			break
		}
		var r rule
		if err == nil {
			r, err = newRule(t)
		}
		if err != nil {
			wrong.add(err)
			continue
		}
		line += strings.Count(src[counted:t.at], "\n")
		counted = t.at
		r.Rule, r.file = Rule{line, strings.TrimSpace(src[t.at:p.ahead.at])}, name
		rs.add(&r)
	}
	return rs, wrong.err()
}

func invalidUTF8(s string) int {
	if utf8.ValidString(s) {
		return -1
	}
	for i, c := range s {
		if c == utf8.RuneError && !strings.HasPrefix(s[i:], string(utf8.RuneError)) {
			return i
		}
	}
	return -1
}

func (rs *rules) add(r *rule) {
	rs.all = append(rs.all, r)
	if r.publish {
		rs.publish.add(r)
	}
	if r.subscribe {
		rs.subscribe.add(r)
	}
}

func (ch *chain) add(r *rule) {
	n := int32(len(ch.rules))
	ch.rules = append(ch.rules, r)
	names, open := r.who.names()
	if open {
		ch.general = append(ch.general, n)
	}
	for _, name := range names {
		index := &ch.byUser
		if name.client {
			index = &ch.byClient
		}
		if *index == nil {
			*index = make(map[string][]int32)
		}
		(*index)[name.text] = append((*index)[name.text], n)
	}
}

// decide returns the first rule that covers what c asks for, or nil. It doesn't
// allocate.
func (rs *rules) decide(r *auth.Request) *rule {
	if r.Action == auth.Subscribe {
		return rs.subscribe.decide(r.Client, r.Topic)
	}
	return rs.publish.decide(r.Client, r.Topic)
}

func (ch *chain) decide(c *auth.Client, name string) *rule {
	general, user, client := ch.general, ch.byUser[c.Username], ch.byClient[c.ClientID]
	for {
		n := min(first(general), first(user), first(client))
		if n == none {
			return nil
		}
		if r := ch.rules[n]; r.covers(c, name) {
			return r
		}
		general, user, client = after(general, n), after(user, n), after(client, n)
	}
}

const none = math.MaxInt32

// first is the smallest of ascending numbers.
func first(numbers []int32) int32 {
	if len(numbers) == 0 {
		return none
	}
	return numbers[0]
}

// after leaves out n where it is the first.
func after(numbers []int32, n int32) []int32 {
	for len(numbers) > 0 && numbers[0] == n {
		numbers = numbers[1:]
	}
	return numbers
}
