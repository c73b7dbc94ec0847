package server_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/cluster"
	"github.com/stoa-portal/stoa/config"
	"github.com/stoa-portal/stoa/db"
	"github.com/stoa-portal/stoa/db/dbtest"
	"github.com/stoa-portal/stoa/document"
	"github.com/stoa-portal/stoa/filestore/filestoretest"
	"github.com/stoa-portal/stoa/server"
	"github.com/stoa-portal/stoa/server/servertest"
	"github.com/stoa-portal/stoa/site"
)

// movingTo adds to the properties of a node those of the store to which its files are to be moved.
func movingTo(own, target map[string]string) map[string]string {
	out := map[string]string{}
	for k, v := range own {
		out[k] = v
	}
	for k, v := range target {
		if k == rootProperty && target["dl.store.impl"] != "" {
			continue
		}
		out[strings.Replace(k, "dl.store.", "dl.store.move.", 1)] = v
	}
	if target["dl.store.impl"] == "" {
		out["dl.store.move.impl"] = config.StoreFileSystem
	}
	return out
}

func inFolder(folder string) map[string]string { return map[string]string{rootProperty: folder} }

// move gives an order as stoa files move does.
func move(t *testing.T, n *servertest.Node, order string) (string, error) {
	t.Helper()
	text, running, err := server.Control(t.Context(), n.Home, "files/move", server.ControlRequest{Order: order})
	if !running {
		t.Fatalf("no node runs on %s: %v", n.Home, err)
	}
	return text, err
}

func mustMove(t *testing.T, n *servertest.Node, order string) {
	t.Helper()
	text, err := move(t, n, order)
	if err != nil {
		t.Fatalf("stoa files move, %q: %v", order, err)
	}
	t.Log(text)
}

// inPhase waits until the move is in a step.
func inPhase(t *testing.T, n *servertest.Node, want string) {
	t.Helper()
	var phase, trouble string
	defer func() {
		if t.Failed() {
			t.Logf("the move is in the step %s, not %s; it waits for %q", phase, want, trouble)
		}
	}()
	eventually(t, "the move to come to the step "+want, func() bool {
		var err error
		if phase, trouble, err = n.MovePhase(t.Context()); err != nil {
			t.Fatal(err)
		}
		return phase == want
	})
}

// kept are files that were acknowledged.
type kept struct {
	mu    sync.Mutex
	files map[string]string // body by address
	wrong []error
}

func (k *kept) upload(n *servertest.Node, st site.Site, name, body string) error {
	f, err := n.Files.Upload(servertest.System(), st, document.Upload{Name: name, Type: "text/plain",
		Body: strings.NewReader(body)})
	k.mu.Lock()
	defer k.mu.Unlock()
	switch {
	case err == nil:
		k.files[document.URL(st.Slug, f)] = body
	case !stoa.Is(err, stoa.KindUnavailable): // 503, and the sender tries again
		k.wrong = append(k.wrong, err)
	}
	return err
}

// all checks that every file which was acknowledged is there.
func (k *kept) all(t *testing.T, nodes ...*servertest.Node) {
	t.Helper()
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, err := range k.wrong {
		t.Errorf("upload: %v", err)
	}
	for _, n := range nodes {
		n.Poll(t)
		guest := n.Guest(t)
		for address, body := range k.files {
			if a := guest.Get(t, address); a.Status != http.StatusOK || a.Body != body {
				t.Errorf("%s on %s: %d, %.80q; it was acknowledged", address, n.URL, a.Status, a.Body)
			}
		}
	}
}

// keepUploading uploads files on the nodes until stop is called.
func (k *kept) keepUploading(t *testing.T, nodes ...*servertest.Node) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	for i, n := range nodes {
		st := n.Site(t)
		wg.Go(func() {
			for j := 0; ctx.Err() == nil; j++ {
				_ = k.upload(n, st, fmt.Sprintf("during-%d-%d.txt", i, j), strings.Repeat(fmt.Sprintf("%d %d\n", i, j), 1+j%2000))
			}
		})
	}
	return func() { cancel(); wg.Wait() }
}

