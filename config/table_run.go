package config

import (
	"log/slog"
	"net/netip"
	"time"
)

func sectionFiles() section {
	return section{Title: "Documents and images", Props: append(storeProperties("dl.store.",
		func(c *Config) *FileStore { return &c.Files.FileStore }), []property{
		{Name: "dl.store.cache.size", Default: "1GiB", Unit: "bytes",
			Doc: "What copies of files on the disk of this node take at most, with a store that is no folder; 0 for none. A " +
				"file of more than a quarter of that is not copied.",
			kind: into(cacheBytes(), func(c *Config) *int64 { return &c.Files.CacheBytes })},
		{Name: "dl.store.cache.dir", Default: "${liferay.home}/data/cache/files",
			Doc: "Folder of those copies, of this node alone. A relative path starts at liferay.home. What it holds can be " +
				"deleted while the node is stopped.",
			kind: into(someText(), func(c *Config) *string { return &c.Files.CacheDir })},
		{Name: "dl.file.max.size", Default: "100MiB", Unit: "bytes", Shared: true,
			Doc:  "Largest file that can be uploaded.",
			kind: into(byteSize(1<<10), func(c *Config) *int64 { return &c.Files.MaxFileBytes })},
		{Name: "dl.store.orphan.age", Default: "7d", Shared: true,
			Doc: "Time after which bytes that no file refers to any more, such as those of a deleted file or of an upload " +
				"that was cut off, are deleted. It counts from when that was found, so that a restored database has all its files.",
			kind: into(period(time.Hour, 365*24*time.Hour), func(c *Config) *time.Duration { return &c.Files.OrphanAge })},
		{Name: "dl.file.entry.thumbnail.enabled", Default: "true", Shared: true,
			Doc:  "Whether pictures are also served in smaller widths: 160, 320, 640, 960, 1280 and 1920 pixels.",
			kind: into(boolean(), func(c *Config) *bool { return &c.Files.ThumbnailsEnabled })},
		{Name: "image.max.pixels", Default: "40000000", Unit: "pixels", Shared: true,
			Doc: "Width times height of the largest picture that is scaled. Larger ones are kept and served as they are; " +
				"scaling them would take too much memory. " +
				"All that are scaled at a time share 12 bytes for each of these pixels, 256 MiB at least; one that needs more " +
				"comes as it is.",
			kind: into(pixels(), func(c *Config) *int64 { return &c.Files.MaxImagePixels })},
	}...)}
}

func pixels() parser[int64] {
	p := whole(1, 1000000000)
	return parser[int64]{p.want, func(raw string) (int64, verdict, string) {
		n, v, warning := p.parse(raw)
		return int64(n), v, warning
	}}
}

func sectionJobs() section {
	return section{Title: "Scheduled work", Props: []property{
		{Name: "scheduler.enabled", Default: "true", Shared: true,
			Doc:  "Whether this node runs jobs. It should be the same on all nodes; the screen of jobs says where it is not.",
			kind: into(boolean(), func(c *Config) *bool { return &c.Jobs.Enabled })},
		{
			Name:    "persisted.scheduler.org.quartz.jobStore.misfireThreshold",
			Default: "60000",
			Unit:    "milliseconds",
			Shared:  true,
			Doc: "A time of a schedule that is later than this runs once together with all that were missed; within it " +
				"each of them runs.",
			kind: into(counted(time.Millisecond, 1000, 86400000), func(c *Config) *time.Duration { return &c.Jobs.Misfire }),
		},
		{Name: "job.workers", Default: "2", Unit: "jobs",
			Doc:  "How many jobs this node runs at once.",
			kind: into(whole(1, 1000), func(c *Config) *int { return &c.Jobs.Workers })},
		{Name: "job.poll.interval", Default: "1s",
			Doc:  "Pause between two looks for work that is due.",
			kind: into(period(50*time.Millisecond, time.Hour), func(c *Config) *time.Duration { return &c.Jobs.PollInterval })},
		{Name: "job.retention", Default: "7d", Shared: true,
			Doc:  "How long finished jobs stay in the list.",
			kind: into(period(time.Minute, 3650*24*time.Hour), func(c *Config) *time.Duration { return &c.Jobs.Retention })},
	}}
}

