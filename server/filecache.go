package server

import (
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/stoa-portal/stoa/cluster"
	"github.com/stoa-portal/stoa/db"
	"github.com/stoa-portal/stoa/document"
	"github.com/stoa-portal/stoa/filestore"
	"github.com/stoa-portal/stoa/filestore/diskcache"
)

// openFileCache puts a cache on the disk of this node in front of a file store that is no folder.
func (s *Server) openFileCache(log *slog.Logger) (err error) {
	c := s.cfg
	to := c.MoveTarget()
	if storeInFolder(c) && (to == nil || storeInFolder(to)) || c.Files.CacheBytes == 0 || s.command {
		return nil
	}
	s.files.cache, err = diskcache.New(diskcache.Options{
		Store: s.files.moving, Dir: c.Files.CacheDir, MaxBytes: c.Files.CacheBytes, Lock: db.LockFile, Logger: log,
		Identity: func() string {
			if s.files.onDisk() { // of this machine, or one that is as quick
				return ""
			}
			return s.files.guard().Adopted()
		},
	})
	if err != nil {
		return err
	}
	s.onStop("disk cache of files", s.files.cache.Close)
	return nil
}

// open reports whether the file store was opened: other nodes may ask while this one starts.
func (f *files) open() bool { return f.opened.Load() }

// store is what files are read from.
func (f *files) store() filestore.Store {
	if f.cache != nil {
		return f.cache
	}
	return f.moving
}

// cacheTrouble is the warning of a node that cannot copy files to its disk.
func (s *Server) cacheTrouble() []cluster.Problem {
	if !s.files.open() || s.files.cache == nil {
		return nil
	}
	t := s.files.cache.Trouble()
	if t == nil {
		return nil
	}
	return []cluster.Problem{cluster.Problem{Requirement: "disk cache", Code: cluster.CodeStoreCache,
		Mend: "free some space, mend the disk, or change dl.store.cache.dir or dl.store.cache.size of this node"}.Saying(
		"no files are copied to %s: %s", s.files.cache.Dir(), t.Err.Error())}
}

const (
	damageAgain = time.Hour // between two events of one file
	damageMost  = 1000      // files of which it is remembered
)

// damages are files whose bytes in the store were found wrong.
type damages struct {
	count atomic.Uint64 // reads
	mu    sync.Mutex
	told  map[string]time.Time // by key
}

// news reports whether it is to be told that the file with this key is damaged.
func (d *damages) news(key string, now time.Time) bool {
	d.count.Add(1)
	d.mu.Lock()
	defer d.mu.Unlock()
	if last, ok := d.told[key]; ok && now.Sub(last) < damageAgain {
		return false
	}
	if d.told == nil || len(d.told) >= damageMost {
		d.told = map[string]time.Time{}
	}
	d.told[key] = now
	return true
}

// noteDamaged tells of a file whose bytes in the store are not those that were uploaded.
func (s *Server) noteDamaged(f document.File, d *filestore.Damaged) {
	if !s.files.hurt.news(f.Key, time.Now()) {
		return
	}
	s.log.Error("a file in the file store is damaged", "file", f.Name, "id", f.ID.String(), "key", f.Key,
		"place", s.files.guard(), "reason", d.Error(), "fix", damagedMend)
	s.Events.Add(cluster.Event{
		Code: cluster.CodeStoreDamaged, Mend: damagedMend,
		Data: map[string]string{"file": f.ID.String(), "site": f.Site.String(), "key": d.Want.Key, "wanted": d.Want.SHA256,
			"found": d.Got},
	}.Saying("The file %s (number %s, key %s) is damaged in the file store: its bytes are not those that were uploaded.",
		f.Name, f.ID.String(), f.Key))
}

const damagedMend = "upload the file again and delete the damaged one, or put its bytes back from a backup; look at " +
	"the disks and the log of the store"

// fileMetrics shows the disk cache of files to Prometheus.
type fileMetrics struct{ f *files }

func fileDesc(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc("stoa_file_"+name, help, labels, nil)
}

// Describe names every series.
func (m fileMetrics) Describe(ch chan<- *prometheus.Desc) { prometheus.DescribeByCollect(m, ch) }

// Collect gives the present numbers; zeros without a cache.
func (m fileMetrics) Collect(ch chan<- prometheus.Metric) {
	var st diskcache.Stats
	off := 0.0
	if m.f.cache != nil {
		st = m.f.cache.Stats()
		if m.f.cache.Trouble() != nil {
			off = 1
		}
	}
	gauge := func(name, help string, v float64) {
		ch <- prometheus.MustNewConstMetric(fileDesc(name, help), prometheus.GaugeValue, v)
	}
	counter := func(name, help string, v uint64) {
		ch <- prometheus.MustNewConstMetric(fileDesc(name, help), prometheus.CounterValue, float64(v))
	}
	gauge("cache_copies", "Files of which there is a copy on this disk.", float64(st.Copies))
	gauge("cache_bytes", "What the copies take of the disk.", float64(st.Bytes))
	gauge("cache_max_bytes", "What they may take; 0 without a disk cache.", float64(st.MaxBytes))
	gauge("cache_off", "1 while nothing can be copied to the disk.", off)
	counter("cache_hits_total", "Files read from a copy.", st.Hits)
	counter("cache_joins_total", "Files read along while another reader filled the copy.", st.Joins)
	counter("cache_misses_total", "Files asked of the store.", st.Misses)
	counter("cache_fills_total", "Copies made.", st.Fills)
	counter("cache_abandoned_total", "Copies given up before they were whole.", st.Abandoned)
	counter("cache_evictions_total", "Copies dropped to make room.", st.Evictions)
	counter("cache_damaged_total", "Copies dropped because their bytes were wrong.", st.Damaged)
	counter("damaged_total", "Reads that found bytes in the store which are not those uploaded.", m.f.hurt.count.Load())
}
