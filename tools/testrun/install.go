//go:build linux

package main

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
)

// need is something the tests use that a Debian package brings.
type need struct {
	name     string
	packages []string
	find     func() bool
}

// clusterPackages are what the lab plays fail-over with, beside the servers.
var clusterPackages = []string{"patroni", "etcd-server", "python3-etcd", "python3-psycopg2", "pgbouncer",
	"galera-4", "rsync", "lsof"}

// needs lists what is looked for, and installed when it is not there.
func needs(o options) []need {
	all := []need{
		{"a C compiler (race detector)", []string{"gcc", "libc6-dev"}, haveCompiler},
		{"PostgreSQL", []string{"postgresql"}, func() bool { return os.Getenv(envPostgres) != "" || findPostgres() != "" }},
		{"MariaDB", []string{"mariadb-server"}, func() bool { return os.Getenv(envMaria) != "" || findMaria() != "" }},
		{"Chromium", []string{"chromium"}, func() bool { return findChromium() != "" }},
		{"the network lab", []string{"iproute2", "nftables", "haproxy", "faketime"}, haveLab},
		{"database clusters for the lab", clusterPackages, haveClusters},
		{"a pooler and Galera", []string{"pgbouncer", "galera-4"}, haveDatabaseKin},
	}
	if wantsSearch(o) {
		all = append(all, need{"Java and Maven for search servers", []string{"default-jdk-headless", "maven"}, haveJava})
	}
	if o.turn(editorDay) || o.turn(azureDay) {
		all = append(all, need{"Node and npm", []string{"nodejs", "npm"}, haveNode})
	}
	if o.turn(alertsDay) {
		all = append(all, need{"promtool", []string{"prometheus"}, func() bool { return firstProgram("promtool") != "" }})
	}
	if o.turn(releaseDay) {
		all = append(all, need{"rpm, to look into packages", []string{"rpm"},
			func() bool { return firstProgram("rpm") != "" }})
	}
	return all
}

// installScript runs as root. While it runs, a policy file keeps packages from
// starting their servers; a policy that is already there is left alone.
// --no-remove: a machine with another database server keeps it.
const installScript = `set -e
policy=/usr/sbin/policy-rc.d
if [ ! -e $policy ]; then
  trap 'rm -f /usr/sbin/policy-rc.d' EXIT
  printf '#!/bin/sh\nexit 101\n' >$policy
  chmod 755 $policy
fi
export DEBIAN_FRONTEND=noninteractive
apt-get -q -o DPkg::Lock::Timeout=300 -o Acquire::Retries=3 "$@"`

// install brings what is missing with apt-get. What cannot be had is reported
// later, by the service that misses it.
func (e *environment) install(ctx context.Context) {
	var missing []need
	for _, n := range needs(e.opts) {
		if !n.find() {
			missing = append(missing, n)
		}
	}
	if len(missing) == 0 || e.opts.noInstall || ctx.Err() != nil {
		return
	}
	if _, err := exec.LookPath("apt-get"); err != nil {
		e.out.printf("There is no apt-get here: install by hand what is reported as missing.\n")
		return
	}
	var names, packages []string
	for _, n := range missing {
		names = append(names, n.name)
		packages = append(packages, n.packages...)
	}
	e.out.printf("== install: %s\n", strings.Join(names, ", "))
	if err := e.apt("update"); err != nil {
		e.out.printf("apt-get update: %v\n", err)
	}
	flags := []string{"install", "-y", "--no-install-recommends", "--no-remove"}
	if e.apt(slices.Concat(flags, packages)...) == nil || len(missing) == 1 {
		return
	}
	// One package that cannot be had must not keep the others away.
	for _, n := range missing {
		if ctx.Err() != nil {
			return
		}
		if err := e.apt(slices.Concat(flags, n.packages)...); err != nil {
			e.out.printf("apt-get install %s: %v\n", strings.Join(n.packages, " "), err)
		}
	}
}

