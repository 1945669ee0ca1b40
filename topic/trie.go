package topic

import "strings"

// node is one level of the trie that holds the filters with wildcards. It is 32 bytes: a leaf such as a/+/x/17/# costs
// a node, a set and a slot among its parent's kids.
type node[K comparable, V any] struct {
	kids *kids[K, V] // levels spelled out
	plus *node[K, V] // the level +
	here *set[K, V]  // the filter that ends here
	tail *set[K, V]  // the filter that goes on with # and ends
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

// grow returns the slot of a filter and adds the nodes that lead there.
func (n *node[K, V]) grow(filter string) **set[K, V] {
	pinned := len(filter) <= maxPinned
	for {
		level, rest, more := strings.Cut(filter, "/")
		if level == "#" && !more {
			return &n.tail
		}
		next := n.child(level)
		if next == nil {
			if !pinned {
				level = strings.Clone(level)
			}
			next = new(node[K, V])
			n.link(level, next)
		}
		if n = next; !more {
			return &n.here
		}
		filter = rest
	}
}

// place is where a filter hangs.
type place[K comparable, V any] struct {
	slot  **set[K, V]
	node  *node[K, V] // the slot's node
	fork  *node[K, V] // the last node above it that has other uses, or the root; nil if the slot is the root's own
	level string      // the level that leads from the fork towards the node
}

// find returns the place of a filter; ok is false if it is not in the trie.
func (n *node[K, V]) find(filter string) (at place[K, V], ok bool) {
	for root := n; ; {
		level, rest, more := strings.Cut(filter, "/")
		if level == "#" && !more {
			at.node, at.slot = n, &n.tail
			return at, n.tail != nil
		}
		if n == root || n.uses() > 1 {
			at.fork, at.level = n, level
		}
		if n = n.child(level); n == nil {
			return at, false
		}
		if !more {
			at.node, at.slot = n, &n.here
			return at, n.here != nil
		}
		filter = rest
	}
}

// drop empties the slot and cuts off what only led to it.
func (at place[K, V]) drop() {
	*at.slot = nil
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
	wild := !dollar(name) // [MQTT-4.7.2-1], at the first level only
	for len(stack) > 0 {
		n, at := stack[len(stack)-1].node, stack[len(stack)-1].at
		stack = stack[:len(stack)-1]
		for n != nil {
			if n.tail != nil && wild {
				dst = n.tail.appendTo(dst)
			}
			if at > len(name) {
				if n.here != nil {
					dst = n.here.appendTo(dst)
				}
				break
			}
			level, _, _ := strings.Cut(name[at:], "/")
			at += len(level) + 1
			if n.plus != nil && wild {
				stack = append(stack, branch{n.plus, at})
			}
			n, wild = n.kids.get(level), true
		}
	}
	return dst
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
