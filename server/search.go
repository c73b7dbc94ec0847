package server

import (
	"context"
	"errors"
	"path/filepath"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/admin/operate"
	"github.com/stoa-portal/stoa/asset/index"
	"github.com/stoa-portal/stoa/cluster"
	"github.com/stoa-portal/stoa/config"
	"github.com/stoa-portal/stoa/search"
	"github.com/stoa-portal/stoa/search/embedded"
)

const (
	proveEvery  = 5 * time.Second // between portions of comparing index and rows
	provePause  = 5 * time.Minute // after all of them: a portal where nothing happens hardly touches the database
	awayAfter   = 2               // times that a search server did not answer before it is a finding
	settleLimit = 2 * time.Second // that who has written waits for the index
)

// openSearch opens the index that this node searches, which a follower of the change log fills: its own, or that of a
// search server which all nodes share. A command needs none. A node whose index cannot be opened, such as for want of
// room, serves without it; a server that does not answer is found when it does.
func (s *Server) openSearch(ctx context.Context) error {
	if s.command {
		return nil
	}
	o := index.Options{DB: s.DB, Assets: s.Assets, Access: s.Access, Sites: s.Sites, Cache: s.Cache, Logger: s.log,
		Failed: s.searchFailed}
	var err error
	if s.cfg.Search.Engine == config.SearchServer {
		err = s.openSharedSearch(ctx, &o)
	} else {
		s.openOwnSearch(&o)
	}
	if err != nil {
		return err
	}
	s.onStop("search", func(context.Context) error { return o.Engine.Close() })
	s.Search, err = index.New(o)
	return err
}

// openOwnSearch opens the index in the home of this node.
func (s *Server) openOwnSearch(o *index.Options) {
	o.Settle = s.settleSearch
	o.Idle = func(ctx context.Context) error { return s.Follow.Idle(ctx, index.FollowerName) }
	opened, err := embedded.Open(embedded.Options{Dir: filepath.Join(s.cfg.Home, "search")})
	if err != nil {
		s.log.Error("the index of the search cannot be opened: this node has no search until it is started again",
			"error", err)
		s.searchFault.Store(&err)
		o.Engine = noIndex{err}
		return
	}
	if lost := opened.Lost(); lost != nil {
		s.log.Warn("the index of the search is made anew", "folder", s.cfg.Home, "reason", lost)
	}
	o.Engine = opened
}

// hasIndex reports whether this node has an index that can be filled.
func (s *Server) hasIndex() bool {
	if s.Search == nil {
		return false
	}
	_, none := s.Search.Engine().(noIndex)
	return !none
}

// noIndex stands for an index that cannot be opened.
type noIndex struct{ why error }

func (n noIndex) away() error {
	return stoa.Unavailable(n.why, "search is not available at the moment")
}

func (n noIndex) Apply(context.Context, []search.Document, []byte, bool) error { return n.away() }

func (n noIndex) Token(context.Context) ([]byte, error) { return nil, n.away() }

func (n noIndex) Search(context.Context, search.Query) (search.Result, error) {
	return search.Result{}, n.away()
}

func (n noIndex) Known(context.Context, stoa.ID, []search.Key) ([]search.Known, error) {
	return nil, n.away()
}

func (n noIndex) Walk(context.Context, stoa.ID, string, stoa.ID, int) ([]search.Known, error) {
	return nil, n.away()
}

func (n noIndex) ACLs(context.Context, stoa.ID) ([]string, error) { return nil, n.away() }

func (n noIndex) Status(context.Context) (search.Status, error) { return search.Status{}, n.away() }

func (noIndex) Close() error { return nil }

// settleSearch waits until the index has what was committed before, for a while: what takes longer is found later.
func (s *Server) settleSearch(ctx context.Context) error {
	limited, cancel := context.WithTimeout(ctx, settleLimit)
	defer cancel()
	err := s.Follow.Settle(limited, index.FollowerName)
	if ctx.Err() == nil && (errors.Is(err, context.DeadlineExceeded) || stoa.Is(err, stoa.KindNotFound)) {
		return nil
	}
	return err
}

// searchFailed notes damage that only a question has met. The index is not replaced for it, which would let a question
// that the program cannot answer take the index away: the next start compares all of it and makes it anew.
func (s *Server) searchFailed(err error) {
	var damaged *embedded.Damaged
	if errors.As(err, &damaged) && s.searchDamaged.Swap(&err) == nil {
		s.log.Error("the index of the search is damaged; start this node again, which looks for damage", "error", err)
	}
}

