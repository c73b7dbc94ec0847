package server

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/admin/operate"
	"github.com/stoa-portal/stoa/cluster"
	"github.com/stoa-portal/stoa/db"
	"github.com/stoa-portal/stoa/db/transfer"
	"github.com/stoa-portal/stoa/filestore"
)

// moveAsk is how long other nodes may take to look at the target and to answer.
const moveAsk = 20 * time.Second

// moveQuestion asks a node to take part in a move: about the one in the database, or, with an Identity, about the store
// to which files are to be moved.
type moveQuestion struct {
	Version  int64
	Identity string
	Token    string // key that the asker has written there
}

// moveAnswer is what the node says.
type moveAnswer struct {
	Version int64
	Why     string // not; empty: it can
	Token   string // key that it has written into the target
}

// Orders of stoa files move.
const (
	MoveStart  = "start"
	MoveFinish = "finish"
	MoveCancel = "cancel"
)

// MoveText does what an operator orders about a move of the files, and says how far it is.
func (s *Server) MoveText(ctx context.Context, r ControlRequest) (string, error) {
	late, err := "", stoa.ActorFrom(ctx).OperatesNow("move the files")
	if err != nil {
		return "", err
	}
	if s.command && r.Order == MoveStart {
		return "", stoa.Conflict("no node runs on this home: start one first, files are moved while the portal runs")
	}
	switch r.Order {
	case "":
	case MoveStart:
		err = s.startMove(ctx)
	case MoveFinish:
		late, err = s.finishMove(ctx)
	case MoveCancel:
		late, err = s.cancelMove(ctx)
	default:
		err = stoa.Invalid("order", "%q is no order for a move: %s, %s or %s is expected", r.Order, MoveStart, MoveFinish,
			MoveCancel)
	}
	if err != nil {
		return "", err
	}
	m, err := readMove(ctx, s.DB)
	return m.String() + late, err
}

// FileMove says how far a move of the files is, for operators.
func (s *Server) FileMove(ctx context.Context) (operate.FileMove, error) {
	if err := stoa.ActorFrom(ctx).Operates("see where the files are"); err != nil {
		return operate.FileMove{}, err
	}
	m, err := readMove(ctx, s.DB)
	return operate.FileMove{Phase: m.Phase, Place: s.files.place().String(), Source: m.SourcePlace, Target: m.TargetPlace,
		Back: m.Force != m.Target, Files: m.Files, Total: max(m.Files, m.Total), Size: m.Size, Damaged: m.Damaged,
		Missing: m.Missing, Begun: m.Begun, Ended: m.Ended, Trouble: m.Trouble}, err
}

// String says how far the move is, and what is to be done.
func (m fileMove) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s", m.now())
	if m.Phase == moveCopying || m.Phase == moveReturning {
		fmt.Fprintf(&b, "\n%d files of %d, %d bytes.", m.Files, max(m.Files, m.Total), m.Size)
	}
	if m.Damaged > 0 {
		fmt.Fprintf(&b, "\n%d files had other bytes than were uploaded before they were moved; they were copied as they are.",
			m.Damaged)
	}
	if m.Missing > 0 {
		fmt.Fprintf(&b, "\nThe bytes of %d files are in no store: they were lost before the move. "+
			"The log names them.", m.Missing)
	}
	if m.Trouble != "" {
		fmt.Fprintf(&b, "\nIt waits: %s.", m.Trouble)
	}
	return b.String()
}

// now is the present step in a sentence.
func (m fileMove) now() string {
	switch m.Phase {
	case moveReading:
		return fmt.Sprintf("The files of %s are to be moved to %s: all nodes are asked to look for files in both.",
			m.SourcePlace, m.TargetPlace)
	case moveCopying:
		return fmt.Sprintf("New files go to %s, and what %s has is copied there. Both are needed.", m.TargetPlace,
			m.SourcePlace)
	case moveReturning:
		return fmt.Sprintf("The move was cancelled: new files go to %s, and what %s has of them is copied back. Both are "+
			"needed.", m.SourcePlace, m.TargetPlace)
	case moveSwitched:
		return fmt.Sprintf("All files are in %s now; %s is still read. When nothing is missing, end the move with stoa "+
			"files move --finish, and then make the lines dl.store.move.* of each node its dl.store.*.",
			m.TargetPlace, m.SourcePlace)
	}
	if m.Ended.IsZero() {
		return "No files are being moved."
	}
	last := "The last move, from " + m.SourcePlace + " to " + m.TargetPlace + ", ended " + when(m.Ended) + "."
	if m.Force != m.Target {
		last = "The last move, from " + m.SourcePlace + " to " + m.TargetPlace + ", was cancelled, " + when(m.Ended) + "."
	}
	return "No files are being moved. " + last
}

