package jwt

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/dunlin-mq/dunlin/auth"
)

// claims is what a proven token says.
type claims map[string]json.RawMessage

func parseClaims(payload []byte) (claims, error) {
	var c claims
	if err := json.Unmarshal(payload, &c); err != nil || c == nil {
		return nil, errors.New("the token's payload is not a JSON object")
	}
	return c, nil
}

// checkTimes checks exp, nbf and iat against now: RFC 7519, 4.1.4 to 4.1.6. It
// returns exp; zero: the token doesn't expire.
func (c claims) checkTimes(now time.Time) (expires time.Time, err error) {
	exp, nbf, iat, err := c.times()
	switch {
	case err != nil:
		return time.Time{}, err
	case !exp.IsZero() && !now.Before(exp):
		return time.Time{}, fmt.Errorf("the token expired at %s", exp.UTC().Format(time.RFC3339))
	case now.Before(nbf):
		return time.Time{}, fmt.Errorf("the token is not valid before %s (nbf)", nbf.UTC().Format(time.RFC3339))
	case now.Before(iat):
		return time.Time{}, fmt.Errorf("the token was issued in the future, %s (iat): is a clock wrong?", iat.UTC().Format(time.RFC3339))
	}
	return exp, nil
}

// times returns the zero time for what the token doesn't say.
func (c claims) times() (exp, nbf, iat time.Time, err error) {
	for _, claim := range []struct {
		name string
		to   *time.Time
	}{{"exp", &exp}, {"nbf", &nbf}, {"iat", &iat}} {
		text, given := c[claim.name]
		if !given {
			continue
		}
		var ok bool
		if *claim.to, ok = parseTime(text); !ok {
			return exp, nbf, iat, fmt.Errorf("the claim %s is not a number of seconds", claim.name)
		}
	}
	return exp, nbf, iat, nil
}

// lastTime is the end of the year 9999, which stands for all later times.
const lastTime = 253402300799

// parseTime reads seconds since 1970 as a number, or a number in a string.
func parseTime(text json.RawMessage) (time.Time, bool) {
	var inner string
	if json.Unmarshal(text, &inner) == nil && len(text) > 2 {
		text = json.RawMessage(inner)
	}
	var seconds *float64
	if json.Unmarshal(text, &seconds) != nil || seconds == nil {
		return time.Time{}, false
	}
	s := min(max(*seconds, 0), lastTime)
	// 1970 itself is not the zero time.
	return time.UnixMilli(int64(s * 1000)), true
}

// check compares the claims that the configuration names.
func (c claims) check(want map[string]string, client *auth.Client) error {
	for name, value := range want {
		switch value {
		case "%u":
			value = client.Username
		case "%c":
			value = client.ClientID
		}
		if text, given := c[name]; !given || value == "" || !equal(name, text, value) {
			return fmt.Errorf("the claim %s is not what verify_claims.%s asks for", name, name)
		}
	}
	return nil
}

// equal compares a claim with a text: a string by what it holds, a number or a
// truth value by how it is written. aud may be a list that has it: RFC 7519, 4.1.3.
func equal(name string, claim json.RawMessage, want string) bool {
	switch claim = bytes.TrimSpace(claim); claim[0] {
	case '"':
		var s string
		return json.Unmarshal(claim, &s) == nil && s == want
	case '[':
		var list []string
		return name == "aud" && json.Unmarshal(claim, &list) == nil && slices.Contains(list, want)
	case '{', 'n':
		return false
	}
	return string(claim) == want
}
