package server

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/config"
)

func jsonBody(b []byte) io.Reader { return bytes.NewReader(b) }

// Backup writes a consistent copy of this node's database and files to a new folder: the database
// first, so that every row of it has its bytes; files are immutable and only come. It is for one node
// on SQLite; a database server has tools of its own.
func (s *Server) Backup(ctx context.Context, dir string) error {
	if actor := stoa.ActorFrom(ctx); !actor.System && !actor.Admin {
		return stoa.Forbidden("only administrators may make backups")
	}
	if !filepath.IsAbs(dir) {
		return stoa.Invalid("dir", "%q is not an absolute path", dir)
	}
	if _, err := os.Lstat(dir); !errors.Is(err, fs.ErrNotExist) {
		return stoa.Invalid("dir", "%s is already there: give the name of a new folder", dir)
	}
	part := dir + ".part"
	if err := os.RemoveAll(part); err != nil {
		return stoa.Unavailable(err, "the unfinished backup %s cannot be removed", part)
	}
	if err := s.DB.CopySQLite(ctx, filepath.Join(part, "stoa.db")); err != nil {
		return err
	}
	if err := copyTree(ctx, s.cfg.Files.Root, filepath.Join(part, "files")); err != nil {
		return stoa.Unavailable(err, "the files cannot be copied to %s; is the disk full?", part)
	}
	if err := os.Rename(part, dir); err != nil {
		return stoa.Unavailable(err, "the finished backup cannot be moved to %s", dir)
	}
	return nil
}

// Restore fills an empty home from a folder that Backup wrote. A home that has a database is refused:
// nothing is ever overwritten.
func Restore(ctx context.Context, c *config.Config, dir string) error {
	h, err := openHome(c.Home)
	if err != nil {
		return err
	}
	defer func() { _ = h.close() }()
	database := filepath.Join(c.Home, "data", "stoa.db")
	if _, err := os.Stat(database); !errors.Is(err, fs.ErrNotExist) {
		return stoa.Conflict("the home %s has a database already; restore into a new home (--home)", c.Home)
	}
	if _, err := os.Stat(filepath.Join(dir, "stoa.db")); err != nil {
		return stoa.Invalid("dir", "%s is not a backup: it has no stoa.db", dir)
	}
	if err := copyTree(ctx, filepath.Join(dir, "files"), c.Files.Root); err != nil {
		return stoa.Unavailable(err, "the files cannot be copied; is the disk full?")
	}
	if err := copyFile(filepath.Join(dir, "stoa.db"), database); err != nil {
		return stoa.Unavailable(err, "the database cannot be copied; is the disk full?")
	}
	return nil
}

// copyTree copies a file store. What vanishes meanwhile was a temporary file, or one that no file of the database copied
// before refers to.
func copyTree(ctx context.Context, from, to string) error {
	return filepath.WalkDir(from, func(path string, e fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) && path != from {
			return nil
		}
		if err != nil {
			return err
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		rel, err := filepath.Rel(from, path)
		if err != nil {
			return err
		}
		target := filepath.Join(to, rel)
		switch {
		case e.IsDir():
			return os.MkdirAll(target, 0o700)
		case e.Type().IsRegular():
			if filepath.Dir(rel) == "tmp" || strings.HasPrefix(e.Name(), ".") {
				return nil // being written, or a look whether the store can be used
			}
			err := copyFile(path, target)
			if _, gone := os.Lstat(path); err != nil && errors.Is(gone, fs.ErrNotExist) {
				return nil
			}
			return err
		}
		return nil
	})
}

func copyFile(from, to string) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	if _, err := io.Copy(out, in); err != nil {
		return errors.Join(fmt.Errorf("copy %s: %w", from, err), out.Close())
	}
	return errors.Join(out.Sync(), out.Close())
}
