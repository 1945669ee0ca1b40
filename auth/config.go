package auth

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/dunlin-mq/dunlin/config"
)

// Config is what holds for all zones: the caches, the order of the chains, and
// the limits on clients that come too often.
type Config struct {
	// EnableACLCache keeps for each connection what backends said about its
	// topics: ACLCacheMaxSize answers, each good for ACLCacheTTL.
	EnableACLCache  config.Flag   `conf:"enable_acl_cache"`
	ACLCacheMaxSize int           `conf:"acl_cache_max_size" range:"1.."`
	ACLCacheTTL     time.Duration `conf:"acl_cache_ttl"`

	// AuthOrder and ACLOrder name providers that are asked before all others.
	AuthOrder []string `conf:"auth_order"`
	ACLOrder  []string `conf:"acl_order"`

	// Flapping bans the client id that connects too often.
	Flapping Threshold `conf:"flapping_detect_policy"`
	// Failures keeps out the address from which too many fail to authenticate.
	// EMQ X has no such key, and nobody is kept out without it: behind one
	// address there may be a thousand devices.
	Failures Threshold `conf:"auth_failures_limit"`

	// AuthCacheTTL is how long what a backend allowed is good for the same
	// client, address and password, AuthCacheNegativeTTL the same for all else
	// it said; 0 keeps nothing. AuthCacheMaxSize bounds the answers of each
	// backend. EMQ X has no such keys.
	AuthCacheTTL         time.Duration `conf:"auth_cache_ttl"`
	AuthCacheNegativeTTL time.Duration `conf:"auth_cache_negative_ttl"`
	AuthCacheMaxSize     int           `conf:"auth_cache_max_size" range:"1.."`
}

// SetDefaults gives the values of a configuration that says nothing.
func (c *Config) SetDefaults() {
	*c = Config{
		EnableACLCache: true, ACLCacheMaxSize: 32, ACLCacheTTL: time.Minute,
		Flapping:     Threshold{Count: 30, Window: time.Minute, Block: 5 * time.Minute},
		AuthCacheTTL: 5 * time.Second, AuthCacheNegativeTTL: time.Second, AuthCacheMaxSize: 100_000,
	}
}

// Validate checks the names in the orders. EMQ X drops unknown ones without a
// word, and the operator believes in an order that isn't there.
func (c *Config) Validate() error {
	return errors.Join(
		validOrder("auth_order", c.AuthOrder, authNames),
		validOrder("acl_order", c.ACLOrder, append(slices.Clone(authNames), "internal", "file")),
	)
}

// authNames are what a list of authenticators may hold, with their synonyms.
var authNames = []string{"http", "jwt", "ldap", "mnesia", "mongo", "mongodb", "mysql", "pgsql", "postgres", "redis"}

// canonical maps the synonyms of a provider's name to one.
func canonical(name string) string {
	switch name {
	case "mongodb":
		return "mongo"
	case "postgres":
		return "pgsql"
	case "internal":
		return "file"
	}
	return name
}

func validOrder(key string, order, known []string) error {
	if slices.Equal(order, []string{"none"}) {
		return nil
	}
	var unknown []string
	for _, name := range order {
		if !slices.Contains(known, name) {
			unknown = append(unknown, name)
		}
	}
	if unknown == nil {
		return nil
	}
	return config.Invalid(key, "expected none or a list of %s, found %s", strings.Join(known, ", "), strings.Join(unknown, ", "))
}

// Threshold is how many events within a Window, which starts with the first of
// them, have what for how long: `30,1m,5m`. The zero Threshold, `none`, is never
// reached.
type Threshold struct {
	Count         int
	Window, Block time.Duration
}

// UnmarshalText reads count,window,block or none.
func (t *Threshold) UnmarshalText(text []byte) error {
	if string(text) == "none" {
		*t = Threshold{}
		return nil
	}
	parts := strings.Split(string(text), ",")
	for i := range parts {
		parts[i] = strings.TrimSpace(parts[i])
	}
	parts = append(parts, "", "", "")
	n, err := strconv.Atoi(parts[0])
	window, ok1 := duration(parts[1])
	block, ok2 := duration(parts[2])
	if err != nil || n < 1 || n > math.MaxInt32 || !ok1 || !ok2 || parts[3] != "" {
		return config.Expected("count,window,block such as 30,1m,5m, or none", string(text))
	}
	*t = Threshold{n, window, block}
	return nil
}

// String returns what UnmarshalText reads.
func (t Threshold) String() string {
	if t.Count == 0 {
		return "none"
	}
	return fmt.Sprintf("%d,%s,%s", t.Count, durationText(t.Window), durationText(t.Block))
}

// duration reads a duration as config does, which offers that as the second
// half of a Rate only; there a bare number or a size would be a burst.
func duration(text string) (time.Duration, bool) {
	var r config.Rate
	err := r.UnmarshalText([]byte("1," + text))
	return r.Window, err == nil && strings.ContainsAny(text, "smhdwf")
}

func durationText(d time.Duration) string {
	_, text, _ := strings.Cut(config.Rate{Limit: 1, Burst: 1, Window: d}.String(), ",")
	return text
}
