package autosave_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/autosave"
	"github.com/stoa-portal/stoa/db"
	"github.com/stoa-portal/stoa/db/dbtest"
)

func of(t *testing.T, user stoa.ID) context.Context {
	return stoa.WithActor(t.Context(), stoa.Actor{User: user, Instance: 7})
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

const screen = "/control/pages/12"

func typed(tab, title string) autosave.Form {
	return autosave.Form{Tab: tab, Screen: screen, Fields: map[string][]string{"title.en": {title}, "password": {"x"}}}
}

// titles are what a person is offered.
func titles(t *testing.T, s *autosave.Service, user stoa.ID) string {
	t.Helper()
	list, err := s.Of(of(t, user), screen)
	must(t, err)
	var out []string
	for _, f := range list {
		out = append(out, fmt.Sprint(f.Tab, f.Fields))
	}
	return strings.Join(out, " ")
}

func TestKeep_IsReadByItsPersonOnlyAndGoesWithTheSave(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		a, b := autosave.New(d, nil), autosave.New(d, nil)
		must(t, a.Keep(of(t, 1), typed("w1", "Täg")))
		must(t, b.Keep(of(t, 1), typed("w1", "Täglich\x00")))
		if got := titles(t, a, 1); got != "w1map[title.en:[Täglich]]" {
			t.Errorf("the person is offered %s", got)
		}
		if got := titles(t, a, 2); got != "" {
			t.Errorf("another person is offered %s", got)
		}
		if list, err := a.Of(of(t, 1), "/control/pages/13"); err != nil || len(list) > 0 {
			t.Errorf("another screen: %v %v", list, err)
		}
		must(t, b.Close(of(t, 2), "w1"))
		if titles(t, a, 1) == "" {
			t.Error("another person closed the window")
		}
		must(t, b.Close(of(t, 1), "w1"))
		if got := titles(t, a, 1); got != "" {
			t.Errorf("after the save %s is offered", got)
		}
		if err := a.Keep(of(t, 1), typed("w1", "late")); !stoa.Is(err, stoa.KindConflict) {
			t.Errorf("what comes late: %v", err)
		}
		must(t, a.Close(of(t, 1), "w9")) // saved before anything was kept
		if err := a.Keep(of(t, 1), typed("w9", "late")); !stoa.Is(err, stoa.KindConflict) {
			t.Errorf("what comes late, first: %v", err)
		}
	})
}

func TestKeep_Limits(t *testing.T) {
	t.Parallel()
	s := autosave.New(dbtest.New(t), nil)
	if err := s.Keep(t.Context(), typed("w", "x")); !stoa.Is(err, stoa.KindUnauthorized) {
		t.Errorf("a guest: %v", err)
	}
	if err := s.Close(t.Context(), "w"); !stoa.Is(err, stoa.KindUnauthorized) {
		t.Errorf("a guest closes: %v", err)
	}
	for _, tab := range []string{"", "ä", "a b", strings.Repeat("w", 41)} {
		if err := s.Keep(of(t, 1), typed(tab, "x")); !stoa.Is(err, stoa.KindInvalid) {
			t.Errorf("window %q: %v", tab, err)
		}
	}
	if err := s.Keep(of(t, 1), typed("w", strings.Repeat("x", autosave.MaxData))); !stoa.Is(err, stoa.KindTooLarge) {
		t.Errorf("a long text: %v", err)
	}
	for i := range autosave.Most + 2 {
		f := typed(fmt.Sprint("w", i), "x")
		f.Screen = fmt.Sprint("/control/x", i)
		must(t, s.Keep(of(t, 1), f))
	}
	kept := 0
	for i := range autosave.Most + 2 {
		list, err := s.Of(of(t, 1), fmt.Sprint("/control/x", i))
		must(t, err)
		kept += len(list)
	}
	if kept != autosave.Most {
		t.Errorf("%d forms are kept, want %d", kept, autosave.Most)
	}
}

func TestPrune_TakesWhatIsOld(t *testing.T) {
	t.Parallel()
	d := dbtest.New(t)
	s := autosave.New(d, nil)
	must(t, s.Keep(of(t, 1), typed("w1", "x")))
	prune := func(ctx context.Context, after time.Duration) error {
		return d.Write(ctx, func(ctx context.Context, tx *db.Tx) error {
			return autosave.PruneTx(ctx, tx, time.Now().Add(after))
		})
	}
	system := stoa.WithActor(t.Context(), stoa.SystemActor())
	if err := prune(of(t, 1), 0); !stoa.Is(err, stoa.KindForbidden) {
		t.Errorf("a person clears away: %v", err)
	}
	must(t, prune(system, autosave.Age-time.Hour))
	if titles(t, s, 1) == "" {
		t.Error("taken too early")
	}
	must(t, prune(system, autosave.Age+time.Hour))
	if got := titles(t, s, 1); got != "" {
		t.Errorf("still offered: %s", got)
	}
}
