package wordpress

import (
	"crypto/sha256"
	"encoding/hex"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/richtext"
)

// plain gives the text of a name, a title or an excerpt. WordPress keeps these as HTML: entities are resolved once, and
// tags go away.
func plain(s string) string {
	if !strings.ContainsAny(s, "&<") {
		return strings.Join(strings.Fields(s), " ")
	}
	return new(richtext.Policy).Text(s)
}

// shorten cuts a text to n bytes at a letter and says with three dots that it did.
func shorten(s string, n int) string {
	if len(s) <= n {
		return s
	}
	return strings.TrimSpace(stoa.Clip(s, n-len("…"))) + "…"
}

// sourceKey is the form in which the key of something is kept: one that is too long ends with its hash, so that two
// keys that are equal at the beginning stay two.
func sourceKey(s string) string {
	const most = 190
	if len(s) <= most && utf8.ValidString(s) {
		return s
	}
	sum := sha256.Sum256([]byte(s))
	return stoa.Clip(strings.ToValidUTF8(s, ""), most-33) + "#" + hex.EncodeToString(sum[:16])
}

// fingerprint is a number that stands for a text in a column for ids; never 0.
func fingerprint(s string) int64 {
	sum := sha256.Sum256([]byte(s))
	n, _ := strconv.ParseInt(hex.EncodeToString(sum[:7]), 16, 64) // 56 bits: cannot fail
	return n | 1
}
