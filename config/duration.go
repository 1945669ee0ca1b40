package config

import (
	"fmt"
	"math"
	"math/big"
	"reflect"
	"strings"
	"time"
)

// Duration is the type of duration fields. Values are written as `15s`, `1h30m`, `0.1s`, with the units f (fortnight),
// w, d, h, m, s and ms, and are rounded up to whole milliseconds, or seconds with the tag `unit:"s"`.
type Duration = time.Duration

const day = 24 * time.Hour

// unitOf returns the unit a text begins with: the longest, since `ms` begins like `m`.
func unitOf(text string) (time.Duration, string) {
	for _, u := range []struct {
		name string
		unit time.Duration
	}{{"ms", time.Millisecond}, {"s", time.Second}, {"m", time.Minute}, {"h", time.Hour}, {"d", day},
		{"w", 7 * day}, {"f", 14 * day}} {
		if strings.HasPrefix(text, u.name) {
			return u.unit, u.name
		}
	}
	return 0, ""
}

// maxDigits bounds the numbers of a duration; more say nothing a duration can hold.
const maxDigits = 18

func parseDuration(text string, tag reflect.StructTag) (time.Duration, error) {
	round := time.Millisecond
	if tag.Get("unit") == "s" {
		round = time.Second
	}
	what := "a duration such as 15s or 1h30m"
	rest := text
	if bare := tag.Get("bare"); bare != "" {
		what += fmt.Sprintf(", or a number of %s", bare)
		if text != "" && strings.Trim(text, "0123456789") == "" {
			rest += bare
		}
	}
	sum := new(big.Rat)
	for first := true; first || rest != ""; first = false {
		n := len(rest) - len(strings.TrimLeft(rest, "0123456789."))
		unit, name := unitOf(rest[n:])
		number, ok := new(big.Rat).SetString("0" + rest[:n]) // `.5s` is half a second
		if !ok || n == 0 || rest[:n] == "." || n > maxDigits || unit == 0 {
			return 0, Expected(what, text)
		}
		sum.Add(sum, number.Mul(number, new(big.Rat).SetInt64(int64(unit))))
		rest = rest[n+len(name):]
	}
	sum.Quo(sum, new(big.Rat).SetInt64(int64(round)))
	units, left := new(big.Int).QuoRem(sum.Num(), sum.Denom(), new(big.Int))
	if left.Sign() > 0 {
		units.Add(units, big.NewInt(1))
	}
	if !units.IsInt64() || units.Int64() > math.MaxInt64/int64(round) {
		return 0, Expected("a duration of less than 292 years", text)
	}
	return time.Duration(units.Int64()) * round, nil
}

// formatDuration writes d with the units parseDuration reads, days being the largest.
func formatDuration(d time.Duration) string {
	if d <= 0 {
		return "0s"
	}
	var out strings.Builder
	for _, u := range []struct {
		name string
		unit time.Duration
	}{{"d", day}, {"h", time.Hour}, {"m", time.Minute}, {"s", time.Second}, {"ms", time.Millisecond}} {
		if n := d / u.unit; n > 0 {
			fmt.Fprintf(&out, "%d%s", n, u.name)
			d %= u.unit
		}
	}
	return out.String()
}
