package node

import (
	"github.com/dunlin-mq/dunlin/alarm"
	"github.com/dunlin-mq/dunlin/otel"
)

// startOTel begins to tell an OpenTelemetry collector, if the configuration
// wants that.
func (n *Node) startOTel() (err error) {
	if c := n.Config; c.OTel.On() {
		n.OTel, err = otel.New(otel.Options{
			Config: c.OTel, Node: c.Node.Name, Version: Version, Metrics: n.Metrics, Hooks: n.Hooks, Log: n.log,
		})
	}
	return err
}

// deafCollector names what the collector doesn't take.
func (n *Node) deafCollector() (deaf []alarm.Cause, _ error) {
	for _, o := range n.OTel.Down() {
		deaf = append(deaf, alarm.Cause{
			Name: "resource/opentelemetry/" + o.Kind + "/down", Message: "Resource opentelemetry(" + o.Kind + ") is down",
			Details: alarm.Details{"type": "opentelemetry", "id": o.Kind, "error": o.Error},
		})
	}
	return deaf, nil
}
