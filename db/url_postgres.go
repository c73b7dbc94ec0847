package db

import (
	"cmp"
	"crypto/tls"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/stoa-portal/stoa"
)

// PostgresParameters are the parameters of PostgreSQL's JDBC driver, of libpq and of pgx, and what becomes of each.
func PostgresParameters() []Parameter {
	out := listed(Honoured, `
user | the user, where neither the address nor its setting names one
password | the password, where neither the address nor its setting gives one
host | the hosts or the folder of the Unix socket, where none stands before the name of the database
port | the port of that host
dbname, database | the database, where the address names none
sslmode | disable, allow, prefer, require, verify-ca or verify-full; prefer when nothing of TLS is said,
	verify-full when only sslrootcert is
ssl | true is sslmode=verify-full, false says nothing
sslrootcert, sslca | PEM file of the authority, or system; with sslmode=require it is checked as by verify-ca.
	Default: ~/.postgresql/root.crt if there is one, else those of the system
sslcert | PEM file of the certificate of this node. Default: ~/.postgresql/postgresql.crt if there is one
sslkey | file of its key: PEM or PKCS #8 (.pk8)
sslpassword | password of that key
sslfactory | org.postgresql.ssl.NonValidatingFactory is sslmode=require; the factories of the driver itself
	change nothing, others are refused
sslnegotiation | postgres or direct
sslcertmode | disable, allow or require
channel_binding, channelBinding | disable, prefer or require
require_auth, requireAuth | the ways to sign in that are allowed
passfile | file of passwords, as libpq has it
search_path, currentSchema | the schemas in which tables are looked for; they are made in the first
options | -c name=value for settings of the session that the program does not set itself
target_session_attrs, targetServerType | any, read-write, primary and master: the writable host is found in any
	case. Others are for jdbc.read.url
connect_timeout, connectTimeout | seconds for one host
loginTimeout | the same; the smaller one counts
socketTimeout | seconds for one statement, where that is less than db.statement.timeout
prepareThreshold | 0: no statement keeps a name at the server
preferQueryMode | simple: no statement is prepared at all; the extended modes are the usual one
application_name, ApplicationName | what the server shows for the sessions of this node, followed by a number
`)
	out = append(out, listed(Refused, `
service, servicefile | files of services are not read; write host, port and name into the address
krbsrvname, krbspn, kerberosServerName, gsslib, jaasApplicationName, jaasLogin, sspiServiceClass | Kerberos is
	not spoken; sign in with a password or a client certificate
useSpnego [false] | Kerberos is not spoken; sign in with a password or a client certificate
gssEncMode [disable allow prefer] | connections are encrypted by TLS alone; use sslmode
sslhostnameverifier, sslfactoryarg, sslpasswordcallback, authenticationPluginClassName, xmlFactoryFactory |
	classes of Java cannot be loaded; use sslmode, sslrootcert, sslcert and sslkey
socketFactory, socketFactoryArg | classes of Java cannot be loaded; for a Unix socket use
	postgres:///name?host=/folder
sslcrl, sslcrldir | lists of revoked certificates are not read
ssl_min_protocol_version [tlsv1 tlsv1.1 tlsv1.2] | TLS 1.2 is the oldest version that is spoken
readOnly [false] | this program writes; leave it out
replication [false off no 0] | this is for replicas of the server
escapeSyntaxCallMode [select] | procedures are not called
`)...)
	return append(out, listed(Ignored, `
tcpKeepAlive, keepalives, keepalives_idle, keepalives_interval, keepalives_count, tcp_user_timeout, tcpNoDelay |
	connections are kept alive in any case, and given up in seconds when the other end has vanished
hostRecheckSeconds | hosts are asked anew whenever one is needed
loadBalanceHosts, load_balance_hosts | one host is the writable one; replicas are named in jdbc.read.url
binaryTransfer, binaryTransferEnable, binaryTransferDisable, preparedStatementCacheQueries,
	preparedStatementCacheSizeMiB, databaseMetadataCacheFields, databaseMetadataCacheFieldsMiB, defaultRowFetchSize,
	adaptiveFetch, adaptiveFetchMinimum, adaptiveFetchMaximum, maxResultBuffer, sendBufferSize, receiveBufferSize,
	maxSendBufferSize, reWriteBatchedInserts, quoteReturningIdentifiers | a matter of the Java driver's speed
unknownLength, stringtype, autosave, cleanupSavepoints, disableColumnSanitiser, allowEncodingChanges,
	assumeMinServerVersion, logUnclosedConnections, logServerErrorDetail, loggerLevel, loggerFile, logLevel,
	hideUnprivilegedObjects, readOnlyMode, cancelSignalTimeout, includeThreadInfo, protocolVersion, compatible,
	localSocketAddress, charSet, disable_prepare, useServerPrepStmts | it concerns the Java driver alone
sslsni, sslcompression | the name of the host is sent, and nothing is compressed
client_encoding, characterEncoding, useUnicode [utf8 utf-8 true] | text is always UTF-8
timezone, serverTimezone [utc gmt etc/utc z +00:00 00:00] | sessions are always in UTC
`)...)
}

