package richtext

import (
	"net/url"
	"strings"
)

// linkAddress returns raw as an address a link or picture may have: http, https or relative, and
// mailto and tel when contact is set. It reads raw as a browser would, so that no spelling of
// another scheme gets through.
func linkAddress(raw string, contact bool) (string, bool) {
	u, ok := parseAddress(raw)
	if !ok {
		return "", false
	}
	switch u.Scheme {
	case "http", "https":
		if u.Host == "" || u.Opaque != "" {
			return "", false
		}
	case "mailto", "tel":
		if !contact {
			return "", false
		}
	case "":
		if u.Host != "" {
			u.Scheme = "https" // "//host/…" would follow the page's scheme, which is never better
		}
	default:
		return "", false
	}
	s := u.String()
	return s, s != ""
}

// mediaAddress returns raw as an address of sound, film or a frame: https or relative. insecure is
// the plain http address that had to be refused, if that was the reason.
func mediaAddress(raw string) (s, insecure string, ok bool) {
	s, ok = linkAddress(raw, false)
	if !ok {
		return "", "", false
	}
	if strings.HasPrefix(s, "http:") {
		return "", s, false
	}
	if !strings.HasPrefix(s, "https:") && strings.Contains(s, ":") {
		return "", "", false
	}
	return s, "", true
}

// parseAddress reads raw as browsers do: spaces and control characters around it go, tabs and line
// breaks anywhere in it go, a backslash counts as a slash.
func parseAddress(raw string) (*url.URL, bool) {
	if len(raw) > 4096 {
		return nil, false
	}
	s := strings.TrimFunc(raw, func(r rune) bool { return r <= ' ' || r == '\u00a0' || r == '\ufeff' })
	s = strings.Map(func(r rune) rune {
		if r == '\t' || r == '\n' || r == '\r' {
			return -1
		}
		return r
	}, s)
	if s == "" {
		return nil, false
	}
	head := s
	if i := strings.IndexAny(s, "?#"); i >= 0 {
		head = s[:i]
	}
	head = strings.ReplaceAll(head, `\`, "/")
	s = head + strings.ReplaceAll(s[len(head):], `\`, "%5C")
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		c := s[i]
		switch {
		case c < ' ' || c == 0x7f:
			return nil, false
		case c == ' ':
			b.WriteString("%20")
		case c == '"' || c == '<' || c == '>' || c == '`':
			b.WriteString(url.QueryEscape(string(c)))
		case c == '%' && !hexPair(s[i+1:]):
			b.WriteString("%25")
		default:
			b.WriteByte(c)
		}
	}
	u, err := url.Parse(b.String())
	if err != nil {
		return nil, false
	}
	u.Scheme = strings.ToLower(u.Scheme)
	return u, true
}

func hexPair(s string) bool {
	return len(s) >= 2 && isHex(s[0]) && isHex(s[1])
}

func isHex(c byte) bool {
	return c >= '0' && c <= '9' || c >= 'a' && c <= 'f' || c >= 'A' && c <= 'F'
}

// candidate is one entry of a srcset.
type candidate struct {
	url  string
	size string // "640w", "2x" or empty
}

// parseSrcset splits a srcset into its candidates, as they stand.
func parseSrcset(s string) []candidate {
	var out []candidate
	for s != "" && len(out) < 32 {
		s = strings.TrimLeft(s, " \t\r\n\f,")
		if s == "" {
			break
		}
		end := strings.IndexAny(s, " \t\r\n\f")
		if end < 0 {
			end = len(s)
		}
		u := s[:end]
		s = s[end:]
		if trimmed := strings.TrimRight(u, ","); trimmed != u {
			out = append(out, candidate{url: trimmed})
			continue
		}
		size, rest, _ := strings.Cut(s, ",")
		out = append(out, candidate{url: u, size: strings.TrimSpace(size)})
		s = rest
	}
	return out
}

// joinSrcset writes candidates back; a comma inside an address is escaped so that it stays there.
func joinSrcset(cs []candidate) string {
	parts := make([]string, 0, len(cs))
	for _, c := range cs {
		if c.url == "" {
			continue
		}
		p := strings.ReplaceAll(c.url, ",", "%2C")
		if c.size != "" {
			p += " " + c.size
		}
		parts = append(parts, p)
	}
	return strings.Join(parts, ", ")
}

// cleanSrcset keeps the candidates with safe addresses and plain sizes.
func cleanSrcset(s string) string {
	var keep []candidate
	for _, c := range parseSrcset(s) {
		u, ok := linkAddress(c.url, false)
		if !ok || !strings.HasPrefix(u, "http") && strings.Contains(u, ":") || !plainSize(c.size) {
			continue
		}
		keep = append(keep, candidate{u, c.size})
	}
	return joinSrcset(keep)
}

func plainSize(s string) bool {
	if s == "" {
		return true
	}
	last := s[len(s)-1]
	return len(s) >= 2 && len(s) <= 8 && (last == 'w' || last == 'x') && strings.Trim(s[:len(s)-1], "0123456789.") == ""
}
