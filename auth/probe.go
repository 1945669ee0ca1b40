package auth

import (
	"context"
	"time"
)

func (b *backend) succeeded(now time.Duration) {
	was := b.health.since
	if b.health.succeeded(now) {
		b.control.log.Info("a backend of access control answers again", "provider", b.Name, "after", now-was)
		b.unprobe()
	}
}

// failed notes a failure. With the one that is too many nobody waits any more.
func (b *backend) failed(now time.Duration, f *flight, err error) []news {
	if !b.health.failed(now, err, f.trial) {
		b.complain("a backend of access control failed", "error", err)
		return nil
	}
	b.control.log.Warn("a backend of access control is down", "provider", b.Name, "error", err, "meanwhile", b.opts.OnError)
	if b.opts.Ping != nil && !b.retired {
		b.probe = b.control.crew.after(b.health.pause, b.ping)
	}
	return b.dropWaiting(errDown)
}

// ping finds out whether a backend that is down is back.
func (b *backend) ping() {
	b.mu.Lock()
	if b.retired || !b.health.down {
		b.mu.Unlock()
		return
	}
	b.pinging = true
	b.mu.Unlock()

	ctx, cancel := context.WithTimeout(b.control.ctx, b.opts.Timeout)
	err := b.callPing(ctx)
	cancel()

	b.mu.Lock()
	b.pinging = false
	now := b.control.now()
	switch {
	case b.retired || !b.health.down:
	case err != nil:
		b.health.failed(now, err, true)
		b.probe = b.control.crew.after(b.health.pause, b.ping)
	default:
		b.control.log.Info("a backend of access control is back", "provider", b.Name, "after", now-b.health.since)
		b.health.answeredPing(now)
	}
	b.unlockAndClose()
}

func (b *backend) callPing(ctx context.Context) (err error) {
	defer func() { err = b.recovered(recover(), err) }()
	return b.opts.Ping(ctx)
}

func (b *backend) unprobe() {
	if b.probe != nil {
		b.probe.Stop()
	}
}
