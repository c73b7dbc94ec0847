package config

import (
	"log/slog"
	"net/netip"
	"time"

	"github.com/stoa-portal/stoa"
)

// The file stores of dl.store.impl.
const (
	StoreFileSystem         = "com.liferay.portal.store.file.system.FileSystemStore"         // folders as the library has them
	StoreAdvancedFileSystem = "com.liferay.portal.store.file.system.AdvancedFileSystemStore" // folders nested so that none grows large

	StoreS3       = "com.liferay.portal.store.s3.S3Store"       // in a bucket of S3 or what speaks its protocol
	StoreGCS      = "com.liferay.portal.store.gcs.GCSStore"     // in a bucket of Google
	StoreAzure    = "com.liferay.portal.store.azure.AzureStore" // in a container of Azure
	StoreDatabase = "com.liferay.portal.store.db.DBStore"       // in the database of the portal
)

// AutodetectDatabase is the value of Cluster.AutodetectAddress that means the host of the database.
const AutodetectDatabase = "database"

// Server is what the process listens on and how it leaves.
type Server struct {
	Listen            string        // host:port of plain HTTP
	ListenTLS         string        // host:port of HTTPS, used when Certificate is set
	Certificate, Key  string        // absolute paths of PEM files; both empty or both set
	ReadHeaderTimeout time.Duration // for the header of a request
	ReadTimeout       time.Duration // for a whole request with its body
	WriteTimeout      time.Duration // for an answer
	IdleTimeout       time.Duration // for a kept connection between two requests
	MaxHeaderBytes    int64
	MaxBodyBytes      int64 // of a request that is no upload
	Compression       bool
	DrainDelay        time.Duration // between "not ready" and the end of accepting requests
	StopTimeout       time.Duration // for running requests to finish
}

// Forwarded is one of the facts that a proxy reports in a header.
type Forwarded struct {
	Enabled bool
	Header  string
}

// Web is the address of the portal as visitors see it, and whom to believe about it.
type Web struct {
	DisplayNode       bool   // "Node: host:port" at the foot of each page
	Host              string // host in generated links; empty: the host of the request
	HTTPPort          int    // -1: the port of the request
	HTTPSPort         int    // -1: the port of the request
	Protocol          string // "http", "https" or "": as the request came
	HSTSSubDomains    bool   // Strict-Transport-Security has includeSubDomains
	ForwardedHost     Forwarded
	ForwardedPort     Forwarded
	ForwardedProtocol Forwarded
	TrustedProxies    []netip.Prefix // who may send those headers; empty: no proxy
	ProxyProtocol     bool           // they may speak the PROXY protocol
}

// DataSource is one database with its connection pool. An empty URL means that it is not configured.
type DataSource struct {
	Driver          string // class name as given; the URL decides
	URL             string // as given: jdbc: or native
	Username        string
	Password        string
	PasswordFile    string // absolute path of the file that holds the password instead, read for each connection; "": none
	JNDIName        string // accepted for the sake of existing files; not used
	MaximumPoolSize int
	MinimumIdle     int
	IdleTimeout     time.Duration
	MaxLifetime     time.Duration // 0: for ever
}

// Database is the data sources and how they are used.
type Database struct {
	Default            DataSource
	Read               DataSource // for reads that may come from a replica
	Write              DataSource // for everything else, when it is not Default
	StartupRetries     int        // how often to try again to reach the database at start
	StartupRetryDelay  time.Duration
	StatementTimeout   time.Duration
	LossAccept         time.Duration // how much of a node's newest commits a server may lack after a fail-over
	SlowStatement      time.Duration // statements that take longer are logged; 0: none
	CreateSchema       bool          // create tables in an empty database
	MigrateOnStart     bool          // bring an older schema up to date at start
	CounterIncrement   int           // ids a node takes at once
	ChangePollInterval time.Duration
	ChangeRetention    time.Duration // how long slow readers may hold the change log
}

