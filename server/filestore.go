package server

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/change"
	"github.com/stoa-portal/stoa/cluster"
	"github.com/stoa-portal/stoa/config"
	"github.com/stoa-portal/stoa/db"
	"github.com/stoa-portal/stoa/db/transfer"
	"github.com/stoa-portal/stoa/document"
	"github.com/stoa-portal/stoa/filestore"
	"github.com/stoa-portal/stoa/filestore/diskcache"
	"github.com/stoa-portal/stoa/httpd"
	"github.com/stoa-portal/stoa/job"
)

// storeEvery is the time between two looks at the file store. With the three seconds that one of them takes at most,
// it is known within five seconds that the store cannot be used.
const storeEvery = 1500 * time.Millisecond

// recordWait is how long a look waits for the record in the database.
const recordWait = 3 * time.Second

const (
	storeRequirement = "file store"
	storeFact        = "filestore" // the record of the store that is in force
	storeProperty    = "dl.store.file.system.root.dir"
)

// files is what a node knows of its file store.
type files struct {
	guards [2]*filestore.Guard           // of the store that is in force, and of the other one while files are moved
	chosen [2]*chosenStore               // what they guard
	moving *filestore.Moving             // what the domain uses
	cache  *diskcache.Cache              // nil: none is in front of it
	wrong  atomic.Pointer[httpd.Problem] // nil: nothing is

	adopting sync.Mutex
	standing atomic.Pointer[standing] // nil: not known yet

	since  time.Time   // of wrong
	told   db.Token    // the newest incarnation that the store knows of
	toldTo string      // the identity of that store
	again  atomic.Bool // the record is to be read again
	hurt   damages

	opened atomic.Bool // guards, cache and chosen are set

	tokens tokens
}

// standing is what the database says of the file store, as this node has taken it over.
type standing struct {
	move  fileMove
	force int // of guards: the store that is in force
	other int // of guards: the other one of a move; -1 without one
}

// guard is that of the store which is in force.
func (f *files) guard() *filestore.Guard {
	if st := f.standing.Load(); st != nil {
		return f.guards[st.force]
	}
	return f.guards[0]
}

// place is the store which is in force.
func (f *files) place() *choice {
	if st := f.standing.Load(); st != nil {
		return f.chosen[st.force].in()
	}
	return f.chosen[0].in()
}

// onDisk reports whether all files lie in folders.
func (f *files) onDisk() bool {
	_, folder := f.place().Driver.(*filestore.Dir)
	if st := f.standing.Load(); folder && st != nil && st.other >= 0 {
		_, folder = f.chosen[st.other].in().Driver.(*filestore.Dir)
	}
	return folder
}

// problems gives what keeps the store from being used.
func (f *files) problems() []httpd.Problem {
	if p := f.wrong.Load(); p != nil {
		return []httpd.Problem{*p}
	}
	return nil
}

// freshen puts what is wrong with the store now into the place of what was some time ago.
func (f *files) freshen(old []httpd.Problem) []httpd.Problem {
	rest := slices.DeleteFunc(slices.Clone(old), func(p httpd.Problem) bool { return p.Requirement == storeRequirement })
	return append(f.problems(), rest...)
}

// openFiles opens the file store and keeps looking whether it can be used. A store that cannot be used is no reason not
// to start: the node is not ready, takes no files, and gets ready by itself.
func (s *Server) openFiles(ctx context.Context, noSync bool) error {
	log := s.log.With("component", "filestore")
	closers, err := s.openStores(log, noSync)
	if err != nil {
		return err
	}
	f := &s.files
	f.moving = filestore.NewMoving(filestore.Way{Put: f.guards[0]}, s.lookAgain)
	stopWaking := s.Log.Subscribe(func(rows []change.Row) {
		if slices.ContainsFunc(rows, func(r change.Row) bool { return r.Kind == moveChange }) {
			f.again.Store(true)
		}
	})
	s.DB.OnIncarnation(func(db.Turn) { s.files.again.Store(true) }) // another history may have another record
	s.lookAtStore(ctx)
	looks, stop := context.WithCancel(s.ctx)
	ended := make(chan struct{})
	s.wg.Go(func() {
		defer close(ended)
		t := time.NewTicker(storeEvery)
		defer t.Stop()
		for {
			select {
			case <-looks.Done():
				return
			case <-t.C:
				s.lookAtStore(looks)
			}
		}
	})
	s.onStop("file store", func(ctx context.Context) error {
		stopWaking()
		stop()
		<-ended
		s.endToken(ctx)
		err := errors.Join(f.guards[0].Close(ctx), f.guards[1].Close(ctx))
		for _, d := range closers {
			err = errors.Join(err, closeStore(d))
		}
		return err
	})
	if err := s.openFileCache(log); err != nil {
		return err
	}
	s.files.opened.Store(true)
	return nil
}

