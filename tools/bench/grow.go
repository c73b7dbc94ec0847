package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/stoa-portal/stoa/content"
	"github.com/stoa-portal/stoa/db"
)

// The sizes that are compared, and how long editors save beside a large article.
const (
	fewPosts, manyPosts = 1_000, 100_000
	savingFor           = 5 * time.Second
)

// grown is what was measured of things that grow with a site.
type grown struct {
	maps         []mapped
	page, absent []float64 // requests per second of a cached page and of an address with nothing
	large        []float64 // milliseconds that an article of the size limit took to be saved
	quiet, busy  []float64 // milliseconds of other saves, without and with large ones beside them
}

// mapped is a site map of a site with so many posts.
type mapped struct {
	posts, addresses, files int
	cold                    time.Duration // all files, none made before
	warm                    time.Duration
	rss                     int64
}

// measureGrown measures site maps, addresses under which there is nothing, and large saves.
func measureGrown(ctx context.Context, s settings, dir, stoa string) (*grown, error) {
	g := &grown{}
	for _, posts := range []int{fewPosts, manyPosts} {
		home := filepath.Join(dir, fmt.Sprintf("grown-%d", posts))
		node, _, err := startStoa(ctx, dir, stoa, home)
		if err != nil {
			return nil, err
		}
		if err := node.stop(); err != nil {
			return nil, err
		}
		if err := fillPosts(ctx, home, posts); err != nil {
			return nil, fmt.Errorf("write %d posts: %w", posts, err)
		}
		if node, _, err = startStoa(ctx, dir, stoa, home); err != nil {
			return nil, err
		}
		m, err := readMaps(ctx, node, posts)
		if err == nil && posts == fewPosts {
			err = g.measureAbsent(ctx, s, node)
		}
		if err == nil && posts == fewPosts {
			err = g.measureLarge(ctx, node)
		}
		if err = errors.Join(err, node.stop()); err != nil {
			return nil, err
		}
		g.maps = append(g.maps, m)
	}
	return g, nil
}

// fillPosts writes posts into the database of a node that is stopped, by one statement for each table.
func fillPosts(ctx context.Context, home string, posts int) (err error) {
	d, err := db.Open(ctx, db.Options{URL: "sqlite:" + filepath.Join(home, "data", "stoa.db"), Name: "bench"})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, d.Close()) }()
	const numbers = "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?) "
	const from = 10_000_000 // ids that no node has given
	now := time.Now().UnixMicro()
	return d.Write(ctx, func(ctx context.Context, tx *db.Tx) error {
		for _, q := range []struct {
			sql  string
			args []any
		}{
			{"INSERT INTO content_article (id, instance, site, slug, kind, status, author, author_name, published, " +
				"publish_at, " +
				"expire_at, sticky, password, titles, created, modified, modified_by, number, live, pending, version) " + numbers +
				"SELECT ? + i, s.instance, s.id, 'post-' || i, 'post', 'published', 0, 'Bench', ? + i, 0, 0, false, '', 'post " +
				"' || i, ?, ?, " +
				"0, 1, 1, 0, 1 FROM n, (SELECT id, instance FROM site_site ORDER BY id LIMIT 1) s", []any{posts, from,
				now, now, now}},
			{"INSERT INTO content_version (article, number, default_locale, image, made, made_by, made_by_name, note) " +
				numbers +
				"SELECT ? + i, 1, 'en-US', '', ?, 0, '', '' FROM n", []any{posts, from, now}},
			{"INSERT INTO content_text (article, number, locale, title, summary, teaser, body) " + numbers +
				"SELECT ? + i, 1, 'en-US', 'Post ' || i, '', '', '<p>Text</p>' FROM n", []any{posts, from}},
		} {
			if _, err := tx.Exec(ctx, q.sql, q.args...); err != nil {
				return err
			}
		}
		return nil
	})
}

var locations = regexp.MustCompile(`<loc>([^<]+)</loc>`)

// mapAddresses reads a site map: the addresses of its files, and those in them.
func mapAddresses(ctx context.Context, c *http.Client, base string) (files, addresses []string, err error) {
	raw, _, err := get(ctx, c, base+"/sitemap.xml", true)
	if err != nil {
		return nil, nil, fmt.Errorf("site map: %w", err)
	}
	for _, m := range locations.FindAllSubmatch(raw, -1) {
		files = append(files, string(m[1]))
	}
	for _, f := range files {
		raw, _, err := get(ctx, c, f, true)
		if err != nil {
			return nil, nil, fmt.Errorf("site map: %w", err)
		}
		for _, m := range locations.FindAllSubmatch(raw, -1) {
			addresses = append(addresses, string(m[1]))
		}
	}
	return files, addresses, nil
}

func readMaps(ctx context.Context, node *process, posts int) (m mapped, err error) {
	c := plainClient()
	defer c.CloseIdleConnections()
	m.posts = posts
	for _, took := range []*time.Duration{&m.cold, &m.warm} {
		begin := time.Now()
		files, addresses, err := mapAddresses(ctx, c, node.url)
		if err != nil {
			return m, err
		}
		*took, m.files, m.addresses = time.Since(begin), len(files), len(addresses)
	}
	if m.addresses < posts {
		return m, fmt.Errorf("the site map of %d posts has %d addresses", posts, m.addresses)
	}
	m.rss, err = rss(node.pids())
	return m, err
}

