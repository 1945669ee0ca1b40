package builtin

import (
	"bufio"
	"bytes"
	"fmt"
	"os"
	"sync/atomic"
	"unicode/utf8"
)

// AllowList is a file of the only client ids that may come. One id a line, as it is but
// for a carriage return at its end; lines that are empty or begin with # don't
// count.
type AllowList struct {
	path string
	ids  atomic.Pointer[map[string]struct{}]
}

// OpenAllowList reads the file. The error names it, and the line.
func OpenAllowList(path string) (*AllowList, error) {
	l := &AllowList{path: path}
	return l, l.Reload()
}

// Reload reads the file again. After an error the list is what it was.
// Connections of clients that are no longer listed go on.
func (l *AllowList) Reload() error {
	text, err := os.ReadFile(l.path)
	if err != nil {
		return err
	}
	ids, err := readAllowList(text)
	if err != nil {
		return fmt.Errorf("%s: %w", l.path, err)
	}
	l.ids.Store(&ids)
	return nil
}

func readAllowList(text []byte) (map[string]struct{}, error) {
	const longestID = 65_535 // MQTT-1.5.4
	ids := make(map[string]struct{})
	lines := bufio.NewScanner(bytes.NewReader(text))
	lines.Buffer(nil, longestID+2)
	n := 1
	for ; lines.Scan(); n++ {
		switch line := lines.Bytes(); {
		case len(line) == 0 || line[0] == '#':
		case len(line) > longestID || !utf8.Valid(line) || bytes.IndexByte(line, 0) >= 0:
			return nil, fmt.Errorf("line %d: expected a client id: UTF-8 without a zero byte, at most 65535 bytes", n)
		default:
			ids[string(line)] = struct{}{}
		}
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("line %d: expected a client id of at most 65535 bytes", n)
	}
	return ids, nil
}

// Listed reports whether a client of that id may come.
func (l *AllowList) Listed(clientID string) bool {
	_, ok := (*l.ids.Load())[clientID]
	return ok
}

// Len is how many ids are listed.
func (l *AllowList) Len() int { return len(*l.ids.Load()) }
