package cluster

import (
	"context"
	"fmt"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/db"
)

// Fact gives what all nodes agreed on under a name (1 to 60 bytes). Without an agreement yet, propose
// (1 to 255 bytes) becomes it: the first proposal wins, for ever.
func Fact(ctx context.Context, d *db.DB, name, propose string) (value string, err error) {
	if name == "" || len(name) > 60 {
		return "", stoa.Invalid("name", "the fact %q needs a name of 1 to 60 bytes", name)
	}
	if propose == "" || len(propose) > 255 {
		return "", stoa.Invalid("value", "the proposal for the fact %s has %d bytes: 1 to 255 are possible", name, len(propose))
	}
	const query = "SELECT value FROM cluster_fact WHERE name = ?"
	err = d.QueryRow(ctx, query, name).Scan(&value)
	if !db.IsNoRows(err) {
		return value, wrapFact(name, err)
	}
	err = d.Write(ctx, func(ctx context.Context, tx *db.Tx) error {
		_, err := tx.InsertIgnore(ctx, "cluster_fact", db.Row{"name": name, "value": propose})
		return err
	})
	if err == nil {
		err = d.QueryRow(ctx, query, name).Scan(&value)
	}
	return value, wrapFact(name, err)
}

// KnownFact gives what all nodes agreed on under a name; empty when they have not agreed yet.
func KnownFact(ctx context.Context, d *db.DB, name string) (value string, err error) {
	err = d.QueryRow(ctx, "SELECT value FROM cluster_fact WHERE name = ?", name).Scan(&value)
	if db.IsNoRows(err) {
		return "", nil
	}
	return value, wrapFact(name, err)
}

func wrapFact(name string, err error) error {
	if err != nil {
		return fmt.Errorf("agree on %s: %w", name, err)
	}
	return nil
}
