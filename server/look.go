package server

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/cluster"
	"github.com/stoa-portal/stoa/config"
	"github.com/stoa-portal/stoa/db"
	"github.com/stoa-portal/stoa/db/transfer"
)

const (
	// beatWait is how long a look at the rows waits to see beats rise; secondBeatWait is added for one that did not:
	// together they are as long as the nodes wait for each other.
	beatWait       = 1500 * time.Millisecond
	secondBeatWait = time.Second
	// lookLimit bounds a look at the rows.
	lookLimit = 15 * time.Second
	// eventsShown is how many events that have not been read a status shows.
	eventsShown = 20
)

// Look tells what the rows of the database say of the cluster, for a command on a host where no node runs, or where the
// one that does is mute: mute is why it did not answer, nil without one. It changes nothing: it makes no home, migrates
// nothing, takes no place. Which nodes live is judged by looking twice whether their beats rise. A database that cannot
// be looked at is an error.
func Look(ctx context.Context, c *config.Config, mute *MuteError) (cluster.Status, error) {
	ctx, cancel := context.WithTimeout(stoa.WithActor(ctx, stoa.SystemActor()), lookLimit)
	defer cancel()
	a := cluster.Asked{Rows: true}
	if _, err := os.Stat(c.Home); errors.Is(err, os.ErrNotExist) {
		a.Unseen = append(a.Unseen, fmt.Sprintf("There is no home at %s, and none was made.", c.Home))
	} else if mute == nil {
		a.Unseen = append(a.Unseen, fmt.Sprintf("No node runs on the home %s.", c.Home))
	}
	v, err := view(ctx, c, mute != nil)
	if stoa.Is(err, stoa.KindNotFound) {
		return cluster.Status{}, fmt.Errorf(
			"nothing could be seen: no portal was ever started on the home %s (--home names another): %w", c.Home, err)
	}
	if err != nil {
		return cluster.Status{}, fmt.Errorf("nothing could be seen: %w", err)
	}
	defer func() { _ = v.Close() }() // nothing was written
	a.Database, a.Lonely = v.Describe(), v.Dialect() == db.SQLite
	a.StoredIn = storeInDatabase(c)
	if v.Behind() {
		a.Unseen = append(a.Unseen,
			"The newest changes of the database file, which was not closed properly, were not read.")
	}
	if err := lookAt(ctx, v, &a); err != nil {
		return cluster.Status{}, fmt.Errorf("nothing could be seen: %w", err)
	}
	if err := compareHome(ctx, c, v, &a); err != nil {
		return cluster.Status{}, fmt.Errorf("nothing could be seen: %w", err)
	}
	if mute != nil {
		a.Found = append(a.Found, cluster.Finding{Code: cluster.CodeNodeFrozen, Nodes: ownName(c.Home, a.Members),
			Text: fmt.Sprintf("The node on the home %s (pid %s) does not answer its commands.", c.Home, mute.PID),
			Mend: "look at the process: it may be frozen, or its machine overloaded; kill -CONT continues one " +
				"that was stopped"})
	}
	a.Unseen = append(a.Unseen,
		"No node was asked: whether each is ready, its files, its clock and the connections between nodes are "+
			"not known.")
	return cluster.NewStatus(a), nil
}

// view opens the database of the settings for reading only.
func view(ctx context.Context, c *config.Config, inUse bool) (*db.View, error) {
	return db.OpenView(ctx, WriteOptions(c), inUse)
}

// Portal reports whether the database of the settings holds a portal. It changes nothing.
func Portal(ctx context.Context, c *config.Config) (bool, error) {
	ctx, cancel := context.WithTimeout(ctx, lookLimit)
	defer cancel()
	v, err := view(ctx, c, false)
	if stoa.Is(err, stoa.KindNotFound) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	defer func() { _ = v.Close() }() // nothing was written
	there, err := v.Tables(ctx, "db_schema")
	return there["db_schema"], err
}

