package bench

import (
	"fmt"
	"testing"
)

// TestMeeting: brokers that don't know of a subscription at once lose nothing
// that the run counts, as it waits until they do; one broker is not waited for.
func TestMeeting(t *testing.T) {
	for _, line := range []string{
		"roundtrip -c 4 -L 40 -I 0 --seconds 0",
		"roundtrip -c 4 -L 40 -I 0 -q 1 --filter all --seconds 0",
		"roundtrip --publishers 2 --subscribers 4 --filter all --topics 9 --spread -L 40 -I 0 --seconds 0",
		"offline -c 4 -L 40",
	} {
		b := (&fakeBroker{deaf: 5}).start(t, nil)
		res := good(t, b.port(), fmt.Sprintf("%s -i 0 -h 127.0.0.1,localhost", line))
		if res.Sent != 40 || res.Delivered < 40 || res.Foreign != 0 {
			t.Errorf("%s: %+v", line, res)
		}
		alone := (&fakeBroker{deaf: 5}).start(t, nil)
		if res, _, _ := bench(t, alone.port(), line+" -i 0 --drain 0.1"); res.Lost == 0 {
			t.Errorf("%s: nothing is lost with one broker that loses: %+v", line, res)
		}
	}
}
