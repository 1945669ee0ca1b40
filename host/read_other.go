//go:build !linux

package host

import "errors"

// ReadCPU is for Linux only.
func ReadCPU() (CPU, error) { return CPU{}, errors.ErrUnsupported }

// ReadMemory is for Linux only.
func ReadMemory() (Memory, error) { return Memory{}, errors.ErrUnsupported }

// ReadLoad is for Linux only.
func ReadLoad() (Load, error) { return Load{}, errors.ErrUnsupported }

// ReadInterfaces is for Linux only.
func ReadInterfaces() ([]Interface, error) { return nil, errors.ErrUnsupported }

// ReadTCP is for Linux only.
func ReadTCP() (TCP, error) { return TCP{}, errors.ErrUnsupported }

// ReadFileSystem is for Linux only.
func ReadFileSystem(string) (FileSystem, error) { return FileSystem{}, errors.ErrUnsupported }

// ReadProcess is for Linux only.
func ReadProcess() (Process, error) { return Process{}, errors.ErrUnsupported }

// TrimProgram is for Linux only.
func TrimProgram() (uint64, error) { return 0, errors.ErrUnsupported }

// ReadFiles is for Linux only.
func ReadFiles() (open, most uint64, err error) { return 0, 0, errors.ErrUnsupported }
