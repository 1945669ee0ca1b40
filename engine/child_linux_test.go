package engine

import "syscall"

// dieWithParent has a process of a test end with the test.
func dieWithParent() *syscall.SysProcAttr { return &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL} }