func TestMove_UploadsGoOnAndNothingIsLost(t *testing.T) {
	for name, target := range map[string]func(t *testing.T) map[string]string{
		"to S3": func(t *testing.T) map[string]string { return inBucket(t, "unused") },
		"to the database": func(*testing.T) map[string]string {
			return map[string]string{"dl.store.impl": config.StoreDatabase}
		},
		"to a folder": func(t *testing.T) map[string]string { return inFolder(filepath.Join(t.TempDir(), "new")) },
	} {
		t.Run(name, func(t *testing.T) {
			folder := filepath.Join(t.TempDir(), "old")
			next := target(t)
			flags := movingTo(inFolder(folder), next)
			g := servertest.NewGroup(t, dbtest.SQLite)
			a, b := g.Join(flags), g.Join(flags)
			k := &kept{files: map[string]string{}}
			for i := range 100 {
				if err := k.upload(a, a.Site(t), fmt.Sprintf("before-%d.txt", i), strings.Repeat("x", 1+i*100)); err != nil {
					t.Fatal(err)
				}
			}
			stop := k.keepUploading(t, a, b)
			mustMove(t, a, server.MoveStart)
			if _, err := move(t, b, server.MoveStart); !says(err, "under way") {
				t.Errorf("a second move: %v", err)
			}
			inPhase(t, b, "switched")
			stop()
			k.all(t, a, b)
			if name == "to S3" { // the old one is read where it is there
				without(t, folder, func() {
					mustSee(t, a.Get(t, "/readyz"), http.StatusOK)
					if err := k.upload(a, a.Site(t), "meanwhile.txt", "meanwhile"); err != nil {
						t.Error(err)
					}
					k.all(t, a, b)
				})
			}
			if held := sweeps(t, a); !strings.Contains(held, "move") {
				t.Errorf("the sweep before the end: %q", held)
			}
			if _, err := move(t, a, server.MoveCancel); !says(err, "already") {
				t.Errorf("cancelled after its end: %v", err)
			}
			mustMove(t, a, server.MoveFinish)
			// From here on the old store is not needed.
			for _, n := range []*servertest.Node{a, b} {
				eventually(t, "the node to hear of it", func() bool {
					f := findings(t, n, cluster.CodeStoreSettings)
					return len(f) == 1 && strings.Contains(f[0].Mend, "dl.store.impl")
				})
			}
			if err := os.Rename(folder, folder+".gone"); err != nil {
				t.Fatal(err)
			}
			k.all(t, a, b)
			mustSee(t, a.Get(t, "/readyz"), http.StatusOK)
			if err := k.upload(b, b.Site(t), "after.txt", "after"); err != nil {
				t.Error(err)
			}

			same := g.Join(flags) // the settings of before, and the old store is off
			mustSee(t, same.Get(t, "/readyz"), http.StatusOK)
			swapped := g.Join(movingTo(next, inFolder(folder+".gone")))
			mustSee(t, swapped.Get(t, "/readyz"), http.StatusOK)
			k.all(t, same, swapped)
			neither := g.Join(inFolder(filepath.Join(t.TempDir(), "none")))
			mustSee(t, neither.Get(t, "/readyz"), http.StatusServiceUnavailable, "file store")
		})
	}
}

// without does something while a folder is not there.
func without(t *testing.T, folder string, do func()) {
	t.Helper()
	if err := os.Rename(folder, folder+".away"); err != nil {
		t.Fatal(err)
	}
	do()
	if err := os.Rename(folder+".away", folder); err != nil {
		t.Fatal(err)
	}
}

func says(err error, text string) bool { return err != nil && strings.Contains(err.Error(), text) }

