package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"mime/multipart"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/config"
	"github.com/stoa-portal/stoa/db/dbtest"
	"github.com/stoa-portal/stoa/document"
	"github.com/stoa-portal/stoa/filestore"
	"github.com/stoa-portal/stoa/filestore/bucket/buckettest"
	"github.com/stoa-portal/stoa/server"
	"github.com/stoa-portal/stoa/server/servertest"
)

// inClouds plays a story with the properties of a node whose files lie in a cloud.
func inClouds(t *testing.T, fn func(t *testing.T, properties map[string]string, prefix string)) {
	t.Helper()
	t.Run("gcs", func(t *testing.T) {
		address, bucket := buckettest.GCS(t)
		fn(t, map[string]string{"dl.store.impl": config.StoreGCS, "dl.store.gcs.bucket.name": bucket,
			"dl.store.gcs.endpoint": address, "dl.store.gcs.prefix": filestore.NewKey()}, "dl.store.gcs.prefix")
	})
	t.Run("azure", func(t *testing.T) {
		connection, container := buckettest.Azure(t)
		fn(t, map[string]string{"dl.store.impl": config.StoreAzure, "dl.store.azure.container.name": container,
			"dl.store.azure.connection.string": connection, "dl.store.azure.prefix": filestore.NewKey()},
			"dl.store.azure.prefix")
	})
}

func TestStores_NodesAndBackupsOfACloudHaveTheSameFiles(t *testing.T) {
	inClouds(t, func(t *testing.T, flags map[string]string, prefix string) {
		dir := t.TempDir()
		folder := filepath.Join(dir, "none")
		flags["dl.store.file.system.root.dir"] = folder
		g := servertest.NewGroup(t, dbtest.SQLite)
		g.Stores = stores()
		one, two := g.Join(flags), g.Join(flags)
		for _, n := range []*servertest.Node{one, two} {
			if a := n.Get(t, "/readyz"); a.Status != http.StatusOK {
				t.Fatalf("ready: %d %s", a.Status, a.Body)
			}
		}
		one.SignIn(t)
		body := strings.Repeat("High water at noon.\n", 400_000) // in parts
		address := upload(t, one, "tides.txt", body)
		two.Poll(t)
		if a := two.Guest(t).Get(t, address); a.Status != http.StatusOK || a.Body != body {
			t.Errorf("on the other node: %d, %d bytes", a.Status, len(a.Body))
		}
		a := two.Guest(t).Get(t, address, "Range", "bytes=7000000-7000019")
		if a.Status != http.StatusPartialContent || a.Body != body[7000000:7000020] {
			t.Errorf("a part of the file: %d %q", a.Status, a.Body)
		}
		if _, err := os.Stat(folder); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("%s is there: %v", folder, err)
		}

		if _, _, err := server.BackupToDir(t.Context(), filepath.Join(dir, "b"), nil, func(w io.Writer) error {
			_, err := server.ControlStream(context.Background(), two.Home, "backup/stream", server.ControlRequest{}, w)
			return err
		}); err != nil {
			t.Fatal(err)
		}
		restored := map[string]string{"jdbc.default.url": dbtest.URL(t, dbtest.SQLite), "shutdown.drain.delay": "0s",
			"portal.instance.inet.socket.address": "127.0.0.1:0"}
		for k, v := range flags {
			restored[k] = v
		}
		restored[prefix] = filestore.NewKey()
		c, err := config.Load(config.Options{Home: filepath.Join(dir, "home"), WorkDir: dir, Flags: restored})
		if err != nil {
			t.Fatal(err)
		}
		if _, _, err := server.Restore(t.Context(), c, stores(), filepath.Join(dir, "b"), "", "",
			slog.New(slog.DiscardHandler), nil); err != nil {
			t.Fatal(err)
		}
		copied := servertest.NewGroup(t, dbtest.SQLite)
		copied.Stores = stores()
		if a := copied.Join(restored).Guest(t).Get(t, address); a.Status != http.StatusOK || a.Body != body {
			t.Errorf("after the restore: %d, %d bytes", a.Status, len(a.Body))
		}

		f, err := one.Files.List(servertest.System(), one.Site(t), document.Filter{})
		if err != nil || len(f) != 1 {
			t.Fatalf("%d files, %v", len(f), err)
		}
		if err := one.Files.Delete(servertest.System(), f[0].ID); err != nil {
			t.Fatal(err)
		}
		for _, n := range []*servertest.Node{one, two} {
			n.Poll(t)
			if a := n.Guest(t).Get(t, address); a.Status != http.StatusNotFound {
				t.Errorf("deleted, on %s: %d", n.URL, a.Status)
			}
		}
	})
}

// upload sends a file as a browser does.
func upload(t *testing.T, n *servertest.Node, name, body string) (address string) {
	t.Helper()
	var b bytes.Buffer
	form := multipart.NewWriter(&b)
	part, err := form.CreateFormFile("file", name)
	if err == nil {
		_, err = io.WriteString(part, body)
	}
	if err = errors.Join(err, form.Close()); err != nil {
		t.Fatal(err)
	}
	a := servertest.Do(t, n.Client, http.MethodPost, n.URL+"/control/files/upload?site="+n.Site(t).ID.String(), &b,
		"Content-Type", form.FormDataContentType(), "Accept", "application/json")
	var got struct{ URL string }
	if err := json.Unmarshal([]byte(a.Body), &got); a.Status != http.StatusOK || err != nil || got.URL == "" {
		t.Fatalf("upload: %d %s, %v", a.Status, a.Body, err)
	}
	return got.URL
}

// A setting that is wrong, or not enough, is no panic later but said at once.
func TestStores_WrongSettingsAreSaid(t *testing.T) {
	t.Setenv("AZURE_STORAGE_CONNECTION_STRING", "")
	t.Setenv("AZURE_STORAGE_ACCOUNT", "")
	for name, c := range map[string]struct {
		files config.FileStore
		says  string
	}{
		config.StoreGCS:   {config.FileStore{GCS: config.GCS{Bucket: "b", Key: "no JSON"}}, "service account"},
		config.StoreAzure: {config.FileStore{Azure: config.Azure{Container: "c"}}, "dl.store.azure.account.name"},
	} {
		d, err := stores()[name](&config.Config{Files: config.Files{FileStore: c.files}}, slog.New(slog.DiscardHandler))
		if d != nil || !stoa.Is(err, stoa.KindInvalid) || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v, %v", name, d, err)
		}
	}
}
