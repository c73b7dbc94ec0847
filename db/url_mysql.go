package db

import (
	"cmp"
	"crypto/tls"
	"net"
	"slices"
	"strings"
	"time"

	"github.com/go-sql-driver/mysql"
	"github.com/stoa-portal/stoa"
)

// MySQLParameters are the parameters of MariaDB Connector/J, MySQL Connector/J and go-sql-driver, and what becomes
// of each.
func MySQLParameters() []Parameter {
	out := listed(Honoured, `
user | the user, where neither the address nor its setting names one
password | the password, where neither the address nor its setting gives one
sslMode, ssl-mode | disable, prefer, require (trust), verify-ca or verify-full in any spelling of both drivers.
	Where nothing of TLS is said: prefer for mysql:, disable for mariadb:, as their drivers do
useSSL, ssl | true is verify-full for mariadb:, and for mysql: require with a warning; false is disable
requireSSL | true is at least require
verifyServerCertificate | true is at least verify-ca
trustServerCertificate | true is require: the certificate is not checked
disableSslHostnameVerification | true makes verify-ca of verify-full
tls | true is verify-full, skip-verify is require, preferred is prefer, false is disable
serverSslCert, sslrootcert, ssl-ca, sslca, trustCertificateKeyStoreUrl, trustStore | the certificate of the
	authority: a PEM file or PEM itself. Alone it asks for verify-full. Java key stores cannot be read
sslcert, ssl-cert, clientCertificateKeyStoreUrl, keyStore | PEM file of the certificate of this node, with its
	key or without
sslkey, ssl-key | PEM file of its key
sslpassword, clientCertificateKeyStorePassword, keyStorePassword, keyPassword | password of that key
tlsVersions, enabledTLSProtocols, enabledSslProtocolSuites, tls-version | TLSv1.2 and TLSv1.3; one of them must
	be named
connectTimeout, timeout | milliseconds for one host
socketTimeout | milliseconds for one statement, where that is less than db.statement.timeout
localSocket | path of the Unix socket of the server
sessionVariables | name=value, … for variables of the session that the program does not set itself
connectionAttributes | name:value, … shown in performance_schema
`)
	out = append(out, listed(Refused, `
serverRSAPublicKeyFile, serverPublicKey, serverPubKey | the key is asked of the server; use TLS
	(sslMode=verify-full)
trustCertificateKeyStoreType, clientCertificateKeyStoreType, keyStoreType, trustStoreType [pem jks pkcs12] |
	only PEM files are read
enabledSslCipherSuites, tlsCiphersuites, enabledCipherSuites | the ciphers are Go's own, all of them good; leave
	it out
socketFactory, socketFactoryClass, authenticationPlugins, defaultAuthenticationPlugin, propertiesTransform,
	credentialType, galeraAllowedState, tlsSocketType, sslTrustManager | classes of Java cannot be loaded
pipe, sharedMemory, namedPipePath | Windows' own ways to connect are not spoken; use host:port
restrictedAuth | the ways to sign in are those that the server asks for
socksProxyHost, proxyHost | proxies are not spoken to; use the address of the server
readOnly, assureReadOnly, readOnlyPropagatesToServer [false true] | this program writes
fipsCompliantJsse, KeyManagerFactoryProvider, trustManagerFactoryProvider, sslContextProvider, keyStoreProvider
	| classes of Java cannot be loaded
allowOldPasswords, allowCleartextPasswords [false] | a password in clear text is not sent
createDatabaseIfNotExist [false] | databases are not created here: CREATE DATABASE name CHARACTER SET utf8mb4
`)...)
	return append(out, listed(Ignored, `
useUnicode, characterEncoding, characterSetResults, charset, passwordCharacterEncoding [true utf8 utf-8 utf8mb4
	utf8mb3] | text is always UTF-8
connectionCollation, collation | comparing is decided by the tables
serverTimezone, connectionTimeZone, timezone, forceConnectionTimeZoneToSession, cacheDefaultTimezone,
	preserveInstants, loc, parseTime, useLegacyDatetimeCode, useTimezone, useJDBCCompliantTimezoneShift,
	noDatetimeStringSync, useFastDateParsing, zeroDateTimeBehavior, yearIsDateType, treatUtilDateAsTimestamp,
	sendFractionalSeconds | times are numbers in UTC, and sessions are always in UTC
allowPublicKeyRetrieval | without TLS the key that protects the password is asked of the server
autoReconnect, autoReconnectForPools, maxReconnects, initialTimeout, failOverReadOnly, reconnectAtTxEnd,
	secondsBeforeRetryMaster, secondsBeforeRetrySource, queriesBeforeRetryMaster, queriesBeforeRetrySource,
	retriesAllDown, transactionReplay, transactionReplaySize, ha.enableJMX, roundRobinLoadBalance,
	loadBalanceStrategy, loadBalanceBlacklistTimeout, loadBalanceBlocklistTimeout, loadBalancePingTimeout,
	loadBalanceValidateConnectionOnSwapServer, loadBalanceAutoCommitStatementThreshold, allowMasterDownConnections,
	allowSourceDownConnections, allowSlaveDownConnections, allowReplicaDownConnections, readFromMasterWhenNoSlaves,
	readFromSourceWhenNoReplicas, validConnectionTimeout, deniedHosts, loadBalanceBlocklist, rejectReadOnly,
	checkConnLiveness | connections are renewed and the writable host is found in any case
tcpKeepAlive, tcpKeepIdle, tcpKeepCount, tcpKeepInterval, tcpNoDelay, tcpAbortiveClose, tcpRcvBuf, tcpSndBuf,
	tcpTrafficClass, localSocketAddress, readTimeout, writeTimeout | connections are kept alive in any case, and
	given up in seconds when the other end has vanished
trustCertificateKeyStorePassword, trustStorePassword, fallbackToSystemTrustStore, fallbackToSystemKeyStore | PEM
	files of authorities have no password
rewriteBatchedStatements, useBulkStmts, useBatchMultiSend, useBulkStmtsForInserts, useServerPrepStmts,
	cachePrepStmts, prepStmtCacheSize, prepStmtCacheSqlLimit, cacheCallableStmts, callableStmtCacheSize,
	cacheServerConfiguration, cacheResultSetMetadata, metadataCacheSize, useLocalSessionState,
	useLocalTransactionState, elideSetAutoCommits, alwaysSendSetIsolation, maintainTimeStats, useCompression,
	compression, compress, useCursorFetch, defaultFetchSize, useReadAheadInput, useUnbufferedInput,
	dontTrackOpenResources, emulateUnsupportedPstmts, enableQueryTimeouts, enablePacketDebug, useAffectedRows,
	interpolateParams, clientFoundRows, columnsWithAlias, disablePipeline, maxAllowedPacket, largeRowSizeThreshold,
	blobSendChunkSize, maxQuerySizeToLog | a matter of the Java driver's speed
allowMultiQueries, multiStatements, allowLoadLocalInfile, allowLoadLocalInfileInPath, allowLocalInfile,
	allowUrlInLocalInfile, allowNanAndInf, autoDeserialize, allowAllFiles, allowNativePasswords | nothing of it is
	ever sent
tinyInt1isBit, transformedBitIsBoolean, nullCatalogMeansCurrent, nullDatabaseMeansCurrent,
	nullNamePatternMatchesAll, useInformationSchema, getProceduresReturnsFunctions, noAccessToProcedureBodies,
	useOldAliasMetadataBehavior, useHostsInPrivileges, overrideSupportsIntegrityEnhancementFacility, ultraDevHack,
	populateInsertRowWithDefaultValues, jdbcCompliantTruncation, padCharsWithSpace, generateSimpleParameterMetadata,
	functionsNeverReturnBlobs, blobsAreStrings, useColumnNamesInFindColumn, pinGlobalTxToPhysicalConnection,
	includeInnodbStatusInDeadlockExceptions, includeThreadDumpInDeadlockExceptions, dumpQueriesOnException,
	logSlowQueries, slowQueryThresholdMillis, slowQueryThresholdNanos, profileSQL, logger, gatherPerfMetrics,
	paranoid, log, poolName, pool, maxPoolSize, minPoolSize, maxIdleTime, registerJmxPool, autocommit,
	transactionIsolation, includeThreadDump, queryInterceptors, connectionLifecycleInterceptors,
	exceptionInterceptors, databaseTerm, useCatalogTerm, useMysqlMetadata, permitMysqlScheme, dumpQueryOnException,
	useReadOnly, timestampConversionMode, blankTableNameMeta, returnMultiValuesGeneratedIds, strictUpdates,
	holdResultsOpenOverStatementClose, rollbackOnPooledClose, sqlMode, allowReconnect, useStreamLengthsInPrepStmts,
	processEscapeCodesForPrepStmts, useOnlyServerErrorMessages, continueBatchOnError, allowMariaDB,
	clientInfoProvider, connectionAttributesInfo, detectCustomCollations, customCharsetMapping,
	useSSPSCompatibleTimezoneShift, useGmtMillisForDatetimes | it concerns the Java driver alone
applicationName, program_name | the server shows no names of sessions
`)...)
}

