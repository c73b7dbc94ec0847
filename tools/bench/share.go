package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/stoa-portal/stoa/db"
)

const (
	shareRows  = 1000 // a second
	shareNodes = 8    // of the goal
	goalShare  = 0.05
	rowsOfSave = 1 // in each of its transactions
)

// spent is CPU in milliseconds per second, over a window.
type spent struct{ control, all float64 }

// shares is what the database spends for a load, with three nodes.
type shares struct{ idle, load, plain spent }

// reads is what one node of n costs the database: the looks that come even when nothing changes, and
// the rows, of which a node reads those of the others.
func (s shares) reads(n int) float64 {
	perLook := s.idle.control / 3
	perRow := max(0, s.load.control-s.idle.control) / 3 / (2.0 / 3)
	return perLook + perRow*float64(n-1)/float64(n)
}

// measureShare finds out what following the change log costs the database.
func measureShare(ctx context.Context, b *bed) (s section, err error) {
	portal, err := b.portalCost(ctx)
	if err != nil {
		return s, err
	}
	c, err := b.members(ctx, b.postgres, 3)
	if err != nil {
		return s, err
	}
	defer func() { err = errors.Join(err, c.stop()) }()
	var control []int
	got, err := c.order(ctx, "control")
	if err != nil {
		return s, err
	}
	for _, f := range got {
		control = append(control, int(f["first"]), int(f["second"]))
	}
	rows := [][]string{{"Rows a transaction", "Control connections, idle", "at the load", "All of the database, idle", "at the load", "the same writes without the log"}}
	var text strings.Builder
	for _, k := range []int{rowsOfSave, 10} {
		perMember := shareRows / k / 3
		var share []float64
		var mean shares
		for range b.rounds {
			var x shares
			for _, w := range []struct {
				into         *spent
				k, perMember int
			}{{&x.idle, 0, 0}, {&x.load, k, perMember}, {&x.plain, 0, perMember}} {
				*w.into, err = b.window(ctx, control, func(length time.Duration) error {
					if w.perMember == 0 {
						return pause(ctx, length)
					}
					_, err := c.order(ctx, "commit %d %d %g %d", w.k, committersPerMember, length.Seconds(), w.perMember)
					return err
				})
				if err != nil {
					return s, err
				}
			}
			log := float64(shareNodes) * x.reads(shareNodes)
			share = append(share, log/(log+portal.at(shareRows))*100)
			mean.add(x, 1/float64(b.rounds))
		}
		ms := func(v float64) string { return fmt.Sprintf("%.1f ms/s", v) }
		rows = append(rows, []string{fmt.Sprint(k), ms(mean.idle.control), ms(mean.load.control), ms(mean.idle.all), ms(mean.load.all), ms(mean.plain.all)})
		if k == rowsOfSave {
			mid, _ := median(share)
			s.findings = append(s.findings, finding{what: fmt.Sprintf("%d nodes that follow the log at %s rows/s from saves: share of the database's CPU", shareNodes, thousands(shareRows)),
				goal: fmt.Sprintf("< %.0f %%", goalShare*100), measured: about(share, "%.1f %%"), met: mid < goalShare*100})
		}
		text.WriteString(mean.arithmetic(k, portal))
	}
	s.text = fmt.Sprintf("Three members commit %s rows a second together on PostgreSQL, each transaction with one more row of a table. Each reads the log, raises its heartbeat and looks at the leases on two control connections of its own; "+
		"their server processes are known by number, so the system tells what they use. Milliseconds of CPU a second, mean of %d windows of %d s each.\n\n%s\n"+
		"Saves of the portal itself, through the forms of the control panel, write %.1f rows each, and cost the database %.2f ms a row: %.0f ms/s at %s rows/s.\n%s",
		thousands(shareRows), b.rounds, b.pick(6, 2), table(rows...), portal.rowsPerSave, portal.perRow, portal.at(shareRows), thousands(shareRows), text.String())
	return s, nil
}

// arithmetic shows how the share for the nodes of the goal comes about.
func (s shares) arithmetic(k int, portal portalCost) string {
	looks, reads := s.idle.control/3, max(0, s.load.control-s.idle.control)/3
	here, there := shareRows*2.0/3, shareRows*float64(shareNodes-1)/shareNodes
	log := float64(shareNodes) * s.reads(shareNodes)
	text := fmt.Sprintf("\nIn transactions of %d: a node of three costs %.2f ms/s for looks, heartbeat and leases, and %.2f ms/s for the %.0f rows/s of the others. A node of %d reads %.0f rows/s, so %d of them cost %d × (%.2f + %.2f × %.0f / %.0f) = %.1f ms/s, which is %.1f %% of one core. ",
		k, looks, reads, here, shareNodes, there, shareNodes, shareNodes, looks, reads, there, here, log, log/10)
	if k == rowsOfSave {
		text += fmt.Sprintf("When the rows come from saves that is %.1f / (%.1f + %.0f) = %.1f %%. ", log, log, portal.at(shareRows), log/(log+portal.at(shareRows))*100)
	}
	writes := s.load.all - s.load.control
	return text + fmt.Sprintf("Of these small transactions alone, which do nothing else, it is %.1f / (%.1f + %.0f) = %.1f %%. Writing the rows costs %.0f ms/s beside, whatever the number of nodes.\n",
		log, log, writes, log/(log+writes)*100, max(0, s.load.all-s.plain.all-(s.load.control-s.idle.control)))
}

