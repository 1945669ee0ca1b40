//go:build !unix

package main

import (
	"errors"
	"os"
	"os/exec"
)

var errNoDaemon = errors.New("brokers can't be started and stopped by this command on this system: run one in the foreground, or as a service")

func holdPIDFile(dataDir string) (*os.File, error) { return os.Create(pidFile(dataDir)) }

func holder(*os.File) (int, error) { return 0, errNoDaemon }

func askToStop(int) error { return errNoDaemon }

func detach(*exec.Cmd) {}
