package db

import (
	"net"
	"net/url"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/stoa-portal/stoa"
)

// address is a database address taken apart, before anything in it was understood.
type address struct {
	property string // whose value it is, for sentences
	scheme   string // "sqlite", "postgres", "mysql" or "mariadb"
	user     string
	password string
	hosts    []endpoint // at least one, but for SQLite
	name     string     // of the database; the path of the file for SQLite
	params   []param
}

// endpoint is one server: a name or an IP address with its port ("" for the usual one), or the path of a socket.
type endpoint struct{ host, port string }

// param is one parameter as it was written, its value decoded.
type param struct{ name, value string }

// modes are the words of the Java drivers between jdbc:mariadb: or jdbc:mysql: and the hosts, which say how
// several hosts are used. Here all mean the same: the hosts are those among which the writable one is found.
func modes() []string {
	return []string{"sequential", "failover", "loadbalance", "load-balance-read", "replication", "aurora"}
}

// others are engines that Java knows and this program does not, by the scheme of their addresses.
func others() map[string]string {
	return map[string]string{
		"hsqldb": "HSQLDB, the demonstration database of Liferay", "h2": "H2", "derby": "Derby", "oracle": "Oracle",
		"sqlserver": "SQL Server",
		"jtds":      "SQL Server or Sybase", "sybase": "Sybase", "db2": "DB2", "informix-sqli": "Informix",
		"p6spy": "P6Spy, which wraps another driver",
		"tidb":  "TiDB", "mysqlx": "the X protocol of MySQL", "mysql+srv": "a list of hosts in DNS",
		"postgresql+srv": "a list of hosts in DNS",
	}
}

// property is the name of the setting that the address stands in.
func (o Options) property() string {
	if o.Property == "" {
		return "jdbc.default.url"
	}
	return o.Property
}

const addressForms = "sqlite:/path/file.db, postgres://host/name, mariadb://host/name, mysql://host/name or their " +
	"jdbc: forms are expected"

// badAddress refuses the address as a whole.
func (o Options) badAddress(format string, args ...any) error {
	return stoa.Invalid(o.property(), format, args...)
}

// refuse refuses the address as a whole.
func (a address) refuse(format string, args ...any) error {
	return stoa.Invalid(a.property, format, args...)
}

// unreadable refuses an address that cannot be taken apart. It is not quoted: it cannot be known where a password
// stands in it.
func (o Options) unreadable(what string) error {
	return o.badAddress("%s; %s", what, addressForms)
}

// readAddress takes the address of o apart. User and password of o fill in what the address lacks.
func readAddress(o Options) (address, error) {
	a := address{property: o.property()}
	rest, java := cutPrefixFold(strings.TrimSpace(o.URL), "jdbc:")
	scheme, rest, ok := strings.Cut(rest, ":")
	if !ok || scheme == "" {
		return a, o.unreadable("this is not a database address")
	}
	scheme = strings.ToLower(scheme)
	switch scheme {
	case "sqlite", "sqlite3", "file":
		a.scheme = "sqlite"
		path, _, _ := strings.Cut(strings.TrimPrefix(rest, "//"), "?")
		if path == "" {
			return a, o.unreadable("the address names no file")
		}
		abs, err := filepath.Abs(path)
		if err != nil {
			return a, o.unreadable("the path of the file cannot be made out")
		}
		a.name = abs
		return a, nil
	case "postgres", "postgresql":
		a.scheme = "postgres"
		if java && !strings.HasPrefix(rest, "//") { // jdbc:postgresql:name, jdbc:postgresql:/
			rest = "///" + strings.TrimPrefix(rest, "/")
		}
	case "mysql", "mariadb":
		a.scheme = scheme
		if mode, hosts, ok := strings.Cut(rest, ":"); ok && mode != "" && !strings.HasPrefix(mode, "/") {
			if !slices.Contains(modes(), strings.ToLower(mode)) {
				return a, o.unreadable("the way to use several hosts, " + strconv.Quote(stoa.Short(mode,
					30)) + ", is not known: " + strings.Join(modes(), ", ") + " are")
			}
			rest = hosts
		}
	default:
		if engine := others()[scheme]; engine != "" {
			return a, o.unreadable("jdbc:" + scheme + ": means " + engine + ", which is not supported")
		}
		return a, o.unreadable("this is not a database address")
	}
	if rest, ok = strings.CutPrefix(rest, "//"); !ok {
		return a, o.unreadable("there are no // before the host")
	}
	return a, o.takeApart(&a, rest, java)
}

