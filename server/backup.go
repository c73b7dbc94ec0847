package server

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/audit"
	"github.com/stoa-portal/stoa/config"
	"github.com/stoa-portal/stoa/db"
	"github.com/stoa-portal/stoa/db/dbcheck"
	"github.com/stoa-portal/stoa/db/transfer"
	"github.com/stoa-portal/stoa/filestore"
)

func jsonBody(b []byte) io.Reader { return bytes.NewReader(b) }

// backupFile is the backup in the folder that stoa backup makes.
const backupFile = "portal.stoa-backup"

// fileColumns says to backups which rows name bytes in the file store.
func fileColumns() []transfer.FileColumn {
	return []transfer.FileColumn{{Table: "document_file", Column: "file_key", Prefix: "document/", Size: "size",
		SHA256: "hash"}}
}

// Backup writes database and files of the portal to w as they are at one moment, while nodes run.
func (s *Server) Backup(ctx context.Context, w io.Writer) (transfer.End, error) {
	if err := stoa.ActorFrom(ctx).Operates("make backups"); err != nil {
		return transfer.End{}, err
	}
	if to := s.DB.MovedTo(); to != "" {
		return transfer.End{}, stoa.Conflict("the portal was moved to %s, so what is here is of the past: back that up", to)
	}
	end, err := transfer.Backup(ctx, transfer.BackupOptions{DB: s.DB, Store: s.files.moving, Files: fileColumns(),
		Dir:    filepath.Join(s.cfg.Home, "data"),
		Logger: s.log.With("component", "backup")}, w)
	s.noted(ctx, err, audit.BackedUp, audit.Thing{})
	return end, err
}

// streamBackup answers a command with a backup. What went wrong comes behind it, as the stream has begun by then.
func (s *Server) streamBackup(w http.ResponseWriter, r *http.Request) {
	var req ControlRequest
	if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, 64<<10)).Decode(&req); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	// A backup may take hours; the time limit of the server is for the request.
	if err := http.NewResponseController(w).SetReadDeadline(time.Time{}); err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/octet-stream")
	w.Header().Set("Trailer", streamError)
	ctx := audit.WithOrigin(stoa.WithActor(r.Context(), stoa.SystemActor()), controlSocket)
	if _, err := s.Backup(ctx, w); err != nil {
		w.Header().Set(streamError, httpLine(err.Error()))
	}
}

// streamError is the trailer with what went wrong after a stream began.
const streamError = "Stoa-Error"

// httpLine makes a text one line, as a field of HTTP has to be.
func httpLine(s string) string {
	return string(bytes.Map(func(r rune) rune {
		if r < ' ' {
			return ' '
		}
		return r
	}, []byte(s)))
}

// ControlStream has the node that runs on the home write an answer to w. running is false when none does.
func ControlStream(ctx context.Context, home, command string, req ControlRequest, w io.Writer) (
	running bool, err error) {
	path, release, err := shortPath(SocketPath(home))
	if errors.Is(err, os.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	defer release()
	conn, err := net.DialTimeout("unix", path, 2*time.Second)
	if err != nil {
		return false, nil
	}
	_ = conn.Close()
	dial := func(ctx context.Context, _, _ string) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, "unix", path)
	}
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true, DialContext: dial}}
	body, err := json.Marshal(req)
	if err != nil {
		return false, err
	}
	httpReq, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://stoa/"+command, jsonBody(body))
	if err != nil {
		return true, err
	}
	res, err := client.Do(httpReq)
	if err != nil {
		return true, stoa.Unavailable(err, "the node on %s did not answer", home)
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return true, stoa.Unavailable(errors.New(res.Status), "the node on %s does not know the command %s; is it "+
			"older?", home, command)
	}
	_, err = io.Copy(w, res.Body)
	if said := res.Trailer.Get(streamError); said != "" {
		return true, errors.New(said)
	}
	if err != nil {
		return true, fmt.Errorf("the backup was cut off: %w", err)
	}
	return true, nil
}

// CheckedBackup gives what produce writes on to w, and reads every byte of it again on the way: a backup that is not
// whole is an error.
func CheckedBackup(ctx context.Context, w io.Writer, progress transfer.Progress,
	produce func(w io.Writer) error) (transfer.Header, transfer.End, error) {
	type read struct {
		h   transfer.Header
		e   transfer.End
		err error
	}
	r, check := io.Pipe()
	done := make(chan read, 1)
	go func() {
		h, e, err := transfer.Verify(ctx, r, progress)
		if err != nil {
			r.CloseWithError(err)
		} else {
			_, err = io.Copy(io.Discard, r)
		}
		done <- read{h, e, err}
	}()
	err := produce(io.MultiWriter(w, check))
	check.CloseWithError(err) // nil is the end of the file
	got := <-done
	if err != nil {
		got.err = err
	}
	return got.h, got.e, got.err
}

