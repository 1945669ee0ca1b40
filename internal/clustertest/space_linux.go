package clustertest

import (
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"runtime"
	"strings"

	"golang.org/x/sys/unix"
)

// space is a network namespace with one address besides loopback. It has no
// name in the file system: it ends when its thread and the processes in it do,
// however the test ends.
type space struct {
	addr netip.Addr
	wire *os.File // packets from and to the address, without any header before IP's
	work chan func()
}

// newSpace makes a namespace that reaches prefix by its wire, addr being its
// own address there. It needs the rights of root.
func newSpace(addr netip.Addr, prefix netip.Prefix) (*space, error) {
	s := &space{addr: addr, work: make(chan func())}
	made := make(chan error)
	go func() {
		// Never unlocked: the thread ends with the goroutine, and nothing else
		// may ever run in this namespace.
		runtime.LockOSThread()
		err := s.enter(prefix)
		made <- err
		if err != nil {
			return
		}
		for f := range s.work {
			f()
		}
	}()
	if err := <-made; err != nil {
		return nil, err
	}
	return s, nil
}

// enter makes the namespace and moves the calling thread into it.
func (s *space) enter(prefix netip.Prefix) error {
	if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
		return fmt.Errorf("a network namespace: %w", err)
	}
	const device = "wire"
	wire, err := openTUN(device)
	if err != nil {
		return err
	}
	for _, command := range []string{
		"ip link set lo up",
		// The largest packet there is, so that a message seldom takes two.
		"ip link set " + device + " mtu 65000 up",
		fmt.Sprintf("ip addr add %v/%d dev %s", s.addr, prefix.Bits(), device),
		"ip route add 224.0.0.0/4 dev " + device,
	} {
		words := strings.Fields(command)
		if out, err := exec.Command(words[0], words[1:]...).CombinedOutput(); err != nil {
			wire.Close()
			return fmt.Errorf("%s: %w: %s", command, err, out)
		}
	}
	s.wire = wire
	return nil
}

// openTUN makes a network device whose other end is the file.
func openTUN(name string) (*os.File, error) {
	const path = "/dev/net/tun"
	fd, err := unix.Open(path, unix.O_RDWR|unix.O_CLOEXEC|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, os.NewSyscallError("open "+path, err)
	}
	request, err := unix.NewIfreq(name)
	if err == nil {
		request.SetUint16(unix.IFF_TUN | unix.IFF_NO_PI)
		err = unix.IoctlIfreq(fd, unix.TUNSETIFF, request)
	}
	if err != nil {
		unix.Close(fd)
		return nil, os.NewSyscallError("TUNSETIFF", err)
	}
	return os.NewFile(uintptr(fd), path), nil
}

// do runs f in the namespace: sockets it opens and processes it starts stay
// there.
func (s *space) do(f func()) {
	done := make(chan struct{})
	s.work <- func() {
		defer close(done)
		f()
	}
	<-done
}

func (s *space) dial(addr netip.AddrPort) (conn net.Conn, err error) {
	s.do(func() { conn, err = dial(addr) })
	return conn, err
}

func (s *space) close() {
	close(s.work)
	s.wire.Close()
}
