package server

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"strings"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/cluster"
	"github.com/stoa-portal/stoa/config"
	"github.com/stoa-portal/stoa/db"
	"github.com/stoa-portal/stoa/db/dbcheck"
)

// MigrateOptions say what Migrate does.
type MigrateOptions struct {
	// Finish also takes away what only binaries from before need, and lets none of them start any more. It is
	// refused while nodes of another build live.
	Finish bool
	// Dry changes nothing and says what would be done, or why it would be refused.
	Dry    bool
	Logger *slog.Logger
}

// Migrate brings the database up to this binary, whatever the properties say of doing so at start, and says what
// that did. Nodes may run meanwhile, but for SQLite, whose file belongs to one process.
func Migrate(ctx context.Context, c *config.Config, o MigrateOptions) (text string, err error) {
	c.Database.CreateSchema, c.Database.MigrateOnStart = true, true
	s := &Server{cfg: c, log: o.Logger}
	if o.Dry { // a look makes no file
		file := db.FilePath(WriteOptions(c))
		if _, err := os.Stat(file); file != "" && errors.Is(err, fs.ErrNotExist) {
			return fmt.Sprintf("There is no database %s yet: it would be made.", file), nil
		}
	}
	d, err := s.openToMigrate(ctx, o.Dry)
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, d.Close()) }()
	if err := dbcheck.Encoding(ctx, d); err != nil {
		return "", err
	}
	schema, err := d.SchemaVersion()
	if err != nil {
		return "", err
	}
	own := cluster.Build{Version: stoa.Version, Schema: schema}
	var done db.Migrated
	if o.Finish {
		done, err = d.Finish(ctx, db.Finish{
			Dry: o.Dry,
			Others: func(ctx context.Context, applied func(int64) bool) error {
				return cluster.RefuseOthers(ctx, d, own, c.Cluster.HeartbeatTimeout, applied)
			},
			Expel: func(ctx context.Context, tx *db.Tx) error { return cluster.ExpelOthers(ctx, tx, own) },
		})
	} else {
		done, err = d.Expand(ctx, o.Dry)
	}
	if err != nil {
		return "", err
	}
	return migrated(done, own, o), nil
}

// openToMigrate opens the database; for a look, beside the node that uses it, and without waiting for it.
func (s *Server) openToMigrate(ctx context.Context, dry bool) (*db.DB, error) {
	if !dry {
		return s.openDatabase(ctx, 0)
	}
	o := WriteOptions(s.cfg)
	o.Beside, o.Logger = true, s.log
	return db.Open(ctx, o)
}

// migrated says in sentences what was done, or would be.
func migrated(m db.Migrated, own cluster.Build, o MigrateOptions) string {
	ran, has, can := "Ran", "has", "can no longer start"
	if o.Dry {
		ran, has, can = "Would run", "would have", "could no longer start"
	}
	var b strings.Builder
	if len(m.Steps) > 0 {
		fmt.Fprintf(&b, "%s %s.\n", ran, strings.Join(m.Steps, ", "))
	} else if o.Dry {
		has = "has"
	}
	fmt.Fprintf(&b, "The database %s schema %d.", has, m.Version)
	switch {
	case !o.Finish:
	case m.Oldest > m.Serves:
		fmt.Fprintf(&b, "\nBinaries that know a schema below %d %s on it; this one is %s.", m.Oldest, can, own)
	default:
		fmt.Fprintf(&b, "\nBinaries that know a schema below %d could not start on it before; "+
			"nothing changes for others.", m.Oldest)
	}
	return b.String()
}
