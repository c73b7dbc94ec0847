package server

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"time"

	"github.com/stoa-portal/stoa"
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
	guard  *filestore.Guard
	cache  *diskcache.Cache              // nil: none is in front of the guard
	chosen *chosenStore                  // nil: there is nothing to choose from
	folder atomic.Bool                   // the folder was chosen, which the settings do not name
	wrong  atomic.Pointer[httpd.Problem] // nil: nothing is

	since time.Time   // of wrong
	told  db.Token    // the newest incarnation that the store knows of
	again atomic.Bool // the record is to be read again
	hurt  damages

	opened atomic.Bool // guard, cache and chosen are set

	tokens tokens
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
	store, err := s.stores.open(s.cfg, s.DB, log, noSync)
	if err != nil {
		return err
	}
	last := store
	if !storeInFolder(s.cfg) {
		folder, err := filestore.OpenDir(s.cfg.Files.Root, filestore.DirOptions{Logger: log, NoSync: noSync})
		if err != nil {
			return err
		}
		s.files.chosen = &chosenStore{Driver: store, folder: folder}
		store = s.files.chosen
	}
	s.files.guard = filestore.NewGuard(store, filestore.GuardOptions{})
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
		stop()
		<-ended
		s.endToken(ctx)
		return errors.Join(s.files.guard.Close(ctx), closeStore(last))
	})
	if err := s.openFileCache(log); err != nil {
		return err
	}
	s.files.opened.Store(true)
	return nil
}

// documentOptions are what the service of files needs.
func (s *Server) documentOptions() document.Options {
	c := s.cfg
	return document.Options{
		DB: s.DB, Cache: s.Cache, Access: s.Access, Store: s.files.store(), OrphanAge: c.Files.OrphanAge,
		MaxBytes: c.Files.MaxFileBytes, MaxPixels: c.Files.MaxImagePixels, Unscaled: !c.Files.ThumbnailsEnabled,
		Incarnated: s.incarnated, Spare: s.spare, Damaged: s.noteDamaged,
	}
}

// spare tells the sweep of backups and copies that run: what they read from the database must still be there when
// they come to the files.
func (s *Server) spare(ctx context.Context) (oldest time.Time, running bool, err error) {
	return transfer.OldestRunning(ctx, s.DB)
}

// lookAtStore finds out whether the file store is the cluster's and can be used. One look is made at a time.
func (s *Server) lookAtStore(ctx context.Context) {
	f := &s.files
	var err error
	known := f.guard.Adopted()
	if known == "" {
		err = s.adoptStore(ctx)
	}
	if f.guard.Adopted() != "" {
		err = f.guard.Check(ctx)
	}
	// After that, for it may wait for the database, which has a sentence of its own when it is away.
	if f.again.Swap(false) && known != "" {
		switch {
		case s.adoptStore(ctx) != nil:
			f.again.Store(true)
		case f.guard.Adopted() != known:
			err = f.guard.Check(ctx)
		}
	}
	if ctx.Err() != nil {
		return
	}
	if err != nil && f.chosen != nil {
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
	short, cancel := context.WithTimeout(ctx, recordWait)
	defer cancel()
	agreed, err := cluster.KnownFact(short, s.DB, storeFact)
	if err == nil && agreed == "" {
		var mine string
		if mine, err = s.ownStore(ctx); err != nil {
			return err
		}
		agreed, err = cluster.Fact(ctx, s.DB, storeFact, mine)
	}
	if err != nil {
		return fmt.Errorf("learn which file store is the cluster's: %w", err)
	}
	if c := s.files.chosen; c != nil {
		folder, changed := c.choose(ctx, agreed)
		if changed {
			s.files.guard.Readopt(agreed)
		}
		if was := s.files.folder.Swap(folder); folder && !was {
			s.log.Warn("the files of this portal lie in a folder, and the settings name another store: the folder is used",
				"place", c, "settings", s.cfg.Files.Store, "fix", inFolderMend)
		}
	}
	s.files.guard.Adopt(agreed)
	return nil
}

// ownStore gives the identity of this node's store, which it makes when there is none.
func (s *Server) ownStore(ctx context.Context) (string, error) {
	mine, err := s.files.guard.Identity(ctx)
	if err == nil {
		s.log.Info("the database knows no file store yet: it takes the one that is there",
			"place", s.files.guard, "identity", mine)
		return mine, nil
	}
	f := filestore.FaultOf(err)
	if !stoa.Is(err, stoa.KindNotFound) && (f == nil || f.Code != filestore.CodeMissing) {
		return "", err
	}
	mine, err = s.files.guard.Make(ctx, filestore.NewKey())
	if err == nil {
		s.log.Info("made the file store", "place", s.files.guard, "identity", mine)
	}
	return mine, err
}

// inFolderMend is what to do where the files lie in a folder and the settings name another store.
const inFolderMend = "set dl.store.impl=" + config.StoreFileSystem +
	" on this node, or, to begin anew in the other store, back the portal up and restore it with these settings"

// folderChosen is the warning of a node whose files lie in a folder that its settings do not name.
func (s *Server) folderChosen() []cluster.Problem {
	if !s.files.folder.Load() || s.files.chosen == nil {
		return nil
	}
	return []cluster.Problem{cluster.Problem{Requirement: storeRequirement, Code: cluster.CodeStoreSettings,
		Mend: inFolderMend}.Saying("dl.store.impl names %s, and the files of this portal lie in %s: that folder is used",
		s.cfg.Files.Store, s.cfg.Files.Root)}
}

// noteStore keeps what a look has found, and logs it when it is news.
func (s *Server) noteStore(err error) {
	f := &s.files
	old := f.wrong.Load()
	if err == nil {
		if old != nil {
			after := time.Since(f.since).Round(time.Second)
			s.log.Info("the file store can be used again", "place", f.guard, "after", after.String())
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
