//go:build linux

package main

// computing are packages that only compute: they keep nothing that two
// goroutines share, or guard it with locks of their own, and nobody here
// changes them. The race detector made them five to fifteen times slower
// (SQLite, translated from C, most of all: the tests of asset took 346 s of a
// processor with it and take 92 s without) and could say nothing of our code
// in return. Whatever only passes our values on stays in its sight:
// encoding/json, text/template, database/sql, net/http, the drivers of the
// databases and every client. A package with a sync.Map or an atomic.Pointer
// stays, too: the linker keeps one copy of their methods, and a copy that was
// compiled without the detector makes it see races where there are none.
var computing = [...]string{
	"compress/flate",
	"encoding/base64",
	"encoding/hex",
	"github.com/RoaringBitmap/...",
	"github.com/andybalholm/brotli/...",
	"github.com/aymerick/douceur/...",
	"github.com/blevesearch/snowballstem/...",
	"github.com/blevesearch/vellum/...",
	"github.com/klauspost/compress/flate",
	"github.com/microcosm-cc/bluemonday/...",
	"golang.org/x/crypto/...",
	"golang.org/x/image/...",
	"golang.org/x/net/html/...",
	"golang.org/x/text/...",
	"hash/crc32",
	"image/...",
	"modernc.org/libc/...",
	"modernc.org/mathutil/...",
	"modernc.org/memory/...",
	"modernc.org/sqlite/lib/...",
	"regexp/...",
	"strconv",
	"text/template/parse",
	"unicode/utf8",
}

// race returns the flags of the race detector. go vet gets them, too: it
// shares compiled packages with the tests then, instead of compiling them
// twice.
func (r *tierRun) race() []string {
	if r.opts.noRace || r.tier.noRace || !haveCompiler() {
		return nil
	}
	flags := []string{"-race"}
	for _, pattern := range computing {
		// Of flags of the compiler that are given twice the last one counts.
		flags = append(flags, "-gcflags="+pattern+"=-race=false")
	}
	return flags
}
