package server

import (
	"context"
	"errors"
	"log/slog"

	"github.com/stoa-portal/stoa/config"
)

// Migrate brings the database up to this binary, whatever the properties say of doing so at start, and gives the
// number of its schema.
func Migrate(ctx context.Context, c *config.Config, log *slog.Logger) (version int64, err error) {
	h, err := openHome(c.Home)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, h.close()) }()
	c.Database.CreateSchema, c.Database.MigrateOnStart = true, true
	d, err := (&Server{cfg: c, log: log}).openDatabase(ctx, 0)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, d.Close()) }()
	if err := d.Migrate(ctx); err != nil {
		return 0, err
	}
	return d.SchemaVersion()
}
