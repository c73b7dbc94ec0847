package db

import (
	"crypto/tls"
	"strings"
	"testing"
	"time"

	"github.com/stoa-portal/stoa"
)

func readTest(t *testing.T, o Options) (dsn, error) {
	t.Helper()
	t.Setenv("HOME", t.TempDir())
	o.ConnectTimeout, o.StatementTimeout = 2*time.Second, 15*time.Second
	return parseURL(o)
}

// What a driver of Java or of the engine itself reads from an address, this program reads too.
func TestAddress_FormsOfTheDrivers(t *testing.T) {
	for _, c := range []struct{ url, label, user, password, name string }{
		{"jdbc:postgresql://h1:5433,h2/lportal", "postgres://h1:5433,h2:5432/lportal", "setting", "secret", "lportal"},
		{"jdbc:postgresql:lportal", "postgres://localhost:5432/lportal", "setting", "secret", "lportal"},
		{"JDBC:PostgreSQL://h/n", "postgres://h:5432/n", "setting", "secret", "n"},
		{"jdbc:postgresql://[::1]:5433/n", "postgres://[::1]:5433/n", "setting", "secret", "n"},
		{"jdbc:postgresql://[2001:db8::1]/n", "postgres://[2001:db8::1]:5432/n", "setting", "secret", "n"},
		{"jdbc:postgresql://h/n?user=ann&password=a%25b%26c", "postgres://h:5432/n", "setting", "secret", "n"},
		{"postgres://ann:a%25b@h/n", "postgres://h:5432/n", "ann", "a%b", "n"},
		{"postgres://ann:a+b@h/n", "postgres://h:5432/n", "ann", "a+b", "n"},
		{"postgres://ann@h/n", "postgres://h:5432/n", "ann", "secret", "n"},
		{"postgres:///n?host=/run/pg&port=5433", "postgres:///run/pg/n", "setting", "secret", "n"},
		{"postgres://%2Frun%2Fpg/n", "postgres:///run/pg/n", "setting", "secret", "n"},
		{"postgresql://h:1,h:2/na%20me", "postgres://h:1,h:2/na me", "setting", "secret", "na me"},
		{"jdbc:mariadb://h1,h2:3307/n", "mariadb://h1:3306,h2:3307/n", "setting", "secret", "n"},
		{"jdbc:mariadb:sequential://h1,h2/n", "mariadb://h1:3306,h2:3306/n", "setting", "secret", "n"},
		{"jdbc:mariadb:replication://h1,h2/n", "mariadb://h1:3306,h2:3306/n", "setting", "secret", "n"},
		{"jdbc:mariadb:loadbalance://h1,h2/n", "mariadb://h1:3306,h2:3306/n", "setting", "secret", "n"},
		{"jdbc:mariadb:aurora://c.example.com/n", "mariadb://c.example.com:3306/n", "setting", "secret", "n"},
		{"jdbc:mysql:replication://h1,h2/n", "mysql://h1:3306,h2:3306/n", "setting", "secret", "n"},
		{"jdbc:mysql:loadbalance://h1,h2/n", "mysql://h1:3306,h2:3306/n", "setting", "secret", "n"},
		{"jdbc:mysql://address=(host=h1)(port=3307)(type=primary),address=(host=h2)(type=replica)/n",
			"mysql://h1:3307,h2:3306/n", "setting", "secret", "n"},
		{"jdbc:mysql://(host=h1,port=3307),(host=h2)/n", "mysql://h1:3307,h2:3306/n", "setting", "secret", "n"},
		{"jdbc:mysql://address=(host=::1)(port=3307)/n", "mysql://[::1]:3307/n", "setting", "secret", "n"},
		{"jdbc:mysql://[::1]/n", "mysql://[::1]:3306/n", "setting", "secret", "n"},
		{"jdbc:mysql:///n", "mysql://localhost:3306/n", "setting", "secret", "n"},
		{"jdbc:mysql://localhost/n?useUnicode=true&characterEncoding=UTF-8&useFastDateParsing=false",
			"mysql://localhost:3306/n", "setting", "secret", "n"},
		{"jdbc:mariadb://ann:10%25+x@h/n", "mariadb://h:3306/n", "ann", "10%25+x", "n"},
		{"mariadb://ann:10%25+x@h/n", "mariadb://h:3306/n", "ann", "10%+x", "n"},
		{"mariadb:///n?localSocket=/run/my.sock", "mariadb:///run/my.sock/n", "setting", "secret", "n"},
	} {
		d, err := readTest(t, Options{URL: c.url, User: "setting", Password: "secret"})
		if err != nil {
			t.Errorf("%s: %v", c.url, err)
			continue
		}
		h := d.hosts[0]
		password := ""
		if h.pg != nil {
			password = h.pg.Password
		} else {
			password = h.my.Passwd
		}
		if d.label != c.label || h.user() != c.user || password != c.password || h.database() != c.name ||
			len(d.warnings) != 0 {
			t.Errorf("%s: label %q, user %q, password %q, name %q, warnings %v; want %q, %q, %q, %q and no warning",
				c.url, d.label, h.user(), password, h.database(), d.warnings, c.label, c.user, c.password, c.name)
		}
	}
}

