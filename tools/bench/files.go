package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"hash"
	"io"
	"math/rand/v2"
	"mime/multipart"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"time"
)

const (
	smallFile  = 10_000 // bytes
	goalCached = 0.4    // of nginx
	inDatabase = "com.liferay.portal.store.db.DBStore"
)

const filesHead = "# Benchmarks of the file stores\n\n%s\nServers (%s), clients and Stoa share the cores and the " +
	"disk of this machine. An S3 server is measured when STOA_TEST_S3 names one, as in the tests, and " +
	"STOA_BENCH_BUCKET a " +
	"bucket there.\n"

// runFiles is the benchmark of the file stores and of the disk cache in front of them.
func runFiles(args []string) (err error) {
	var out, note, only string
	var wait time.Duration
	b := &bed{}
	f := flag.NewFlagSet("files", flag.ContinueOnError)
	f.StringVar(&out, "out", "", "file for the report; empty: only print it")
	f.StringVar(&note, "note", "", "what the machine is, for the report")
	f.StringVar(&only, "only", "", "parts to measure, separated by commas; empty: all")
	f.DurationVar(&wait, "wait", 0, "how long each part may wait for the machine to do little else")
	f.StringVar(&b.stoa, "stoa", "", "the program to measure; empty: build it")
	f.IntVar(&b.rounds, "rounds", 5, "rounds of each comparison")
	f.IntVar(&b.sizeFiles, "size", 1000, "MB of the large file")
	f.BoolVar(&b.quick, "quick", false, "few and short rounds, to try the program itself")
	if err := f.Parse(args); err != nil {
		return err
	}
	chosen, err := choose([]part{
		{"cached", "Small files from the disk cache", measureCached},
		{"large", "A large file through a node", measureLarge},
	}, only)
	if err != nil {
		return err
	}
	if b.rounds < 1 || b.sizeFiles < 1 {
		return errors.New("-rounds and -size must be at least 1")
	}
	if b.quick {
		b.rounds, b.sizeFiles = min(b.rounds, 2), min(b.sizeFiles, 20)
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	if b.dir, err = os.MkdirTemp("", "stoa-bench-"); err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(b.dir) }()
	if err := os.Chmod(b.dir, 0o755); err != nil { // nginx' workers and PostgreSQL are other users
		return err
	}
	end, err := b.prepare(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, end()) }()
	return b.measure(ctx, report{head: filesHead, target: "bench-files", note: note, whole: only == ""}, chosen, wait, out)
}

// place is a file store with its settings.
type place struct {
	name, database string
	settings       map[string]string
}

// places are the stores that can be measured here.
func (b *bed) places(ctx context.Context) (out []place, left string, err error) {
	out = []place{{name: "folder"}}
	for _, e := range b.engines() {
		address, err := b.fresh(ctx, e)
		if err != nil {
			return nil, "", err
		}
		out = append(out, place{"database, " + e.name, address, map[string]string{"dl.store.impl": inDatabase}})
	}
	u, err := url.Parse(os.Getenv("STOA_TEST_S3"))
	bucket := os.Getenv("STOA_BENCH_BUCKET")
	if err != nil || u.Host == "" || bucket == "" {
		return out, "STOA_TEST_S3 and STOA_BENCH_BUCKET name no S3 server and bucket, so none was measured.", nil
	}
	secret, _ := u.User.Password()
	return append(out, place{name: "S3", settings: map[string]string{
		"dl.store.impl": "com.liferay.portal.store.s3.S3Store", "dl.store.s3.bucket.name": bucket,
		"dl.store.s3.prefix":   fmt.Sprintf("bench-%d", time.Now().UnixNano()),
		"dl.store.s3.endpoint": u.Scheme + "://" + u.Host, "dl.store.s3.path.style": "true",
		"dl.store.s3.access.key": u.User.Username(), "dl.store.s3.secret.key": secret}}), "", nil
}

// fileNode is a node with one editor.
type fileNode struct {
	*process
	e    *editor
	site string
}

