package config

import (
	"log/slog"
	"net/netip"
	"slices"
	"strings"
	"time"
)

func sectionFiles() section {
	return section{Title: "Documents and images", Props: []property{
		{Name: "dl.store.impl", Default: StoreFileSystem, Shared: true,
			Doc: "Where the bytes of documents are kept: in a folder (both file system stores are the same one here), or with " +
				"com.liferay.portal.store.db.DBStore in the database, or with com.liferay.portal.store.s3.S3Store (IBMS3Store is " +
				"the same) in a bucket of S3 or of a server that speaks its protocol, with " +
				"com.liferay.portal.store.gcs.GCSStore in a bucket of Google Cloud Storage, or with " +
				"com.liferay.portal.store.azure.AzureStore in a container of Azure Blob. Nodes of a cluster need one that all " +
				"of them reach.",
			kind: into(fileStore(), func(c *Config) *string { return &c.Files.Store })},
		{Name: "dl.store.file.system.root.dir", Default: "${liferay.home}/data/document_library",
			Doc:  "Folder of the documents. A relative path starts at liferay.home.",
			kind: into(someText(), func(c *Config) *string { return &c.Files.Root })},
		{Name: "dl.store.s3.bucket.name", Default: "", Shared: true,
			Doc:  "Bucket of the documents, with dl.store.impl=…S3Store. It has to be there.",
			kind: into(text(), func(c *Config) *string { return &c.Files.S3.Bucket })},
		{Name: "dl.store.s3.prefix", Default: "", Shared: true,
			Doc:  "What all keys in the bucket begin with, when it also holds other things.",
			kind: into(text(), func(c *Config) *string { return &c.Files.S3.Prefix })},
		{Name: "dl.store.s3.endpoint", Default: "", Shared: true,
			Doc: "Address of the S3 server, such as https://s3.example.com:9000; without a scheme it is HTTPS; empty means " +
				"Amazon's in the region.",
			kind: into(text(), func(c *Config) *string { return &c.Files.S3.Endpoint })},
		{Name: "dl.store.s3.region", Default: "us-east-1", Shared: true,
			Doc:  "Region of the bucket.",
			kind: into(text(), func(c *Config) *string { return &c.Files.S3.Region })},
		{Name: "dl.store.s3.access.key", Default: "", Shared: true,
			Doc: "Access key of the account. While it and the secret are empty, those of the environment " +
				"(AWS_ACCESS_KEY_ID), of ~/.aws/credentials or of the instance's role are used.",
			kind: into(text(), func(c *Config) *string { return &c.Files.S3.AccessKey })},
		{Name: "dl.store.s3.secret.key", Default: "", Secret: true, Shared: true,
			Doc:  "Secret of the access key.",
			kind: into(text(), func(c *Config) *string { return &c.Files.S3.SecretKey })},
		{Name: "dl.store.s3.path.style", Default: "false", Shared: true,
			Doc: "Whether the bucket is in the path of addresses and not in the host name, as most servers but Amazon's " +
				"want it.",
			kind: into(boolean(), func(c *Config) *bool { return &c.Files.S3.PathStyle })},
		{Name: "dl.store.s3.storage.class", Default: "", Shared: true,
			Doc:  "Storage class of new objects, such as STANDARD_IA; empty means that of the bucket.",
			kind: into(text(), func(c *Config) *string { return &c.Files.S3.StorageClass })},
		{Name: "dl.store.s3.connection.timeout", Default: "10000", Unit: "milliseconds",
			Doc:  "Time to connect to the S3 server, and for it to begin an answer.",
			kind: into(counted(time.Millisecond, 100, 600000), func(c *Config) *time.Duration { return &c.Files.S3.Timeout })},
		{Name: "dl.store.s3.max.error.retry", Default: "5",
			Doc:  "How often a request that failed on its way is sent again, with growing pauses.",
			kind: into(whole(1, 20), func(c *Config) *int { return &c.Files.S3.Retries })},
		{Name: "dl.store.s3.proxy", Default: "", Secret: true,
			Doc: "HTTP proxy on the way to the S3 server, such as http://user:password@proxy:3128; empty means that of the " +
				"environment.",
			kind: into(text(), func(c *Config) *string { return &c.Files.S3.Proxy })},
		{Name: "dl.store.gcs.bucket.name", Default: "", Shared: true,
			Doc:  "Bucket of the documents, with dl.store.impl=…GCSStore. It has to be there.",
			kind: into(text(), func(c *Config) *string { return &c.Files.GCS.Bucket })},
		{Name: "dl.store.gcs.prefix", Default: "", Shared: true,
			Doc:  "What all keys in the bucket begin with, when it also holds other things.",
			kind: into(text(), func(c *Config) *string { return &c.Files.GCS.Prefix })},
		{Name: "dl.store.gcs.service.account.key", Default: "", Secret: true, Shared: true,
			Doc: "Key of a service account, the JSON that Google makes, or file:PATH for a file with it. While it is empty, " +
				"Google's application default credentials are used: the file that GOOGLE_APPLICATION_CREDENTIALS names, that of " +
				"gcloud, or the role of the instance.",
			kind: into(text(), func(c *Config) *string { return &c.Files.GCS.Key })},
		{Name: "dl.store.gcs.aes256.key", Default: "", Secret: true, Shared: true,
			Doc: "Base64 of 32 bytes with which the service encrypts the objects, or file:PATH; empty means its own keys. " +
				"Objects that were written with another key cannot be read.",
			kind: into(text(), func(c *Config) *string { return &c.Files.GCS.AES256 })},
		{Name: "dl.store.gcs.endpoint", Default: "", Shared: true,
			Doc: "Address of the service, for private ones such as https://storage.example.com; empty means Google's. Over " +
				"http:// no account is used, which is for servers of tests.",
			kind: into(text(), func(c *Config) *string { return &c.Files.GCS.Endpoint })},
		{Name: "dl.store.gcs.connection.timeout", Default: "10000", Unit: "milliseconds",
			Doc:  "Time to connect to the service, and for it to begin an answer.",
			kind: into(counted(time.Millisecond, 100, 600000), func(c *Config) *time.Duration { return &c.Files.GCS.Timeout })},
		{Name: "dl.store.gcs.max.retry.attempts", Default: "5",
			Doc:  "How often a request that failed on its way is sent again.",
			kind: into(whole(1, 20), func(c *Config) *int { return &c.Files.GCS.Retries })},
		{Name: "dl.store.gcs.initial.retry.delay", Default: "400", Unit: "milliseconds",
			Doc:  "Longest pause before it is sent again for the first time; each further one may be twice as long.",
			kind: into(counted(time.Millisecond, 1, 60000), func(c *Config) *time.Duration { return &c.Files.GCS.Delay })},
		{Name: "dl.store.gcs.max.retry.delay", Default: "10000", Unit: "milliseconds",
			Doc:  "Longest pause before any further one.",
			kind: into(counted(time.Millisecond, 1, 600000), func(c *Config) *time.Duration { return &c.Files.GCS.MaxDelay })},
		{Name: "dl.store.azure.container.name", Default: "", Shared: true,
			Doc:  "Container of the documents, with dl.store.impl=…AzureStore. It has to be there.",
			kind: into(text(), func(c *Config) *string { return &c.Files.Azure.Container })},
		{Name: "dl.store.azure.prefix", Default: "", Shared: true,
			Doc:  "What all keys in the container begin with, when it also holds other things.",
			kind: into(text(), func(c *Config) *string { return &c.Files.Azure.Prefix })},
		{Name: "dl.store.azure.connection.string", Default: "", Secret: true, Shared: true,
			Doc: "Address and keys of the account in one text, as Azure shows it, or file:PATH for a file with it. While it " +
				"and the account are empty, AZURE_STORAGE_CONNECTION_STRING, or AZURE_STORAGE_ACCOUNT and AZURE_STORAGE_KEY count.",
			kind: into(text(), func(c *Config) *string { return &c.Files.Azure.Connection })},
		{Name: "dl.store.azure.account.name", Default: "", Shared: true,
			Doc:  "Storage account, instead of a connection string.",
			kind: into(text(), func(c *Config) *string { return &c.Files.Azure.Account })},
		{Name: "dl.store.azure.account.key", Default: "", Secret: true, Shared: true,
			Doc: "Key of the account, or file:PATH for a file with it. While it is empty, the identity is used that the " +
				"environment names (AZURE_TENANT_ID, AZURE_CLIENT_ID and their like), or that the machine has.",
			kind: into(text(), func(c *Config) *string { return &c.Files.Azure.Key })},
		{Name: "dl.store.azure.endpoint", Default: "", Shared: true,
			Doc: "Address of the account, such as https://files.blob.core.windows.net, which is the default for one called " +
				"files.",
			kind: into(text(), func(c *Config) *string { return &c.Files.Azure.Endpoint })},
		{Name: "dl.store.azure.encryption.scope", Default: "", Shared: true,
			Doc:  "Encryption scope of new objects; empty means that of the container.",
			kind: into(text(), func(c *Config) *string { return &c.Files.Azure.Scope })},
		{Name: "dl.store.azure.connection.timeout", Default: "10000", Unit: "milliseconds",
			Doc: "Time to connect to the service, and for it to begin an answer.",
			kind: into(counted(time.Millisecond, 100, 600000),
				func(c *Config) *time.Duration { return &c.Files.Azure.Timeout })},
		{Name: "dl.store.azure.max.error.retry", Default: "5",
			Doc:  "How often a request that failed on its way is sent again, with growing pauses.",
			kind: into(whole(1, 20), func(c *Config) *int { return &c.Files.Azure.Retries })},
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
	}}
}

