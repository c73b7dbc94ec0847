package config

import (
	"fmt"
	"log/slog"
	"net"
	"net/mail"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/stoa-portal/stoa"
)

// verdict says what became of a value.
type verdict uint8

const (
	wrong verdict = iota // not a value of this property; the zero value, so that nothing passes by accident
	fine
	later // a legal value that Stoa has nothing for yet: the default is used and a warning given
)

// kind knows how to read the value of a property and where in Config it goes.
type kind struct {
	want string                                                       // "a whole number from 1 to 100"; completes "… is expected"
	set  func(c *Config, arg, raw string) (v verdict, warning string) // nil for a name that is not used
	get  func(c *Config, arg string) string                           // what is in force; nil when the value is not kept
}

// parser reads one type of value.
type parser[T any] struct {
	want  string
	parse func(raw string) (value T, v verdict, warning string)
}

// into stores the value in a field.
func into[T any](p parser[T], field func(*Config) *T) kind {
	return kind{want: p.want, set: func(c *Config, _, raw string) (verdict, string) {
		value, v, warning := p.parse(raw)
		if v == fine {
			*field(c) = value
		}
		return v, warning
	}, get: func(c *Config, _ string) string { return fmt.Sprint(*field(c)) }}
}

// intoMap stores the value of a family of names under what stands in the place of the placeholder.
func intoMap[T any](p parser[T], field func(*Config) *map[string]T) kind {
	return kind{want: p.want, set: func(c *Config, arg, raw string) (verdict, string) {
		value, v, warning := p.parse(raw)
		if v == fine {
			m := field(c)
			if *m == nil {
				*m = map[string]T{}
			}
			(*m)[arg] = value
		}
		return v, warning
	}, get: func(c *Config, arg string) string { return fmt.Sprint((*field(c))[arg]) }}
}

// checked stores nothing: the value is used before others are read.
func checked[T any](p parser[T]) kind {
	return kind{want: p.want, set: func(_ *Config, _, raw string) (verdict, string) {
		_, v, warning := p.parse(raw)
		return v, warning
	}}
}

// simple builds a parser from a function that only says yes or no.
func simple[T any](want string, parse func(raw string) (T, bool)) parser[T] {
	return parser[T]{want, func(raw string) (T, verdict, string) {
		value, ok := parse(raw)
		if !ok {
			return value, wrong, ""
		}
		return value, fine, ""
	}}
}

func text() parser[string] {
	return simple("any text", func(raw string) (string, bool) { return raw, true })
}

func someText() parser[string] {
	return simple("some text, not empty", func(raw string) (string, bool) { return raw, strings.TrimSpace(raw) != "" })
}

// words without control characters, for names that go into headers and logs.
func plainText() parser[string] {
	return simple("text on one line", func(raw string) (string, bool) {
		return raw, !strings.ContainsFunc(raw, func(r rune) bool { return r < ' ' || r == 0x7f })
	})
}

func boolean() parser[bool] {
	return parser[bool]{"true or false", func(raw string) (bool, verdict, string) {
		switch strings.ToLower(strings.TrimSpace(raw)) {
		case "true":
			return true, fine, ""
		case "false":
			return false, fine, ""
		case "yes", "on", "1":
			return true, fine, fmt.Sprintf("%q is read as true; write true", raw)
		case "no", "off", "0":
			return false, fine, fmt.Sprintf("%q is read as false; write false", raw)
		case "":
			return false, fine, "the empty value is read as false; write false"
		}
		return false, wrong, ""
	}}
}

func whole(low, high int) parser[int] {
	return simple(fmt.Sprintf("a whole number from %d to %d", low, high), func(raw string) (int, bool) {
		n, err := strconv.Atoi(strings.TrimSpace(raw))
		return n, err == nil && n >= low && n <= high
	})
}

// portNumber is a port to listen on; 0 stands for any free one.
func portNumber() parser[int] { return whole(0, 65535) }

// byteSize is an amount of memory or disk, at least low.
func byteSize(low int64) parser[int64] {
	return simple("a number of bytes, plain or with a unit such as 512KiB, 64MiB or 2GiB, at least "+formatBytes(low), func(raw string) (int64, bool) {
		n, ok := parseBytes(raw)
		return n, ok && n >= low
	})
}

