// Package job runs work outside of requests: on every node, once per cluster by a schedule, or from
// a queue. Runs are rows. A fire time is one row for ever, a claim is a number in it, and what a run
// writes through Run.Commit commits together with its completion only while its claim stands: so a
// fire time takes effect once, although a run cut off by the death of its node is started again. What
// a job does outside of the database happens at least once and should carry Run.Token. DESIGN.md beside
// this file tells why it is so.
package job

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
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

// Storage is what Liferay calls the kind, for people who come from there.
func (k Kind) Storage() string {
	switch k {
	case EveryNode:
		return "MEMORY"
	case Once:
		return "MEMORY_CLUSTERED"
	case Durable:
		return "PERSISTED"
	}
	return ""
}

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
	Does     string        // what it is for, in a few words for people
	Kind     Kind          // EveryNode, Once or Durable
	Schedule string        // five fields of cron in UTC, or "@every 10s"; empty for Durable
	Timeout  time.Duration // of one run; 0 = 10 min
	Attempts int           // tries of one run before it counts as failed; 0 = 3, Durable 8
	// AtMostOnce is for work outside of the database that must rather be left out than done twice: a run
	// that failed or was cut off by the end of its node is not begun again. Attempts is 1 then.
	AtMostOnce bool
	// Asked says that Soon makes the job due, too, as part of what people do. After a pause it runs at once then, for what
	// was asked for meanwhile; of other jobs the times that passed are left out. Once only.
	Asked bool
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
	DB       *db.DB
	Leader   Leader
	Node     string           // the name of this node for people, at most 120 bytes
	Disabled bool             // this node runs nothing and claims nothing; it only says so
	Workers  int              // runs at once on this node, not counting those of EveryNode; 0 = 4
	Poll     time.Duration    // between two looks at the tables; 0 = 1 s
	Misfire  time.Duration    // a fire time later than this runs once together with all that were missed; 0 = 1 min
	Publish  time.Duration    // this node publishes its own runs at most this often; 0 = 10 s
	Backoff  time.Duration    // before the second try; doubled for each further one, at most 1 h; 0 = 5 s
	Keep     time.Duration    // how long finished runs are remembered, scheduled ones that went well a day at most; 0 = 30 days
	Logger   *slog.Logger     // default: discarded
	Now      func() time.Time // default: the clock of the database

	// Ended, if not nil, is told of every run that ended on this node: which job, how, and how long it took.
	Ended func(job string, how Outcome, took time.Duration)
}

