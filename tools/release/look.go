package main

import (
	"archive/tar"
	"compress/gzip"
	"context"
	"debug/elf"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"
)

// packaged are the files that each package must bring.
var packaged = []string{
	"/etc/default/stoa", "/etc/stoa/portal-ext.properties", "/usr/bin/stoa", "/usr/lib/systemd/system/stoa.service",
	"/usr/share/doc/stoa/NOTICES.txt", "/usr/share/doc/stoa/copyright",
}

// look holds what came out to what was to come out, and uses it as people would.
func (r *release) look(ctx context.Context) error {
	files, err := r.checkSums()
	if err != nil {
		return err
	}
	kinds := map[string]int{}
	for _, name := range files {
		kinds[filepath.Ext(name)]++
	}
	for ext, want := range map[string]int{".gz": 4, ".zip": 1, ".deb": 2, ".rpm": 2, ".json": len(platforms)} {
		if kinds[ext] != want {
			return fmt.Errorf("%d files end in %s, not %d: %v", kinds[ext], ext, want, files)
		}
	}
	for _, p := range platforms {
		if err := r.checkBill(fmt.Sprintf("stoa_%s_%s_%s.cdx.json", r.version, p.system, p.processor)); err != nil {
			return err
		}
	}
	if runtime.GOOS != "linux" || r.host == "" {
		fmt.Println("not looked at: the program, as none of them is for this machine")
		return nil
	}
	dir, err := os.MkdirTemp("", "stoa-release")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	program := filepath.Join(dir, "stoa")
	if err := unpack(r.path(r.host+".tar.gz"), r.host+"/stoa", program); err != nil {
		return err
	}
	return errors.Join(r.use(ctx, program, filepath.Join(dir, "home")), r.lookAtDeb(ctx, dir), r.lookAtRPM(ctx))
}

// checkSums reads all files again and gives their names.
func (r *release) checkSums() ([]string, error) {
	list, err := os.ReadFile(r.path(listName))
	if err != nil {
		return nil, err
	}
	var names []string
	for line := range strings.Lines(string(list)) {
		want, name, _ := strings.Cut(strings.TrimSpace(line), "  ")
		got, err := sumOf(r.path(name))
		if err != nil {
			return nil, err
		}
		if got != want {
			return nil, fmt.Errorf("%s has not the checksum of %s", name, listName)
		}
		names = append(names, name)
	}
	return names, nil
}

// checkBill holds the list of parts to two that every program has.
func (r *release) checkBill(name string) error {
	text, err := os.ReadFile(r.path(name))
	if err != nil {
		return err
	}
	var bill struct {
		BOMFormat  string
		Metadata   struct{ Component struct{ Version string } }
		Components []struct{ Name string }
	}
	if err := json.Unmarshal(text, &bill); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	var parts []string
	for _, c := range bill.Components {
		parts = append(parts, c.Name)
	}
	if bill.BOMFormat != "CycloneDX" || bill.Metadata.Component.Version != "v"+r.version ||
		!slices.Contains(parts, "modernc.org/sqlite") || !slices.Contains(parts, "std") {
		return fmt.Errorf("%s is no list of the parts of %s: %q %q with %v", name, r.version, bill.BOMFormat,
			bill.Metadata.Component.Version, parts)
	}
	return nil
}

// unpack takes one file out of an archive.
func unpack(archive, name, to string) error {
	f, err := os.Open(archive)
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }()
	packed, err := gzip.NewReader(f)
	if err != nil {
		return err
	}
	for r := tar.NewReader(packed); ; {
		h, err := r.Next()
		if err != nil {
			return fmt.Errorf("%s: look for %s: %w", archive, name, err)
		}
		if h.Name != name {
			continue
		}
		text, err := io.ReadAll(r)
		if err != nil {
			return err
		}
		return os.WriteFile(to, text, h.FileInfo().Mode())
	}
}

