// Package dbstore is the file store in the database of the portal: what all nodes share anyway, backed up and
// replicated with it. The bytes of a file lie in chunks, each written in a short transaction of its own that is no part
// of the change log; the last transaction writes the head, and only a key with a head exists.
package dbstore

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/db"
	"github.com/stoa-portal/stoa/filestore"
)

const (
	// ChunkBytes is the size of a chunk: small enough for every packet limit and for the certification of a
	// transaction by all nodes of a Galera cluster.
	ChunkBytes = 256 << 10

	batch       = 64 // chunks that one transaction deletes
	listBatch   = 500
	abandoned   = 24 * time.Hour // after which chunks without a head belong to no writer that lives
	discardWait = 10 * time.Second
	deleteWait  = 500 * time.Millisecond // the file is gone with its head; its chunks may go later
	sweepWait   = time.Second            // within a look, which has three
	sweepAgain  = time.Minute            // when there was more
	readWait    = 30 * time.Second
	probeEvery  = time.Minute
	tries       = 5 // of one chunk whose COMMIT had an unknown outcome
)

// Options are the settings of a store. DB is needed.
type Options struct {
	DB     *db.DB
	Logger *slog.Logger // nil for none
}

// Store is a filestore.Driver.
type Store struct {
	o       Options
	want    string // the identity that it must have; empty for any
	buffers *sync.Pool
	swept   *atomic.Int64 // when chunks without a head were removed, in seconds since 1970
	probed  *atomic.Int64
}

// New gives the store in the database. It looks at nothing and makes nothing: Make makes a store.
func New(o Options) *Store {
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return &Store{o: o, swept: new(atomic.Int64), probed: new(atomic.Int64),
		buffers: &sync.Pool{New: func() any { return new([ChunkBytes]byte) }}}
}

// String implements filestore.Driver.
func (s *Store) String() string { return "the database " + s.o.DB.Describe() }

// Bind implements filestore.Driver.
func (s *Store) Bind(identity string) filestore.Store { return s.bind(identity) }

func (s *Store) bind(identity string) *Store {
	b := *s
	b.want = identity
	return &b
}

// Identity implements filestore.Driver.
func (s *Store) Identity(ctx context.Context) (string, error) {
	id, err := s.identity(ctx, s.o.DB)
	if stoa.Is(err, stoa.KindNotFound) {
		return "", err
	}
	return id, s.fault(ctx, "read", err)
}

func (s *Store) identity(ctx context.Context, q db.Queryer) (id string, err error) {
	err = q.QueryRow(ctx, "SELECT identity FROM file_store WHERE id = 1").Scan(&id)
	if db.IsNoRows(err) {
		return "", &stoa.Error{Kind: stoa.KindNotFound, Message: "the file store has no identity yet"}
	}
	return id, err
}

// same reports what keeps the database from holding the store that s is bound to. q is the transaction of what is done.
func (s *Store) same(ctx context.Context, q db.Queryer) error {
	id, err := s.identity(ctx, q)
	switch {
	case stoa.Is(err, stoa.KindNotFound):
		return filestore.Unusable(&filestore.Fault{
			Code: filestore.CodeMissing, Why: s.String() + " holds no file store",
			Fix: "wait until a node has made it, or restore the database from a backup that has its files",
		}, "the file store is not there")
	case err != nil:
		return err
	case s.want != "" && id != s.want:
		return filestore.Unusable(&filestore.Fault{
			Code: filestore.CodeOther, Why: s.String() + " holds another file store than the one that the other nodes use",
			Fix: "let all nodes use the same database",
		}, "the file store is another one than that of this portal")
	}
	return nil
}

// Make implements filestore.Driver. The tables are there since the database was migrated.
func (s *Store) Make(ctx context.Context, propose string) (id string, err error) {
	if err := filestore.CheckIdentity(propose); err != nil {
		return "", err
	}
	err = s.o.DB.Write(ctx, func(ctx context.Context, tx *db.Tx) error {
		if _, err := tx.InsertIgnore(ctx, "file_store", db.Row{"id": 1, "identity": propose}); err != nil {
			return err
		}
		id, err = s.identity(ctx, tx)
		return err
	})
	return id, s.fault(ctx, "made", err)
}

