// Package stoa holds the words that every package of the portal shares: ids, error kinds, the
// actor of a request, locales, the form of text and the version of the binary. It knows no services and imports
// only the standard library and the Unicode forms of golang.org/x/text.
package stoa

import (
	"fmt"
	"runtime/debug"
	"strconv"
	"strings"
)

// release is stamped into a release by the linker: -ldflags "-X github.com/stoa-portal/stoa.release=1.2.3".
var release = ""

// onTheWay is the release that the source is on its way to.
const onTheWay = "0.1.0-dev"

// Version is the release of this binary: what the linker stamped, or the version of the module it was installed
// from, or the release that the source is on its way to, with its commit where Go has noted it. It is read, never
// written.
var Version = version(release, debug.ReadBuildInfo)

func version(release string, read func() (*debug.BuildInfo, bool)) string {
	if release != "" {
		return release
	}
	info, ok := read()
	if !ok {
		return onTheWay
	}
	var commit, dirty string
	for _, s := range info.Settings {
		switch {
		case s.Key == "vcs.revision":
			commit = "+" + s.Value[:min(12, len(s.Value))]
		case s.Key == "vcs.modified" && s.Value == "true":
			dirty = ".changed"
		}
	}
	if v, tagged := strings.CutPrefix(info.Main.Version, "v"); tagged && commit == "" {
		return v
	}
	if commit == "" {
		return onTheWay
	}
	return onTheWay + commit + dirty
}

// ID names a row for as long as the portal lives. Ids are positive; 0 means "none". They are unique
// over all tables and nodes and say nothing about order. An ID never stands alone in anything that
// is signed or sent outside: those carry random keys.
type ID int64

// String gives the decimal form used in addresses and forms.
func (id ID) String() string { return strconv.FormatInt(int64(id), 10) }

// ParseID reads the decimal form of an id. It returns an Invalid error naming the input when s is
// not a positive decimal number.
func ParseID(s string) (ID, error) {
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil || n <= 0 {
		return 0, Invalid("id", "%q is not an id: a positive whole number is expected", clip(s, 40))
	}
	return ID(n), nil
}

// clip shortens hostile input before it is quoted in a message.
func clip(s string, n int) string {
	if len(s) <= n {
		return s
	}
	return fmt.Sprintf("%s (%d bytes)", Short(s, n), len(s))
}
