package server_test

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stoa-portal/stoa/config"
	"github.com/stoa-portal/stoa/db/dbtest"
	"github.com/stoa-portal/stoa/document"
	"github.com/stoa-portal/stoa/server"
	"github.com/stoa-portal/stoa/server/servertest"
)

// inDatabase are the properties of a node whose files lie in the database; it has a folder of its own all the same.
func inDatabase(folder string) map[string]string {
	return map[string]string{"dl.store.impl": config.StoreDatabase, rootProperty: folder}
}

// nothingIn checks that no file store was made in the folder.
func nothingIn(t *testing.T, folder string) {
	t.Helper()
	if entries, err := os.ReadDir(folder); !os.IsNotExist(err) {
		t.Errorf("%s has %d entries, %v, and the files are in the database", folder, len(entries), err)
	}
}

func TestDatabaseStore_NodesAndBackupsHaveTheSameFiles(t *testing.T) {
	for _, e := range dbtest.Engines() {
		t.Run(string(e), func(t *testing.T) {
			g, dir := servertest.NewGroup(t, e), t.TempDir()
			folders := []string{filepath.Join(dir, "one"), filepath.Join(dir, "two")}
			one, two := g.Join(inDatabase(folders[0])), g.Join(inDatabase(folders[1]))
			mustSee(t, one.Get(t, "/readyz"), http.StatusOK)
			mustSee(t, two.Get(t, "/readyz"), http.StatusOK)
			one.SignIn(t)
			body := strings.Repeat("High water at noon.\n", 40_000) // four chunks
			address := mustUpload(t, one, "tides.txt", body)
			mustFind(t, two, address, body)
			a := two.Guest(t).Get(t, address, "Range", "bytes=300000-300019")
			if a.Status != http.StatusPartialContent || a.Body != body[300000:300020] {
				t.Errorf("a part of the file: %d %q", a.Status, a.Body)
			}
			for _, f := range folders {
				nothingIn(t, f)
			}

			var out bytes.Buffer
			if _, _, err := server.CheckedBackup(t.Context(), &out, nil, func(w io.Writer) error {
				_, err := server.ControlStream(context.Background(), two.Home, "backup/stream", server.ControlRequest{}, w)
				return err
			}); err != nil {
				t.Fatal(err)
			}
			if _, _, err := server.BackupToDir(t.Context(), filepath.Join(dir, "b"), nil, func(w io.Writer) error {
				_, err := w.Write(out.Bytes())
				return err
			}); err != nil {
				t.Fatal(err)
			}
			flags := inDatabase(filepath.Join(dir, "three"))
			flags["jdbc.default.url"] = dbtest.URL(t, e)
			flags["portal.instance.inet.socket.address"], flags["shutdown.drain.delay"] = "127.0.0.1:0", "0s"
			c, err := config.Load(config.Options{Home: filepath.Join(dir, "home"), WorkDir: dir, Flags: flags})
			if err != nil {
				t.Fatal(err)
			}
			if _, _, err := server.Restore(t.Context(), c, nil, filepath.Join(dir, "b"), "", "", slog.New(slog.DiscardHandler),
				nil); err != nil {
				t.Fatal(err)
			}
			there := servertest.NewGroup(t, e).Join(flags)
			mustSee(t, there.Get(t, "/readyz"), http.StatusOK)
			if a := there.Guest(t).Get(t, address); a.Status != http.StatusOK || a.Body != body {
				t.Errorf("after the restore: %d, %d bytes", a.Status, len(a.Body))
			}
			nothingIn(t, filepath.Join(dir, "three"))
		})
	}
}

func TestDatabaseStore_CopiesWithTheDatabase(t *testing.T) {
	g := servertest.NewGroup(t, dbtest.Postgres)
	flags := inDatabase(filepath.Join(t.TempDir(), "none"))
	n := g.Join(flags)
	f, err := n.Files.Upload(servertest.System(), n.Site(t), document.Upload{Name: "tides.txt", Type: "text/plain",
		Body: strings.NewReader(strings.Repeat("x", 600_000))})
	if err != nil {
		t.Fatal(err)
	}
	to := dbtest.URL(t, dbtest.MariaDB)
	if _, err := server.CopyDatabase(t.Context(), g.Config(flags), server.CopyOrder{To: to},
		slog.New(slog.DiscardHandler)); err != nil {
		t.Fatal(err)
	}
	// Giving up a copy that there is none of takes no files from the portal that is named.
	if _, err := server.CopyDatabase(t.Context(), g.Config(flags), server.CopyOrder{To: to, Abort: true},
		slog.New(slog.DiscardHandler)); err == nil {
		t.Error("giving up a copy that has ended")
	}
	n.Left = true
	flags["jdbc.default.url"] = to
	there := g.Join(flags)
	mustSee(t, there.Get(t, "/readyz"), http.StatusOK)
	a := there.Guest(t).Get(t, document.URL(there.Site(t).Slug, f))
	if a.Status != http.StatusOK || len(a.Body) != 600_000 {
		t.Errorf("the file after the copy: %d, %d bytes", a.Status, len(a.Body))
	}
}

// A version before took the folder whatever dl.store.impl said.
func TestDatabaseStore_AHomeWhoseFilesLieInTheFolderGoesOnThere(t *testing.T) {
	t.Parallel()
	g, dir := servertest.NewGroup(t, dbtest.SQLite), t.TempDir()
	folder := filepath.Join(dir, "files")
	before := g.Join(map[string]string{rootProperty: folder})
	before.SignIn(t)
	address := mustUpload(t, before, "tides.txt", "High water at noon.")

	after := g.Join(inDatabase(folder))
	mustSee(t, after.Get(t, "/readyz"), http.StatusOK)
	mustFind(t, after, address, "High water at noon.")
	after.SignIn(t)
	mustFind(t, before, mustUpload(t, after, "more.txt", "more"), "more")
	st, err := after.Cluster(servertest.System())
	if err != nil {
		t.Fatal(err)
	}
	said := false
	for _, f := range st.Wrong {
		said = said || f.Code == "filestore.settings" && strings.Contains(f.Mend, "dl.store.impl")
	}
	if !said {
		t.Errorf("the status does not say that the settings name another store: %+v", st.Wrong)
	}

	elsewhere := filepath.Join(dir, "elsewhere")
	apart := g.Join(inDatabase(elsewhere))
	mustSee(t, apart.Get(t, "/readyz"), http.StatusServiceUnavailable, "file store")
	nothingIn(t, elsewhere)
	if err := os.Symlink(folder, elsewhere); err != nil { // it is mounted at last
		t.Fatal(err)
	}
	wait(t, func() bool { return apart.Get(t, "/readyz").Status == http.StatusOK })
	mustFind(t, apart, address, "High water at noon.")
}
