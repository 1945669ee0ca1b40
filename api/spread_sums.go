package api

import (
	"cmp"
	"maps"
	"math"
	"slices"
	"strings"
)

// sums has each node answer with a T, and answers with what add makes of them:
// add adds one to what is shown of all so far.
func sums[T any](add func(q *request, total *T, one T)) spread {
	return func(s *Server, q *request, all []Member) (any, error) {
		data, err := q.own()
		if err != nil {
			return nil, err
		}
		total := data.(T)
		for _, r := range s.askAll(q, all) {
			var one T
			if r.failed() {
				err = fail(codeRPC, r.why())
			} else {
				err = decode(string(r.body.Data), &one)
			}
			if err != nil {
				s.unanswered(q, r.from, err)
				q.missing = append(q.missing, r.from.Name)
				continue
			}
			add(q, &total, one)
		}
		return total, nil
	}
}

// addAccount adds what became of the messages of one node. What one has
// forwarded to another is in the books of both, each of which balances.
func addAccount(q *request, total *account, one account) {
	total.Since, total.TopSince = min(total.Since, one.Since), min(total.TopSince, one.TopSince)
	total.Published += one.Published
	total.Matched += one.Matched
	total.Redispatched += one.Redispatched
	total.MovedIn += one.MovedIn
	total.MovedOut += one.MovedOut
	total.Delivered += one.Delivered
	total.Queued += one.Queued
	total.Balance += one.Balance
	addCounts(&total.Dropped, one.Dropped)
	addCounts(&total.MessagesDropped, one.MessagesDropped)
	for reason, top := range one.Top {
		if total.Top == nil {
			total.Top = make(map[string]losers)
		}
		so := total.Top[reason]
		total.Top[reason] = losers{addLosers(q, so.Clients, top.Clients), addLosers(q, so.Topics, top.Topics)}
	}
}

func addCounts[N uint64 | float64](total *map[string]N, one map[string]N) {
	if *total == nil {
		*total = make(map[string]N)
	}
	for name, n := range one {
		(*total)[name] += n
	}
}

// addLosers merges two lists of who lost most.
func addLosers(q *request, a, b []loser) []loser {
	type who struct{ client, topic string }
	counts := make(map[who]uint64)
	for _, l := range slices.Concat(a, b) {
		counts[who{l.ClientID, l.Topic}] += l.Count
	}
	merged := make([]loser, 0, len(counts))
	for w, n := range counts {
		merged = append(merged, loser{w.client, w.topic, n})
	}
	slices.SortFunc(merged, func(a, b loser) int {
		return cmp.Or(cmp.Compare(b.Count, a.Count), strings.Compare(a.ClientID, b.ClientID), strings.Compare(a.Topic, b.Topic))
	})
	return merged[:min(len(merged), int(q.params.whole("_limit", someLosers)))]
}

// addTopics adds the counts of single topics, by topic.
func addTopics(_ *request, total *[]topicRow, one []topicRow) {
	byTopic := make(map[string]topicFigures)
	for _, r := range slices.Concat(*total, one) {
		sum := byTopic[r.Topic]
		addTopic(nil, &sum, r.Metrics)
		byTopic[r.Topic] = sum
	}
	*total = []topicRow{}
	for _, name := range slices.Sorted(maps.Keys(byTopic)) {
		*total = append(*total, topicRow{byTopic[name], name})
	}
}

// addTopic adds the counts and rates of one topic.
func addTopic(_ *request, total *topicFigures, one topicFigures) {
	sum := make(map[string]float64)
	for _, f := range []topicFigures{*total, one} {
		addCounts(&sum, f)
	}
	for name, n := range sum {
		sum[name] = math.Round(n*100) / 100
	}
	*total = sum
}

// addSlow merges two lists of slow subscriptions, the worst first.
func addSlow(_ *request, total *[]slowRow, one []slowRow) {
	*total = append(*total, one...)
	slices.SortStableFunc(*total, func(a, b slowRow) int { return cmp.Compare(b.Timespan, a.Timespan) })
}

// addHistory adds the figures of another node, moment by moment. Of times and
// percentages the highest counts, of everything else the sum; a figure that one
// node lacks is that of the other.
func addHistory(_ *request, total *history, one history) {
	if total.Interval <= 0 || one.Interval != total.Interval {
		return // of another version: there is nothing to add it to
	}
	later := int(math.Round(float64(total.LastAt-one.LastAt) / float64(total.Interval)))
	for name, values := range one.Series {
		sum, is := total.Series[name]
		if !is {
			continue
		}
		highest := strings.HasSuffix(name, "_ms") || strings.HasSuffix(name, "_percent")
		for i := range sum {
			from := i - len(sum) + len(values) + later
			if from < 0 || from >= len(values) || !isFigure(values[from]) {
				continue
			}
			switch {
			case !isFigure(sum[i]):
				sum[i] = values[from]
			case highest:
				sum[i] = max(sum[i], values[from])
			default:
				sum[i] += values[from]
			}
		}
	}
}