// BackupToDir makes a new folder with the backup that produce writes.
func BackupToDir(ctx context.Context, dir string, progress transfer.Progress,
	produce func(w io.Writer) error) (h transfer.Header, e transfer.End, err error) {
	if _, err := os.Lstat(dir); !errors.Is(err, fs.ErrNotExist) {
		return h, e, stoa.Invalid("dir", "%s is already there: give the name of a new folder", dir)
	}
	part := dir + ".part"
	if err := os.RemoveAll(part); err != nil {
		return h, e, stoa.Unavailable(err, "the unfinished backup %s cannot be removed", part)
	}
	if err := os.MkdirAll(part, 0o700); err != nil {
		return h, e, stoa.Unavailable(err, "the folder %s cannot be made", part)
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.RemoveAll(part))
		}
	}()
	out, err := os.OpenFile(filepath.Join(part, backupFile), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return h, e, stoa.Unavailable(err, "the backup cannot be written to %s", part)
	}
	h, e, err = CheckedBackup(ctx, out, progress, produce)
	if err = errors.Join(err, out.Sync(), out.Close()); err != nil {
		return h, e, err
	}
	if err := os.Rename(part, dir); err != nil {
		return h, e, stoa.Unavailable(err, "the finished backup cannot be moved to %s", dir)
	}
	return h, e, nil
}

// OpenBackup opens what stoa backup wrote: a folder, a file, or standard input for "-".
func OpenBackup(from string) (io.ReadCloser, error) {
	if from == "-" {
		return io.NopCloser(os.Stdin), nil
	}
	st, err := os.Stat(from)
	if err != nil {
		return nil, stoa.Invalid("from", "%s cannot be read: a folder or a file that stoa backup wrote is expected "+
			"(%v)", from, err)
	}
	if st.IsDir() {
		if _, err := os.Stat(filepath.Join(from, "stoa.db")); err == nil {
			return nil, stoa.Invalid("from", "%s is a backup of an older stoa: copy its stoa.db to data/stoa.db and "+
				"its files to data/document_library of a new home, and start that", from)
		}
		from = filepath.Join(from, backupFile)
		if _, err := os.Stat(from); err != nil {
			return nil, stoa.Invalid("from", "%s is not a backup: it has no %s", filepath.Dir(from), backupFile)
		}
	}
	return os.Open(from)
}

// Restore fills the database of the home, or the one at url (with the password, when the address has none) if that is
// given, and the home's file store from a backup. Neither may hold anything.
func Restore(ctx context.Context, c *config.Config, stores Stores, from, url, password string, log *slog.Logger,
	progress transfer.Progress) (h transfer.Header, e transfer.End, err error) {
	own, err := openHome(c.Home)
	if err != nil {
		return h, e, err
	}
	defer func() { err = errors.Join(err, own.close()) }()
	in, err := OpenBackup(from)
	if err != nil {
		return h, e, err
	}
	defer func() { _ = in.Close() }() // was only read
	c.Database.CreateSchema, c.Database.MigrateOnStart = true, true
	d, err := openForTransfer(ctx, c, url, password, log)
	if err != nil {
		return h, e, err
	}
	defer func() { err = errors.Join(err, d.Close()) }()
	if err := dbcheck.Encoding(ctx, d); err != nil {
		return h, e, err
	}
	store, err := stores.open(c, d, log, false)
	if err != nil {
		return h, e, err
	}
	defer func() { err = errors.Join(err, closeStore(store)) }()
	makeStore := func(ctx context.Context) error { return madeStore(ctx, store, filestore.NewKey()) }
	var inside func(context.Context) error // the store lies in the database: it is made with the tables
	if storeInDatabase(c) {
		inside = makeStore
	} else if err := makeStore(ctx); err != nil {
		return h, e, err
	}
	beyond, err := remembered(ctx, c, stores)
	if err != nil {
		return h, e, err
	}
	above := int64(0)
	for _, m := range beyond {
		above = max(above, m.newest().Number)
	}
	h, e, err = transfer.Restore(ctx, transfer.RestoreOptions{DB: d, Store: store, StoreInside: inside, From: from,
		Above:    above,
		Progress: progress, Logger: log}, in)
	if err == nil {
		noteOf(ctx, d, log, audit.BackRestored)
	}
	return h, e, err
}

// noteOf writes down what a command does to a database without a node. It is done already, so what fails is said.
func noteOf(ctx context.Context, d *db.DB, log *slog.Logger, action string, with ...string) {
	ctx = audit.WithOrigin(stoa.WithActor(ctx, stoa.SystemActor()), "command")
	l, err := audit.New(audit.Options{DB: d, Node: func() string { return "operator" }, Logger: log})
	if err == nil {
		err = l.Record(ctx, audit.Done, action, audit.Thing{}, with...)
	}
	if err != nil && log != nil {
		log.Warn("what was done could not be written down", "action", action, "error", err)
	}
}