// startFileNode runs a node on a store.
func (b *bed) startFileNode(ctx context.Context, at place) (n *fileNode, err error) {
	b.count++
	address, err := freeAddress()
	if err != nil {
		return nil, err
	}
	home := filepath.Join(b.dir, fmt.Sprintf("files-%d", b.count))
	text := fmt.Sprintf("portal.instance.inet.socket.address=%s\nshutdown.drain.delay=0s\ndefault.admin.password=%s\n"+
		"dl.file.max.size=8GiB\n", address, adminPassword)
	if at.database != "" {
		text += "jdbc.default.url=" + at.database + "\n"
	}
	for k, v := range at.settings {
		text += k + "=" + v + "\n"
	}
	if err := os.WriteFile(home+".properties", []byte(text), 0o600); err != nil {
		return nil, err
	}
	n = &fileNode{process: &process{name: "Stoa, from the disk cache", url: "http://" + address, page: "/readyz",
		home: home}}
	cmd := exec.Command(b.stoa, "serve", "--home", home, "--external-properties", home+".properties")
	if err := start(n.process, cmd, home+".log"); err != nil {
		return nil, err
	}
	if _, err = n.ready(ctx, time.Now()); err == nil {
		n.e, err = signIn(ctx, n.url)
	}
	form := ""
	if err == nil {
		form, err = n.e.form(ctx, "/control/content/new")
	}
	if m := formSite.FindStringSubmatch(form); m != nil {
		n.site = m[1]
	} else if err == nil {
		err = errors.New("the form for a new article names no site")
	}
	if err != nil {
		return nil, errors.Join(err, n.stop())
	}
	return n, nil
}

// upload sends a file as a browser does and gives its address.
func (n *fileNode) upload(ctx context.Context, name string, body io.Reader) (string, error) {
	r, w := io.Pipe()
	form := multipart.NewWriter(w)
	go func() {
		part, err := form.CreateFormFile("file", name)
		if err == nil {
			_, err = io.Copy(part, body)
		}
		if err == nil {
			err = form.Close()
		}
		_ = w.CloseWithError(err) // never fails
	}()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, n.url+"/control/files/upload?site="+n.site, r)
	if err != nil {
		return "", err
	}
	req.Header.Set("Content-Type", form.FormDataContentType())
	req.Header.Set("Accept", "application/json")
	req.Header.Set("Cookie", strings.TrimSuffix(n.e.session, "; "))
	text, err := body200(http.DefaultClient.Do(req))
	if err != nil {
		return "", err
	}
	var got struct{ URL string }
	if err := json.Unmarshal([]byte(text), &got); err != nil || got.URL == "" {
		return "", fmt.Errorf("the upload is answered %q: %w", text, err)
	}
	return got.URL, nil
}

// body200 is body with what the answer says when it is another one.
func body200(res *http.Response, err error) (string, error) {
	if err != nil {
		return "", err
	}
	defer res.Body.Close()
	raw, err := io.ReadAll(res.Body)
	if err == nil && res.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s answers %s: %.300s", res.Request.URL.Path, res.Status, raw)
	}
	return string(raw), err
}

// measureCached compares a small file from the disk cache with nginx, which sends the same bytes.
func measureCached(ctx context.Context, b *bed) (s section, err error) {
	nginx := tool("STOA_BENCH_NGINX", "nginx")
	if nginx == "" {
		return section{left: "there is no nginx"}, nil
	}
	n, err := b.startFileNode(ctx, place{settings: map[string]string{"dl.store.impl": inDatabase}})
	if err != nil {
		return s, err
	}
	defer func() { err = errors.Join(err, n.stop()) }()
	text := make([]byte, smallFile)
	rand.NewChaCha8([32]byte{1}).Read(text)
	if n.page, err = n.upload(ctx, "small.bin", bytes.NewReader(text)); err != nil {
		return s, err
	}
	file := filepath.Join(b.dir, "www", "small.bin")
	if err := errors.Join(os.Mkdir(filepath.Dir(file), 0o755), os.WriteFile(file, text, 0o644)); err != nil {
		return s, err
	}
	other, err := startNginx(ctx, nginx, b.dir, file)
	if err != nil {
		return s, err
	}
	defer func() { err = errors.Join(err, other.stop()) }()
	set := settings{rounds: b.rounds, length: time.Duration(b.pick(3, 1)) * time.Second, wrk: b.wrk}
	r := &result{}
	if err := compare(ctx, set, r, []*process{n.process, other}, text); err != nil {
		return s, err
	}
	hits, err := n.hits(ctx)
	if err != nil {
		return s, err
	}
	if hits < 1000 || r.errors > 0 {
		return s, fmt.Errorf("%d files came from the disk cache, and %d requests failed", hits, r.errors)
	}
	stoa, spread := median(r.rows[0].rate)
	its, itsSpread := median(r.rows[1].rate)
	ratio, ratioSpread := median(ratios(r.rows[0].rate, r.rows[1].rate))
	s.rows = [][]string{{"Files of 10 kB", "disk cache against nginx",
		fmt.Sprintf("%s/s ± %.0f %%", thousands(int(stoa)), spread),
		fmt.Sprintf("%s/s ± %.0f %%", thousands(int(its)), itsSpread), fmt.Sprintf("%.2f × ± %.0f %%", ratio, ratioSpread)}}
	s.findings = []finding{{what: "Files of 10 kB from the disk cache, against nginx",
		goal: fmt.Sprintf("≥ %.1f ×", goalCached), measured: fmt.Sprintf("%.2f ×", ratio), met: ratio >= goalCached}}
	cpu, _ := median(r.rows[0].cpu)
	itsCPU, _ := median(r.rows[1].cpu)
	s.text = fmt.Sprintf("A file of %s bytes in the database, of which the node has a copy; each answer asks for the "+
		"right to see it and hashes its bytes. %.0f µs of CPU a request, nginx %.0f µs; 64 connections, %d rounds in turn.",
		thousands(smallFile), cpu, itsCPU, b.rounds)
	return s, nil
}

