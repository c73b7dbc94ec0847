package config

import (
	"fmt"
	"strings"

	"github.com/stoa-portal/stoa"
)

// mask stands for every secret, whatever its length.
const mask = "********"

// looksSecret guesses from the name whether a property that is not in the table holds a secret. It
// rather hides too much.
func (r *registry) looksSecret(name string) bool {
	n := strings.ToLower(name)
	for _, word := range []string{"password", "passwd", "passphrase", "secret", "credential", "auth.value", "access_key", "accesskey", "apikey", "api.key", "api_key"} {
		if strings.Contains(n, word) {
			return true
		}
	}
	parts := strings.FieldsFunc(n, func(c rune) bool { return strings.ContainsRune(`._-[]"`, c) })
	for i, p := range parts {
		switch p {
		case "pw", "pwd", "pass":
			return true
		case "token", "key":
			if i == len(parts)-1 {
				return true
			}
		}
	}
	// A misspelled jdbc.default.pasword must not be shown either.
	for _, s := range r.sections {
		for i := range s.Props {
			if p := &s.Props[i]; p.Secret && !p.family() && distance(n, strings.ToLower(p.Name), 3) <= 3 {
				return true
			}
		}
	}
	return false
}

// maskURL hides the passwords inside addresses of databases or message servers, one or several in a
// list: the part between the user and the @, and every parameter with a telling name.
func maskURL(s string) string {
	for from := 0; ; {
		begin := strings.Index(s[from:], "://")
		if begin < 0 {
			break
		}
		from += begin + 3
		head, rest := s[:from], s[from:]
		end := len(rest)
		if i := strings.IndexAny(rest, "/?;#"); i >= 0 {
			end = i
		}
		at := strings.LastIndexByte(rest[:end], '@')
		if at < 0 && oddPort(rest[:end]) {
			at = strings.LastIndexByte(rest, '@') // a password with a slash in it
		}
		if at >= 0 {
			if user, _, ok := strings.Cut(rest[:at], ":"); ok {
				head += user + ":" + mask
				s, from = head+rest[at:], len(head)
			}
		}
	}
	s = maskFields(s)
	start := strings.IndexAny(s, "?;")
	if start < 0 {
		return s
	}
	var out strings.Builder
	out.WriteString(s[:start])
	for rest := s[start:]; rest != ""; {
		sep, param := rest[:1], rest[1:]
		rest = ""
		if i := strings.IndexAny(param, "&;?"); i >= 0 {
			param, rest = param[:i], param[i:]
		}
		key, value, ok := strings.Cut(param, "=")
		if ok && value != "" && secretParam(key) {
			param = key + "=" + mask
		}
		out.WriteString(sep + param)
	}
	return out.String()
}

// maskFields hides the passwords of hosts that are written as address=(host=h)(password=p) or (host=h,password=p).
func maskFields(s string) string {
	var out strings.Builder
	for s != "" {
		i := strings.IndexAny(s, "(,")
		if i < 0 {
			break
		}
		out.WriteString(s[:i+1])
		s = s[i+1:]
		end := strings.IndexAny(s, "(),=?&")
		if end < 0 || s[end] != '=' || !secretParam(s[:end]) {
			continue
		}
		out.WriteString(s[:end+1] + mask)
		s = s[end+1:]
		if j := strings.IndexAny(s, "),?&"); j >= 0 {
			s = s[j:]
		} else {
			s = ""
		}
	}
	return out.String() + s
}

func secretParam(key string) bool {
	k := strings.ToLower(key)
	return strings.Contains(k, "pass") || strings.Contains(k, "pwd") || strings.Contains(k, "secret") ||
		strings.Contains(k, "token") || k == "sig"
}

// oddPort reports whether what should be hosts with ports has something else behind a colon.
func oddPort(authority string) bool {
	if strings.HasPrefix(authority, "[") {
		return false
	}
	for host := range strings.SplitSeq(authority, ",") {
		if _, port, ok := strings.Cut(host, ":"); ok && strings.Trim(port, "0123456789") != "" {
			return true
		}
	}
	return false
}

// shown gives a value as it may be printed.
func shown(value string, secret bool) string {
	if !secret {
		return maskURL(value)
	}
	if value == "" {
		return ""
	}
	return mask
}

// quoted gives a wrong value for a message: never a secret, never more than a line.
func quoted(value string, secret bool) string {
	if secret {
		return "the value (not shown, because it is a secret)"
	}
	return fmt.Sprintf("%q", clip(maskURL(value)))
}

// clip shortens input before it is put into a message.
func clip(s string) string {
	const limit = 120
	if len(s) <= limit {
		return s
	}
	return fmt.Sprintf("%s (%d bytes)", stoa.Short(s, limit), len(s))
}
