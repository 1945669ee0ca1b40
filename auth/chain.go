package auth

import "slices"

// chains are all providers in the order in which they are asked. They are
// replaced as a whole.
type chains struct {
	authn, authz []*link
	backends     bool // one of authz has a backend
}

func (s *chains) of(acl bool) []*link {
	if acl {
		return s.authz
	}
	return s.authn
}

// Use puts providers into the chains, in the place of those that have one of
// their names. Those that auth_order or acl_order names come first, then the
// others as they were given, then those that are Last.
func (c *Control) Use(ps ...Provider) {
	names := make([]string, len(ps))
	for i, p := range ps {
		names[i] = p.Name
	}
	c.change(names, ps)
}

// Remove takes the providers of a name out of the chains and reports whether
// there was one. Calls under way come to their end first.
func (c *Control) Remove(name string) bool { return c.change([]string{name}, nil) > 0 }

func (c *Control) change(names []string, add []Provider) (removed int) {
	c.mu.Lock()
	keep := make([]*link, 0, len(c.links)+len(add))
	var gone []*link
	for _, l := range c.links {
		if slices.Contains(names, l.Name) {
			gone, removed = append(gone, l), removed+1
		} else {
			keep = append(keep, l)
		}
	}
	for _, p := range add {
		keep = append(keep, c.newLink(p))
	}
	c.links = keep
	c.arrange()
	if c.closed {
		gone = keep
	}
	c.mu.Unlock()
	for _, l := range gone {
		l.retire()
	}
	c.DrainCaches() // they hold what others have said
	return removed
}

func (c *Control) newLink(p Provider) *link {
	n := c.counts[p.Name]
	if n == nil {
		n = new(providerCounters)
		c.counts[p.Name] = n
	}
	n.need(c.metrics, &p)
	l := &link{Provider: p, control: c, count: n}
	if p.Backend != nil {
		l.backend = newBackend(l)
		l.prompt, _ = p.Authenticator.(Prompt)
	}
	return l
}

// arrange puts the links into their chains.
func (c *Control) arrange() {
	next := new(chains)
	next.authn = inOrder(c.links, c.config.Load().AuthOrder, func(l *link) bool { return l.Authenticator != nil })
	next.authz = inOrder(c.links, c.config.Load().ACLOrder, func(l *link) bool { return l.Authorizer != nil })
	next.backends = slices.ContainsFunc(next.authz, func(l *link) bool { return l.backend != nil })
	c.chains.Store(next)
}

func inOrder(links []*link, order []string, has func(*link) bool) []*link {
	rank := func(l *link) int {
		i := slices.IndexFunc(order, func(name string) bool { return canonical(name) == canonical(l.Name) })
		switch {
		case i >= 0:
			return i
		case l.Last:
			return len(order) + 1
		}
		return len(order)
	}
	chain := slices.DeleteFunc(slices.Clone(links), func(l *link) bool { return !has(l) })
	slices.SortStableFunc(chain, func(a, b *link) int { return rank(a) - rank(b) })
	return chain
}
