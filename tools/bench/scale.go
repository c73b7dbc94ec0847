package main

import (
	"context"
	"database/sql"
	"errors"
	"flag"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/stoa-portal/stoa/db"
)

// scaleSize is how much a portal holds.
type scaleSize struct{ articles, pages, people, files int }

func (s scaleSize) String() string {
	return fmt.Sprintf("%s articles, %s pages, %s people, %s files", thousands(s.articles), thousands(s.pages),
		thousands(s.people), thousands(s.files))
}

// What is asked of growth: at most twice the time of the small portal, or less than goalMillis.
const (
	goalRatio  = 2.0
	goalMillis = 50.0
)

const scaleHead = "## A portal that has grown\n\nMeasured by `make scale`%s. A portal of %s and one that has more, " +
	"made by `stoa " +
	"generate`, each with a node of its own, are asked in turn over the loopback, each for something that it has not in " +
	"its caches where that is possible; %d rounds, the lower quartile, since what else a machine does only adds. What " +
	"is measured is to stay within %g times of its time on " +
	"the small one, or below %g ms.\n"

// runScale measures whether a portal stays fast when it grows.
func runScale(args []string) (err error) {
	var out, note, engines, postgres, maria string
	large := scaleSize{}
	b := &bed{}
	f := flag.NewFlagSet("scale", flag.ContinueOnError)
	f.StringVar(&out, "out", "", "file whose section is replaced by the report; empty: only print it")
	f.StringVar(&note, "note", "", "what the machine is, for the report")
	f.StringVar(&engines, "engines", "PostgreSQL,MariaDB", "database servers to measure on, separated by commas")
	f.StringVar(&b.stoa, "stoa", "", "the program to measure; empty: build it")
	f.StringVar(&postgres, "postgres", "", "address of a database that is filled already, or of an empty one")
	f.StringVar(&maria, "mariadb", "", "address of a database that is filled already, or of an empty one")
	f.Float64Var(&b.fail, "fail", 0, "fail when a measure misses both goals by this factor; 0: report only")
	f.IntVar(&b.rounds, "rounds", 15, "rounds of each comparison")
	f.IntVar(&large.articles, "articles", 1_000_000, "articles of the large portal")
	f.IntVar(&large.pages, "pages", 10_000, "its pages")
	f.IntVar(&large.people, "people", 100_000, "its people")
	f.IntVar(&large.files, "files", 1_000, "its files")
	if err := f.Parse(args); err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	if b.dir, err = os.MkdirTemp("", "stoa-bench-"); err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(b.dir) }()
	if err := os.Chmod(b.dir, 0o755); err != nil { // PostgreSQL runs as another user
		return err
	}
	if b.self, err = os.Executable(); err != nil {
		return err
	}
	end, err := b.startServers(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, end()) }()
	if b.stoa == "" {
		b.stoa = filepath.Join(b.dir, "stoa")
		if err := buildStoa(ctx, b.stoa); err != nil {
			return err
		}
	}
	small := scaleSize{1000, 100, 1000, 50}
	if note != "" {
		note = ", " + note
	}
	var text strings.Builder
	fmt.Fprintf(&text, scaleHead, time.Now().Format(" on 2 January 2006")+note, small, b.rounds, goalRatio, goalMillis)
	for _, e := range []struct{ name, server, filled string }{
		{"PostgreSQL", b.postgres, postgres}, {"MariaDB", b.maria, maria},
	} {
		if e.server == "" || !strings.Contains(engines, e.name) {
			continue
		}
		section, err := b.scaleOn(ctx, e.server, e.filled, small, large)
		if err != nil {
			return fmt.Errorf("%s: %w", e.name, err)
		}
		fmt.Fprintf(&text, "\n### %s\n\n%s", e.name, section)
	}
	fmt.Print(text.String())
	if out == "" {
		return nil
	}
	return replaceSection(out, text.String())
}

// replaceSection puts a section in place of the one with its heading, or at the end.
func replaceSection(file, section string) error {
	raw, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	head, _, _ := strings.Cut(section, "\n")
	before, rest, found := strings.Cut(string(raw), head+"\n")
	after := ""
	if found {
		if i := strings.Index(rest, "\n## "); i >= 0 {
			after = rest[i:]
		}
	}
	return os.WriteFile(file, []byte(strings.TrimRight(before, "\n")+"\n\n"+section+after), 0o644)
}

// grownPortal is a node on a database that was filled.
type grownPortal struct {
	*process
	size    scaleSize
	editor  *editor
	site    string        // id of the generated site
	took    time.Duration // to fill it
	article *article
	paths   []string // of articles, which no request has asked for
	pages   []string // of pages
}