// proveSearch compares a portion of the index with the rows, and asks whether a search server answers.
func (s *Server) proveSearch(ctx context.Context) {
	ctx, cancel := context.WithTimeout(stoa.WithActor(ctx, stoa.SystemActor()), time.Minute)
	defer cancel()
	var err error
	switch resting := time.Since(s.Search.Proof().Pass) < provePause && s.searchFault.Load() == nil; {
	case !resting:
		err = s.Search.Prove(ctx)
	case s.searchShared():
		err = s.Search.Reach(ctx)
	default:
		return
	}
	if err == nil {
		s.searchFault.Store(nil)
		s.searchFails = 0
		s.nameSearch(ctx)
		return
	}
	// What the database cannot do is a finding of its own, and that time is over says nothing of the index.
	if ctx.Err() != nil || errors.Is(err, index.ErrRows) {
		return
	}
	var damaged *embedded.Damaged
	if engine, ok := s.Search.Engine().(*embedded.Index); ok && errors.As(err, &damaged) {
		s.log.Error("the index of the search is damaged; it is made anew", "error", err)
		if err = replaceIndex(engine); err == nil {
			return
		}
	}
	if s.searchFails++; s.searchShared() && s.searchFails < awayAfter {
		return
	}
	if s.searchFault.Swap(&err) == nil {
		s.log.Warn("the index of the search could not be compared with the content", "error", err)
	}
}

// isSearchFollower reports whether a follower fills an index of the search.
func isSearchFollower(name string) bool {
	return name == index.SharedName || strings.HasPrefix(name, index.FollowerName+"@")
}

// searchStuck is for how long the index of this node may not go on before it is a finding.
const searchStuck = 30 * time.Second

// searchTrouble is the warning of a node whose index cannot be read, or does not follow the change log.
func (s *Server) searchTrouble() []cluster.Problem {
	var why error
	code, sentence := cluster.CodeSearchIndex, "the index of the search is not as it should be: %s"
	mend := "free some space or mend the disk that the home is on; the index is made anew by itself"
	if fault := s.searchFault.Load(); fault != nil {
		why = *fault
	} else if fault := s.searchDamaged.Load(); fault != nil {
		why, mend = *fault, "start this node again: the index is compared then, and made anew if it is damaged"
	} else if followers := s.following.Load(); followers != nil {
		for _, t := range followers.Troubles() {
			if isSearchFollower(t.Follower) && t.Stuck > searchStuck {
				why = t.Error
			}
		}
	}
	switch {
	case errors.Is(why, index.ErrRows):
		mend = "see what the log of this node says of the database; the index goes on by itself"
	case s.searchShared():
		code, sentence = cluster.CodeSearchAway, "the search server cannot be used: %s"
		mend = "start it, or correct search.server.hosts; what is saved meanwhile is found once it answers"
	}
	if why == nil {
		return nil
	}
	text, _, _ := strings.Cut(why.Error(), "\n") // a damaged index adds where it was found
	return []cluster.Problem{cluster.Problem{Requirement: "search", Code: code, Mend: mend}.Saying(sentence, text)}
}

// replaceIndex puts an empty index in the place of one that cannot be read. It has no place in the change log, so its
// follower begins at the beginning.
func replaceIndex(damaged *embedded.Index) error {
	anew, err := damaged.Beside()
	if err != nil {
		return err
	}
	return damaged.Replace(anew)
}

// searchMetrics shows how the index of this node is.
type searchMetrics struct{ s *index.Service }

func (searchMetrics) descs() (documents, bytes, compared, differed *prometheus.Desc) {
	return prometheus.NewDesc("stoa_search_documents", "Documents in the index that this node searches.", nil, nil),
		prometheus.NewDesc("stoa_search_index_bytes", "Size of the index that this node searches.", nil, nil),
		prometheus.NewDesc("stoa_search_compared_total",
			"Things that this node has compared with the index of the search.", nil, nil),
		prometheus.NewDesc("stoa_search_mended_total",
			"Things that were not in the index as their rows are, and have been mended.", nil, nil)
}

// Describe names every series.
func (m searchMetrics) Describe(ch chan<- *prometheus.Desc) {
	documents, bytes, compared, differed := m.descs()
	ch <- documents
	ch <- bytes
	ch <- compared
	ch <- differed
}

// Collect gives the present numbers; those of an index that cannot be reached are missing.
func (m searchMetrics) Collect(ch chan<- prometheus.Metric) {
	documents, bytes, compared, differed := m.descs()
	proof := m.s.Proof()
	ch <- prometheus.MustNewConstMetric(compared, prometheus.CounterValue, float64(proof.Compared))
	ch <- prometheus.MustNewConstMetric(differed, prometheus.CounterValue, float64(proof.Differed))
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	if st, err := m.s.Engine().Status(ctx); err == nil {
		ch <- prometheus.MustNewConstMetric(documents, prometheus.GaugeValue, float64(st.Documents))
		ch <- prometheus.MustNewConstMetric(bytes, prometheus.GaugeValue, float64(st.Bytes))
	}
}

// searchScreen is what the control panel shows of the indexes; nil in a command.
func (s *Server) searchScreen() *operate.Search {
	if s.Search == nil {
		return nil
	}
	prefix := index.FollowerName + "@"
	if s.searchShared() {
		prefix = index.SharedName
	}
	return &operate.Search{Status: s.Search.Status, Follow: s.Follow, Prefix: prefix, Shared: s.searchShared(),
		Writes: s.Search.Writes}
}