// Cache is how the caches of a node behave.
type Cache struct {
	FreshLimit       time.Duration // without a proof of freshness younger than this, reads go to the database
	ReadThroughMax   int           // loads at once while there is no proof
	ReadThroughWait  time.Duration // for a place among them
	MaxAge           time.Duration // of any entry
	MaxBytes         int64         // of a region without a limit of its own
	VerifyInterval   time.Duration // between two comparisons of a random entry with the database; 0: never
	Replicate        string        // mode of the regions that can be copied: "invalidate", "copy" or ""
	RegionMaxBytes   map[string]int64
	RegionReplicate  map[string]string // "invalidate" or "copy"; counts more than Replicate
	StaleGrace       time.Duration     // how long guests get old pages while the database is away
	ReadYourWritesBy time.Duration     // how long a browser remembers what it wrote
}

// Cluster is Cluster Link: how this node finds the others and talks to them.
type Cluster struct {
	Enabled              bool
	AutodetectAddress    string // host:port, AutodetectDatabase, or "" for off; Autodetect tells whether it counts
	BindAddressControl   string // Bind tells whether it counts; may be empty
	BindAddressTransport string
	AdvertiseAddress     string // host that other nodes use; empty: found out
	Port                 int    // 0: any free port; when another node of this host has it, the next free of 20
	AuthValue            string // shared secret; empty: none
	LogicNameControl     string // name of this node; empty: made up at start
	LogicNameTransport   map[string]string
	ChannelNameControl   string // name of the cluster
	ChannelNameTransport map[string]string
	Discovery            string   // "database", "static" or "dns"
	StaticPeers          []string // host:port, for static discovery
	DNSName              string   // for dns discovery
	NATSURLs             []string // of a message server outside; empty: the embedded one
	NATSCredentials      string   // absolute paths of files; each may be empty
	NATSCA               string   // of the authority that vouches for that server; empty: those of the system
	NATSCertificate      string   // of this node towards that server; with NATSKey or not at all
	NATSKey              string
	HeartbeatInterval    time.Duration // between two signs of life in the database
	HeartbeatTimeout     time.Duration // after which a silent node counts as gone
	CallMasterTimeout    time.Duration

	autodetectSet bool // AutodetectAddress is not the default
}

// FileStore is where the bytes of documents are, and how that is reached.
type FileStore struct {
	Store string // one of those constants; empty in Files.Move: there is none
	Root  string // absolute path of the store's folder
	S3    S3
	GCS   GCS
	Azure Azure
}

// Files is the store of document bytes and the limits of documents and images.
type Files struct {
	FileStore
	Move              FileStore // to which the files are to be moved, or were moved
	MaxFileBytes      int64
	MaxImagePixels    int64 // width times height; larger pictures are kept but not scaled
	ThumbnailsEnabled bool
	OrphanAge         time.Duration
	CacheBytes        int64  // of the copies on disk of a store that is no folder; 0: none
	CacheDir          string // absolute path of their folder
}

// S3 is where the bucket of a file store in S3 is, and how it is reached.
type S3 struct {
	Endpoint             string // host:port or URL; empty: Amazon's in the region
	Region               string
	Bucket, Prefix       string
	AccessKey, SecretKey string // empty: from the environment, the files of AWS' tools, or the role of the instance
	PathStyle            bool
	StorageClass         string
	Timeout              time.Duration
	Retries              int
	Proxy                string // URL; empty: that of the environment
}

// GCS is which bucket of Google Cloud Storage holds the files, and how it is reached.
type GCS struct {
	Bucket, Prefix  string
	Key             string // of a service account, as JSON; empty: Google's application default credentials
	AES256          string // base64; empty: the keys of the service
	Endpoint        string // URL; empty: Google's
	Timeout         time.Duration
	Retries         int
	Delay, MaxDelay time.Duration // before a request is sent again
}

// Azure is which container of Azure Blob holds the files, and how it is reached.
type Azure struct {
	Container, Prefix string
	Connection        string // string with address and keys; empty: Account counts, or the environment
	Account, Key      string // an empty key: the identity that the environment names or the machine has
	Endpoint          string // URL; empty: that of the account
	Scope             string // of encryption; empty: that of the container
	Timeout           time.Duration
	Retries           int
}

