package passhash

import (
	"context"
	"strings"
	"sync"
	"testing"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/db"
	"github.com/stoa-portal/stoa/db/dbtest"
)

const phrase = "correct horse battery staple"

func wantKind(t *testing.T, what string, err error, kind stoa.Kind) {
	t.Helper()
	if !stoa.Is(err, kind) {
		t.Errorf("%s: %v, want %v", what, err, kind)
	}
}

func TestHasher_WaitsForAPlaceAndGivesUp(t *testing.T) {
	t.Parallel()
	h := New(64, 1)
	h.places <- struct{}{} // another caller is at work
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	_, err := h.Make(ctx, phrase)
	wantKind(t, "no place", err, stoa.KindUnavailable)
	h.waiting[0].Store(queue)
	_, _, err = h.Check(context.Background(), "", phrase)
	wantKind(t, "too many wait", err, stoa.KindTooMany)
	h.waiting[0].Store(0)
	<-h.places
	stored, err := h.Make(context.Background(), phrase)
	if err != nil {
		t.Fatal(err)
	}
	if ok, old, err := New(128, 1).Check(context.Background(), stored, phrase); !ok || !old || err != nil {
		t.Errorf("with other costs: %v %v %v", ok, old, err)
	}
	for _, bad := range []string{"", "x", strings.Replace(stored, "m=64", "m=4294967295", 1),
		strings.Replace(stored, "argon2id", "argon2i", 1), stored[:len(stored)-4], "$$", "a2id1$AAAA", "a2id1$",
		"4294967295$" + strings.Repeat("ab", 16) + "$" + strings.Repeat("ab", 32), "0$$", "$$$$$"} {
		before := h.Runs()
		if ok, _, err := h.Check(context.Background(), bad, phrase); ok || err != nil || h.Runs() != before+1 {
			t.Errorf("%q: %v %v, hashes %d", bad, ok, err, h.Runs()-before)
		}
	}
}

func TestHasher_KeepsRoomForPeopleWhoAreKnown(t *testing.T) {
	t.Parallel()
	h := New(64, 2)
	h.places <- struct{}{} // strangers have taken theirs
	var wg sync.WaitGroup
	ctx, cancel := context.WithCancel(context.Background())
	turned := make(chan error, queue+30)
	for range queue + 30 {
		wg.Go(func() {
			_, _, err := h.Check(ctx, "", phrase)
			turned <- err
		})
	}
	for range 30 {
		wantKind(t, "beyond the queue", <-turned, stoa.KindTooMany)
	}
	if _, err := h.Make(OfKnown(context.Background()), phrase); err != nil {
		t.Errorf("a person who is known, in a flood of strangers: %v", err)
	}
	cancel()
	wg.Wait()
}

// What versions before wrote, of accounts, articles and pages; the last one was typed on a Mac and kept in the other
// form of its text.
var written = map[string]string{
	"$argon2id$v=19$m=64,t=2,p=1$MDEyMzQ1Njc4OWFiY2RlZg$gAwJW5vx5itn2V9KHlEUjyUCrpDYgKyQf0gMaHGx1h4":           phrase,
	"a2id1$MDEyMzQ1Njc4OWFiY2RlZrBUVU0bAHkh34QYG3sOVFUtpek34BUyFcxaPYa49LpU":                                   phrase,
	"200000$30313233343536373839616263646566$7f2c954f85f5934bde900ac77e9dfba6f55a39244eb24496bbac967f5ef3a251": phrase,

	"a2id1$MDEyMzQ1Njc4OWFiY2RlZgjgrt5tJpD0t1kjWaSS15VAwltxO3uXs+dJia9tzAgE": "Schlüssel",
}

func TestCheck_ReadsWhatVersionsBeforeWrote(t *testing.T) {
	t.Parallel()
	h := New(8<<10, 1)
	for stored, password := range written {
		if ok, _, err := h.Check(context.Background(), stored, password); !ok || err != nil {
			t.Errorf("%s: %v, %v", stored, ok, err)
		}
		if ok, _, err := h.Check(context.Background(), stored, password+"x"); ok || err != nil {
			t.Errorf("%s opens with another password: %v", stored, err)
		}
		if p, ok := read(stored); !ok || p.String() != stored {
			t.Errorf("%s is written again as %s", stored, p)
		}
	}
}

func TestShared_WritesTheOldFormWhileAnOlderVersionMayRun(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		for form, prefix := range map[Form]string{Page: "200000$", Article: "a2id1$"} {
			s := NewShared(d, form)
			made := func(prefix string) {
				t.Helper()
				stored, err := s.Make(t.Context(), phrase)
				if err != nil || !strings.HasPrefix(stored, prefix) || len(stored) > 190 {
					t.Fatalf("%s, %v; want one that begins with %s", stored, err, prefix)
				}
				for _, other := range []*Hasher{s.Hasher, New(64, 1)} {
					if ok, _, err := other.Check(t.Context(), stored, phrase); !ok || err != nil {
						t.Errorf("%s: %v, %v", stored, ok, err)
					}
				}
			}
			made(prefix)
		}
		none := func(context.Context, func(int64) bool) error { return nil }
		if _, err := d.Finish(t.Context(), db.Finish{Others: none}); err != nil {
			t.Fatal(err)
		}
		for _, form := range []Form{Page, Article} {
			if stored, err := NewShared(d, form).Make(t.Context(), phrase); err != nil ||
				!strings.HasPrefix(stored, "$argon2id$v=19$m=8192,t=2,p=1$") {
				t.Errorf("%s, %v", stored, err)
			}
		}
	})
}

func FuzzRead(f *testing.F) {
	for stored := range written {
		f.Add(stored)
	}
	f.Fuzz(func(t *testing.T, s string) {
		p, ok := read(s)
		if !ok {
			return
		}
		if p.memory > MaxMemory || len(p.key) != keyBytes || p.time > maxRounds || p.form != Page && p.time > 20 {
			t.Fatalf("%q has the costs %+v", s, p)
		}
		if again, ok := read(p.String()); !ok || again.String() != p.String() {
			t.Fatalf("%q is written as %q", s, p)
		}
	})
}