// takeApart reads what stands behind the slashes: user:password@hosts/name?parameters.
func (o Options) takeApart(a *address, rest string, java bool) error {
	rest, query, _ := strings.Cut(rest, "?")
	hosts, name, _ := cutOutside(rest, '/')
	// As their drivers do: MariaDB's takes everything as it is written, Java decodes a plus as a space.
	decode := url.PathUnescape
	switch {
	case java && a.scheme == "mariadb":
		decode = func(s string) (string, error) { return s, nil }
	case java:
		decode = url.QueryUnescape
	}
	var err error
	if a.name, err = decode(name); err != nil {
		return o.badEscape("the name of the database")
	}
	for part := range strings.SplitSeq(query, "&") {
		if part == "" {
			continue
		}
		k, v, _ := strings.Cut(part, "=")
		value, err := decode(v)
		if err != nil {
			return o.badEscape("the parameter " + stoa.Short(k, 60))
		}
		a.params = append(a.params, param{k, value})
	}
	a.user, a.password = o.User, o.Password
	if i := strings.LastIndexByte(hosts, '@'); i >= 0 {
		u, p, hasPassword := strings.Cut(hosts[:i], ":")
		hosts = hosts[i+1:]
		if a.user, err = decode(u); err != nil {
			return o.badEscape("the user")
		}
		if hasPassword {
			if a.password, err = decode(p); err != nil {
				return o.badEscape("the password")
			}
		}
	}
	return o.readHosts(a, hosts)
}

func (o Options) badEscape(where string) error {
	return o.badAddress("a percent sign in %s is not followed by two hexadecimal digits; a percent sign itself is "+
		"written %%25", where)
}

// readHosts reads h1:1,h2,[::1]:3,address=(host=h4)(port=4),(host=h5,port=5).
func (o Options) readHosts(a *address, list string) error {
	for more := true; more; {
		var one string
		one, list, more = cutOutside(list, ',')
		e, err := o.readHost(a, strings.TrimSpace(one))
		if err != nil {
			return err
		}
		a.hosts = append(a.hosts, e)
	}
	return nil
}

func (o Options) readHost(a *address, s string) (endpoint, error) {
	wrong := func() (endpoint, error) {
		return endpoint{}, o.unreadable("one of the hosts, " + strconv.Quote(stoa.Short(s,
			80)) + ", is neither host, host:port nor [IPv6 address]:port")
	}
	if fields, ok := cutPrefixFold(s, "address="); ok || strings.HasPrefix(s, "(") {
		return o.readFields(a, s, fields)
	}
	var e endpoint
	switch {
	case s == "":
	case strings.HasPrefix(s, "["):
		host, port, ok := strings.Cut(s[1:], "]")
		if !ok || port != "" && port[0] != ':' {
			return wrong()
		}
		e.host, e.port = host, strings.TrimPrefix(port, ":")
		if net.ParseIP(strings.Split(host, "%")[0]) == nil {
			return wrong()
		}
	case strings.Count(s, ":") > 1:
		if net.ParseIP(s) == nil {
			return wrong()
		}
		e.host = s
	default:
		e.host, e.port, _ = strings.Cut(s, ":")
		if path, err := url.PathUnescape(e.host); err == nil { // %2Fvar%2Frun%2Fpostgresql
			e.host = path
		}
	}
	if strings.ContainsAny(e.host, " \t?#()=@\\") || e.port != "" && !isPort(e.port) {
		return wrong()
	}
	return e, nil
}

// readFields reads a host written as address=(host=h)(port=1)(type=replica) or (host=h,port=1).
func (o Options) readFields(a *address, whole, fields string) (endpoint, error) {
	if fields == "" || fields == whole {
		fields = whole
	}
	fields = strings.Trim(strings.NewReplacer(")(", ",", ") (", ",").Replace(fields), "() ")
	var e endpoint
	for f := range strings.SplitSeq(fields, ",") {
		k, v, _ := strings.Cut(f, "=")
		k, v = strings.ToLower(strings.TrimSpace(k)), strings.TrimSpace(v)
		switch k {
		case "host":
			e.host = strings.Trim(v, "[]")
		case "port":
			e.port = v
		case "type", "priority", "protocol":
			// Which host is the primary is asked of the hosts; of the protocols there is TCP alone.
			if k == "protocol" && !strings.EqualFold(v, "tcp") {
				return e, o.badAddress("a host asks for protocol=%s; tcp is expected", stoa.Short(v, 30))
			}
		default:
			return e, o.badAddress("a host has %q, which is not known; host, port and type are expected there, and other "+
				"parameters behind the name of the database", stoa.Short(k, 40))
		}
	}
	if e.host == "" || strings.ContainsAny(e.host, " \t()") || e.port != "" && !isPort(e.port) {
		return e, o.badAddress("the host %q cannot be read; address=(host=name)(port=3306) is expected", stoa.Short(whole,
			80))
	}
	return e, nil
}

func isPort(s string) bool {
	n, err := strconv.Atoi(s)
	return err == nil && n > 0 && n <= 65535
}

// cutOutside cuts s at the first sep that stands in no brackets.
func cutOutside(s string, sep byte) (before, after string, found bool) {
	depth := 0
	for i := range len(s) {
		switch c := s[i]; {
		case c == '(' || c == '[':
			depth++
		case c == ')' || c == ']':
			depth--
		case c == sep && depth <= 0:
			return s[:i], s[i+1:], true
		}
	}
	return s, "", false
}

func cutPrefixFold(s, prefix string) (rest string, ok bool) {
	if len(s) < len(prefix) || !strings.EqualFold(s[:len(prefix)], prefix) {
		return s, false
	}
	return s[len(prefix):], true
}