// Put implements filestore.Store. A file of one chunk is one transaction. Of a larger one, the head counts the chunks
// that the database has: a fail-over that lost some of them leaves no file with a hole.
func (s *Store) Put(ctx context.Context, key string, r io.Reader, size int64) (filestore.Info, error) {
	if err := filestore.CheckPut(ctx, key, size); err != nil {
		return filestore.Info{}, err
	}
	src := filestore.NewSource(ctx, r, size)
	buf := s.buffers.Get().(*[ChunkBytes]byte)
	defer s.buffers.Put(buf)
	n, end, err := src.Next(buf[:])
	if err != nil {
		return filestore.Info{}, err
	}
	p := &put{s: s, key: key, id: rand.Int64N(1<<62) + 1, src: src}
	if end {
		return p.finish(ctx, buf[:n])
	}
	finished := false
	defer func() { // also when r panics
		if !finished {
			p.abandon(ctx, discardWait)
		}
	}()
	if err := p.begin(ctx); err != nil {
		return filestore.Info{}, err
	}
	for {
		if n > 0 {
			if err := p.chunk(ctx, buf[:n]); err != nil {
				return filestore.Info{}, err
			}
		}
		if end {
			info, err := p.finish(ctx, nil)
			finished = err == nil || db.IsUnknownOutcome(err) // what may be a file is left to the sweep
			return info, err
		}
		if n, end, err = src.Next(buf[:]); err != nil {
			return filestore.Info{}, err
		}
	}
}

// put is one Put.
type put struct {
	s      *Store
	key    string
	id     int64
	src    *filestore.Source
	chunks int64
	bytes  int64
}

// begin notes that chunks are to come, so that the sweep finds them.
func (p *put) begin(ctx context.Context) error {
	return p.s.write(ctx, func(ctx context.Context, tx *db.Tx) error {
		if _, err := p.free(ctx, tx); err != nil {
			return err
		}
		_, err := tx.InsertIgnore(ctx, "file_upload", db.Row{"put": p.id, "begun": db.Micros(tx.Now())})
		return err
	})
}

// free reports what keeps the key from being written: another store, or a file. own is the head that this put wrote
// itself, in a transaction whose COMMIT was not answered; nil when it has not.
func (p *put) free(ctx context.Context, tx *db.Tx) (own *head, err error) {
	if err := p.s.same(ctx, tx); err != nil {
		return nil, err
	}
	h, err := readHead(ctx, tx, p.key)
	switch {
	case db.IsNoRows(err):
		return nil, nil
	case err != nil:
		return nil, err
	case h.put != p.id:
		return nil, filestore.Taken(p.key)
	}
	return &h, nil
}

// chunk writes the next one. Written again after an unknown outcome, it is the same row.
func (p *put) chunk(ctx context.Context, body []byte) error {
	err := p.s.write(ctx, func(ctx context.Context, tx *db.Tx) error {
		// The row is what the sweep, which takes it first as well, finds old: a slow upload keeps it young.
		n, err := tx.Affected(ctx, "UPDATE file_upload SET begun = ? WHERE put = ?", db.Micros(tx.Now()), p.id)
		if err != nil {
			return err
		}
		if n != 1 {
			return p.lost(errors.New("what tells of the upload is gone"))
		}
		_, err = tx.InsertIgnore(ctx, "file_chunk", db.Row{"put": p.id, "number": p.chunks, "size": len(body), "body": body})
		return err
	})
	p.chunks++
	p.bytes += int64(len(body))
	return err
}

