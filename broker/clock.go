package broker

import "time"

// start ties the wall clock to the monotonic one once, so that setting the
// clock back or forth neither expires sessions nor keeps them.
var start = time.Now()

// Now is the broker's time: Unix milliseconds that never jump.
func Now() int64 { return at(time.Since(start)) }

// at is the time so long after the start.
func at(since time.Duration) int64 { return start.UnixMilli() + since.Milliseconds() }
