package content_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/db"
	"github.com/stoa-portal/stoa/db/dbtest"
)

// One and a half megabytes of nested tags stopped every writer on SQLite for 17 s. They are refused before a transaction
// begins, so another one that has the lock does not even delay the answer.
func TestSave_NestedTagsAreRefusedWithoutTheWriteLock(t *testing.T) {
	t.Parallel()
	handles := dbtest.Nodes(t, dbtest.SQLite, 2)
	one, two := newNode(t, handles[0]), newNode(t, handles[1])
	st := one.firstSite(t)
	a, err := one.Create(system(t), st, draft("Kept", "<p>kept</p>"))
	must(t, err)
	err = handles[1].Write(system(t), func(ctx context.Context, tx *db.Tx) error { // has the one lock from here on
		for what, body := range map[string]string{
			"nested": strings.Repeat("<b>", 500_000), "many": strings.Repeat("<br>", 375_000),
		} {
			ctx, cancel := context.WithTimeout(system(t), 5*time.Second)
			_, err := one.Save(ctx, a.ID, draft("Kept", body), a.Version)
			wantKind(t, err, stoa.KindTooLarge, what)
			if e := new(stoa.Error); !errors.As(err, &e) || e.Field != "body.en" || !strings.Contains(e.Message, "more than") {
				t.Errorf("%s: %v does not name the limit at the text", what, err)
			}
			_, err = one.Create(ctx, st, draft("New", body))
			wantKind(t, err, stoa.KindTooLarge, what)
			cancel()
		}
		return nil
	})
	must(t, err)
	now, err := two.Get(system(t), a.ID)
	must(t, err)
	if now.Version != a.Version || now.In("en").Body != "<p>kept</p>" {
		t.Errorf("the article has become version %d, %q", now.Version, now.In("en").Body)
	}
}

// BenchmarkSave_AtTheLimitWhileOthersWrite saves articles at the limit of nodes while another node writes small
// ones. It reports how long the slowest of those took beside what one large save takes.
func BenchmarkSave_AtTheLimitWhileOthersWrite(b *testing.B) {
	handles := dbtest.Nodes(b, dbtest.SQLite, 2)
	one, two := newNode(b, handles[0]), newNode(b, handles[1])
	st := one.firstSite(b)
	large, small := draft("Large", strings.Repeat("<p>word</p>", 45_000)), draft("Small", "<p>x</p>")
	stop, slowest := make(chan struct{}), make(chan time.Duration)
	go func() {
		worst := time.Duration(0)
		for {
			select {
			case <-stop:
				slowest <- worst
				return
			default:
			}
			began := time.Now()
			if _, err := two.Create(system(b), st, small); err != nil {
				b.Error(err)
			}
			worst = max(worst, time.Since(began))
		}
	}()
	for b.Loop() {
		if _, err := one.Create(system(b), st, large); err != nil {
			b.Fatal(err)
		}
	}
	close(stop)
	b.ReportMetric(float64((<-slowest).Milliseconds()), "ms-slowest-small")
}
