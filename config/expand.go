package config

import (
	"fmt"
	"strings"
)

// setting is one value with the place it came from, before its references are filled in.
type setting struct {
	name    string
	raw     string
	source  string // "portal-ext.properties:12", "environment STOA_…", "flag --port", "default"
	file    string // the file alone; empty for other sources
	order   int    // sources are read in this order
	literal bool   // raw holds no references
	byFlag  bool
}

// expander fills in ${name} references. A name is looked up among the fixed names first.
type expander struct {
	reg    *registry
	fixed  map[string]string
	values map[string]setting
	done   map[string]expanded
	stack  []string // names being filled in, to find circles
}

type expanded struct {
	value   string
	secret  bool   // holds something secret
	problem string // empty when all is well
}

func newExpander(reg *registry, fixed map[string]string, values map[string]setting) *expander {
	return &expander{reg: reg, fixed: fixed, values: values, done: map[string]expanded{}}
}

// value gives the value of a name that is set.
func (e *expander) value(name string) expanded {
	if v, ok := e.done[name]; ok {
		return v
	}
	s := e.values[name]
	p, _ := e.reg.find(name)
	secret := p != nil && p.Secret || (p == nil || p.Guess) && e.reg.looksSecret(name)
	if s.literal {
		return expanded{value: s.raw, secret: secret}
	}
	e.stack = append(e.stack, name)
	v := e.text(s.raw)
	e.stack = e.stack[:len(e.stack)-1]
	v.secret = v.secret || secret
	if v.problem == "" || len(e.stack) == 0 {
		e.done[name] = v
	}
	return v
}

// text fills in the references of raw. "$${" stands for the two characters "${".
func (e *expander) text(raw string) expanded {
	var out strings.Builder
	var secret bool
	for rest := raw; ; {
		begin := strings.Index(rest, "${")
		if begin < 0 {
			out.WriteString(rest)
			break
		}
		if begin > 0 && rest[begin-1] == '$' {
			out.WriteString(rest[:begin-1] + "${")
			rest = rest[begin+2:]
			continue
		}
		out.WriteString(rest[:begin])
		name, after, ok := strings.Cut(rest[begin+2:], "}")
		if !ok {
			return expanded{secret: secret, problem: "a reference begins with ${ and has no }; close it, or write $${ for the characters ${ themselves"}
		}
		v := e.reference(name)
		secret = secret || v.secret
		if v.problem != "" {
			return expanded{secret: secret, problem: v.problem}
		}
		out.WriteString(v.value)
		if out.Len() > maxExpandedSize {
			return expanded{secret: secret, problem: fmt.Sprintf("with its references filled in the value is longer than %d bytes", maxExpandedSize)}
		}
		rest = after
	}
	return expanded{value: out.String(), secret: secret}
}

func (e *expander) reference(name string) expanded {
	if v, ok := e.fixed[name]; ok {
		return expanded{value: v}
	}
	name, _ = e.reg.canonical(name)
	for i, n := range e.stack {
		if n == name {
			circle := append(append([]string{}, e.stack[i:]...), name)
			return expanded{problem: "the references go in a circle: " + clip(strings.Join(circle, " → "))}
		}
	}
	if len(e.stack) > 50 {
		return expanded{problem: "the references are nested more than 50 deep"}
	}
	if _, ok := e.values[name]; ok {
		return e.value(name)
	}
	if e.reg.knows(name) {
		return expanded{problem: fmt.Sprintf("${%s} refers to a property that has no value; set %s, or write $${ for the characters ${ themselves", clip(name), clip(name))}
	}
	hint := ""
	if near := e.reg.nearest(name); near != "" {
		hint = fmt.Sprintf("; did you mean ${%s}?", near)
	}
	return expanded{problem: fmt.Sprintf("${%s} refers to a property that is set nowhere%s", clip(name), hint)}
}
