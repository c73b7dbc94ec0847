package main

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"stoa": main})
}

// TestScript plays the stories of testdata/script with the real command. PORT is a
// free port, SMALL an export of WordPress.
func TestScript(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/script",
		RequireExplicitExec: true,
		Setup: func(env *testscript.Env) error {
			l, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				return err
			}
			_, port, err := net.SplitHostPort(l.Addr().String())
			if err != nil {
				return errors.Join(err, l.Close())
			}
			small, err := filepath.Abs(filepath.Join("..", "..", "importer", "wordpress", "testdata", "small.xml"))
			env.Setenv("PORT", port)
			env.Setenv("SMALL", small)
			env.Setenv("HOME", env.WorkDir)
			return errors.Join(err, l.Close())
		},
		Cmds: map[string]func(ts *testscript.TestScript, neg bool, args []string){"ready": ready, "get": get, "terminate": terminate},
	})
}

// ready waits until the node on $PORT is ready to serve.
func ready(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 0 {
		ts.Fatalf("usage: ready")
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		status, body, err := ask(ctx, ts, "/readyz")
		if err == nil && status == http.StatusOK {
			return
		}
		select {
		case <-ctx.Done():
			ts.Fatalf("the node is not ready: %d %s %v", status, body, err)
		case <-tick.C:
		}
	}
}

// terminate sends SIGTERM to what runs in the background, as service managers do.
func terminate(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 0 {
		ts.Fatalf("usage: terminate")
	}
	for _, c := range ts.BackgroundCmds() {
		if err := c.Process.Signal(syscall.SIGTERM); !errors.Is(err, os.ErrProcessDone) {
			ts.Check(err)
		}
	}
}

// get asks the node on $PORT for a path and wants a status; stdout has the body.
func get(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: get STATUS PATH")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	status, body, err := ask(ctx, ts, args[1])
	ts.Check(err)
	_, err = io.WriteString(ts.Stdout(), body)
	ts.Check(err)
	if status != want {
		ts.Fatalf("%s answers %d, want %d", args[1], status, want)
	}
}

func ask(ctx context.Context, ts *testscript.TestScript, path string) (int, string, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://127.0.0.1:"+ts.Getenv("PORT")+path, nil)
	if err != nil {
		return 0, "", err
	}
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	res, err := client.Do(req)
	if err != nil {
		return 0, "", err
	}
	defer res.Body.Close()
	raw, err := io.ReadAll(io.LimitReader(res.Body, 1<<20))
	return res.StatusCode, string(raw), err
}

func TestRun_UnknownCommandExitsWithOne(t *testing.T) {
	old := os.Stderr
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	os.Stderr = w
	code := run([]string{"no-such-command"})
	os.Stderr = old
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	said, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	if code != 1 || !strings.HasPrefix(string(said), "stoa: ") || !strings.Contains(string(said), "no-such-command") {
		t.Errorf("exit %d, %q", code, said)
	}
}

func TestRun_DBCheckTellsByItsExitCode(t *testing.T) {
	if code := run([]string{"db", "check", "--home", filepath.Join(t.TempDir(), "none")}); code != 2 {
		t.Errorf("no database to look at: exit code %d", code)
	}
	if code := run([]string{"db", "check", "--url", "mariadb://stoa@127.0.0.1:1/stoa"}); code != 2 {
		t.Errorf("no server there: exit code %d", code)
	}
	server := os.Getenv("STOA_TEST_MARIADB")
	if server == "" {
		t.Skip("SKIPPED: no MariaDB server: set STOA_TEST_MARIADB, or run make test")
	}
	if code := run([]string{"db", "check", "--url", server}); code != 1 { // the address names no database
		t.Errorf("something is wrong: exit code %d", code)
	}
}
