//go:build !linux

package bench

import (
	"errors"
	"net"
)

const haveEpoll = false

func newEpollEngine([]*net.TCPAddr, []*net.TCPAddr, int, sink) (engine, error) {
	return nil, errors.New("epoll needs Linux")
}
