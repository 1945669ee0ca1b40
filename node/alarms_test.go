package node

import (
	"errors"
	"runtime"
	"testing"
	"time"

	"github.com/dunlin-mq/dunlin/config"
)

func TestAlarmKeys(t *testing.T) {
	c, report, err := load(t, `
alarm.actions = log
alarm.size_limit = 5
alarm.validity_period = 2h
os_mon.cpu_check_interval = 30
os_mon.cpu_high_watermark = 90%
os_mon.cpu_low_watermark = 50%
os_mon.sysmem_high_watermark = 75%
os_mon.procmem_high_watermark = 5%
`)
	if err != nil {
		t.Fatal(err)
	}
	a := c.Alarms
	if len(a.Actions) != 1 || a.SizeLimit != 5 || a.Validity != 2*time.Hour || a.CPUInterval != 30*time.Second || a.MemoryInterval != time.Minute ||
		a.CPUHigh != 90 || a.CPULow != 50 || a.MemoryHigh != 75 || a.FilesHigh != 80 {
		t.Errorf("%+v", a)
	}
	if len(report.NoEffect) != 1 || report.NoEffect[0].Key != "os_mon.procmem_high_watermark" || report.NoEffect[0].Kind != config.Runtime {
		t.Errorf("without effect: %+v", report.NoEffect)
	}
}

// TestUsage: the figures of this machine are percentages.
func TestUsage(t *testing.T) {
	u := newUsage()
	for name, f := range map[string]func() (float64, error){"CPU": u.CPU, "memory": u.Memory, "files": u.Files} {
		used, err := f()
		if runtime.GOOS != "linux" && errors.Is(err, errors.ErrUnsupported) {
			continue
		}
		if err != nil || used < 0 || used > 100 || used == 0 && name == "memory" {
			t.Errorf("%s: %v%%, %v", name, used, err)
		}
	}
}