func parseMySQL(o Options, a address) (dsn, error) {
	p, err := readParams(a, MySQLParameters())
	if err != nil {
		return dsn{}, err
	}
	out := dsn{dialect: MySQL}
	t, err := mysqlTrust(p, a)
	if err != nil {
		return dsn{}, err
	}
	d, err := p.span("connectTimeout", time.Millisecond)
	if err != nil {
		return dsn{}, err
	}
	o.ConnectTimeout = cmp.Or(d, o.ConnectTimeout)
	if d, err = p.span("socketTimeout", time.Millisecond); err != nil {
		return dsn{}, err
	}
	if d > 0 && d < o.StatementTimeout {
		o.StatementTimeout = d
	}
	variables, err := mysqlVariables(p, o)
	if err != nil {
		return dsn{}, err
	}
	for i, e := range a.hosts {
		cfg := mysql.NewConfig()
		cfg.User, cfg.Passwd, cfg.DBName = cmp.Or(a.user, p.values["user"]), cmp.Or(a.password, p.values["password"]),
			a.name
		cfg.Net, cfg.Addr = "tcp", net.JoinHostPort(cmp.Or(e.host, "localhost"), cmp.Or(e.port, "3306"))
		if socket := p.values["localSocket"]; socket != "" {
			cfg.Net, cfg.Addr = "unix", socket
		}
		cfg.Timeout = o.ConnectTimeout
		cfg.DialFunc = dialer(o.ConnectTimeout)
		cfg.ReadTimeout = o.StatementTimeout + 5*time.Second
		cfg.WriteTimeout = o.StatementTimeout
		cfg.Logger = &mysql.NopLogger{} // what it would print is in the errors as well
		cfg.ParseTime = true            // the lock of the migrations keeps times; the portal itself stores none
		cfg.InterpolateParams = true
		cfg.ClientFoundRows = true // an UPDATE counts the rows it matched, as the other dialects do
		cfg.MaxAllowedPacket = 0   // the server is asked for its limit, so that what is too large is said to be
		cfg.ConnectionAttributes = p.values["connectionAttributes"]
		cfg.Params = variables
		if cfg.Net == "tcp" {
			if cfg.TLS, err = t.config(cmp.Or(e.host, "localhost")); err != nil {
				return dsn{}, invalidFile(o.property(), err)
			}
			cfg.AllowFallbackToPlaintext = t.level == tlsPrefer
		}
		h := newHost(o)
		h.my = cfg
		out.hosts = append(out.hosts, h)
		if i > 0 {
			out.label += ","
		}
		out.label += h.String()
	}
	out.label = a.scheme + "://" + out.label + "/" + a.name
	out.warnings = p.warnings
	return out, nil
}