// compareHome says what the node of this home would say at its start of a database that has another history than it
// knows: it waits then, and its log may be elsewhere.
func compareHome(ctx context.Context, c *config.Config, v *db.View, a *cluster.Asked) error {
	home, _, err := db.Remembered(memoryFile(c))
	if err != nil || len(home) == 0 || v.Dialect() == db.SQLite {
		return err
	}
	newest := home[len(home)-1]
	there, err := v.Tables(ctx, "db_history")
	if err != nil {
		return err
	}
	f := cluster.Finding{
		Mend: "correct jdbc.default.url, or demote that server; if it is the right one, for it was restored on purpose, " +
			"run: stoa db restored",
	}
	if !there["db_history"] {
		f.Code = cluster.CodeDatabaseEmpty
		f.Text = fmt.Sprintf(
			"The database %s is empty, and this home knows incarnation %d of its data: its node does not fill it.",
			a.Database, newest.Number)
		f.Mend = "correct jdbc.default.url, or restore the data; if this node is to begin anew, give it a new home"
		a.Found = append([]cluster.Finding{f}, a.Found...)
		return nil
	}
	var token string
	var restored int64
	err = v.Read(ctx, func(q db.Queryer) error {
		err := q.QueryRow(ctx, "SELECT token FROM db_history WHERE number = ?", newest.Number).Scan(&token)
		if err != nil && !db.IsNoRows(err) {
			return err
		}
		return q.QueryRow(ctx, "SELECT COALESCE(MAX(number), 0) FROM db_history WHERE how = ?", db.HowRestored).
			Scan(&restored)
	})
	switch {
	case err != nil:
		return err
	case token == newest.Value || restored > newest.Number:
		return nil
	case token == "":
		f.Code = cluster.CodeDatabaseBehind
		f.Text = fmt.Sprintf(
			"The database %s lacks incarnation %d, which this home knows: its node does not follow it.", a.Database,
			newest.Number)
	default:
		f.Code = cluster.CodeDatabaseFork
		f.Text = fmt.Sprintf(
			"Incarnation %d of the database %s is not the one that this home knows: its node does not follow it.",
			newest.Number, a.Database)
	}
	a.Found = append(a.Found, f)
	return nil
}

// Unfit says what in the contents of a database keeps every node from running on it, whatever its server is like: a
// copy or restore that has not ended, a portal that was moved elsewhere. With the settings of a home (nil: none) also
// that the database has not the history which that home knows. A database that is empty or not there has none of these.
func Unfit(ctx context.Context, o db.Options, home *config.Config) ([]cluster.Finding, error) {
	ctx, cancel := context.WithTimeout(stoa.WithActor(ctx, stoa.SystemActor()), lookLimit)
	defer cancel()
	v, err := db.OpenView(ctx, o, false)
	if stoa.Is(err, stoa.KindNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer func() { _ = v.Close() }() // nothing was written
	found, err := unfit(ctx, v)
	if err != nil || home == nil || len(found) > 0 {
		return found, err
	}
	a := cluster.Asked{Database: v.Describe()}
	err = compareHome(ctx, home, v, &a)
	return a.Found, err
}

// unfit is Unfit without a home.
func unfit(ctx context.Context, v *db.View) (out []cluster.Finding, err error) {
	there, err := v.Tables(ctx, "db_transfer", "cluster_fact")
	if err != nil {
		return nil, err
	}
	err = v.Read(ctx, func(q db.Queryer) error {
		if there["db_transfer"] {
			why, err := transfer.Unfinished(ctx, q)
			if err != nil {
				return err
			}
			if why != "" {
				what, mend, _ := strings.Cut(why, ": ")
				out = append(out, cluster.Finding{Code: cluster.CodeDatabaseHalf, Text: sentence(what), Mend: mend})
			}
		}
		if there["cluster_fact"] {
			to, moved, err := transfer.Moved(ctx, q)
			if err != nil {
				return err
			}
			if moved {
				out = append(out, cluster.Finding{Code: cluster.CodeDatabaseMoved,
					Text: fmt.Sprintf("The portal was moved from %s to %s: no node runs here any more.", v.Describe(), to),
					Mend: "set jdbc.default.url to " + to + " on every node, or take the move back: stoa db copy --undo"})
			}
		}
		return nil
	})
	return out, err
}

func sentence(s string) string { return strings.ToUpper(s[:1]) + s[1:] + "." }

// lookAt reads the rows, twice, and what there is to say of the schema.
func lookAt(ctx context.Context, v *db.View, a *cluster.Asked) error {
	there, err := v.Tables(ctx, "db_schema", "cluster_node", "cluster_lease", "cluster_event")
	if err != nil {
		return err
	}
	unfit, err := unfit(ctx, v)
	if err != nil {
		return err
	}
	if a.Found = append(a.Found, unfit...); len(unfit) > 0 {
		return nil // no node may run on it, so what else is missing does not matter
	}
	if !there["cluster_node"] || !there["db_schema"] {
		a.Found = append(a.Found, cluster.Finding{
			Code: cluster.CodeDatabaseEmpty,
			Text: fmt.Sprintf("The database %s holds no portal: no node has been started on it.", a.Database),
			Mend: "check jdbc.default.url, or start the first node: stoa serve",
		})
		return nil
	}
	var first []cluster.Member
	var holder int64
	err = v.Read(ctx, func(q db.Queryer) error {
		var version int64
		if err := q.QueryRow(ctx, "SELECT version FROM db_schema WHERE id = 1").Scan(&version); err != nil &&
			!db.IsNoRows(err) {
			return err
		}
		a.Found = append(a.Found, schemaNote(version)...)
		if there["cluster_event"] {
			if a.Events, a.Unread, err = cluster.UnreadEvents(ctx, q, eventsShown); err != nil {
				return err
			}
		} else {
			a.Unseen = append(a.Unseen, "The database is of an older schema, which keeps no events.")
		}
		if holder, err = cluster.ReadMaster(ctx, q); err != nil {
			return err
		}
		first, err = cluster.ReadMembers(ctx, q)
		return err
	})
	if err != nil {
		return err
	}
	began := time.Now()
	for _, wait := range []time.Duration{beatWait, secondBeatWait} {
		timer := time.NewTimer(wait)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return ctx.Err()
		}
		var now []cluster.Member
		err := v.Read(ctx, func(q db.Queryer) (err error) { now, err = cluster.ReadMembers(ctx, q); return err })
		if err != nil {
			return err
		}
		a.Members = cluster.Beating(first, now)
		still := false
		for i := range a.Members {
			if m := &a.Members[i]; m.StandStill() {
				still, m.Quiet = true, time.Since(began)
			}
		}
		if !still {
			break
		}
	}
	for _, m := range a.Members {
		if m.Writer == holder && m.Live {
			a.Master = holder
		}
	}
	return nil
}