// portalCost is what the saves of the portal cost the database.
type portalCost struct{ perRow, rowsPerSave float64 } // milliseconds

// at is for a number of rows a second, in milliseconds of CPU a second.
func (c portalCost) at(rows float64) float64 { return c.perRow * rows }

// portalCost lets an editor save on one of three nodes.
func (b *bed) portalCost(ctx context.Context) (cost portalCost, err error) {
	c, err := b.startNodes(ctx, b.postgres, 3, true)
	if err != nil {
		return cost, err
	}
	defer func() { err = errors.Join(err, c.stop()) }()
	e, err := signIn(ctx, c.all[0].url)
	if err != nil {
		return cost, err
	}
	defer e.c.CloseIdleConnections()
	a, err := e.create(ctx, "measured", "Measured")
	if err != nil {
		return cost, err
	}
	p, err := db.OpenPlain(ctx, db.Options{URL: c.address, MaxConns: 1})
	if err != nil {
		return cost, err
	}
	defer p.Close()
	count := func() (n int, err error) {
		return n, p.QueryRowContext(ctx, "SELECT count(*) FROM change_log").Scan(&n)
	}
	idle, err := b.window(ctx, nil, func(length time.Duration) error { return pause(ctx, length) })
	if err != nil {
		return cost, err
	}
	before, err := count()
	if err != nil {
		return cost, err
	}
	saves, begun := 0, time.Now()
	busy, err := b.window(ctx, nil, func(length time.Duration) error {
		for begun = time.Now(); time.Since(begun) < length; saves++ {
			if err := e.save(ctx, a, fmt.Sprintf("Saved %d times", saves)); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return cost, err
	}
	seconds := time.Since(begun).Seconds()
	after, err := count()
	if err != nil {
		return cost, err
	}
	rows := float64(after - before)
	if rows <= 0 || saves == 0 {
		return cost, errors.New("the saves wrote no rows of the change log")
	}
	return portalCost{perRow: (busy.all - idle.all) * seconds / rows, rowsPerSave: rows / float64(saves)}, nil
}

func (s *shares) add(x shares, weight float64) {
	for _, p := range []struct {
		to   *spent
		from spent
	}{{&s.idle, x.idle}, {&s.load, x.load}, {&s.plain, x.plain}} {
		p.to.control += p.from.control * weight
		p.to.all += p.from.all * weight
	}
}

// window gives what the database spends while do works. Nothing else may use the server meanwhile.
func (b *bed) window(ctx context.Context, control []int, do func(length time.Duration) error) (s spent, err error) {
	server, err := serverPids(ctx, b.postgres)
	if err != nil {
		return s, err
	}
	before, err := ran(server, control)
	if err != nil {
		return s, err
	}
	begun := time.Now()
	if err := do(time.Duration(b.pick(6, 2)) * time.Second); err != nil {
		return s, err
	}
	took := time.Since(begun).Seconds()
	after, err := ran(server, control)
	if err != nil {
		return s, err
	}
	return spent{control: (after.control - before.control) / took, all: (after.all - before.all) / took}, nil
}

// serverPids gives the server's processes: those of connections, and those that write for all.
func serverPids(ctx context.Context, server string) ([]int, error) {
	p, err := db.OpenPlain(ctx, db.Options{URL: server, MaxConns: 1})
	if err != nil {
		return nil, err
	}
	defer p.Close()
	rows, err := p.QueryContext(ctx, "SELECT pid FROM pg_stat_activity WHERE pid <> pg_backend_pid()")
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var pids []int
	for rows.Next() {
		var pid int
		if err := rows.Scan(&pid); err != nil {
			return nil, err
		}
		pids = append(pids, pid)
	}
	return pids, rows.Err()
}

// ran gives the milliseconds that processes have run so far. One that has ended counts as nothing: it
// was not one of those that matter.
func ran(all, control []int) (s spent, err error) {
	isControl := map[int]bool{}
	for _, pid := range control {
		isControl[pid] = true
	}
	for _, pid := range all {
		raw, err := os.ReadFile(fmt.Sprintf("/proc/%d/schedstat", pid))
		if err != nil && !isControl[pid] {
			continue
		}
		if err != nil {
			return s, fmt.Errorf("a control connection is gone: %w", err)
		}
		first, _, _ := strings.Cut(string(raw), " ")
		ns, err := strconv.ParseInt(first, 10, 64)
		if err != nil {
			return s, err
		}
		s.all += float64(ns) / 1e6
		if isControl[pid] {
			s.control += float64(ns) / 1e6
		}
	}
	return s, nil
}