// scaleOn fills two databases and compares them.
func (b *bed) scaleOn(ctx context.Context, server, filled string, small, large scaleSize) (text string, err error) {
	var both [2]*grownPortal
	for i, size := range []scaleSize{small, large} {
		address := filled
		if i == 0 || filled == "" {
			if address, err = b.database(ctx, server); err != nil {
				return "", err
			}
		}
		if both[i], err = b.grow(ctx, address, size); err != nil {
			return "", err
		}
		p := both[i]
		defer func() { err = errors.Join(err, p.stop()) }()
	}
	var grown []string
	rows := [][]string{{"What", thousands(small.articles), thousands(large.articles), "Ratio", ""}}
	for _, m := range scaleMeasures() {
		var took [2][]float64
		for round := range b.rounds + 1 {
			for i, p := range both {
				if m.before != nil {
					if err := m.before(ctx, p, round); err != nil {
						return "", fmt.Errorf("before %s of %s: %w", m.name, p.size, err)
					}
				}
				begin := time.Now()
				parts, err := m.ask(ctx, p, round)
				if err != nil {
					return "", fmt.Errorf("%s of %s: %w", m.name, p.size, err)
				}
				if round > 0 { // the first is to get warm
					took[i] = append(took[i], time.Since(begin).Seconds()*1000/float64(max(1, parts)))
				}
			}
		}
		few, many := quantile(took[0], 0.25), quantile(took[1], 0.25)
		verdict := "met"
		if many > goalRatio*few && many >= goalMillis {
			verdict = "**missed**"
		}
		if b.fail > 0 && many > b.fail*goalRatio*few && many >= b.fail*goalMillis {
			grown = append(grown, fmt.Sprintf("%s took %.3g ms, and %.3g ms on the small one", m.name, many, few))
		}
		rows = append(rows, []string{m.name, fmt.Sprintf("%.3g ms", few), fmt.Sprintf("%.3g ms", many),
			fmt.Sprintf("%.2f", many/few), verdict})
	}
	memory, err := rss(both[1].pids())
	if err != nil {
		return "", err
	}
	how := "filled in " + both[1].took.Round(time.Second).String()
	if filled != "" {
		how = "filled before"
	}
	text = fmt.Sprintf("The large portal has %s, %s; its node holds %d MB.\n\n%s", large, how, memory/1e6,
		table(rows...))
	if len(grown) > 0 {
		return "", fmt.Errorf("it grows with the portal: %s\n%s", strings.Join(grown, "; "), text)
	}
	return text, nil
}

// grow fills a database and starts a node on it.
func (b *bed) grow(ctx context.Context, address string, size scaleSize) (*grownPortal, error) {
	at, err := freeAddress()
	if err != nil {
		return nil, err
	}
	b.count++
	home := filepath.Join(b.dir, fmt.Sprintf("grown-%d", b.count))
	p := &grownPortal{size: size,
		process: &process{name: size.String(), url: "http://" + at, page: "/readyz", home: home}}
	settings := fmt.Sprintf("portal.instance.inet.socket.address=%s\njdbc.default.url=%s\n"+
		"dl.store.file.system.root.dir=%s\ndefault.admin.password=%s\nshutdown.drain.delay=0s\n", at, address,
		filepath.Join(b.dir, fmt.Sprintf("files-%d", b.count)), adminPassword)
	if err := os.WriteFile(home+".properties", []byte(settings), 0o600); err != nil {
		return nil, err
	}
	begin := time.Now()
	fill := exec.CommandContext(ctx, b.stoa, "generate", "--home", home, "--external-properties", home+".properties",
		"--articles", fmt.Sprint(size.articles), "--pages", fmt.Sprint(size.pages), "--people", fmt.Sprint(size.people),
		"--files", fmt.Sprint(size.files), "--size", "2KB")
	if raw, err := fill.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("fill with %s: %w\n%s", size, err, raw[max(0, len(raw)-2000):])
	}
	p.took = time.Since(begin)
	d, err := db.OpenPlain(ctx, db.Options{URL: address, StatementTimeout: 10 * time.Minute})
	if err != nil {
		return nil, err
	}
	defer d.Close()
	if err := analyze(ctx, d, strings.HasPrefix(address, "postgres")); err != nil {
		return nil, err
	}
	if err := d.QueryRowContext(ctx, "SELECT id FROM site_site WHERE slug = 'generated-1-1'").Scan(&p.site); err != nil {
		return nil, err
	}
	serve := exec.Command(b.stoa, "serve", "--home", home, "--external-properties", home+".properties")
	if err := start(p.process, serve, home+".log"); err != nil {
		return nil, err
	}
	if _, err := p.ready(ctx, time.Now()); err != nil {
		return nil, err
	}
	return p, errors.Join(p.prepare(ctx), ctx.Err())
}

// analyze gives the engine fresh statistics, which it would make itself within minutes.
func analyze(ctx context.Context, d *sql.DB, postgres bool) error {
	if postgres {
		_, err := d.ExecContext(ctx, "ANALYZE")
		return err
	}
	rows, err := d.QueryContext(ctx, "SELECT TABLE_NAME FROM information_schema.TABLES WHERE TABLE_SCHEMA = DATABASE()")
	if err != nil {
		return err
	}
	defer rows.Close()
	var tables []string
	for rows.Next() {
		var name string
		if err := rows.Scan(&name); err != nil {
			return err
		}
		tables = append(tables, name)
	}
	if err := rows.Err(); err != nil {
		return err
	}
	for _, name := range tables {
		if _, err := d.ExecContext(ctx, "ANALYZE TABLE "+name); err != nil {
			return err
		}
	}
	return nil
}

