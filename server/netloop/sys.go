//go:build linux

package netloop

import (
	"net/netip"
	"unsafe"

	"golang.org/x/sys/unix"
)

// The calls below that cannot block are made raw: telling the scheduler of a
// system call costs more than most of them, and lets sysmon take the processor
// away in the middle of a pass. rawLimit bounds how long that keeps a garbage
// collection waiting: a write of more bytes is announced to the scheduler.
const rawLimit = 64 << 10

// epollPoll returns what is ready now. It never blocks.
func epollPoll(epfd int, events []unix.EpollEvent) int {
	n, _, errno := unix.RawSyscall6(unix.SYS_EPOLL_PWAIT, uintptr(epfd),
		uintptr(unsafe.Pointer(&events[0])), uintptr(len(events)), 0, 0, 0)
	if errno != 0 {
		return 0
	}
	return int(n)
}

// epollBlock waits for at most msec milliseconds (-1: for ever) without holding
// a processor of the Go scheduler.
func epollBlock(epfd int, events []unix.EpollEvent, msec int) int {
	n, _, errno := unix.Syscall6(unix.SYS_EPOLL_PWAIT, uintptr(epfd),
		uintptr(unsafe.Pointer(&events[0])), uintptr(len(events)), uintptr(msec), 0, 0)
	if errno != 0 { // EINTR: the caller comes back
		return 0
	}
	return int(n)
}

func epollCtl(epfd, op, fd int, events uint32, tag int32) unix.Errno {
	ev := unix.EpollEvent{Events: events, Fd: int32(fd), Pad: tag}
	_, _, errno := unix.RawSyscall6(unix.SYS_EPOLL_CTL, uintptr(epfd), uintptr(op),
		uintptr(fd), uintptr(unsafe.Pointer(&ev)), 0, 0)
	return errno
}

func recv(fd int, p []byte) (int, unix.Errno) {
	n, _, errno := unix.RawSyscall6(unix.SYS_RECVFROM, uintptr(fd),
		uintptr(unsafe.Pointer(unsafe.SliceData(p))), uintptr(len(p)), 0, 0, 0)
	return int(n), errno
}

// send spares the process the SIGPIPE that write(2) sends for a broken connection.
func send(fd int, p []byte) (int, unix.Errno) {
	call := unix.RawSyscall6
	if len(p) > rawLimit {
		call = unix.Syscall6
	}
	n, _, errno := call(unix.SYS_SENDTO, uintptr(fd),
		uintptr(unsafe.Pointer(unsafe.SliceData(p))), uintptr(len(p)), unix.MSG_NOSIGNAL, 0, 0)
	return int(n), errno
}

func sendv(fd int, iov []unix.Iovec) (int, unix.Errno) {
	msg := unix.Msghdr{Iov: &iov[0]}
	msg.SetIovlen(len(iov))
	n, _, errno := unix.Syscall6(unix.SYS_SENDMSG, uintptr(fd),
		uintptr(unsafe.Pointer(&msg)), unix.MSG_NOSIGNAL, 0, 0, 0)
	return int(n), errno
}

func accept(fd int) (int, unix.Errno) {
	n, _, errno := unix.RawSyscall6(unix.SYS_ACCEPT4, uintptr(fd), 0, 0,
		unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0, 0)
	return int(n), errno
}

// sockname asks for the address of one end (SYS_GETPEERNAME or SYS_GETSOCKNAME).
func sockname(call uintptr, fd int) netip.AddrPort {
	var sa unix.RawSockaddrInet6 // large enough for both families
	size := uint32(unsafe.Sizeof(sa))
	_, _, errno := unix.RawSyscall(call, uintptr(fd), uintptr(unsafe.Pointer(&sa)), uintptr(unsafe.Pointer(&size)))
	if errno != 0 {
		return netip.AddrPort{}
	}
	port := (*[2]byte)(unsafe.Pointer(&sa.Port)) // network order, at the same place in both families
	var ip netip.Addr
	switch sa.Family {
	case unix.AF_INET:
		ip = netip.AddrFrom4((*unix.RawSockaddrInet4)(unsafe.Pointer(&sa)).Addr)
	case unix.AF_INET6:
		ip = netip.AddrFrom16(sa.Addr).Unmap()
	default:
		return netip.AddrPort{}
	}
	return netip.AddrPortFrom(ip, uint16(port[0])<<8|uint16(port[1]))
}
