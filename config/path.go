package config

import (
	"os"
	"path/filepath"
	"slices"
)

// Root returns the folder that relative paths of a configuration file start from: EMQ X keeps its files in a folder
// `etc` and writes paths as `etc/certs/key.pem` or `data`, so the root is the folder around `etc`; a file kept
// anywhere else counts from its own folder. Without a file it is the working directory, written as "".
func Root(file string) string {
	if file == "" {
		return ""
	}
	if abs, err := filepath.Abs(file); err == nil {
		file = abs
	}
	dir := filepath.Dir(file)
	if filepath.Base(dir) == "etc" {
		return filepath.Dir(dir)
	}
	return dir
}

// includePath resolves the path of an include line: beside the including file, or from its Root as packaged files
// write it.
func includePath(file, path string) string {
	if filepath.IsAbs(path) {
		return path
	}
	beside := filepath.Join(filepath.Dir(file), path)
	if _, err := os.Stat(beside); err == nil {
		return beside
	}
	if fromRoot := filepath.Join(Root(file), path); fileExists(fromRoot) {
		return fromRoot
	}
	return beside
}

func fileExists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// pluginFiles lists the *.conf files of a folder by name.
func pluginFiles(dir string) []string {
	if dir == "" {
		return nil
	}
	files, _ := filepath.Glob(filepath.Join(dir, "*.conf")) // its only error is a malformed pattern
	slices.Sort(files)
	return files
}
