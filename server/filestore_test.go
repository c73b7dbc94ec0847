package server_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"mime/multipart"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stoa-portal/stoa/document"
	"github.com/stoa-portal/stoa/filestore"
	"github.com/stoa-portal/stoa/server/labtest/stall"
	"github.com/stoa-portal/stoa/server/servertest"
)

const rootProperty = "dl.store.file.system.root.dir"

// upload sends a file as a browser does; the address is empty when it was not acknowledged.
func upload(t *testing.T, n *servertest.Node, name, body string) (address string, a servertest.Answer) {
	t.Helper()
	var b bytes.Buffer
	form := multipart.NewWriter(&b)
	part, err := form.CreateFormFile("file", name)
	if err == nil {
		_, err = part.Write([]byte(body))
	}
	if err = errors.Join(err, form.Close()); err != nil {
		t.Fatal(err)
	}
	a = servertest.Do(t, n.Client, http.MethodPost, n.URL+"/control/files/upload?site="+n.Site(t).ID.String(), &b,
		"Content-Type", form.FormDataContentType(), "Accept", "application/json")
	var got struct{ URL string }
	if a.Status == http.StatusOK {
		if err := json.Unmarshal([]byte(a.Body), &got); err != nil || got.URL == "" {
			t.Fatalf("upload: %s, %v", a.Body, err)
		}
	}
	return got.URL, a
}

func mustUpload(t *testing.T, n *servertest.Node, name, body string) string {
	t.Helper()
	address, a := upload(t, n, name, body)
	if address == "" {
		t.Fatalf("upload on %s: %d %s", n.URL, a.Status, a.Body)
	}
	return address
}

// mustRefuse checks that a node takes no file, and says so as it should.
func mustRefuse(t *testing.T, n *servertest.Node) {
	t.Helper()
	_, a := upload(t, n, "refused.txt", strings.Repeat("x", 2<<20))
	retry := a.Header.Get("Retry-After")
	if a.Status != http.StatusServiceUnavailable || retry == "" || !strings.Contains(a.Body, "ile store") {
		t.Errorf("upload: %d, Retry-After %q, %s; want 503 with both", a.Status, retry, a.Body)
	}
}

// mustFind checks that a file which was acknowledged is there.
func mustFind(t *testing.T, n *servertest.Node, address, body string) {
	t.Helper()
	n.Poll(t)
	if a := n.Guest(t).Get(t, address); a.Status != http.StatusOK || a.Body != body {
		t.Errorf("%s on %s: %d, %.80q; it was acknowledged", address, n.URL, a.Status, a.Body)
	}
}

// notReady waits until readiness and status say that the store cannot be used, and for how long they did not.
func notReady(t *testing.T, n *servertest.Node, since time.Time, parts ...string) {
	t.Helper()
	watch := stall.Start()
	defer watch.Stop()
	var ready servertest.Answer
	says := func(text string) bool {
		for _, p := range append(parts, "file store") {
			if !strings.Contains(text, p) {
				return false
			}
		}
		return true
	}
	eventually(t, "the node is not ready", func() bool {
		ready = n.Get(t, "/readyz")
		return ready.Status == http.StatusServiceUnavailable && says(ready.Body)
	})
	eventually(t, "the status says so", func() bool {
		st, err := n.Cluster(servertest.System())
		if err != nil {
			t.Fatal(err)
		}
		for _, w := range st.Wrong {
			if says(w.Text+" "+w.Mend) && strings.Contains(w.Text, "not ready") {
				return true
			}
		}
		return false
	})
	took := watch.Since(since)
	t.Logf("known after %s: %s", took.Round(10*time.Millisecond), ready.Body)
	if took > 10*time.Second { // five on a machine that does nothing else
		t.Errorf("that was known after %s only", took)
	}
}

func readyAgain(t *testing.T, n *servertest.Node) {
	t.Helper()
	eventually(t, "the node is ready again", func() bool { return n.Get(t, "/readyz").Status == http.StatusOK })
	eventually(t, "the status says that nothing is wrong with files", func() bool {
		st, err := n.Cluster(servertest.System())
		return err == nil && !strings.Contains(fmt.Sprint(st.Wrong), "file store")
	})
}

