package db_test

import (
	"context"
	"testing"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/db"
	"github.com/stoa-portal/stoa/db/dbtest"
)

const (
	composed   = "Pingüino Niño, Résumé 𝕏"
	decomposed = "Pingu\u0308ino Nin\u0303o, Re\u0301sume\u0301 𝕏"
)

// Text has one form in the database, whatever a caller forgot; what is no text is refused in words, on all engines.
func TestText_HasOneFormInTheDatabase(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		ctx := t.Context()
		write := func(fn func(ctx context.Context, tx *db.Tx) error) error { return d.Write(ctx, fn) }
		if err := write(func(ctx context.Context, tx *db.Tx) error {
			_, err := tx.Exec(ctx, "CREATE TABLE text_form (id BIGINT PRIMARY KEY, t VARCHAR(190))")
			return err
		}); err != nil {
			t.Fatal(err)
		}
		put := func(id int, text any) error {
			return write(func(ctx context.Context, tx *db.Tx) error {
				return tx.Insert(ctx, "text_form", db.Row{"id": id, "t": text})
			})
		}
		if err := put(1, decomposed); err != nil {
			t.Fatal(err)
		}
		var got string
		if err := d.QueryRow(ctx, "SELECT t FROM text_form WHERE t = ?", decomposed).Scan(&got); err != nil ||
			got != composed {
			t.Errorf("it is kept as %q, %v", got, err)
		}
		if err := put(2, "a\x00b"); err != nil {
			t.Fatal(err)
		}
		if err := d.QueryRow(ctx, "SELECT t FROM text_form WHERE id = 2").Scan(&got); err != nil || got != "ab" {
			t.Errorf("a zero byte leaves %q, %v", got, err)
		}
		for _, bad := range []string{"\xff\xfe", "\xed\xa0\x80", "\xc0\x80"} {
			if err := put(3, bad); !stoa.Is(err, stoa.KindInvalid) {
				t.Errorf("%q: %v, want a refusal", bad, err)
			}
			if err := d.QueryRow(ctx, "SELECT t FROM text_form WHERE t = ?", bad).Scan(&got); !stoa.Is(err, stoa.KindInvalid) {
				t.Errorf("asked for %q: %v, want a refusal", bad, err)
			}
		}
		if err := put(4, db.Exact(decomposed)); err != nil {
			t.Fatal(err)
		}
		if err := d.QueryRow(ctx, "SELECT t FROM text_form WHERE id = 4").Scan(&got); err != nil || got != decomposed {
			t.Errorf("an exact copy is %q, %v", got, err)
		}
	})
}