// openStores opens every file store that the settings of this node name. The first guard is made for that of
// dl.store.*, the second one for that of dl.store.move.*; each takes the other's where the database says so.
func (s *Server) openStores(log *slog.Logger, noSync bool) (opened []filestore.Driver, err error) {
	main, err := s.stores.open(s.cfg, s.DB, log, noSync)
	if err != nil {
		return nil, err
	}
	opened = append(opened, main)
	own := []choice{{main, fromSettings}}
	if !storeInFolder(s.cfg) {
		folder, err := filestore.OpenDir(s.cfg.Files.Root, filestore.DirOptions{Logger: log, NoSync: noSync})
		if err != nil {
			return nil, errors.Join(err, closeStore(main))
		}
		own = append(own, choice{folder, fromFolder})
	}
	first, second := own, own
	if to := s.cfg.MoveTarget(); to != nil {
		target, err := s.stores.open(to, s.DB, log, noSync)
		if err != nil {
			return nil, errors.Join(err, closeStore(main))
		}
		opened = append(opened, target)
		c := choice{target, fromMove}
		first, second = append(slices.Clone(own), c), append([]choice{c}, own...)
	}
	for i, choices := range [][]choice{first, second} {
		s.files.chosen[i] = newChosenStore(choices...)
		s.files.guards[i] = filestore.NewGuard(s.files.chosen[i], filestore.GuardOptions{})
	}
	return opened, nil
}

// documentOptions are what the service of files needs.
func (s *Server) documentOptions() document.Options {
	c := s.cfg
	return document.Options{
		DB: s.DB, Cache: s.Cache, Access: s.Access, Store: s.files.store(), OrphanAge: c.Files.OrphanAge,
		MaxBytes: c.Files.MaxFileBytes, MaxPixels: c.Files.MaxImagePixels, Unscaled: !c.Files.ThumbnailsEnabled,
		Incarnated: s.incarnated, Spare: s.spare, Damaged: s.noteDamaged, Moves: fileFence{s},
	}
}

// spare tells the sweep of backups and copies that run, and of a move: what they read from the database must still be
// there when they come to the files.
func (s *Server) spare(ctx context.Context) (oldest time.Time, running bool, err error) {
	if oldest, running, err = transfer.OldestRunning(ctx, s.DB); err != nil || running {
		return oldest, running, err
	}
	m, err := readMove(ctx, s.DB)
	return m.Begun, m.Phase != moveNone, err
}

// lookAtStore finds out whether the file store is the cluster's and can be used. One look is made at a time.
func (s *Server) lookAtStore(ctx context.Context) {
	f := &s.files
	var err error
	before := f.standing.Load()
	if before == nil {
		err = s.adoptStore(ctx)
	}
	if f.standing.Load() != nil {
		err = s.checkStores(ctx)
	}
	// After that, for it may wait for the database, which has a sentence of its own when it is away.
	if f.again.Swap(false) && before != nil {
		switch {
		case s.adoptStore(ctx) != nil:
			f.again.Store(true)
		case f.standing.Load() != before:
			err = s.checkStores(ctx)
		}
	}
	if ctx.Err() != nil {
		return
	}
	if err != nil && len(f.chosen[0].choices) > 1 {
		f.again.Store(true) // the other one may be there by then
	}
	s.noteStore(err)
	if err == nil {
		if err := s.keepHistory(ctx); err != nil {
			s.log.Debug("the file store could not be told the incarnation of the database; the next look tries again",
				"error", err)
		}
	}
}

// adoptStore learns which store is the cluster's. Where the database has no record of one, it is the one that this
// node has; only then is one made where none is.
func (s *Server) adoptStore(ctx context.Context) error {
	s.files.adopting.Lock()
	defer s.files.adopting.Unlock()
	short, cancel := context.WithTimeout(ctx, recordWait)
	defer cancel()
	m, err := readMove(short, s.DB)
	if err == nil && m.Force == "" {
		var mine string
		if mine, err = s.ownStore(ctx); err != nil {
			return err
		}
		if _, err = cluster.Fact(ctx, s.DB, storeFact, mine); err == nil {
			m, err = readMove(ctx, s.DB)
		}
	}
	if err != nil {
		return fmt.Errorf("learn which file store is the cluster's: %w", err)
	}
	s.stand(ctx, m)
	return nil
}

// ownStore gives the identity of this node's store, which it makes when there is none.
func (s *Server) ownStore(ctx context.Context) (string, error) {
	mine, err := s.files.guard().Identity(ctx)
	if err == nil {
		s.log.Info("the database knows no file store yet: it takes the one that is there",
			"place", s.files.guard(), "identity", mine)
		return mine, nil
	}
	f := filestore.FaultOf(err)
	if !stoa.Is(err, stoa.KindNotFound) && (f == nil || f.Code != filestore.CodeMissing) {
		return "", err
	}
	mine, err = s.files.guard().Make(ctx, filestore.NewKey())
	if err == nil {
		s.log.Info("made the file store", "place", s.files.guard(), "identity", mine)
	}
	return mine, err
}