// Service runs jobs on this node. Register all jobs, then Start; Stop waits for what runs.
type Service struct {
	o   Options
	log *slog.Logger

	mu      sync.Mutex
	jobs    []*registered    // by name
	active  map[stoa.ID]bool // runs claimed by this process and not yet settled
	started bool
	due     atomic.Int64 // microseconds, by this machine's clock: see noteDue

	wake   chan struct{}
	life   context.Context // ends with Stop; runs are made from it
	cancel context.CancelFunc
	wg     sync.WaitGroup

	// The loop alone uses these.
	pruned    time.Time // last look for old runs
	glanced   glance    // the newest that was followed by a whole round
	full      time.Time // by the cluster's clock, when the newest whole round was
	calm      bool      // the newest glance showed that there is nothing to do
	next      time.Time // by this machine's clock, when something is due as far as that glance showed
	orders    map[string]order
	looked    atomic.Bool // orders were read
	published publication
	queued    int64 // microseconds, by this machine's clock, since when an entry of a queue was seen to wait; 0: none
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
	if o.Workers < 0 || o.Poll < 0 || o.Misfire < 0 || o.Publish < 0 || o.Backoff < 0 || o.Keep < 0 {
		return nil, errors.New("job: Workers, Poll, Misfire, Publish, Backoff and Keep must not be negative")
	}
	o.Workers = cmp.Or(o.Workers, 4)
	o.Poll = cmp.Or(o.Poll, time.Second)
	o.Misfire = cmp.Or(o.Misfire, time.Minute)
	o.Publish = cmp.Or(o.Publish, 10*time.Second)
	o.Backoff = cmp.Or(o.Backoff, 5*time.Second)
	o.Keep = cmp.Or(o.Keep, 30*24*time.Hour)
	if o.Node = stoa.Short(o.Node, 120); o.Node == "" {
		o.Node = strconv.FormatInt(o.Leader.Writer(), 10)
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	s := &Service{
		o: o, log: o.Logger.With("component", "job"),
		active: map[stoa.ID]bool{}, wake: make(chan struct{}, 1),
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
	if j.AtMostOnce && j.Attempts > 1 {
		return fmt.Errorf("job: %s: a run that happens at most once has one attempt", j.Name)
	}
	j.Timeout = cmp.Or(j.Timeout, 10*time.Minute)
	switch {
	case j.Attempts > 0:
	case j.AtMostOnce:
		j.Attempts = 1
	case j.Kind == Durable:
		j.Attempts = 8
	default:
		j.Attempts = 3
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
	at, taken := slices.BinarySearchFunc(s.jobs, j.Name, byName)
	if taken {
		return fmt.Errorf("job: there already is a job %q", j.Name)
	}
	s.jobs = slices.Insert(s.jobs, at, r)
	return nil
}

// ParseSchedule reads five fields of cron (minute hour day month weekday), a shorthand such as
// @hourly, or "@every" with a duration of at least a second. Times are in UTC. It returns Invalid
// naming the text when it is none of these.
func ParseSchedule(spec string) (cron.Schedule, error) {
	if len(spec) > 120 || strings.Contains(spec, "TZ=") {
		return nil, stoa.Invalid("schedule", "%q is not a schedule: five fields such as \"0 3 * * *\" in UTC, or "+
			"\"@every 10s\", are expected", stoa.Short(spec, 120))
	}
	sched, err := cron.ParseStandard(spec)
	if err != nil {
		bad := stoa.Invalid("schedule", "%q is not a schedule: five fields such as \"0 3 * * *\" in UTC, or \"@every "+
			"10s\", are expected", stoa.Short(spec, 120))
		bad.Err = err
		return nil, bad
	}
	if sched.Next(time.Now()).IsZero() {
		return nil, stoa.Invalid("schedule", "%q never comes: there is no such day", stoa.Short(spec, 120))
	}
	return sched, nil
}

// Enqueue puts an entry for a Durable job into the queue, as part of the caller's transaction: it
// runs once that is committed. A second entry with the same key is dropped for as long as the first
// is remembered (Options.Keep after its end); an empty key is like no other. The payload is at most
// 1 MiB. The run belongs to the instance of the actor, whose administrators see it; the portal's own to none.
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
	added, err := insertRun(ctx, tx, id, name, 0, key, payload, stoa.ActorFrom(ctx).Instance)
	if err != nil {
		return fmt.Errorf("job: enqueue %s: %w", name, err)
	}
	if added {
		tx.AfterCommit(s.Wake)
	}
	return nil
}

// insertRun makes a run that can be claimed at once. It reports false when the fire time or the key has
// one already.
func insertRun(
	ctx context.Context, tx *db.Tx, id stoa.ID, name string, fire int64, key string, payload []byte, instance stoa.ID,
) (bool, error) {
	if payload == nil {
		payload = []byte{}
	}
	added, err := tx.InsertIgnore(ctx, "job_run", db.Row{
		"id": id, "job": name, "fire": fire, "run_key": key, "payload": payload, "state": Waiting, "attempt": 0,
		"due": 0, "owner": 0, "node": "", "claim": 0, "started": 0, "ended": 0, "message": "",
		"instance": instance,
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

func byName(r *registered, name string) int { return strings.Compare(r.Name, name) }

// find gives the job with the name; nil when there is none.
func (s *Service) find(name string) *registered {
	list := s.all()
	if i, ok := slices.BinarySearchFunc(list, name, byName); ok {
		return list[i]
	}
	return nil
}

// all gives the jobs by name.
func (s *Service) all() []*registered {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.jobs[:len(s.jobs):len(s.jobs)]
}

func (s *Service) ofKind(kinds ...Kind) []*registered {
	var out []*registered
	for _, r := range s.all() {
		if slices.Contains(kinds, r.Kind) {
			out = append(out, r)
		}
	}
	return out
}

// now is the time by which jobs are due: one clock for the whole cluster.
func (s *Service) now(ctx context.Context) (time.Time, error) {
	if s.o.Now != nil {
		return s.o.Now().UTC(), nil
	}
	return DatabaseNow(ctx, s.o.DB)
}

// The clocks of the servers, in microseconds since 1970.
const (
	clockPostgres = "CAST(EXTRACT(EPOCH FROM clock_timestamp()) * 1000000 AS BIGINT)"
	clockMySQL    = "CAST(UNIX_TIMESTAMP(SYSDATE(6)) * 1000000 AS SIGNED)"
)

// DatabaseNow reads the clock of the database server, in UTC; for SQLite that is this machine's.
func DatabaseNow(ctx context.Context, d *db.DB) (time.Time, error) {
	var micros int64
	var err error
	switch d.Dialect() {
	case db.Postgres:
		err = d.QueryRow(ctx, "SELECT "+clockPostgres).Scan(&micros)
	case db.MySQL:
		err = d.QueryRow(ctx, "SELECT "+clockMySQL).Scan(&micros)
	default:
		return time.Now().UTC(), nil
	}
	if err != nil {
		return time.Time{}, fmt.Errorf("job: read the clock of the database: %w", err)
	}
	return db.Time(micros), nil
}