// schemaNote compares the schema with the one of this binary.
func schemaNote(version int64) []cluster.Finding {
	switch newest := db.NewestSchema(); {
	case version < newest:
		return []cluster.Finding{{
			Code: cluster.CodeSchemaOlder,
			Text: fmt.Sprintf("The database has schema %d; this binary (%s) brings %d.",
				version, stoa.Version, newest),
			Mend: "nothing to do: the first node of this version brings it up to date when it starts",
		}}
	case version > newest:
		return []cluster.Finding{{
			Code: cluster.CodeSchemaNewer,
			Text: fmt.Sprintf(
				"The database has schema %d; this binary (%s) knows %d, so it may not show everything.", version,
				stoa.Version, newest),
			Mend: "use the binary of the newest node",
		}}
	}
	return nil
}

// ownName is the name of the node that lives, or should, on the home.
func ownName(home string, members []cluster.Member) []string {
	raw, err := os.ReadFile(filepath.Join(home, "data", "node-id"))
	if err != nil {
		return nil
	}
	for _, m := range cluster.Current(members) {
		if m.Node == strings.TrimSpace(string(raw)) {
			return []string{m.Name}
		}
	}
	return nil
}

// LookEvents reads the newest events from the database where no node runs. It changes nothing.
func LookEvents(ctx context.Context, c *config.Config, limit int, inUse bool) (events []cluster.Event, err error) {
	ctx, cancel := context.WithTimeout(stoa.WithActor(ctx, stoa.SystemActor()), lookLimit)
	defer cancel()
	v, err := view(ctx, c, inUse)
	if err != nil {
		return nil, err
	}
	defer func() { _ = v.Close() }() // nothing was written
	there, err := v.Tables(ctx, "cluster_event")
	if err != nil {
		return nil, err
	}
	if !there["cluster_event"] {
		return nil, cluster.ErrNoEvents
	}
	err = v.Read(ctx, func(q db.Queryer) error { events, err = cluster.Events(ctx, q, limit); return err })
	return events, err
}

// misled warns of names that lead to this machine's own loopback address and should not: nodes and people elsewhere
// would reach themselves. It is said at the first start, not weeks later when a second node joins.
func misled(ctx context.Context, c *config.Config, database string, linked bool) (out []cluster.Problem) {
	mend := func(name string) string {
		return fmt.Sprintf("in /etc/hosts write this machine's address in its network there instead, such as: %s %s",
			cluster.OwnAddress(), name)
	}
	for _, l := range []struct{ property, address string }{
		{"portal.instance.inet.socket.address", c.Server.Listen}, {"web.server.https.listen", c.Server.ListenTLS},
	} {
		if host, _, err := net.SplitHostPort(l.address); err == nil {
			if because, is := cluster.MisledName(ctx, host); is {
				p := cluster.Problem{Requirement: "address", Code: cluster.CodeHostLoopback, Mend: mend(host)}
				out = append(out,
					p.Saying("%s=%s is answered on this machine only: %s", l.property, l.address, because))
			}
		}
	}
	if host, _, err := net.SplitHostPort(database); err == nil && linked {
		if because, is := cluster.MisledName(ctx, host); is {
			p := cluster.Problem{Requirement: "address", Code: cluster.CodeHostLoopback, Mend: mend(host)}
			out = append(out, p.Saying("the database server %s is on this machine, and nodes of other machines will not "+
				"reach this one: %s", host, because))
		}
	}
	return out
}
