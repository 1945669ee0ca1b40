package metrics

import (
	"math"
	"strconv"
	"strings"
)

// ExpositionType is the media type of an Exposition.
const ExpositionType = "text/plain; version=0.0.4; charset=utf-8"

// Exposition is a page of metrics as Prometheus reads it (text format 0.0.4). The zero value is an empty page. Metrics
// stand in families: Family begins one, and what is written then belongs to it. Labels are names and values by turns.
//
// It is written by hand and not with client_golang, which would add 2.8 MB and eight modules to the binary, and wants a
// second set of counters beside the Registry.
type Exposition struct {
	page   []byte
	family string
}

// NewExposition makes an empty page with room for size bytes.
func NewExposition(size int) *Exposition { return &Exposition{page: make([]byte, 0, size)} }

// Bytes is the page so far. It may be read until something else is written.
func (x *Exposition) Bytes() []byte { return x.page }

// Family begins a family. A page must not have two of one name, nor one without values. The name of a counter ends in
// _total, that of any other says its unit.
func (x *Exposition) Family(name, help string, kind Kind) {
	x.family = name
	x.add("# HELP ", name, " ")
	x.page = appendEscaped(x.page, help, false)
	x.add("\n# TYPE ", name, " ", kind.exposed(), "\n")
}

// Value writes one value of the family.
func (x *Exposition) Value(v float64, labels ...string) { x.line("", v, labels, 0) }

// Histogram writes a histogram of the family: bounds are the highest values of the buckets, and counts, one more, what
// is in each, not accumulated.
func (x *Exposition) Histogram(bounds []float64, counts []uint64, sum float64, labels ...string) {
	below := uint64(0)
	for i, n := range counts {
		below += n
		bound := math.Inf(1)
		if i < len(bounds) {
			bound = bounds[i]
		}
		x.line("_bucket", float64(below), labels, bound)
	}
	x.line("_sum", sum, labels, 0)
	x.line("_count", float64(below), labels, 0)
}

// line writes one sample; a bound that isn't zero is that of a bucket.
func (x *Exposition) line(suffix string, v float64, labels []string, bound float64) {
	x.add(x.family, suffix)
	separator := "{"
	for i := 0; i+1 < len(labels); i += 2 {
		x.add(separator, labels[i], `="`)
		x.page = append(appendEscaped(x.page, labels[i+1], true), '"')
		separator = ","
	}
	if suffix == "_bucket" {
		x.add(separator, `le="`)
		x.page = append(appendNumber(x.page, bound), '"')
		separator = ","
	}
	if separator == "," {
		x.add("}")
	}
	x.add(" ")
	x.page = append(appendNumber(x.page, v), '\n')
}

func (x *Exposition) add(parts ...string) {
	for _, p := range parts {
		x.page = append(x.page, p...)
	}
}

// exposed is the kind in Prometheus's words.
func (k Kind) exposed() string {
	switch k {
	case KindGauge:
		return "gauge"
	case KindHistogram:
		return "histogram"
	default:
		return "counter"
	}
}

func appendNumber(page []byte, v float64) []byte {
	switch {
	case math.IsInf(v, 1):
		return append(page, "+Inf"...)
	case v == math.Trunc(v) && math.Abs(v) < 1<<53: // the most are counts
		return strconv.AppendInt(page, int64(v), 10)
	}
	return strconv.AppendFloat(page, v, 'g', -1, 64)
}

// appendEscaped writes a help or a value of a label on one line. What is not UTF-8 would make the whole page unreadable.
func appendEscaped(page []byte, text string, quoted bool) []byte {
	for _, r := range strings.ToValidUTF8(text, "\uFFFD") {
		switch {
		case r == '\\':
			page = append(page, `\\`...)
		case r == '\n':
			page = append(page, `\n`...)
		case r == '"' && quoted:
			page = append(page, `\"`...)
		default:
			page = append(page, string(r)...)
		}
	}
	return page
}
