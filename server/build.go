package server

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"time"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/access"
	"github.com/stoa-portal/stoa/admin/operate"
	"github.com/stoa-portal/stoa/asset"
	"github.com/stoa-portal/stoa/autosave"
	"github.com/stoa-portal/stoa/bulk"
	"github.com/stoa-portal/stoa/cache"
	"github.com/stoa-portal/stoa/change"
	"github.com/stoa-portal/stoa/cluster"
	"github.com/stoa-portal/stoa/content"
	"github.com/stoa-portal/stoa/db"
	"github.com/stoa-portal/stoa/document"
	"github.com/stoa-portal/stoa/httpd"
	"github.com/stoa-portal/stoa/job"
	"github.com/stoa-portal/stoa/lock"
	"github.com/stoa-portal/stoa/look"
	"github.com/stoa-portal/stoa/mail"
	"github.com/stoa-portal/stoa/page"
	"github.com/stoa-portal/stoa/portal"
	"github.com/stoa-portal/stoa/render"
	"github.com/stoa-portal/stoa/secret"
	"github.com/stoa-portal/stoa/site"
	"github.com/stoa-portal/stoa/taxonomy"
	"github.com/stoa-portal/stoa/user"
	"github.com/stoa-portal/stoa/web"
	"github.com/stoa-portal/stoa/widget"
)

