package node

import (
	"strings"
	"testing"
	"time"
)

func TestDateFormat(t *testing.T) {
	at := time.Date(2019, 7, 3, 5, 52, 51, 355_042_000, time.FixedZone("CEST", 2*60*60))
	f := func(format, want string) {
		t.Helper()
		var d dateFormat
		if err := d.UnmarshalText([]byte(format)); err != nil {
			t.Errorf("%s: %v", format, err)
		} else if got := d.format(at); got != want || d.String() != format {
			t.Errorf("%s: %q, want %q", format, got, want)
		}
	}
	f("%Y-%m-%d %H:%M:%S.%3N", "2019-07-03 05:52:51.355")
	f("%Y-%m-%dT%H:%M:%S.%6N %:z", "2019-07-03T05:52:51.355042 +02:00")
	f("%F %T%z", "2019-07-03 05:52:51+0200")
	f("%a %b %d %y %Z", "Wed Jul 03 19 CEST")
	f("100%% at 15:04 on Jan 2006", "100% at 15:04 on Jan 2006")
	f("%N,%9N", "355042000,355042000")
	f("", "")
	for _, bad := range []string{"%", "%Q", "%3", "%3Y", "%:", "%4N", "x%"} {
		var d dateFormat
		if err := d.UnmarshalText([]byte(bad)); err == nil {
			t.Errorf("%q is accepted", bad)
		}
	}
}

func TestDateFormatInTheLog(t *testing.T) {
	for format, layout := range map[string]string{"%Y-%m-%d %H:%M:%S.%3N": "2006-01-02 15:04:05.000", "rfc3339": time.RFC3339} {
		out, _ := logged(t, func(c *LogConfig) {
			if err := c.DateFormat.UnmarshalText([]byte(format)); err != nil {
				t.Fatal(err)
			}
		})
		text, _, _ := strings.Cut(strings.TrimPrefix(out, "time="), " level=")
		if at, err := time.ParseInLocation(layout, strings.Trim(text, `"`), time.Local); err != nil || time.Since(at) > time.Minute {
			t.Errorf("%s writes %s: %v", format, text, err)
		}
	}
}

func FuzzDateFormat(f *testing.F) {
	for _, seed := range []string{"rfc3339", "%Y-%m-%dT%H:%M:%S.%6N %:z", "%F %T", "%", "%%", "%3", "x%:z%"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		var d dateFormat
		if d.UnmarshalText([]byte(text)) == nil && d.layouts != nil && !strings.Contains(text, "%") && d.format(time.Now()) != text {
			t.Errorf("%q is not itself", text)
		}
	})
}
