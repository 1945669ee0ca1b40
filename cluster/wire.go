package cluster

import "github.com/dunlin-mq/dunlin/fields"

// Every message between nodes begins with the version of its format and its
// type. A node understands formats up to its own version, and whoever adds to a
// format either appends to a part that has a length or gives it a new type, so
// that two versions can stand side by side while a cluster is upgraded.
const wireVersion = 1

// reader takes a message between nodes apart.
type reader struct{ fields.Reader }

// head reads version and type.
func (r *reader) head() (kind byte) {
	r.Version(wireVersion)
	return r.Byte()
}
