package file

import (
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// token is one word of a file. Its kind is a character of its own for
// punctuation, '<' and '>' for << and >>, or one of the constants.
type token struct {
	kind byte
	text string // of a word, text or number
	at   int    // offset in the file
}

const (
	tokenEnd    byte = 0
	tokenWord   byte = 'w' // an atom: bare, or in single quotes
	tokenText   byte = 't' // what stands in double quotes
	tokenNumber byte = 'n'
)

func (t token) String() string {
	switch t.kind {
	case tokenEnd:
		return "the end of the file"
	case tokenWord:
		return "the word " + clip(t.text)
	case tokenText:
		return "the text " + clip(strconv.Quote(t.text))
	case tokenNumber:
		return "the number " + clip(t.text)
	case '<', '>':
		return strings.Repeat(string(t.kind), 2)
	}
	return string(t.kind)
}

// lexer cuts a file, which is valid UTF-8, into tokens.
type lexer struct {
	src string
	pos int
}

// next reads one token. After a mistake the lexer stands behind it.
func (l *lexer) next() (token, *mistake) {
	l.skipBlanks()
	at := l.pos
	if at == len(l.src) {
		return token{at: at}, nil
	}
	c, size := utf8.DecodeRuneInString(l.src[at:])
	switch {
	case strings.ContainsRune("{}[],./", c):
		l.pos++
		return token{kind: byte(c), at: at}, nil
	case strings.HasPrefix(l.src[at:], "<<"), strings.HasPrefix(l.src[at:], ">>"):
		l.pos += 2
		return token{kind: byte(c), at: at}, nil
	case c == '"':
		text, err := l.quoted('"')
		return token{tokenText, text, at}, err
	case c == '\'':
		text, err := l.quoted('\'')
		return token{tokenWord, text, at}, err
	case isDigit(c):
		return token{tokenNumber, l.run(isDigit), at}, nil
	case unicode.IsLetter(c) || c == '_':
		return token{tokenWord, l.run(isWordRune), at}, nil
	}
	l.pos += size
	return token{}, mistakef(at, "found %q, which has no meaning here", c)
}

// skipBlanks goes over white space and comments.
func (l *lexer) skipBlanks() {
	for l.pos < len(l.src) {
		c, size := utf8.DecodeRuneInString(l.src[l.pos:])
		switch {
		case c == '%':
			l.run(func(c rune) bool { return c != '\n' })
		case unicode.IsSpace(c):
			l.pos += size
		default:
			return
		}
	}
}

// run reads as long as more says so.
func (l *lexer) run(more func(rune) bool) string {
	rest := l.src[l.pos:]
	if i := strings.IndexFunc(rest, func(c rune) bool { return !more(c) }); i >= 0 {
		rest = rest[:i]
	}
	l.pos += len(rest)
	return rest
}

func isDigit(c rune) bool { return '0' <= c && c <= '9' }

func isWordRune(c rune) bool {
	return unicode.IsLetter(c) || unicode.IsDigit(c) || c == '_' || c == '@'
}

// quoted reads from one quote to the next, escapes replaced.
func (l *lexer) quoted(quote byte) (string, *mistake) {
	at := l.pos
	l.pos++
	var out strings.Builder
	var wrong *mistake
	for {
		rest := l.src[l.pos:]
		i := strings.IndexAny(rest, string(quote)+`\`)
		if i < 0 {
			l.pos = len(l.src)
			return "", mistakef(at, "found no end of what begins with this %c, expected another %c", quote, quote)
		}
		l.pos += i + 1
		if rest[i] == quote && out.Len() == 0 {
			return rest[:i], wrong // by far the most; no copy
		}
		out.WriteString(rest[:i])
		if rest[i] == quote {
			return out.String(), wrong
		}
		c, err := l.escape()
		if wrong == nil {
			wrong = err // and on to the end: what follows is read right
		}
		out.WriteRune(c)
	}
}

// escape reads what follows a backslash.
func (l *lexer) escape() (rune, *mistake) {
	at := l.pos - 1
	if l.pos == len(l.src) {
		return 0, nil // quoted reports it
	}
	c, size := utf8.DecodeRuneInString(l.src[l.pos:])
	l.pos += size
	switch {
	case '0' <= c && c <= '7':
		return l.octal(c - '0'), nil
	case c == 'x':
		return l.hexadecimal(at)
	case c == '^' && l.pos < len(l.src) && '@' <= l.src[l.pos] && l.src[l.pos] <= '_':
		l.pos++
		return rune(l.src[l.pos-1]) - '@', nil
	}
	if i := strings.IndexRune("bdefnrstv", c); i >= 0 {
		return rune("\b\x7f\x1b\f\n\r \t\v"[i]), nil
	}
	return c, nil
}

// octal reads up to two more octal digits.
func (l *lexer) octal(value rune) rune {
	for range 2 {
		if l.pos < len(l.src) && '0' <= l.src[l.pos] && l.src[l.pos] <= '7' {
			value = value*8 + rune(l.src[l.pos]-'0')
			l.pos++
		}
	}
	return value
}

// hexadecimal reads the HH or {H…} of \xHH and \x{H…}.
func (l *lexer) hexadecimal(at int) (rune, *mistake) {
	const longest = len("{10ffff}")
	rest := l.src[l.pos:min(l.pos+longest, len(l.src))]
	digits := rest[:min(2, len(rest))]
	read := len(digits)
	if inner, braced := strings.CutPrefix(rest, "{"); braced {
		digits = inner[:max(0, strings.IndexByte(inner, '}'))]
		read = len(digits) + len("{}")
	}
	value, err := strconv.ParseUint(digits, 16, 32)
	if err != nil || !utf8.ValidRune(rune(value)) {
		return 0, mistakef(at, `found an escape that is no character, expected \xHH or \x{H…}`)
	}
	l.pos += read
	return rune(value), nil
}

// clip keeps a quotation in a message short.
func clip(s string) string {
	const longest = 40
	if len(s) <= longest {
		return s
	}
	cut := longest
	for !utf8.RuneStart(s[cut]) {
		cut--
	}
	return s[:cut] + "…"
}
