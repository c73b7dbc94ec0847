// Package stoa holds the words that every package of the portal shares: ids, error kinds, the
// actor of a request, locales and the version of the binary. It knows no services and imports
// only the standard library.
package stoa

import (
	"fmt"
	"strconv"
)

// Version is the release of this binary. The linker may replace it (-X); it is read, never written.
const Version = "0.1.0-dev"

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
	return fmt.Sprintf("%s… (%d bytes)", s[:n], len(s))
}