// mysqlTrust reads what the address asks of TLS, in the words of either driver; they may be mixed, since many
// addresses have gone through several versions. What asks for most counts, and what contradicts it is refused.
func mysqlTrust(p *params, a address) (t trust, err error) {
	if word, ok := p.values["sslMode"]; ok {
		if t.level, ok = level(word); !ok || t.level == tlsAllow {
			return t, p.wrong("sslMode", "disable, prefer, require, verify-ca or verify-full is expected")
		}
	}
	if word, ok := p.values["tls"]; ok {
		l, ok := map[string]tlsLevel{"true": tlsVerify, "skip-verify": tlsRequire, "preferred": tlsPrefer,
			"false": tlsDisable}[strings.ToLower(word)]
		if !ok {
			return t, p.wrong("tls", "true, skip-verify, preferred or false is expected")
		}
		if t.level != tlsUnset && t.level != l {
			return t, p.wrong("tls", "it contradicts sslMode; leave one of them out")
		}
		t.level = l
	}
	flags := map[string]bool{}
	for _, name := range []string{"useSSL", "requireSSL", "verifyServerCertificate", "trustServerCertificate",
		"disableSslHostnameVerification"} {
		value, given, err := p.flag(name)
		if err != nil {
			return t, err
		}
		if given {
			flags[name] = value
		}
	}
	t.authority, t.cert, t.key, t.password = p.values["serverSslCert"], p.values["sslcert"], p.values["sslkey"],
		p.values["sslpassword"]
	if t.oldest, err = oldestTLS(p); err != nil {
		return t, err
	}
	worded := t.level != tlsUnset
	if worded {
		asks := tlsUnset
		what := ""
		for _, f := range []struct {
			name string
			asks tlsLevel
		}{{"useSSL", tlsPrefer}, {"requireSSL", tlsRequire}, {"verifyServerCertificate", tlsVerifyCA}} {
			if flags[f.name] {
				asks, what = f.asks, f.name
			}
		}
		switch {
		case t.level == tlsDisable && asks > tlsUnset:
			return t, p.wrong(what, "it contradicts the mode, which switches TLS off; leave one of them out")
		case t.level >= tlsVerifyCA && flags["trustServerCertificate"]:
			return t, p.wrong("trustServerCertificate", "it contradicts the mode, which checks the certificate; leave one of "+
				"them out")
		case t.level == tlsPrefer && flags["useSSL"]:
			asks = tlsRequire
		}
		t.level = max(t.level, asks)
	} else {
		t.level = flaggedTLS(flags, t, a.scheme)
		if t.level == tlsDisable && (flags["requireSSL"] || flags["verifyServerCertificate"]) {
			return t, p.wrong("useSSL", "other parameters ask for TLS; leave one of them out")
		}
		if a.scheme == "mysql" && flags["useSSL"] && t.level == tlsRequire && !flags["trustServerCertificate"] {
			if _, said := flags["verifyServerCertificate"]; !said {
				p.warn("useSSL=true encrypts, as MySQL Connector/J has it, but does not check whose certificate the server " +
					"shows; sslMode=VERIFY_IDENTITY does")
			}
		}
	}
	if t.level == tlsVerify && flags["disableSslHostnameVerification"] {
		t.level = tlsVerifyCA
	}
	if t.level == tlsRequire && t.authority != "" && !flags["trustServerCertificate"] {
		t.level = tlsVerifyCA // who names an authority wants it to be looked at
	}
	return t, nil
}

