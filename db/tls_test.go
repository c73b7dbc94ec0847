package db_test

import (
	"database/sql"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/db"
	"github.com/stoa-portal/stoa/db/dbtest"
)

// tlsServers are a server with a certificate for "localhost", which also asks user "card" for a client
// certificate, and the files of clients.
type tlsServers struct {
	port                     int
	ca, other, cert, key, p8 string // paths; other is an authority that signed nothing
	locked                   string // the key, protected by the password "opensesame"
}

func startTLS(t *testing.T, e dbtest.Engine) tlsServers {
	ca, other := dbtest.NewAuthority(t, "authority"), dbtest.NewAuthority(t, "another")
	serverCert, serverKey := ca.Sign("localhost")
	clientCert, clientKey := ca.Sign("card")
	o := dbtest.ServerOptions{Files: map[string][]byte{"ca.pem": ca.PEM, "server.pem": serverCert,
		"server.key": serverKey}}
	if e == dbtest.Postgres {
		o.Args = []string{"ssl=on", "ssl_ca_file=ca.pem", "ssl_cert_file=server.pem", "ssl_key_file=server.key"}
		o.HBA = "hostssl all card 127.0.0.1/32 cert\nhost all plain 127.0.0.1/32 scram-sha-256\nhostssl all secure " +
			"127.0.0.1/32 scram-sha-256\n"
	} else {
		o.Args = []string{"--ssl-ca=ca.pem", "--ssl-cert=server.pem", "--ssl-key=server.key"}
	}
	s := dbtest.StartServer(t, e, o)
	if e == dbtest.Postgres {
		s.Exec("CREATE DATABASE app", "CREATE ROLE plain LOGIN PASSWORD 'pw'", "CREATE ROLE secure LOGIN PASSWORD 'pw'",
			"CREATE ROLE card LOGIN")
	} else {
		s.Exec("CREATE DATABASE app", "CREATE USER plain@'%' IDENTIFIED BY 'pw'", "CREATE USER secure@'%' IDENTIFIED BY "+
			"'pw' REQUIRE SSL",
			"CREATE USER card@'%' IDENTIFIED BY 'pw' REQUIRE X509",
			"GRANT ALL ON app.* TO plain@'%'", "GRANT ALL ON app.* TO secure@'%'", "GRANT ALL ON app.* TO card@'%'")
	}
	dir := t.TempDir()
	out := tlsServers{port: s.Port}
	for _, f := range []struct {
		to   *string
		name string
		data []byte
	}{{&out.ca, "ca.pem", ca.PEM}, {&out.other, "other.pem", other.PEM}, {&out.cert, "client.pem", clientCert},
		{&out.key, "client.key", clientKey}} {
		*f.to = filepath.Join(dir, f.name)
		if err := os.WriteFile(*f.to, f.data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	out.p8, out.locked = filepath.Join(dir, "client.pk8"), filepath.Join(dir, "locked.pk8")
	openssl := dbtest.Program(t, "openssl")
	for _, args := range [][]string{
		{"pkcs8", "-topk8", "-nocrypt", "-in", out.key, "-outform", "DER", "-out", out.p8},
		{"pkcs8", "-topk8", "-v2", "aes256", "-passout", "pass:opensesame", "-in", out.key, "-outform", "DER", "-out",
			out.locked},
	} {
		if b, err := exec.Command(openssl, args...).CombinedOutput(); err != nil {
			t.Fatalf("openssl %v: %v\n%s", args, err, b)
		}
	}
	return out
}

// encrypted tells from the server's side whether the connection uses TLS.
func encrypted(t *testing.T, e dbtest.Engine, p *sql.DB) bool {
	t.Helper()
	var yes bool
	query := "SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()"
	if e == dbtest.MariaDB {
		query = "SELECT VARIABLE_VALUE <> '' FROM information_schema.SESSION_STATUS WHERE VARIABLE_NAME = 'SSL_CIPHER'"
	}
	if err := p.QueryRowContext(t.Context(), query).Scan(&yes); err != nil {
		t.Fatal(err)
	}
	return yes
}

type tlsCase struct {
	name, host, user, params string
	plain                    bool   // the connection is made without TLS
	refused                  string // it is not made, and this is in the sentence
}

func playTLS(t *testing.T, e dbtest.Engine, scheme string, port int, cases []tlsCase) {
	t.Setenv("HOME", t.TempDir())
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			p, err := db.OpenPlain(t.Context(), db.Options{URL: fmt.Sprintf("%s://%s:%d/app?%s", scheme, c.host, port,
				c.params), User: c.user, Password: "pw"})
			if c.refused != "" {
				if !stoa.Is(err, stoa.KindUnavailable) || !strings.Contains(err.Error(), c.refused) {
					t.Fatalf("error %v, want Unavailable with %q", err, c.refused)
				}
				if strings.Contains(err.Error(), "does not answer") {
					t.Errorf("the server answered: %v", err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			defer p.Close()
			if got := encrypted(t, e, p); got == c.plain {
				t.Errorf("encrypted: %v", got)
			}
		})
	}
}

func TestTLS_PostgreSQL(t *testing.T) {
	s := startTLS(t, dbtest.Postgres)
	q := url.QueryEscape
	client := "sslmode=verify-full&sslrootcert=" + q(s.ca) + "&sslcert=" + q(s.cert) + "&sslkey="
	playTLS(t, dbtest.Postgres, "jdbc:postgresql", s.port, []tlsCase{
		{name: "disable", host: "localhost", user: "plain", params: "sslmode=disable", plain: true},
		{name: "allow", host: "localhost", user: "plain", params: "sslmode=allow", plain: true},
		{name: "allow where the server insists", host: "localhost", user: "secure", params: "sslmode=allow"},
		{name: "nothing said", host: "localhost", user: "plain"},
		{name: "require", host: "127.0.0.1", user: "plain", params: "sslmode=REQUIRE"},
		{name: "verify-full", host: "localhost", user: "plain", params: "sslmode=verify-full&sslrootcert=" + q(s.ca)},
		{name: "ssl=true", host: "localhost", user: "plain", params: "ssl=true&sslrootcert=" + q(s.ca)},
		{name: "authority alone", host: "localhost", user: "plain", params: "sslrootcert=" + q(s.ca)},
		{name: "verify-ca with another name", host: "127.0.0.1", user: "plain",
			params: "sslmode=verify-ca&sslrootcert=" + q(s.ca)},
		{name: "bound to the channel", host: "localhost", user: "plain", params: "sslmode=require&channelBinding=require"},
		{name: "client certificate", host: "localhost", user: "card", params: client + q(s.key)},
		{name: "client certificate, key in DER", host: "localhost", user: "card", params: client + q(s.p8)},
		{name: "client certificate, locked key", host: "localhost", user: "card",
			params: client + q(s.locked) + "&sslpassword=opensesame"},
		{name: "another name", host: "127.0.0.1", user: "plain", params: "sslmode=verify-full&sslrootcert=" + q(s.ca),
			refused: "not for that name"},
		{name: "another authority", host: "localhost", user: "plain",
			params: "sslmode=verify-full&sslrootcert=" + q(s.other), refused: "not trusted here"},
		{name: "another authority, verify-ca", host: "localhost", user: "plain",
			params: "sslmode=verify-ca&sslrootcert=" + q(s.other), refused: "not trusted here"},
		{name: "require looks at a named authority", host: "localhost", user: "plain",
			params: "sslmode=require&sslrootcert=" + q(s.other), refused: "not trusted here"},
		{name: "authorities of the system", host: "localhost", user: "plain", params: "ssl=true",
			refused: "not trusted here"},
		{name: "no client certificate", host: "localhost", user: "card", params: "sslmode=require",
			refused: "does not accept"},
		{name: "plain where the server insists", host: "localhost", user: "secure", params: "sslmode=disable",
			refused: "sslmode=require"},
	})
}

func TestTLS_MariaDB(t *testing.T) {
	s := startTLS(t, dbtest.MariaDB)
	q := url.QueryEscape
	pem, err := os.ReadFile(s.ca)
	if err != nil {
		t.Fatal(err)
	}
	client := "sslMode=VERIFY_IDENTITY&serverSslCert=" + q(s.ca) + "&sslcert=" + q(s.cert) + "&sslkey="
	playTLS(t, dbtest.MariaDB, "jdbc:mysql", s.port, []tlsCase{
		{name: "disabled", host: "localhost", user: "plain", params: "sslMode=DISABLED", plain: true},
		{name: "nothing said", host: "localhost", user: "plain"},
		{name: "preferred", host: "localhost", user: "plain", params: "sslMode=PREFERRED"},
		{name: "required", host: "127.0.0.1", user: "secure", params: "sslMode=REQUIRED"},
		{name: "useSSL in capitals", host: "localhost", user: "secure", params: "useSSL=TRUE"},
		{name: "useSSL, not verified", host: "localhost", user: "secure",
			params: "useSSL=true&requireSSL=true&verifyServerCertificate=false"},
		{name: "verify-ca with another name", host: "127.0.0.1", user: "plain",
			params: "sslMode=VERIFY_CA&requireSSL=true&serverSslCert=" + q(s.ca)},
		{name: "verify identity", host: "localhost", user: "plain",
			params: "sslMode=verify_identity&trustCertificateKeyStoreUrl=" + q("file://"+s.ca)},
		{name: "authority as it stands", host: "localhost", user: "plain",
			params: "sslMode=verify-full&serverSslCert=" + q(string(pem))},
		{name: "client certificate", host: "localhost", user: "card", params: client + q(s.key)},
		{name: "client certificate, locked key", host: "localhost", user: "card",
			params: client + q(s.locked) + "&sslpassword=opensesame"},
		{name: "another name", host: "127.0.0.1", user: "plain",
			params: "sslMode=VERIFY_IDENTITY&serverSslCert=" + q(s.ca), refused: "not for that name"},
		{name: "another authority", host: "localhost", user: "plain",
			params: "sslMode=verify-ca&serverSslCert=" + q(s.other), refused: "not trusted here"},
		{name: "authorities of the system", host: "localhost", user: "plain", params: "sslMode=verify-ca",
			refused: "not trusted here"},
		{name: "no client certificate", host: "localhost", user: "card", params: "sslMode=REQUIRED",
			refused: "sslcert and sslkey"},
		{name: "plain where the server insists", host: "localhost", user: "secure", params: "sslMode=DISABLED",
			refused: "ask for TLS"},
	})
	playTLS(t, dbtest.MariaDB, "jdbc:mariadb", s.port, []tlsCase{
		{name: "nothing said to MariaDB", host: "localhost", user: "plain", plain: true},
		{name: "trust", host: "127.0.0.1", user: "secure", params: "sslMode=trust"},
		{name: "verify-full of MariaDB", host: "localhost", user: "plain", params: "useSsl=true&serverSslCert=" + s.ca},
	})
}

// A server whose TLS is too old for this node is said to be that, and is used without where TLS is only preferred.
func TestTLS_NothingInCommon(t *testing.T) {
	ca := dbtest.NewAuthority(t, "authority")
	cert, key := ca.Sign("localhost")
	s := dbtest.StartServer(t, dbtest.MariaDB, dbtest.ServerOptions{
		Files: map[string][]byte{"ca.pem": ca.PEM, "server.pem": cert, "server.key": key},
		Args: []string{"--ssl-ca=ca.pem", "--ssl-cert=server.pem", "--ssl-key=server.key", "--tls-version=TLSv1.2",
			"--ssl-cipher=ECDHE-ECDSA-CAMELLIA256-SHA384:ECDHE-ECDSA-AES256-CCM"}})
	s.Exec("CREATE DATABASE app", "CREATE USER plain@'%' IDENTIFIED BY 'pw'", "GRANT ALL ON app.* TO plain@'%'")
	playTLS(t, dbtest.MariaDB, "jdbc:mysql", s.Port, []tlsCase{
		{name: "nothing said", host: "localhost", user: "plain", plain: true},
		{name: "preferred", host: "localhost", user: "plain", params: "sslMode=PREFERRED", plain: true},
		{name: "required", host: "localhost", user: "plain", params: "sslMode=REQUIRED", refused: "no way of TLS in common"},
	})
}

// A server without TLS gets no connection from an address that asks for it.
func TestTLS_ServerWithout(t *testing.T) {
	for _, e := range []dbtest.Engine{dbtest.Postgres, dbtest.MariaDB} {
		t.Run(string(e), func(t *testing.T) {
			o := dbtest.ServerOptions{HBA: "host all all 127.0.0.1/32 trust\n"}
			if e == dbtest.MariaDB {
				o.Args = []string{"--skip-ssl"}
			}
			s := dbtest.StartServer(t, e, o)
			scheme, no := "jdbc:postgresql", "speaks no TLS"
			params := []string{"sslmode=require", "ssl=true", "sslmode=verify-ca"}
			if e == dbtest.MariaDB {
				scheme, params = "jdbc:mysql", []string{"sslMode=REQUIRED", "useSSL=true", "requireSSL=true",
					"verifyServerCertificate=true"}
			}
			s.Exec("CREATE DATABASE app")
			var cases []tlsCase
			for _, p := range params {
				cases = append(cases, tlsCase{name: p, host: "localhost", user: "stoa", params: p, refused: no})
			}
			playTLS(t, e, scheme, s.Port, cases)
			p, err := db.OpenPlain(t.Context(), db.Options{URL: fmt.Sprintf("%s://localhost:%d/app", scheme, s.Port),
				User: "stoa", Password: "stoa"})
			if err != nil {
				t.Fatalf("an address that only prefers TLS: %v", err)
			}
			defer p.Close()
			if e == dbtest.Postgres && encrypted(t, e, p) {
				t.Error("a server without TLS encrypts")
			}
		})
	}
}
