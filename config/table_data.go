package config

import (
	"strings"
	"time"
)

// sourceProps is the properties of one data source. Those of the read and the write source have no
// defaults of their own: what is not set is taken from jdbc.default.
func sourceProps(prefix string, field func(*Config) *DataSource) []property {
	main := prefix == "jdbc.default."
	url := property{Name: prefix + "url", NoValue: true,
		Doc:  "Address of the database for this purpose. While it has no value, jdbc.default is used.",
		kind: into(databaseURL(true), func(c *Config) *string { return &field(c).URL })}
	if main {
		url.NoValue, url.Default = false, "sqlite:${liferay.home}/data/stoa.db"
		url.Doc = "Address of the database: PostgreSQL, MariaDB, MySQL or an SQLite file, in JDBC form or in the " +
			"database's own. What becomes of their parameters is in docs/operate/database-address.md."
		url.kind = into(databaseURL(false), func(c *Config) *string { return &field(c).URL })
	}
	props := []property{url,
		{Name: prefix + "driverClassName", Default: "",
			Doc:  "Name of a Java driver. It is accepted so that existing files work; the address alone decides.",
			kind: into(driver(), func(c *Config) *string { return &field(c).Driver })},
		{Name: prefix + "username", Default: "",
			Doc:  "User at the database; empty means the user in the address, if there is one.",
			kind: into(text(), func(c *Config) *string { return &field(c).Username })},
		{Name: prefix + "password", Default: "", Secret: true,
			Doc: "Password at the database; file: and a path, such as file:/run/secrets/database, is the file that holds " +
				"it. That file is read for each new connection, so the password can be changed while the portal runs.",
			kind: into(text(), func(c *Config) *string { return &field(c).Password })},
		{Name: prefix + "jndi.name", Default: "",
			Doc:  "Name of a data source of an application server. There is none here: anything but an empty value gets a warning, and the address is used.",
			kind: into(jndi(), func(c *Config) *string { return &field(c).JNDIName })},
		{Name: prefix + "maximumPoolSize", Default: "32", Unit: "connections",
			Doc:  "Most connections this node opens. All nodes together must stay below the limit of the database server.",
			kind: into(whole(1, 10000), func(c *Config) *int { return &field(c).MaximumPoolSize })},
		{Name: prefix + "minimumIdle", Default: "4", Unit: "connections",
			Doc:  "Connections kept open while there is nothing to do.",
			kind: into(whole(0, 10000), func(c *Config) *int { return &field(c).MinimumIdle })},
		{Name: prefix + "idleTimeout", Default: "600000", Unit: "milliseconds",
			Doc:  "After how long an unused connection is closed; 0 means never.",
			kind: into(counted(time.Millisecond, 0, 86400000), func(c *Config) *time.Duration { return &field(c).IdleTimeout })},
		{Name: prefix + "maxLifetime", Default: "1800000", Unit: "milliseconds",
			Doc:  "After how long a connection is replaced even if it works; 0 means never.",
			kind: into(counted(time.Millisecond, 0, 86400000), func(c *Config) *time.Duration { return &field(c).MaxLifetime })},
	}
	if !main {
		for i := range props {
			props[i].NoValue, props[i].Default = true, ""
			if i > 0 {
				props[i].Doc = "As " + "jdbc.default." + props[i].Name[len(prefix):] + ", which counts while this has no value."
			}
		}
	}
	return props
}

// driver takes any class name: the address of the database decides what is used.
func driver() parser[string] {
	return parser[string]{"the class name of a Java driver, or an empty value", func(raw string) (string, verdict, string) {
		switch raw {
		case "", "org.hsqldb.jdbc.JDBCDriver", "org.hsqldb.jdbcDriver", "com.mysql.cj.jdbc.Driver", "com.mysql.jdbc.Driver",
			"org.mariadb.jdbc.Driver", "org.postgresql.Driver", "org.sqlite.JDBC":
			return raw, fine, ""
		}
		return raw, fine, "there is no driver of that name here; the address of the database decides"
	}}
}