// flaggedTLS is the level of an address without sslMode.
func flaggedTLS(flags map[string]bool, t trust, scheme string) tlsLevel {
	use, said := flags["useSSL"]
	switch {
	case said && !use:
		return tlsDisable
	case flags["trustServerCertificate"]:
		return tlsRequire
	case flags["verifyServerCertificate"]:
		if scheme == "mariadb" && use {
			return tlsVerify
		}
		return tlsVerifyCA
	case use && scheme == "mariadb":
		return tlsVerify
	case use, flags["requireSSL"]:
		return tlsRequire
	case t.authority != "" || t.cert != "":
		return tlsVerify
	case scheme == "mysql":
		return tlsPrefer
	}
	return tlsDisable
}

func oldestTLS(p *params) (uint16, error) {
	raw, ok := p.values["tlsVersions"]
	if !ok || raw == "" {
		return 0, nil
	}
	list := strings.ToLower(strings.NewReplacer(" ", "", "[", "", "]", "").Replace(raw))
	versions := strings.Split(list, ",")
	switch {
	case slices.Contains(versions, "tlsv1.2"):
		return tls.VersionTLS12, nil
	case slices.Contains(versions, "tlsv1.3"):
		return tls.VersionTLS13, nil
	}
	return 0, p.wrong("tlsVersions", "TLSv1.2 or TLSv1.3 is expected: older ones are not safe and not spoken")
}