// apt runs apt-get as root. It is not ended by Ctrl-C: a package manager that
// is cut off leaves a broken machine.
func (e *environment) apt(args ...string) error {
	argv := []string{"sh", "-c", installScript, "sh"}
	terminal := isTerminal(os.Stdin)
	if os.Geteuid() != 0 {
		if terminal {
			argv = append([]string{"sudo"}, argv...)
		} else {
			argv = append([]string{"sudo", "-n"}, argv...)
		}
	}
	argv = append(argv, args...)
	log, err := os.OpenFile(filepath.Join(e.dir, "apt.log"), os.O_CREATE|os.O_RDWR|os.O_APPEND, 0o644)
	if err != nil {
		return err
	}
	defer func() { _ = log.Close() }()
	cmd := exec.Command(argv[0], argv[1:]...)
	cmd.Stdout, cmd.Stderr = log, log
	if terminal && os.Geteuid() != 0 {
		cmd.Stdin = os.Stdin // sudo may ask for a password
	} else {
		cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	}
	err = cmd.Run()
	if err != nil {
		if b, rerr := os.ReadFile(log.Name()); rerr == nil {
			e.out.printf("%s\n", tail(string(b), 12))
		}
	}
	return err
}

func isTerminal(f *os.File) bool {
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0 && f.Name() != os.DevNull && ttyName(f)
}

// ttyName tells a terminal from other character devices such as /dev/null.
func ttyName(f *os.File) bool {
	name, err := os.Readlink("/proc/self/fd/0")
	return f == os.Stdin && err == nil && (strings.HasPrefix(name, "/dev/pts/") || strings.HasPrefix(name, "/dev/tty"))
}

// haveCompiler says whether a C program with a standard header compiles: the
// compiler alone, without the headers of the C library, is not enough.
func haveCompiler() bool {
	cc := os.Getenv("CC")
	if cc == "" {
		cc = "gcc"
	}
	if _, err := exec.LookPath(cc); err != nil {
		return false
	}
	cmd := exec.Command(cc, "-x", "c", "-fsyntax-only", "-")
	cmd.Stdin = strings.NewReader("#include <stdlib.h>\nint main(void) { return 0; }\n")
	return cmd.Run() == nil
}

// haveLab says whether the lab has its tools, or is left out because only root can make networks.
func haveLab() bool {
	if os.Geteuid() != 0 {
		return true
	}
	for _, program := range []string{"ip", "nft", "haproxy", "faketime"} {
		if firstProgram(program, "/usr/sbin/"+program) == "" {
			return false
		}
	}
	return true
}

// haveClusters says whether the lab has what makes a cluster of database servers.
func haveClusters() bool {
	if os.Geteuid() != 0 {
		return true
	}
	for _, program := range []string{"patroni", "etcd", "/usr/sbin/pgbouncer", "rsync", "lsof"} {
		if firstProgram(program) == "" {
			return false
		}
	}
	for _, file := range []string{"/usr/lib/galera/libgalera_smm.so", "/usr/lib/python3/dist-packages/etcd"} {
		if _, err := os.Stat(file); err != nil {
			return false
		}
	}
	return true
}

// haveDatabaseKin says whether what stands before and between database servers can be tested.
func haveDatabaseKin() bool {
	return firstProgram("/usr/sbin/pgbouncer", "pgbouncer") != "" && newest("/usr/lib/galera/libgalera_smm.so") != ""
}

// newest returns the last of the paths that match, "" for none. Version
// numbers of one length sort as text.
func newest(pattern string) string {
	found, err := filepath.Glob(pattern)
	if err != nil || len(found) == 0 {
		return ""
	}
	slices.Sort(found)
	return found[len(found)-1]
}

// findPostgres returns the folder of the PostgreSQL server programs.
func findPostgres() string {
	if p := newest("/usr/lib/postgresql/*/bin/initdb"); p != "" {
		return filepath.Dir(p)
	}
	if p, err := exec.LookPath("initdb"); err == nil {
		return filepath.Dir(p)
	}
	return ""
}

// findMaria returns the path of the MariaDB server program.
func findMaria() string { return firstProgram("/usr/sbin/mariadbd", "mariadbd") }

// findChromium returns the path of the browser.
func findChromium() string {
	return firstProgram(os.Getenv(envChromium), "/usr/bin/chromium", "chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
}

func firstProgram(names ...string) string {
	for _, n := range names {
		if n == "" {
			continue
		}
		if p, err := exec.LookPath(n); err == nil {
			return p
		}
	}
	return ""
}