// Search is what finds things, and how a search server is reached.
type Search struct {
	Engine   string   // SearchEmbedded or SearchServer; what follows counts with the latter
	Hosts    []string // http:// or https:// each
	User     string   // with Password; empty: none
	Password string
	APIKey   string        // instead of a user; empty: none
	CAFile   string        // absolute path of a PEM file; empty: who the machine trusts
	Prefix   string        // of the names of all indexes
	Replicas string        // of each index: a number, or a range such as 0-all
	Shards   int           // of each index
	Timeout  time.Duration // for an answer of one host
}

// Session is how long people stay signed in.
type Session struct {
	Timeout            time.Duration // without a request
	CookieDomain       string        // empty: the host of the request
	AutoLogin          bool          // "remember me" is offered
	AutoLoginMaxAge    time.Duration
	LoginDisabled      bool // no person can sign in
	ThrottleWindow     time.Duration
	ThrottleAccountMax int // failed sign-ins for one account within the window
	ThrottleAddressMax int // failed sign-ins from one address within the window

	OperatorTwoFactor   bool // operators without a second factor can sign in only to make one
	ResetTicketLifetime time.Duration
}

// Secret is how the keys that sign and encrypt are kept.
type Secret struct {
	KeyFile string // absolute path of the file with the keys that encrypt them; empty: none
}

// Company is the first virtual instance.
type Company struct {
	WebID           string
	Name            string
	Locale          stoa.Locale
	TimeZone        *time.Location
	VirtualHostName string
}

// Admin is the account made at the first start.
type Admin struct {
	Password           string // empty: there is none, the first start prints a one-time link
	ScreenName         string
	EmailAddressPrefix string // before the @ and the web id of the company
	FirstName          string
	LastName           string
}

// Mail is how mail leaves. With an empty Host it is written to files in HOME/mail.
type Mail struct {
	FromName         string
	FromAddress      string
	Host             string
	Port             int
	User             string
	Password         string
	Implicit         bool // TLS from the first byte
	StartTLS         bool // use STARTTLS when the server offers it
	StartTLSRequired bool // refuse to send without STARTTLS
	Timeout          time.Duration
}

// Passwords is the default password policy.
type Passwords struct {
	MinLength int
}

// Operators is who operates the whole installation.
type Operators struct {
	Users []string // ids, screen names or e-mail addresses; empty: the administrators of the default instance
}

// Languages is what the default site begins with.
type Languages struct {
	Enabled []stoa.Locale // beside the default language
}

// Hosts is which Host headers are answered.
type Hosts struct {
	Valid           []string // "*" means any
	Ignore          []string // never looked up as a virtual host
	DefaultSiteName string
	Strict          bool // unknown hosts get 404 instead of the default instance
}

// Jobs is the scheduler.
type Jobs struct {
	Enabled      bool
	Workers      int
	PollInterval time.Duration
	Misfire      time.Duration // a fire time later than this stands for all that were missed
	Retention    time.Duration // of finished jobs
}

// Audit is the log of who did what.
type Audit struct {
	MaxAge time.Duration
}

// Trash is the recycle bin.
type Trash struct {
	MaxAge        time.Duration // what has been in it for longer is deleted for good
	CheckInterval time.Duration // how often that is looked for
}

// Locks is how long locks last without a sign of whoever edits; 0 is for ever.
type Locks struct {
	Article time.Duration
	Page    time.Duration
}

// Log is what is written to the standard error output.
type Log struct {
	Level    slog.Level
	Format   string // "text" or "json"
	Requests bool   // a line per request
}

// Health is who may look inside.
type Health struct {
	DataSourceEnabled       bool           // answer /health_check/data_source
	MetricsAllowedAddresses []netip.Prefix // who may read /metrics
	MetricsToken            string         // or with this bearer token; empty: none
	ObfuscatedProperties    []string       // further names to mask
}
