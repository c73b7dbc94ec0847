// Package config reads the settings of a node: the built-in portal.properties, the files that override
// it, the environment and the command line, and turns them into typed values. It knows for each value
// the file and the line it came from. One table (table_*.go) is the source of parsing, validation, the
// reference in docs/properties.md and the built-in file.
package config

import (
	_ "embed"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/stoa-portal/stoa"
)

//go:embed portal.properties
var builtIn string

// Options says where settings are looked for.
type Options struct {
	Home     string            // value of the flag --home; empty when it was not given
	WorkDir  string            // where relative paths start and where Liferay's class path is; empty: the current directory
	Environ  []string          // NAME=value, as os.Environ gives it; nil: no environment
	Flags    map[string]string // property name → value; beats everything; the key "port" is the flag --port
	External string            // value of the flag --external-properties; empty when it was not given
}

// Config is every setting of a node, checked. It does not change after Load.
type Config struct {
	Home string // absolute path of liferay.home; it need not exist yet

	Server    Server
	Web       Web
	Database  Database
	Cache     Cache
	Cluster   Cluster
	Files     Files
	Search    Search
	Session   Session
	Secret    Secret
	Company   Company
	Admin     Admin
	Mail      Mail
	Passwords Passwords
	Languages Languages
	Hosts     Hosts
	Operators Operators
	Jobs      Jobs
	Locks     Locks
	Audit     Audit
	Trash     Trash
	Log       Log
	Health    Health

	ehcache   map[string]string // mode by Liferay's name of a cache, until finish
	warnings  []string
	sources   []string
	elsewhere []string // what is wrong and belongs to no value
	effective []Value
	shared    []sharedValue // by name
}

// Value is one setting with the place it came from.
type Value struct {
	Name    string
	Value   string // with references filled in; it may be a secret
	Source  string // "portal-ext.properties:12", "environment STOA_…", "flag --port", "default", "not set"
	Used    bool   // Stoa reads it
	Known   bool   // the name is in the table; a name that is not used may be known or not
	Secret  bool   // it must not be shown
	Masked  string // the value as it may be shown
	Default string // as portal.properties has it, references not filled in; empty when there is none
	Doc     string // what it is for; of a name that is not used, why not
	Wrong   string // why a start is refused because of it; empty when it is not
	Note    string // what else is to be known of it, such as a known name that is like an unknown one; may be empty
}

// Warnings gives one sentence for each thing that is odd and was put up with; they are meant to be
// logged once at start.
func (c *Config) Warnings() []string { return slices.Clone(c.warnings) }

// Sources gives the files that were read, in order; later ones count more.
func (c *Config) Sources() []string { return slices.Clone(c.sources) }

// Effective gives every known setting and every one that some source sets, sorted by name.
func (c *Config) Effective() []Value { return slices.Clone(c.effective) }

// Load reads all sources and checks every value. The error joins one stoa.Error of kind Invalid for
// each wrong value, with its place, the value, and what would be right; secrets are never quoted.
func Load(o Options) (*Config, error) {
	c, err := Examine(o)
	if err != nil {
		return nil, err
	}
	return c, nil
}

// Examine is Load for a report: beside the error it gives all that could be read, with each value that is wrong
// marked in Effective. What is wrong has its default in the typed settings. Nothing may be started with it when
// there is an error. The Config is nil only when the working directory cannot be found.
func Examine(o Options) (*Config, error) {
	work := o.WorkDir
	if work == "" {
		work = "."
	}
	work, err := filepath.Abs(work)
	if err != nil {
		return nil, fmt.Errorf("find the working directory: %w", err)
	}
	reg := newRegistry()
	home, homeless := findHome(reg, o, work)
	if homeless != nil {
		home.name, home.raw, home.literal = nameHome, filepath.Join(work, "stoa-home"), true
	}
	r := newReader(reg, work, home.raw, o.External)
	if homeless != nil {
		r.problems = append(r.problems, ordered{err: homeless})
	}
	r.readFiles()
	if homeless == nil {
		r.checkHomeInFiles(home)
	}
	r.readEnvironment(o.Environ)
	r.readFlags(o.Flags)
	r.set(home)

	c := &Config{Home: home.raw, sources: r.files}
	e := newExpander(reg, r.fixed, r.values)
	r.applyPort(o.Flags, e)
	r.applyJGroups(e)
	r.fill(c, e)
	if len(r.problems) == 0 {
		r.finish(c)
	}
	r.list(c, e)
	if len(r.problems) == 0 {
		r.share(c)
	}
	c.warnings = r.warnings
	if len(r.problems) == 0 {
		return c, nil
	}
	slices.SortStableFunc(r.problems, func(a, b ordered) int { return a.order - b.order })
	errs := make([]error, len(r.problems))
	for i, p := range r.problems {
		errs[i] = p.err
	}
	err = errors.Join(errs...)
	c.Mark(err)
	return c, err
}