// finish writes the head: from then on the file is there. small is the whole file where it has one chunk.
func (p *put) finish(ctx context.Context, small []byte) (filestore.Info, error) {
	info := filestore.Info{Key: p.key, Size: p.src.Size(), SHA256: p.src.SHA256()}
	err := p.s.write(ctx, func(ctx context.Context, tx *db.Tx) error {
		own, err := p.free(ctx, tx)
		if err != nil {
			return err
		}
		if own != nil {
			info.Modified = own.info.Modified
			return nil
		}
		if p.chunks > 0 {
			if err := p.complete(ctx, tx); err != nil {
				return err
			}
		} else if len(small) > 0 {
			_, err := tx.InsertIgnore(ctx, "file_chunk", db.Row{"put": p.id, "number": 0, "size": len(small), "body": small})
			if err != nil {
				return err
			}
		}
		info.Modified = tx.Now()
		err = tx.Insert(ctx, "file_head", db.Row{"file_key": []byte(p.key), "put": p.id, "size": info.Size,
			"sha256": info.SHA256, "modified": db.Micros(info.Modified)})
		if db.IsDuplicate(err) {
			return filestore.Taken(p.key)
		}
		return err
	})
	if err != nil { // a COMMIT that was not answered may show late
		if h, herr := readHead(ctx, p.s.o.DB, p.key); herr == nil && h.put == p.id {
			info.Modified, err = h.info.Modified, nil
		}
	}
	return info, err
}

// complete reports what is missing of the chunks, and takes them from the sweep.
func (p *put) complete(ctx context.Context, tx *db.Tx) error {
	taken, err := tx.Affected(ctx, "DELETE FROM file_upload WHERE put = ?", p.id)
	if err != nil {
		return err
	}
	var chunks, bytes int64
	if err := tx.QueryRow(ctx, "SELECT COUNT(*), COALESCE(SUM(size), 0) FROM file_chunk WHERE put = ?", p.id).
		Scan(&chunks, &bytes); err != nil {
		return err
	}
	if taken != 1 || chunks != p.chunks || bytes != p.bytes {
		return p.lost(fmt.Errorf("%d of %d chunks with %d of %d bytes are there", chunks, p.chunks, bytes, p.bytes))
	}
	return nil
}

// lost is the error of a put that the database does not have as a whole.
func (p *put) lost(err error) error {
	return filestore.Unusable(&filestore.Fault{
		Code: filestore.CodeOther, Err: err, Why: p.s.String() + " lost a part of a file while it was written",
		Fix: "send the file again; see what cluster status says of the last fail-over",
	}, "a part of the file was lost while it was written: send it again")
}

// abandon removes the chunks of a put that failed, or of a file that was deleted; what it cannot remove within the
// time, the sweep removes after a day.
func (p *put) abandon(ctx context.Context, wait time.Duration) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), wait)
	defer cancel()
	if err := p.s.discard(ctx, p.id, time.Now().Add(time.Hour)); err != nil {
		p.s.o.Logger.Info("the chunks of a file that was not written whole stay for a day", "error", err)
	}
}

// write runs one short transaction. What fn does is the same when it is done again, so an unknown outcome is no end.
func (s *Store) write(ctx context.Context, fn func(ctx context.Context, tx *db.Tx) error) (err error) {
	var unknown error
	for range tries {
		if err = s.o.DB.Write(ctx, fn); !db.IsUnknownOutcome(err) {
			break
		}
		if unknown = err; ctx.Err() != nil {
			break
		}
	}
	if err != nil && unknown != nil && !stoa.Is(err, stoa.KindConflict) && !db.IsUnknownOutcome(err) {
		err = errors.Join(err, unknown) // what was refused in the end may have happened before
	}
	return s.fault(ctx, "written", err)
}