const scaleSite = "/web/generated-1-1"

// prepare signs an editor in, makes the article that is saved, and finds addresses to ask for.
func (p *grownPortal) prepare(ctx context.Context) (err error) {
	if p.editor, err = signIn(ctx, p.url); err != nil {
		return err
	}
	c := plainClient()
	defer c.CloseIdleConnections()
	for name, into := range map[string]*[]string{"sitemap-1.xml": &p.paths, "sitemap-pages-1.xml": &p.pages} {
		raw, _, err := get(ctx, c, p.url+scaleSite+"/"+name, true)
		if err != nil {
			return err
		}
		for _, m := range locations.FindAllSubmatch(raw, -1) {
			u, err := url.Parse(string(m[1]))
			if err != nil {
				return err
			}
			if strings.HasPrefix(u.Path, scaleSite+"/") && !strings.HasPrefix(u.Path, scaleSite+"/de/") &&
				!strings.HasPrefix(u.Path, scaleSite+"/fr/") {
				*into = append(*into, u.Path)
			}
		}
	}
	if len(p.paths) < 100 || len(p.pages) < 20 {
		return fmt.Errorf("the site map has %d articles and %d pages", len(p.paths), len(p.pages))
	}
	p.article = &article{slug: fmt.Sprintf("scale-%d", time.Now().Unix()), site: p.site}
	res, err := p.editor.post(ctx, "/control/content/new", p.article.values("Scale"))
	if err != nil {
		return err
	}
	m := articleAddress.FindStringSubmatch(res.Header.Get("Location"))
	if m == nil {
		return fmt.Errorf("a new article leads to %q", res.Header.Get("Location"))
	}
	p.article.id = m[1]
	return p.editor.look(ctx, p.article)
}

// scaleMeasure asks for one thing; parts is by how many of its parts the time is divided.
type scaleMeasure struct {
	name   string
	ask    func(ctx context.Context, p *grownPortal, round int) (parts int, err error)
	before func(ctx context.Context, p *grownPortal, round int) error // not measured; nil: nothing
}

func scaleMeasures() []scaleMeasure {
	screen := func(name, path string) scaleMeasure {
		return scaleMeasure{name: name, ask: func(ctx context.Context, p *grownPortal, _ int) (int, error) {
			_, err := p.editor.form(ctx, strings.ReplaceAll(path, "SITE", p.site))
			return 1, err
		}}
	}
	visit := func(name string, path func(p *grownPortal, round int) string) scaleMeasure {
		return scaleMeasure{name: name, ask: func(ctx context.Context, p *grownPortal, round int) (int, error) {
			c := plainClient()
			defer c.CloseIdleConnections()
			return 1, askFor(ctx, c, p.url+path(p, round), http.StatusOK)
		}}
	}
	return []scaleMeasure{
		screen("Panel: articles", "/control/content?site=SITE"),
		screen("Panel: articles found by the beginnings of words", "/control/content?site=SITE&q=harb+mark"),
		screen("Panel: pages", "/control/pages?site=SITE"),
		screen("Panel: files", "/control/files?site=SITE"),
		screen("Panel: people", "/control/users"),
		screen("Panel: people with a role", "/control/users?role=Generated+editors+1"),
		screen("Panel: people found by a name", "/control/users?q=lef"),
		screen("Panel: change log", "/control/changes"),
		screen("Panel: audit log", "/control/audit"),
		visit("An article that is not cached", func(p *grownPortal, round int) string { return p.paths[round] }),
		visit("A page that is not cached", func(p *grownPortal, round int) string { return p.pages[round] }),
		visit("A list of posts that is not cached", func(_ *grownPortal, round int) string {
			return fmt.Sprintf("%s?page=%d", scaleSite, round+2)
		}),
		{name: "Save and publish an article", ask: func(ctx context.Context, p *grownPortal, round int) (int, error) {
			return 1, publish(ctx, p, round)
		}},
		{name: "Site map: its index, after a publication", before: publish,
			ask: func(ctx context.Context, p *grownPortal, _ int) (int, error) {
				c := plainClient()
				defer c.CloseIdleConnections()
				return 1, askFor(ctx, c, p.url+scaleSite+"/sitemap.xml", http.StatusOK)
			}},
		{name: "Site map: a file, for 1,000 addresses", before: publish,
			ask: func(ctx context.Context, p *grownPortal, _ int) (int, error) {
				c := plainClient()
				defer c.CloseIdleConnections()
				raw, _, err := get(ctx, c, p.url+scaleSite+"/sitemap-1.xml", true)
				return max(1, len(locations.FindAll(raw, -1))/1000), err
			}},
	}
}

// publish saves the article of the portal and shows it.
func publish(ctx context.Context, p *grownPortal, round int) error {
	return p.editor.save(ctx, p.article, fmt.Sprintf("Scale %d", round))
}
