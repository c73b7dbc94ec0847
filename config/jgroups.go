package config

import (
	"encoding/xml"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// Administrators of Liferay tell JGroups where the nodes are, in files and in properties of the Java
// machine. What they say there becomes settings of Cluster Link, so that their files go on working.

const (
	nameInitialHosts = "jgroups.tcpping.initial_hosts"
	nameBindAddr     = "jgroups.bind_addr"
	nameBindPort     = "jgroups.bind_port"

	nameChannelFile   = "cluster.link.channel.properties."
	nameChannelSystem = "cluster.link.channel.system.properties"
	javaOptions       = PrefixLiferay + "JVM_OPTS"

	maxJGroupsBytes = 256 << 10 // of one file
)

// found is a value with the place where it stands.
type found struct{ value, source string }

// applyJGroups makes settings out of what JGroups is told, where no property of Cluster Link says
// something else. It runs before values are read, so that they are checked and listed like all others.
func (r *reader) applyJGroups(e *expander) {
	if on, v, _ := boolean().parse(e.value(nameEnabled).value); v != fine || !on {
		return
	}
	system := r.systemProperties(e)
	told := append([]map[string]found{system}, r.channelFiles(e, system)...)
	adopt := func(from, to string, valid func(raw string) bool, want string) bool {
		for _, t := range told {
			f, ok := t[from]
			switch {
			case !ok || strings.Trim(f.value, ", ") == "":
			case !valid(f.value):
				r.warn("%s: %q is wrong for %s; %s is expected, so it is left out", f.source, clip(f.value), from, want)
			default:
				delete(e.done, to)
				r.set(setting{name: to, raw: f.value, source: f.source, literal: true})
				return true
			}
		}
		return false
	}
	if !r.isSet(nameDiscovery) && !r.isSet(nameStatic) && !r.isSet(nameDNS) && adopt(nameInitialHosts, nameStatic, accepts(hostPorts()), hostPorts().want) {
		delete(e.done, nameDiscovery)
		r.set(setting{name: nameDiscovery, raw: "static", source: r.values[nameStatic].source, literal: true})
	}
	if !r.isSet(nameBind) && !r.isSet(nameBindUDP) {
		adopt(nameBindAddr, nameBind, accepts(hostName()), hostName().want)
	}
	if !r.isSet(namePort) {
		adopt(nameBindPort, namePort, accepts(portNumber()), portNumber().want)
	}
}

func accepts[T any](p parser[T]) func(string) bool {
	return func(raw string) bool {
		_, v, _ := p.parse(raw)
		return v == fine
	}
}

// systemProperties gives the properties of the Java machine: those that are set by their own names, and
// those in the list.
func (r *reader) systemProperties(e *expander) map[string]found {
	out := map[string]found{}
	list, last := r.values[nameChannelSystem], ""
	for _, item := range splitList(e.value(nameChannelSystem).value) {
		if name, value, ok := strings.Cut(item, ":"); ok {
			last = strings.TrimSpace(name)
			out[last] = found{strings.TrimSpace(value), list.source}
		} else if f, ok := out[last]; ok { // a value that is a list of its own, such as initial_hosts
			out[last] = found{f.value + "," + item, f.source}
		}
	}
	for name, s := range r.values {
		if strings.HasPrefix(name, "jgroups.") && r.isSet(name) {
			out[name] = found{strings.TrimSpace(e.value(name).value), s.source}
		}
	}
	for name, f := range out {
		if name == nameBindAddr {
			f.value = bindAddress(f.value)
		}
		out[name] = f
	}
	return out
}

// bindAddress turns the words that JGroups has for addresses into one, or into nothing where
// autodetection does what the word asks for.
func bindAddress(s string) string {
	switch strings.ToLower(s) {
	case "global", "site_local", "link_local", "non_loopback":
		return ""
	case "loopback":
		return "127.0.0.1"
	}
	return s
}

// channelFiles reads the files of the channels, that of the control channel first.
func (r *reader) channelFiles(e *expander, system map[string]found) []map[string]found {
	var names []string
	for name := range r.values {
		if strings.HasPrefix(name, nameChannelFile) && r.isSet(name) && e.value(name).value != "" {
			names = append(names, name)
		}
	}
	slices.SortFunc(names, func(a, b string) int { return channelNumber(a) - channelNumber(b) })
	var out []map[string]found
	var missing []string
	seen := map[string]bool{}
	for _, name := range names {
		value := e.value(name).value
		path := r.channelFile(value)
		switch {
		case seen[value] || path != "" && seen[path]:
		case path == "":
			missing = append(missing, clip(value)+" ("+r.values[name].source+")")
		default:
			if told := r.readChannelFile(path, system); told != nil {
				out = append(out, told)
			}
		}
		seen[value], seen[path] = true, true
	}
	if len(missing) > 0 {
		r.warn("there is no JGroups, so its files are not needed, and these are not there: %s; addresses of nodes would be read from them", some(missing))
	}
	return out
}

// channelNumber orders the control channel, −1, before the transport channels.
func channelNumber(name string) int {
	n, err := strconv.Atoi(strings.TrimPrefix(name, nameChannelFile+"transport."))
	if err != nil {
		return -1
	}
	return n
}

// channelFile finds a file that is named by its path or as Java names what is on the class path, which
// is the working directory here. It is empty when there is none.
func (r *reader) channelFile(name string) string {
	name = strings.TrimPrefix(strings.TrimPrefix(name, "file://"), "file:")
	candidates := []string{filepath.Join(r.home, name), filepath.Join(r.work, name)}
	if filepath.IsAbs(name) {
		candidates = append([]string{filepath.Clean(name)}, candidates...)
	}
	for _, path := range candidates {
		if _, err := os.Stat(path); err == nil {
			return path
		}
	}
	return ""
}

// readChannelFile gives what a file says; what is wrong with it is a warning, because nothing in it is
// necessary.
func (r *reader) readChannelFile(path string, system map[string]found) map[string]found {
	name := r.display(path)
	if info, err := os.Stat(path); err != nil || !info.Mode().IsRegular() {
		r.warn("%s is no file that can be read and is left out; an XML file of JGroups is expected", name)
		return nil
	}
	text, err := readLimited(path)
	if err != nil {
		r.warn("%s cannot be read (%v) and is left out; make it readable, or remove it", name, bare(err))
		return nil
	}
	told, line, err := parseJGroups(text)
	if err != nil {
		r.warn("%s:%d: %v; the file is left out", name, line, err)
		return nil
	}
	out := map[string]found{}
	for key, at := range told {
		value := resolveJGroups(at.value, system)
		if key == nameBindAddr {
			value = bindAddress(value)
		}
		out[key] = found{value, name + ":" + strconv.Itoa(at.line)}
	}
	if len(out) == 0 {
		r.warn("%s has nothing that is used here, which is initial_hosts of TCPPING, and bind_addr and bind_port of TCP", name)
	}
	return out
}

// located is an attribute with the line on which its element begins.
type located struct {
	value string
	line  int
}

var (
	errJGroupsSize    = errors.New("the file has more than " + formatBytes(maxJGroupsBytes) + ", so this is no file of JGroups")
	errJGroupsType    = errors.New("a file of JGroups has no document type")
	errJGroupsXML     = errors.New("this is not well-formed XML")
	errJGroupsCharset = errors.New("UTF-8 is expected")
)

// parseJGroups gives the attributes that are of use, by the names of their system properties. Of an
// error it gives the line; the message quotes nothing, because such files hold passwords.
func parseJGroups(text string) (told map[string]located, line int, err error) {
	if len(text) > maxJGroupsBytes {
		return nil, 1, errJGroupsSize
	}
	d := xml.NewDecoder(strings.NewReader(text))
	d.CharsetReader = func(string, io.Reader) (io.Reader, error) { return nil, errJGroupsCharset }
	told = map[string]located{}
	for {
		line, _ = d.InputPos()
		token, err := d.Token()
		var syntax *xml.SyntaxError
		switch {
		case err == io.EOF:
			return told, 0, nil
		case errors.As(err, &syntax):
			return nil, syntax.Line, errJGroupsXML
		case errors.Is(err, errJGroupsCharset):
			return nil, line, errJGroupsCharset
		case err != nil:
			return nil, line, errJGroupsXML
		}
		switch t := token.(type) {
		case xml.Directive:
			return nil, line, errJGroupsType
		case xml.StartElement:
			for _, a := range t.Attr {
				key := jgroupsKey(t.Name.Local, a.Name.Local)
				if _, twice := told[key]; key != "" && !twice {
					told[key] = located{strings.TrimSpace(a.Value), line}
				}
			}
		}
	}
}

// jgroupsKey gives the name under which an attribute of a protocol is of use, empty when it is not.
// Other protocols have addresses and ports of their own.
func jgroupsKey(element, attribute string) string {
	tcp := element == "TCP" || element == "TCP_NIO2"
	switch {
	case element == "TCPPING" && attribute == "initial_hosts":
		return nameInitialHosts
	case (tcp || element == "UDP") && attribute == "bind_addr":
		return nameBindAddr
	case tcp && attribute == "bind_port":
		return nameBindPort
	}
	return ""
}

// resolveJGroups fills in ${name:default} and ${name,other:default}, the innermost first.
func resolveJGroups(s string, system map[string]found) string {
	const most = 1000 // a property may refer to itself
	for range most {
		end := strings.IndexByte(s, '}')
		if end < 0 || len(s) > maxExpandedSize {
			break
		}
		begin := strings.LastIndex(s[:end], "${")
		if begin < 0 {
			break
		}
		names, value, _ := strings.Cut(s[begin+2:end], ":")
		for name := range strings.SplitSeq(names, ",") {
			if f, ok := system[strings.TrimSpace(name)]; ok {
				value = f.value
				break
			}
		}
		s = s[:begin] + value + s[end+1:]
	}
	return strings.TrimSpace(s)
}

// readJavaOptions takes what the Java machine is told about JGroups: -Djgroups.name=value.
func (r *reader) readJavaOptions(environ []string) {
	for _, item := range environ {
		options, ok := strings.CutPrefix(item, javaOptions+"=")
		if !ok {
			continue
		}
		for option := range strings.FieldsSeq(options) {
			name, value, ok := strings.Cut(strings.TrimPrefix(option, "-D"), "=")
			if ok && strings.HasPrefix(option, "-Djgroups.") {
				r.set(setting{name: name, raw: strings.Trim(value, `"'`), source: "environment " + javaOptions, literal: true})
			}
		}
	}
}