// Mark notes what was found wrong with values after they were read, so that Print shows it where the value stands:
// every stoa.Error of kind Invalid in err whose field is the name of a property.
func (c *Config) Mark(err error) {
	if err == nil {
		return
	}
	if many, ok := err.(interface{ Unwrap() []error }); ok {
		for _, one := range many.Unwrap() {
			c.Mark(one)
		}
		return
	}
	var e *stoa.Error
	if !errors.As(err, &e) {
		c.elsewhere = append(c.elsewhere, err.Error())
		return
	}
	for i := range c.effective {
		if v := &c.effective[i]; v.Name == e.Field {
			if v.Wrong != "" {
				v.Wrong += "; "
			}
			v.Wrong += strings.TrimPrefix(e.Message, v.Source+": ")
			return
		}
	}
	c.elsewhere = append(c.elsewhere, e.Error())
}

// nameHome is the property of the folder of a node.
const nameHome = "liferay.home"

// findHome decides on liferay.home before any file in it can be read: the flag, STOA_HOME, the
// property in the environment, the property in a file outside of it, the default.
func findHome(reg *registry, o Options, work string) (setting, error) {
	r := newReader(reg, work, "", o.External)
	r.readFiles() // problems are found again in the second pass
	r.readEnvironment(o.Environ)
	r.readFlags(o.Flags)
	s := r.values["liferay.home"]
	for _, item := range o.Environ {
		if value, ok := strings.CutPrefix(item, homeVariable+"="); ok && value != "" && !s.byFlag {
			s = setting{raw: value, source: "environment " + homeVariable, literal: true}
		}
	}
	if o.Home != "" {
		s = setting{raw: o.Home, source: "flag --home", literal: true}
	}
	if !s.literal {
		v := newExpander(reg, r.fixed, r.values).value("liferay.home")
		if v.problem != "" {
			return s, stoa.Invalid("liferay.home", "%s: %s", s.source, v.problem)
		}
		s.raw = v.value
	}
	if strings.TrimSpace(s.raw) == "" || strings.IndexByte(s.raw, 0) >= 0 {
		return s, stoa.Invalid("liferay.home", "%s: %q is not a folder; the path of a folder is expected", s.source, clip(s.raw))
	}
	if !filepath.IsAbs(s.raw) {
		s.raw = filepath.Join(work, s.raw)
	}
	s.name, s.raw, s.literal = "liferay.home", filepath.Clean(s.raw), true
	if info, err := os.Stat(s.raw); err == nil && !info.IsDir() {
		return s, stoa.Invalid("liferay.home", "%s: %q is a file; the path of a folder is expected", s.source, clip(s.raw))
	}
	return s, nil
}

// checkHomeInFiles refuses a file that moves the folder from which it was read itself.
func (r *reader) checkHomeInFiles(home setting) {
	s := r.values["liferay.home"]
	if home.file == s.file || home.file == "" && home.source != "default" {
		return // decided by the same file, or by something that beats every file
	}
	delete(r.fixed, "liferay.home")
	v := newExpander(r.reg, r.fixed, r.values).value("liferay.home")
	r.fixed["liferay.home"] = home.raw
	path := v.value
	if !filepath.IsAbs(path) {
		path = filepath.Join(r.work, path)
	}
	if v.problem != "" || filepath.Clean(path) != home.raw {
		r.invalid(s.order, "liferay.home", "%s: the folder is already known to be %q when this file is read, so %q comes too late; use the flag --home, the variable %s, or a file in the working directory",
			s.source, clip(home.raw), clip(s.raw), homeVariable)
	}
}