// measureAbsent compares an address under which there is nothing with a cached page, in turn.
func (g *grown) measureAbsent(ctx context.Context, s settings, node *process) error {
	for range s.rounds {
		for _, x := range []struct {
			path   string
			status int
			into   *[]float64
		}{{"/", http.StatusOK, &g.page}, {"/no/such/page", http.StatusNotFound, &g.absent}} {
			rate, err := hammer(ctx, node.url+x.path, x.status, s.length)
			if err != nil {
				return err
			}
			*x.into = append(*x.into, rate)
		}
	}
	return nil
}

// hammer asks for an address as often as it can and expects one status.
func hammer(ctx context.Context, address string, status int, d time.Duration) (rate float64, err error) {
	c := plainClient()
	defer c.CloseIdleConnections()
	var asked atomic.Int64
	var all sync.WaitGroup
	errs := make([]error, connections)
	begin := time.Now()
	for i := range connections {
		all.Go(func() {
			for time.Since(begin) < d && errs[i] == nil {
				if errs[i] = askFor(ctx, c, address, status); errs[i] == nil {
					asked.Add(1)
				}
			}
		})
	}
	all.Wait()
	return float64(asked.Load()) / time.Since(begin).Seconds(), errors.Join(errs...)
}

func askFor(ctx context.Context, c *http.Client, address string, status int) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return err
	}
	res, err := c.Do(req)
	if err != nil {
		return err
	}
	_, err = io.Copy(io.Discard, res.Body)
	if err = errors.Join(err, res.Body.Close()); err == nil && res.StatusCode != status {
		err = fmt.Errorf("%s answers %s, not %d", address, res.Status, status)
	}
	return err
}

// measureLarge lets editors save small articles, first alone and then while one saves an article of the size limit.
func (g *grown) measureLarge(ctx context.Context, node *process) error {
	const editors = 4
	people := make([]*editor, editors+1)
	for i := range people {
		var err error
		if people[i], err = signIn(ctx, node.url); err != nil {
			return err
		}
	}
	save := func(e *editor, slug, body string) (float64, error) {
		a, err := e.create(ctx, slug, slug)
		if err != nil {
			return 0, err
		}
		v := a.values(slug)
		v.Set("body", body)
		v.Set("version", fmt.Sprint(a.version))
		begin := time.Now()
		_, err = e.post(ctx, "/control/content/"+a.id, v)
		return float64(time.Since(begin).Microseconds()) / 1000, err
	}
	paragraph := "<p>" + strings.Repeat("word ", 200) + "</p>"
	large := strings.Repeat(paragraph, content.MaxBody/len(paragraph))
	for _, beside := range []bool{false, true} {
		begin := time.Now()
		var all sync.WaitGroup
		took, errs := make([][]float64, len(people)), make([]error, len(people))
		for i, e := range people {
			if i == editors && !beside {
				continue
			}
			all.Go(func() {
				body := paragraph
				if i == editors {
					body = large
				}
				for n := 0; time.Since(begin) < savingFor && errs[i] == nil; n++ {
					var ms float64
					ms, errs[i] = save(e, fmt.Sprintf("bench-%v-%d-%d", beside, i, n), body)
					took[i] = append(took[i], ms)
				}
			})
		}
		all.Wait()
		if err := errors.Join(errs...); err != nil {
			return err
		}
		for i, ms := range took {
			switch {
			case i == editors:
				g.large = append(g.large, ms...)
			case beside:
				g.busy = append(g.busy, ms...)
			default:
				g.quiet = append(g.quiet, ms...)
			}
		}
	}
	return nil
}

// markdown writes what was measured.
func (g *grown) markdown() string {
	var b strings.Builder
	b.WriteString(
		"\n## What grows with a site\n\nA site map is read whole, its index and all its files, first when none was made, " +
			"then again.\n\n| Posts | Files | Addresses | Made | For each address | Again | Memory (RSS) " +
			"|\n|---:|---:|---:|---:|---:|---:|---:|\n",
	)
	for _, m := range g.maps {
		fmt.Fprintf(&b, "| %s | %d | %s | %.0f ms | %.1f µs | %.0f ms | %.0f MB |\n", thousands(m.posts), m.files,
			thousands(m.addresses),
			m.cold.Seconds()*1e3, m.cold.Seconds()*1e6/float64(m.addresses), m.warm.Seconds()*1e3, float64(m.rss)/1e6)
	}
	page, _ := median(g.page)
	absent, _ := median(g.absent)
	ratio, spread := median(ratios(g.absent, g.page))
	fmt.Fprintf(&b,
		"\nAn address under which there is nothing is answered %s times a second, a cached page %s times, by the built-in "+
			"client over %d connections: %.2f ± %.0f %% of its rate.\n\n", thousands(int(absent)), thousands(int(page)),
		connections, ratio, spread)
	fmt.Fprintf(
		&b,
		"Four editors save short articles through the control panel (SQLite): p50 %.1f ms, p99 %.1f ms. While another "+
			"saves an "+
			"article of %s bytes, the limit, again and again (p50 %.0f ms, the slowest %.0f ms): p50 %.1f ms, p99 %.1f ms.\n",
		quantile(g.quiet, 0.5),
		quantile(g.quiet, 0.99),
		thousands(content.MaxBody),
		quantile(g.large, 0.5),
		quantile(g.large, 1),
		quantile(g.busy, 0.5),
		quantile(g.busy, 0.99),
	)
	return b.String()
}