func jndi() parser[string] {
	return parser[string]{"an empty value", func(raw string) (string, verdict, string) {
		if raw == "" {
			return "", fine, ""
		}
		return "", later, ""
	}}
}

func sectionDatabase() section {
	props := sourceProps("jdbc.default.", func(c *Config) *DataSource { return &c.Database.Default })
	return section{Title: "Database", Props: append(props,
		property{Name: "retry.jdbc.on.startup.max.retries", Default: "150", Unit: "times",
			Doc: "How often to try again when the database cannot be used at start: with the pause below, for five minutes. " +
				"0 gives up at once, as commands other than serve and migrate do.",
			kind: into(whole(0, 100000), func(c *Config) *int { return &c.Database.StartupRetries })},
		property{Name: "retry.jdbc.on.startup.delay", Default: "2", Unit: "seconds",
			Doc:  "Pause between two such attempts.",
			kind: into(counted(time.Second, 0, 3600), func(c *Config) *time.Duration { return &c.Database.StartupRetryDelay })},
		property{Name: "db.loss.accept", Default: "60s", Shared: true,
			Doc: "How much of a node's newest commits a database server may lack and still be followed after a fail-over. " +
				"Up to a minute a node can name what was lost. A server that lacks more is not used.",
			kind: into(period(time.Second, 10*time.Minute), func(c *Config) *time.Duration { return &c.Database.LossAccept })},
		property{Name: "db.statement.timeout", Default: "30s",
			Doc:  "How long one SQL statement may take before it is cancelled.",
			kind: into(period(100*time.Millisecond, time.Hour), func(c *Config) *time.Duration { return &c.Database.StatementTimeout })},
		property{Name: "db.statement.slow", Default: "500ms",
			Doc:  "SQL statements that take longer are logged; 0 logs none.",
			kind: into(period(0, time.Hour), func(c *Config) *time.Duration { return &c.Database.SlowStatement })})}
}

func sectionReadWrite() section {
	return section{Title: "Separate databases for reading and writing",
		Intro: "Give jdbc.read the address of the replicas: several hosts take turns, and one that lags by more than a " +
			"second or fails is left out. Lists of the control panel are read there, as long as no person is shown less than " +
			"before; all else, and what goes into a cache, is read where it is written. jdbc.write is needed only when it " +
			"is not the same as jdbc.default.",
		Props: append(
			sourceProps("jdbc.read.", func(c *Config) *DataSource { return &c.Database.Read }),
			sourceProps("jdbc.write.", func(c *Config) *DataSource { return &c.Database.Write })...)}
}

func sectionSchema() section {
	return section{Title: "Schema", Props: []property{
		{Name: "schema.run.enabled", Default: "true",
			Doc:  "Whether tables and first data are made in an empty database.",
			kind: into(boolean(), func(c *Config) *bool { return &c.Database.CreateSchema })},
		{Name: "upgrade.database.auto.run", Default: "true",
			Doc:  "Whether an older schema is brought up to date at start. Nodes that start together take turns, so it happens once. With false, run: stoa migrate.",
			kind: into(boolean(), func(c *Config) *bool { return &c.Database.MigrateOnStart })},
	}}
}

func sectionCounter() section {
	return section{Title: "Ids", Props: []property{
		{Name: "counter.increment", Default: "100", Unit: "ids",
			Doc:  "How many ids a node takes from the shared counter at once. The rest of a block is lost when the node stops.",
			kind: into(whole(1, 1000000), func(c *Config) *int { return &c.Database.CounterIncrement })},
	}}
}

