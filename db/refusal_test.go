package db_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/db"
	"github.com/stoa-portal/stoa/db/dbtest"
)

// lines keeps what was logged.
type lines struct {
	mu  sync.Mutex
	all strings.Builder
}

func (l *lines) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.all.Write(b)
}

func (l *lines) count(part string) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Count(l.all.String(), part)
}

// A password changed at the server is used from the next connection on, and meanwhile the log says what is wrong.
func TestPassword_RotatedWithoutRestart(t *testing.T) {
	t.Parallel()
	for _, e := range []dbtest.Engine{dbtest.Postgres, dbtest.MariaDB} {
		t.Run(string(e), func(t *testing.T) {
			s := dbtest.StartServer(t, e, dbtest.ServerOptions{HBA: "host all all 127.0.0.1/32 scram-sha-256\n"})
			alter := "ALTER USER app@'%' IDENTIFIED BY 'new'"
			url := fmt.Sprintf("jdbc:mariadb://%s/app", s.Addr())
			s.Exec("CREATE DATABASE app")
			if e == dbtest.Postgres {
				alter, url = "ALTER ROLE app PASSWORD 'new'", fmt.Sprintf("jdbc:postgresql://%s/app", s.Addr())
				s.Exec("CREATE ROLE app LOGIN PASSWORD 'old'", "ALTER DATABASE app OWNER TO app")
			} else {
				s.Exec("CREATE USER app@'%' IDENTIFIED BY 'old'", "GRANT ALL ON app.* TO app@'%'")
			}
			var password atomic.Value
			password.Store("old")
			log := &lines{}
			d, err := db.Open(t.Context(), db.Options{URL: url, User: "app", Password: "not this one",
				Lifetime: time.Nanosecond,
				PasswordFrom: func() (string, error) {
					if p := password.Load().(string); p != "" {
						return p, nil
					}
					return "", errors.New("the file is not there")
				}, Logger: slog.New(slog.NewTextHandler(log, nil))})
			if err != nil {
				t.Fatal(err)
			}
			defer d.Close()
			if err := d.Migrate(t.Context()); err != nil {
				t.Fatal(err)
			}
			s.Exec(alter)
			for range 3 {
				err = d.Check(t.Context())
				if !stoa.Is(err, stoa.KindUnavailable) || !strings.Contains(err.Error(),
					`does not accept user and password of "app"`) || strings.Contains(err.Error(), "does not answer") {
					t.Fatalf("with the old password: error %v", err)
				}
			}
			if n := log.count("no connection to the database: "); n != 1 {
				t.Errorf("the refusal was logged %d times, want once", n)
			}
			var one int
			if err := d.QueryRow(t.Context(), "SELECT 1").Scan(&one); !stoa.Is(err, stoa.KindUnavailable) ||
				strings.Contains(err.(*stoa.Error).Message, "app") {
				t.Errorf("error %v, want one that visitors may see", err)
			}
			password.Store("new")
			if err := d.Check(t.Context()); err != nil {
				t.Errorf("with the new password: %v", err)
			}
			if log.count("lets connections in again") != 1 {
				t.Errorf("that it is over was not logged once")
			}
			password.Store("")
			if err := d.Check(t.Context()); err == nil || !strings.Contains(err.Error(), "cannot be read") {
				t.Errorf("without a file: error %v", err)
			}
		})
	}
}

// What a server that answered has against a connection is said, with what would help.
func TestRefusal_IsNeverDoesNotAnswer(t *testing.T) {
	t.Parallel()
	for _, e := range []dbtest.Engine{dbtest.Postgres, dbtest.MariaDB} {
		t.Run(string(e), func(t *testing.T) {
			o := dbtest.ServerOptions{HBA: "host all app,limited 127.0.0.1/32 scram-sha-256\nhost all stoa 127.0.0.1/32 " +
				"trust\n"}
			if e == dbtest.MariaDB {
				o.Args = []string{"--max-allowed-packet=1M"}
			}
			s := dbtest.StartServer(t, e, o)
			s.Exec("CREATE DATABASE app")
			scheme := "postgres"
			cases := map[string]struct{ user, password, name, want string }{
				"wrong password":   {"app", "wrong", "app", "does not accept user and password"},
				"no such account":  {"nobody", "pw", "app", "does not accept user and password"},
				"no such database": {"app", "pw", "nowhere", "CREATE DATABASE"},
			}
			if e == dbtest.Postgres {
				s.Exec("CREATE ROLE app LOGIN PASSWORD 'pw'", "CREATE ROLE limited LOGIN PASSWORD 'pw' CONNECTION LIMIT 0",
					"REVOKE CONNECT ON DATABASE app FROM PUBLIC", "GRANT CONNECT ON DATABASE app TO limited")
				c := cases["no such account"]
				c.want = "pg_hba.conf"
				cases["no such account"] = c
				cases["may not connect"] = struct{ user, password, name, want string }{"app", "pw", "app", "GRANT CONNECT"}
				cases["no connection left"] = struct{ user, password, name, want string }{"limited", "pw", "app",
					"max_connections"}
			} else {
				scheme = "mariadb"
				s.Exec("CREATE USER app@'%' IDENTIFIED BY 'pw'", "GRANT ALL ON nowhere.* TO app@'%'",
					"CREATE USER elsewhere@'192.0.2.1' IDENTIFIED BY 'pw'",
					"CREATE USER limited@'%' IDENTIFIED BY 'pw' WITH MAX_USER_CONNECTIONS 1", "GRANT ALL ON app.* TO limited@'%'")
				cases["may not use it"] = struct{ user, password, name, want string }{"app", "pw", "app", "GRANT ALL"}
			}
			for name, c := range cases {
				_, err := db.Open(t.Context(), db.Options{URL: fmt.Sprintf("%s://%s/%s", scheme, s.Addr(), c.name),
					User: c.user, Password: c.password})
				if !stoa.Is(err, stoa.KindUnavailable) || !strings.Contains(err.Error(), c.want) ||
					strings.Contains(err.Error(), "does not answer") || strings.Contains(err.Error(), "cannot be used") {
					t.Errorf("%s: error %v, want %q", name, err, c.want)
				}
			}
			_, err := db.Open(t.Context(), db.Options{URL: scheme + "://127.0.0.1:1/app", User: "app"})
			if !stoa.Is(err, stoa.KindUnavailable) || !strings.Contains(err.Error(), "does not answer") {
				t.Errorf("no server: error %v", err)
			}
			if e != dbtest.MariaDB {
				return
			}
			d, err := db.Open(t.Context(), db.Options{URL: fmt.Sprintf("mariadb://%s/app", s.Addr()), User: "stoa",
				Password: "stoa"})
			if err != nil {
				t.Fatal(err)
			}
			defer d.Close()
			err = d.Write(t.Context(), func(ctx context.Context, tx *db.Tx) error {
				_, err := tx.Exec(ctx, "SELECT length(?)", strings.Repeat("x", 2<<20))
				return err
			})
			if !stoa.Is(err, stoa.KindTooLarge) || !strings.Contains(err.Error(), "max_allowed_packet") {
				t.Errorf("more than max_allowed_packet: error %v", err)
			}
		})
	}
}
