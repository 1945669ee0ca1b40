// Package alarm keeps what is wrong with a node and what was wrong lately. An
// alarm has a name and is raised once, however often its cause is seen; when
// the cause is over it becomes history, which outlives the process.
//
// It also watches what can be asked at any time (watch.go): a source says what
// should be active, and the alarms follow. It doesn't know how figures come
// about nor who reads what it publishes, and it mends nothing.
package alarm

import (
	"cmp"
	"time"
)

// Details are what is known of a cause, by name; everything in it can be
// written as JSON.
type Details = map[string]any

// Alarm is one that is active, or was.
type Alarm struct {
	Name         string    `json:"name"`
	Message      string    `json:"message"`
	Details      Details   `json:"details,omitempty"`
	ActivateAt   time.Time `json:"activate_at"`
	DeactivateAt time.Time `json:"deactivate_at,omitzero"` // zero: it is active

	key string // of its record
}

// Active reports that the cause isn't over.
func (a *Alarm) Active() bool { return a.DeactivateAt.IsZero() }

// View is an alarm as EMQ X has shown it since 4.2; times are Unix
// microseconds.
type View struct {
	Name         string `json:"name"`
	Message      string `json:"message"`
	Details      any    `json:"details"`
	ActivateAt   int64  `json:"activate_at"`
	DeactivateAt any    `json:"deactivate_at"` // a number, or "infinity"
	Activated    bool   `json:"activated"`
}

// View shows a.
func (a *Alarm) View() View {
	v := View{a.Name, a.Message, a.Details, a.ActivateAt.UnixMicro(), "infinity", true}
	if a.Details == nil {
		v.Details = Details{}
	}
	if !a.Active() {
		v.DeactivateAt, v.Activated = a.DeactivateAt.UnixMicro(), false
	}
	return v
}

// OldView is an alarm as EMQ X showed it before 4.2.
type OldView struct {
	ID      string `json:"id"`
	Desc    string `json:"desc,omitempty"`
	ClearAt string `json:"clear_at,omitempty"` // local time
}

// OldView shows a.
func (a *Alarm) OldView() OldView {
	v := OldView{ID: cmp.Or(oldNames[a.Name], a.Name), Desc: a.Message}
	if !a.Active() {
		v.ClearAt = a.DeactivateAt.Local().Format(time.DateTime)
	}
	return v
}

// oldNames are what EMQ X called alarms before 4.2.
var oldNames = map[string]string{
	HighCPU:    "cpu_high_watermark",
	HighMemory: "system_memory_high_watermark",
}
