package discovery

import (
	"context"
	"slices"
)

// NewStatic returns a Discoverer whose answer is always the list of the
// configuration.
func NewStatic(c Static) Discoverer { return seeds(slices.Clone(c.Seeds)) }

type seeds []string

func (s seeds) Discover(context.Context) ([]string, error) { return slices.Clone(s), nil }
