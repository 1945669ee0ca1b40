package connector

import "errors"

// ErrNotConnected is part of every error that says a system couldn't be
// reached, or that its connection was lost on the way. Whether what was asked
// has been done is not known then.
var ErrNotConnected = errors.New("not connected")

// Permanent marks an error that the same request will meet again however often
// it is tried, such as a mistake in a query. A nil error stays nil.
func Permanent(err error) error {
	if err == nil {
		return nil
	}
	return permanent{err}
}

// IsPermanent reports whether err, or an error it wraps, was marked so, or says
// it of itself by a method Permanent() bool: that is for packages that must not
// import this one.
func IsPermanent(err error) bool {
	var mark interface{ Permanent() bool }
	return errors.As(err, &mark) && mark.Permanent()
}

type permanent struct{ error }

func (permanent) Permanent() bool { return true }
func (p permanent) Unwrap() error { return p.error }