func sectionLocks() section {
	return section{Title: "Locks", Props: []property{
		{Name: "lock.expiration.time.article", Default: "600000", Unit: "milliseconds", Shared: true,
			Doc:  "After how long without a sign of the editor's window the lock on an article ends; 0 is never.",
			kind: into(counted(time.Millisecond, 0, 365*86400000), func(c *Config) *time.Duration { return &c.Locks.Article })},
		{Name: "lock.expiration.time.page", Default: "600000", Unit: "milliseconds", Shared: true,
			Doc:  "The same for a page that is open in the page editor.",
			kind: into(counted(time.Millisecond, 0, 365*86400000), func(c *Config) *time.Duration { return &c.Locks.Page })},
	}}
}

func sectionTrash() section {
	return section{Title: "Recycle bin", Props: []property{
		{Name: "trash.entries.max.age", Default: "43200", Unit: "minutes", Shared: true,
			Doc:  "How long things stay in the recycle bin before they are deleted for good.",
			kind: into(counted(time.Minute, 1, 5256000), func(c *Config) *time.Duration { return &c.Trash.MaxAge })},
		{Name: "trash.entry.check.interval", Default: "60", Unit: "minutes", Shared: true,
			Doc:  "How often the recycle bin is looked through for them.",
			kind: into(counted(time.Minute, 1, 10080), func(c *Config) *time.Duration { return &c.Trash.CheckInterval })},
	}}
}

func sectionAudit() section {
	return section{Title: "Audit log", Props: []property{
		{Name: "audit.message.max.age", Default: "180d", Shared: true,
			Doc:  "How long the audit log keeps who did what.",
			kind: into(period(24*time.Hour, 3650*24*time.Hour), func(c *Config) *time.Duration { return &c.Audit.MaxAge })},
	}}
}

func sectionLog() section {
	return section{Title: "Log", Props: []property{
		{Name: "log.level", Default: "info",
			Doc:  "Which messages are written: this level and those above it.",
			kind: into(logLevel(), func(c *Config) *slog.Level { return &c.Log.Level })},
		{Name: "log.format", Default: "text",
			Doc:  "How messages are written: text for people, json for machines.",
			kind: into(oneOf("text", "json"), func(c *Config) *string { return &c.Log.Format })},
		{Name: "log.requests", Default: "false",
			Doc:  "Whether every request gets a line.",
			kind: into(boolean(), func(c *Config) *bool { return &c.Log.Requests })},
	}}
}

func sectionHealth() section {
	return section{Title: "Health and measurements", Props: []property{
		{Name: "health.check.data.source.enabled", Default: "false",
			Doc:  "Whether /health_check/data_source answers. /livez and /readyz always do.",
			kind: into(boolean(), func(c *Config) *bool { return &c.Health.DataSourceEnabled })},
		{Name: "metrics.allowed.addresses", Default: "127.0.0.0/8,::1",
			Doc:  "Who may read /metrics: addresses or ranges; empty means nobody without the token.",
			kind: into(networks(), func(c *Config) *[]netip.Prefix { return &c.Health.MetricsAllowedAddresses })},
		{Name: "metrics.token", Default: "", Secret: true,
			Doc:  "Bearer token with which /metrics may be read from anywhere; empty means there is none.",
			kind: into(text(), func(c *Config) *string { return &c.Health.MetricsToken })},
		{Name: "admin.obfuscated.properties", Default: "",
			Doc:  "Further names whose values are never shown, beside the secrets in this list.",
			kind: into(list(), func(c *Config) *[]string { return &c.Health.ObfuscatedProperties })},
	}}
}