// fileStore takes the class name of a store, as releases from 6.0 on have written it.
func fileStore() parser[string] {
	older := func(names ...string) (out []string) {
		for _, name := range names {
			out = append(
				out,
				"com.liferay.portlet.documentlibrary.store."+name+"Store",
				"com.liferay.documentlibrary.util."+name+"Hook",
			)
		}
		return out
	}
	known := oneOfOrLater([]string{StoreFileSystem, StoreAdvancedFileSystem, StoreDatabase, StoreS3, StoreGCS,
		StoreAzure}, append(
		older("CMIS", "JCR"),
		"com.liferay.portal.store.jcr.JCRStore",
		"com.liferay.portal.store.cmis.CMISStore",
	))
	return parser[string]{known.want, func(raw string) (string, verdict, string) {
		switch s := strings.TrimSpace(raw); {
		case slices.Contains(older("FileSystem"), s):
			return StoreFileSystem, fine, ""
		case slices.Contains(older("AdvancedFileSystem"), s), s == StoreAdvancedFileSystem: // one layout for both
			return StoreFileSystem, fine, ""
		case slices.Contains(older("DB"), s):
			return StoreDatabase, fine, ""
		case slices.Contains(older("S3"), s), s == "com.liferay.portal.store.s3.IBMS3Store":
			return StoreS3, fine, ""
		}
		return known.parse(raw)
	}}
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
