package file

import (
	"fmt"
	"strings"
)

// term is one Erlang term as far as rules are made of them.
type term struct {
	kind  kind
	text  string // of a word, text or number
	items []term // of a tuple or list
	at    int    // offset in the file
}

type kind uint8

const (
	word kind = iota
	text
	number
	list
	tuple
)

// maxDepth is how deep terms may be nested: a rule needs four levels, and one
// more for each 'and' and 'or'.
const maxDepth = 32

// String describes the term in a message.
func (t term) String() string {
	switch t.kind {
	case word:
		return token{kind: tokenWord, text: t.text}.String()
	case text:
		return token{kind: tokenText, text: t.text}.String()
	case number:
		return token{kind: tokenNumber, text: t.text}.String()
	case list:
		return fmt.Sprintf("a list of %d", len(t.items))
	}
	if name := t.name(); name != "" {
		return fmt.Sprintf("{%s, …} of %d", clip(name), len(t.items))
	}
	return fmt.Sprintf("a tuple of %d", len(t.items))
}

// name is the word a tuple begins with, or "".
func (t term) name() string {
	if t.kind == tuple && len(t.items) > 0 && t.items[0].kind == word {
		return t.items[0].text
	}
	return ""
}

// is reports whether t is that word.
func (t term) is(w string) bool { return t.kind == word && t.text == w }

// parser builds terms out of tokens, one token ahead.
type parser struct {
	lexer
	ahead token
	depth int
}

// statement reads one term and its full stop; end says that there is none. After
// a mistake the parser stands behind the next full stop.
func (p *parser) statement() (t term, end bool, err *mistake) {
	if err = p.advance(); err == nil {
		if p.ahead.kind == tokenEnd {
			return term{}, true, nil
		}
		t, err = p.term()
	}
	if err == nil && p.ahead.kind != '.' {
		err = mistakef(p.ahead.at, "found %s, expected a full stop after the rule", p.ahead)
	}
	if err != nil {
		p.recover()
	}
	return t, false, err
}

// recover goes to the next full stop.
func (p *parser) recover() {
	p.depth = 0
	for p.ahead.kind != '.' {
		if p.advance() == nil && p.ahead.kind == tokenEnd {
			return
		}
	}
}

// advance reads the next token; with a mistake the token ahead is a stand-in
// that nothing expects.
func (p *parser) advance() *mistake {
	t, err := p.next()
	if err != nil {
		t = token{kind: '?', at: err.at}
	}
	p.ahead = t
	return err
}

// term reads the term that begins with the token ahead.
func (p *parser) term() (term, *mistake) {
	t := term{text: p.ahead.text, at: p.ahead.at}
	switch p.ahead.kind {
	case tokenWord:
		t.kind = word
		return t, p.advance()
	case tokenNumber:
		t.kind = number
		return t, p.advance()
	case tokenText:
		return p.texts()
	case '<':
		return p.binary()
	case '{':
		t.kind = tuple
		return p.items(t, '}')
	case '[':
		t.kind = list
		return p.items(t, ']')
	}
	return t, mistakef(t.at, "found %s, expected a word, a text, { or [", p.ahead)
}

// items reads what stands between braces or brackets.
func (p *parser) items(t term, closing byte) (term, *mistake) {
	if p.depth++; p.depth > maxDepth {
		return t, mistakef(t.at, "found a rule nested deeper than %d levels", maxDepth)
	}
	err := p.advance()
	for err == nil && p.ahead.kind != closing {
		var item term
		if item, err = p.term(); err != nil {
			break
		}
		t.items = append(t.items, item)
		switch p.ahead.kind {
		case closing:
		case ',':
			err = p.advance()
			if err == nil && p.ahead.kind == closing {
				err = mistakef(p.ahead.at, "found %s after a comma, expected one more term", p.ahead)
			}
		default:
			err = mistakef(p.ahead.at, "found %s, expected a comma or %c", p.ahead, closing)
		}
	}
	if err != nil {
		return t, err
	}
	p.depth--
	return t, p.advance()
}

// texts reads texts that stand one after the other, which are one.
func (p *parser) texts() (term, *mistake) {
	t := term{kind: text, text: p.ahead.text, at: p.ahead.at}
	err := p.advance()
	if err != nil || p.ahead.kind != tokenText {
		return t, err
	}
	var all strings.Builder
	all.WriteString(t.text)
	for err == nil && p.ahead.kind == tokenText {
		all.WriteString(p.ahead.text)
		err = p.advance()
	}
	t.text = all.String()
	return t, err
}

// binary reads <<"…">> and <<"…"/utf8>>, which are texts.
func (p *parser) binary() (term, *mistake) {
	t := term{kind: text, at: p.ahead.at}
	err := p.advance()
	if err == nil && p.ahead.kind == tokenText {
		t.text = p.ahead.text
		if err = p.advance(); err == nil && p.ahead.kind == '/' {
			err = p.utf8()
		}
	}
	if err != nil {
		return t, err
	}
	if p.ahead.kind != '>' {
		return t, mistakef(p.ahead.at, `found %s, expected a text in <<"…">>`, p.ahead)
	}
	return t, p.advance()
}

func (p *parser) utf8() *mistake {
	if err := p.advance(); err != nil {
		return err
	}
	if p.ahead.kind != tokenWord || p.ahead.text != "utf8" {
		return mistakef(p.ahead.at, "found %s, expected utf8 after the slash", p.ahead)
	}
	return p.advance()
}
