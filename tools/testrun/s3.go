//go:build linux

package main

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/stoa-portal/stoa/tools/pinned"
)

// envS3 names an S3 server with the keys to it: http://key:secret@host:port.
const envS3 = "STOA_TEST_S3"

// startS3 runs an S3 server on a folder.
func (e *environment) startS3(ctx context.Context) (string, error) {
	var program string
	if err := try(ctx, func() (err error) { program, err = pinned.Program(ctx, "versitygw"); return err }); err != nil {
		return "", err
	}
	who, err := unprivileged("nobody")
	if err != nil {
		return "", err
	}
	dir := filepath.Join(e.dir, "s3")
	data := filepath.Join(dir, "data")
	for _, d := range []string{dir, data} {
		if err := who.own(d, 0o700); err != nil {
			return "", err
		}
	}
	// The cache of root's programs is closed to other accounts.
	own := filepath.Join(dir, "versitygw")
	if err := copyProgram(program, own); err != nil {
		return "", err
	}
	random := make([]byte, 16)
	_, _ = rand.Read(random)
	secret := hex.EncodeToString(random)
	var address string
	err = onFreePort(ctx, func(port int) error {
		at := fmt.Sprintf("127.0.0.1:%d", port)
		p, err := startProcess("S3", filepath.Join(e.dir, "s3.log"), who, syscall.SIGKILL, dir,
			own, "--access", "stoa", "--secret", secret, "--port", at, "posix", data)
		if err != nil {
			return err
		}
		if err := p.awaitReady(ctx, time.Minute, func(ctx context.Context) error { return listens(ctx, at) }); err != nil {
			p.stop(syscall.SIGKILL, 5*time.Second)
			return err
		}
		e.keep(p, syscall.SIGTERM)
		address = "http://stoa:" + secret + "@" + at
		return nil
	})
	return address, err
}

// wantsS3 reports whether the packages asked for have a test with an S3 server: building it takes minutes.
func wantsS3(o options) bool {
	for p := range strings.FieldsSeq(o.packages) {
		if strings.HasSuffix(p, "...") || strings.HasSuffix(p, "server") || strings.Contains(p, "filestore") {
			return true
		}
	}
	return false
}

// copyProgram copies a program to where every account can run it.
func copyProgram(from, to string) error {
	b, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	return os.WriteFile(to, b, 0o755)
}

// listens says whether something takes connections there.
func listens(ctx context.Context, at string) error {
	d := net.Dialer{Timeout: time.Second}
	c, err := d.DialContext(ctx, "tcp4", at)
	if err != nil {
		return err
	}
	return c.Close()
}
