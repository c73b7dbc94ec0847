package server

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"time"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/cluster"
	"github.com/stoa-portal/stoa/db"
	"github.com/stoa-portal/stoa/document"
	"github.com/stoa-portal/stoa/filestore"
)

// The files of a running portal move to another store in these steps, each a transaction that raises the version of
// the row in file_move:
//
//	moveNone       files are in the store that cluster_fact names
//	moveReading    nodes look for files in both stores; it ends when all live nodes say that they can
//	moveCopying    new files go to the target; what the source has is copied and compared
//	moveSwitched   cluster_fact names the target; the source is still read
//	moveReturning  a move that is taken back: new files go to the source, and the target is copied there
//
// Where new files go changes with the steps to moveCopying and moveReturning, and only with them: they raise the epoch,
// which each transaction that names a new key writes. So when a step is committed, all keys that were named before have
// their bytes where they were put before, and no key will be named whose bytes are put there after that, not even by a
// node that was asleep. What is copied from then on misses nothing.
const (
	moveNone      = "none"
	moveReading   = "reading"
	moveCopying   = "copying"
	moveSwitched  = "switched"
	moveReturning = "returning"
)

const (
	moveChange = "file-move" // the kind of change
	epochSlots = 16          // rows of file_epoch
	maxTrouble = 400         // column trouble
)

// fileMove is the row of the move, and the store that is in force.
type fileMove struct {
	Force                    string // identity
	Version, Epoch           int64
	Phase                    string
	Source, Target           string // identities of the newest move, also of one that has ended
	SourcePlace, TargetPlace string
	Place                    string // up to which all was copied
	Files, Size, Total       int64  // that were copied or compared: how many, bytes; and how many there may be
	Damaged, Missing         int64  // files whose bytes were wrong, or not there, in the store that they came from
	Begun, Ended             time.Time
	Trouble                  string // what it waits for
}

// copies reports whether files are on their way.
func (m fileMove) copies() bool {
	return m.Phase == moveReading || m.Phase == moveCopying || m.Phase == moveReturning
}

// other is the store, beside the one that is in force, in which files are looked for; empty without one.
func (m fileMove) other() string {
	switch {
	case m.Phase == moveNone:
		return ""
	case m.Force == m.Source:
		return m.Target
	}
	return m.Source
}

// puts is the store to which new files go.
func (m fileMove) puts() string {
	switch m.Phase {
	case moveCopying, moveSwitched:
		return m.Target
	case moveReading, moveReturning:
		return m.Source
	}
	return m.Force
}

// readMove reads row and record at one moment.
func readMove(ctx context.Context, q db.Queryer) (m fileMove, err error) {
	var begun, ended int64
	err = q.QueryRow(ctx, `SELECT COALESCE((SELECT value FROM cluster_fact WHERE name = ?), ''), version, epoch, phase,
		source, source_place, target, target_place, place, files, size, total, damaged, missing, begun, ended, trouble
		FROM file_move WHERE id = 1`, storeFact).
		Scan(&m.Force, &m.Version, &m.Epoch, &m.Phase, &m.Source, &m.SourcePlace, &m.Target, &m.TargetPlace, &m.Place,
			&m.Files, &m.Size, &m.Total, &m.Damaged, &m.Missing, &begun, &ended, &m.Trouble)
	m.Begun, m.Ended = db.Time(begun), db.Time(ended)
	return m, err
}

// errMoveOn says that a move is no longer in the step in which it was read.
var errMoveOn = stoa.Conflict("the move of the files has gone on or was cancelled meanwhile; look again with " +
	"stoa files move --status")

// step brings the move into another phase, unless it has gone on since m was read.
func (m fileMove) step(ctx context.Context, tx *db.Tx, phase string, more db.Row) error {
	set, args := "version = version + 1, phase = ?, trouble = ''", []any{phase}
	for column, value := range more {
		set += ", " + column + " = ?"
		args = append(args, value)
	}
	if phase == moveCopying || phase == moveReturning {
		// No two steps have the same one, not even where a fail-over of the database has lost one of them.
		epoch := m.Epoch + 1 + rand.Int64N(1<<40)
		set, args = set+", epoch = ?", append(args, epoch)
		if _, err := tx.Exec(ctx, "UPDATE file_epoch SET epoch = ?", epoch); err != nil {
			return err
		}
	}
	n, err := tx.Affected(ctx, "UPDATE file_move SET "+set+" WHERE id = 1 AND version = ?", append(args, m.Version)...)
	if err == nil && n != 1 {
		err = errMoveOn
	}
	if err != nil {
		return err
	}
	tx.Changed(moveChange, 1, 0, m.Version+1)
	return nil
}

// note keeps what the move waits for; a row that has gone on stays as it is.
func (m fileMove) note(ctx context.Context, tx *db.Tx, trouble string) error {
	_, err := tx.Exec(ctx, "UPDATE file_move SET trouble = ? WHERE id = 1 AND version = ?", stoa.Clip(trouble, maxTrouble),
		m.Version)
	return err
}