// readFlags enters the command line. A name that is not known is a mistake there, since no other
// portal reads it.
func (r *reader) readFlags(flags map[string]string) {
	names := make([]string, 0, len(flags))
	for name := range flags {
		if name != "port" {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	for _, name := range names {
		canonical, _ := r.reg.canonical(name)
		r.set(setting{name: canonical, raw: flags[name], source: "command line", byFlag: true})
		if r.reg.knows(canonical) {
			continue
		}
		hint := ""
		if near := r.reg.nearest(canonical); near != "" {
			hint = "; did you mean " + near + "?"
		}
		r.invalid(r.order, clip(name), "command line: there is no property of this name%s", hint)
	}
}

// applyPort lets the flag --port change the port of the address to listen on.
func (r *reader) applyPort(flags map[string]string, e *expander) {
	port, ok := flags["port"]
	if !ok {
		return
	}
	const name = "portal.instance.inet.socket.address"
	if n, err := strconv.Atoi(port); err != nil || n < 0 || n > 65535 {
		r.invalid(r.order, name, "flag --port: %q is not a port; a whole number from 0 to 65535 is expected", clip(port))
		return
	}
	host, _, err := net.SplitHostPort(strings.TrimSpace(e.value(name).value))
	if err != nil {
		return // the address itself is wrong, which is told where it stands
	}
	delete(e.done, name)
	r.set(setting{name: name, raw: net.JoinHostPort(host, port), source: "flag --port", literal: true, byFlag: true})
}

// inOrder gives what is set, in the order in which it was read.
func (r *reader) inOrder() []setting {
	out := make([]setting, 0, len(r.values))
	for _, s := range r.values {
		out = append(out, s)
	}
	slices.SortFunc(out, func(a, b setting) int { return a.order - b.order })
	return out
}

// fill reads every value that Stoa uses. What it does not use cannot stop it: a reference there that leads nowhere
// is left as it stands, as Liferay does with what it fills in while it runs.
func (r *reader) fill(c *Config, e *expander) {
	for _, s := range r.inOrder() {
		p, arg := r.reg.find(s.name)
		if p == nil || !p.used() || s.name == nameHome {
			continue
		}
		v := e.value(s.name)
		if v.problem != "" {
			r.invalid(s.order, clip(s.name), "%s: %s", s.source, v.problem)
			r.fallBack(c, p, arg)
			continue
		}
		if p.EmptyIsDefault && v.value == "" {
			r.emptyDefault(c, e, p, s)
			continue
		}
		verdict, warning := p.kind.set(c, arg, v.value)
		switch verdict {
		case fine:
			if warning != "" {
				r.warn("%s at %s: %s", s.name, s.source, warning)
			}
		case later:
			r.keepDefault(c, e, p, s, v)
		default:
			r.invalid(s.order, s.name, "%s: %s is wrong; %s is expected%s", s.source, quoted(v.value, v.secret), p.kind.want, defaultHint(p))
			r.fallBack(c, p, arg)
		}
	}
}

// fallBack gives a setting whose value is wrong the default, for the rest of a report.
func (r *reader) fallBack(c *Config, p *property, arg string) {
	if !p.NoValue {
		v := newExpander(r.reg, r.fixed, r.values).text(p.Default)
		_, _ = p.kind.set(c, arg, v.value)
	}
}

// emptyDefault takes an empty value for the default, where Liferay's own file has an empty value.
func (r *reader) emptyDefault(c *Config, e *expander, p *property, s setting) {
	r.values[s.name] = setting{name: s.name, raw: p.Default, source: "default (" + s.source + " is empty)", order: s.order}
	delete(e.done, s.name)
	if verdict, _ := p.kind.set(c, "", e.value(s.name).value); verdict != fine {
		r.invalid(s.order, s.name, "%s: the default is no value either", s.source)
	}
}

func defaultHint(p *property) string {
	switch {
	case p.NoValue || p.Secret:
		return ""
	case p.Default == "":
		return " (the default is empty)"
	}
	return " (the default is " + clip(p.Default) + ")"
}

// keepDefault goes on with the default where a value asks for something that Stoa does not have yet.
func (r *reader) keepDefault(c *Config, e *expander, p *property, s setting, v expanded) {
	r.warn("%s at %s: %s is a value of Liferay for which Stoa has nothing yet; the default, %s, is used instead",
		s.name, s.source, quoted(v.value, v.secret), emptyAs(p.Default, "an empty value"))
	r.values[s.name] = setting{name: s.name, raw: p.Default, source: "default (not " + s.source + ")", order: s.order}
	delete(e.done, s.name)
	if verdict, _ := p.kind.set(c, "", e.value(s.name).value); verdict != fine {
		r.invalid(s.order, s.name, "%s: the default is no value either", s.source)
	}
}

func emptyAs(s, instead string) string {
	if s == "" {
		return instead
	}
	return s
}