// sweeps looks for orphans and gives why none was looked for.
func sweeps(t *testing.T, n *servertest.Node) string {
	t.Helper()
	w, err := n.Files.Sweep(servertest.System(), time.Now().Add(48*time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	return w.Held
}

// A target that not every node reaches is refused, and the node is named.
func TestMove_ATargetThatANodeDoesNotReachIsRefusedByName(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	own, target, other := inFolder(filepath.Join(dir, "files")), filepath.Join(dir, "target"), filepath.Join(dir, "other")
	g := servertest.NewGroup(t, dbtest.SQLite)
	a := g.Join(movingTo(own, inFolder(target)))
	refused := func(want ...string) {
		t.Helper()
		_, err := move(t, a, server.MoveStart)
		for _, w := range want {
			if !says(err, w) {
				t.Errorf("%v, want that it says %q", err, w)
			}
		}
		if phase, _, err := a.MovePhase(t.Context()); err != nil || phase != "none" {
			t.Errorf("after a refusal: %s, %v", phase, err)
		}
	}
	name := func(n *servertest.Node) string { return n.Node.Self().Name }

	lacking := g.Join(own)
	if _, err := move(t, lacking, server.MoveStart); !says(err, "dl.store.move.impl") {
		t.Errorf("on a node without a target: %v", err)
	}
	refused("nothing was begun", name(lacking)+":", "dl.store.move.* is not set")
	if err := errors.Join(lacking.Drain(t.Context()), lacking.Stop(t.Context())); err != nil {
		t.Fatal(err)
	}
	store(t, other, "another")
	elsewhere := g.Join(movingTo(own, inFolder(other)))
	refused("nothing was begun", name(elsewhere)+":", "names another store", other)
	if err := errors.Join(elsewhere.Drain(t.Context()), elsewhere.Stop(t.Context())); err != nil {
		t.Fatal(err)
	}
	// A copy has the identity.
	if err := os.RemoveAll(other); err != nil {
		t.Fatal(err)
	}
	if err := os.CopyFS(other, os.DirFS(target)); err != nil {
		t.Fatal(err)
	}
	copied := g.Join(movingTo(own, inFolder(other)))
	refused("nothing was begun", name(copied)+":", "they are two")
}

// A store of others is not taken.
func TestMove_ATargetWithFilesOfOthersIsRefused(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	before := servertest.NewGroup(t, dbtest.SQLite).Join(inFolder(filepath.Join(dir, "others")))
	if err := (&kept{files: map[string]string{}}).upload(before, before.Site(t), "a.txt", "theirs"); err != nil {
		t.Fatal(err)
	}
	own := filepath.Join(dir, "files")
	for name, target := range map[string]string{"belongs to another portal": filepath.Join(dir, "others"),
		"already": "link"} {
		if target == "link" {
			target = filepath.Join(dir, target)
			if err := os.Symlink(own, target); err != nil {
				t.Fatal(err)
			}
		}
		n := servertest.NewGroup(t, dbtest.SQLite).Join(movingTo(inFolder(own), inFolder(target)))
		if _, err := move(t, n, server.MoveStart); !says(err, name) {
			t.Errorf("%v, want %q", err, name)
		}
		if err := errors.Join(n.Drain(t.Context()), n.Stop(t.Context()), os.RemoveAll(own)); err != nil {
			t.Fatal(err)
		}
	}
}

// halted moves the files of nodes as far as one that cannot be copied.
func halted(t *testing.T, g *servertest.Group, count int) (nodes []*servertest.Node, k *kept, source, target string,
	clear func()) {
	t.Helper()
	dir := t.TempDir()
	source, target = filepath.Join(dir, "files"), filepath.Join(dir, "target")
	flags := movingTo(inFolder(source), inFolder(target))
	for range count {
		nodes = append(nodes, g.Join(flags))
	}
	k = &kept{files: map[string]string{}}
	for i := range 200 {
		if err := k.upload(nodes[0], nodes[0].Site(t), fmt.Sprintf("before-%d.txt", i),
			fmt.Sprint("before ", i)); err != nil {
			t.Fatal(err)
		}
	}
	store(t, target, "target")
	last := ""
	if err := filepath.WalkDir(source, func(path string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() && strings.Contains(d.Name(), "document") && d.Name() > filepath.Base(last) {
			last, err = filepath.Rel(source, path)
		}
		return err
	}); err != nil {
		t.Fatal(err)
	}
	obstacle := filepath.Join(target, last)
	if err := os.MkdirAll(obstacle, 0o700); err != nil {
		t.Fatal(err)
	}
	mustMove(t, nodes[0], server.MoveStart)
	inPhase(t, nodes[0], "copying")
	eventually(t, "the status to say what it waits for", func() bool {
		text, err := move(t, nodes[count-1], "")
		return err == nil && strings.Contains(text, "It waits:")
	})
	return nodes, k, source, target, func() {
		if err := os.Remove(obstacle); err != nil {
			t.Error(err)
		}
	}
}

func TestMove_CancelledItBringsBackWhatOnlyTheTargetHas(t *testing.T) {
	t.Parallel()
	nodes, k, source, target, _ := halted(t, servertest.NewGroup(t, dbtest.SQLite), 2)
	for i, n := range nodes {
		if err := k.upload(n, n.Site(t), "between.txt", fmt.Sprint("between ", i)); err != nil {
			t.Fatal(err)
		}
	}
	in := func(root, text string) (n int) {
		t.Helper()
		if err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() {
				return err
			}
			b, err := os.ReadFile(path)
			if strings.HasPrefix(string(b), text) {
				n++
			}
			return err
		}); err != nil {
			t.Fatal(err)
		}
		return n
	}
	if n := in(target, "between"); n != 2 { // one whose node did not know the step yet is in both
		t.Errorf("of two new files %d are in the target", n)
	}
	if _, err := move(t, nodes[0], server.MoveFinish); !says(err, "nothing to finish") {
		t.Errorf("finished too early: %v", err)
	}
	_, end, err := server.CheckedBackup(t.Context(), io.Discard, nil, func(w io.Writer) error {
		_, err := server.ControlStream(t.Context(), nodes[1].Home, "backup/stream", server.ControlRequest{}, w)
		return err
	})
	if err != nil || end.Files != int64(len(k.files)) {
		t.Errorf("a backup during the move has %d files of %d, %v", end.Files, len(k.files), err)
	}
	c, err := config.Load(config.Options{Home: nodes[0].Home, WorkDir: t.TempDir(), Flags: map[string]string{
		"jdbc.default.url": nodes[0].DB.Describe()}})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := server.CopyDatabase(t.Context(), c, server.CopyOrder{To: dbtest.URL(t, dbtest.SQLite)},
		slog.New(slog.DiscardHandler)); !says(err, "being moved") {
		t.Errorf("a copy of the database during the move: %v", err)
	}
	mustMove(t, nodes[1], server.MoveCancel)
	inPhase(t, nodes[0], "none")
	if n := in(source, "between"); n != 2 {
		t.Errorf("of two files %d came back", n)
	}
	if err := os.Rename(target, target+".gone"); err != nil {
		t.Fatal(err)
	}
	for _, n := range nodes {
		eventually(t, "the node to need the target no more", func() bool {
			return n.Get(t, "/readyz").Status == http.StatusOK
		})
	}
	k.all(t, nodes...)
	if err := k.upload(nodes[0], nodes[0].Site(t), "after.txt", "after"); err != nil {
		t.Error(err)
	}
	k.all(t, nodes...)
}