func TestAddress_UserAndPasswordOfParametersWhereNoneIsSet(t *testing.T) {
	for _, scheme := range []string{"jdbc:postgresql", "jdbc:mysql"} {
		d, err := readTest(t, Options{URL: scheme + "://h/n?user=ann&password=a%25b%26c"})
		if err != nil {
			t.Fatal(err)
		}
		h := d.hosts[0]
		if got := h.user(); got != "ann" {
			t.Errorf("%s: user %q", scheme, got)
		}
		if h.pg != nil && h.pg.Password != "a%b&c" || h.my != nil && h.my.Passwd != "a%b&c" {
			t.Errorf("%s: another password", scheme)
		}
	}
}

// What cannot be honoured stops the start with what would be right, and no secret is in the sentence.
func TestAddress_WhatIsRefusedSaysWhatIsRight(t *testing.T) {
	const pg, my, maria = "jdbc:postgresql://h/n?", "jdbc:mysql://h/n?", "jdbc:mariadb://h/n?"
	for url, want := range map[string]string{
		"jdbc:hsqldb:mem:x":                                   "HSQLDB",
		"jdbc:oracle:thin:@h:1521:x":                          "Oracle",
		"jdbc:sqlserver://h;databaseName=x":                   "SQL Server",
		"jdbc:mysql+srv://h/n":                                "list of hosts in DNS",
		"jdbc:mysql:hearsay://h/n":                            "replication",
		"jdbc:mariadb://h:port/n":                             "host:port",
		"jdbc:mysql://address=(host=h)(speed=3)/n":            "speed",
		"postgres://ann:hunter2%@h/n":                         "%25",
		"postgres://ann:hunter2@h/n?password=%zzhunter2":      "%25",
		pg + "sslmode=verify_everything":                      "verify-full",
		pg + "sslmode=trust":                                  "verify-full",
		pg + "ssl=true&sslmode=disable":                       "contradicts",
		pg + "ssl=maybe":                                      "true or false",
		pg + "sslmode=require&sslmode=disable":                "contradict",
		pg + "sslfactory=com.example.Own":                     "sslmode",
		pg + "sslmode=verify-full&sslrootcert=/no/such/file":  "/no/such/file",
		pg + "sslmode=require&sslcert=/no/such/file":          "/no/such/file",
		pg + "targetServerType=secondary":                     "jdbc.read.url",
		pg + "target_session_attrs=read-only":                 "jdbc.read.url",
		pg + "targetServerType=fastest":                       "primary",
		pg + "readOnly=true":                                  "writes",
		pg + "prepareThreshold=few":                           "whole number",
		pg + "preferQueryMode=complex":                        "simple",
		pg + "connectTimeout=soon":                            "seconds",
		pg + "options=-c%20statement_timeout=1":               "db.statement.timeout",
		pg + "options=-c%20synchronous_commit=off":            "lost",
		pg + "options=--timezone=CET":                         "UTC",
		pg + "options=-B%20100":                               "-c name=value",
		pg + "gssEncMode=require":                             "TLS",
		pg + "kerberosServerName=x":                           "Kerberos",
		pg + "socketFactory=x.Y":                              "Unix socket",
		pg + "characterEncoding=latin1":                       "UTF-8",
		pg + "sslnegotiation=never":                           "sslnegotiation",
		pg + "channelBinding=never":                           "channelBinding",
		my + "sslMode=allow":                                  "verify-full",
		my + "sslMode=DISABLED&requireSSL=true":               "contradicts",
		my + "sslMode=DISABLED&useSSL=true":                   "contradicts",
		my + "useSSL=false&requireSSL=true":                   "ask for TLS",
		my + "sslMode=VERIFY_CA&trustServerCertificate=true":  "contradicts",
		my + "tls=custom":                                     "skip-verify",
		my + "tls=true&sslMode=REQUIRED":                      "contradicts",
		my + "enabledTLSProtocols=TLSv1,TLSv1.1":              "TLSv1.2",
		my + "serverRSAPublicKeyFile=/x":                      "TLS",
		my + "characterEncoding=ISO-8859-1":                   "UTF-8",
		my + "connectTimeout=1s":                              "milliseconds",
		my + "sessionVariables=time_zone='CET'":               "UTC",
		my + "sessionVariables=a=1;DROP%20TABLE%20x":          "name=value",
		my + "sessionVariables=a=(SELECT%201)":                "name=value",
		my + "sessionVariables=foreign_key_checks=0":          "constraints",
		maria + "serverSslCert=classpath:ca.pem":              "PEM file",
		maria + "credentialType=GSSAPI":                       "Java",
		maria + "createDatabaseIfNotExist=true":               "CREATE DATABASE",
		maria + "trustStore=/no/such.jks":                     "/no/such.jks",
		maria + "sslMode=verify-ca&serverSslCert=/etc/passwd": "PEM file is expected",
	} {
		_, err := readTest(t, Options{URL: url, Password: "hunter2", Property: "jdbc.write.url"})
		if !stoa.Is(err, stoa.KindInvalid) {
			t.Errorf("%s: error %v, want Invalid", url, err)
			continue
		}
		if s := err.Error(); !strings.Contains(s, want) || !strings.HasPrefix(s, "jdbc.write.url: ") ||
			strings.Contains(s, "hunter2") {
			t.Errorf("%s: %s\nwant %q in it, and no password", url, s, want)
		}
	}
}

