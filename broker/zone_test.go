package broker

import (
	"strings"
	"testing"

	"github.com/dunlin-mq/dunlin/auth"
	"github.com/dunlin-mq/dunlin/config"
)

// bindZone reads `key = value` lines as the keys of one zone.
func bindZone(text string) (*Zone, error) {
	f, err := config.Parse(strings.NewReader(text), "zone")
	if err != nil {
		return nil, err
	}
	z := &Zone{}
	_, err = config.Bind(z, f.Settings, nil)
	return z, err
}

func TestZoneKeys(t *testing.T) {
	f := func(text string, get func(z *Zone) any, want any) {
		t.Helper()
		if z, err := bindZone(text); err != nil || get(z) != want {
			t.Errorf("%q: got %v, %v; want %v", text, get(z), err, want)
		}
	}
	f("", func(z *Zone) any { return z.AllowAnonymous }, auth.AnonymousRefused)
	f("allow_anonymous = on", func(z *Zone) any { return z.AllowAnonymous }, auth.AnonymousAllowed)
	f("allow_anonymous = true", func(z *Zone) any { return z.AllowAnonymous }, auth.AnonymousAllowed)
	f("allow_anonymous = off", func(z *Zone) any { return z.AllowAnonymous }, auth.AnonymousRefused)
	f("allow_anonymous = false_quick_deny", func(z *Zone) any { return z.AllowAnonymous }, auth.AnonymousQuickDeny)
	f("max_inflight = 0", func(z *Zone) any { return z.Session.MaxInflight }, 0)
	f("max_packet_size = 64KB", func(z *Zone) any { return z.MaxPacketSize }, 64*config.KB)
	f("server_keepalive = 65535", func(z *Zone) any { return z.ServerKeepalive }, uint16(65535))
	f("session_expiry_interval = 1500ms", func(z *Zone) any { return z.SessionExpiryInterval.Seconds() }, 2.0)
	f("rate_limit.conn_bytes_in = 100KB,10s", func(z *Zone) any { return z.BytesIn.Limit }, int64(102400))
	f("quota.overall_messages_routing = 200000,1s", func(z *Zone) any { return z.ZoneRouting.Limit }, int64(200000))
	f("publish_limit = 10, 1m", func(z *Zone) any { return z.PublishLimit.IsZero() }, false)
	f("mountpoint = a/%c/", func(z *Zone) any { return z.Mountpoint }, "a/%c/")
}

func TestZoneErrors(t *testing.T) {
	f := func(text, want string) {
		t.Helper()
		if _, err := bindZone(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: got %v, want %s", text, err, want)
		}
	}
	f("allow_anonymous = yes", "zone:1: allow_anonymous: expected true, false or false_quick_deny")
	f("acl_nomatch = maybe", "expected one of allow, deny")
	f("acl_deny_action = kill", "expected one of ignore, disconnect")
	f("max_packet_size = 256MB", "expected a value from 1 to 268435455")
	f("max_clientid_len = 22", "expected a value from 23 to 65535")
	f("max_qos_allowed = 3", "expected a value from 0 to 2")
	f("max_topic_alias = 65536", "expected a whole number")
	f("max_inflight = 65536", "expected a value from 0 to 65535")
	f("mqueue_default_priority = middle", "expected one of highest, lowest")
	f("mqueue_priorities = a", "expected none, or a list such as")
	f("keepalive_backoff = 0.4", "zone:1: keepalive_backoff: expected at least 0.5, found 0.4")
	f("server_keepalive = -1", "expected a whole number")
}