// A node that does not have both stores is not ready while files are moved, and says which settings it lacks.
func TestMove_ANodeThatJoinsNeedsBothStores(t *testing.T) {
	t.Parallel()
	g := servertest.NewGroup(t, dbtest.SQLite)
	nodes, k, source, _, clear := halted(t, g, 2)
	late := g.Join(inFolder(source))
	mustSee(t, late.Get(t, "/readyz"), http.StatusServiceUnavailable, "files are being moved", "dl.store.move.*")
	if err := k.upload(late, late.Site(t), "late.txt", "late"); !stoa.Is(err, stoa.KindUnavailable) {
		t.Errorf("an upload there: %v", err)
	}
	clear()
	inPhase(t, nodes[0], "switched")
	mustSee(t, late.Get(t, "/readyz"), http.StatusServiceUnavailable, "file")
	k.all(t, nodes...)
}

// slowBody is a file whose end comes when it is told.
type slowBody struct {
	io.Reader
	begun chan struct{}
	end   chan struct{}
	once  sync.Once
}

func (b *slowBody) Read(p []byte) (int, error) {
	n, err := b.Reader.Read(p)
	if err == io.EOF {
		b.once.Do(func() { close(b.begun) })
		<-b.end
	}
	return n, err
}

// begin begins an upload that comes to its end when end is called.
func begin(t *testing.T, n *servertest.Node, name string) (end func() (document.File, error)) {
	t.Helper()
	b := &slowBody{Reader: strings.NewReader(strings.Repeat(name+"\n", 5000)), begun: make(chan struct{}),
		end: make(chan struct{})}
	type result struct {
		f   document.File
		err error
	}
	done := make(chan result, 1)
	st := n.Site(t)
	go func() {
		f, err := n.Files.Upload(servertest.System(), st, document.Upload{Name: name, Type: "text/plain", Body: b})
		done <- result{f, err}
	}()
	<-b.begun
	var r result
	var once sync.Once
	end = func() (document.File, error) {
		once.Do(func() { close(b.end); r = <-done })
		return r.f, r.err
	}
	t.Cleanup(func() { _, _ = end() })
	return end
}

