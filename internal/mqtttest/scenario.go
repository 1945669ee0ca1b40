package mqtttest

import (
	"fmt"
	"io/fs"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Scenario is one conversation with a broker, as a file of testdata tells it.
type Scenario struct {
	Name     string
	File     string
	Version  int      // protocol level of connections that don't say
	Config   []string // settings "key = value" that its broker needs; none: any broker with the defaults
	Alone    bool     // needs a broker nobody else uses
	Tags     []Tag    // the statements it proves
	versions []int
	steps    []step
}

// Tag names a statement: MQTT-3.1.2-3 of a standard, "5.0" or "3.1.1".
type Tag struct {
	Standard, ID string
}

// step is one line, parsed as far as it goes without running it.
type step struct {
	line int
	verb string   // send recv set raw connect subscribe publish open close abort closed ends silent frame refused wait timeout stop
	conn []string // several: whichever gets it
	as   string   // "w" or "w/l": names for the one that got it and the other
	text string
	hold bool
}

// Load reads every scenario of the *.txt files of a folder; files named in laws and normative lists are not scenarios.
func Load(files fs.FS) ([]Scenario, error) {
	names, err := fs.Glob(files, "[0-9]*.txt")
	if err != nil {
		return nil, err
	}
	var all []Scenario
	for _, name := range names {
		text, err := fs.ReadFile(files, name)
		if err != nil {
			return nil, err
		}
		some, err := Parse(name, string(text))
		if err != nil {
			return nil, err
		}
		all = append(all, some...)
	}
	return all, nil
}

// Parse reads the scenarios of one file. One written for several versions becomes several.
func Parse(file, text string) ([]Scenario, error) {
	var all []Scenario
	lines, err := repeated(strings.Split(text, "\n"))
	if err != nil {
		return nil, fmt.Errorf("%s:%w", file, err)
	}
	for _, l := range lines {
		i, line := l.number, l.text
		switch name, isHead := strings.CutPrefix(line, "== "); {
		case line == "" || strings.HasPrefix(line, "#"):
		case isHead:
			all = append(all, Scenario{Name: name, File: file, versions: []int{5}})
		case len(all) == 0:
			return nil, fmt.Errorf("%s:%d: a scenario begins with == and its name", file, i)
		default:
			if err := all[len(all)-1].add(i, line); err != nil {
				return nil, fmt.Errorf("%s:%d: %w", file, i, err)
			}
		}
	}
	var out []Scenario
	for _, s := range all {
		name := s.Name
		for _, s.Version = range s.versions {
			if len(s.versions) > 1 {
				s.Name = fmt.Sprintf("%s (v%d)", name, s.Version)
			}
			out = append(out, s)
		}
	}
	return out, nil
}

// numbered is a line and where it stands.
type numbered struct {
	number int
	text   string
}

// repeated writes what stands between "repeat 5" and "end" five times, with {i} as 1 to 5.
func repeated(text []string) ([]numbered, error) {
	var out, block []numbered
	times := 0
	for i, line := range text {
		line = strings.TrimRight(line, " \t\r")
		count, isRepeat := strings.CutPrefix(line, "repeat ")
		switch {
		case isRepeat:
			n, err := strconv.Atoi(count)
			if err != nil || n < 1 || times > 0 {
				return nil, fmt.Errorf("%d: %s: want a number, and no repeat within another", i+1, line)
			}
			times = n
		case line == "end" && times > 0:
			for n := range times {
				for _, l := range block {
					out = append(out, numbered{l.number, strings.ReplaceAll(l.text, "{i}", strconv.Itoa(n+1))})
				}
			}
			block, times = nil, 0
		case times > 0:
			block = append(block, numbered{i + 1, line})
		default:
			out = append(out, numbered{i + 1, line})
		}
	}
	if times > 0 {
		return nil, fmt.Errorf("%d: end is missing", len(text))
	}
	return out, nil
}

var (
	tagForm  = regexp.MustCompile(`^\[(MQTT-[0-9.]+-[0-9]+)(@311)?\]$`)
	lineForm = regexp.MustCompile(`^([a-z0-9|]+)( as [a-z/]+)?(>\+|>|<\*|<)(?: |$)(.*)$`)
)

// The verbs that stand before a connection's name, and those that stand after it.
var (
	verbsBefore = strings.Fields("connect subscribe publish")
	verbsAfter  = strings.Fields("open close abort closed ends silent frame refused")
)

func (s *Scenario) add(line int, text string) error {
	word, rest, _ := strings.Cut(text, " ")
	switch {
	case strings.HasPrefix(text, "["):
		return s.addTags(text)
	case word == "config":
		s.Config = append(s.Config, rest)
	case word == "alone":
		s.Alone = true
	case word == "versions":
		s.versions = nil
		for _, v := range strings.Fields(rest) {
			n, err := strconv.Atoi(strings.TrimPrefix(v, "v"))
			if err != nil {
				return fmt.Errorf("versions %s: want v3, v4 or v5", rest)
			}
			s.versions = append(s.versions, n)
		}
	default:
		st, err := parseStep(text)
		st.line = line
		s.steps = append(s.steps, st)
		return err
	}
	return nil
}

func (s *Scenario) addTags(text string) error {
	for _, word := range strings.Fields(text) {
		m := tagForm.FindStringSubmatch(word)
		if m == nil {
			return fmt.Errorf("%s is no tag; want [MQTT-3.1.2-3] or [MQTT-3.1.2-3@311]", word)
		}
		s.Tags = append(s.Tags, Tag{map[bool]string{true: "3.1.1", false: "5.0"}[m[2] != ""], m[1]})
	}
	return nil
}

func parseStep(text string) (step, error) {
	word, rest, _ := strings.Cut(text, " ")
	switch {
	case word == "stop":
		return step{verb: "stop"}, nil
	case word == "wait" || word == "timeout":
		_, err := time.ParseDuration(rest)
		return step{verb: word, text: rest}, err
	case slices.Contains(verbsBefore, word):
		name, fields, _ := strings.Cut(rest, " ")
		return step{verb: word, conn: []string{name}, text: fields}, nil
	}
	verb, arg, _ := strings.Cut(rest, " ")
	if slices.Contains(verbsAfter, verb) {
		return step{verb: verb, conn: []string{word}, text: arg}, nil
	}
	m := lineForm.FindStringSubmatch(text)
	if m == nil {
		return step{}, fmt.Errorf("cannot read %q", text)
	}
	st := step{conn: strings.Split(m[1], "|"), as: strings.TrimPrefix(m[2], " as "), text: m[4]}
	switch m[3] {
	case ">", ">+":
		st.verb, st.hold = "send", m[3] == ">+"
		if raw, isRaw := strings.CutPrefix(st.text, "raw "); isRaw {
			st.verb, st.text = "raw", raw
			_, err := parseRaw(raw)
			return st, err
		}
	case "<*":
		st.verb = "set"
	case "<":
		st.verb = "recv"
	}
	_, err := parsePacket(st.text)
	return st, err
}
