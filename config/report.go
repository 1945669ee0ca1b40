package config

import "regexp"

// Report says what a load made of its settings.
type Report struct {
	Values   []Value   // the effective value of every key, set or default, in the order of keys
	NoEffect []Ignored // settings that are known but without effect
	Unknown  []Setting // EMQX_ variables that name no known key
	Refused  []error   // overrides that were left out, see LoadOverrides
}

// Value is one effective value, for `conf show`.
type Value struct {
	Key, Value string // the value as the dialect writes it; passwords and the like are masked
	Default    string // the value if nobody sets it
	Type       string // as in Known.Type; text for what that has no word for
	Secret     bool   // Value and Default are masked
	Origin     Origin
}

// Ignored is a setting that was accepted and has no effect.
type Ignored struct {
	Setting
	Kind   Kind
	Reason string
}

// mask stands for a secret in a Report.
const mask = "******"

func show(key, value string) string {
	if value != "" && isSecret(key) {
		return mask
	}
	return inURL.ReplaceAllString(value, "${1}"+mask+"@")
}

// inURL is the password of http://user:password@host.
var inURL = regexp.MustCompile(`(://[^/:@\s]*:)[^@/\s]+@`)
