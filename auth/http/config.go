package http

import (
	"errors"
	"mime"
	nethttp "net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/dunlin-mq/dunlin/auth"
	"github.com/dunlin-mq/dunlin/config"
)

// Config is auth.http.* but for the connections.
type Config struct {
	Auth  Question `conf:"auth_req"`
	Super Question `conf:"super_req"` // asked after Auth has said yes
	ACL   Question `conf:"acl_req"`

	// Headers go with all three.
	Headers map[string]string `conf:"header.$name"`
	// RequestTimeout is how EMQ X before 4.3 spells the timeout of a Backend,
	// which it then takes the place of. 0, there for ever, changes nothing: no
	// client waits for ever here.
	RequestTimeout time.Duration `conf:"request.timeout" bare:"ms"`
}

// Question is one kind of request.
type Question struct {
	URL         string            `conf:"url" alias:"."` // "": it isn't asked
	Method      string            `conf:"method" oneof:"get post"`
	ContentType string            `conf:"content_type" oneof:"x-www-form-urlencoded json"`
	Headers     map[string]string `conf:"headers.$name"` // content_type has the meaning of ContentType, and goes first
	Params      Params            `conf:"params"`
}

// SetDefaults gives the values of a configuration that says nothing.
func (c *Config) SetDefaults() {
	who := Params{{"clientid", 'c', ""}, {"username", 'u', ""}}
	c.Auth.Params = append(slices.Clone(who), Param{"password", 'P', ""})
	c.Super.Params = who
	c.ACL.Params = Params{{"access", 'A', ""}, {"username", 'u', ""}, {"clientid", 'c', ""},
		{"ipaddr", 'a', ""}, {"topic", 't', ""}, {"mountpoint", 'm', ""}}
}

// SetDefaults gives the values of a configuration that says nothing.
func (q *Question) SetDefaults() { q.Method, q.ContentType = "post", "x-www-form-urlencoded" }

// Complete says what a provider that is switched on lacks.
func (c *Config) Complete() error {
	switch {
	case c.Auth.URL == "" && c.ACL.URL == "":
		return config.Invalid("auth_req.url", "a URL is needed here or in acl_req.url; without one nothing is asked")
	case c.Auth.URL == "" && c.Super.URL != "":
		return config.Invalid("super_req.url", "is asked only after auth_req.url, which is missing")
	}
	return nil
}

// Validate checks what no single value shows.
func (c *Config) Validate() error { return checkHeaders("header", c.Headers) }

// Validate checks what no single value shows.
func (q *Question) Validate() error {
	errs := []error{checkHeaders("headers", q.Headers)}
	if q.URL != "" {
		errs = append(errs, checkURL(q.URL))
	}
	for name, value := range q.Headers {
		if headerName(name) != contentType {
			continue
		}
		if media, _, err := mime.ParseMediaType(value); err != nil || media != mediaForm && media != mediaJSON {
			errs = append(errs, config.Invalid(config.Key("headers", name), "expected %s or %s, found %q", mediaForm, mediaJSON, value))
		}
	}
	return errors.Join(errs...)
}

// checkURL doesn't repeat the URL, which may hold a password.
func checkURL(text string) error {
	u, err := url.Parse(text)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "" {
		return config.Invalid("url", "expected a URL such as http://127.0.0.1:8991/mqtt/auth")
	}
	return nil
}

func checkHeaders(key string, headers map[string]string) error {
	var errs []error
	for _, name := range config.Names(headers) {
		switch {
		case strings.ContainsAny(name, "@/: \t\r\n"):
			errs = append(errs, config.Invalid(config.Key(key, name), "expected the name of a header: letters, digits, - and _"))
		case strings.ContainsFunc(headers[name], isControl):
			errs = append(errs, config.Invalid(config.Key(key, name), "expected a value in one line, without control characters"))
		}
	}
	return errors.Join(errs...)
}

func isControl(r rune) bool { return r < ' ' && r != '\t' || r == 0x7F }

const (
	contentType = "Content-Type"
	mediaForm   = "application/x-www-form-urlencoded"
	mediaJSON   = "application/json"
)

// headerName is EMQ X's reading of the last word of a key: content_type is
// Content-Type.
func headerName(word string) string {
	return nethttp.CanonicalHeaderKey(strings.ReplaceAll(word, "_", "-"))
}

// Params are the parameters of a request in their order, written
// `clientid=%c,username=%u,realm=plant1`: each value is one placeholder, or a
// text without %.
type Params []Param

// Param has a placeholder's letter, see auth.Request.Placeholder, or a text.
type Param struct {
	Name   string
	Letter byte // 0: Text
	Text   string
}

// UnmarshalText is the configuration's.
func (p *Params) UnmarshalText(text []byte) error {
	var list Params
	for part := range strings.SplitSeq(string(text), ",") {
		if part = strings.TrimSpace(part); part == "" {
			continue
		}
		name, value, ok := strings.Cut(part, "=")
		name, value = strings.TrimSpace(name), strings.TrimSpace(value)
		if !ok || name == "" {
			return config.Expected("parameters such as clientid=%c,username=%u", part)
		}
		if slices.ContainsFunc(list, func(other Param) bool { return other.Name == name }) {
			return config.Expected("each parameter once", part)
		}
		param := Param{Name: name, Text: value}
		if strings.Contains(value, "%") {
			if !isPlaceholder(value) {
				return config.Expected("one placeholder (%u %c %a %P %p %C %d %r %A %t %m) or a text without %", part)
			}
			param.Letter, param.Text = value[1], ""
		}
		list = append(list, param)
	}
	*p = list
	return nil
}

// String returns what UnmarshalText reads.
func (p Params) String() string {
	parts := make([]string, len(p))
	for i, param := range p {
		parts[i] = param.Name + "=" + param.Text
		if param.Letter != 0 {
			parts[i] += "%" + string(param.Letter)
		}
	}
	return strings.Join(parts, ",")
}

func isPlaceholder(value string) bool {
	if len(value) != 2 || value[0] != '%' {
		return false
	}
	nobody := auth.Request{Client: &auth.Client{}}
	_, known := nobody.Placeholder(value[1])
	return known
}
