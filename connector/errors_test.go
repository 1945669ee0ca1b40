package connector

import (
	"errors"
	"fmt"
	"testing"
)

func TestPermanent(t *testing.T) {
	cause := errors.New("no such table")
	for _, tc := range []struct {
		name string
		err  error
		want bool
	}{
		{"nothing", Permanent(nil), false},
		{"not marked", cause, false},
		{"marked", Permanent(cause), true},
		{"wrapped", fmt.Errorf("query: %w", Permanent(cause)), true},
		{"by itself", fmt.Errorf("query: %w", itself(true)), true},
		{"not by itself", itself(false), false},
		{"lost", fmt.Errorf("query: %w", ErrNotConnected), false},
	} {
		if got := IsPermanent(tc.err); got != tc.want {
			t.Errorf("%s: permanent %v, want %v", tc.name, got, tc.want)
		}
	}
	if err := Permanent(cause); !errors.Is(err, cause) || err.Error() != cause.Error() {
		t.Errorf("the mark hides the cause: %v", err)
	}
	if Permanent(nil) != nil {
		t.Error("no error was marked as one")
	}
}

// itself is an error of a package that doesn't know this one.
type itself bool

func (itself) Error() string     { return "a mistake" }
func (i itself) Permanent() bool { return bool(i) }