func parsePostgres(o Options, a address) (dsn, error) {
	p, err := readParams(a, PostgresParameters())
	if err != nil {
		return dsn{}, err
	}
	out := dsn{dialect: Postgres, warnings: p.warnings}
	a.user, a.password = cmp.Or(a.user, p.values["user"]), cmp.Or(a.password, p.values["password"])
	a.name = cmp.Or(a.name, p.values["dbname"])
	if h := p.values["host"]; h != "" {
		if len(a.hosts) != 1 || a.hosts[0].host != "" {
			return dsn{}, p.wrong("host", "the address names a host already")
		}
		a.hosts = nil
		if err := o.readHosts(&a, h); err != nil {
			return dsn{}, err
		}
	}
	if port := p.values["port"]; port != "" {
		if !isPort(port) {
			return dsn{}, p.wrong("port", "a number from 1 to 65535 is expected")
		}
		for i := range a.hosts {
			a.hosts[i].port = cmp.Or(a.hosts[i].port, port)
		}
	}
	t, err := postgresTrust(p)
	if err != nil {
		return dsn{}, err
	}
	if err := postgresTimes(p, &o); err != nil {
		return dsn{}, err
	}
	mode, err := queryMode(p)
	if err != nil {
		return dsn{}, err
	}
	if err := o.targets(p); err != nil {
		return dsn{}, err
	}
	settings, err := postgresSettings(p, o)
	if err != nil {
		return dsn{}, err
	}
	if n := p.values["application_name"]; n != "" {
		o.Name = n
	}
	for i, e := range a.hosts {
		cfg, err := postgresConfig(p, a, e)
		if err != nil {
			return dsn{}, err
		}
		cfg.Config.ConnectTimeout = o.ConnectTimeout
		cfg.Config.DialFunc = dialer(o.ConnectTimeout)
		cfg.DefaultQueryExecMode = mode
		if err := postgresTLS(cfg, t); err != nil {
			return dsn{}, invalidFile(o.property(), err)
		}
		// Poolers refuse most settings in the first message, so that has the least: the rest is set after connecting.
		cfg.RuntimeParams = map[string]string{"application_name": applicationName(o)}
		h := newHost(o)
		h.pg, h.settings = cfg, settings
		out.hosts = append(out.hosts, h)
		if i > 0 {
			out.label += ","
		}
		out.label += h.String()
	}
	out.label = "postgres://" + out.label + "/" + a.name
	out.warnings = p.warnings
	return out, nil
}

