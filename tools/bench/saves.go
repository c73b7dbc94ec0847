package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"time"
)

const (
	savesPerSecond = 50
	goalGone       = 20.0 // milliseconds
	watchEvery     = 10   // saves for each one that is watched
	lookEvery      = 500 * time.Microsecond
)

// watched is what was seen of saves, in milliseconds.
type watched struct {
	acknowledged []float64 // from the answer to the editor to the new page on another node
	sent         []float64 // from sending the form, which includes the save itself
	saves        int
	seconds      float64
	late         int // saves left out because the one before of the same article had not ended
}

// measureSaves lets an editor save on one node while visitors of the others look at the pages.
func measureSaves(ctx context.Context, b *bed) (s section, err error) {
	rows := [][]string{{"Database", "Saves/s", "Watched", "New page on B and C after the answer, p50", "p99", "Slowest", "After the form was sent, p50", "p99", "Hint there and back, p50", "p99"}}
	for _, server := range []struct{ name, address string }{{"PostgreSQL", b.postgres}, {"MariaDB", b.maria}} {
		f := finding{what: fmt.Sprintf("At %d saves/s on A (%s): old page gone on B and C, p99", savesPerSecond, server.name), goal: fmt.Sprintf("≤ %.0f ms", goalGone)}
		if server.address == "" {
			f.left = "there is no " + server.name
			s.findings = append(s.findings, f)
			continue
		}
		w, st, err := b.watchSaves(ctx, server.address)
		if err != nil {
			return s, fmt.Errorf("%s: %w", server.name, err)
		}
		var p50, p99 time.Duration
		for _, n := range st.Nodes {
			for _, l := range n.Latencies {
				p50, p99 = max(p50, l.P50), max(p99, l.P99)
			}
		}
		gone := quantile(w.acknowledged, 0.99)
		f.measured, f.met = fmt.Sprintf("%.1f ms", gone), gone <= goalGone
		s.findings = append(s.findings, f)
		ms := func(v []float64, q float64) string { return fmt.Sprintf("%.1f ms", quantile(v, q)) }
		rows = append(rows, []string{server.name, fmt.Sprintf("%.1f", float64(w.saves)/w.seconds), thousands(len(w.acknowledged)), ms(w.acknowledged, 0.5), ms(w.acknowledged, 0.99), ms(w.acknowledged, 1),
			ms(w.sent, 0.5), ms(w.sent, 0.99), fmt.Sprintf("%.2f ms", p50.Seconds()*1000), fmt.Sprintf("%.2f ms", p99.Seconds()*1000)})
		if w.late > 0 {
			s.text += fmt.Sprintf("On %s %d saves were left out because the one before had not ended.\n\n", server.name, w.late)
		}
	}
	s.text = fmt.Sprintf("An editor saves and publishes an article on A through the forms of the control panel, %d times a second over %d articles. For every %dth save, visitors of B and C ask for the page of the article every %s, "+
		"from before the save until the first answer with the new title has come; so making the page anew is in the time, as is up to one such pause. An answer that comes before the editor's own counts as 0. "+
		"The last columns are what the nodes measure themselves: the slowest pair.\n\n%s\n%s", savesPerSecond, articlesSaved, watchEvery, lookEvery, table(rows...), s.text)
	return s, nil
}

// articlesSaved is how many articles take turns.
const articlesSaved = 50

func (b *bed) watchSaves(ctx context.Context, server string) (w watched, st status, err error) {
	c, err := b.startNodes(ctx, server, 3, true)
	if err != nil {
		return w, st, err
	}
	defer func() { err = errors.Join(err, c.stop()) }()
	e, err := signIn(ctx, c.all[0].url)
	if err != nil {
		return w, st, err
	}
	defer e.c.CloseIdleConnections()
	articles := make([]*article, articlesSaved)
	for i := range articles {
		if articles[i], err = e.create(ctx, fmt.Sprintf("measured-%d", i), fmt.Sprintf("Article %d", i)); err != nil {
			return w, st, err
		}
	}
	visitors := plainClient()
	defer visitors.CloseIdleConnections()
	var (
		mu     sync.Mutex
		wg     sync.WaitGroup
		failed error
		busy   = make([]sync.Mutex, len(articles))
	)
	fail := func(err error) {
		mu.Lock()
		defer mu.Unlock()
		failed = errors.Join(failed, err)
	}
	length := time.Duration(b.pick(60, 5)) * time.Second
	tick := time.NewTicker(time.Second / savesPerSecond)
	defer tick.Stop()
	begun := time.Now()
	for i := 0; time.Since(begun) < length && ctx.Err() == nil; i++ {
		<-tick.C
		k := i % len(articles)
		if !busy[k].TryLock() {
			w.late++
			continue
		}
		w.saves++
		wg.Go(func() {
			defer busy[k].Unlock()
			title := fmt.Sprintf("Saved-%06d-times", i)
			if i%watchEvery != 0 {
				if err := e.save(ctx, articles[k], title); err != nil {
					fail(err)
				}
				return
			}
			acknowledged, sent, err := watch(ctx, e, articles[k], title, visitors, c.all[1:])
			mu.Lock()
			defer mu.Unlock()
			failed = errors.Join(failed, err)
			w.acknowledged, w.sent = append(w.acknowledged, acknowledged...), append(w.sent, sent...)
		})
	}
	w.seconds = time.Since(begun).Seconds()
	wg.Wait()
	if failed != nil {
		return w, st, failed
	}
	st, err = c.status(ctx, c.all[0])
	return w, st, err
}

// watch saves an article and gives how long the others took to show it, in milliseconds.
func watch(ctx context.Context, e *editor, a *article, title string, visitors *http.Client, others []*process) (acknowledged, sent []float64, err error) {
	for _, p := range others { // the old page is in their caches
		if _, err := body(visitors.Get(p.url + "/w/" + a.slug)); err != nil {
			return nil, nil, err
		}
	}
	shown, errs := make([]time.Time, len(others)), make([]error, len(others))
	var wg, looking sync.WaitGroup
	looking.Add(len(others))
	for i, p := range others {
		wg.Go(func() {
			begun := sync.OnceFunc(looking.Done)
			defer begun()
			for until := time.Now().Add(10 * time.Second); errs[i] == nil; {
				page, err := body(visitors.Get(p.url + "/w/" + a.slug))
				if err == nil && strings.Contains(page, title) {
					shown[i] = time.Now()
					return
				}
				if err == nil && time.Now().After(until) {
					err = fmt.Errorf("%s does not show what was saved ten seconds ago", p.name)
				}
				begun()
				errs[i] = errors.Join(err, pause(ctx, lookEvery))
			}
		})
	}
	looking.Wait()
	began := time.Now()
	err = e.save(ctx, a, title)
	answered := time.Now()
	wg.Wait()
	if err = errors.Join(append(errs, err)...); err != nil {
		return nil, nil, err
	}
	for _, at := range shown {
		acknowledged = append(acknowledged, max(0, at.Sub(answered).Seconds()*1000))
		sent = append(sent, at.Sub(began).Seconds()*1000)
	}
	return acknowledged, sent, nil
}