// discard deletes the chunks of a put, some in each transaction, and at last the row that names it. Each of them writes
// that row first, as the put does with each chunk and with its head: so it never takes chunks of a file, nor those of a
// put that goes on, whose row is younger than before.
func (s *Store) discard(ctx context.Context, id int64, before time.Time) error {
	for from := int64(0); ; from += batch {
		var last int64
		err := s.o.DB.QueryRow(ctx, "SELECT COALESCE(MAX(number), -1) FROM file_chunk WHERE put = ?", id).Scan(&last)
		if err != nil {
			return err
		}
		over := false
		err = s.o.DB.Write(ctx, func(ctx context.Context, tx *db.Tx) error {
			over = false
			if err := s.same(ctx, tx); err != nil {
				return err
			}
			n, err := tx.Affected(ctx, "UPDATE file_upload SET begun = begun - 1 WHERE put = ? AND begun < ?", id,
				db.Micros(before))
			if over = err == nil && n == 0; err != nil || over {
				return err // it became a file, goes on, or is gone already
			}
			var heads int64
			if err := tx.QueryRow(ctx, "SELECT COUNT(*) FROM file_head WHERE put = ?", id).Scan(&heads); err != nil {
				return err
			}
			if heads > 0 {
				return errors.New("dbstore: these chunks belong to a file")
			}
			if _, err := tx.Exec(ctx, "DELETE FROM file_chunk WHERE put = ? AND number >= ? AND number < ?",
				id, from, from+batch); err != nil {
				return err
			}
			if last < from+batch {
				_, err := tx.Exec(ctx, "DELETE FROM file_upload WHERE put = ?", id)
				return err
			}
			return nil
		})
		if err != nil || over || last < from+batch {
			return err
		}
	}
}

// Delete implements filestore.Store. The file is gone with its head; its chunks go after that.
func (s *Store) Delete(ctx context.Context, key string) error {
	if err := filestore.CheckKey(key); err != nil {
		return err
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	var gone int64
	err := s.write(ctx, func(ctx context.Context, tx *db.Tx) error {
		if err := s.same(ctx, tx); err != nil {
			return err
		}
		h, err := readHead(ctx, tx, key)
		if db.IsNoRows(err) {
			return nil
		}
		if err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, "DELETE FROM file_head WHERE file_key = ? AND put = ?", []byte(key), h.put); err != nil {
			return err
		}
		gone = h.put
		_, err = tx.InsertIgnore(ctx, "file_upload", db.Row{"put": h.put, "begun": db.Micros(tx.Now())})
		return err
	})
	if err != nil || gone == 0 {
		return err
	}
	(&put{s: s, id: gone}).abandon(ctx, deleteWait)
	return nil
}

// Unmake deletes all files and the store itself, for who has made it in vain.
func (s *Store) Unmake(ctx context.Context) error {
	var keys []string
	if err := s.List(ctx, "", func(i filestore.Info) error { keys = append(keys, i.Key); return nil }); err != nil {
		if f := filestore.FaultOf(err); f != nil && f.Code == filestore.CodeMissing {
			return nil
		}
		return err
	}
	for _, key := range keys {
		if err := s.Delete(ctx, key); err != nil {
			return err
		}
	}
	return s.write(ctx, func(ctx context.Context, tx *db.Tx) error {
		_, err := tx.Exec(ctx, "DELETE FROM file_store")
		return err
	})
}

// List implements filestore.Store.
func (s *Store) List(ctx context.Context, prefix string, fn func(filestore.Info) error) error {
	if err := filestore.CheckPrefix(prefix); err != nil {
		return err
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := s.same(ctx, s.o.DB); err != nil {
		return s.fault(ctx, "read", err)
	}
	from, to := []byte(prefix), append([]byte(prefix), 0xff)
	for op := ">="; ; op = ">" {
		infos, err := db.All(ctx, s.o.DB, func(r db.Scanner) (i filestore.Info, err error) {
			var key []byte
			var modified int64
			err = r.Scan(&key, &i.Size, &modified)
			i.Key, i.Modified = string(key), db.Time(modified)
			return i, err
		}, "SELECT file_key, size, modified FROM file_head WHERE file_key "+op+" ? AND file_key < ? ORDER BY file_key "+
			"LIMIT ?",
			from, to, listBatch)
		if err != nil {
			return s.fault(ctx, "read", err)
		}
		for _, i := range infos {
			if err := ctx.Err(); err != nil {
				return err
			}
			if err := fn(i); err != nil {
				return err
			}
		}
		if len(infos) < listBatch {
			return nil
		}
		from = []byte(infos[len(infos)-1].Key)
	}
}

// Check implements filestore.Driver. That the database answers and takes what is written shows in the life of the node;
// here it is asked whether it holds the store, and now and then whether it takes a chunk and gives it back. Once a day
// what no file has is removed.
func (s *Store) Check(ctx context.Context, identity string) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	b := s.bind(identity)
	if err := b.same(ctx, s.o.DB); err != nil {
		return b.fault(ctx, "read", err)
	}
	if due(s.probed, probeEvery) {
		if err := b.probe(ctx); err != nil {
			s.probed.Store(0) // the next look tries again
			return err
		}
	}
	if due(s.swept, abandoned) {
		short, cancel := context.WithTimeout(ctx, sweepWait)
		defer cancel()
		if err := b.sweep(short); err != nil {
			s.swept.Store(time.Now().Add(sweepAgain - abandoned).Unix()) // the rest in a while
			s.o.Logger.Debug("chunks that belong to no file stay for a while", "error", err)
		}
	}
	return nil
}