// use runs a program as who has downloaded it would: it knows its version, needs no library, and serves.
func (r *release) use(ctx context.Context, program, home string) error {
	said, err := command(ctx, nil, program, "version")
	if err != nil {
		return err
	}
	if !strings.Contains(said, r.version) {
		return fmt.Errorf("%s says it is %q, not %s", program, said, r.version)
	}
	file, err := elf.Open(program)
	if err != nil {
		return err
	}
	defer func() { _ = file.Close() }()
	if slices.ContainsFunc(file.Progs, func(p *elf.Prog) bool { return p.Type == elf.PT_INTERP }) {
		return fmt.Errorf("%s wants shared libraries", program)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	address := l.Addr().String()
	_ = l.Close()
	cmd := exec.CommandContext(ctx, program, "serve", "--home", home)
	cmd.Env = append(os.Environ(), "STOA_PORTAL_PERIOD_INSTANCE_PERIOD_INET_PERIOD_SOCKET_PERIOD_ADDRESS="+address)
	cmd.Dir = filepath.Dir(program)
	var log strings.Builder
	cmd.Stdout, cmd.Stderr = &log, &log
	if err := cmd.Start(); err != nil {
		return err
	}
	ready := waitFor(ctx, "http://"+address+"/readyz", 2*time.Minute)
	err = errors.Join(ready, cmd.Process.Signal(os.Interrupt), cmd.Wait())
	if err != nil {
		return fmt.Errorf("%s serve: %w\n%s", program, err, log.String())
	}
	fmt.Printf("ok: %s is %s, needs no library, served and ended\n", filepath.Base(program), strings.TrimSpace(said))
	return nil
}

// waitFor asks until an address answers 200.
func waitFor(ctx context.Context, address string, patience time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for tick := time.NewTicker(100 * time.Millisecond); ; {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
		if err != nil {
			return err
		}
		if res, err := http.DefaultClient.Do(req); err == nil {
			_ = res.Body.Close()
			if res.StatusCode == http.StatusOK {
				return nil
			}
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%s did not answer 200 within %s", address, patience)
		case <-tick.C:
		}
	}
}

// lookAtDeb unpacks the package and uses the program in it.
func (r *release) lookAtDeb(ctx context.Context, dir string) error {
	if _, err := exec.LookPath("dpkg-deb"); err != nil {
		fmt.Println("not looked at: the Debian package, as there is no dpkg-deb")
		return nil
	}
	found, err := filepath.Glob(r.path("stoa_*_" + runtime.GOARCH + ".deb"))
	if err != nil || len(found) != 1 {
		return fmt.Errorf("one Debian package for this machine is expected: %v, %w", found, err)
	}
	root := filepath.Join(dir, "root")
	if _, err := command(ctx, nil, "dpkg-deb", "--extract", found[0], root); err != nil {
		return err
	}
	for _, name := range packaged {
		if _, err := os.Stat(filepath.Join(root, name)); err != nil {
			return fmt.Errorf("%s: %w", found[0], err)
		}
	}
	control := filepath.Join(dir, "control")
	if _, err := command(ctx, nil, "dpkg-deb", "--control", found[0], control); err != nil {
		return err
	}
	conffiles, err := os.ReadFile(filepath.Join(control, "conffiles"))
	if err != nil {
		return err
	}
	if got := slices.Sorted(strings.FieldsSeq(string(conffiles))); !slices.Equal(got, packaged[:2]) {
		return fmt.Errorf("%s: the files of an owner are %v, not %v", found[0], got, packaged[:2])
	}
	return r.use(ctx, filepath.Join(root, "usr/bin/stoa"), filepath.Join(dir, "home-deb"))
}

// lookAtRPM lists the package for Red Hat.
func (r *release) lookAtRPM(ctx context.Context) error {
	if _, err := exec.LookPath("rpm"); err != nil {
		fmt.Println("not looked at: the packages for Red Hat, as there is no rpm")
		return nil
	}
	found, err := filepath.Glob(r.path("*.rpm"))
	if err != nil {
		return err
	}
	for _, name := range found {
		list, err := command(ctx, nil, "rpm", "-qlp", name)
		if err != nil {
			return err
		}
		for _, want := range packaged {
			if !slices.Contains(strings.Fields(list), want) {
				return fmt.Errorf("%s has no %s:\n%s", name, want, list)
			}
		}
	}
	fmt.Printf("ok: rpm lists the files of %d packages\n", len(found))
	return nil
}