func sectionCache() section {
	return section{Title: "Caches", Props: []property{
		{Name: "cache.fresh.limit", Default: "1500ms", Shared: true,
			Doc:  "How old the last proof may be that this node has seen every change. Beyond it, a request waits for a proof of its own, and reads go to the database.",
			kind: into(period(100*time.Millisecond, time.Minute), func(c *Config) *time.Duration { return &c.Cache.FreshLimit })},
		{Name: "cache.readthrough.max", Default: "16", Unit: "loads",
			Doc:  "How many loads may go to the database at once while there is no such proof.",
			kind: into(whole(1, 10000), func(c *Config) *int { return &c.Cache.ReadThroughMax })},
		{Name: "cache.readthrough.wait", Default: "250ms",
			Doc:  "How long a load waits for its turn then, and a guest for a proof, before he gets an older copy.",
			kind: into(period(0, time.Minute), func(c *Config) *time.Duration { return &c.Cache.ReadThroughWait })},
		{Name: "cache.max.age", Default: "1h",
			Doc:  "Age at which every entry is dropped, whatever happened.",
			kind: into(period(time.Second, 7*24*time.Hour), func(c *Config) *time.Duration { return &c.Cache.MaxAge })},
		{Name: "cache.max.bytes", Default: "64MiB", Unit: "bytes",
			Doc:  "Memory of each cache of this node that has no limit of its own. There are about twenty; most stay far below.",
			kind: into(byteSize(1<<20), func(c *Config) *int64 { return &c.Cache.MaxBytes })},
		{Name: "cache.region.<name>.max.bytes", NoValue: true, Unit: "bytes",
			Doc:  "Memory of one cache, such as cache.region.page-cache.max.bytes. The names are on the screen Caches of the control panel.",
			kind: intoMap(byteSize(1<<16), func(c *Config) *map[string]int64 { return &c.Cache.RegionMaxBytes })},
		{Name: "cache.region.<name>.replication", NoValue: true, Shared: true,
			Doc:  "What one cache sends to other nodes: invalidate tells them what to forget, copy also offers them what was loaded. These can be in mode copy: " + strings.Join(CopyRegions(), ", ") + ".",
			kind: intoMap(oneOf("invalidate", "copy"), func(c *Config) *map[string]string { return &c.Cache.RegionReplicate })},
		{Name: "ehcache.replicator.properties.default", NoValue: true, Shared: true,
			Doc:  "The mode of all caches that can be in mode copy, as Ehcache says it: copy with replicatePutsViaCopy=true or replicateUpdatesViaCopy=true, unless replicatePuts=false; otherwise invalidate. cache.region.<name>.replication counts more.",
			kind: into(replicator(), func(c *Config) *string { return &c.Cache.Replicate })},
		{Name: "ehcache.replicator.properties.<cache>", NoValue: true, Shared: true,
			Doc:  "The same for one cache, by its name in Liferay, such as com.liferay.portal.kernel.dao.orm.EntityCache.com.liferay.journal.model.impl.JournalArticleImpl, or by the name of the cache here.",
			kind: intoMap(replicator(), func(c *Config) *map[string]string { return &c.ehcache })},
		{Name: "cache.verify.interval", Default: "1s",
			Doc:  "Pause between two comparisons of a random entry with the database; 0 switches them off.",
			kind: into(period(0, time.Hour), func(c *Config) *time.Duration { return &c.Cache.VerifyInterval })},
		{Name: "cache.read.your.writes", Default: "60s", Shared: true,
			Doc:  "How long a browser remembers what it wrote, so that every node shows it at once; 0 lets it forget at once, and other clients can still remember it (docs/consistency.md).",
			kind: into(period(0, time.Hour), func(c *Config) *time.Duration { return &c.Cache.ReadYourWritesBy })},
		{Name: "portal.stale.grace", Default: "5m", Shared: true,
			Doc:  "How long guests still get the pages that a node has while the database is away. The pages are marked as old.",
			kind: into(period(0, 7*24*time.Hour), func(c *Config) *time.Duration { return &c.Cache.StaleGrace })},
	}}
}

func sectionChange() section {
	return section{Title: "Change log", Props: []property{
		{Name: "change.poll.interval", Default: "500ms", Shared: true,
			Doc:  "Pause between two reads of the change log when no message asks for one sooner. It must be well below cache.fresh.limit.",
			kind: into(period(10*time.Millisecond, time.Minute), func(c *Config) *time.Duration { return &c.Database.ChangePollInterval })},
		{Name: "change.retention", Default: "7d", Shared: true,
			Doc:  "How long the log is kept for readers that are behind.",
			kind: into(period(time.Hour, 365*24*time.Hour), func(c *Config) *time.Duration { return &c.Database.ChangeRetention })},
	}}
}
