package alarm

import (
	"errors"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/dunlin-mq/dunlin/config"
)

func TestWatch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, nil)
		var mu sync.Mutex
		var causes []Cause
		var err error
		looks := 0
		r.Watch(time.Minute, func() ([]Cause, error) {
			mu.Lock()
			defer mu.Unlock()
			looks++
			return causes, err
		})
		r.Watch(0, func() ([]Cause, error) { t.Error("never was asked for"); return nil, nil })
		r.Activate("other", "of somebody else", nil)
		f := func(named, active, history string) {
			t.Helper()
			mu.Lock()
			causes = nil
			for _, name := range strings.Fields(named) {
				causes = append(causes, Cause{Name: name, Message: name})
			}
			mu.Unlock()
			time.Sleep(time.Minute)
			synctest.Wait()
			r.wants(active, history)
		}
		r.wants("other", "")
		f("", "other", "")
		f("a", "other a", "")
		f("a b", "other a b", "")
		f("b", "other b", "a")
		fails := func(e error) {
			mu.Lock()
			defer mu.Unlock()
			err = e
		}
		fails(errors.New("no idea"))
		f("", "other b", "a")
		f("", "other b", "a")
		if strings.Count(r.log.String(), "no idea") != 1 {
			t.Errorf("a failure that goes on is logged once:\n%s", &r.log)
		}
		fails(nil)
		r.Deactivate("b") // by hand
		f("b", "other b", "b a")
		f("", "other", "b b a")
		fails(errors.ErrUnsupported)
		if f("", "other", "b b a"); strings.Contains(r.log.String(), errors.ErrUnsupported.Error()) {
			t.Errorf("what a system doesn't have is no news:\n%s", &r.log)
		}
		before := looks
		r.Close()
		time.Sleep(time.Hour)
		if looks != before {
			t.Error("it looks after Close")
		}
	})
}

// fakeHost says what the test says.
type fakeHost struct {
	mu                 sync.Mutex
	cpu, memory, files float64
}

func (h *fakeHost) CPU() (float64, error)    { return h.get(&h.cpu) }
func (h *fakeHost) Memory() (float64, error) { return h.get(&h.memory) }
func (h *fakeHost) Files() (float64, error)  { return h.get(&h.files) }

func (h *fakeHost) get(used *float64) (float64, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return *used, nil
}

func TestWatchHost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, nil)
		h := new(fakeHost)
		r.WatchHost(h)
		defer r.Close()
		f := func(used *float64, to float64, active string) {
			t.Helper()
			h.mu.Lock()
			*used = to
			h.mu.Unlock()
			time.Sleep(time.Minute)
			synctest.Wait()
			if got := names(r.Active()); got != active {
				t.Errorf("at %v%%: active are %q, want %q", to, got, active)
			}
		}
		f(&h.cpu, 79, "")
		f(&h.cpu, 80, "")
		f(&h.cpu, 80.1, HighCPU)
		f(&h.cpu, 70, HighCPU) // between the marks nothing changes
		r.Deactivate(HighCPU)
		f(&h.cpu, 70, "") // nor after it was ended by hand
		f(&h.cpu, 100, HighCPU)
		f(&h.cpu, 60, "")
		f(&h.memory, 70, "")
		f(&h.memory, 71, HighMemory)
		f(&h.memory, 70, "")
		f(&h.files, 81, TooManyFiles)
		f(&h.files, 61, TooManyFiles)
		f(&h.files, 60, "")

		view := func(name, message string, details int) {
			t.Helper()
			for _, a := range r.History() {
				if a.Name == name {
					if a.Message != message || len(a.Details) != details {
						t.Errorf("%s: %q %v, want %q", name, a.Message, a.Details, message)
					}
					return
				}
			}
			t.Errorf("no %s", name)
		}
		view(HighCPU, "100.0% cpu usage", 3)
		view(HighMemory, "System memory usage is higher than 70%", 1)
		view(TooManyFiles, "81.0% of the file descriptors are in use", 3)
	})
}

func TestConfig(t *testing.T) {
	f := func(text, want string) {
		t.Helper()
		var c Config
		c.SetDefaults()
		env := []string{}
		for _, line := range strings.Fields(text) {
			env = append(env, "DUNLIN_"+line)
		}
		var all struct {
			Config `conf:"."`
		}
		_, err := config.Load(&all, config.Source{Env: env}, nil)
		switch {
		case want == "" && err != nil, want != "" && (err == nil || !strings.Contains(err.Error(), want)):
			t.Errorf("%s: %v, want %q", text, err, want)
		}
	}
	f("", "")
	f("ALARM__ACTIONS=log,publish,event ALARM__SIZE_LIMIT=0 ALARM__VALIDITY_PERIOD=60", "")
	f("ALARM__ACTIONS=mail", "alarm.actions")
	f("ALARM__SIZE_LIMIT=-1", "alarm.size_limit")
	f("ALARM__ACTIONS=webhook", "alarm.actions: webhook needs alarm.webhook.url")
	f("ALARM__ACTIONS=webhook ALARM__WEBHOOK__URL=http://x ALARM__WEBHOOK__HEADERS__A=b", "")
	f("ALARM__WEBHOOK__URL=ftp://x", "alarm.webhook.url")
	f("OS_MON__CPU_HIGH_WATERMARK=50%", "os_mon.cpu_low_watermark: expected at most os_mon.cpu_high_watermark = 50%, found 60%")
	f("OS_MON__FILES_LOW_WATERMARK=90%", "os_mon.files_low_watermark")
	f("OS_MON__CPU_HIGH_WATERMARK=100% OS_MON__CPU_LOW_WATERMARK=0% OS_MON__CPU_CHECK_INTERVAL=10s", "")
}

// TestChangeMarks: the marks hold from the next look on.
func TestChangeMarks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var c Config
		r := newRig(t, nil, func(of *Config) { c = *of })
		h := &fakeHost{cpu: 70}
		r.WatchHost(h)
		defer r.Close()
		f := func(active string) {
			t.Helper()
			time.Sleep(time.Minute)
			synctest.Wait()
			if got := names(r.Active()); got != active {
				t.Errorf("active are %q, want %q", got, active)
			}
		}
		f("")
		c.CPUHigh, c.CPULow = 65, 50
		r.Change(c)
		f(HighCPU)
		c.CPUHigh, c.CPULow = 90, 60
		r.Change(c)
		f(HighCPU) // 70 is above the low mark
		c.CPULow = 75
		r.Change(c)
		f("")
		c.Actions = nil
		before := r.log.Len()
		r.Change(c)
		r.Activate("quiet", "quiet", nil)
		if r.log.Len() != before {
			t.Error("an action that was taken away is done")
		}
	})
}
