package file

import (
	"context"
	"fmt"
	"io"
	"os"
	"strings"
	"sync/atomic"

	"github.com/dunlin-mq/dunlin/auth"
)

// maxSize is the largest file that is read, in bytes: some 100,000 rules.
const maxSize = 16 << 20

// defaults hold where no file is named: those EMQ X delivers but for the last,
// {allow, all}. They keep $SYS and the subscription to everything for this
// machine and the dashboard; see decide.
const defaults = `{allow, {user, "dashboard"}, subscribe, ["$SYS/#"]}.
{allow, {ipaddrs, ["127.0.0.0/8", "::1"]}, pubsub, ["$SYS/#", "#"]}.
{deny, all, subscribe, ["$SYS/#", {eq, "#"}]}.
`

// File is the rules of one file, for any number of goroutines.
type File struct {
	path  string // empty: the rules of Default
	rules atomic.Pointer[rules]
}

// Load reads the rules of a file. The error is made of one *Error for each
// mistake, or says why there are no rules.
func Load(path string) (*File, error) {
	rs, err := read(path)
	if err != nil {
		return nil, err
	}
	f := &File{path: path}
	f.rules.Store(rs)
	return f, nil
}

// Default returns the rules that hold where no file is named.
func Default() *File {
	rs, err := parse("default rules", defaults)
	if err != nil {
		panic(err) // a test reads them
	}
	f := &File{}
	f.rules.Store(rs)
	return f
}

// Reload reads the file again. With an error, as of Load, the old rules stay
// in force. Answers that others cached are theirs to forget.
func (f *File) Reload() error {
	if f.path == "" {
		return nil
	}
	rs, err := read(f.path)
	if err != nil {
		return err
	}
	f.rules.Store(rs)
	return nil
}

// Path is where the rules come from; empty: they are compiled in.
func (f *File) Path() string { return f.path }

// Rules returns all rules in their order.
func (f *File) Rules() []Rule {
	all := f.rules.Load().all
	texts := make([]Rule, len(all))
	for i, r := range all {
		texts[i] = r.Rule
	}
	return texts
}

// Authorize answers at once, and says by which rule. It never fails and doesn't allocate, but for rules
// with a regular expression, which may.
func (f *File) Authorize(_ context.Context, r *auth.Request) (auth.Answer, error) {
	if found := f.decide(r); found != nil {
		return auth.Answer{Verdict: found.verdict, Rule: found}, nil
	}
	return auth.Answer{}, nil
}

// decide returns the rule that decides, or nil. Of the defaults none allows
// more than $SYS: whoever sets acl_nomatch = deny and names no file has not
// meant to let in what comes over a proxy on this machine.
func (f *File) decide(r *auth.Request) *rule {
	found := f.rules.Load().decide(r)
	if found != nil && f.path == "" && found.verdict == auth.Allow && !strings.HasPrefix(r.Topic, "$SYS/") {
		return nil
	}
	return found
}

// Provider returns the file as a link of the chains, the last one.
func (f *File) Provider() auth.Provider {
	return auth.Provider{Name: "file", Authorizer: f, Last: true}
}

func read(path string) (*rules, error) {
	src, err := readFile(path)
	if err != nil {
		return nil, fmt.Errorf("the rules of access can't be read: %w", err)
	}
	rs, err := parse(path, src)
	if err == nil && len(rs.all) == 0 {
		return nil, fmt.Errorf("%s: found no rule, expected at least one such as {deny, all}", path)
	}
	return rs, err
}

func readFile(path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	var src strings.Builder
	n, err := io.Copy(&src, io.LimitReader(f, maxSize+1))
	if err == nil && n > maxSize {
		err = fmt.Errorf("%s: found more than %d MB, the most that is read", path, maxSize>>20)
	}
	return strings.TrimPrefix(src.String(), "\ufeff"), err
}
