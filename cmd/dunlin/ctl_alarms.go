package main

import (
	"encoding/json"
	"time"

	"github.com/spf13/cobra"

	"github.com/dunlin-mq/dunlin/alarm"
)

// alarmVerbs tell what is wrong with the broker, for which EMQ X has REST only.
func alarmVerbs(where *place) *cobra.Command {
	return ownVerbs(where, "alarms", "What is wrong with the broker, and was lately",
		verb{use: "list", short: "List the alarms that are active", run: func(r *remote, _ []string) error { return r.alarms("activated") }},
		verb{use: "history", short: "List the alarms that have ended", run: func(r *remote, _ []string) error { return r.alarms("deactivated") }},
		verb{use: "deactivate <Name>", short: "End an alarm; it comes again if its cause is found again", run: deactivateAlarm},
		verb{use: "clear", short: "Forget the alarms that have ended", run: func(r *remote, _ []string) error {
			if err := r.call("DELETE", "/alarms/deactivated", nil, nil); err != nil {
				return err
			}
			r.printf("ok\n")
			return nil
		}})
}

// nodeAlarms are the alarms of one node.
type nodeAlarms struct {
	Node   string
	Alarms []alarm.View
}

func (r *remote) alarms(which string) error {
	var nodes []nodeAlarms
	err := r.get("/alarms/"+which, &nodes)
	for _, n := range nodes {
		for _, a := range n.Alarms {
			r.printf("Alarm(%s, message=%s, activate_at=%s", a.Name, a.Message, localTime(float64(a.ActivateAt/1e6)))
			if until, ended := a.DeactivateAt.(float64); ended {
				lasted := time.Duration(until-float64(a.ActivateAt)) * time.Microsecond
				r.printf(", deactivate_at=%s, lasted=%s", localTime(until/1e6), lasted.Round(time.Millisecond))
			}
			r.printf(")\n")
		}
	}
	return err
}

// deactivateAlarm asks for the alarm first, as the broker knows its own name
// and the command line may not.
func deactivateAlarm(r *remote, args []string) error {
	a, err := r.ask("GET", "/alarms/activated", nil)
	if err != nil {
		return err
	}
	var nodes []nodeAlarms
	if a.Data != nil {
		if err := json.Unmarshal(a.Data, &nodes); err != nil {
			return err
		}
	}
	for _, n := range nodes {
		for _, one := range n.Alarms {
			if one.Name != args[0] {
				continue
			}
			if err := r.call("POST", "/alarms/deactivated", map[string]any{"node": n.Node, "name": one.Name}, nil); err != nil {
				return err
			}
			r.printf("ok\n")
			return nil
		}
	}
	return refusal("there is no alarm " + args[0] + " that is active")
}