// cacheBytes takes none, or enough to be of use.
func cacheBytes() parser[int64] {
	want := "0, or a number of bytes of at least 1 MiB, plain or with a unit such as 512MiB or 2GiB"
	return simple(want, func(raw string) (int64, bool) {
		n, ok := parseBytes(raw)
		return n, ok && (n == 0 || n >= 1<<20)
	})
}

func parseBytes(raw string) (int64, bool) {
	s := strings.TrimSpace(raw)
	end := len(s)
	for end > 0 && (s[end-1] < '0' || s[end-1] > '9') {
		end--
	}
	var unit int64
	switch strings.ToLower(strings.TrimSpace(s[end:])) {
	case "", "b":
		unit = 1
	case "k", "kib":
		unit = 1 << 10
	case "m", "mib":
		unit = 1 << 20
	case "g", "gib":
		unit = 1 << 30
	case "t", "tib":
		unit = 1 << 40
	case "kb":
		unit = 1e3
	case "mb":
		unit = 1e6
	case "gb":
		unit = 1e9
	case "tb":
		unit = 1e12
	default:
		return 0, false
	}
	n, err := strconv.ParseInt(s[:end], 10, 64)
	if err != nil || n < 0 || n > (1<<62)/unit {
		return 0, false
	}
	return n * unit, true
}

func formatBytes(n int64) string {
	for _, u := range []struct {
		size int64
		name string
	}{{1 << 30, "GiB"}, {1 << 20, "MiB"}, {1 << 10, "KiB"}} {
		if n >= u.size && n%u.size == 0 {
			return strconv.FormatInt(n/u.size, 10) + u.name
		}
	}
	return strconv.FormatInt(n, 10)
}

// period is a duration with its unit: Stoa's own properties never take a bare number, because
// nobody can tell from the file what it counts.
func period(low, high time.Duration) parser[time.Duration] {
	want := fmt.Sprintf("a duration with its unit, from %s to %s, such as 1500ms, 30s, 5m, 2h or 7d (a bare number does not say what it counts)", formatPeriod(low), formatPeriod(high))
	return simple(want, func(raw string) (time.Duration, bool) {
		d, ok := parsePeriod(raw)
		return d, ok && d >= low && d <= high
	})
}

// counted is a duration in the unit that Liferay gives the property; a value with a unit of its own is
// taken as well.
func counted(unit time.Duration, low, high int) parser[time.Duration] {
	name := map[time.Duration]string{time.Millisecond: "milliseconds", time.Second: "seconds", time.Minute: "minutes"}[unit]
	want := fmt.Sprintf("a whole number of %s from %d to %d, or a duration with its unit from %s to %s", name, low, high,
		formatPeriod(time.Duration(low)*unit), formatPeriod(time.Duration(high)*unit))
	return simple(want, func(raw string) (time.Duration, bool) {
		d, ok := parsePeriod(raw)
		if n, err := strconv.Atoi(strings.TrimSpace(raw)); err == nil {
			return time.Duration(n) * unit, n >= low && n <= high
		}
		return d, ok && d >= time.Duration(low)*unit && d <= time.Duration(high)*unit
	})
}

func parsePeriod(raw string) (time.Duration, bool) {
	s := strings.TrimSpace(raw)
	var days time.Duration
	if before, after, ok := strings.Cut(s, "d"); ok {
		n, err := strconv.ParseFloat(before, 64)
		if err != nil || strings.Trim(before, "0123456789.") != "" || n > 36500 {
			return 0, false
		}
		days = time.Duration(n * float64(24*time.Hour))
		if s = after; s == "" {
			return days, true
		}
	}
	d, err := time.ParseDuration(s)
	if err != nil || d < 0 || d > 36500*24*time.Hour {
		return 0, false
	}
	return days + d, true
}