// An upload that began before the move goes to the old store. It is named only where its bytes came along.
func TestMove_AnUploadThatIsSlowerThanTheMove(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	flags := movingTo(inFolder(filepath.Join(dir, "files")), inFolder(filepath.Join(dir, "target")))
	n := servertest.NewGroup(t, dbtest.SQLite).Join(flags)
	first, second := begin(t, n, "first.txt"), begin(t, n, "second.txt")
	mustMove(t, n, server.MoveStart)
	inPhase(t, n, "switched")
	f, err := first()
	if err != nil {
		t.Fatal(err)
	}
	mustMove(t, n, server.MoveFinish)
	if _, err := second(); !stoa.Is(err, stoa.KindUnavailable) {
		t.Errorf("an upload that went to the store of before: %v", err)
	}
	mustFind(t, n, document.URL(n.Site(t).Slug, f), strings.Repeat("first.txt\n", 5000))
	haveRows(t, n, 1)
}

// haveRows checks how many files have a row.
func haveRows(t *testing.T, n *servertest.Node, want int) {
	t.Helper()
	var rows int
	if err := n.DB.QueryRow(t.Context(), "SELECT COUNT(*) FROM document_file").Scan(&rows); err != nil || rows != want {
		t.Errorf("%d files are named, want %d, %v", rows, want, err)
	}
}

