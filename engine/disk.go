package engine

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

const (
	defaultMinFree = 64 << 20        // bytes
	lookEvery      = 6 * time.Second // at the disk, and at what retention removed; see clock.go
	lookAgain      = time.Second / 2 // while something is wrong with it
	lookBytes      = 8 << 20         // after so many written bytes
	retainedEvery  = 6               // looks, while nothing is written
	probeSize      = 64 << 10
	diskName       = "disk" // of what is wrong
)

// disk watches that there is room. The server stops for good when it meets a
// full disk in the wrong place, and needs room to get smaller: so some is kept
// free, and writing ends before.
type disk struct {
	e       *Engine
	refused atomic.Pointer[error] // why nothing is written; nil: it is
	written atomic.Int64          // bytes since the last look
	wake    chan struct{}         // look now
	stop    chan struct{}
	over    sync.WaitGroup
}

func (d *disk) start() {
	d.stop = make(chan struct{})
	d.look()
	d.over.Go(d.run)
}

func (d *disk) close() {
	close(d.stop)
	d.over.Wait()
}

func (d *disk) run() {
	timer := time.NewTimer(lookEvery)
	defer timer.Stop()
	seen := int64(-1)
	for round := 0; ; round++ {
		select {
		case <-d.stop:
			return
		case <-d.wake:
		case <-timer.C:
		}
		setClock()
		d.look()
		if written := d.written.Load(); written != seen || round%retainedEvery == 0 {
			seen = written
			d.e.retained()
		}
		if d.refused.Load() != nil {
			timer.Reset(lookAgain)
		} else {
			timer.Reset(lookEvery)
		}
	}
}

// admit says whether a record of so many bytes may be written.
func (d *disk) admit(bytes int) error {
	if why := d.refused.Load(); why != nil {
		return *why
	}
	if d.written.Add(int64(bytes)) > lookBytes {
		d.written.Store(0)
		d.wakeUp()
	}
	return nil
}

func (d *disk) wakeUp() {
	select {
	case d.wake <- struct{}{}:
	default:
	}
}

// failed makes of an answer of the server what the caller gets. When the disk
// is the cause, nothing is written until a look finds it well.
func (d *disk) failed(err error) error {
	if !ofDisk(err) && (d.e.to().clustered || d.e.to().server.JetStreamEnabled()) {
		return err
	}
	full := fmt.Errorf("%w: %s: %w", ErrFull, d.e.o.Dir, err)
	if d.refused.CompareAndSwap(nil, &full) {
		d.e.log.Error(full.Error())
	}
	d.e.health.set(diskName, full)
	d.wakeUp()
	return full
}

// ofDisk says whether an error of the server, of which there is only the text,
// is the disk's.
func ofDisk(err error) bool {
	for _, e := range []syscall.Errno{syscall.ENOSPC, syscall.EDQUOT, syscall.EROFS, syscall.EACCES, syscall.EPERM, syscall.EIO} {
		if strings.Contains(err.Error(), e.Error()) {
			return true
		}
	}
	return false
}

// look sees whether there is room, and whether it can be written to.
func (d *disk) look() {
	err := d.room()
	was := d.refused.Load()
	if err == nil && was == nil {
		err = d.e.gaveUp()
	}
	if err == nil && was != nil {
		if err = d.probe(); err == nil {
			err = d.e.revive()
		}
	}
	switch {
	case err == nil && was != nil:
		d.refused.Store(nil)
		d.e.log.Info("engine: " + d.e.o.Dir + " can be written to again")
	case err != nil && was == nil:
		d.e.log.Error(err.Error())
		d.refused.Store(&err)
	}
	d.e.health.set(diskName, err)
}

// room is an error when too little is free.
func (d *disk) room() error {
	if d.e.o.MinFree < 0 {
		return nil
	}
	free, err := freeBytes(d.e.o.Dir)
	switch {
	case errors.Is(err, errors.ErrUnsupported):
		return nil
	case err != nil:
		return fmt.Errorf("%w: %s: %w", ErrFull, d.e.o.Dir, err)
	case free < uint64(d.e.o.MinFree):
		return fmt.Errorf("%w: %s has %d MB left, and %d MB are kept free", ErrFull, d.e.o.Dir, free>>20, d.e.o.MinFree>>20)
	}
	return nil
}

// probe writes a file as the server would.
func (d *disk) probe() (err error) {
	f, err := os.CreateTemp(d.e.o.Dir, "probe")
	if err == nil {
		_, err = f.Write(make([]byte, probeSize))
		err = errors.Join(err, f.Sync(), f.Close(), os.Remove(f.Name()))
	}
	if err != nil {
		return fmt.Errorf("%w: %s: %w", ErrFull, filepath.Clean(d.e.o.Dir), err)
	}
	return nil
}

// gaveUp is an error when the server has stopped by itself. A member may meet
// that without having written anything, in its copy of what others write.
func (e *Engine) gaveUp() error {
	c := e.cluster
	if c != nil {
		if !c.changes.TryLock() {
			return nil
		}
		defer c.changes.Unlock()
	}
	if l := e.to(); l.server.JetStreamEnabled() || l.clustered && e.expelled() {
		return nil
	}
	return fmt.Errorf("%w: %s: what keeps the records has stopped, and is started anew", ErrFull, e.o.Dir)
}

// revive starts the server anew when it has stopped writing for good.
func (e *Engine) revive() error {
	c := e.cluster
	if c != nil {
		if !c.changes.TryLock() {
			return fmt.Errorf("%w: %s: the node is just joining a cluster", ErrFull, e.o.Dir)
		}
		defer c.changes.Unlock()
	}
	if e.to().server.JetStreamEnabled() {
		return nil
	}
	e.log.Warn("engine: starting anew, as the disk is well again")
	all, member := e.all(), c != nil && c.member()
	for _, s := range all {
		s.writer.hold()
	}
	e.peers.end()
	e.to().close()
	if err := e.reopen(member); err != nil {
		return err // and it is tried again
	}
	var err error
	for _, s := range all {
		err = errors.Join(err, s.reattach(false))
	}
	if member {
		err = errors.Join(err, e.begin())
	}
	return err
}

func (e *Engine) reopen(member bool) error {
	if member {
		return e.enter(e.soon)
	}
	l, err := e.open(e.options(e.o.Dir))
	if err == nil {
		e.link.Store(l)
	}
	return err
}
