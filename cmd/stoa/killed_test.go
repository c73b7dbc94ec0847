package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"mime/multipart"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"

	"github.com/stoa-portal/stoa/config"
	"github.com/stoa-portal/stoa/db/dbtest"
	"github.com/stoa-portal/stoa/filestore"
	"github.com/stoa-portal/stoa/server/servertest"
)

// process is a node in a process of its own, which can be killed.
type process struct {
	home, url string
	cmd       *exec.Cmd
	log       *os.File
}

// start starts the node, which was perhaps killed before.
func (p *process) start(t *testing.T) {
	t.Helper()
	p.cmd = exec.Command("stoa", "serve", "--home", p.home)
	p.cmd.Stdout, p.cmd.Stderr = p.log, p.log
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
}

// kill ends the node without a word.
func (p *process) kill() error {
	err := p.cmd.Process.Kill()
	if werr := p.cmd.Wait(); werr != nil { // it was killed
		var exit *exec.ExitError
		if !errors.As(werr, &exit) {
			err = errors.Join(err, werr)
		}
	}
	return err
}

func (p *process) ready() bool {
	res, err := http.Get(p.url + "/readyz")
	if err != nil {
		return false
	}
	_, _ = io.Copy(io.Discard, res.Body)
	_ = res.Body.Close()
	return res.StatusCode == http.StatusOK
}

// await waits until a node is ready.
func (p *process) await(t *testing.T) {
	t.Helper()
	deadline := time.After(2 * time.Minute)
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for !p.ready() {
		select {
		case <-deadline:
			said, _ := os.ReadFile(p.log.Name())
			t.Fatalf("the node %s is not ready\n%s", p.url, said[max(0, len(said)-4000):])
		case <-tick.C:
		}
	}
}

// startCluster starts three nodes with these properties on one database.
func startCluster(t *testing.T, properties map[string]string) (nodes []*process) {
	t.Helper()
	set := map[string]string{
		"jdbc.default.url":                dbtest.URL(t, dbtest.Postgres),
		"default.admin.password":          servertest.AdminPassword,
		"cluster.link.enabled":            "true",
		"shutdown.drain.delay":            "0s",
		"auth.login.throttle.address.max": "100000",
	}
	maps.Copy(set, properties)
	for i := range 3 {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		at := l.Addr().String()
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
		set["portal.instance.inet.socket.address"] = at
		set["cluster.link.channel.logic.name.control"] = fmt.Sprintf("n%d", i+1)
		var text strings.Builder
		for _, k := range slices.Sorted(maps.Keys(set)) {
			fmt.Fprintf(&text, "%s=%s\n", k, set[k])
		}
		p := &process{home: filepath.Join(t.TempDir(), "home"), url: "http://" + at}
		err = os.MkdirAll(p.home, 0o700)
		if err == nil {
			err = os.WriteFile(filepath.Join(p.home, "portal-ext.properties"), []byte(text.String()), 0o600)
		}
		if err == nil {
			p.log, err = os.Create(filepath.Join(p.home, "log"))
		}
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = p.log.Close() })
		p.start(t)
		t.Cleanup(func() { _ = p.kill() })
		p.await(t)
		nodes = append(nodes, p)
	}
	return nodes
}

// send uploads a file. An empty address says that it was not acknowledged.
func (p *process) send(c *http.Client, site, name, body string) (address string, err error) {
	var b bytes.Buffer
	form := multipart.NewWriter(&b)
	part, err := form.CreateFormFile("file", name)
	if err == nil {
		_, err = io.WriteString(part, body)
	}
	if err = errors.Join(err, form.Close()); err != nil {
		return "", err
	}
	req, err := http.NewRequest(http.MethodPost, p.url+"/control/files/upload?site="+site, &b)
	if err != nil {
		return "", err
	}
	req.Header.Set("Content-Type", form.FormDataContentType())
	req.Header.Set("Accept", "application/json")
	res, err := c.Do(req)
	if err != nil {
		return "", nil // killed
	}
	defer res.Body.Close()
	raw, err := io.ReadAll(res.Body)
	if err != nil || res.StatusCode != http.StatusOK {
		return "", nil
	}
	var got struct{ URL string }
	return got.URL, json.Unmarshal(raw, &got)
}

// Each of three nodes is killed in the middle of 200 uploads: every file that was acknowledged is there afterwards, on
// each of them.
func TestServe_KilledNodesLoseNoFileThatWasAcknowledged(t *testing.T) {
	if !slices.Contains(dbtest.Engines(), dbtest.Postgres) {
		t.Skip("STOA_TEST_POSTGRES names no server")
	}
	t.Run("database", func(t *testing.T) {
		killedAmongUploads(t, map[string]string{"dl.store.impl": config.StoreDatabase}, nil, nil)
	})
	t.Run("S3", func(t *testing.T) { killedAmongUploads(t, inBucket(t), nil, nil) })
	t.Run("while files move to S3", func(t *testing.T) {
		folder := filepath.Join(t.TempDir(), "files")
		properties := map[string]string{"dl.store.file.system.root.dir": folder}
		for name, value := range inBucket(t) {
			properties[strings.Replace(name, "dl.store.", "dl.store.move.", 1)] = value
		}
		killedAmongUploads(t, properties, func(nodes []*process) {
			if out, err := nodes[0].filesMove(); err != nil {
				t.Errorf("%v: %s", err, out)
			}
		}, func(nodes []*process) {
			deadline := time.After(5 * time.Minute)
			tick := time.NewTicker(200 * time.Millisecond)
			defer tick.Stop()
			for {
				out, err := nodes[1].filesMove("--status")
				if err == nil && strings.Contains(out, "All files are in") {
					break
				}
				select {
				case <-deadline:
					t.Fatalf("%v: %s", err, out)
				case <-tick.C:
				}
			}
			if out, err := nodes[2].filesMove("--finish"); err != nil {
				t.Fatalf("%v: %s", err, out)
			}
			if err := os.Rename(folder, folder+".gone"); err != nil {
				t.Fatal(err)
			}
		})
	})
}

