package psk

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"sync/atomic"
	"unicode/utf8"

	"github.com/dunlin-mq/dunlin/config"
)

// Config is psk.file of a configuration.
type Config struct {
	Path      string `conf:"path"` // empty: there are no keys
	Delimiter string `conf:"delimiter"`
}

// SetDefaults sets what holds where nothing is configured.
func (c *Config) SetDefaults() { c.Delimiter = ":" }

// Validate refuses a delimiter that could not be found in a line.
func (c *Config) Validate() error {
	if c.Delimiter == "" || strings.ContainsAny(c.Delimiter, "\r\n") {
		return config.Invalid("delimiter", "expected what stands between identity and secret, found %q", c.Delimiter)
	}
	return nil
}

const (
	maxSize   = 64 << 20 // of a file, in bytes: a million keys
	maxLength = 65535    // of an identity and of a secret, RFC 4279, clause 2
	maxErrors = 20       // how many bad lines are reported
)

// File is the keys of one file, for any number of goroutines.
type File struct {
	config Config
	keys   atomic.Pointer[map[string][]byte]
}

// Load reads the keys. The error names each bad line and says what is wrong
// with it, but shows none of its secret.
func Load(c Config) (*File, error) {
	f := &File{config: c}
	if err := f.Reload(); err != nil {
		return nil, err
	}
	return f, nil
}

// Reload reads the file again. With an error the old keys stay in force.
func (f *File) Reload() error {
	src, err := read(f.config.Path)
	if err != nil {
		return fmt.Errorf("the pre-shared keys can't be read: %w", err)
	}
	keys, err := parse(f.config, src)
	if err != nil {
		return err
	}
	f.keys.Store(&keys)
	return nil
}

// Lookup returns the key of an identity. The slice is not to be changed.
func (f *File) Lookup(identity string) (secret []byte, ok bool) {
	secret, ok = (*f.keys.Load())[identity]
	return secret, ok
}

// Len is how many identities there are.
func (f *File) Len() int { return len(*f.keys.Load()) }

// parse reads lines of an identity, the delimiter and a secret, which goes on
// to the end of its line: blanks and further delimiters belong to it. Empty
// lines say nothing. EMQ X stops at the first bad line without a word.
func parse(c Config, src string) (map[string][]byte, error) {
	keys := make(map[string][]byte)
	lines := make(map[string]int)
	var errs []error
	number := 0
	for line := range strings.SplitSeq(src, "\n") {
		number++
		line = strings.TrimSuffix(line, "\r")
		if line == "" {
			continue
		}
		identity, secret, found := strings.Cut(line, c.Delimiter)
		why := wrong(identity, secret, found, c.Delimiter)
		if first := lines[identity]; why == "" && first > 0 {
			why = fmt.Sprintf("the identity %.40q has a secret in line %d already", identity, first)
		}
		if why != "" {
			errs = append(errs, fmt.Errorf("%s:%d: %s", c.Path, number, why))
		}
		if len(errs) == maxErrors {
			break
		}
		keys[identity], lines[identity] = []byte(secret), number
	}
	if len(errs) == 0 && len(keys) == 0 {
		return nil, fmt.Errorf("%s: found no key, expected lines of identity%ssecret", c.Path, c.Delimiter)
	}
	return keys, errors.Join(errs...)
}

// wrong says what is wrong with a line, or nothing.
func wrong(identity, secret string, found bool, delimiter string) string {
	switch {
	case !found:
		return fmt.Sprintf("found no %q, expected identity%ssecret", delimiter, delimiter)
	case identity == "":
		return "found no identity before the delimiter"
	case secret == "":
		return fmt.Sprintf("found no secret for the identity %.40q", identity)
	case len(identity) > maxLength:
		return fmt.Sprintf("found an identity of %d bytes, expected at most %d", len(identity), maxLength)
	case len(secret) > maxLength:
		return fmt.Sprintf("found a secret of %d bytes, expected at most %d", len(secret), maxLength)
	case !utf8.ValidString(identity):
		return "found an identity that isn't UTF-8" // RFC 4279, clause 5.1
	}
	return ""
}

func read(path string) (string, error) {
	info, err := os.Stat(path)
	if err != nil {
		return "", err
	}
	if info.Size() > maxSize { // some other file than was meant
		return "", fmt.Errorf("%s: found more than %d MB, the most that is read", path, maxSize>>20)
	}
	src, err := os.ReadFile(path)
	return strings.TrimPrefix(string(src), "\ufeff"), err
}
