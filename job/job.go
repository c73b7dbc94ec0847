// Package job runs work outside of requests: on every node, once per cluster by a schedule, or from
// a queue. Runs are rows. A fire time is one row for ever, a claim is a number in it, and what a run
// writes through Run.Commit commits together with its completion only while its claim stands: so a
// fire time takes effect once, although a run cut off by the death of its node is started again. What
// a job does outside of the database happens at least once and should carry Run.Token.
package job

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/robfig/cron/v3"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/db"
)

// Kind says where and how often a job runs.
type Kind uint8

// The kinds of jobs.
const (
	EveryNode Kind = iota + 1 // by its schedule, on each node by itself, without rows
	Once                      // by its schedule, once per cluster
	Durable                   // what Enqueue put into the queue, each entry once per cluster
)

// String names the kind for screens and logs.
func (k Kind) String() string {
	switch k {
	case EveryNode:
		return "every node"
	case Once:
		return "once"
	case Durable:
		return "queue"
	}
	return "unknown"
}

// Job is something to run.
type Job struct {
	Name     string        // unique, at most 120 bytes
	Kind     Kind          // EveryNode, Once or Durable
	Schedule string        // five fields of cron in UTC, or "@every 10s"; empty for Durable
	Timeout  time.Duration // of one run; 0 = 10 min
	Attempts int           // tries of one run before it counts as failed; 0 = 3, Durable 8
	// Run does the work, as the portal itself. Its context ends at the time-out and when the node stops.
	Run func(ctx context.Context, run Run) error
}

// Leader is what jobs need to know of the cluster.
type Leader interface {
	IsMaster() bool          // advice: this node should do what one node is enough for
	Writer() int64           // the number of this process life; never used again
	Alive(writer int64) bool // false only once that process life is known to be over
}

// Options are what a Service needs.
type Options struct {
	DB      *db.DB
	Leader  Leader
	Workers int              // runs at once on this node, not counting those of EveryNode; 0 = 4
	Poll    time.Duration    // between two looks at the tables; 0 = 1 s
	Backoff time.Duration    // before the second try; doubled for each further one, at most 1 h; 0 = 5 s
	Keep    time.Duration    // how long finished runs are remembered, scheduled ones that went well a day at most; 0 = 30 days
	Logger  *slog.Logger     // default: discarded
	Now     func() time.Time // default: the clock of the database
}

// Service runs jobs on this node. Register all jobs, then Start; Stop waits for what runs.
type Service struct {
	o   Options
	log *slog.Logger

	mu      sync.Mutex
	jobs    map[string]*registered
	order   []string
	active  map[stoa.ID]bool // runs claimed by this process and not yet settled
	started bool

	wake   chan struct{}
	life   context.Context // ends with Stop; runs are made from it
	cancel context.CancelFunc
	wg     sync.WaitGroup
	pruned time.Time // last look for old runs; used by the loop alone
}

type registered struct {
	Job
	schedule cron.Schedule
	local    localState // EveryNode only
}