// inFolderMend is what to do where the files lie in a folder and the settings name another store.
const inFolderMend = "set dl.store.impl=" + config.StoreFileSystem +
	" on this node, or bring the files into the other store with stoa files move"

// storeApart is the warning of a node whose files lie in another store than the one of dl.store.*. While files are
// moved, and until the move is finished, both are needed.
func (s *Server) storeApart() []cluster.Problem {
	if !s.files.open() {
		return nil
	}
	p := cluster.Problem{Requirement: storeRequirement, Code: cluster.CodeStoreSettings}
	switch c := s.files.place(); c.from {
	case fromFolder:
		p.Mend = inFolderMend
		return []cluster.Problem{p.Saying("dl.store.impl names %s, and the files of this portal lie in %s: that folder is "+
			"used", s.cfg.Files.Store, s.cfg.Files.Root)}
	case fromMove:
		if st := s.files.standing.Load(); st != nil && st.move.copies() {
			return nil // the move has not come to its end: the settings say where the files will be
		}
		p.Mend = s.swapMend()
		return []cluster.Problem{p.Saying("dl.store.impl names %s, and the files of this portal lie in %s, the store of "+
			"dl.store.move.*: that one is used", s.cfg.Files.Store, c.String())}
	}
	return nil
}

// swapMend names the lines to change on a node whose files were moved.
func (s *Server) swapMend() string {
	line := func(name string) string {
		for _, v := range s.cfg.Effective() {
			if v.Name == name && v.Source != "default" {
				return name + " (" + v.Source + ")"
			}
		}
		return name
	}
	return "on this node set " + line("dl.store.impl") + " to " + s.cfg.Files.Move.Store +
		" and the other dl.store.* settings to what dl.store.move.* says, give dl.store.move.* the ones of before or take " +
		"them out once the move is finished, from " + line("dl.store.move.impl") + " on, and restart it"
}

// noteStore keeps what a look has found, and logs it when it is news.
func (s *Server) noteStore(err error) {
	f := &s.files
	old := f.wrong.Load()
	if err == nil {
		if old != nil {
			after := time.Since(f.since).Round(time.Second)
			s.log.Info("the file store can be used again", "place", f.guard(), "after", after.String())
		}
		f.wrong.Store(nil)
		return
	}
	p := s.storeProblem(err)
	if old == nil {
		f.since = time.Now()
	}
	if old == nil || old.Mend != p.Mend { // the reason may count seconds
		s.log.Error("the file store cannot be used: this node is not ready and takes no files",
			"reason", p.Message, "fix", p.Mend, "error", err)
	}
	f.wrong.Store(&p)
}

// storeProblem is what is wrong with the store in the words of the operator.
func (s *Server) storeProblem(err error) httpd.Problem {
	f := filestore.FaultOf(err)
	if f == nil {
		mend := "see the log of this node and the state of the database"
		return httpd.Problem{Requirement: storeRequirement, Message: err.Error(), Mend: mend}
	}
	p := httpd.Problem{Requirement: storeRequirement, Message: f.Why, Mend: f.Fix, Code: "filestore." + f.Code}
	if f.Code == filestore.CodeOther {
		p.Code = cluster.CodeStoreOther
	}
	if storeInFolder(s.cfg) && (f.Code == filestore.CodeOther || f.Code == filestore.CodeMissing) {
		p.Mend += ", or set " + storeProperty + " to where it is; this node looks again by itself"
	}
	return p
}

// sweepFiles is the job that removes bytes to which no file refers.
func (s *Server) sweepFiles() job.Job {
	return job.Job{
		Name: "file.sweep", Does: "Deletes bytes that no file has referred to for days",
		Kind: job.Once, Schedule: "@every 6h", Timeout: 30 * time.Minute,
		Run: func(ctx context.Context, run job.Run) error {
			if s.DB.Unproven() {
				s.log.Info("no bytes are deleted from the file store: the database may be a copy, see stoa db adopt")
				return nil
			}
			w, err := s.Files.Sweep(stoa.WithActor(ctx, stoa.SystemActor()), run.Now)
			if err != nil {
				return err
			}
			log := s.log.With("component", "job", "job", "file.sweep")
			if w.Held != "" {
				log.Info("no bytes are deleted from the file store for now", "reason", w.Held)
				return nil
			}
			log.Info("looked for bytes that no file refers to", "looked", w.Files, "found", w.Found,
				"referenced again", w.Returned, "deleted", w.Removed, "bytes", w.Freed, "waiting", w.Waiting)
			return nil
		},
	}
}
