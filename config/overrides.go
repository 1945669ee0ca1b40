package config

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// overridesHead explains the file to whoever opens it.
const overridesHead = `## What was changed while the broker ran, by ` + "`dunlin ctl conf set`" + ` or the management API. It counts for more than files and
## environment. The broker writes this file anew with every change: comments in it are lost. Remove it to have none.
`

// ReadOverrides returns the settings of a file of overrides; one that doesn't exist has none. The error joins what is
// wrong with its lines; those that are right are there nevertheless.
func ReadOverrides(path string) ([]Setting, error) {
	f, err := parseFile(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, nil
	case f == nil:
		return nil, err
	}
	errs := []error{err}
	for _, i := range f.Includes {
		errs = append(errs, &Error{Key: "include " + i.Value, Origin: i.Origin, Msg: "overrides include nothing"})
	}
	return f.Settings, join(errs)
}

// WriteOverrides puts settings in place of the file, or leaves it as it was: after a crash one of both is there. The
// origins of the settings become their lines.
func WriteOverrides(path string, settings []Setting) error {
	var text strings.Builder
	text.WriteString(overridesHead)
	line := strings.Count(overridesHead, "\n")
	for i := range settings {
		s := &settings[i]
		if s.Value != trim(s.Value) || strings.ContainsAny(s.Value, "\r\n\x00") || !isKey(s.Key) {
			return &Error{Key: s.Key, Msg: "expected a value of one line without blanks around it"}
		}
		one := trim(s.Key + " = " + s.Value)
		if len(one) >= maxLine {
			return &Error{Key: s.Key, Msg: fmt.Sprintf("expected a value with which the line has less than %d bytes", maxLine)}
		}
		text.WriteString(one + "\n")
		line++
		s.Origin = Origin{Source: path, Line: line}
	}
	if err := replaceFile(path, text.String()); err != nil {
		return fmt.Errorf("the overrides can't be written: %w", err)
	}
	return nil
}

// replaceFile writes beside the file, and renames when everything is on the disk.
func replaceFile(path, text string) error {
	f, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".*")
	if err != nil {
		return err
	}
	_, err = f.WriteString(text)
	if err == nil {
		err = f.Sync()
	}
	if closed := f.Close(); err == nil {
		err = closed
	}
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(f.Name()))
	}
	return syncFolder(filepath.Dir(path))
}

// syncFolder has the name of a new file on the disk as well.
func syncFolder(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}

// BindOverrides is Bind for overrides that may be wrong: those that the others can't be bound with are left out, in the
// order of the overrides, and the report says which and why. taken are the others. The error is that of the rest of
// the configuration.
func (l *Layers) BindOverrides(dst func() any, overrides []Setting, known []Known) (report *Report, taken []Setting, err error) {
	if report, err = l.Bind(dst(), overrides, known); err == nil || len(overrides) == 0 {
		return report, overrides, err
	}
	if report, err = l.Bind(dst(), nil, known); err != nil {
		return report, nil, err
	}
	refused := make([]error, len(overrides))
	for progress := true; progress; { // one may need another that stands behind it
		progress = false
		for i := range overrides {
			s := &overrides[i]
			if slices.ContainsFunc(taken, func(t Setting) bool { return t.Origin == s.Origin }) {
				continue
			}
			if _, refused[i] = l.Bind(dst(), append(slices.Clone(taken), *s), known); refused[i] == nil {
				taken, progress = append(taken, *s), true
			}
		}
	}
	report, err = l.Bind(dst(), taken, known)
	for i, why := range refused {
		if why != nil {
			report.Refused = append(report.Refused, refusedAt(&overrides[i], why))
		}
	}
	return report, taken, err
}

// refusedAt says where the override stands, even if what is wrong with it is said of another key.
func refusedAt(s *Setting, why error) error {
	text := strings.ReplaceAll(why.Error(), "\n", "; ")
	if strings.HasPrefix(text, s.Origin.String()+":") {
		return errors.New(text + "; it is left out")
	}
	return fmt.Errorf("%s: %s is left out: %s", s.Origin, s.Key, text)
}
