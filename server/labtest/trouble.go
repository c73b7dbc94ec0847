//go:build linux

package labtest

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"syscall"
	"time"

	"github.com/stoa-portal/stoa/server/labtest/machine"
)

// hold lets COMMIT hang for as long. On PostgreSQL it is one that publishes, as when a synchronous standby is
// gone, while all others go on; the server process stands still as well, so that giving up does not end
// the wait. On MariaDB it is every COMMIT, as during the last stage of a backup.
func hold(ctx context.Context, w *world, args []string) error {
	d, err := time.ParseDuration(args[0])
	if err != nil {
		return err
	}
	w.begun()
	defer w.ended()
	if w.engine.Kin() == machine.MariaDB {
		_, err := w.db.Query(ctx, fmt.Sprintf("BACKUP STAGE START; BACKUP STAGE BLOCK_COMMIT; SELECT SLEEP(%.3f); BACKUP STAGE END", d.Seconds()))
		return err
	}
	for _, sql := range []string{
		`CREATE OR REPLACE FUNCTION lab_hold() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM set_config('synchronous_commit', 'on', true); RETURN NEW; END $$`,
		`CREATE OR REPLACE TRIGGER lab_hold BEFORE UPDATE ON content_article FOR EACH ROW WHEN (NEW.slug LIKE '%0' AND NEW.slug NOT LIKE '%-%' AND NEW.live <> OLD.live) EXECUTE FUNCTION lab_hold()`,
		`ALTER SYSTEM SET synchronous_standby_names = 'nobody'`, `SELECT pg_reload_conf()`,
	} {
		if _, err := w.db.Query(ctx, sql); err != nil {
			return err
		}
	}
	var pid int
	err = await(ctx, 20*time.Second, func(ctx context.Context) error {
		rows, err := w.db.Query(ctx, "SELECT pid FROM pg_stat_activity WHERE wait_event = 'SyncRep'")
		if err == nil && len(rows) == 0 {
			err = errors.New("no COMMIT waits")
		}
		if err == nil {
			pid, err = strconv.Atoi(rows[0][0])
		}
		return err
	})
	if err != nil {
		return err
	}
	if err := w.db.Signal(pid, syscall.SIGSTOP); err != nil {
		return err
	}
	idleErr := idle(ctx, d)
	// The trigger stays: without a name to wait for it does nothing, and the held transaction locks its table.
	for _, sql := range []string{`ALTER SYSTEM RESET synchronous_standby_names`, `SELECT pg_reload_conf()`} {
		if _, err := w.db.Query(ctx, sql); err != nil {
			return err
		}
	}
	return errors.Join(idleErr, w.db.Signal(pid, syscall.SIGCONT))
}

// now is the server's clock in microseconds, in SQL.
func (w *world) now() string {
	if w.engine == machine.Postgres {
		return "CAST(EXTRACT(EPOCH FROM clock_timestamp()) * 1000000 AS BIGINT)"
	}
	return "CAST(UNIX_TIMESTAMP(SYSDATE(6)) * 1000000 AS SIGNED)"
}

// makeDue lets a scheduled job fall due again and again until the story ends. A trigger of the database
// counts its effects: one row for each transaction that completed a fire time, and in that transaction,
// which takes a moment, so that faults come in the middle of it.
func makeDue(ctx context.Context, w *world, args []string) error {
	every, err := time.ParseDuration(args[1])
	if err != nil {
		return err
	}
	if !w.counting {
		if err := w.countEffects(ctx); err != nil {
			return err
		}
	}
	ctx, cancel := context.WithCancel(w.ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for idle(ctx, every) == nil {
			// While the server is away nothing falls due.
			_, _ = w.db.Query(ctx, fmt.Sprintf("UPDATE job_schedule SET next_fire = %s WHERE name = '%s'", w.now(), args[0]))
		}
	}()
	w.stopDue() // another that was begun before
	w.stopDue = func() { cancel(); <-done }
	return nil
}

// countEffects makes the trigger. The database keeps it for all that follows.
func (w *world) countEffects(ctx context.Context) error {
	setup := []string{"CREATE TABLE lab_effect (job VARCHAR(120), fire BIGINT, claim BIGINT, owner BIGINT)"}
	if w.engine == machine.Postgres {
		setup = append(setup, `CREATE FUNCTION lab_effect() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_sleep(0.2); INSERT INTO lab_effect VALUES (NEW.job, NEW.fire, NEW.claim, NEW.owner); RETURN NEW; END $$`,
			`CREATE TRIGGER lab_effect AFTER UPDATE ON job_run FOR EACH ROW WHEN (NEW.state = 'done') EXECUTE FUNCTION lab_effect()`)
	} else {
		setup = append(setup, `CREATE TRIGGER lab_effect AFTER UPDATE ON job_run FOR EACH ROW INSERT INTO lab_effect SELECT NEW.job, NEW.fire, NEW.claim, NEW.owner FROM DUAL WHERE NEW.state = 'done' AND SLEEP(0.2) = 0`)
	}
	for _, sql := range setup {
		if _, err := w.db.Query(ctx, sql); err != nil {
			return err
		}
	}
	w.counting = true
	return nil
}

// effects wants every fire time that was begun to have taken effect once, and at least so many of them.
func effects(ctx context.Context, w *world, args []string) error {
	least, err := strconv.Atoi(args[0])
	if err != nil {
		return err
	}
	w.stopDue()
	// A run that was cut off is begun again when its node is known to be gone.
	err = await(ctx, 40*time.Second, func(ctx context.Context) error {
		open, err := w.db.Query(ctx, "SELECT job, fire, state, attempt, message FROM job_run WHERE state IN ('waiting', 'running') UNION ALL "+
			"SELECT name, next_fire, 'due', 0, '' FROM job_schedule WHERE next_fire <= "+w.now())
		if err == nil && len(open) > 0 {
			err = fmt.Errorf("not finished: %v", open)
		}
		return err
	})
	if err != nil {
		return err
	}
	twice, err := w.db.Query(ctx, "SELECT job, fire, count(*) FROM lab_effect GROUP BY job, fire HAVING count(*) > 1")
	if err != nil {
		return err
	}
	without, err := w.db.Query(ctx, "SELECT r.job, r.fire, r.state, r.message FROM job_run r LEFT JOIN lab_effect e ON e.job = r.job AND e.fire = r.fire WHERE e.job IS NULL AND r.state NOT IN ('waiting', 'running') AND r.fire >= (SELECT min(fire) FROM lab_effect)")
	if err != nil {
		return err
	}
	if len(twice)+len(without) > 0 {
		return fmt.Errorf("%w: took effect more than once: %v; not at all: %v", errBroken, twice, without)
	}
	sum, err := w.db.Query(ctx, "SELECT count(*), count(DISTINCT e.owner), max(r.attempt), sum(r.attempt) FROM lab_effect e JOIN job_run r ON r.job = e.job AND r.fire = e.fire")
	if err != nil {
		return err
	}
	n, err := strconv.Atoi(sum[0][0])
	if err != nil {
		return err
	}
	w.log("%d fire times took effect once each, on %s process lives; %s starts, at most %s of one", n, sum[0][1], sum[0][3], sum[0][2])
	if n < least {
		return fmt.Errorf("%d fire times took effect, at least %d were to be tried", n, least)
	}
	return nil
}
