package auth

import (
	"time"

	"github.com/dunlin-mq/dunlin/config"
)

// Access is who may connect, publish and subscribe when nobody else decides.
type Access struct {
	AllowAnonymous Anonymous `conf:"allow_anonymous"`
	ACLNomatch     string    `conf:"acl_nomatch" oneof:"allow deny"`
	// ACLDenyAction is what follows a refused publish or subscribe: its reason
	// code alone, or the end of the connection as well.
	ACLDenyAction string `conf:"acl_deny_action" oneof:"ignore disconnect"`
}

// SetDefaults gives the values of a configuration that says nothing: nobody is
// let in.
func (a *Access) SetDefaults() {
	a.AllowAnonymous, a.ACLNomatch, a.ACLDenyAction = AnonymousRefused, "deny", "ignore"
}

// Policy is what zone.$name.* says about access. Its Access starts from the
// global keys of the same names.
type Policy struct {
	Access

	// EnableACL checks every publish and subscribe.
	EnableACL config.Flag `conf:"enable_acl"`
	// BypassPlugins asks no authenticator: AllowAnonymous alone decides.
	BypassPlugins bool `conf:"bypass_auth_plugins"`
	// EnableBan refuses banned clients.
	EnableBan config.Flag `conf:"enable_ban"`
	// EnableFlapping bans clients that reconnect all the time.
	EnableFlapping config.Flag `conf:"enable_flapping_detect"`
	// FlappingThreshold and FlappingBan are EMQ X 3's, in the place of the
	// global flapping_detect_policy.
	FlappingThreshold config.Rate   `conf:"flapping_threshold"`
	FlappingBan       time.Duration `conf:"flapping_banned_expiry_interval" unit:"s"`
}

// Anonymous says what becomes of a client that no authenticator decided about.
type Anonymous string

const (
	AnonymousRefused Anonymous = "false"
	AnonymousAllowed Anonymous = "true"
	// AnonymousQuickDeny also refuses a client without a user name before any
	// authenticator is asked.
	AnonymousQuickDeny Anonymous = "false_quick_deny"
)

// UnmarshalText reads the value of allow_anonymous.
func (a *Anonymous) UnmarshalText(text []byte) error {
	switch s := Anonymous(text); s {
	case "on":
		*a = AnonymousAllowed
	case "off":
		*a = AnonymousRefused
	case AnonymousAllowed, AnonymousRefused, AnonymousQuickDeny:
		*a = s
	default:
		return config.Expected("true, false or false_quick_deny", string(text))
	}
	return nil
}

// String returns what UnmarshalText reads.
func (a Anonymous) String() string { return string(a) }
