package config

import (
	"maps"
	"testing"
)

func TestComments(t *testing.T) {
	got := Comments([]byte(`
## A heading.

## How many.
## 0 is none.
a.b = 1
c = 2
##Off as it stands here.
# d.e = 3
## Prose, about nothing.
# just prose
## The last.
f=
`))
	want := map[string]string{"a.b": "How many. 0 is none.", "d.e": "Off as it stands here.", "f": "The last."}
	if !maps.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}
