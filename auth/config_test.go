package auth

import (
	"strings"
	"testing"
	"time"

	"github.com/dunlin-mq/dunlin/config"
)

func load(t *testing.T, text string) (Config, error) {
	t.Helper()
	var c Config
	_, err := config.Load(&c, config.Source{Base: []byte(text)}, nil)
	return c, err
}

func TestConfigDefaults(t *testing.T) {
	c, err := load(t, "")
	if err != nil {
		t.Fatal(err)
	}
	if !c.EnableACLCache || c.ACLCacheMaxSize != 32 || c.ACLCacheTTL != time.Minute || c.Failures.Count != 0 ||
		c.Flapping != (Threshold{30, time.Minute, 5 * time.Minute}) || c.AuthCacheTTL != 5*time.Second ||
		c.AuthCacheNegativeTTL != time.Second || c.AuthCacheMaxSize != 100_000 {
		t.Errorf("%+v", c)
	}
}

func TestConfigKeys(t *testing.T) {
	c, err := load(t, `
		enable_acl_cache = off
		acl_cache_max_size = 7
		acl_cache_ttl = 2m
		auth_order = mysql, http
		acl_order = none
		flapping_detect_policy = 10, 2m, 1h
		auth_failures_limit = 5,1m,10m
		auth_cache_ttl = 0s
		auth_cache_negative_ttl = 3s
		auth_cache_max_size = 9
	`)
	if err != nil {
		t.Fatal(err)
	}
	if c.EnableACLCache || c.ACLCacheMaxSize != 7 || c.ACLCacheTTL != 2*time.Minute || len(c.AuthOrder) != 2 || c.AuthOrder[1] != "http" ||
		c.Flapping != (Threshold{10, 2 * time.Minute, time.Hour}) || c.Failures != (Threshold{5, time.Minute, 10 * time.Minute}) ||
		c.AuthCacheTTL != 0 || c.AuthCacheNegativeTTL != 3*time.Second || c.AuthCacheMaxSize != 9 {
		t.Errorf("%+v", c)
	}
}

func TestConfigMistakes(t *testing.T) {
	wrong := func(text, says string) {
		t.Helper()
		if _, err := load(t, text); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%s: %v", text, err)
		}
	}
	wrong("auth_order = mysql,oracle,db2", "auth_order: expected none or a list of http, jwt")
	wrong("auth_order = mysql,oracle,db2", "found oracle, db2")
	wrong("auth_order = file", "found file")
	wrong("acl_order = file,internal,none", "found none")
	wrong("acl_cache_max_size = 0", "at least 1")
	wrong("flapping_detect_policy = 30,1m", "expected count,window,block such as 30,1m,5m")
	wrong("auth_cache_ttl = soon", "a duration")
}

func TestThreshold(t *testing.T) {
	read := func(text string, want Threshold, written string) {
		t.Helper()
		var got Threshold
		if err := got.UnmarshalText([]byte(text)); err != nil || got != want || got.String() != written {
			t.Errorf("%q: %v, %v, written %q", text, got, err, got)
		}
		var again Threshold
		if err := again.UnmarshalText([]byte(got.String())); err != nil || again != got {
			t.Errorf("%q is not read as it is written: %v, %v", got, again, err)
		}
	}
	read("30,1m,5m", Threshold{30, time.Minute, 5 * time.Minute}, "30,1m,5m")
	read(" 30 , 1m , 1h30m ", Threshold{30, time.Minute, 90 * time.Minute}, "30,1m,1h30m")
	read("1,1ms,2d", Threshold{1, time.Millisecond, 48 * time.Hour}, "1,1ms,2d")
	read("none", Threshold{}, "none")
	for _, text := range []string{
		"", "30", "30,1m", "30,1m,", "30,1m,5", "30,60,5m", "0,1m,5m", "-1,1m,5m", "1KB,1m,5m", "30,1KB,5m", "30,1MB,5m",
		"30,1m,5m,6m", "30,0s,5m", "30,1m,0s", "99999999999,1m,1m", "30,1m,none", "none,1m,5m",
	} {
		if err := new(Threshold).UnmarshalText([]byte(text)); err == nil {
			t.Errorf("%q was taken", text)
		}
	}
}
