//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/stoa-portal/stoa/tools/pinned"
)

const (
	envGCS   = "STOA_TEST_GCS"   // http://host:port of what answers as Google Cloud Storage does
	envAzure = "STOA_TEST_AZURE" // a connection string

	azuriteSource = "tools/testrun/azurite"

	// The account that every such server has; its key stands in Microsoft's manuals.
	azureAccount = "devstoreaccount1"
	azureKey     = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="
)

// wantsClouds reports whether the packages asked for have a test with servers of clouds.
func wantsClouds(o options) bool {
	for p := range strings.FieldsSeq(o.packages) {
		if strings.HasSuffix(p, "...") || strings.Contains(p, "filestore") || strings.Contains(p, "cmd/stoa") {
			return true
		}
	}
	return false
}

// cloudFolder makes the folder of such a server and one for its data, which belongs to the account it runs as.
func (e *environment) cloudFolder(name string) (dir, data string, who *account, err error) {
	if who, err = unprivileged("nobody"); err != nil {
		return "", "", nil, err
	}
	dir = filepath.Join(e.dir, name)
	data = filepath.Join(dir, "data")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", "", nil, err
	}
	return dir, data, who, who.own(data, 0o700)
}

// startCloud runs such a server on a free port and gives its address, host:port.
func (e *environment) startCloud(ctx context.Context, name, dir string, who *account,
	argv func(port int) []string) (address string, err error) {
	err = onFreePort(ctx, func(port int) error {
		at := fmt.Sprintf("127.0.0.1:%d", port)
		p, err := startProcess(name, dir+".log", who, syscall.SIGKILL, filepath.Join(dir, "data"), argv(port)...)
		if err != nil {
			return err
		}
		if err := p.awaitReady(ctx, time.Minute, func(ctx context.Context) error { return listens(ctx, at) }); err != nil {
			p.stop(syscall.SIGKILL, 5*time.Second)
			return err
		}
		e.keep(p, syscall.SIGTERM)
		address = at
		return nil
	})
	return address, err
}

// fetchWait is how long the programs of one cloud may take to come: the rest of the run waits for them.
const fetchWait = 15 * time.Minute

// startGCS runs fake-gcs-server on a folder: in memory it would keep each upload.
func (e *environment) startGCS(ctx context.Context) (string, error) {
	var program string
	short, cancel := context.WithTimeout(ctx, fetchWait)
	defer cancel()
	fetch := func() (err error) { program, err = pinned.Program(short, "fake-gcs-server"); return err }
	if err := try(short, fetch); err != nil {
		return "", err
	}
	dir, data, who, err := e.cloudFolder("gcs")
	if err != nil {
		return "", err
	}
	own := filepath.Join(dir, "fake-gcs-server")
	if err := copyProgram(program, own); err != nil {
		return "", err
	}
	at, err := e.startCloud(ctx, "fake-gcs-server", dir, who, func(port int) []string {
		at := fmt.Sprintf("127.0.0.1:%d", port)
		return []string{own, "-scheme", "http", "-host", "127.0.0.1", "-port", fmt.Sprint(port),
			"-external-url", "http://" + at,
			"-public-host", at, "-backend", "filesystem", "-filesystem-root", data, "-log-level", "error"}
	})
	return "http://" + at, err
}

// startAzure runs Azurite, as its lock file names it.
func (e *environment) startAzure(ctx context.Context) (string, error) {
	if !haveNode() {
		return "", errors.New("there is no npm: install Node and npm (Debian: nodejs, npm)")
	}
	dir, data, who, err := e.cloudFolder("azurite")
	if err != nil {
		return "", err
	}
	for _, name := range []string{"package.json", "package-lock.json"} {
		text, err := os.ReadFile(filepath.Join(azuriteSource, name))
		if err == nil {
			err = os.WriteFile(filepath.Join(dir, name), text, 0o644)
		}
		if err != nil {
			return "", err
		}
	}
	short, cancel := context.WithTimeout(ctx, fetchWait)
	defer cancel()
	if err := try(short, func() error {
		_, err := output(short, nil, dir, "npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund")
		return err
	}); err != nil {
		return "", err
	}
	// It knows fewer versions of the protocol than the client.
	at, err := e.startCloud(ctx, "Azurite", dir, who, func(port int) []string {
		return []string{filepath.Join(dir, "node_modules", ".bin", "azurite-blob"), "--blobHost", "127.0.0.1", "--blobPort",
			fmt.Sprint(port), "--location", data, "--silent", "--skipApiVersionCheck", "--disableTelemetry"}
	})
	return fmt.Sprintf("DefaultEndpointsProtocol=http;AccountName=%s;AccountKey=%s;BlobEndpoint=http://%s/%s;",
		azureAccount, azureKey, at, azureAccount), err
}