// due reports whether the time has passed since it was due last, and notes that it was.
func due(last *atomic.Int64, every time.Duration) bool {
	now, l := time.Now().Unix(), last.Load()
	return now-l >= int64(every.Seconds()) && last.CompareAndSwap(l, now)
}

// errProbed rolls a probe back.
var errProbed = errors.New("dbstore: a probe is not kept")

// probe writes a chunk, reads it and takes it back.
func (s *Store) probe(ctx context.Context) error {
	id, sent := rand.Int64N(1<<62)+1, []byte(filestore.NewKey())
	var got []byte
	err := s.o.DB.Write(ctx, func(ctx context.Context, tx *db.Tx) error {
		if err := s.same(ctx, tx); err != nil {
			return err
		}
		if err := tx.Insert(ctx, "file_chunk", db.Row{"put": id, "number": 0, "size": len(sent), "body": sent}); err != nil {
			return err
		}
		if err := tx.QueryRow(ctx, "SELECT body FROM file_chunk WHERE put = ? AND number = 0", id).Scan(&got); err != nil {
			return err
		}
		return errProbed
	})
	if !errors.Is(err, errProbed) {
		return s.fault(ctx, "written", err)
	}
	if string(got) != string(sent) {
		return filestore.Unusable(&filestore.Fault{
			Code: filestore.CodeUnreadable, Why: s.String() + " gives back other bytes than were written",
			Fix: "see what stoa db check says of the database",
		}, "the file store gives back other bytes than were written")
	}
	return nil
}

// sweep removes the chunks of puts that were begun long ago and never ended.
func (s *Store) sweep(ctx context.Context) (failed error) {
	before := time.Now().Add(-abandoned)
	for after := int64(0); ; {
		ids, err := db.All(ctx, s.o.DB, func(r db.Scanner) (id int64, err error) { return id, r.Scan(&id) },
			"SELECT put FROM file_upload WHERE begun < ? AND put > ? ORDER BY put LIMIT ?",
			db.Micros(before), after, listBatch)
		if err != nil {
			return errors.Join(failed, err)
		}
		for _, id := range ids { // one that fails does not hold up the others
			if err := s.discard(ctx, id, before); err != nil {
				failed = err
			}
		}
		if len(ids) < listBatch || ctx.Err() != nil {
			return failed
		}
		after = ids[len(ids)-1]
	}
}

// fault gives an error of the database the words of the operator. What has its words, and the end of ctx, stay.
func (s *Store) fault(ctx context.Context, verb string, err error) error {
	switch {
	case err == nil, filestore.FaultOf(err) != nil, stoa.Is(err, stoa.KindConflict), stoa.Is(err, stoa.KindInvalid),
		stoa.Is(err, stoa.KindNotFound):
		return err
	case ctx.Err() != nil:
		return errors.Join(ctx.Err(), err)
	}
	f := &filestore.Fault{Code: filestore.CodeNoAnswer, Err: err,
		Why: fmt.Sprintf("the file store is in %s and cannot be %s", s, verb),
		Fix: "see what stoa cluster status says of the database"}
	if db.IsDiskFull(err) {
		f.Code, f.Fix = filestore.CodeFull, "free some space on the disk of the database"
		return filestore.Unusable(f, "the file store cannot be %s: the disk of the database is full", verb)
	}
	return filestore.Unusable(f, "the file store cannot be %s; try again in a moment", verb)
}