func formatPeriod(d time.Duration) string {
	if day := 24 * time.Hour; d >= day && d%day == 0 {
		return strconv.Itoa(int(d/day)) + "d"
	}
	s := d.String()
	s = strings.TrimSuffix(s, "m0s") + map[bool]string{true: "m"}[strings.HasSuffix(s, "m0s")]
	return strings.TrimSuffix(s, "h0m") + map[bool]string{true: "h"}[strings.HasSuffix(s, "h0m")]
}

// oneOf takes one of the given words.
func oneOf(words ...string) parser[string] { return oneOfOrLater(words, nil) }

// oneOfOrLater also knows legal values that Stoa has nothing for yet.
func oneOfOrLater(words, notYet []string) parser[string] {
	shownWords := make([]string, len(words))
	for i, w := range words {
		if shownWords[i] = w; w == "" {
			shownWords[i] = "an empty value"
		}
	}
	return parser[string]{"one of " + strings.Join(shownWords, ", "), func(raw string) (string, verdict, string) {
		s := strings.TrimSpace(raw)
		for _, w := range words {
			if strings.EqualFold(w, s) {
				return w, fine, ""
			}
		}
		if slices.Contains(notYet, s) {
			return "", later, ""
		}
		return "", wrong, ""
	}}
}

// list takes words separated by commas; an empty value is the empty list.
func list() parser[[]string] {
	return simple("a list separated by commas", func(raw string) ([]string, bool) { return splitList(raw), true })
}

func splitList(raw string) []string {
	var out []string
	for item := range strings.SplitSeq(raw, ",") {
		if item = strings.TrimSpace(item); item != "" {
			out = append(out, item)
		}
	}
	return out
}

// networks takes addresses and CIDR ranges.
func networks() parser[[]netip.Prefix] {
	return simple("addresses or ranges separated by commas, such as 10.0.0.0/8, 192.0.2.7 or ::1", func(raw string) ([]netip.Prefix, bool) {
		var out []netip.Prefix
		for _, item := range splitList(raw) {
			if prefix, err := netip.ParsePrefix(item); err == nil {
				out = append(out, prefix.Masked())
				continue
			}
			addr, err := netip.ParseAddr(item)
			if err != nil || addr.Zone() != "" {
				return nil, false
			}
			addr = addr.Unmap()
			out = append(out, netip.PrefixFrom(addr, addr.BitLen()))
		}
		return out, true
	})
}

func isHostPort(s string, needHost bool) bool {
	host, port, err := net.SplitHostPort(s)
	if err != nil || needHost && host == "" || strings.ContainsAny(host, " \t/@?#") {
		return false
	}
	n, err := strconv.Atoi(port)
	return err == nil && n >= 0 && n <= 65535
}

// listenAddress is host:port; an empty host stands for every address of the machine.
func listenAddress() parser[string] {
	return simple("an address and a port such as 0.0.0.0:8080 or [::1]:8080", func(raw string) (string, bool) {
		s := strings.TrimSpace(raw)
		return s, isHostPort(s, false)
	})
}

// hostPortOr takes host:port, an empty value, or one of the given words.
func hostPortOr(words ...string) parser[string] {
	want := "a host and a port such as db.example.com:5432, or an empty value"
	for _, w := range words {
		want += ", or the word " + w
	}
	return simple(want, func(raw string) (string, bool) {
		s := strings.TrimSpace(raw)
		return s, s == "" || slices.Contains(words, s) || isHostPort(s, true)
	})
}

// hostPorts takes a list of host:port; host[port] is taken as well, as JGroups writes it.
func hostPorts() parser[[]string] {
	return simple("hosts with ports separated by commas, such as node-1:7800,node-2:7800", func(raw string) ([]string, bool) {
		var out []string
		for _, item := range splitList(raw) {
			if host, port, ok := strings.Cut(item, "["); ok && host != "" && strings.HasSuffix(port, "]") {
				item = net.JoinHostPort(host, strings.TrimSuffix(port, "]"))
			}
			if !isHostPort(item, true) {
				return nil, false
			}
			out = append(out, item)
		}
		return out, true
	})
}

