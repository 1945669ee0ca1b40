package api

import (
	"slices"
	"time"

	"github.com/dunlin-mq/dunlin/alarm"
)

// newFakeAlarms are two that are active and one that was.
func newFakeAlarms() *fakeAlarms {
	return &fakeAlarms{
		active: []alarm.Alarm{
			{Name: alarm.HighCPU, Message: "85.2% cpu usage", Details: alarm.Details{"usage": 85.2}, ActivateAt: someTime},
			{Name: "resource/auth/mysql/down", Message: "Resource auth(mysql) is down", ActivateAt: someTime},
		},
		history: []alarm.Alarm{{
			Name: alarm.HighMemory, Message: "System memory usage is higher than 70%", Details: alarm.Details{"high_watermark": 70},
			ActivateAt: someTime, DeactivateAt: someTime.Add(time.Second),
		}},
	}
}

type fakeAlarms struct{ active, history []alarm.Alarm }

func (f *fakeAlarms) Active() []alarm.Alarm  { return slices.Clone(f.active) }
func (f *fakeAlarms) History() []alarm.Alarm { return slices.Clone(f.history) }
func (f *fakeAlarms) ClearHistory()          { f.history = nil }

func (f *fakeAlarms) Deactivate(name string) bool {
	i := slices.IndexFunc(f.active, func(a alarm.Alarm) bool { return a.Name == name })
	if i < 0 {
		return false
	}
	over := f.active[i]
	over.DeactivateAt = someTime.Add(time.Minute)
	f.active = slices.Delete(f.active, i, i+1)
	f.history = slices.Insert(f.history, 0, over)
	return true
}
