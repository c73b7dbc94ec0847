package server

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/change"
	"github.com/stoa-portal/stoa/config"
	"github.com/stoa-portal/stoa/db"
	"github.com/stoa-portal/stoa/user"
)

// maxPasswordFile is more than any password; a file that is longer is something else.
const maxPasswordFile = 64 << 10

// writeSource is the source that is written to, and where it is set.
func writeSource(c *config.Config) (source config.DataSource, property string) {
	if c.Database.Write.URL != "" {
		return c.Database.Write, "jdbc.write.url"
	}
	return c.Database.Default, "jdbc.default.url"
}

// WriteOptions are the options of the source that is written to.
func WriteOptions(c *config.Config) db.Options {
	source, property := writeSource(c)
	return databaseOptions(c, source, property)
}

// ReadOptions are the options of the source of replicas; its URL is empty where there is none.
func ReadOptions(c *config.Config) db.Options {
	o := databaseOptions(c, c.Database.Read, "jdbc.read.url")
	o.ReadOnly = true
	return o
}

// databaseOptions are the options of one source.
func databaseOptions(c *config.Config, source config.DataSource, property string) db.Options {
	o := db.Options{
		URL: source.URL, User: source.Username, Password: source.Password, Property: property,
		MaxConns: source.MaximumPoolSize, MinIdle: source.MinimumIdle, IdleTime: source.IdleTimeout,
		Lifetime: source.MaxLifetime,
		NoCreate: !c.Database.CreateSchema, NoUpgrade: !c.Database.MigrateOnStart,
		StatementTimeout: c.Database.StatementTimeout, SlowStatement: c.Database.SlowStatement,
		IDBlock: int64(c.Database.CounterIncrement), BackupDir: filepath.Join(c.Home, "data", "backup"),
		LossAccept: c.Database.LossAccept,
	}
	if path := source.PasswordFile; path != "" {
		o.PasswordFrom = func() (string, error) { return readPassword(path) }
	}
	return o
}

// readPassword reads a password; the end of the line behind it is not part of it.
func readPassword(path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, maxPasswordFile+1))
	if err != nil {
		return "", err
	}
	if len(b) > maxPasswordFile {
		return "", fmt.Errorf("%s is longer than any password; a file that holds the password alone is expected", path)
	}
	return string(bytes.TrimRight(b, "\r\n")), nil
}

// snapshot runs reads of a screen in one moment of a replica, where one has all that its request must show.
func (s *Server) snapshot(ctx context.Context, fn func(ctx context.Context) error) error {
	places, all := change.Places(ctx)
	if !all {
		return fn(ctx)
	}
	return s.replicas.Snapshot(ctx, stoa.ActorFrom(ctx).User.String(), places, fn)
}

// CheckSources reports what is wrong with the addresses of the databases, and warnings about their parameters,
// without connecting: what it accepts, a start accepts.
func CheckSources(c *config.Config) (warnings []string, err error) {
	for _, o := range []db.Options{WriteOptions(c), ReadOptions(c)} {
		if o.URL == "" {
			continue
		}
		w, wrong := db.CheckAddress(o)
		warnings, err = append(warnings, w...), errors.Join(err, wrong)
	}
	return warnings, err
}

// openDatabase connects to the source that is written to. A database that starts later than this node is waited
// for; what it refuses is told at once, and tried again as well, as it can be mended meanwhile.
func (s *Server) openDatabase(ctx context.Context, writer int64) (*db.DB, error) {
	o := WriteOptions(s.cfg)
	o.Writer, o.Logger, o.Watch = writer, s.log, s.watch
	o.MemoryFile, o.Clock, o.OnRestored, o.Known = memoryFile(s.cfg), change.Boottime, user.EndAll, s.known(ctx)
	retries := s.cfg.Database.StartupRetries
	if s.command {
		retries = 0 // the operator who typed the command is there to try again
	}
	said := ""
	for began, attempt := time.Now(), 0; ; attempt++ {
		d, err := db.Open(ctx, o)
		if err == nil || stoa.KindOf(err) != stoa.KindUnavailable || attempt >= retries {
			if err == nil && attempt > 0 {
				s.log.Info("the database can be used", "after", time.Since(began).Round(time.Second))
			}
			return d, err
		}
		// One line for each thing that is wrong, not one for each attempt.
		var e *stoa.Error
		if errors.As(err, &e) && e.Message != said {
			said = e.Message
			s.log.Warn(e.Message, "cause", cmp.Or(e.Err, error(e)), "again", "every "+
				""+s.cfg.Database.StartupRetryDelay.String(),
				"give_up", (time.Duration(retries) * s.cfg.Database.StartupRetryDelay).Round(time.Second).String())
		}
		select {
		case <-ctx.Done():
			return nil, err
		case <-time.After(s.cfg.Database.StartupRetryDelay):
		}
	}
}