// startMove begins a move when every live node proves that it reaches the target.
func (s *Server) startMove(ctx context.Context) error {
	to := s.cfg.MoveTarget()
	if to == nil {
		return stoa.Invalid("dl.store.move.impl", "it says to which store the files are to be moved, and it is not set on "+
			"this node: set dl.store.move.* on every node and restart them one after the other")
	}
	if s.DB.Unproven() {
		return stoa.Conflict("the database may be a copy of another one, so no files are moved: see stoa db adopt")
	}
	if _, running, err := transfer.OldestRunning(ctx, s.DB); err != nil {
		return err
	} else if running {
		return stoa.Conflict("a backup, a restore or a copy of the database is running: begin when it has ended")
	}
	m, err := readMove(ctx, s.DB)
	switch {
	case err != nil:
		return err
	case m.Phase != moveNone:
		return stoa.Conflict("a move is under way already. %s", m.now())
	case m.Force == "":
		return stoa.Unavailable(nil, "it is not known yet which file store is in force; try again in a moment")
	}
	target, identity, err := s.openTarget(ctx, "")
	if err != nil {
		return err
	}
	defer func() { _ = target.Close(context.WithoutCancel(ctx)) }()
	if identity == m.Force {
		return stoa.Conflict("dl.store.move.* names %s, in which the files are already", target)
	}
	if err := s.mayTake(ctx, target); err != nil {
		return err
	}
	if err := s.allReach(ctx, target, identity); err != nil {
		return err
	}
	source := s.files.place().String()
	err = s.DB.Write(ctx, func(ctx context.Context, tx *db.Tx) error {
		more, err := s.fresh(ctx, tx)
		if err != nil {
			return err
		}
		more["source"], more["source_place"] = m.Force, stoa.Clip(source, maxTrouble)
		more["target"], more["target_place"] = identity, stoa.Clip(target.String(), maxTrouble)
		more["begun"], more["ended"] = db.Micros(tx.Now()), 0
		if err := m.step(ctx, tx, moveReading, more); err != nil {
			return err
		}
		return s.Jobs.Soon(ctx, tx, moveJobName)
	})
	if err != nil {
		return err
	}
	return s.adoptStore(ctx)
}

// openTarget opens the store of dl.store.move.* behind a guard of its own, which the caller closes. With an identity it
// has to be that one; without, it is made where none is.
func (s *Server) openTarget(ctx context.Context, identity string) (*filestore.Guard, string, error) {
	i := slices.IndexFunc(s.files.chosen[1].choices, func(c choice) bool { return c.from == fromMove })
	if i < 0 {
		return nil, "", stoa.Invalid("dl.store.move.impl", "dl.store.move.* is not set")
	}
	g := filestore.NewGuard(s.files.chosen[1].choices[i].Driver, filestore.GuardOptions{})
	there, err := g.Identity(ctx)
	f := filestore.FaultOf(err)
	if identity == "" && (stoa.Is(err, stoa.KindNotFound) || f != nil && f.Code == filestore.CodeMissing) {
		there, err = g.Make(ctx, filestore.NewKey())
		f = filestore.FaultOf(err)
	}
	if err == nil && identity != "" && there != identity {
		err = stoa.Conflict("its dl.store.move.* names another store, %s", g)
	}
	if stoa.Is(err, stoa.KindNotFound) {
		err = stoa.Conflict("its dl.store.move.* names %s, where no store is", g)
	}
	if err == nil {
		g.Adopt(there)
		err = g.Check(ctx)
		f = filestore.FaultOf(err)
	}
	if f != nil {
		err = stoa.Unavailable(err, "the store of dl.store.move.* cannot be used: %s; %s", f.Why, f.Fix)
	}
	if err != nil {
		return nil, "", errors.Join(err, g.Close(ctx))
	}
	return g, there, nil
}

// mayTake refuses a target that has files of another portal, and writes down that it is this one's.
func (s *Server) mayTake(ctx context.Context, target *filestore.Guard) error {
	there, err := incarnationsIn(ctx, target)
	if err != nil {
		return err
	}
	mine := s.DB.Histories()
	for _, t := range there {
		if !slices.Contains(mine, t) {
			return stoa.Conflict("%s belongs to another portal, or to a time that this database does not know; name an empty "+
				"store in dl.store.move.*", target)
		}
	}
	if len(there) == 0 {
		found := errors.New("there is one")
		err := target.List(ctx, fileColumns()[0].Prefix, func(filestore.Info) error { return found })
		if errors.Is(err, found) {
			return stoa.Conflict("%s holds files that this portal has not put there; name an empty store in "+
				"dl.store.move.*", target)
		}
		if err != nil {
			return err
		}
	}
	return s.tellHistory(ctx, target)
}

