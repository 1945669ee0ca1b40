package mqtttest

import (
	"encoding/hex"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// packet is one control packet as scenarios write it: a kind and its fields. Decoded packets and written ones share the
// form, so comparing them is comparing text.
type packet struct {
	kind   string
	fields []field // everything but the properties
	props  []field
	more   bool // the line ends in …: further properties may be there
}

// field is one word: a flag (val "1"), key=value, or a group key{…}.
type field struct {
	key   string
	val   string
	match matcher
	group []field
}

// matcher says how an expected value is compared.
type matcher byte

const (
	literal    matcher = iota
	anything           // *
	variable           // ?name: binds at first sight, must be equal later, is filled in when sent
	between            // 3..5, numbers only
	containing         // *text*
	absent             // !name: must not be there, whatever … allows
)

// parsePacket reads "KIND word word…". Errors name the word.
func parsePacket(text string) (packet, error) {
	kind, rest, _ := strings.Cut(strings.TrimSpace(text), " ")
	p := packet{kind: kind}
	words, err := parseWords(rest)
	if err != nil {
		return p, err
	}
	for _, w := range words {
		switch w.key {
		case "…", "...":
			p.more = true
		case "props":
			p.props = append(p.props, w.group...)
		default:
			p.fields = append(p.fields, w)
		}
	}
	return p, p.normalise()
}

// parseWords splits at blanks outside quotes, parentheses and braces.
func parseWords(text string) ([]field, error) {
	var words []field
	for text = strings.TrimLeft(text, " "); text != ""; text = strings.TrimLeft(text, " ") {
		n, err := wordLen(text)
		if err != nil {
			return nil, err
		}
		w, err := parseWord(text[:n])
		if err != nil {
			return nil, err
		}
		words, text = append(words, w), text[n:]
	}
	return words, nil
}

func wordLen(text string) (int, error) {
	depth := 0
	for i := 0; i < len(text); i++ {
		switch text[i] {
		case '"':
			q, err := strconv.QuotedPrefix(text[i:])
			if err != nil {
				return 0, fmt.Errorf("open quote in %s", text)
			}
			i += len(q) - 1
		case '{', '(':
			depth++
		case '}', ')':
			if depth--; depth < 0 {
				return 0, fmt.Errorf("unbalanced bracket in %s", text)
			}
		case ' ':
			if depth == 0 {
				return i, nil
			}
		}
	}
	if depth != 0 {
		return 0, fmt.Errorf("unbalanced bracket in %s", text)
	}
	return len(text), nil
}

func parseWord(word string) (field, error) {
	at := strings.IndexAny(word, "={")
	if name, not := strings.CutPrefix(word, "!"); not {
		return field{key: name, match: absent}, nil
	}
	if at < 0 {
		return field{key: word, val: "1"}, nil
	}
	f := field{key: word[:at]}
	if word[at] == '{' {
		if !strings.HasSuffix(word, "}") {
			return f, fmt.Errorf("%s: text after the closing brace", word)
		}
		var err error
		f.group, err = parseWords(word[at+1 : len(word)-1])
		return f, err
	}
	text := word[at+1:]
	lo, hi, isRange := strings.Cut(text, "..")
	switch {
	case text == "*":
		f.match = anything
	case len(text) > 2 && text[0] == '*' && text[len(text)-1] == '*':
		f.match, f.val = containing, text[1:len(text)-1]
	case strings.HasPrefix(text, "?"):
		f.match, f.val = variable, text[1:]
	case isRange && isNumber(lo) && isNumber(hi):
		f.match, f.val = between, text
	default:
		var err error
		f.val, err = parseValue(text)
		return f, err
	}
	return f, nil
}

// parseValue reads bare text, "quoted text", hex(0aff) or rep(x,1000).
func parseValue(text string) (string, error) {
	inside := func(name string) (string, bool) {
		rest, ok := strings.CutPrefix(text, name+"(")
		return strings.TrimSuffix(rest, ")"), ok
	}
	if strings.HasPrefix(text, `"`) {
		return strconv.Unquote(text)
	}
	if digits, ok := inside("hex"); ok {
		raw, err := hex.DecodeString(strings.ReplaceAll(digits, " ", ""))
		return string(raw), err
	}
	if args, ok := inside("rep"); ok {
		unit, count, _ := strings.Cut(args, ",")
		n, err := strconv.Atoi(count)
		if err != nil {
			return "", fmt.Errorf("%s: want rep(text,count)", text)
		}
		return strings.Repeat(unit, n), nil
	}
	return text, nil
}

func isNumber(s string) bool {
	_, err := strconv.ParseUint(s, 0, 32)
	return err == nil
}

// numeric holds the fields outside the properties whose value is a number (but for CONNECT's id, which is the client's);
// zero is what their absence means.
var numeric = strings.Fields("id qos code present keepalive dup retain clean bridge v")

// normalise writes every number in decimal and drops the zeros that absence means too, so that equal packets are equal
// text whatever way they were written.
func (p *packet) normalise() error {
	var kept []field
	for _, f := range p.fields {
		if f.match == literal && slices.Contains(numeric, f.key) && (p.kind != "CONNECT" || f.key != "id") {
			n, err := strconv.ParseUint(f.val, 0, 32)
			if err != nil {
				return fmt.Errorf("%s=%s: want a number", f.key, f.val)
			}
			if n == 0 {
				continue
			}
			f.val = strconv.FormatUint(n, 10)
		}
		if f.key == "codes" && f.match == literal {
			var err error
			if f.val, err = decimalList(f.val); err != nil {
				return err
			}
		}
		kept = append(kept, f)
	}
	p.fields = kept
	return normaliseProps(p.props)
}

func normaliseProps(props []field) error {
	for i, f := range props {
		def, known := propByName(f.key)
		if !known {
			return fmt.Errorf("unknown property %q", f.key)
		}
		if def.isNumber() && f.match == literal {
			n, err := strconv.ParseUint(f.val, 0, 32)
			if err != nil {
				return fmt.Errorf("%s=%s: want a number", f.key, f.val)
			}
			props[i].val = strconv.FormatUint(n, 10)
		}
	}
	return nil
}

func decimalList(text string) (string, error) {
	parts := strings.Split(text, ",")
	for i, part := range parts {
		n, err := strconv.ParseUint(part, 0, 8)
		if err != nil {
			return "", fmt.Errorf("codes=%s: want numbers with commas between", text)
		}
		parts[i] = strconv.FormatUint(n, 10)
	}
	return strings.Join(parts, ","), nil
}

// get returns the value of a field, "" when it is absent.
func (p *packet) get(key string) string {
	for _, f := range p.fields {
		if f.key == key {
			return f.val
		}
	}
	return ""
}

// num returns a numeric field, 0 when it is absent.
func (p *packet) num(key string) int {
	n, _ := strconv.Atoi(p.get(key))
	return n
}

// prop returns a property's number, or the given value when it is absent.
func (p *packet) prop(key string, absent int) int {
	for _, f := range p.props {
		if f.key == key {
			n, _ := strconv.Atoi(f.val)
			return n
		}
	}
	return absent
}

// String renders the packet the way scenarios write it.
func (p packet) String() string {
	var b strings.Builder
	b.WriteString(p.kind)
	writeFields(&b, p.fields, " ")
	if len(p.props) > 0 {
		b.WriteString(" props{")
		writeFields(&b, p.props, "")
		b.WriteString("}")
	}
	if p.more {
		b.WriteString(" …")
	}
	return b.String()
}

func writeFields(b *strings.Builder, fields []field, lead string) {
	for _, f := range fields {
		b.WriteString(lead)
		lead = " "
		b.WriteString(f.String())
	}
}

func (f field) String() string {
	switch {
	case f.group != nil:
		var b strings.Builder
		writeFields(&b, f.group, "")
		return f.key + "{" + b.String() + "}"
	case f.match == anything:
		return f.key + "=*"
	case f.match == containing:
		return f.key + "=*" + f.val + "*"
	case f.match == variable:
		return f.key + "=?" + f.val
	case f.match == absent:
		return "!" + f.key
	case f.match == between:
		return f.key + "=" + f.val
	case f.key == "code":
		n, _ := strconv.Atoi(f.val)
		return fmt.Sprintf("code=0x%02x", n)
	}
	return f.key + "=" + shown(f.val)
}

// shown keeps plain values bare, quotes the rest and shortens what is long.
func shown(val string) string {
	if len(val) > 80 {
		return fmt.Sprintf("%q…(%d bytes)", val[:40], len(val))
	}
	for _, r := range val {
		if r <= ' ' || r > '~' || r == '"' {
			return strconv.Quote(val)
		}
	}
	return val
}