// mysqlVariables are the variables of each session. The server may have run init_connect before: with SET NAMES or
// autocommit = 0 there, texts were damaged and transactions never ended.
func mysqlVariables(p *params, o Options) (map[string]string, error) {
	out := map[string]string{
		"character_set_client":     "'utf8mb4'",
		"character_set_connection": "'utf8mb4'",
		"character_set_results":    "'utf8mb4'",
		"autocommit":               "1",
		"sql_mode":                 "'STRICT_TRANS_TABLES,ERROR_FOR_DIVISION_BY_ZERO,NO_ENGINE_SUBSTITUTION'",
		"innodb_lock_wait_timeout": itoa(max(1, int64(o.StatementTimeout.Seconds()))),
	}
	raw := p.values["sessionVariables"]
	for raw != "" {
		var one string
		if one, raw, _ = cutOutside(strings.ReplaceAll(raw, ";", ","), ','); strings.TrimSpace(one) == "" {
			continue
		}
		name, value, ok := strings.Cut(strings.TrimSpace(one), "=")
		name = strings.ToLower(strings.TrimPrefix(strings.TrimPrefix(strings.TrimSpace(name), "@@session."), "@@"))
		value = strings.TrimSpace(value)
		if !ok || strings.Trim(name, "abcdefghijklmnopqrstuvwxyz0123456789_") != "" || name == "" || !isLiteral(value) {
			return nil, p.wrong("sessionVariables", "name=value with a number, a word or text in single quotes is expected, "+
				"not %q", stoa.Short(one, 60))
		}
		if why := ownVariable(name); why != "" {
			return nil, p.wrong("sessionVariables", "%s cannot be set: %s", name, why)
		}
		out[name] = value
	}
	return out, nil
}

// ownVariable says why sessionVariables may not set what this program needs as it is; empty for all others.
func ownVariable(name string) string {
	switch name {
	case "time_zone":
		return "sessions are always in UTC"
	case "tx_isolation", "transaction_isolation":
		return "transactions are always read committed"
	case "innodb_lock_wait_timeout", "max_statement_time", "max_execution_time":
		return "use db.statement.timeout"
	case "character_set_client", "character_set_connection", "character_set_results":
		return "text is always UTF-8"
	case "collation_connection":
		return "comparing is decided by the tables"
	case "foreign_key_checks", "unique_checks":
		return "constraints of the tables must hold"
	case "sql_log_bin", "wsrep_on":
		return "replicas must see what is written"
	case "tx_read_only", "transaction_read_only":
		return "this program writes"
	case "autocommit", "sql_mode", "idle_write_transaction_timeout":
		return "the program needs its own"
	}
	return ""
}

// isLiteral reports whether s is a number, a word or quoted text: nothing else becomes part of a statement.
func isLiteral(s string) bool {
	if len(s) >= 2 && s[0] == '\'' && s[len(s)-1] == '\'' {
		return !strings.ContainsAny(s[1:len(s)-1], `'\`)
	}
	return s != "" && strings.Trim(strings.ToLower(s), "abcdefghijklmnopqrstuvwxyz0123456789_.+-") == ""
}
