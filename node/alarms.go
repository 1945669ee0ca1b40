package node

import (
	"cmp"
	"fmt"
	"time"

	"github.com/dunlin-mq/dunlin/alarm"
	"github.com/dunlin-mq/dunlin/host"
	"github.com/dunlin-mq/dunlin/mqtt"
)

// lookEvery is how often parts of the node are asked how they are, which is
// cheap. EMQ X has no key for it, as its parts tell by themselves.
const lookEvery = 2 * time.Second

// openAlarms makes the alarms with those of earlier runs.
func (n *Node) openAlarms() (err error) {
	o := alarm.Options{Config: n.Config.Alarms, Log: n.log, Keeper: n.kept.alarms, Publish: n.publishSys}
	if hook := n.Config.Alarms.Webhook; hook.URL != "" {
		service, err := n.Config.Webhook.open()
		if err != nil {
			return fmt.Errorf("alarm.webhook: %w", err)
		}
		n.webhook = alarm.NewWebhook(hook, n.Config.Node.Name, service, n.Metrics, n.log)
		o.Webhook = n.webhook.Tell
	}
	n.Alarms, err = alarm.New(o)
	if err != nil {
		return fmt.Errorf("the alarms of earlier runs can't be read: %w", err)
	}
	return nil
}

// watchAlarms is for when all parts run.
func (n *Node) watchAlarms() {
	n.Alarms.WatchHost(newUsage())
	n.Alarms.Watch(lookEvery, n.downBackends)
	n.Alarms.Watch(lookEvery, n.failingListeners())
	n.Alarms.Watch(lookEvery, n.congested)
	n.Alarms.Watch(lookEvery, n.cluster.troubles)
	n.Alarms.Watch(lookEvery, n.watchStorage())
	if n.OTel != nil {
		n.Alarms.Watch(lookEvery, n.deafCollector)
	}
}

// publishSys publishes a message of the node itself.
func (n *Node) publishSys(topic string, payload []byte) {
	name, b := n.Config.Node.Name, n.Broker.NewBatch()
	n.Broker.Publish(b, nil, &mqtt.Message{
		Topic: "$SYS/brokers/" + name + "/" + topic, Payload: payload, Sys: true, From: name, Timestamp: b.Now(),
	})
	b.End()
}

// downBackends names the systems that don't answer about clients, as EMQ X
// names resources of its rules.
func (n *Node) downBackends() (down []alarm.Cause, _ error) {
	for _, b := range n.Access.Backends() {
		if !b.Up {
			down = append(down, alarm.Cause{
				Name: "resource/auth/" + b.Name + "/down", Message: "Resource auth(" + b.Name + ") is down",
				Details: alarm.Details{"type": "auth", "id": b.Name, "error": b.LastError},
			})
		}
	}
	return down, nil
}

// congested names the clients that don't take what they are sent.
func (n *Node) congested() (all []alarm.Cause, _ error) {
	congested := n.Server.Congested()
	for i := range congested {
		c := &congested[i]
		t := &c.Traffic
		all = append(all, alarm.Cause{
			Name:    "conn_congestion/" + c.Client.ClientID + "/" + cmp.Or(c.Client.Username, "unknown_user"),
			Message: fmt.Sprintf("connection congested: %d bytes wait to be sent to %s", c.Pending, c.Client.Peer),
			Details: alarm.Details{
				"clientid": c.Client.ClientID, "username": c.Client.Username, "peername": c.Client.Peer.String(), "send_pend": c.Pending, "since": c.Since,
				"recv_cnt": t.Reads, "recv_oct": t.BytesIn, "send_cnt": t.Writes, "send_oct": t.BytesOut,
			},
		})
	}
	return all, nil
}

// failingListeners names the listeners that could not accept a connection since
// it was asked before.
func (n *Node) failingListeners() func() ([]alarm.Cause, error) {
	before := make(map[string]uint64)
	return func() (failing []alarm.Cause, _ error) {
		for _, l := range n.Server.Listeners() {
			key := l.Protocol + "/" + l.Name
			if l.Failures > before[key] {
				failing = append(failing, alarm.Cause{
					Name: "listener/" + key + "/failed", Message: "Listener " + l.Protocol + ":" + l.Name + " can't accept connections",
					Details: alarm.Details{"protocol": l.Protocol, "name": l.Name, "failures": l.Failures - before[key]},
				})
			}
			before[key] = l.Failures
		}
		return failing, nil
	}
}

// usage is the alarm.Host of this machine.
type usage struct{ cpu host.CPU }

// newUsage counts processors from now on; if they can't be read now, from the
// start of the machine.
func newUsage() *usage {
	u := new(usage)
	if now, err := host.ReadCPU(); err == nil {
		u.cpu = now
	}
	return u
}

func (u *usage) CPU() (float64, error) {
	now, err := host.ReadCPU()
	if err != nil {
		return 0, err
	}
	before := u.cpu
	u.cpu = now
	return now.Usage(before), nil
}

func (u *usage) Memory() (float64, error) {
	m, err := host.ReadMemory()
	return m.Usage(), err
}

func (u *usage) Files() (float64, error) {
	open, most, err := host.ReadFiles()
	return 100 * float64(open) / float64(max(most, 1)), err
}