// natsURLs takes addresses of message servers.
func natsURLs() parser[[]string] {
	return simple("addresses separated by commas, such as nats://bus-1:4222 or tls://bus-2:4222", func(raw string) ([]string, bool) {
		out := splitList(raw)
		for _, item := range out {
			scheme, rest, ok := strings.Cut(item, "://")
			if !ok || rest == "" || scheme != "nats" && scheme != "tls" && scheme != "ws" && scheme != "wss" {
				return nil, false
			}
		}
		return out, true
	})
}

// hostName takes a host without a port, or an empty value.
func hostName() parser[string] {
	return simple("a host name or address without a port, or an empty value", func(raw string) (string, bool) {
		s := strings.TrimSpace(raw)
		if _, err := netip.ParseAddr(strings.Trim(s, "[]")); err == nil {
			return s, true
		}
		return s, !strings.ContainsAny(s, " \t/:@?#[]{}<>$,;\"'\\") && len(s) <= 253
	})
}

func headerName() parser[string] {
	return simple("the name of an HTTP header such as X-Forwarded-Host", func(raw string) (string, bool) {
		s := strings.TrimSpace(raw)
		bad := strings.ContainsFunc(s, func(r rune) bool {
			return !(r == '-' || r == '_' || r >= '0' && r <= '9' || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z')
		})
		return s, s != "" && !bad
	})
}

func email() parser[string] {
	return simple("an email address such as portal@example.com", func(raw string) (string, bool) {
		s := strings.TrimSpace(raw)
		a, err := mail.ParseAddress(s)
		return s, err == nil && a.Address == s
	})
}

// databaseURL takes what looks like an address that package db understands; that package reads the rest. Liferay's
// default, an embedded HSQLDB, stands for the embedded database.
func databaseURL(mayBeEmpty bool) parser[string] {
	const want = "a database address that begins with jdbc:postgresql:, jdbc:mariadb:, jdbc:mysql:, jdbc:sqlite:, " +
		"postgres://, mysql://, mariadb:// or sqlite:"
	return parser[string]{want, func(raw string) (string, verdict, string) {
		s := strings.TrimSpace(raw)
		if s == "" && mayBeEmpty {
			return s, fine, ""
		}
		if len(s) > len("jdbc:hsqldb:") && strings.EqualFold(s[:len("jdbc:hsqldb:")], "jdbc:hsqldb:") {
			return "", later, ""
		}
		for _, p := range []string{"jdbc:mysql:", "jdbc:mariadb:", "jdbc:postgresql:", "jdbc:sqlite:",
			"postgres://", "postgresql://", "mysql://", "mariadb://", "sqlite:"} {
			if len(s) > len(p) && strings.EqualFold(s[:len(p)], p) {
				return s, fine, ""
			}
		}
		return s, wrong, ""
	}}
}

func locale() parser[stoa.Locale] {
	return simple("a language such as en_US, de or pt-BR", func(raw string) (stoa.Locale, bool) {
		l, err := stoa.ParseLocale(strings.TrimSpace(raw))
		return l, err == nil
	})
}

func locales() parser[[]stoa.Locale] {
	return simple("languages separated by commas, such as en_US,de_DE,ar_SA, or an empty value", func(raw string) ([]stoa.Locale, bool) {
		var out []stoa.Locale
		for _, item := range splitList(raw) {
			l, err := stoa.ParseLocale(item)
			if err != nil {
				return nil, false
			}
			if !slices.Contains(out, l) {
				out = append(out, l)
			}
		}
		return out, true
	})
}

func timeZone() parser[*time.Location] {
	const want = "a time zone such as UTC, Europe/Vienna or America/Sao_Paulo, or an offset such as GMT-3 or GMT+05:30"
	return simple(want, func(raw string) (*time.Location, bool) {
		l, err := stoa.ParseZone(raw)
		return l, err == nil
	})
}

func logLevel() parser[slog.Level] {
	return simple("one of debug, info, warn, error", func(raw string) (slog.Level, bool) {
		switch strings.ToLower(strings.TrimSpace(raw)) {
		case "debug":
			return slog.LevelDebug, true
		case "info":
			return slog.LevelInfo, true
		case "warn":
			return slog.LevelWarn, true
		case "error":
			return slog.LevelError, true
		}
		return 0, false
	})
}
