package config

import (
	"bytes"
	"fmt"
	"io"
	"strings"
)

// fullDoc is the meaning with the unit.
func (p *property) fullDoc() string {
	if p.Unit == "" {
		return p.Doc
	}
	return p.Doc + " Unit: " + p.Unit + "."
}

// expects says what values are right, as a sentence.
func (p *property) expects() string {
	if !p.used() || p.kind.want == "any text" {
		return ""
	}
	w := p.kind.want
	return strings.ToUpper(w[:1]) + w[1:] + "."
}

// WriteDocs writes the reference of all properties as Markdown: default, meaning, unit, what values are
// right, and the environment variable. It returns the error of the writer.
func WriteDocs(w io.Writer) error {
	var b bytes.Buffer
	b.WriteString(`# Properties

This page is made by ` + "`stoa config docs`" + ` from the table that also reads and checks the values; do not edit it.
` + "`stoa config`" + ` shows the values in force on a node and where each comes from.

Settings are read in this order; the last one counts:

1. the defaults on this page
2. ` + "`portal-bundle.properties`, `portal-ext.properties`, `portal-setup-wizard.properties`" + `: of each first the file in the
   working directory, then the one in ` + "`liferay.home`" + `
3. the file of the flag ` + "`--external-properties`" + `, in the same two places
4. files that a line ` + "`include-and-override=name`" + ` asks for, in the order in which they are met
5. environment variables: those that begin with ` + "`LIFERAY_`, then those that begin with `STOA_`" + `
6. the command line

A file is a Java properties file in UTF-8. ` + "`${other.name}`" + ` stands for the value of another property, and ` + "`$${`" + ` for the
characters ` + "`${`" + `. An empty value is a value. ` + "`name[stoa]=value`" + ` counts more than ` + "`name=value`" + ` in the same file, so that
one file can serve two portals; other filters are not used, except the quoted ones that are part of a name below.

The environment variable of each property is given with the prefix ` + "`STOA_`; `LIFERAY_`" + ` works too. Sizes may be written as
` + "`512KiB`, `64MiB`, `2GiB`" + `, durations as ` + "`1500ms`, `30s`, `5m`, `2h`, `7d`" + `; where a unit is given in the table, a bare
number is in that unit. Values marked *secret* are never shown. Values marked *shared* must be the same on all nodes of a
cluster, and ` + "`stoa cluster status`" + ` names those that are not.
`)
	for _, s := range sections() {
		fmt.Fprintf(&b, "\n## %s\n\n", s.Title)
		if s.Intro != "" {
			fmt.Fprintf(&b, "%s\n\n", s.Intro)
		}
		switch {
		case s.Brief:
			writeBrief(&b, s)
		case s.used():
			writeUsed(&b, s)
		default:
			b.WriteString("| property | why |\n|---|---|\n")
			for i := range s.Props {
				fmt.Fprintf(&b, "| %s | %s |\n", code(s.Props[i].Name), cell(s.Props[i].Doc))
			}
		}
	}
	_, err := w.Write(b.Bytes())
	return err
}

// writeBrief writes the names of each meaning in one row.
func writeBrief(b *bytes.Buffer, s section) {
	b.WriteString("| properties | why |\n|---|---|\n")
	for i := 0; i < len(s.Props); {
		why, names := s.Props[i].Doc, []string(nil)
		for ; i < len(s.Props) && s.Props[i].Doc == why; i++ {
			names = append(names, code(s.Props[i].Name))
		}
		fmt.Fprintf(b, "| %s | %s |\n", strings.Join(names, ", "), cell(why))
	}
}

func (s *section) used() bool { return s.Props[0].used() }

func writeUsed(b *bytes.Buffer, s section) {
	b.WriteString("| property and variable | default | meaning |\n|---|---|---|\n")
	for i := range s.Props {
		p := &s.Props[i]
		def := code(p.Default)
		switch {
		case p.NoValue:
			def = "not set"
		case p.Default == "":
			def = "empty"
		case len(p.Default) > 60:
			def = strings.ReplaceAll(def, ",", ", ")
		}
		meaning := p.fullDoc()
		if e := p.expects(); e != "" {
			meaning += " Values: " + strings.ToLower(e[:1]) + e[1:]
		}
		meaning = cell(meaning)
		if p.Secret {
			meaning += " *Secret.*"
		}
		if p.Shared {
			meaning += " *Shared.*"
		}
		fmt.Fprintf(b, "| %s<br>%s | %s | %s |\n", code(p.Name), code(p.variable()), def, meaning)
	}
}

// variable is the environment variable, with the placeholder of a family left as it is.
func (p *property) variable() string {
	if p.Name == "liferay.home" {
		return homeVariable
	}
	before, rest, ok := strings.Cut(p.Name, "<")
	if !ok {
		return EnvName(PrefixStoa, p.Name)
	}
	arg, after, _ := strings.Cut(rest, ">")
	return EnvName(PrefixStoa, before) + "<" + strings.ToUpper(arg) + ">" + EnvName("", after)
}

func code(s string) string { return "`" + strings.ReplaceAll(s, "|", "\\|") + "`" }

func cell(s string) string {
	return strings.NewReplacer("|", "\\|", "<", "&lt;", "*", "\\*", "\n", " ").Replace(s)
}

// writeProperties writes the built-in portal.properties.
func writeProperties(w io.Writer) error {
	var b bytes.Buffer
	b.WriteString(`##
## The settings of Stoa and their defaults. This file is part of the program: do not edit it, but put what
## you want to be different into portal-ext.properties. docs/properties.md has the same text as tables.
##
## "Env" is the environment variable that sets a property; LIFERAY_ works in the place of STOA_ too.
## This file is made from the tables in package config: go test ./config -run Generated -update
##

#
# Files that are read after this one, in this order; the last value counts. Files add to the list with lines
# of their own. A name without a folder is looked up in the working directory.
#
`)
	for _, name := range []string{"portal-bundle.properties", "portal-ext.properties", "portal-setup-wizard.properties", externalRef} {
		fmt.Fprintf(&b, "%s=%s\n%s=%s/%s\n", includeName, name, includeName, homeRef, name)
	}
	for _, s := range sections() {
		if s.Brief {
			continue
		}
		fmt.Fprintf(&b, "\n##\n## %s\n##\n", s.Title)
		comment(&b, strings.ReplaceAll(s.Intro, "`", ""))
		for i := range s.Props {
			p := &s.Props[i]
			b.WriteString("\n")
			comment(&b, p.Doc)
			if p.Unit != "" {
				comment(&b, "Unit: "+p.Unit+".")
			}
			if e := p.expects(); e != "" {
				comment(&b, "Values: "+strings.ToLower(e[:1])+e[1:])
			}
			off := ""
			switch {
			case p.NoValue:
				off = "#"
				comment(&b, "Default: none.")
			case p.Default == "":
				comment(&b, "Default: empty.")
			default:
				comment(&b, "Default: "+p.Default)
			}
			b.WriteString("# Env: " + p.variable() + "\n")
			fmt.Fprintf(&b, "%s%s=%s\n", off, escape(p.Name, true), escape(p.Default, false))
		}
	}
	_, err := w.Write(b.Bytes())
	return err
}

// comment writes text as comment lines of at most 110 characters where the words allow it.
func comment(b *bytes.Buffer, text string) {
	line := "#"
	for _, word := range strings.Fields(text) {
		if len(line)+1+len(word) > 110 && line != "#" {
			b.WriteString(line + "\n")
			line = "#"
		}
		line += " " + word
	}
	if line != "#" {
		b.WriteString(line + "\n")
	}
}
