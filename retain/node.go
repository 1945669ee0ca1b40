package retain

import (
	"slices"
	"sort"
)

// fan is how many records a node takes, chosen so that a leaf fills 1536
// bytes, which is a size the allocator has.
const fan = 63

// sparse is the number of records below which a node joins a neighbour that
// has the room, and joined that of the two together: not so full that the
// next few puts split it again.
const (
	sparse = fan / 4
	joined = fan * 3 / 4
)

// node is a leaf with messages, or a branch. The records of a branch are
// separators: kids[i] has the topics from recs[i] on and before recs[i+1];
// recs[0] stands for whatever is lower as well. Only a root that is just
// being made is empty.
//
// Looking at the text of a topic costs a visit to memory that is in no cache,
// so a search goes by numbers in the node: all its topics begin with the same
// skip bytes, and heads are made of the bytes after these.
type node struct {
	n, skip int
	kids    *[fan]*node // nil: a leaf
	heads   [fan]uint64
	recs    [fan]record
}

// search finds the first record at or after a topic; found: it has that topic.
func (n *node) search(topic []byte) (i int, found bool) {
	if n.n == 0 {
		return 0, false
	}
	h := head(topic, n.skip)
	i, _ = slices.BinarySearch(n.heads[:n.n], h)
	// That was right if the topic begins like all others, which any record can
	// tell; the one found has to be looked at anyway.
	near := min(i, n.n-1)
	order, at := compare(topic, n.recs[near].topic())
	switch {
	case order == 0:
		return near, true
	case at < n.skip && order < 0:
		return 0, false
	case at < n.skip:
		return n.n, false
	case i == n.n || n.heads[i] != h || order < 0:
		return i, false
	}
	return n.searchText(topic, h, i+1)
}

// searchText is search among the records from begin on that have the head h.
func (n *node) searchText(topic []byte, h uint64, begin int) (i int, found bool) {
	end := begin
	for end < n.n && n.heads[end] == h {
		end++
	}
	i, found = sort.Find(end-begin, func(i int) int {
		order, _ := compare(topic, n.recs[begin+i].topic())
		return order
	})
	return begin + i, found
}

// kidFor is the index of the kid that a topic belongs to.
func (n *node) kidFor(topic []byte) int {
	i, found := n.search(topic)
	if !found && i > 0 {
		i--
	}
	return i
}

// put adds a record below n or replaces the one of its topic, which it
// returns. If n had to be split, right is the new node after it, and its
// topics begin with sep.
func (n *node) put(r record) (old, sep record, right *node) {
	topic := []byte(r.topic())
	if n.kids != nil {
		i := n.kidFor(topic)
		old, kidSep, kid := n.kids[i].put(r)
		if kid != nil {
			if i == 0 { // which may have got topics before recs[0], and split among them
				n.recs[0] = newSeparator(n.kids[0].recs[0].topic())
				n.number()
			}
			sep, right = n.add(i+1, kidSep, kid)
		}
		return old, sep, right
	}
	i, found := n.search(topic)
	if found {
		old, n.recs[i] = n.recs[i], r
		return old, "", nil
	}
	sep, right = n.add(i, r, nil)
	return "", sep, right
}

// add inserts a record, with its kid in a branch, and splits n for it if
// necessary: in halves, or, where topics come in order, so that the nodes
// left behind are full.
func (n *node) add(i int, r record, kid *node) (sep record, right *node) {
	if n.n < fan {
		n.insert(i, r, kid)
		return "", nil
	}
	half := fan / 2
	if i == fan {
		half = fan - 1
	}
	right = n.split(half)
	if i > half {
		right.insert(i-half, r, kid)
	} else {
		n.insert(i, r, kid)
	}
	if n.kids != nil {
		return right.recs[0], right
	}
	return separator(n.recs[n.n-1], right.recs[0]), right
}

// separator makes the shortest record that is after left and not after right.
func separator(left, right record) record {
	_, at := compare([]byte(left.topic()), right.topic())
	return newSeparator(right.topic()[:at+1])
}

// insert puts a record at i, where there is room for it.
func (n *node) insert(i int, r record, kid *node) {
	copy(n.recs[i+1:n.n+1], n.recs[i:n.n])
	n.recs[i] = r
	copy(n.heads[i+1:n.n+1], n.heads[i:n.n])
	if n.kids != nil {
		copy(n.kids[i+1:n.n+1], n.kids[i:n.n])
		n.kids[i] = kid
	}
	n.n++
	if i > 0 && i < n.n-1 { // as it is between the two, it begins like them
		n.heads[i] = head(r.topic(), n.skip)
	} else {
		n.number()
	}
}

// number computes skip and heads anew. What the first and the last topic begin
// with, all between them begin with as well.
func (n *node) number() {
	n.skip = common([]byte(n.recs[0].topic()), n.recs[n.n-1].topic())
	for i, r := range n.recs[:n.n] {
		n.heads[i] = head(r.topic(), n.skip)
	}
}

// split moves the records from i on to a new node.
func (n *node) split(i int) *node {
	right := &node{n: n.n - i}
	copy(right.recs[:], n.recs[i:n.n])
	clear(n.recs[i:n.n])
	if n.kids != nil {
		right.kids = new([fan]*node)
		copy(right.kids[:], n.kids[i:n.n])
		clear(n.kids[i:n.n])
	}
	n.n = i
	n.number()
	right.number()
	return right
}

// remove takes the record of a topic out of what is below n, and the nodes
// that this leaves empty.
func (n *node) remove(topic []byte) (old record) {
	if n.kids != nil {
		i := n.kidFor(topic)
		if old = n.kids[i].remove(topic); n.kids[i].n < sparse {
			n.tidy(i)
		}
		return old
	}
	i, found := n.search(topic)
	if found {
		old = n.recs[i]
		n.cut(i)
	}
	return old
}

// tidy drops an empty kid, or joins a sparse one with a neighbour.
func (n *node) tidy(i int) {
	switch kid := n.kids[i]; {
	case kid.n == 0:
		n.cut(i)
	case i+1 < n.n && kid.n+n.kids[i+1].n <= joined:
		n.join(i)
	case i > 0 && n.kids[i-1].n+kid.n <= joined:
		n.join(i - 1)
	}
}

// join moves all of kids[i+1] to the end of kids[i].
func (n *node) join(i int) {
	left, right := n.kids[i], n.kids[i+1]
	copy(left.recs[left.n:], right.recs[:right.n])
	if left.kids != nil {
		left.recs[left.n] = n.recs[i+1] // the first separator of a branch may be too high
		copy(left.kids[left.n:], right.kids[:right.n])
	}
	left.n += right.n
	left.number()
	n.cut(i + 1)
}

// cut removes the entry at i.
func (n *node) cut(i int) {
	n.n--
	copy(n.recs[i:], n.recs[i+1:n.n+1])
	n.recs[n.n] = ""
	copy(n.heads[i:], n.heads[i+1:n.n+1])
	if n.kids != nil {
		copy(n.kids[i:], n.kids[i+1:n.n+1])
		n.kids[n.n] = nil
	}
}