var hitsLine = regexp.MustCompile(`(?m)^stoa_file_cache_hits_total (\S+)$`)

// hits is how often a file came from the disk cache.
func (n *fileNode) hits(ctx context.Context) (int, error) {
	raw, _, err := get(ctx, http.DefaultClient, n.url+"/metrics", true)
	if err != nil {
		return 0, err
	}
	m := hitsLine.FindSubmatch(raw)
	if m == nil {
		return 0, errors.New("the node does not tell how often files came from the disk cache")
	}
	v, err := strconv.ParseFloat(string(m[1]), 64)
	return int(v), err
}

// measureLarge sends a large file to a node on each store and gets it back.
func measureLarge(ctx context.Context, b *bed) (s section, err error) {
	all, left, err := b.places(ctx)
	if err != nil {
		return s, err
	}
	rows, most := [][]string{{"Store", "Upload", "Download", "Resident at most"}}, 0.0
	for _, at := range all {
		row, peak, err := b.large(ctx, at)
		if err != nil {
			return s, fmt.Errorf("%s: %w", at.name, err)
		}
		rows, most = append(rows, row), max(most, peak)
		fmt.Fprintln(os.Stderr, row)
	}
	s.findings = []finding{{what: fmt.Sprintf("Resident memory, a file of %d MB up and down", b.sizeFiles),
		goal: fmt.Sprintf("< %.0f MB", goalResident), measured: fmt.Sprintf("%.0f MB", most), met: most < goalResident}}
	s.text = fmt.Sprintf("%d MB that cannot be compressed, through the form of the control panel and back, each once and "+
		"compared by SHA-256. It is too large for the disk cache, so that it comes from the store both times. The peak of "+
		"the resident memory is the kernel's (VmHWM), of the whole node from its start. %s\n\n%s",
		b.sizeFiles, left, table(rows...))
	return s, nil
}

var vmHWM = regexp.MustCompile(`VmHWM:\s+(\d+) kB`)

func (b *bed) large(ctx context.Context, at place) (row []string, peak float64, err error) {
	n, err := b.startFileNode(ctx, at)
	if err != nil {
		return nil, 0, err
	}
	defer func() { err = errors.Join(err, n.stop()) }()
	size := int64(b.sizeFiles) * 1e6
	sent, begun := sha256.New(), time.Now()
	body := io.TeeReader(io.LimitReader(rand.NewChaCha8([32]byte{2}), size), sent)
	address, err := n.upload(ctx, "large.bin", body)
	if err != nil {
		return nil, 0, err
	}
	up := time.Since(begun)
	begun = time.Now()
	got, err := download(ctx, n.url+address)
	if err != nil {
		return nil, 0, err
	}
	down := time.Since(begun)
	if !bytes.Equal(got.Sum(nil), sent.Sum(nil)) {
		return nil, 0, errors.New("other bytes came back than were sent")
	}
	raw, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", n.pids()[0]))
	if err != nil {
		return nil, 0, err
	}
	m := vmHWM.FindSubmatch(raw)
	if m == nil {
		return nil, 0, errors.New("the kernel does not tell the peak of the memory")
	}
	kib, err := strconv.ParseFloat(string(m[1]), 64)
	if err != nil {
		return nil, 0, err
	}
	peak = kib * 1024 / 1e6
	rate := func(d time.Duration) string { return fmt.Sprintf("%.0f MB/s", float64(size)/1e6/d.Seconds()) }
	return []string{at.name, rate(up), rate(down), fmt.Sprintf("%.0f MB", peak)}, peak, nil
}

// download reads a file to its end.
func download(ctx context.Context, address string) (hash.Hash, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return nil, err
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%s answers %s", req.URL.Path, res.Status)
	}
	sum := sha256.New()
	_, err = io.Copy(sum, res.Body)
	return sum, err
}
