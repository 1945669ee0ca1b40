package broker

import (
	"maps"
	"slices"
	"strings"

	"github.com/dunlin-mq/dunlin/mqtt"
	"github.com/dunlin-mq/dunlin/topic"
)

// autoSubscribe gives a client that has just connected the subscriptions of
// module.subscription.*. As in EMQ X 4.2 neither hooks nor the ACL are asked,
// the mountpoint is added, and an entry with %u is skipped for a client
// without a username.
func (br *Broker) autoSubscribe(b *Batch, c *Client) {
	entries := br.cfg.Modules.Subscriptions
	if len(entries) == 0 || !br.cfg.Modules.AutoSubscribe {
		return
	}
	c.mu.Lock()
	info, conn := c.info, c.conn
	c.mu.Unlock()
	for _, id := range slices.SortedFunc(maps.Keys(entries), byNumber) {
		e := entries[id]
		filter := fill(e.Topic, info)
		if strings.Contains(filter, "%u") {
			continue
		}
		f, err := topic.Parse(filter)
		if err != nil {
			br.log.Warn("an automatic subscription is no valid topic filter", "filter", filter, "client", info.ClientID, "err", err)
			continue
		}
		f.Bare = info.Mountpoint + f.Bare
		o := mqtt.SubscribeFilter{Filter: f.String(), SubscribeOptions: mqtt.SubscribeOptions{
			QoS: mqtt.QoS(e.QoS), NoLocal: e.NoLocal == 1, RetainAsPublished: e.RetainAsPublished == 1, RetainHandling: byte(e.RetainHandling),
		}}
		if info.Version < mqtt.V5 {
			o.SubscribeOptions = mqtt.SubscribeOptions{QoS: mqtt.QoS(e.QoS)}
		}
		_, isNew := br.Subscribe(b, c, conn, f, o, 0)
		br.Replay(b, c, conn, o.Filter, isNew)
	}
}
