package config

import (
	"slices"
	"strings"
	"time"
)

const movePrefix = "dl.store.move."

// storeProperties say where a file store is and how it is reached; their names begin with the prefix.
func storeProperties(prefix string, of func(c *Config) *FileStore) []property {
	return []property{
		{Name: prefix + "impl", Default: StoreFileSystem, Shared: true,
			Doc: "Where the bytes of documents are kept: in a folder (both file system stores are the same one here), or with " +
				"com.liferay.portal.store.db.DBStore in the database, or with com.liferay.portal.store.s3.S3Store (IBMS3Store is " +
				"the same) in a bucket of S3 or of a server that speaks its protocol, with " +
				"com.liferay.portal.store.gcs.GCSStore in a bucket of Google Cloud Storage, or with " +
				"com.liferay.portal.store.azure.AzureStore in a container of Azure Blob. Nodes of a cluster need one that all " +
				"of them reach.",
			kind: into(fileStore(), func(c *Config) *string { return &of(c).Store })},
		{Name: prefix + "file.system.root.dir", Default: "${liferay.home}/data/document_library",
			Doc:  "Folder of the documents. A relative path starts at liferay.home.",
			kind: into(someText(), func(c *Config) *string { return &of(c).Root })},
		{Name: prefix + "s3.bucket.name", Default: "", Shared: true,
			Doc:  "Bucket of the documents, with dl.store.impl=…S3Store. It has to be there.",
			kind: into(text(), func(c *Config) *string { return &of(c).S3.Bucket })},
		{Name: prefix + "s3.prefix", Default: "", Shared: true,
			Doc:  "What all keys in the bucket begin with, when it also holds other things.",
			kind: into(text(), func(c *Config) *string { return &of(c).S3.Prefix })},
		{Name: prefix + "s3.endpoint", Default: "", Shared: true,
			Doc: "Address of the S3 server, such as https://s3.example.com:9000; without a scheme it is HTTPS; empty means " +
				"Amazon's in the region.",
			kind: into(text(), func(c *Config) *string { return &of(c).S3.Endpoint })},
		{Name: prefix + "s3.region", Default: "us-east-1", Shared: true,
			Doc:  "Region of the bucket.",
			kind: into(text(), func(c *Config) *string { return &of(c).S3.Region })},
		{Name: prefix + "s3.access.key", Default: "", Shared: true,
			Doc: "Access key of the account. While it and the secret are empty, those of the environment " +
				"(AWS_ACCESS_KEY_ID), of ~/.aws/credentials or of the instance's role are used.",
			kind: into(text(), func(c *Config) *string { return &of(c).S3.AccessKey })},
		{Name: prefix + "s3.secret.key", Default: "", Secret: true, Shared: true,
			Doc:  "Secret of the access key.",
			kind: into(text(), func(c *Config) *string { return &of(c).S3.SecretKey })},
		{Name: prefix + "s3.path.style", Default: "false", Shared: true,
			Doc: "Whether the bucket is in the path of addresses and not in the host name, as most servers but Amazon's " +
				"want it.",
			kind: into(boolean(), func(c *Config) *bool { return &of(c).S3.PathStyle })},
		{Name: prefix + "s3.storage.class", Default: "", Shared: true,
			Doc:  "Storage class of new objects, such as STANDARD_IA; empty means that of the bucket.",
			kind: into(text(), func(c *Config) *string { return &of(c).S3.StorageClass })},
		{Name: prefix + "s3.connection.timeout", Default: "10000", Unit: "milliseconds",
			Doc:  "Time to connect to the S3 server, and for it to begin an answer.",
			kind: into(counted(time.Millisecond, 100, 600000), func(c *Config) *time.Duration { return &of(c).S3.Timeout })},
		{Name: prefix + "s3.max.error.retry", Default: "5",
			Doc:  "How often a request that failed on its way is sent again, with growing pauses.",
			kind: into(whole(1, 20), func(c *Config) *int { return &of(c).S3.Retries })},
		{Name: prefix + "s3.proxy", Default: "", Secret: true,
			Doc: "HTTP proxy on the way to the S3 server, such as http://user:password@proxy:3128; empty means that of the " +
				"environment.",
			kind: into(text(), func(c *Config) *string { return &of(c).S3.Proxy })},
		{Name: prefix + "gcs.bucket.name", Default: "", Shared: true,
			Doc:  "Bucket of the documents, with dl.store.impl=…GCSStore. It has to be there.",
			kind: into(text(), func(c *Config) *string { return &of(c).GCS.Bucket })},
		{Name: prefix + "gcs.prefix", Default: "", Shared: true,
			Doc:  "What all keys in the bucket begin with, when it also holds other things.",
			kind: into(text(), func(c *Config) *string { return &of(c).GCS.Prefix })},
		{Name: prefix + "gcs.service.account.key", Default: "", Secret: true, Shared: true,
			Doc: "Key of a service account, the JSON that Google makes, or file:PATH for a file with it. While it is empty, " +
				"Google's application default credentials are used: the file that GOOGLE_APPLICATION_CREDENTIALS names, that of " +
				"gcloud, or the role of the instance.",
			kind: into(text(), func(c *Config) *string { return &of(c).GCS.Key })},
		{Name: prefix + "gcs.aes256.key", Default: "", Secret: true, Shared: true,
			Doc: "Base64 of 32 bytes with which the service encrypts the objects, or file:PATH; empty means its own keys. " +
				"Objects that were written with another key cannot be read.",
			kind: into(text(), func(c *Config) *string { return &of(c).GCS.AES256 })},
		{Name: prefix + "gcs.endpoint", Default: "", Shared: true,
			Doc: "Address of the service, for private ones such as https://storage.example.com; empty means Google's. Over " +
				"http:// no account is used, which is for servers of tests.",
			kind: into(text(), func(c *Config) *string { return &of(c).GCS.Endpoint })},
		{Name: prefix + "gcs.connection.timeout", Default: "10000", Unit: "milliseconds",
			Doc:  "Time to connect to the service, and for it to begin an answer.",
			kind: into(counted(time.Millisecond, 100, 600000), func(c *Config) *time.Duration { return &of(c).GCS.Timeout })},
		{Name: prefix + "gcs.max.retry.attempts", Default: "5",
			Doc:  "How often a request that failed on its way is sent again.",
			kind: into(whole(1, 20), func(c *Config) *int { return &of(c).GCS.Retries })},
		{Name: prefix + "gcs.initial.retry.delay", Default: "400", Unit: "milliseconds",
			Doc:  "Longest pause before it is sent again for the first time; each further one may be twice as long.",
			kind: into(counted(time.Millisecond, 1, 60000), func(c *Config) *time.Duration { return &of(c).GCS.Delay })},
		{Name: prefix + "gcs.max.retry.delay", Default: "10000", Unit: "milliseconds",
			Doc:  "Longest pause before any further one.",
			kind: into(counted(time.Millisecond, 1, 600000), func(c *Config) *time.Duration { return &of(c).GCS.MaxDelay })},
		{Name: prefix + "azure.container.name", Default: "", Shared: true,
			Doc:  "Container of the documents, with dl.store.impl=…AzureStore. It has to be there.",
			kind: into(text(), func(c *Config) *string { return &of(c).Azure.Container })},
		{Name: prefix + "azure.prefix", Default: "", Shared: true,
			Doc:  "What all keys in the container begin with, when it also holds other things.",
			kind: into(text(), func(c *Config) *string { return &of(c).Azure.Prefix })},
		{Name: prefix + "azure.connection.string", Default: "", Secret: true, Shared: true,
			Doc: "Address and keys of the account in one text, as Azure shows it, or file:PATH for a file with it. While it " +
				"and the account are empty, AZURE_STORAGE_CONNECTION_STRING, or AZURE_STORAGE_ACCOUNT and AZURE_STORAGE_KEY count.",
			kind: into(text(), func(c *Config) *string { return &of(c).Azure.Connection })},
		{Name: prefix + "azure.account.name", Default: "", Shared: true,
			Doc:  "Storage account, instead of a connection string.",
			kind: into(text(), func(c *Config) *string { return &of(c).Azure.Account })},
		{Name: prefix + "azure.account.key", Default: "", Secret: true, Shared: true,
			Doc: "Key of the account, or file:PATH for a file with it. While it is empty, the identity is used that the " +
				"environment names (AZURE_TENANT_ID, AZURE_CLIENT_ID and their like), or that the machine has.",
			kind: into(text(), func(c *Config) *string { return &of(c).Azure.Key })},
		{Name: prefix + "azure.endpoint", Default: "", Shared: true,
			Doc: "Address of the account, such as https://files.blob.core.windows.net, which is the default for one called " +
				"files.",
			kind: into(text(), func(c *Config) *string { return &of(c).Azure.Endpoint })},
		{Name: prefix + "azure.encryption.scope", Default: "", Shared: true,
			Doc:  "Encryption scope of new objects; empty means that of the container.",
			kind: into(text(), func(c *Config) *string { return &of(c).Azure.Scope })},
		{Name: prefix + "azure.connection.timeout", Default: "10000", Unit: "milliseconds",
			Doc: "Time to connect to the service, and for it to begin an answer.",
			kind: into(counted(time.Millisecond, 100, 600000),
				func(c *Config) *time.Duration { return &of(c).Azure.Timeout })},
		{Name: prefix + "azure.max.error.retry", Default: "5",
			Doc:  "How often a request that failed on its way is sent again, with growing pauses.",
			kind: into(whole(1, 20), func(c *Config) *int { return &of(c).Azure.Retries })},
	}
}