// filesMove runs stoa files move for the node.
func (p *process) filesMove(flags ...string) (string, error) {
	out, err := exec.Command("stoa", append([]string{"files", "move", "--home", p.home}, flags...)...).CombinedOutput()
	return string(out), err
}

// inBucket are the properties of nodes whose files lie in a new place of the real S3 server.
func inBucket(t *testing.T) map[string]string {
	t.Helper()
	u, err := url.Parse(os.Getenv("STOA_TEST_S3"))
	if err != nil {
		t.Fatal(err)
	}
	if u.Host == "" {
		if os.Getenv("STOA_TEST_REQUIRE") == "1" {
			t.Fatal("STOA_TEST_S3 names no server")
		}
		t.Skip("STOA_TEST_S3 names no server")
	}
	secret, _ := u.User.Password()
	const bucket = "stoa-killed-test"
	c, err := minio.New(u.Host, &minio.Options{Creds: credentials.NewStaticV4(u.User.Username(), secret, "")})
	if err == nil {
		err = c.MakeBucket(t.Context(), bucket, minio.MakeBucketOptions{})
		if strings.HasPrefix(minio.ToErrorResponse(err).Code, "BucketAlready") {
			err = nil
		}
	}
	if err != nil {
		t.Fatal(err)
	}
	return map[string]string{"dl.store.impl": config.StoreS3, "dl.store.s3.bucket.name": bucket,
		"dl.store.s3.prefix": filestore.NewKey(), "dl.store.s3.endpoint": u.Scheme + "://" + u.Host,
		"dl.store.s3.access.key": u.User.Username(), "dl.store.s3.secret.key": secret, "dl.store.s3.path.style": "true"}
}

// killedAmongUploads kills nodes; before is called ahead of the first one, when a few files are there, and after once
// all were sent.
func killedAmongUploads(t *testing.T, properties map[string]string, before, after func(nodes []*process)) {
	const files, workers = 200, 6
	nodes := startCluster(t, properties)
	c := servertest.NewClient(t)
	a := servertest.Do(t, c, http.MethodPost, nodes[0].url+"/sign-in", strings.NewReader(url.Values{
		"login": {servertest.AdminLogin}, "password": {servertest.AdminPassword}, "next": {"/control/"}}.Encode()),
		"Content-Type", "application/x-www-form-urlencoded")
	if a.Status != http.StatusSeeOther {
		t.Fatalf("sign in: %d\n%s", a.Status, a.Body)
	}
	page := servertest.Do(t, c, http.MethodGet, nodes[0].url+"/control/files", nil)
	found := regexp.MustCompile(`name="site" value="(\d+)"`).FindStringSubmatch(page.Body)
	if found == nil {
		t.Fatalf("no site in the list of files: %d", page.Status)
	}
	body := func(n int) string { return strings.Repeat(fmt.Sprintf("file %d\n", n), 1+n*250) } // up to 500 kB

	var mu sync.Mutex
	there := map[string]int{} // address → number
	var next, acknowledged, refused atomic.Int64
	var wg sync.WaitGroup
	for w := range workers {
		wg.Go(func() {
			for turn := w; ; turn++ {
				n := int(next.Add(1))
				if n > files || t.Context().Err() != nil {
					return
				}
				for address := ""; address == ""; turn++ { // a file whose upload broke off is sent again elsewhere
					var err error
					if address, err = nodes[turn%len(nodes)].send(c, found[1], fmt.Sprintf("f%d.txt", n), body(n)); err != nil {
						t.Error(err)
						return
					}
					if address == "" {
						refused.Add(1)
						continue
					}
					mu.Lock()
					there[address] = n
					mu.Unlock()
					acknowledged.Add(1)
				}
			}
		})
	}
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for i, p := range nodes {
		for acknowledged.Load() < int64(files*(i+1)/5) {
			<-tick.C
		}
		if before != nil && i == 0 {
			before(nodes)
		}
		if err := p.kill(); err != nil {
			t.Error(err)
		}
		p.start(t)
		p.await(t) // else no node would be left in the end
	}
	wg.Wait()
	t.Logf("%d uploads broke off", refused.Load())
	if refused.Load() == 0 || acknowledged.Load() != files {
		t.Errorf("%d files were acknowledged, and %d uploads broke off", acknowledged.Load(), refused.Load())
	}
	if after != nil {
		after(nodes)
	}
	for _, p := range nodes {
		p.await(t)
		for address, n := range there {
			if a := servertest.Do(t, servertest.NewClient(t), http.MethodGet, p.url+address, nil); a.Status != http.StatusOK ||
				a.Body != body(n) {
				t.Errorf("%s on %s: %d, %d bytes; it was acknowledged", address, p.url, a.Status, len(a.Body))
			}
		}
	}
}
