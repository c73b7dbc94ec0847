package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// Sizes of the work.
const (
	connections = 64
	visits      = 10_000 // requests over all pages before memory is read
	pageFrom    = 20_000 // bytes of the page that is compared
	pageTo      = 30_000
)

// loaded is what a load came to.
type loaded struct {
	requests int64
	failed   int64
	rate     float64 // requests per second
}

// load asks for one address as often as it can, with wrk when there is one.
func load(ctx context.Context, s settings, address string, d time.Duration) (loaded, error) {
	if s.wrk == "" {
		return loadGo(ctx, address, d)
	}
	seconds := max(1, int(d.Round(time.Second)/time.Second)) // wrk counts whole seconds
	out, err := exec.CommandContext(ctx, s.wrk, "-t2", "-c"+strconv.Itoa(connections), "-d"+strconv.Itoa(seconds)+"s", address).CombinedOutput()
	if err != nil {
		return loaded{}, fmt.Errorf("wrk: %w\n%s", err, out)
	}
	return parseWrk(string(out))
}

var (
	wrkTotal  = regexp.MustCompile(`(\d+) requests in`)
	wrkRate   = regexp.MustCompile(`Requests/sec:\s+([0-9.]+)`)
	wrkErrors = regexp.MustCompile(`Socket errors: connect (\d+), read (\d+), write (\d+), timeout (\d+)`)
	wrkStatus = regexp.MustCompile(`Non-2xx or 3xx responses: (\d+)`)
)

// parseWrk reads what wrk prints.
func parseWrk(out string) (loaded, error) {
	total, rate := wrkTotal.FindStringSubmatch(out), wrkRate.FindStringSubmatch(out)
	if total == nil || rate == nil {
		return loaded{}, fmt.Errorf("wrk printed something unexpected:\n%s", out)
	}
	var l loaded
	var err, err2 error
	l.requests, err = strconv.ParseInt(total[1], 10, 64)
	l.rate, err2 = strconv.ParseFloat(rate[1], 64)
	for _, m := range [][]string{wrkErrors.FindStringSubmatch(out), wrkStatus.FindStringSubmatch(out)} {
		for i := 1; i < len(m); i++ {
			n, convErr := strconv.ParseInt(m[i], 10, 64)
			l.failed, err = l.failed+n, errors.Join(err, convErr)
		}
	}
	return l, errors.Join(err, err2)
}

// loadGo is the load without wrk. It costs more CPU, which the server under test then lacks.
func loadGo(ctx context.Context, address string, d time.Duration) (loaded, error) {
	tr := &http.Transport{MaxIdleConnsPerHost: connections, DisableCompression: true}
	defer tr.CloseIdleConnections()
	c := &http.Client{Transport: tr, Timeout: 10 * time.Second}
	var l loaded
	var requests, failed atomic.Int64
	begin := time.Now()
	var wg sync.WaitGroup
	for range connections {
		wg.Go(func() {
			for time.Since(begin) < d && ctx.Err() == nil {
				if _, _, err := get(ctx, c, address, false); err != nil {
					failed.Add(1)
					continue
				}
				requests.Add(1)
			}
		})
	}
	wg.Wait()
	l.requests, l.failed = requests.Load(), failed.Load()
	l.rate = float64(l.requests) / time.Since(begin).Seconds()
	return l, ctx.Err()
}

// get asks once; anything but 200 is an error. The body is only kept when wanted.
func get(ctx context.Context, c *http.Client, address string, keep bool) ([]byte, http.Header, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return nil, nil, err
	}
	res, err := c.Do(req)
	if err != nil {
		return nil, nil, err
	}
	defer res.Body.Close()
	var body bytes.Buffer
	into := io.Discard
	if keep {
		into = &body
	}
	if _, err := io.Copy(into, res.Body); err != nil {
		return nil, nil, err
	}
	if res.StatusCode != http.StatusOK {
		return nil, nil, fmt.Errorf("%s answers %d", address, res.StatusCode)
	}
	return body.Bytes(), res.Header, nil
}

// body reads an answer that must be 200.
func body(res *http.Response, err error) (string, error) {
	if err != nil {
		return "", err
	}
	defer res.Body.Close()
	raw, err := io.ReadAll(res.Body)
	if err == nil && res.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s answers %s", res.Request.URL, res.Status)
	}
	return string(raw), err
}

func plainClient() *http.Client {
	return &http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{DisableCompression: true, MaxIdleConnsPerHost: connections}}
}

// serves checks that the server sends these bytes and nothing else.
func serves(ctx context.Context, address string, body []byte) error {
	c := plainClient()
	defer c.CloseIdleConnections()
	got, _, err := get(ctx, c, address, true)
	if err == nil && !bytes.Equal(got, body) {
		err = fmt.Errorf("%s sends %d bytes that are not the %d that are compared", address, len(got), len(body))
	}
	return err
}

// choosePage gives the page of the site whose size is nearest to the middle of what is compared, with
// all addresses of the site map.
func choosePage(ctx context.Context, base string) (path string, body []byte, paths []string, err error) {
	c := plainClient()
	defer c.CloseIdleConnections()
	_, all, err := mapAddresses(ctx, c, base)
	if err != nil {
		return "", nil, nil, err
	}
	paths = []string{"/"}
	for _, a := range all {
		paths = append(paths, strings.TrimPrefix(a, base))
	}
	distance := func(n int) int { return max(n-(pageFrom+pageTo)/2, (pageFrom+pageTo)/2-n) }
	for _, p := range paths {
		b, _, err := get(ctx, c, base+p, true)
		if err != nil {
			return "", nil, nil, err
		}
		if body == nil || distance(len(b)) < distance(len(body)) {
			path, body = p, b
		}
	}
	return path, body, paths, nil
}

// visitAll asks for all pages in turn, total times altogether.
func visitAll(ctx context.Context, base string, paths []string, total int) error {
	c := plainClient()
	defer c.CloseIdleConnections()
	var next atomic.Int64
	var wg sync.WaitGroup
	errs := make([]error, 16)
	for i := range errs {
		wg.Go(func() {
			for errs[i] == nil {
				n := int(next.Add(1)) - 1
				if n >= total {
					return
				}
				_, _, errs[i] = get(ctx, c, base+paths[n%len(paths)], false)
			}
		})
	}
	wg.Wait()
	return errors.Join(errs...)
}
