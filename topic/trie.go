package topic

import "strings"

// node is one level of the trie that holds the filters with wildcards. A leaf such as a/+/x/17/# costs a node (32 bytes),
// a tail (48) and a slot among its parent's kids.
type node[K comparable, V any] struct {
	kids *kids[K, V] // levels spelled out
	plus *node[K, V] // the level +
	here *set[K, V]  // the filter that ends here
	tail *tail[K, V] // the filter that goes on from here without nodes
}

// tail is a filter that goes on below a node: by #, or, as long as the node has neither kids nor plus, by any levels. So a
// filter gets nodes only as far down as it goes along with others, and one of 30,000 levels is no burden by itself.
type tail[K comparable, V any] struct {
	set[K, V]
	rest string
}

// uses counts what hangs on a node; a node without uses must not stay.
func (n *node[K, V]) uses() int {
	uses := n.kids.size()
	if n.plus != nil {
		uses++
	}
	if n.here != nil {
		uses++
	}
	if n.tail != nil {
		uses++
	}
	return uses
}

// maxPinned is the longest filter whose levels may share its memory. A key keeps the whole filter alive, which may
// outlive its subscription; for long ones a copy of the level is cheaper than that.
const maxPinned = 256

// put adds an entry or replaces its value; fresh tells that the filter is new as well.
func (n *node[K, V]) put(filter string, k K, v V) (added, fresh bool) {
	pinned := len(filter) <= maxPinned
	for lowered := false; ; {
		// A tail that was just lowered to this node is known to differ; two long ones are not compared at every level.
		if !lowered && n.tail != nil && n.tail.rest == filter {
			return n.tail.put(k, v), false
		}
		lowered = n.lower()
		if filter == "#" || n.tail == nil && n.plus == nil && n.kids == nil {
			n.tail = &tail[K, V]{set[K, V]{key: k, val: v}, filter}
			return true, true
		}
		level, rest, more := strings.Cut(filter, "/")
		next := n.child(level)
		switch {
		case next == nil:
			if !pinned {
				level = strings.Clone(level)
			}
			n.link(level, newNode(rest, more, set[K, V]{key: k, val: v}))
			return true, true
		case !more && next.here != nil:
			return next.here.put(k, v), false
		case !more:
			next.here = &set[K, V]{key: k, val: v}
			return true, true
		}
		n, filter = next, rest
	}
}

// newNode makes a node for one filter, which goes on with rest if there is more, or ends.
func newNode[K comparable, V any](rest string, more bool, s set[K, V]) *node[K, V] {
	if !more {
		here := s // &s would move s to the heap in the other case too
		return &node[K, V]{here: &here}
	}
	// One piece of memory for both: a match that comes to the node reads the tail next.
	var leaf struct {
		node[K, V]
		own tail[K, V]
	}
	leaf.own = tail[K, V]{s, rest}
	leaf.tail = &leaf.own
	return &leaf.node
}

// lower makes room for other filters at a node, by giving its tail a node for one level more. A tail of # can stay, then
// the answer is false.
func (n *node[K, V]) lower() bool {
	t := n.tail
	if t == nil || t.rest == "#" {
		return false
	}
	level, rest, more := strings.Cut(t.rest, "/")
	n.link(strings.Clone(level), newNode(rest, more, t.set)) // a copy: the tail may be the end of a long filter
	n.dropTail()
	return true
}

func (n *node[K, V]) dropTail() {
	*n.tail = tail[K, V]{} // its memory may be one with the node's, and must not keep the entry alive
	n.tail = nil
}

// place is where a filter hangs.
type place[K comparable, V any] struct {
	node  *node[K, V]
	tail  bool        // the filter is the node's tail; otherwise it ends at the node
	fork  *node[K, V] // the last node above it that has other uses, or the root; nil for the root itself
	level string      // the level that leads from the fork towards the node
}

// find returns a filter's set and place; the set is nil if the trie does not have the filter.
func (n *node[K, V]) find(filter string) (*set[K, V], place[K, V]) {
	var at place[K, V]
	for root := n; ; {
		if n.tail != nil && n.tail.rest == filter {
			at.node, at.tail = n, true
			return &n.tail.set, at
		}
		level, rest, more := strings.Cut(filter, "/")
		next := n.child(level)
		if next == nil {
			return nil, at
		}
		if n == root || n.uses() > 1 {
			at.fork, at.level = n, level
		}
		n, filter = next, rest
		if !more {
			at.node = n
			return n.here, at
		}
	}
}

