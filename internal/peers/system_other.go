//go:build !linux

package peers

import (
	"errors"
	"os/exec"
	"testing"
)

var errLinuxOnly = errors.New("only Linux can do this to another process")

func command(argv, env []string, _ bool) *exec.Cmd {
	c := exec.Command(argv[0], argv[1:]...)
	c.Env = append(c.Environ(), env...)
	return c
}

func give(testing.TB, string) {}
func pause(int) error         { return errLinuxOnly }
func resume(int) error        { return errLinuxOnly }
func kill(int)                {}
func anyAlive([]int) bool     { return false }
func descendants(int) []int   { return nil }
