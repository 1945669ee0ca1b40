package node

import (
	"strings"

	"github.com/dunlin-mq/dunlin/broker"
	"github.com/dunlin-mq/dunlin/config"
	"github.com/dunlin-mq/dunlin/server"
)

// taker is a part that takes a changed configuration while the node runs.
type taker struct {
	keys string // patterns of those it takes: $name is any word, * at the end any words
	take func(*Config)
}

// takers say of every key that can change while the node runs who takes it. All
// other keys are read at the start only.
func (n *Node) takers() []taker {
	return []taker{
		{`zone.$name.* mqtt.* allow_anonymous acl_nomatch acl_deny_action node.max_clients
			listener.$kind.$name.max_connections listener.$kind.$name.max_conn_rate`, n.takeTerms},
		{`enable_acl_cache acl_cache_max_size acl_cache_ttl auth_cache_ttl auth_cache_negative_ttl
			flapping_detect_policy auth_failures_limit`, func(c *Config) { n.Access.Change(c.AccessControl) }},
		{`broker.sys_interval broker.sys_heartbeat broker.max_delayed_messages broker.max_delayed_bytes
			broker.client_disconnect_takeovered broker.client_disconnect_discarded
			broker.shared_subscription_strategy broker.$group.shared_subscription_strategy`, func(c *Config) { n.Broker.Change(c.Broker.Broker) }},
		{`retainer.max_retained_messages retainer.max_payload_size retainer.expiry_interval
			retainer.stop_publish_clear_msg`, func(c *Config) { n.Broker.Retained.Change(c.Retainer) }},
		{`alarm.actions alarm.size_limit alarm.validity_period os_mon.cpu_high_watermark os_mon.cpu_low_watermark
			os_mon.sysmem_high_watermark os_mon.files_high_watermark os_mon.files_low_watermark`, func(c *Config) { n.Alarms.Change(c.Alarms) }},
		{`log.level`, n.takeLogLevel},
		{`management.max_row_limit`, func(c *Config) { n.API.SetMaxRowLimit(c.Management.MaxRowLimit) }},
	}
}

// takes reports whether a key is among those of t.
func (t *taker) takes(key string) bool {
	words := config.Words(key)
	for pattern := range strings.FieldsSeq(t.keys) {
		if fits(config.Words(pattern), words) {
			return true
		}
	}
	return false
}

func fits(pattern, words []string) bool {
	for i, p := range pattern {
		switch {
		case p == "*":
			return len(words) > i
		case i >= len(words) || p != words[i] && !strings.HasPrefix(p, "$"):
			return false
		}
	}
	return len(pattern) == len(words)
}

// takeTerms is for the listeners and their zones. What the ACL has said is
// forgotten, as other rules may hold.
func (n *Node) takeTerms(c *Config) {
	n.Server.Change(&server.Options{Listeners: c.Listeners(), Zone: n.zoneOf(c), MaxClients: c.Node.MaxClients})
	n.Access.DrainCaches()
}

// zoneOf finds each listener's zone.
func (n *Node) zoneOf(c *Config) func(*server.Named) (string, *broker.Zone) {
	return func(l *server.Named) (string, *broker.Zone) {
		name := c.ZoneOf(l)
		return name, n.zoneNamed(c, name)
	}
}

// takeLogLevel sets the levels that follow log.level, also those that were set
// by hand meanwhile. A log that somebody else has made stays as it is.
func (n *Node) takeLogLevel(c *Config) {
	logs := n.logs()
	if logs == nil {
		return
	}
	logs.SetPrimary(c.Log.Level)
	_, all := logs.Levels()
	for _, h := range all {
		if h.ID != "console" && h.ID != "file" { // it has a level of its own
			continue
		}
		if err := logs.SetLevel(h.ID, c.Log.Level); err != nil {
			n.log.Warn("the level of the log is not changed", "handler", h.ID, "err", err)
		}
	}
}