// The node that copies hears nothing any more in the middle of it, another one goes on, and the move comes to its end.
// When the first one wakes up it knows nothing of all that, names nothing whose bytes only the old store has, and finds
// what went to the new one.
func TestMove_TheNodeThatCopiesSleepsThroughTheSwitch(t *testing.T) {
	t.Parallel()
	g := servertest.NewGroup(t, dbtest.Postgres)
	g.Breakable = true
	nodes, k, source, _, clear := halted(t, g, 3)
	var owner int64
	var sleeper *servertest.Node
	eventually(t, "a node to copy", func() bool {
		err := nodes[0].DB.QueryRow(t.Context(),
			"SELECT owner FROM job_run WHERE job = 'file.move' AND state = 'running'").Scan(&owner)
		for _, n := range nodes {
			if err == nil && n.Node.Writer() == owner {
				sleeper = n
			}
		}
		return sleeper != nil
	})
	var awake []*servertest.Node
	for _, n := range nodes {
		if n != sleeper {
			awake = append(awake, n)
		}
	}
	st := sleeper.Site(t)
	late := begin(t, sleeper, "late.txt") // it goes to the target
	g.Freeze(sleeper)
	clear()
	inPhase(t, awake[0], "switched")
	stop := k.keepUploading(t, awake...)
	eventually(t, "the end of the move", func() bool {
		_, err := move(t, awake[0], server.MoveFinish)
		return err == nil
	})
	stop()
	g.Thaw(sleeper)
	if f, err := late(); err == nil { // else it was not acknowledged
		k.files[document.URL(st.Slug, f)] = strings.Repeat("late.txt\n", 5000)
	}
	eventually(t, "the node that slept to take files", func() bool {
		return k.upload(sleeper, st, "awake.txt", "awake") == nil
	})
	if err := os.Rename(source, source+".gone"); err != nil {
		t.Fatal(err)
	}
	k.all(t, nodes...)
	haveRows(t, sleeper, len(k.files))
}

// A node sleeps before the move begins and wakes up after its end: what it has put meanwhile went to the old store.
func TestMove_ANodeThatSleptNamesNothingInTheStoreOfBefore(t *testing.T) {
	t.Parallel()
	g := servertest.NewGroup(t, dbtest.Postgres)
	g.Breakable = true
	dir := t.TempDir()
	source := filepath.Join(dir, "files")
	flags := movingTo(inFolder(source), inFolder(filepath.Join(dir, "target")))
	awake, sleeper := g.Join(flags), g.Join(flags)
	k := &kept{files: map[string]string{}}
	if err := k.upload(awake, awake.Site(t), "before.txt", "before"); err != nil {
		t.Fatal(err)
	}
	st := sleeper.Site(t)
	late := begin(t, sleeper, "late.txt")
	g.Freeze(sleeper)
	eventually(t, "the move to begin without the node", func() bool {
		_, err := move(t, awake, server.MoveStart)
		return err == nil
	})
	inPhase(t, awake, "switched")
	mustMove(t, awake, server.MoveFinish)
	if err := k.upload(awake, awake.Site(t), "after.txt", "after"); err != nil {
		t.Fatal(err)
	}
	g.Thaw(sleeper)
	if _, err := late(); !stoa.Is(err, stoa.KindUnavailable) {
		t.Errorf("an upload whose bytes only the store of before has: %v", err)
	}
	eventually(t, "the node that slept to take files", func() bool {
		return k.upload(sleeper, st, "awake.txt", "awake") == nil
	})
	k.all(t, sleeper)
	if err := os.Rename(source, source+".gone"); err != nil {
		t.Fatal(err)
	}
	k.all(t, awake, sleeper)
	haveRows(t, awake, 3)
}

// A transaction that names a key whose bytes were put before the switch, and that is still open when the switch is
// committed, does not commit. The bytes come along, and are named then.
func TestMove_ATransactionThatIsOpenAtTheSwitchNamesNothing(t *testing.T) {
	t.Parallel()
	for _, e := range dbtest.Engines() {
		if e == dbtest.SQLite {
			continue // one transaction writes at a time
		}
		t.Run(string(e), func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			source, target := filepath.Join(dir, "files"), filepath.Join(dir, "target")
			n := servertest.NewGroup(t, e).Join(movingTo(inFolder(source), inFolder(target)))
			tries := 0
			f, err := n.Files.Upload(servertest.System(), n.Site(t), document.Upload{Name: "tides.txt", Type: "text/plain",
				Body: strings.NewReader("High water at noon."),
				Also: func(context.Context, *db.Tx, document.File) error {
					if tries++; tries == 1 {
						mustMove(t, n, server.MoveStart)
						inPhase(t, n, "switched")
					}
					return nil
				}})
			if err != nil || tries != 2 {
				t.Fatalf("named after %d tries, %v", tries, err)
			}
			mustMove(t, n, server.MoveFinish)
			if err := os.Rename(source, source+".gone"); err != nil {
				t.Fatal(err)
			}
			mustFind(t, n, document.URL(n.Site(t).Slug, f), "High water at noon.")
			haveRows(t, n, 1)
		})
	}
}