// build makes the parts of a node from top to bottom; each step uses only what stands above it, and
// registers its end. It is long on purpose: Go's scoping is the dependency graph.
func (s *Server) build(ctx context.Context, o Options) error {
	c := s.cfg
	if _, err := Check(c); err != nil {
		return err
	}
	h, err := openHome(c.Home)
	if err != nil {
		return err
	}
	for _, d := range h.loose {
		s.log.Warn("other users of this machine may look into a folder of the home", "folder", d,
			"mend", "make the user that runs stoa its owner, then chmod 700")
	}
	s.onStop("home", func(context.Context) error { return h.close() })
	for _, w := range c.Warnings() {
		s.log.Warn(w)
	}
	if s.keyFile, err = readKeyFile(c); err != nil {
		return err
	}

	// The database: open, migrate, and the change log on top of it. Everything this life of the node does
	// there bears its number.
	writer := change.NewWriter()
	if s.DB, err = s.openDatabase(ctx, writer); err != nil {
		return err
	}
	s.onStop("database", func(context.Context) error { return s.DB.Close() })
	if s.replicas, err = db.OpenReplicas(s.DB, ReadOptions(c)); err != nil {
		return err
	}
	s.onStop("replicas", func(context.Context) error { return s.replicas.Close() })
	if err := s.adviseDatabase(ctx); err != nil {
		return err
	}
	if err := s.DB.Migrate(ctx); err != nil {
		return err
	}
	if err := s.mayServe(ctx); err != nil {
		return err
	}

	// The node row, the caches and the log need each other: the log beats the node's heart and drops
	// cached values, the caches ask the log how fresh they are.
	hostname, err := os.Hostname()
	if err != nil {
		hostname = "localhost"
	}
	s.address = s.httpAddress(hostname)
	if s.link, err = s.openLink(ctx, o, writer); err != nil {
		return err
	}
	s.onStop("cluster link", func(context.Context) error { return s.link.transport.Close() })
	schema, err := s.DB.SchemaVersion()
	if err != nil {
		return err
	}
	s.misled = misled(ctx, c, s.DB.Server(), s.link.inside != nil && !s.command)
	for _, p := range s.misled {
		s.log.Warn(p.Message, "code", p.Code, "mend", p.Mend)
	}
	s.Node, err = cluster.Join(ctx, cluster.NodeOptions{
		DB: s.DB, Writer: writer, Home: c.Home, Name: s.nodeName(), Address: s.link.address, Fingerprint: s.link.row,
		Host: hostname, HostID: cluster.HostID(), Version: stoa.Version, Schema: schema, Settings: s.shared.All,
		Detail:    s.linkDetail().String(),
		Heartbeat: c.Cluster.HeartbeatInterval, DeadAfter: c.Cluster.HeartbeatTimeout, Guest: s.command, Logger: s.log,
	})
	if err != nil {
		return err
	}
	s.onStop("node", s.Node.Leave)
	// stoa migrate --finish may have raised the oldest binary served before it could see the node's row.
	if err := s.DB.Served(ctx); err != nil {
		return err
	}
	// Before the row says goodbye, or the others would expel this node while it leaves. Closing again is nothing.
	s.onStop("cluster link", func(context.Context) error { return s.link.transport.Close() })
	var proof func() time.Duration
	s.Cache, err = cache.New(s.copying(cache.Options{
		FreshLimit: c.Cache.FreshLimit, ReadThroughMax: c.Cache.ReadThroughMax, ReadThroughWait: c.Cache.ReadThroughWait,
		StaleGrace: c.Cache.StaleGrace, MaxAge: c.Cache.MaxAge, MaxBytes: c.Cache.MaxBytes,
		Proof:         func() time.Duration { return proof() },
		Clock:         change.Boottime,
		InTransaction: db.InWrite, Incarnation: s.DB.Incarnation, Logger: s.log.With("component", "cache"),
	}))
	if err != nil {
		return err
	}
	s.onStop("cache", func(context.Context) error { s.Cache.Close(); return nil })
	s.DB.OnIncarnation(func(db.Turn) { s.Cache.DropAll("the database shows another history") })
	s.Log, err = change.Open(ctx, change.Options{
		DB: s.DB, Writer: writer, Beat: s.Node.Beat, PollInterval: c.Database.ChangePollInterval,
		Retention: c.Database.ChangeRetention, Logger: s.log.With("component", "change"),
		Apply:      dropFrom(s.Cache),
		TrustHints: s.link.trusted,
		Send:       func(hint []byte) { s.send(cluster.SubjectHints, hint) },
		Tell:       s.tell(),
		Confirm:    s.confirm, ConfirmLimit: cmp.Or(o.ConfirmLimit, c.Cache.FreshLimit+change.Bound/4),
	})
	if err != nil {
		return err
	}
	proof = s.Log.Proof
	s.link.log.Store(s.Log)
	s.onStop("change log", s.Log.Close)
	if err := s.openAudit(); err != nil {
		return err
	}
	s.openEvents()
	if err := s.openCalls(s.link); err != nil {
		return err
	}
	stopHints, err := s.link.transport.Subscribe(cluster.SubjectHints, func(b []byte) {
		if !s.probe.Take(s.ctx, b) {
			s.Log.Hint(b)
		}
	})
	if err != nil {
		return fmt.Errorf("listen for hints: %w", err)
	}
	s.onStop("hints", func(context.Context) error { stopHints(); return nil })
	if s.link.trusted {
		stopWords, err := s.link.transport.Subscribe(databaseSubject, s.Log.Hear)
		if err != nil {
			return fmt.Errorf("listen for what other nodes say of the database: %w", err)
		}
		s.onStop("words", func(context.Context) error { stopWords(); return nil })
	}
	stopOffers, err := s.link.transport.Subscribe(offerSubject, s.Cache.Accept)
	if err != nil {
		return fmt.Errorf("listen for cached values: %w", err)
	}
	s.onStop("offers", func(context.Context) error { stopOffers(); return nil })
	logCtx, stopLog := context.WithCancel(s.ctx)
	logDone := make(chan error, 1)
	go func() { logDone <- s.Log.Run(logCtx) }()
	s.onStop("log reader", func(context.Context) error {
		stopLog()
		if err := <-logDone; err != nil && !errors.Is(err, context.Canceled) {
			return err
		}
		return nil
	})
	// The log was at its present end when it was opened; what was committed before hints were heard is read
	// before the first load.
	if err := s.follow(s.link); err != nil {
		return err
	}
	if err := s.Log.Poll(ctx); err != nil {
		return err
	}
	s.wg.Go(func() { s.sweepNodes() })
	if d := c.Cache.VerifyInterval; d > 0 {
		s.every(d, s.verify())
	}

	// Files: a store that is not the cluster's store, or cannot be used, keeps the node from being ready.
	s.files.tokens.every = cmp.Or(o.TokenEvery, tokenEvery)
	if err := s.openFiles(ctx, o.NoSync); err != nil {
		return err
	}

	// The domain.
	if s.Access, err = access.New(access.Options{DB: s.DB, Cache: s.Cache, InstanceOf: site.InstanceOf}); err != nil {
		return err
	}
	if s.Secrets, err = secret.New(secret.Options{DB: s.DB, Cache: s.Cache, File: s.keyFile, Logger: s.log}); err != nil {
		return err
	}
	mailer := mail.New(mailOptions(c, s.DB.Unproven))
	if s.Users, err = user.New(userOptions(c, s, mailer)); err != nil {
		return err
	}
	s.onStop("users", func(context.Context) error { return s.Users.Close() })
	if s.Sites, err = site.New(site.Options{DB: s.DB, Cache: s.Cache, Access: s.Access, StrictHosts: c.Hosts.Strict,
		IgnoreHosts: c.Hosts.Ignore,
		OwnHosts:    slices.Concat([]string{c.Web.Host, c.Company.VirtualHostName}, c.Hosts.Valid),
		DefaultSlug: defaultSlug(c)}); err != nil {
		return err
	}
	s.learnOwners(ctx)
	s.every(time.Second, s.keepAudit)
	if s.Taxonomy, err = taxonomy.New(taxonomy.Options{DB: s.DB, Cache: s.Cache, Access: s.Access}); err != nil {
		return err
	}
	if s.Assets, err = asset.New(asset.Options{DB: s.DB, Access: s.Access, Cache: s.Cache, Logger: s.log}); err != nil {
		return err
	}
	if s.Pages, err = page.New(page.Options{
		DB: s.DB, Cache: s.Cache, Access: s.Access, Sites: s.Sites, Assets: s.Assets, Logger: s.log,
		Article: func(ctx context.Context, site, id stoa.ID) error { return s.Content.MayShow(ctx, site, id) },
		Texts: func(ctx context.Context, q db.Queryer, ids []stoa.ID) (map[stoa.ID]page.Text, error) {
			texts, ofPages, err := s.Content.Texts(ctx, q, ids)
			out := make(map[stoa.ID]page.Text, len(texts))
			for id, d := range texts {
				out[id] = page.Text{Document: d, OfPage: ofPages[id]}
			}
			return out, err
		},
	}); err != nil {
		return err
	}
	if s.Files, err = document.New(s.documentOptions()); err != nil {
		return err
	}
	if s.Content, err = content.New(content.Options{
		DB: s.DB, Cache: s.Cache, Access: s.Access, Taxonomy: s.Taxonomy, Pages: pagesOf{s.Pages},
		Assets: s.Assets, Moved: s.Pages.AddRedirect, Image: s.Files.Image, Signer: s.Secrets,
	}); err != nil {
		return err
	}
	// One line for each kind of content. Pages come last, as any address could be that of one.
	if err := s.Assets.Register(
		s.Content.AssetType(),
		s.Files.AssetType(),
		s.Pages.AssetType(),
	); err != nil {
		return err
	}
	// And one for each kind that the recycle bin has besides.
	if err := s.Assets.RegisterBin(
		s.Files.BinKind(),
		s.Pages.MenuBin(),
		s.Pages.RedirectBin(),
		s.Taxonomy.CategoryBin(),
		s.Taxonomy.TagBin(),
		s.Access.BinKind(),
		s.Users.BinKind(),
	); err != nil {
		return err
	}
	if s.Locks, err = lock.New(lock.Options{DB: s.DB, Access: s.Access, Path: s.lockPath,
		Lifetime: map[string]time.Duration{lock.Article: c.Locks.Article, lock.Page: c.Locks.Page}}); err != nil {
		return err
	}
	if s.Jobs, err = job.New(job.Options{DB: s.DB, Leader: &leader{node: s.Node, asked: map[int64]time.Duration{}}, Node: cmp.Or(s.nodeName(), s.Node.ID()), Disabled: !c.Jobs.Enabled,
		Workers: c.Jobs.Workers, Poll: c.Jobs.PollInterval, Misfire: c.Jobs.Misfire, Keep: c.Jobs.Retention, Logger: s.log,
		Ended: s.runs.observe}); err != nil {
		return err
	}
	if s.Bulk, err = bulk.New(bulk.Options{DB: s.DB, Jobs: s.Jobs, Actor: s.Users.Acting,
		Refused: s.Audit.Refused, Logger: s.log}); err != nil {
		return err
	}
	if err := s.Bulk.Register(slices.Concat(s.Content.BulkActions(), s.Pages.BulkActions(),
		s.Files.BulkActions(), s.Assets.BulkActions())...); err != nil {
		return err
	}
	if err := s.registerJobs(); err != nil {
		return err
	}
	if err := s.openSearch(ctx); err != nil {
		return err
	}
	if err := s.openFollowers(); err != nil {
		return err
	}
	if err := s.firstStart(ctx); err != nil {
		return err
	}

	// The edges.
	assets := look.New()
	node := ""
	if c.Web.DisplayNode {
		node = s.address
	}
	catalogue := widget.New(slices.Concat(page.Widgets(s.Pages), content.Widgets(s.Content), document.Widgets(s.Files))...)
	theme, err := render.New(
		render.Options{
			Pages:     s.Pages,
			Catalogue: catalogue,
			Assets:    assets,
			Node:      node,
			Search:    "/search",
			Logger:    s.log.With("component", "render"),
		},
	)
	if err != nil {
		return err
	}
	s.onStop("render", func(context.Context) error { theme.Close(); return nil })
	asks, err := portal.New(portal.Options{Access: s.Access, Cache: s.Cache, Sites: s.Sites, Users: s.Users, Log: s.Log,
		CookieDomain: c.Session.CookieDomain, ReadYourWrites: c.Cache.ReadYourWritesBy, Older: s.olderNodes})
	if err != nil {
		return err
	}
	visitors, err := web.New(web.Options{
		Portal: asks, Cache: s.Cache, Access: s.Access, Users: s.Users, Secrets: s.Secrets, Sites: s.Sites,
		Pages: s.Pages, Content: s.Content, Taxonomy: s.Taxonomy, Files: s.Files, Trash: s.Assets, Search: s.Search,
		Render: theme,
		Assets: assets,
		Logger: s.log.With("component", "web"), Audit: s.Audit, PublicHost: c.Web.Host,
		SignInDisabled: c.Session.LoginDisabled, NoRemember: !c.Session.AutoLogin, OwnHosts: c.Hosts.Valid,
		Identity: s.identity,
	})
	if err != nil {
		return err
	}
	panel, err := s.panel(asks, theme, catalogue, assets, c.Files.MaxFileBytes)
	if err != nil {
		return err
	}
	handler, patterns := visitors.Routes(panel.Mount)
	s.patterns = patterns
	registry := s.newRegistry()
	edge := httpSettings(c)
	edge.ValidHost, edge.ErrorPage = s.siteHost, visitors.ErrorPage
	edge.Logger, edge.Registry = s.log.With("component", "http"), registry
	edge.Ready, edge.DataSource, edge.Refused = s.problems, s.dataSource(), s.Audit.Refused
	if s.http, err = httpd.New(edge, handler); err != nil {
		return err
	}
	s.proxies.Store(s.http)
	s.onStop("http", func(context.Context) error { return s.http.Close() })
	s.examine(ctx)
	s.every(2*time.Second, s.examine)
	s.watchTables(ctx)
	if !s.command {
		s.every(watchEvery, s.watchFindings)
	}
	if !s.command {
		if err := s.Jobs.Start(s.ctx); err != nil {
			return err
		}
		stopWaking := s.Log.Subscribe(func(rows []change.Row) {
			// A run that is new is work; one that another node has begun or ended is not.
			if slices.ContainsFunc(rows, func(r change.Row) bool {
				return r.Kind == "job" && r.Version == 0 || r.Kind == "job-order" || r.Kind == change.Everything
			}) {
				s.Jobs.Wake()
			}
		})
		s.onStop("waking of jobs", func(context.Context) error { stopWaking(); return nil })
	}
	if !s.command {
		if s.unsearched != nil {
			s.unsearched.kinds = s.Search.Follower().Kinds
			stopHearing := s.Log.Subscribe(s.unsearched.hear)
			s.onStop("what is searched for", func(context.Context) error { stopHearing(); return nil })
		}
		s.Follow.Start(s.ctx)
		if s.hasIndex() {
			s.every(proveEvery, s.proveSearch)
		}
	}
	s.onStop("followers", func(context.Context) error { s.Follow.Stop(); return nil })
	s.onStop("jobs", func(context.Context) error { s.Jobs.Stop(); return nil })
	stopSocket, err := s.listenControl(h)
	if err != nil {
		return err
	}
	s.onStop("control socket", stopSocket)
	return nil
}

