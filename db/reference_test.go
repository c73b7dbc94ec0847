package db

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write docs/operate/database-address.md anew")

const referencePath = "../docs/operate/database-address.md"

// The reference of the parameters of addresses is made from the tables that read them.
func TestReference_OfAddressesIsUpToDate(t *testing.T) {
	t.Parallel()
	var b strings.Builder
	b.WriteString(`# Addresses of databases

This page is made by ` + "`go test ./db -run Reference -update`" + ` from the tables that also read the addresses; do not edit it.

| address | |
|---|---|
| ` + "`sqlite:/path/stoa.db`" + ` | the embedded database, for one node |
| ` + "`jdbc:postgresql://h1,h2:5433/name?…`, `postgres://user:password@h1/name?…`" + ` | PostgreSQL; ` + "`jdbc:postgresql:name`" + ` is on localhost; ` +
		"`postgres:///name?host=/run/postgresql`" + ` is a Unix socket |
| ` + "`jdbc:mariadb://h1,h2/name?…`, `mariadb://user:password@h1/name?…`" + ` | MariaDB; ` + "`localSocket=/run/mysqld/mysqld.sock`" + ` is a Unix socket |
| ` + "`jdbc:mysql://h1,h2/name?…`, `mysql://user:password@h1/name?…`" + ` | MySQL |

Several hosts are those among which the writable one is found, in the order of the address. So these mean the same:
` + "`" + strings.Join(modes(), "`, `") + "`" + ` between ` + "`jdbc:mariadb:` or `jdbc:mysql:`" + ` and ` + "`//`" + `, and
` + "`address=(host=h1)(port=3307)(type=primary)`" + ` is a host, too. IPv6 addresses stand in brackets. A percent sign is
written ` + "`%25`" + ` and other signs by their code, but not in ` + "`jdbc:mariadb:`" + `, where all is taken as it stands; a password
is better set by ` + "`jdbc.default.password`" + `. HSQLDB, H2, Oracle, SQL Server, DB2 and others are not supported.

Names of parameters are compared without regard to case. What is asked of TLS is done or the start is refused: there
is no plain connection where encryption was asked for. Certificates and keys are PEM files, which are read again for
each connection, so they can be renewed while the portal runs. Of ignored and refused parameters, values in brackets
change nothing and are accepted; other values are refused. A parameter that is not listed gets a warning.

## Passwords that change

With ` + "`jdbc.default.password=file:/run/secrets/database`" + ` the file is read for each new connection. Change the password at
the server, then the file: connections that are open go on, and what fails in between is said in the log and tried again.

## PgBouncer

A pooler must give each client a session of its own, for locks and settings stay in a session: ` + "`pool_mode=session`" + `, with
` + "`default_pool_size`" + ` above ` + "`maximumPoolSize`" + ` + 3 for each node (a node that finds none left waits and says that the database does
not answer). Nothing has to be listed in ` + "`ignore_startup_parameters`" + `. In transaction or statement mode the start is refused.
`)
	for _, part := range []struct {
		title string
		table []Parameter
	}{{"PostgreSQL", PostgresParameters()}, {"MariaDB and MySQL", MySQLParameters()}} {
		fmt.Fprintf(&b, "\n## %s\n\n| parameter | use | |\n|---|---|---|\n", part.title)
		for _, p := range part.table {
			names := "`" + strings.Join(p.Names, "`, `") + "`"
			if len(p.Only) > 0 {
				names += " (" + strings.Join(p.Only, ", ") + ")"
			}
			fmt.Fprintf(&b, "| %s | %s | %s |\n", names, p.Use, strings.ReplaceAll(p.Why, "|", "\\|"))
		}
	}
	if *update {
		if err := os.WriteFile(referencePath, []byte(b.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	have, err := os.ReadFile(referencePath)
	if err != nil || string(have) != b.String() {
		t.Errorf("%s is not what the tables say (%v): go test ./db -run Reference -update", referencePath, err)
	}
}