// allReach has every live node prove that it reaches the target: it tells the identity, reads what this node has
// written there, and writes what this node reads. A store that was copied has the identity, and not what is new.
func (s *Server) allReach(ctx context.Context, target *filestore.Guard, identity string) error {
	ctx, cancel := context.WithTimeout(ctx, moveAsk)
	defer cancel()
	keys := []string{tokenPrefix + filestore.NewKey()}
	defer func() {
		for _, key := range keys {
			_ = target.Delete(context.WithoutCancel(ctx), key) // the sweep of old tokens finds it
		}
	}()
	if err := putToken(ctx, target, keys[0]); err != nil {
		return err
	}
	if err := s.Node.Look(ctx); err != nil { // one may have joined just now
		return err
	}
	var wrong []string
	for _, a := range s.reaches.All(ctx, moveQuestion{Identity: identity, Token: keys[0]}) {
		why := a.Value.Why
		switch {
		case a.Err != nil:
			why = "it gives no answer: " + a.Err.Error()
		case why != "" || a.Member.Self:
		case !strings.HasPrefix(a.Value.Token, tokenPrefix):
			why = "its answer cannot be read; is it of another version?"
		default:
			keys = append(keys, a.Value.Token)
			switch there, err := tokenIn(ctx, target, a.Value.Token); {
			case err != nil:
				return err
			case !there:
				why = "what it writes into the store is not in the store of this node: they are two"
			}
		}
		if why != "" {
			wrong = append(wrong, a.Member.Name+": "+why)
		}
	}
	if len(wrong) > 0 {
		return stoa.Conflict("nothing was begun, as not every node reaches %s:\n%s", target, strings.Join(wrong, "\n"))
	}
	return nil
}

// reachTarget is what a node does when it is asked whether it reaches the target of a move.
func (s *Server) reachTarget(ctx context.Context, from cluster.Member, q moveQuestion) (a moveAnswer, err error) {
	if !s.files.open() {
		return moveAnswer{Why: "it is starting"}, nil
	}
	if !strings.HasPrefix(q.Token, tokenPrefix) || q.Identity == "" {
		return a, stoa.Invalid("token", "the question about a store to which files are to be moved cannot be read")
	}
	target, _, err := s.openTarget(ctx, q.Identity)
	if err != nil {
		return moveAnswer{Why: err.Error()}, nil
	}
	defer func() { _ = target.Close(context.WithoutCancel(ctx)) }()
	there, err := tokenIn(ctx, target, q.Token)
	if err == nil && !there {
		return moveAnswer{Why: "what " + from.Name + " has written into the store is not in the one of " +
			"this node: they are two"}, nil
	}
	a.Token = tokenPrefix + filestore.NewKey()
	if err == nil && !from.Self {
		err = putToken(ctx, target, a.Token)
	}
	if err != nil {
		return moveAnswer{Why: err.Error()}, nil
	}
	return a, nil
}

// finishMove ends a move whose files are all in the target.
func (s *Server) finishMove(ctx context.Context) (late string, err error) {
	m, err := readMove(ctx, s.DB)
	if err != nil {
		return "", err
	}
	if m.Phase != moveSwitched {
		return "", stoa.Conflict("there is nothing to finish. %s", m.now())
	}
	return s.changeMove(ctx, m, moveNone)
}

// cancelMove takes a move back that is not at its end. Files that only the target has are copied back: to refuse would
// leave no way out of a target that turns out to be too small or too slow, and the way back is the way there with the
// stores exchanged.
func (s *Server) cancelMove(ctx context.Context) (late string, err error) {
	m, err := readMove(ctx, s.DB)
	if err != nil {
		return "", err
	}
	switch m.Phase {
	case moveReading:
		return s.changeMove(ctx, m, moveNone) // no file has gone to the target
	case moveCopying:
		return s.changeMove(ctx, m, moveReturning)
	case moveReturning:
		return "", stoa.Conflict("the move is being taken back already")
	case moveSwitched:
		return "", stoa.Conflict("the files are in %s already: finish the move, exchange dl.store.* and dl.store.move.*, "+
			"and move them back", m.TargetPlace)
	}
	return "", stoa.Conflict("there is no move to cancel")
}

// changeMove brings the move into the phase that an operator has asked for. late says which nodes do not know it yet.
func (s *Server) changeMove(ctx context.Context, m fileMove, phase string) (late string, err error) {
	err = s.DB.Write(ctx, func(ctx context.Context, tx *db.Tx) error {
		more := db.Row{}
		switch phase {
		case moveReturning:
			var err error
			if more, err = s.fresh(ctx, tx); err != nil {
				return err
			}
		case moveNone:
			more["ended"] = db.Micros(tx.Now())
		}
		if err := m.step(ctx, tx, phase, more); err != nil {
			return err
		}
		return s.Jobs.Soon(ctx, tx, moveJobName)
	})
	if err == nil {
		err = s.adoptStore(ctx)
	}
	if err != nil {
		return "", err
	}
	if err := s.allStand(ctx, m.Version+1); err != nil {
		late = "\nLeave both stores as they are for now: " + err.Error() + "."
	}
	return late, nil
}