func TestAddress_UnknownParameterIsAWarningWithTheNearestName(t *testing.T) {
	for url, want := range map[string]string{
		"jdbc:postgresql://h/n?sslmod=require":    "did you mean sslmode?",
		"jdbc:postgresql://h/n?curentSchema=x":    "did you mean currentSchema?",
		"jdbc:mariadb://h/n?sslModes=verify-full": "did you mean sslMode?",
		"jdbc:mysql://h/n?quetzalcoatl=1":         "quetzalcoatl",
	} {
		d, err := readTest(t, Options{URL: url})
		if err != nil || len(d.warnings) != 1 || !strings.Contains(d.warnings[0], want) {
			t.Errorf("%s: warnings %q, error %v; want one with %q", url, d.warnings, err, want)
		}
	}
}

// What is asked of TLS, in every spelling: the level, and whether a plain connection is ever made.
func TestAddress_LevelOfTLS(t *testing.T) {
	const pg, my, maria = "jdbc:postgresql://h/n?", "jdbc:mysql://h/n?", "jdbc:mariadb://h/n?"
	for url, want := range map[string]tlsLevel{
		pg:                                tlsPrefer,
		pg + "sslmode=DISABLE":            tlsDisable,
		pg + "sslmode=allow":              tlsAllow,
		pg + "sslmode=Prefer":             tlsPrefer,
		pg + "sslmode=require":            tlsRequire,
		pg + "sslmode=verify-ca":          tlsVerifyCA,
		pg + "sslmode=verify-full":        tlsVerify,
		pg + "ssl=true":                   tlsVerify,
		pg + "ssl":                        tlsVerify,
		pg + "ssl=false":                  tlsPrefer,
		pg + "sslrootcert=system":         tlsVerify,
		pg + "ssl=true&sslmode=verify-ca": tlsVerifyCA,
		pg + "ssl=true&sslmode=require":   tlsRequire,
		pg + "ssl=true&sslfactory=org.postgresql.ssl.NonValidatingFactory":  tlsRequire,
		pg + "ssl=true&sslfactory=org.postgresql.ssl.DefaultJavaSSLFactory": tlsVerify,
		my:                             tlsPrefer,
		my + "sslMode=DISABLED":        tlsDisable,
		my + "sslMode=PREFERRED":       tlsPrefer,
		my + "sslMode=REQUIRED":        tlsRequire,
		my + "sslmode=required":        tlsRequire,
		my + "sslMode=VERIFY_CA":       tlsVerifyCA,
		my + "sslMode=VERIFY_IDENTITY": tlsVerify,
		my + "useSSL=TRUE":             tlsRequire,
		my + "useSsl=true":             tlsRequire,
		my + "useSSL=false":            tlsDisable,
		my + "requireSSL=true":         tlsRequire,
		my + "useSSL=true&requireSSL=true&verifyServerCertificate=false": tlsRequire,
		my + "useSSL=true&verifyServerCertificate=true":                  tlsVerifyCA,
		my + "sslMode=VERIFY_CA&requireSSL=true":                         tlsVerifyCA,
		my + "sslMode=PREFERRED&requireSSL=true":                         tlsRequire,
		my + "sslMode=PREFERRED&useSSL=true":                             tlsRequire,
		my + "tls=true":                                                  tlsVerify,
		my + "tls=skip-verify":                                           tlsRequire,
		my + "tls=preferred":                                             tlsPrefer,
		maria:                                                            tlsDisable,
		maria + "sslMode=disable":                                        tlsDisable,
		maria + "sslMode=trust":                                          tlsRequire,
		maria + "sslMode=verify-ca":                                      tlsVerifyCA,
		maria + "sslMode=verify-full":                                    tlsVerify,
		maria + "useSSL=true":                                            tlsVerify,
		maria + "useSsl=true":                                            tlsVerify,
		maria + "useSSL=true&trustServerCertificate=true":                tlsRequire,
		maria + "useSSL=true&disableSslHostnameVerification=true":        tlsVerifyCA,
		maria + "sslMode=PREFERRED":                                      tlsPrefer,
		maria + "requireSSL=true":                                        tlsRequire,
	} {
		d, err := readTest(t, Options{URL: url})
		if err != nil {
			t.Errorf("%s: %v", url, err)
			continue
		}
		h := d.hosts[0]
		var got tlsLevel
		plain := !h.encrypted()
		switch {
		case h.pg != nil && h.pg.TLSConfig == nil && len(h.pg.Fallbacks) == 0, h.my != nil && h.my.TLS == nil:
			got = tlsDisable
		case h.pg != nil && h.pg.TLSConfig == nil:
			got = tlsAllow
		case plain:
			got = tlsPrefer
		default:
			c := tlsOf(h)
			switch {
			case c.VerifyConnection == nil:
				got = tlsRequire
			case want >= tlsVerifyCA:
				got = want // told apart with real servers
			}
		}
		if got != want || plain != (want < tlsRequire) {
			t.Errorf("%s: level %v, plain possible %v; want %v", url, got, plain, want)
		}
	}
}

