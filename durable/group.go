package durable

import (
	"cmp"
	"encoding/binary"
	"slices"
	"strconv"
	"strings"

	"github.com/dunlin-mq/dunlin/fields"
	"github.com/dunlin-mq/dunlin/mqtt"
)

// Group is what is kept of one share of a shared group with durable members: how
// far it has come in its part of the log, and what the members have not
// acknowledged. What each of them holds at QoS 2 is in that session's own state.
type Group struct {
	Node  string   // that has the members; empty: none, any that has some may take it over
	Next  []uint64 // by shard: the first position that nobody was chosen for yet
	Until []uint64 // by shard: the first position that isn't the share's any more; nil: there is no end
	// Open is what was taken from the log and isn't done with, in its order. From Next
	// on, it is what a member had already before the group has come there.
	Open []mqtt.At
}

// GroupShare names a share of a shared group.
type GroupShare struct {
	Name, Filter string
	Number       uint64 // the later one of a group has the higher
}

// Key is the key of the share's record in the map of states: no session and no
// node's mark has it. It counts as a mark, so who reads all sessions passes it
// over.
func (s GroupShare) Key() string {
	return markPrefix + markPrefix + s.Name + markPrefix + s.Filter + markPrefix + strconv.FormatUint(s.Number, 36) // neither has a zero byte [MQTT-1.5.4-2]
}

// ParseGroupKey reads such a key; false: it is none.
func ParseGroupKey(key string) (s GroupShare, ok bool) {
	rest, is := strings.CutPrefix(key, markPrefix+markPrefix)
	parts := strings.Split(rest, markPrefix)
	if !is || len(parts) != 3 {
		return s, false
	}
	number, err := strconv.ParseUint(parts[2], 36, 64)
	return GroupShare{parts[0], parts[1], number}, err == nil
}

const groupVersion = 1

const (
	grpUntil = 1 << iota
	grpFlags = 1<<iota - 1 // all of them
)

// AppendGroup appends the group's record to dst, and sorts g.Open. All numbers
// are varints:
//
//	version (1) · flags (1) · node · shards · next of each · until of each? ·
//	for each shard how many are open, and how far each is from the one before
func AppendGroup(dst []byte, g *Group) []byte {
	flags := byte(0)
	if g.Until != nil {
		flags |= grpUntil
	}
	dst = fields.AppendText(append(dst, groupVersion, flags), g.Node)
	dst = binary.AppendUvarint(dst, uint64(len(g.Next)))
	for _, next := range g.Next {
		dst = binary.AppendUvarint(dst, next)
	}
	for _, until := range g.Until {
		dst = binary.AppendUvarint(dst, until)
	}
	slices.SortFunc(g.Open, func(a, b mqtt.At) int { return cmp.Or(cmp.Compare(a.Shard, b.Shard), cmp.Compare(a.Seq, b.Seq)) })
	open := g.Open
	for shard := range g.Next {
		n := 0
		for n < len(open) && open[n].Shard == shard {
			n++
		}
		dst = binary.AppendUvarint(dst, uint64(n))
		before := uint64(0)
		for _, at := range open[:n] {
			dst = binary.AppendUvarint(dst, at.Seq-before)
			before = at.Seq
		}
		open = open[n:]
	}
	return dst
}

// ParseGroup reads such a record.
func ParseGroup(record []byte) (*Group, error) {
	g := new(Group)
	if err := parse("group", record, groupVersion, g.read); err != nil {
		return nil, err
	}
	return g, nil
}

func (g *Group) read(r *reader) {
	flags := r.Byte()
	if flags&^grpFlags != 0 {
		r.unknown(flags)
	}
	g.Node = r.Text()
	for range r.Count() {
		g.Next = append(g.Next, r.Number())
	}
	if flags&grpUntil != 0 {
		g.Until = make([]uint64, 0, len(g.Next))
		for range g.Next {
			g.Until = append(g.Until, r.Number())
		}
	}
	for shard := range g.Next {
		seq := uint64(0)
		for range r.Count() {
			seq += r.Number()
			g.Open = append(g.Open, mqtt.At{Shard: shard, Seq: seq})
		}
	}
}
