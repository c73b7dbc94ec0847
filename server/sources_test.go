package server_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/config"
	"github.com/stoa-portal/stoa/db/dbtest"
	"github.com/stoa-portal/stoa/server"
	"github.com/stoa-portal/stoa/server/servertest"
)

// record keeps the messages of a log.
type record struct {
	slog.Handler
	mu   sync.Mutex
	said []string
}

func (r *record) Handle(_ context.Context, l slog.Record) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.said = append(r.said, l.Message)
	return nil
}

func (r *record) Enabled(context.Context, slog.Level) bool { return true }

func (r *record) WithAttrs([]slog.Attr) slog.Handler { return r }

func (r *record) count(part string) (n int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, s := range r.said {
		if strings.Contains(s, part) {
			n++
		}
	}
	return n
}

// A node that starts before its database waits for it, says each thing that is wrong once, and runs when all is right.
func TestStart_BearsADatabaseThatIsNotReady(t *testing.T) {
	t.Parallel()
	s := dbtest.StartServer(t, dbtest.Postgres, dbtest.ServerOptions{HBA: "host all app 127.0.0.1/32 scram-sha-256\n"})
	file := filepath.Join(t.TempDir(), "password")
	write := func(text string) {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("wrong\n")
	s.Exec("CREATE ROLE app LOGIN PASSWORD 'right'")
	g := servertest.NewGroup(t, dbtest.SQLite)
	c := g.Config(map[string]string{"jdbc.default.url": fmt.Sprintf("jdbc:postgresql://%s/app?sslmod=require",
		s.Addr()), "jdbc.default.username": "app",
		"jdbc.default.password": "file:" + file, "retry.jdbc.on.startup.max.retries": "1000",
		"retry.jdbc.on.startup.delay": "0"})
	log := &record{Handler: slog.DiscardHandler}
	started := make(chan error, 1)
	var node *server.Server
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	go func() {
		var err error
		node, err = server.New(ctx, server.Options{Config: c, Logger: slog.New(log), NoSync: true})
		started <- err
	}()
	said := func(part string) {
		dbtest.Await(t, 30*time.Second, func() error {
			if log.count(part) == 0 {
				return errors.New("not said: " + part)
			}
			return nil
		})
	}
	said("does not accept user and password")
	write("right\n")
	said("has no database")
	s.Exec("CREATE DATABASE app OWNER app")
	if err := <-started; err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := node.Stop(context.Background()); err != nil {
			t.Error(err)
		}
	}()
	if err := node.DB.Check(t.Context()); err != nil {
		t.Error(err)
	}
	if log.count("the database can be used") != 1 {
		t.Error("that it goes on was not said")
	}
}

// What stoa config accepts, a start accepts, and the other way round.
func TestSources_OneReader(t *testing.T) {
	t.Parallel()
	for url, want := range map[string]string{
		"jdbc:postgresql:lportal":                          "",
		"jdbc:mysql:loadbalance://a,b/x":                   "",
		"jdbc:mariadb:sequential://a/x":                    "",
		"jdbc:mysql://address=(host=a)(port=3307)/x":       "",
		"jdbc:postgresql://a/x?sslmode=perhaps":            "verify-full",
		"jdbc:mysql://a/x?trustStore=/no/such/keystore":    "/no/such/keystore",
		"jdbc:postgresql://a/x?targetServerType=secondary": "jdbc.read.url",
	} {
		for _, property := range []string{"jdbc.default.url", "jdbc.write.url"} {
			c, err := config.Load(config.Options{Home: t.TempDir(), WorkDir: t.TempDir(),
				Flags: map[string]string{property: url}})
			if err != nil {
				t.Fatalf("%s: %v", url, err)
			}
			_, err = server.CheckSources(c)
			if want == "" && err == nil {
				continue
			}
			if !stoa.Is(err, stoa.KindInvalid) || !strings.Contains(err.Error(), want) || !strings.HasPrefix(err.Error(),
				property) || want == "" {
				t.Errorf("%s=%s: error %v, want %q", property, url, err, want)
			}
			if _, err := server.New(t.Context(), server.Options{Config: c}); !stoa.Is(err, stoa.KindInvalid) {
				t.Errorf("%s=%s: a start says %v", property, url, err)
			}
		}
	}
	c, err := config.Load(config.Options{Home: t.TempDir(), WorkDir: t.TempDir(),
		Flags: map[string]string{"jdbc.read.url": "jdbc:postgresql://a,b/x?targetServerType=secondary&loadBalancing=true"}})
	if err != nil {
		t.Fatal(err)
	}
	if w, err := server.CheckSources(c); err != nil || len(w) != 1 || !strings.HasPrefix(w[0], "jdbc.read.url: ") {
		t.Errorf("warnings %q, error %v", w, err)
	}
}
