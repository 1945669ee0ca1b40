package alarm

import (
	"encoding/json"
	"slices"
)

// noDetails is what EMQ X publishes in place of the details when an alarm ends.
const noDetails = "no_details"

// tell does what Config says is to be done when an alarm was raised or has
// ended.
func (a *Alarms) tell(one *Alarm) {
	does := func(action string) bool { return slices.Contains(a.config.Load().Actions, action) }
	if does("log") { // in the words that are looked for in logs of EMQ X
		if one.Active() {
			a.o.Log.Warn("Alarm " + one.Name + " is activated, " + one.Message)
		} else {
			a.o.Log.Warn("Alarm " + one.Name + " is deactivated")
		}
	}
	if does("publish") && a.o.Publish != nil {
		a.publish(one)
	}
	if does("webhook") && a.o.Webhook != nil {
		a.o.Webhook(*one)
	}
	if does("event") && a.o.Event != nil {
		a.o.Event(*one)
	}
}

// publish sends the messages of EMQ X since 4.2 and of those before, which
// stand on topics of their own.
func (a *Alarms) publish(one *Alarm) {
	if one.Active() {
		a.send("alarms/activate", one.View())
		a.send("alarms/alert", one.OldView())
		return
	}
	v := one.View()
	v.Details, v.Message = noDetails, v.Name
	a.send("alarms/deactivate", v)
	a.send("alarms/clear", OldView{ID: one.OldView().ID})
}

func (a *Alarms) send(topic string, v any) {
	payload, err := json.Marshal(v)
	if err != nil {
		a.o.Log.Error("an alarm can't be published", "topic", topic, "err", err)
		return
	}
	a.o.Publish(topic, payload)
}