func tlsOf(h host) *tls.Config {
	if h.pg != nil {
		return h.pg.TLSConfig
	}
	return h.my.TLS
}

func TestAddress_PoolsOfPostgresGetTheirSettings(t *testing.T) {
	d, err := readTest(t, Options{URL: "jdbc:postgresql://h/n?currentSchema=portal,public&socketTimeout=5&prepareThreshold=0" +
		"&options=-c%20work_mem=64MB%20--role=app&ApplicationName=shop&connectTimeout=7", Writer: 9})
	if err != nil {
		t.Fatal(err)
	}
	h := d.hosts[0]
	got := map[string]string{}
	for _, s := range h.settings {
		got[s.name] = s.value
	}
	for k, v := range map[string]string{"search_path": "portal,public", "work_mem": "64MB", "role": "app",
		"statement_timeout": "5000", "TimeZone": "UTC"} {
		if got[k] != v {
			t.Errorf("%s is %q, want %q", k, got[k], v)
		}
	}
	if len(h.pg.RuntimeParams) != 1 || h.pg.RuntimeParams["application_name"] != "shop 9" ||
		h.pg.ConnectTimeout != 7*time.Second {
		t.Errorf("first message %v, connect within %s", h.pg.RuntimeParams, h.pg.ConnectTimeout)
	}
}

