package retain

// walk goes through the records that match a filter, in the order of their
// topics, looking only where a match can be. Between two calls of some the
// tree may change: what is there all the time comes exactly once.
type walk struct {
	filter topicFilter
	at     []byte // the next topic to look at
	over   bool
}

func newWalk(f topicFilter) walk { return walk{filter: f, at: []byte(f.first())} }

// some visits records until enough work is done, visit says no, or the walk is
// over; it returns the work done. To look at a record is a unit of work, or
// more if its topic is long: less than a microsecond.
func (w *walk) some(t *tree, enough int, visit func(record) bool) (work int) {
	leaf, i, next := t.seek(w.at)
	for leaf != nil {
		if i == leaf.n {
			if next == "" {
				break
			}
			leaf, i, next = t.seek([]byte(next.topic()))
			continue
		}
		r := leaf.recs[i]
		topic := r.topic()
		if work >= enough {
			w.at = append(w.at[:0], topic...)
			return work
		}
		work += 1 + len(topic)/topicUnit
		var match bool
		match, w.at = w.filter.judge(topic, w.at)
		switch {
		case match && visit(r):
			i++
		case match:
			w.at = append(append(w.at, topic...), '/') // nothing lies between the two
			return work
		case len(w.at) == 0:
			w.over = true
			return work
		default:
			leaf, i, next = t.seek(w.at)
		}
	}
	w.over = true
	return work
}

// topicUnit is how many bytes of a topic cost about as much as all else that
// is done for a record.
const topicUnit = 256