// drop removes the filter found at this place, and the nodes that only led to it.
func (at place[K, V]) drop() {
	if at.tail {
		at.node.dropTail()
	} else {
		at.node.here = nil
	}
	if at.fork != nil && at.node.uses() == 0 {
		at.fork.unlink(at.level)
	}
}

func (n *node[K, V]) child(level string) *node[K, V] {
	if level == "+" {
		return n.plus
	}
	return n.kids.get(level)
}

func (n *node[K, V]) link(level string, child *node[K, V]) {
	if level == "+" {
		n.plus = child
		return
	}
	if n.kids == nil {
		n.kids = new(kids[K, V])
	}
	n.kids.add(level, child)
}

func (n *node[K, V]) unlink(level string) {
	if level == "+" {
		n.plus = nil
		return
	}
	if n.kids.remove(level); n.kids.size() == 0 {
		n.kids = nil
	}
}

// match appends the values of all filters that match name. It visits each node of the trie once at most, whatever the
// name, and keeps the branches still to be visited (no more than the name has levels) on a stack of its own: topics may
// have 65535 slashes.
func (n *node[K, V]) match(name string, dst []V) []V {
	type branch struct {
		node *node[K, V]
		at   int // byte of name where the node's next level begins; beyond the name if there is none
	}
	var space [16]branch // enough for nearly all topics without allocation
	stack := append(space[:0], branch{n, 0})
	for len(stack) > 0 {
		n, at := stack[len(stack)-1].node, stack[len(stack)-1].at
		stack = stack[:len(stack)-1]
		for n != nil {
			if n.tail != nil && n.tail.matches(name, at) {
				dst = n.tail.appendTo(dst)
			}
			if at > len(name) {
				if n.here != nil {
					dst = n.here.appendTo(dst)
				}
				break
			}
			level, _, _ := strings.Cut(name[at:], "/")
			next := at + len(level) + 1
			if n.plus != nil && (at > 0 || !dollar(name)) { // [MQTT-4.7.2-1]
				stack = append(stack, branch{n.plus, next})
			}
			n, at = n.kids.get(level), next
		}
	}
	return dst
}

// matches tells whether the tail of a node matches what follows in name from byte at on, where the node's next level begins.
func (t *tail[K, V]) matches(name string, at int) bool {
	switch {
	case at == 0:
		return Match(t.rest, name)
	case t.rest == "#":
		return true
	}
	return at <= len(name) && matchLevels(t.rest, name[at:])
}

// kidsListed is the number of kids up to which a list is searched; a map would need five times its memory.
const kidsListed = 8

// kids are the children of a node: a list while they are few, a map when they are many. A nil *kids is empty.
type kids[K comparable, V any] struct {
	list  []kid[K, V]
	table map[string]*node[K, V] // nil while the list is used
}

type kid[K comparable, V any] struct {
	level string
	node  *node[K, V]
}

func (k *kids[K, V]) size() int {
	if k == nil {
		return 0
	}
	return len(k.list) + len(k.table)
}

func (k *kids[K, V]) get(level string) *node[K, V] {
	if k == nil {
		return nil
	}
	if k.table != nil {
		return k.table[level]
	}
	for i := range k.list {
		if k.list[i].level == level {
			return k.list[i].node
		}
	}
	return nil
}

func (k *kids[K, V]) add(level string, n *node[K, V]) {
	if k.table == nil && len(k.list) < kidsListed {
		k.list = append(k.list, kid[K, V]{level, n})
		return
	}
	if k.table == nil {
		k.table = make(map[string]*node[K, V], 2*kidsListed)
		for _, kid := range k.list {
			k.table[kid.level] = kid.node
		}
		k.list = nil
	}
	k.table[level] = n
}

// remove takes a kid out; the map becomes a list again at half the size at which it began, so that a kid that comes and
// goes at the limit is cheap.
func (k *kids[K, V]) remove(level string) {
	if k.table == nil {
		for i := range k.list {
			if k.list[i].level == level {
				last := len(k.list) - 1
				k.list[i] = k.list[last]
				k.list[last] = kid[K, V]{}
				k.list = k.list[:last]
				return
			}
		}
		return
	}
	if delete(k.table, level); len(k.table) > kidsListed/2 {
		return
	}
	k.list = make([]kid[K, V], 0, kidsListed)
	for level, n := range k.table {
		k.list = append(k.list, kid[K, V]{level, n})
	}
	k.table = nil
}
