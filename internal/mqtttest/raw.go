package mqtttest

import (
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"
)

// parseRaw reads hand-written bytes: hex digits, "text", <…> for what follows two bytes of its length, […] for what follows
// a variable byte integer of its length. rep(61,5) repeats.
//
//	10 [ <"MQTT"> 05 02 003c 00 <"id"> ]
func parseRaw(text string) ([]byte, error) {
	out, rest, err := rawUntil(text, "")
	if err == nil && rest != "" {
		err = fmt.Errorf("nothing opens the bracket before %q", rest)
	}
	return out, err
}

func rawUntil(text, end string) (out []byte, rest string, err error) {
	for {
		text = strings.TrimLeft(text, " ")
		switch {
		case text == "":
			if end != "" {
				err = fmt.Errorf("%s is missing", end)
			}
			return out, "", err
		case end != "" && strings.HasPrefix(text, end):
			return out, text[1:], nil
		}
		var piece []byte
		if piece, text, err = rawPiece(text); err != nil {
			return nil, "", err
		}
		out = append(out, piece...)
	}
}

func rawPiece(text string) (piece []byte, rest string, err error) {
	switch text[0] {
	case '<':
		if piece, rest, err = rawUntil(text[1:], ">"); err != nil {
			return nil, "", err
		}
		return append([]byte{byte(len(piece) >> 8), byte(len(piece))}, piece...), rest, nil
	case '[':
		if piece, rest, err = rawUntil(text[1:], "]"); err != nil {
			return nil, "", err
		}
		return append(varint(len(piece)), piece...), rest, nil
	case '"':
		q, err := strconv.QuotedPrefix(text)
		if err != nil {
			return nil, "", fmt.Errorf("open quote in %s", text)
		}
		s, err := strconv.Unquote(q)
		return []byte(s), text[len(q):], err
	}
	n := strings.IndexAny(text, ` <>[]"`)
	if n < 0 {
		n = len(text)
	}
	if n == 0 {
		return nil, "", fmt.Errorf("nothing opens the bracket before %q", text)
	}
	piece, err = hexWord(text[:n])
	return piece, text[n:], err
}

func hexWord(word string) ([]byte, error) {
	if args, ok := strings.CutPrefix(word, "rep("); ok {
		digits, count, _ := strings.Cut(strings.TrimSuffix(args, ")"), ",")
		unit, err := hex.DecodeString(digits)
		n, numErr := strconv.Atoi(count)
		if err != nil || numErr != nil {
			return nil, fmt.Errorf("%s: want rep(hex,count)", word)
		}
		return []byte(strings.Repeat(string(unit), n)), nil
	}
	raw, err := hex.DecodeString(word)
	if err != nil {
		return nil, fmt.Errorf("%q is no hex", word)
	}
	return raw, nil
}