func TestOneHost_KeepsTheRestOfTheAddress(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ url, server, want string }{
		{"jdbc:postgresql://a,b:5433/n?sslmode=require", "b:5433", "jdbc:postgresql://b:5433/n?sslmode=require"},
		{"postgres://u:p@a,b/n", "a:5432", "postgres://u:p@a/n"},
		{"jdbc:mysql://address=(host=a)(port=3307),address=(host=b)/n", "b:3306", "jdbc:mysql://address=(host=b)/n"},
		{"jdbc:mysql:replication://(host=a,port=3307),(host=b)/n", "a:3307", "jdbc:mysql:replication://(host=a,port=3307)/n"},
		{"jdbc:postgresql:n", "localhost:5432", "jdbc:postgresql:n"},
		{"jdbc:mariadb://a,b/n", "", "jdbc:mariadb://a,b/n"},
	} {
		o := Options{URL: c.url, ConnectTimeout: time.Second, StatementTimeout: time.Second}
		if got, err := OneHost(o, c.server); err != nil || got != c.want {
			t.Errorf("%s of %s: %q, error %v; want %q", c.server, c.url, got, err, c.want)
		}
	}
	if _, err := OneHost(Options{URL: "jdbc:mariadb://a,b/n"}, "c:3306"); !stoa.Is(err, stoa.KindInvalid) {
		t.Errorf("a host that is not there: error %v", err)
	}
}

func TestParameters_EachNameStandsOnce(t *testing.T) {
	t.Parallel()
	for name, table := range map[string][]Parameter{"postgres": PostgresParameters(), "mysql": MySQLParameters()} {
		seen := map[string]bool{}
		for _, p := range table {
			if p.Why == "" || p.Use == 0 || len(p.Names) == 0 {
				t.Errorf("%s: %v says nothing", name, p.Names)
			}
			for _, n := range p.Names {
				if l := strings.ToLower(n); seen[l] {
					t.Errorf("%s: %s stands twice", name, n)
				} else {
					seen[l] = true
				}
			}
		}
	}
}

func FuzzAddress(f *testing.F) {
	for _, s := range []string{"jdbc:postgresql://h1,h2:1/n?sslmode=require",
		"jdbc:mysql://address=(host=h)(port=1)/n", "mariadb://u:p@[::1]:3/n?useSSL=true",
		"jdbc:mariadb:replication://(host=a,port=1),b/n?sessionVariables=a='b'", "postgres:///n?host=/run&options=-c a=b"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		d, err := parseURL(Options{URL: s, ConnectTimeout: time.Second, StatementTimeout: time.Second})
		if err != nil && !stoa.Is(err, stoa.KindInvalid) {
			t.Errorf("error %v, want Invalid", err)
		}
		if err == nil && d.dialect != SQLite && len(d.hosts) == 0 {
			t.Error("no hosts")
		}
	})
}