// store makes a store in a directory.
func store(t *testing.T, root, identity string) {
	t.Helper()
	d, err := filestore.OpenDir(root, filestore.DirOptions{NoSync: true})
	if err == nil {
		_, err = d.Make(context.Background(), identity)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// place is where a node finds its store: a link that can be turned, as a mount can.
type place struct {
	t    *testing.T
	path string
}

func newPlace(t *testing.T, to string) place {
	p := place{t, filepath.Join(t.TempDir(), "files")}
	p.turn(to)
	return p
}

func (p place) turn(to string) {
	p.t.Helper()
	next := p.path + ".next"
	if err := errors.Join(os.Symlink(to, next), os.Rename(next, p.path)); err != nil {
		p.t.Fatal(err)
	}
}

func empty(t *testing.T, dir string) {
	t.Helper()
	left, err := os.ReadDir(dir)
	if err != nil || len(left) != 0 {
		t.Errorf("%s holds %v, %v; nothing was to be made there", dir, left, err)
	}
}

// Two nodes; the store of one is swapped while files are sent through both.
func TestFileStore_SwappedUnderOneNode(t *testing.T) {
	t.Parallel()
	g := servertest.NewGroup(t, "sqlite")
	right, other, nothing := filepath.Join(t.TempDir(), "right"), filepath.Join(t.TempDir(), "other"), t.TempDir()
	a := g.Join(map[string]string{rootProperty: right})
	at := newPlace(t, right)
	b := g.Join(map[string]string{rootProperty: at.path})
	store(t, other, "another")
	a.SignIn(t)
	b.SignIn(t)
	first := mustUpload(t, b, "first.txt", "first")
	mustFind(t, a, first, "first")

	for _, wrong := range []struct{ what, to string }{
		{"swapped", other}, {"unmounted", nothing}, {"gone", filepath.Join(nothing, "gone")},
	} {
		var (
			mu           sync.Mutex
			acknowledged = map[string]string{}
			wg           sync.WaitGroup
			stop         = make(chan struct{})
		)
		for w := range 3 { // while it happens, and before any node has looked
			wg.Go(func() {
				for i := 0; ; i++ {
					select {
					case <-stop:
						return
					default:
					}
					body := fmt.Sprint(wrong.what, " ", w, " ", i)
					if address, _ := upload(t, b, "during.txt", body); address != "" {
						mu.Lock()
						acknowledged[address] = body
						mu.Unlock()
					}
				}
			})
		}
		eventually(t, "files were taken", func() bool { mu.Lock(); defer mu.Unlock(); return len(acknowledged) > 5 })
		since := time.Now()
		at.turn(wrong.to)
		notReady(t, b, since, at.path, rootProperty)
		close(stop)
		wg.Wait()
		t.Logf("%s: %d files acknowledged", wrong.what, len(acknowledged))
		mustRefuse(t, b)
		got := b.Guest(t).Get(t, first)
		if retry := got.Header.Get("Retry-After"); got.Status != http.StatusServiceUnavailable || retry == "" {
			t.Errorf("%s: a file that cannot be reached: %d, Retry-After %q; want 503", wrong.what, got.Status, retry)
		}
		mustSee(t, b.Guest(t).Get(t, "/"), http.StatusOK)
		mustSee(t, a.Get(t, "/readyz"), http.StatusOK)
		mustFind(t, a, mustUpload(t, a, "meanwhile.txt", "meanwhile"), "meanwhile")
		for address, body := range acknowledged {
			mustFind(t, a, address, body)
		}
		at.turn(right)
		readyAgain(t, b)
		for address, body := range acknowledged {
			mustFind(t, b, address, body)
		}
		mustFind(t, a, mustUpload(t, b, "after.txt", "after"), "after")
	}
	empty(t, nothing)
	if _, err := os.Stat(filepath.Join(nothing, "gone")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a directory that was gone was made: %v", err)
	}
}

// A node that starts before its store is mounted waits for it and makes nothing in the mount point.
func TestFileStore_StartBeforeTheMount(t *testing.T) {
	t.Parallel()
	g := servertest.NewGroup(t, "sqlite")
	right, nothing := filepath.Join(t.TempDir(), "right"), t.TempDir()
	a := g.Join(map[string]string{rootProperty: right})
	a.SignIn(t)
	address := mustUpload(t, a, "here.txt", "here")
	at := newPlace(t, nothing)
	b := g.Join(map[string]string{rootProperty: at.path})
	b.SignIn(t)
	notReady(t, b, time.Now(), at.path, rootProperty, "not mounted")
	mustRefuse(t, b)
	empty(t, nothing)
	at.turn(right)
	readyAgain(t, b)
	mustFind(t, b, address, "here")
	mustFind(t, a, mustUpload(t, b, "there.txt", "there"), "there")
	empty(t, nothing)
}

// A store that carries an identity is taken as it is by the first node of an empty database, and stays the cluster's.
func TestFileStore_FirstNodeTakesTheOneThatIsThere(t *testing.T) {
	t.Parallel()
	g := servertest.NewGroup(t, "sqlite")
	root := filepath.Join(t.TempDir(), "files")
	store(t, root, "brought-along")
	a := g.Join(map[string]string{rootProperty: root})
	mustSee(t, a.Get(t, "/readyz"), http.StatusOK)
	b := g.Join(map[string]string{rootProperty: root})
	mustSee(t, b.Get(t, "/readyz"), http.StatusOK)
	raw, err := os.ReadFile(filepath.Join(root, "identity"))
	if err != nil || strings.TrimSpace(string(raw)) != "brought-along" {
		t.Errorf("the identity is %q, %v", raw, err)
	}
}

// Files that come and go, and the node's own looks at the store, do not break a backup.
func TestBackup_WhileFilesComeAndGo(t *testing.T) {
	t.Parallel()
	n := servertest.Start(t, 1)[0]
	st := n.Site(t)
	ctx := servertest.System()
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for range 50 { // their bytes stay, so that more would only make the copies longer
				f, err := n.Files.Upload(ctx, st, document.Upload{Name: "a.txt", Body: strings.NewReader("bytes")})
				if err == nil {
					err = n.Files.Delete(ctx, f.ID)
				}
				if err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	for i := range 3 {
		if _, err := n.Backup(servertest.System(), io.Discard); err != nil {
			t.Errorf("backup %d: %v", i, err)
		}
	}
	wg.Wait()
}