// New gives a service without jobs. DB and Leader are required.
func New(o Options) (*Service, error) {
	if o.DB == nil || o.Leader == nil {
		return nil, errors.New("job: Options.DB and Options.Leader are required")
	}
	if o.Workers < 0 || o.Poll < 0 || o.Backoff < 0 || o.Keep < 0 {
		return nil, errors.New("job: Workers, Poll, Backoff and Keep must not be negative")
	}
	if o.Workers == 0 {
		o.Workers = 4
	}
	if o.Poll == 0 {
		o.Poll = time.Second
	}
	if o.Backoff == 0 {
		o.Backoff = 5 * time.Second
	}
	if o.Keep == 0 {
		o.Keep = 30 * 24 * time.Hour
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	s := &Service{
		o: o, log: o.Logger.With("component", "job"),
		jobs: map[string]*registered{}, active: map[stoa.ID]bool{}, wake: make(chan struct{}, 1),
	}
	s.life, s.cancel = context.WithCancel(stoa.WithActor(context.Background(), stoa.SystemActor()))
	return s, nil
}

// Register adds a job. It returns an error that says what is wrong with the job: a name that is
// empty, too long or taken, no Run, or a schedule that cannot be read. All jobs are registered
// before Start.
func (s *Service) Register(j Job) error {
	if j.Name == "" || len(j.Name) > 120 || j.Run == nil {
		return fmt.Errorf("job: %q needs a name of at most 120 bytes and a Run function", j.Name)
	}
	if j.Timeout < 0 || j.Attempts < 0 {
		return fmt.Errorf("job: %s: Timeout and Attempts must not be negative", j.Name)
	}
	if j.Timeout == 0 {
		j.Timeout = 10 * time.Minute
	}
	if j.Attempts == 0 {
		j.Attempts = 3
		if j.Kind == Durable {
			j.Attempts = 8
		}
	}
	r := &registered{Job: j, local: localState{now: make(chan struct{}, 1)}}
	switch j.Kind {
	case Durable:
		if j.Schedule != "" {
			return fmt.Errorf("job: %s: a queued job has no schedule", j.Name)
		}
	case EveryNode, Once:
		sched, err := ParseSchedule(j.Schedule)
		if err != nil {
			return fmt.Errorf("job: %s: %w", j.Name, err)
		}
		r.schedule = sched
	default:
		return fmt.Errorf("job: %s: the kind must be EveryNode, Once or Durable", j.Name)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.started {
		return fmt.Errorf("job: %s: registered after Start", j.Name)
	}
	if s.jobs[j.Name] != nil {
		return fmt.Errorf("job: there already is a job %q", j.Name)
	}
	s.jobs[j.Name] = r
	s.order = append(s.order, j.Name)
	slices.Sort(s.order)
	return nil
}

// ParseSchedule reads five fields of cron (minute hour day month weekday), a shorthand such as
// @hourly, or "@every" with a duration of at least a second. Times are in UTC. It returns Invalid
// naming the text when it is none of these.
func ParseSchedule(spec string) (cron.Schedule, error) {
	if len(spec) > 120 || strings.Contains(spec, "TZ=") {
		return nil, stoa.Invalid("schedule", "%q is not a schedule: five fields such as \"0 3 * * *\" in UTC, or \"@every 10s\", are expected", clip(spec))
	}
	sched, err := cron.ParseStandard(spec)
	if err != nil {
		bad := stoa.Invalid("schedule", "%q is not a schedule: five fields such as \"0 3 * * *\" in UTC, or \"@every 10s\", are expected", clip(spec))
		bad.Err = err
		return nil, bad
	}
	return sched, nil
}

func clip(s string) string {
	if len(s) > 120 {
		return strings.ToValidUTF8(s[:120], "") + "…"
	}
	return s
}

// Enqueue puts an entry for a Durable job into the queue, as part of the caller's transaction: it
// runs once that is committed. A second entry with the same key is dropped for as long as the first
// is remembered (Options.Keep after its end); an empty key is like no other. The payload is at most
// 1 MiB.
func (s *Service) Enqueue(ctx context.Context, tx *db.Tx, name string, payload []byte, key string) error {
	r := s.find(name)
	if r == nil || r.Kind != Durable {
		return fmt.Errorf("job: there is no queue %q", name)
	}
	if len(payload) > 1<<20 || len(key) > 190 {
		return stoa.TooLarge("an entry for the queue %s has at most 1 MiB and a key of at most 190 bytes", name)
	}
	id, err := tx.NewID(ctx)
	if err != nil {
		return fmt.Errorf("job: enqueue %s: %w", name, err)
	}
	if key == "" {
		key = "#" + id.String()
	}
	added, err := insertRun(ctx, tx, id, name, 0, key, payload, 0)
	if err != nil {
		return fmt.Errorf("job: enqueue %s: %w", name, err)
	}
	if added {
		tx.AfterCommit(s.Wake)
	}
	return nil
}

func insertRun(ctx context.Context, tx *db.Tx, id stoa.ID, name string, fire int64, key string, payload []byte, due int64) (bool, error) {
	if payload == nil {
		payload = []byte{}
	}
	added, err := tx.InsertIgnore(ctx, "job_run", db.Row{
		"id": id, "job": name, "fire": fire, "run_key": key, "payload": payload, "state": Waiting, "attempt": 0,
		"due": due, "owner": 0, "claim": 0, "started": 0, "ended": 0, "message": "",
	})
	if added {
		tx.Changed("job", id, 0, 0)
	}
	return added, err
}

// Wake makes the service look at the tables now. It never blocks.
func (s *Service) Wake() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

func (s *Service) find(name string) *registered {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.jobs[name]
}

// now is the time by which jobs are due: one clock for the whole cluster.
func (s *Service) now(ctx context.Context) (time.Time, error) {
	if s.o.Now != nil {
		return s.o.Now().UTC(), nil
	}
	return DatabaseNow(ctx, s.o.DB)
}

// DatabaseNow reads the clock of the database server, in UTC; for SQLite that is this machine's.
func DatabaseNow(ctx context.Context, d *db.DB) (time.Time, error) {
	var micros int64
	var err error
	switch d.Dialect() {
	case db.Postgres:
		err = d.QueryRow(ctx, "SELECT CAST(EXTRACT(EPOCH FROM clock_timestamp()) * 1000000 AS BIGINT)").Scan(&micros)
	case db.MySQL:
		err = d.QueryRow(ctx, "SELECT CAST(UNIX_TIMESTAMP(SYSDATE(6)) * 1000000 AS SIGNED)").Scan(&micros)
	default:
		return time.Now().UTC(), nil
	}
	if err != nil {
		return time.Time{}, fmt.Errorf("job: read the clock of the database: %w", err)
	}
	return db.Time(micros), nil
}
