package retain

// tree holds records by topic, in order: a B+ tree, so that any number of
// topics below one level and any number of levels cost the same, and a walk
// can be left and taken up again with nothing but a topic in hand. The zero
// tree is empty.
type tree struct {
	root *node
	n    int
}

// get returns the record of a topic, or the empty one.
func (t *tree) get(topic []byte) record {
	leaf, i, _ := t.seek(topic)
	if leaf == nil || i == leaf.n {
		return ""
	}
	if r := leaf.recs[i]; string(topic) == r.topic() {
		return r
	}
	return ""
}

// seek finds the first record at or after a topic: it is leaf.recs[i], or, if
// i is leaf.n, the first one at or after next, which is nil if none is. The
// leaf of an empty tree is nil.
func (t *tree) seek(topic []byte) (leaf *node, i int, next record) {
	n := t.root
	for n != nil && n.kids != nil {
		i := n.kidFor(topic)
		if i+1 < n.n {
			next = n.recs[i+1]
		}
		n = n.kids[i]
	}
	if n != nil {
		i, _ = n.search(topic)
	}
	return n, i, next
}

// put adds a record or replaces the one of its topic, which it returns.
func (t *tree) put(r record) (old record) {
	if t.root == nil {
		t.root = new(node)
	}
	old, sep, right := t.root.put(r)
	if right != nil {
		root := &node{kids: new([fan]*node)}
		root.insert(0, newSeparator(t.root.recs[0].topic()), t.root)
		root.insert(1, sep, right)
		t.root = root
	}
	if old == "" {
		t.n++
	}
	return old
}

// remove takes out the record of a topic and returns it.
func (t *tree) remove(topic []byte) (old record) {
	if t.root == nil {
		return ""
	}
	if old = t.root.remove(topic); old != "" {
		t.n--
	}
	for t.root.kids != nil && t.root.n == 1 {
		t.root = t.root.kids[0]
	}
	if t.root.n == 0 {
		t.root = nil
	}
	return old
}