// The screen says in which step a move is, and what is to be done.
func TestMove_TheScreenSaysHowFarItIs(t *testing.T) {
	t.Parallel()
	nodes, _, _, target, clear := halted(t, servertest.NewGroup(t, dbtest.SQLite), 1)
	n := nodes[0]
	n.SignIn(t)
	mustSee(t, n.Get(t, "/control/store"), http.StatusOK, "New files go to the new store", target,
		"stoa files move --cancel")
	clear()
	inPhase(t, n, "switched")
	mustSee(t, n.Get(t, "/control/store"), http.StatusOK, "All files are in the new store", "stoa files move --finish")
	mustMove(t, n, server.MoveFinish)
	mustSee(t, n.Get(t, "/control/store"), http.StatusOK, "The last move has ended", "dl.store.move.*")
}

// The server of the target is slow, refuses, and hangs in the middle of a move: that is said, and the move goes on by
// itself.
func TestMove_ATargetThatFailsInTheMiddleIsWaitedFor(t *testing.T) {
	t.Parallel()
	next := inBucket(t, "unused")
	relay := filestoretest.NewRelay(t, next["dl.store.s3.endpoint"])
	flags := movingTo(inFolder(filepath.Join(t.TempDir(), "old")), with(next, "dl.store.s3.endpoint", relay.URL))
	g := servertest.NewGroup(t, dbtest.SQLite)
	a, b := g.Join(flags), g.Join(flags)
	k := &kept{files: map[string]string{}}
	for i := range 200 {
		if err := k.upload(a, a.Site(t), fmt.Sprintf("before-%d.txt", i), fmt.Sprint("before ", i)); err != nil {
			t.Fatal(err)
		}
	}
	slow := func(w http.ResponseWriter, r *http.Request, _ http.Handler) bool {
		pause := time.NewTimer(30 * time.Millisecond)
		defer pause.Stop()
		select {
		case <-pause.C:
		case <-r.Context().Done():
		}
		return false
	}
	relay.Set(slow)
	mustMove(t, a, server.MoveStart)
	inPhase(t, b, "copying")
	for _, fault := range []filestoretest.Disturb{filestoretest.Refuse(http.StatusServiceUnavailable),
		filestoretest.AnswerNothing} {
		relay.Set(fault)
		for _, n := range []*servertest.Node{a, b} {
			eventually(t, "the node to say that it cannot do its part", func() bool {
				r := n.Get(t, "/readyz")
				return r.Status == http.StatusServiceUnavailable && strings.Contains(r.Body, "files are being moved")
			})
		}
		eventually(t, "the move to say what it waits for", func() bool {
			_, trouble, err := a.MovePhase(t.Context())
			return err == nil && trouble != ""
		})
		if phase, _, err := a.MovePhase(t.Context()); err != nil || phase != "copying" {
			t.Fatalf("with a target that fails: %s, %v", phase, err)
		}
		relay.Set(slow)
		eventually(t, "the move to go on", func() bool {
			phase, trouble, err := a.MovePhase(t.Context())
			return err == nil && (trouble == "" || phase == "switched")
		})
	}
	inPhase(t, b, "switched")
	mustMove(t, b, server.MoveFinish)
	for _, n := range []*servertest.Node{a, b} {
		eventually(t, "the node to be ready", func() bool { return n.Get(t, "/readyz").Status == http.StatusOK })
	}
	k.all(t, a, b)
}