// sectionMove has the same properties once more, for the store to which files are moved.
func sectionMove() section {
	props := storeProperties(movePrefix, func(c *Config) *FileStore { return &c.Files.Move })
	for i := range props {
		p := &props[i]
		name := strings.TrimPrefix(p.Name, movePrefix)
		p.Doc = "As dl.store." + name + ", for the store to which the files are moved."
		switch name {
		case "impl":
			p.Default = ""
			p.Doc = "File store to which stoa files move brings the files of the running portal, with the same names as " +
				"dl.store.impl; empty for none. Every node needs it before the move begins, and keeps it until dl.store.* " +
				"names that store."
			p.kind = into(noneOr(fileStore()), func(c *Config) *string { return &c.Files.Move.Store })
		case "file.system.root.dir":
			p.Default = ""
			p.Doc = "As dl.store.file.system.root.dir, for the store to which the files are moved; it has no default."
			p.kind = into(text(), func(c *Config) *string { return &c.Files.Move.Root })
		}
	}
	return section{Title: "Moving files to another store", Props: props,
		Intro: "docs/operate/files.md says how files are moved while the portal runs."}
}

// noneOr also takes an empty value.
func noneOr(p parser[string]) parser[string] {
	return parser[string]{p.want + ", or nothing", func(raw string) (string, verdict, string) {
		if strings.TrimSpace(raw) == "" {
			return "", fine, ""
		}
		return p.parse(raw)
	}}
}

// MoveTarget gives the settings with the store to which files are moved in the place of the one that is in use; nil
// where none is named.
func (c *Config) MoveTarget() *Config {
	if c.Files.Move.Store == "" {
		return nil
	}
	to := *c
	to.Files.FileStore = c.Files.Move
	return &to
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
