package portal

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/change"
	"github.com/stoa-portal/stoa/httpd"
	"github.com/stoa-portal/stoa/look"
)

// A write is confirmed to the client that made it with its place in the change log: in a cookie for browsers, in
// a header for other clients. They bring the places along with later requests, to whichever node, and are
// answered when that node has applied them. Each write has a cookie of its own name, because answers
// cross: with one name, the answer that comes last would wipe out the other.
const (
	wroteCookie = "stoa_wrote_" // and the place
	wroteHeader = "Stoa-Wrote"  // of an answer: places, separated by commas
	afterHeader = "Stoa-After"  // of a request: the same
	manyWrites  = "many"        // stands for more places than are worth telling
	mostPlaces  = 16
)

// Carries reports whether the request names writes that its answer must show.
func Carries(r *http.Request) bool {
	for _, v := range r.Header["Cookie"] {
		if strings.Contains(v, wroteCookie) {
			return true
		}
	}
	return len(r.Header[afterHeader]) > 0
}

// CatchUp answers a request that names writes when this node has applied them, and one that arrives while nothing
// proves that this node is up to date when that is proven for the time of its arrival. It tells each request
// which writes it has made. It knows of those that were made before the header of the answer goes out: a
// handler that streams writes first, or the reader of the stream cannot count on seeing the rest elsewhere.
func (p *Portal) CatchUp(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if p.o.Log == nil || strings.HasPrefix(r.URL.Path, look.Prefix) {
			next.ServeHTTP(w, r)
			return
		}
		ctx, receipts := change.WithReceipts(r.Context())
		positions, readable := places(r)
		ctx = change.WithPlaces(ctx, positions, readable)
		if Carries(r) || !p.o.Cache.Proven() {
			if err := p.catchUp(r); err != nil {
				ctx = context.WithValue(ctx, stalenessKey{}, &Staleness{err, p.o.Cache.Unproven()})
			}
		}
		httpd.BeforeHeader(w, func(header http.Header) { p.confirm(header, r, receipts.Positions()) })
		next.ServeHTTP(w, r.WithContext(ctx))
	})
}

type stalenessKey struct{}

// Staleness says why a node may answer with an older state, and how old that may be.
type Staleness struct {
	Err error
	Age func() (time.Duration, bool)
}

// StalenessOf says why this node could not apply the writes that the request names, or not prove that it is up to
// date: what it has, and what its database shows, may be from before. A guest gets a page marked as such, other
// clients the error.
func StalenessOf(r *http.Request) *Staleness {
	l, _ := r.Context().Value(stalenessKey{}).(*Staleness)
	return l
}

// errHangs is why no request waits for a database that others have waited for in vain.
var errHangs = errors.New("the change log has been waiting for the database for too long")

// catchUp waits until this node has applied the writes that the request names, and is proven to be up to date.
// A request that names a write that does not exist costs one read of the log, shared by all who wait.
func (p *Portal) catchUp(r *http.Request) error {
	wrote, limit := Carries(r), change.Bound
	if !wrote && Anonymous(r) {
		limit = p.o.Cache.GuestPatience()
	}
	ctx, cancel := context.WithTimeout(r.Context(), limit)
	defer cancel()
	positions, readable := places(r)
	var err error
	switch {
	case readable && p.o.Cache.Proven():
		err = p.o.Log.Await(ctx, positions)
	case p.o.Log.Hangs():
		err = errHangs
	default:
		err = p.o.Log.Poll(ctx)
	}
	switch {
	case err == nil:
		return nil
	case wrote:
		err = stoa.Unavailable(err, "this node cannot show yet what you have just changed; try again in a moment")
	default:
		err = stoa.Unavailable(err, "this node cannot tell at the moment whether what it would show is up to date; try again in a moment")
	}
	return httpd.RetryAfter(err, time.Second)
}

// places reads what the request names; readable is false when it names too much, or something that is no
// place.
func places(r *http.Request) (positions []change.Position, readable bool) {
	readable = true
	add := func(s string) {
		place, err := change.ParsePosition(s)
		if err != nil || len(positions) == mostPlaces {
			readable = false
			return
		}
		positions = append(positions, place)
	}
	for _, line := range r.Header["Cookie"] {
		for pair := range strings.SplitSeq(line, ";") {
			name, _, _ := strings.Cut(strings.TrimSpace(pair), "=")
			if place, ok := strings.CutPrefix(name, wroteCookie); ok {
				add(place)
			}
		}
	}
	for _, line := range r.Header[afterHeader] {
		for place := range strings.SplitSeq(line, ",") {
			add(strings.TrimSpace(place))
		}
	}
	return positions, readable
}

// confirm tells the client where its writes are.
func (p *Portal) confirm(header http.Header, r *http.Request, positions []change.Position) {
	if len(positions) == 0 {
		return
	}
	told := []string{manyWrites}
	if len(positions) <= mostPlaces {
		told = told[:0]
		for _, at := range positions {
			told = append(told, at.String())
		}
	}
	header.Set(wroteHeader, strings.Join(told, ", "))
	if p.o.ReadYourWrites <= 0 {
		return
	}
	for _, place := range told {
		c := http.Cookie{Name: wroteCookie + place, Value: "1", Path: "/", Domain: p.o.CookieDomain,
			MaxAge:   int((p.o.ReadYourWrites + time.Second - 1) / time.Second),
			HttpOnly: true, Secure: httpd.Secure(r), SameSite: http.SameSiteLaxMode}
		header.Add("Set-Cookie", c.String())
	}
}
