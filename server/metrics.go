package server

import (
	"math"
	"slices"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stoa-portal/stoa/cluster"
)

// clusterMetrics shows this node's part in the cluster to Prometheus. It asks neither the database nor other nodes:
// what takes that is as this node saw it at its last look, up to ten seconds ago.
type clusterMetrics struct {
	s *Server

	proof, lag, master, clock, link, findings, unread, waiting, nodes, incarnation *prometheus.Desc
	hintsSent, hintsGot, hintsLost, hintsBad, repaired                             *prometheus.Desc
	lost, committed, rolledBack, unknown, polls, pollsFailed, unconfirmed          *prometheus.Desc
}

func newClusterMetrics(s *Server) *clusterMetrics {
	desc := func(name, help string, labels ...string) *prometheus.Desc {
		return prometheus.NewDesc("stoa_"+name, help, labels, nil)
	}
	return &clusterMetrics{
		s: s,
		proof: desc("change_proof_age_seconds",
			"Time since this node last proved its caches fresh; +Inf without a proof."),
		lag:    desc("change_lag", "Changes that other nodes have settled and this node has not applied."),
		master: desc("cluster_master", "1 on the node that is the master."),
		clock:  desc("cluster_clock_offset_seconds", "The clock of this node minus the database's."),
		link:   desc("cluster_links_missing", "Living nodes that this node has no connection to."),
		findings: desc("cluster_findings",
			"What is wrong with the cluster as this node sees it, causes only.", "code", "severity"),
		unread:      desc("cluster_events_unread", "Events of the cluster that have not been read.", "severity"),
		waiting:     desc("cluster_events_waiting", "Events that this node could not write yet."),
		nodes:       desc("cluster_nodes", "Nodes by their state as this node sees it.", "state"),
		incarnation: desc("database_incarnation", "Number of the history of the database."),
		hintsSent:   desc("cluster_hints_sent_total", "Messages about changes sent to other nodes."),
		hintsGot:    desc("cluster_hints_received_total", "Messages about changes received from other nodes."),
		hintsLost: desc("cluster_hints_lost_total",
			"Messages about changes that did not arrive in order and were lost."),
		hintsBad:  desc("cluster_hints_bad_total", "Messages that were none about changes."),
		repaired:  desc("change_repaired_total", "Transactions that no message had brought and the change log did."),
		lost:      desc("change_lost_total", "Confirmed changes of this node that a replaced database does not have."),
		committed: desc("change_committed_total", "Transactions of this node that were committed."),
		rolledBack: desc("change_rolled_back_total",
			"Transactions of this node that were rolled back after they had a number."),
		unknown:     desc("change_unknown_total", "Commits whose outcome could not be found out."),
		polls:       desc("change_polls_total", "Reads of the change log."),
		pollsFailed: desc("change_polls_failed_total", "Reads of the change log that failed."),
		unconfirmed: desc("change_unconfirmed_total",
			"Changes that take something away which not every node confirmed in time."),
	}
}

// Describe names every series.
func (m *clusterMetrics) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{m.proof, m.lag, m.master, m.clock, m.link, m.findings, m.unread, m.waiting,
		m.nodes, m.incarnation,
		m.hintsSent, m.hintsGot, m.hintsLost, m.hintsBad,
		m.repaired, m.lost, m.committed, m.rolledBack, m.unknown, m.polls, m.pollsFailed, m.unconfirmed} {
		ch <- d
	}
}

// Collect gives the present numbers.
func (m *clusterMetrics) Collect(ch chan<- prometheus.Metric) {
	gauge := func(d *prometheus.Desc, v float64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
	}
	counter := func(d *prometheus.Desc, v uint64) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, float64(v))
	}
	log := m.s.Log.Status()
	age := math.Inf(1)
	if log.ProofAge >= 0 {
		age = log.ProofAge.Seconds()
	}
	gauge(m.proof, age)
	master := 0.0
	if m.s.Node.IsMaster() {
		master = 1
	}
	gauge(m.master, master)
	gauge(m.incarnation, float64(m.s.DB.Incarnation()))
	if c := m.s.checkup.Load(); c != nil {
		gauge(m.clock, c.offset.Seconds())
	}
	gauge(m.waiting, float64(len(m.s.Events.Waiting())))
	states, links := map[string]int{cluster.Live: 0, cluster.Silent: 0, cluster.Dead: 0}, 0
	for _, n := range cluster.Current(m.s.Node.Members()) {
		switch {
		case n.Live:
			states[cluster.Live]++
			if m.s.unlinked(n) {
				links++
			}
		case n.StandStill():
			states[cluster.Silent]++
		case n.State == cluster.Dead:
			states[cluster.Dead]++
		}
	}
	for state, n := range states {
		gauge(m.nodes, float64(n), state)
	}
	gauge(m.link, float64(links))
	m.collectSeen(gauge)
	counter(m.hintsSent, log.HintsSent)
	counter(m.hintsGot, log.HintsGot)
	counter(m.hintsLost, log.HintsLost)
	counter(m.hintsBad, log.HintsBad)
	counter(m.repaired, log.Repaired)
	counter(m.lost, log.Losses)
	counter(m.committed, log.Committed)
	counter(m.rolledBack, log.RolledBack)
	counter(m.unknown, log.Unknown)
	counter(m.polls, log.Polls)
	counter(m.pollsFailed, log.PollsFailed)
	counter(m.unconfirmed, log.Unconfirmed)
}

// collectSeen gives what took a look at other nodes and the database.
func (m *clusterMetrics) collectSeen(gauge func(d *prometheus.Desc, v float64, labels ...string)) {
	st := m.s.seen.Load()
	if st == nil {
		return
	}
	for _, n := range st.Nodes {
		if n.Self {
			gauge(m.lag, float64(n.Lag))
		}
	}
	found := map[[2]string]int{}
	for _, f := range slices.Concat(st.Wrong, st.Notes) {
		found[[2]string{f.Code, string(f.Severity)}]++
	}
	for key, n := range found {
		gauge(m.findings, float64(n), key[0], key[1])
	}
	unread := map[cluster.Severity]int{cluster.Critical: 0, cluster.Warning: 0, cluster.Info: 0}
	for _, e := range st.Events {
		unread[e.Severity]++
	}
	for severity, n := range unread {
		gauge(m.unread, float64(n), string(severity))
	}
}
