package dbcheck

import (
	"context"
	"database/sql"
	"errors"
	"io/fs"
	"os"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/db"
)

// AtStart gives what is worth a line in the log when a node starts: settings that lose saves, the character set of the
// database and of its tables, too few connections for a pool of that size for this node and each that lives. A
// PostgreSQL database that is not in UTF-8 is an Invalid error: the node is not to start on it. Other errors say that
// the server could not be asked.
func AtStart(ctx context.Context, d *db.DB, pool int) ([]Finding, error) {
	var out []Finding
	limit := 0
	if err := Encoding(ctx, d); err != nil {
		return nil, err
	}
	switch d.Dialect() {
	case db.Postgres:
		v, err := rowPairs(ctx, d, postgresSettings)
		if err != nil {
			return nil, err
		}
		out = postgresLosses(v)
		limit = postgresLimit(v)
	case db.MySQL:
		v, err := rowPairs(ctx, d, "SHOW GLOBAL VARIABLES")
		if err != nil {
			return nil, err
		}
		out = mysqlLosses(v)
		var name, set sql.NullString
		if err := d.QueryRow(ctx, "SELECT DATABASE(), @@character_set_database").Scan(&name, &set); err != nil {
			return nil, err
		}
		if f, wrong := charset(name.String, set.String); wrong {
			out = append(out, f)
		}
		tables, err := Tables(ctx, d)
		if err != nil {
			return nil, err
		}
		out = append(out, tables...)
		limit = int(number(v["max_connections"]))
	default:
		return nil, nil
	}
	nodes := 0
	_ = d.QueryRow(ctx, living).Scan(&nodes) // an empty database has no nodes
	if text, ok := connections(limit, pool, nodes+1); !ok {
		out = append(out, Finding{Code: "connections", Severity: Warning, Text: text,
			Fix: "raise max_connections of the server, or lower jdbc.default.maximumPoolSize"})
	}
	return out, nil
}

// Encoding refuses, with an Invalid error, a PostgreSQL database that is not in UTF-8, before any caller makes tables
// or to write texts there. MariaDB and MySQL have a character set for each table: see Tables.
func Encoding(ctx context.Context, d *db.DB) error {
	if d.Dialect() != db.Postgres {
		return nil
	}
	var name, encoding string
	err := d.QueryRow(ctx, "SELECT current_database(), current_setting('server_encoding')").Scan(&name, &encoding)
	if err != nil || encoding == "UTF8" {
		return err
	}
	return stoa.Invalid("jdbc.default.url",
		"%s; make one with ENCODING 'UTF8' (%s)", encodingSentence(name, encoding), encodingFix)
}

func rowPairs(ctx context.Context, q db.Queryer, query string) (map[string]string, error) {
	out := map[string]string{}
	err := db.Each(ctx, q, func(s db.Scanner) error {
		var name string
		var value sql.NullString
		err := s.Scan(&name, &value)
		out[name] = value.String
		return err
	}, query)
	return out, err
}

// checkSQLite looks at a file without making or changing it.
func checkSQLite(ctx context.Context, r *Report, b db.Bare, cluster bool) error {
	h := Host{Name: b.Name, Use: "write", Product: "SQLite", Role: RoleAway}
	defer func() { r.Hosts = []Host{h} }()
	r.Replication = "none"
	if _, err := os.Stat(b.Name); errors.Is(err, fs.ErrNotExist) {
		return stoa.Unavailable(err, "there is no database %s yet: stoa serve makes it", b.Name)
	}
	h.Role = RoleWritable
	if f, err := os.OpenFile(b.Name, os.O_RDWR, 0); err != nil {
		h.Role = RoleReadOnly
		r.Findings = append(r.Findings, Finding{
			Code:     "no-writable",
			Severity: Critical,
			Fix:      "make the file and its folder writable for the user of the node",
			Text:     "the file " + b.Name + " cannot be written to: " + err.Error(),
		})
	} else {
		_ = f.Close()
	}
	sev, text := Note, "SQLite is a database of one process: right for one node, and not for a cluster"
	if cluster {
		sev, text = Critical, "SQLite is a database of one process, and cluster.link.enabled is true: a second node "+
			"cannot use it"
	}
	r.Findings = append(r.Findings, Finding{
		Code:     "sqlite",
		Severity: sev,
		Text:     text,
		Fix:      "stoa db copy --to URL takes the portal to PostgreSQL, MariaDB or MySQL",
	})
	if !b.Sound(ctx) {
		r.Findings = append(
			[]Finding{
				{Code: "damaged", Severity: Critical, Fix: "stoa restore from a backup, or a copy from data/backup",
					Text: "the file " + b.Name + " is damaged or is not a database"},
			},
			r.Findings...)
	}
	return nil
}
