package db

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/stoa-portal/stoa"
)

// Use says what becomes of a parameter of a database address.
type Use uint8

// The uses.
const (
	Ignored Use = iota + 1 // it changes nothing that matters here; Why says so
	Honoured
	Refused // the start is refused; Why says what would be right
)

// String names the use in the reference.
func (u Use) String() string { return [...]string{"", "ignored", "used", "refused"}[u] }

// Parameter is one parameter of the addresses of a driver. Names are compared without regard to case.
type Parameter struct {
	Names  []string // the first is the one that sentences use; the others are its other spellings
	Use    Use
	Only   []string // values, in lower case, that are harmless; others are refused. Empty: all of an ignored one
	Why    string   // what it does here, why it does nothing, or what would be right
	Secret bool     // its value is never shown
}

// params are the parameters of one address, by the first name of each.
type params struct {
	property string
	values   map[string]string
	spelled  map[string]string // as the name was written
	warnings []string
}

// readParams sorts the parameters of an address: what is to be used is kept, what is refused is an error, what
// is not known a warning.
func readParams(a address, table []Parameter) (*params, error) {
	p := &params{property: a.property, values: map[string]string{}, spelled: map[string]string{}}
	rows := map[string]*Parameter{}
	for i := range table {
		for _, n := range table[i].Names {
			rows[strings.ToLower(n)] = &table[i]
		}
	}
	for _, given := range a.params {
		row := rows[strings.ToLower(given.name)]
		if row == nil {
			hint := ""
			if near := nearest(given.name, table); near != "" {
				hint = "; did you mean " + near + "?"
			}
			p.warnings = append(p.warnings, fmt.Sprintf("%s: the parameter %s is not known and does nothing%s", a.property,
				strconv.Quote(stoa.Short(given.name, 60)), hint))
			continue
		}
		lower := strings.ToLower(given.value)
		if listed := slices.Contains(row.Only, lower); row.Use == Refused && !listed && lower != "" || row.Use == Ignored &&
			len(row.Only) > 0 && !listed {
			value := given.name
			if !row.Secret {
				value += "=" + stoa.Short(given.value, 80)
			}
			return nil, stoa.Invalid(a.property, "the parameter %s is refused: %s", value, row.Why)
		}
		if row.Use != Honoured {
			continue
		}
		name := row.Names[0]
		if before, twice := p.values[name]; twice && before != given.value {
			return nil, stoa.Invalid(a.property, "the parameters %s and %s contradict each other; give one of them",
				p.spelled[name], given.name)
		}
		p.values[name], p.spelled[name] = given.value, given.name
	}
	return p, nil
}

// wrong refuses the value of a parameter.
func (p *params) wrong(name, format string, args ...any) error {
	spelled := p.spelled[name]
	if spelled == "" {
		spelled = name
	}
	return stoa.Invalid(p.property, "the parameter %s=%s is wrong: %s", spelled, stoa.Short(p.values[name], 80),
		fmt.Sprintf(format, args...))
}

func (p *params) warn(format string, args ...any) {
	p.warnings = append(p.warnings, p.property+": "+fmt.Sprintf(format, args...))
}

func (p *params) has(name string) bool { _, ok := p.values[name]; return ok }

// flag reads a truth value. An empty one, as in "?ssl", is true.
func (p *params) flag(name string) (value, given bool, err error) {
	raw, given := p.values[name]
	if !given {
		return false, false, nil
	}
	switch strings.ToLower(raw) {
	case "", "true", "yes", "on", "1":
		return true, true, nil
	case "false", "no", "off", "0":
		return false, true, nil
	}
	return false, true, p.wrong(name, "true or false is expected")
}

// span reads a time in units; 0 where it is absent or means "no limit".
func (p *params) span(name string, unit time.Duration) (time.Duration, error) {
	raw, ok := p.values[name]
	if !ok {
		return 0, nil
	}
	n, err := strconv.ParseInt(raw, 10, 32)
	if err != nil || n < 0 {
		if unit == time.Second {
			return 0, p.wrong(name, "a whole number of seconds is expected")
		}
		return 0, p.wrong(name, "a whole number of milliseconds is expected")
	}
	return time.Duration(n) * unit, nil
}

// nearest gives the name that was probably meant; empty when none is near.
func nearest(name string, table []Parameter) string {
	best, least := "", max(2, len(name)/4)+1
	for i := range table {
		for _, n := range table[i].Names {
			if d := distance(strings.ToLower(name), strings.ToLower(n)); d < least {
				best, least = n, d
			}
		}
	}
	return best
}

// distance is the number of single characters to add, drop or change to turn a into b.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			d := diagonal
			if a[i] != b[j] {
				d++
			}
			diagonal = row[j+1]
			row[j+1] = min(d, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}

// listed reads lines of "name, other name [harmless values] | why"; a line that begins with a tab goes on.
func listed(use Use, lines string) []Parameter {
	var out []Parameter
	for line := range strings.Lines(strings.ReplaceAll(strings.TrimSpace(lines), "\n\t", " ")) {
		names, why, _ := strings.Cut(strings.TrimSpace(line), " | ")
		names, only, _ := strings.Cut(names, " [")
		p := Parameter{Use: use, Secret: strings.Contains(strings.ToLower(names), "password"), Why: why,
			Only: strings.Fields(strings.TrimSuffix(only, "]"))}
		for n := range strings.SplitSeq(names, ", ") {
			p.Names = append(p.Names, n)
		}
		out = append(out, p)
	}
	return out
}