// proofAge is how long ago the newest proof of freshness was sent. A new incarnation voids proofs; then it counts
// from the last time that there was one.
func (s *Server) proofAge() time.Duration {
	p := s.Log.Proof()
	if p == 0 {
		p = time.Duration(s.proven.Load())
	} else {
		s.proven.Store(int64(p))
	}
	return change.Boottime() - p
}

// problems names what keeps the node from being ready.
func (s *Server) problems(ctx context.Context) []httpd.Problem { return s.lookForProblems(ctx, false) }

// calmCheck is the time between two looks of an idle node at the connections that visitors use.
const calmCheck = 5 * time.Second

// lookForProblems is problems; calm says that a visitor or a load balancer does not wait for the answer.
func (s *Server) lookForProblems(ctx context.Context, calm bool) []httpd.Problem {
	out := append(s.files.problems(), s.moved()...)
	refused, warned := s.refusals()
	var err error // proofs have connections of their own, which may be all that is left
	if now := change.Boottime(); !calm || !s.Log.Beating() || now-time.Duration(s.checked.Load()) > calmCheck {
		if err = s.DB.Check(ctx); err == nil {
			s.checked.Store(int64(now))
		}
	}
	if len(refused) > 0 {
		out = append(out, refused...)
	} else if err != nil && len(warned) > 0 && warned[0].Code != cluster.CodeDatabaseCopy {
		out = append(out, warned[0]) // which server is there instead of the right one
	} else if err != nil {
		out = append(out, httpd.Problem{Requirement: "database", Message: err.Error(), Code: cluster.CodeDatabaseAway,
			Mend: "check that the server of jdbc.default.url runs and answers"})
	} else if age := s.proofAge(); age > 5*time.Second {
		p := cluster.Problem{Requirement: "change log", Code: cluster.CodeChangeLate,
			Mend: "see the log of this node; the database may be slow or read-only"}
		out = append(out, httpd.Problem(p.Saying("the change log was last read %s ago", age.Round(time.Second))))
	}
	return out
}