// postgresConfig lets pgx read what it knows better: users and passwords from its files and variables.
func postgresConfig(p *params, a address, e endpoint) (*pgx.ConnConfig, error) {
	words := map[string]string{"host": cmp.Or(e.host, os.Getenv("PGHOST"), "localhost"), "port": cmp.Or(e.port, "5432"),
		"sslmode": "disable", "target_session_attrs": "any", "dbname": a.name, "user": a.user}
	for _, name := range []string{"sslnegotiation", "sslcertmode", "channel_binding", "require_auth", "passfile"} {
		words[name] = p.values[name]
	}
	var b strings.Builder
	for k, v := range words {
		if v != "" {
			fmt.Fprintf(&b, "%s='%s' ", k, strings.NewReplacer(`\`, `\\`, `'`, `\'`).Replace(v))
		}
	}
	switch p.values["sslnegotiation"] {
	case "", "postgres", "direct":
	default:
		return nil, p.wrong("sslnegotiation", "postgres or direct is expected")
	}
	cfg, err := pgx.ParseConfig(b.String())
	if err == nil {
		cfg.Password = cmp.Or(a.password, cfg.Password)
		return cfg, nil
	}
	for _, name := range []string{"sslcertmode", "channel_binding", "require_auth"} {
		if p.has(name) && strings.Contains(err.Error(), name) {
			return nil, p.wrong(name, "the values that are known stand in docs/operate/database-address.md")
		}
	}
	return nil, a.refuse("the address cannot be used: %v", err) // no password is in it
}

// postgresTrust reads what the address asks of TLS. Nothing that it asks is given up for a plain connection.
func postgresTrust(p *params) (t trust, err error) {
	home, _ := os.UserHomeDir()
	standard := func(name string) string {
		if path := filepath.Join(home, ".postgresql", name); home != "" {
			if _, err := os.Stat(path); err == nil {
				return path
			}
		}
		return ""
	}
	mode, asked := p.values["sslmode"]
	if !asked {
		mode = os.Getenv("PGSSLMODE")
	}
	if mode != "" {
		var ok bool
		if t.level, ok = level(mode); !ok || strings.EqualFold(mode, "trust") {
			return t, p.wrong("sslmode", "disable, allow, prefer, require, verify-ca or verify-full is expected")
		}
	}
	named := cmp.Or(p.values["sslrootcert"], os.Getenv("PGSSLROOTCERT"))
	ssl, _, err := p.flag("ssl")
	if err != nil {
		return t, err
	}
	switch factory := p.values["sslfactory"]; {
	case factory == "org.postgresql.ssl.NonValidatingFactory":
		if t.level >= tlsVerifyCA {
			return t, p.wrong("sslfactory", "it contradicts sslmode=%s; leave one of them out", mode)
		}
		if t.level == tlsUnset {
			t.level = tlsRequire
		}
	case factory != "" && !strings.HasPrefix(factory, "org.postgresql.ssl."):
		return t, p.wrong("sslfactory", "classes of Java cannot be loaded; use sslmode, sslrootcert, sslcert and sslkey")
	}
	switch {
	case ssl && t.level != tlsUnset && t.level < tlsRequire:
		return t, p.wrong("ssl", "it contradicts sslmode=%s; leave one of them out", mode)
	case t.level == tlsUnset && (ssl || named != ""):
		t.level = tlsVerify
	case t.level == tlsUnset:
		t.level = tlsPrefer
	case t.level == tlsRequire && named != "" && named != "system":
		t.level = tlsVerifyCA
	}
	t.authority = cmp.Or(named, standard("root.crt"))
	t.cert = cmp.Or(p.values["sslcert"], os.Getenv("PGSSLCERT"), standard("postgresql.crt"))
	t.key = cmp.Or(p.values["sslkey"], os.Getenv("PGSSLKEY"), standard("postgresql.key"))
	t.password = p.values["sslpassword"]
	return t, nil
}

func postgresTLS(cfg *pgx.ConnConfig, t trust) error {
	c, err := t.config(cfg.Host)
	if err != nil {
		return err
	}
	if network, _ := pgconn.NetworkAddress(cfg.Host, cfg.Port); network == "unix" {
		c = nil
	}
	cfg.TLSConfig, cfg.Fallbacks = c, nil
	other := func(c *tls.Config) []*pgconn.FallbackConfig {
		return []*pgconn.FallbackConfig{{Host: cfg.Host, Port: cfg.Port, TLSConfig: c}}
	}
	switch {
	case c == nil:
	case t.level == tlsAllow:
		cfg.TLSConfig, cfg.Fallbacks = nil, other(c)
	case t.level == tlsPrefer:
		cfg.Fallbacks = other(nil)
	}
	return nil
}

func postgresTimes(p *params, o *Options) error {
	for _, name := range []string{"connect_timeout", "loginTimeout"} {
		d, err := p.span(name, time.Second)
		if err != nil {
			return err
		}
		if d > 0 && (name == "connect_timeout" || d < o.ConnectTimeout) {
			o.ConnectTimeout = d
		}
	}
	d, err := p.span("socketTimeout", time.Second)
	if d > 0 && d < o.StatementTimeout {
		o.StatementTimeout = d
	}
	return err
}

func queryMode(p *params) (pgx.QueryExecMode, error) {
	switch strings.ToLower(p.values["preferQueryMode"]) {
	case "simple":
		return pgx.QueryExecModeSimpleProtocol, nil
	case "", "extended", "extendedforprepared", "extendedcacheeverything":
	default:
		return 0, p.wrong("preferQueryMode", "simple, extended, extendedForPrepared or extendedCacheEverything is expected")
	}
	switch raw := p.values["prepareThreshold"]; {
	case raw == "0":
		return pgx.QueryExecModeCacheDescribe, nil
	case strings.Trim(strings.TrimPrefix(raw, "-"), "0123456789") != "":
		return 0, p.wrong("prepareThreshold", "a whole number is expected")
	}
	return pgx.QueryExecModeCacheStatement, nil
}

// targets reads which servers the address wants.
func (o Options) targets(p *params) error {
	const name = "target_session_attrs"
	switch strings.ToLower(p.values[name]) {
	case "", "any", "read-write", "primary", "master", "preferprimary":
		return nil
	case "read-only", "standby", "prefer-standby", "secondary", "slave", "prefersecondary", "preferslave":
		if o.ReadOnly {
			return nil
		}
		return p.wrong(name, "this source is written to, so any or primary is expected; replicas are named in "+
			"jdbc.read.url")
	}
	return p.wrong(name, "any, primary, secondary or preferSecondary is expected")
}

// ownSetting says why options may not set what this program sets for its sessions; empty for all others.
func ownSetting(name string) string {
	switch strings.ToLower(name) {
	case "timezone":
		return "sessions are always in UTC"
	case "client_encoding":
		return "text is always UTF-8"
	case "application_name":
		return "use ApplicationName"
	case "search_path":
		return "use currentSchema"
	case "statement_timeout", "lock_timeout":
		return "use db.statement.timeout"
	case "default_transaction_isolation":
		return "transactions are always read committed"
	case "default_transaction_read_only":
		return "this program writes"
	case "session_replication_role":
		return "constraints of the tables must hold"
	case "idle_in_transaction_session_timeout", "tcp_user_timeout", "tcp_keepalives_idle", "tcp_keepalives_interval",
		"client_min_messages", "default_transaction_deferrable", "standard_conforming_strings":
		return "the program needs its own"
	}
	return ""
}

// postgresSettings are the settings of each session, in the order in which they are made.
func postgresSettings(p *params, o Options) ([]param, error) {
	millis := itoa(o.StatementTimeout.Milliseconds())
	out := []param{
		{"client_encoding", "UTF8"}, // a role or a database may have another one
		{"standard_conforming_strings", "on"},
		{"TimeZone", "UTC"},
		{"default_transaction_isolation", "read committed"},
		{"statement_timeout", millis},
		{"lock_timeout", millis},
		{"idle_in_transaction_session_timeout", itoa(idleWrite.Milliseconds())},
		{"tcp_user_timeout", itoa(unheardThere.Milliseconds())},
		{"tcp_keepalives_idle", itoa(int64(unheardThere.Seconds()))},
		{"tcp_keepalives_interval", "1"},
		{"client_min_messages", "warning"},
	}
	if path := p.values["search_path"]; path != "" {
		out = append(out, param{"search_path", path})
	}
	words, err := optionWords(p.values["options"])
	if err != nil {
		return nil, p.wrong("options", "%v", err)
	}
	for _, w := range words {
		if why := ownSetting(w.name); why != "" {
			return nil, p.wrong("options", "%s cannot be set: %s", w.name, why)
		}
		if strings.EqualFold(w.name, "synchronous_commit") && slices.Contains([]string{"off", "false", "no", "0"},
			strings.ToLower(w.value)) {
			return nil, p.wrong("options", "with synchronous_commit=off a save that was answered can be lost; leave it out")
		}
		out = append(out, w)
	}
	return out, nil
}

// optionWords reads "-c name=value --name=value" as the server does: a backslash keeps a space.
func optionWords(s string) ([]param, error) {
	var words []string
	var word strings.Builder
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c == '\\' && i+1 < len(s):
			i++
			word.WriteByte(s[i])
		case c == ' ' || c == '\t':
			if word.Len() > 0 {
				words = append(words, word.String())
			}
			word.Reset()
		default:
			word.WriteByte(c)
		}
	}
	if word.Len() > 0 {
		words = append(words, word.String())
	}
	var out []param
	for i := 0; i < len(words); i++ {
		w := words[i]
		if w == "-c" && i+1 < len(words) {
			i++
			w = "-c" + words[i]
		}
		setting, ok := strings.CutPrefix(w, "-c")
		if !ok {
			setting, ok = strings.CutPrefix(w, "--")
		}
		name, value, hasValue := strings.Cut(setting, "=")
		if !ok || !hasValue || name == "" {
			return nil, fmt.Errorf("-c name=value is expected, not %q", stoa.Short(w, 60))
		}
		out = append(out, param{strings.ReplaceAll(name, "-", "_"), value})
	}
	return out, nil
}