// stand takes over what the database says of the store. One caller at a time.
func (s *Server) stand(ctx context.Context, m fileMove) {
	f := &s.files
	st := &standing{move: m, force: f.guardFor(m.Force, -1), other: -1}
	take := func(i int, identity string) {
		if f.chosen[i].choose(ctx, identity) {
			f.guards[i].Readopt(identity)
		} else {
			f.guards[i].Adopt(identity)
		}
	}
	was := f.place()
	take(st.force, m.Force)
	w := filestore.Way{Put: f.guards[st.force], Epoch: m.Epoch}
	if id := m.other(); id != "" {
		st.other = f.guardFor(id, st.force)
		take(st.other, id)
		w.Also = f.guards[st.other]
		if m.puts() != m.Force {
			w.Put, w.Also = w.Also, w.Put
		}
	}
	old := f.standing.Load()
	if old != nil && old.move.Version == m.Version && old.force == st.force && old.other == st.other &&
		was == f.place() && old.move.Force == m.Force {
		st = old // nothing is new
	}
	f.standing.Store(st)
	f.moving.Set(w)
	if old != nil && old.move.Version != m.Version {
		s.log.Info("the files of this portal are being moved", "step", m.Phase, "from", m.SourcePlace, "to", m.TargetPlace)
	}
	if now := f.place(); now != was && now.from != fromSettings {
		s.log.Warn("the files of this portal lie in another store than the one that dl.store.impl names: that one is used",
			"place", now, "settings", s.cfg.Files.Store)
	}
}

// guardFor gives which guard is for the store with that identity: the one that has it already, so that what is under
// way is not disturbed when the other store comes into force.
func (f *files) guardFor(identity string, but int) int {
	for i, g := range f.guards {
		if i != but && g.Adopted() == identity {
			return i
		}
	}
	if but == 0 {
		return 1
	}
	return 0
}

// lookAgain is asked when a file was not found: another node may have put it where this one does not look yet.
func (s *Server) lookAgain(ctx context.Context) {
	st := s.files.standing.Load()
	if st == nil || db.InWrite(ctx) {
		return
	}
	m, err := readMove(ctx, s.DB)
	if err == nil && m.Version != st.move.Version {
		err = s.adoptStore(ctx)
	}
	if err != nil {
		s.log.DebugContext(ctx, "a file was not found, and whether files are being moved is not known", "error", err)
	}
}

// checkStores finds out whether the stores that are needed can be used. Once all files are in the new store, the old
// one is read where it is there, and keeps no node from working when it is not.
func (s *Server) checkStores(ctx context.Context) error {
	f := &s.files
	st := f.standing.Load()
	if err := f.guards[st.force].Check(ctx); err != nil || st.other < 0 || !st.move.copies() {
		return err
	}
	return s.checkOther(ctx, st)
}

// checkOther finds out whether this node can do its part in a move.
func (s *Server) checkOther(ctx context.Context, st *standing) error {
	err := s.files.guards[st.other].Check(ctx)
	fault := filestore.FaultOf(err)
	if fault == nil {
		return err
	}
	told := *fault
	m := st.move
	told.Why = fmt.Sprintf("files are being moved from %s to %s, and this node cannot use both: %s", m.SourcePlace,
		m.TargetPlace, fault.Why)
	if fault.Code == filestore.CodeOther || fault.Code == filestore.CodeMissing {
		told.Code = strings.TrimPrefix(cluster.CodeStoreMove, "filestore.")
		told.Fix = "set dl.store.* and dl.store.move.* on this node as on the others and restart it"
	}
	return filestore.Unusable(&told, "the file store is not ready; try again in a moment")
}

// fileFence is the epoch of the file store for those who name keys.
type fileFence struct{ s *Server }

// Epoch implements document.Moves.
func (f fileFence) Epoch() int64 { return f.s.files.moving.Epoch() }

// Fence implements document.Moves.
func (f fileFence) Fence(ctx context.Context, tx *db.Tx, epoch int64) error {
	n, err := tx.Affected(ctx, "UPDATE file_epoch SET named = named + 1 WHERE slot = ? AND epoch = ?",
		rand.IntN(epochSlots), epoch)
	if err == nil && n != 1 {
		err = stoa.Unavailable(document.ErrMoved,
			"the files of this portal are being moved to another store; send the file again")
	}
	return err
}

// Bring implements document.Moves.
func (f fileFence) Bring(ctx context.Context, key string) (epoch int64, err error) {
	if err := f.s.adoptStore(ctx); err != nil {
		return 0, err
	}
	return f.s.files.moving.Bring(ctx, key)
}

// notMoving refuses what must not be done to a portal whose files are on their way, or lie in another store than the
// one of dl.store.*, which commands without a node open.
func notMoving(ctx context.Context, d *db.DB, own filestore.Driver) error {
	m, err := readMove(ctx, d)
	if err != nil {
		return err
	}
	if m.Phase != moveNone {
		return stoa.Conflict("the files of the portal are being moved from %s to %s: wait for the end of that, and "+
			"finish it with stoa files move --finish", m.SourcePlace, m.TargetPlace)
	}
	if m.Force == "" || m.Target != m.Force {
		return nil
	}
	id, err := within(ctx, own.Identity)
	if stoa.Is(err, stoa.KindNotFound) || err == nil && id != m.Force {
		return stoa.Conflict("the files of the portal were moved to %s, and dl.store.* of this home names another "+
			"store: change it first", m.TargetPlace)
	}
	if f := filestore.FaultOf(err); f != nil {
		return errors.New(f.Why)
	}
	return err
}