func (s *Server) dataSource() func(context.Context) error {
	if !s.cfg.Health.DataSourceEnabled {
		return nil
	}
	return s.DB.Check
}

func (s *Server) properties(ctx context.Context) ([]operate.Property, error) {
	if err := stoa.ActorFrom(ctx).Operates("see the settings of nodes"); err != nil {
		return nil, err
	}
	var out []operate.Property
	for _, v := range s.cfg.Effective() {
		out = append(out, operate.Property{Name: v.Name, Value: v.Masked, Source: v.Source, Default: v.Default, Help: v.Doc})
	}
	return out, nil
}

func (s *Server) registerJobs() error {
	return errors.Join(
		s.Jobs.Register(s.Content.Job()),
		s.Jobs.Register(s.Content.AutosaveJob()),
		s.Jobs.Register(s.Assets.Job()),
		s.Jobs.Register(s.Bulk.Job()),
		s.Jobs.Register(s.Assets.TrashJob(s.cfg.Trash.MaxAge, s.cfg.Trash.CheckInterval)),
		s.Jobs.Register(autosave.New(s.DB, nil).Job()),
		s.Jobs.Register(s.Locks.Job()),
		s.Jobs.Register(s.sweepFiles()),
		s.Jobs.Register(s.moveFiles()),
		s.Jobs.Register(s.pruneAudit()),
		s.Jobs.Register(
			job.Job{
				Name:     "user.sweep",
				Does:     "Clears away sessions and links that are over",
				Kind:     job.Once,
				Schedule: "@every 30m",
				Timeout:  time.Minute,
				Run: func(ctx context.Context, _ job.Run) error {
					return s.Users.Sweep(stoa.WithActor(ctx, stoa.SystemActor()))
				},
			},
		),
		s.Jobs.Register(
			job.Job{
				Name:     "change.prune",
				Does:     "Shortens the change log",
				Kind:     job.Once,
				Schedule: "@every 10m",
				Timeout:  5 * time.Minute,
				Run: func(ctx context.Context, run job.Run) error {
					_, err := s.Log.Prune(ctx, run.Fence)
					return err
				},
			},
		),
		s.Jobs.Register(job.Job{
			Name: "cluster.event.prune", Does: "Clears away events of the cluster that were read long ago",
			Kind: job.Once, Schedule: "@every 10m", Timeout: time.Minute,
			Run: func(ctx context.Context, run job.Run) error {
				_, err := cluster.PruneEvents(ctx, s.DB, run.Fence)
				return err
			},
		}),
	)
}
