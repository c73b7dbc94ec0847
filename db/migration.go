package db

import (
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strconv"
	"strings"
)

//go:embed migrations/*.sql
var migrations embed.FS

// Migrations are the migration files of this binary, before they are expanded for a dialect.
func Migrations() fs.FS { return migrations }

// The first line of a migration says what it is. An expanding one only adds, so that the binary before keeps
// working beside this one; a contracting one takes away what only older binaries used, and runs when the
// operator says that they are gone (Finish).
const (
	markExpand   = "-- expand"
	markContract = "-- contract"
)

// migration is one numbered file of the schema.
type migration struct {
	number     int64
	name       string
	contract   bool
	statements []string // of the dialect
}

// digest tells the first n statements from those of another build.
func (m migration) digest(n int) string {
	sum := sha256.Sum256([]byte(strings.Join(m.statements[:n], ";\n")))
	return hex.EncodeToString(sum[:16])
}

// migrations reads the files that this handle migrates with, by number.
func (d *DB) migrations() ([]migration, error) {
	var from fs.FS = migrations
	if d.opt.Migrations != nil {
		from = d.opt.Migrations
	}
	names, err := fs.Glob(from, "migrations/*.sql")
	if err != nil {
		return nil, err
	}
	var all []migration
	seen := map[int64]string{}
	for _, name := range names {
		raw, err := fs.ReadFile(from, name)
		if err != nil {
			return nil, err
		}
		m, err := parseMigration(path.Base(name), d.dialect.expand(string(raw)))
		if err != nil {
			return nil, err
		}
		if other := seen[m.number]; other != "" {
			return nil, fmt.Errorf("the migrations %s and %s have the same number", other, m.name)
		}
		seen[m.number] = m.name
		all = append(all, m)
	}
	if len(all) == 0 {
		return nil, fmt.Errorf("there are no migrations")
	}
	slices.SortFunc(all, func(a, b migration) int { return int(a.number - b.number) })
	return all, nil
}

// parseMigration reads a file: NUMBER_NAME.sql, a first line that is markExpand or markContract, and statements
// that each end with a semicolon at the end of a line. Lines that begin with -- are comments.
func parseMigration(name, text string) (migration, error) {
	digits, _, _ := strings.Cut(name, "_")
	number, err := strconv.ParseInt(digits, 10, 64)
	if err != nil || number <= 0 {
		return migration{}, fmt.Errorf("the migration %s has no number: 00123_name.sql is expected", name)
	}
	m := migration{number: number, name: name}
	lines := strings.Split(text, "\n")
	switch strings.TrimSpace(lines[0]) {
	case markExpand:
	case markContract:
		m.contract = true
	default:
		return migration{}, fmt.Errorf("the migration %s does not say what it is: its first line must be %q, when it only adds, or %q, "+
			"when binaries from before it cannot work afterwards", name, markExpand, markContract)
	}
	var b strings.Builder
	for _, line := range lines {
		trimmed := strings.TrimSpace(line)
		if trimmed == "" || strings.HasPrefix(trimmed, "--") {
			continue
		}
		b.WriteString(line + "\n")
		if strings.HasSuffix(trimmed, ";") {
			m.statements = append(m.statements, strings.TrimSuffix(strings.TrimSpace(b.String()), ";"))
			b.Reset()
		}
	}
	if b.Len() > 0 || len(m.statements) == 0 {
		return migration{}, fmt.Errorf("the migration %s does not end with a statement and a semicolon", name)
	}
	return m, nil
}

// changesRows reports whether the statement changes rows and not the shape of tables: then MariaDB and MySQL can take
// it back, and it commits together with the note that it is done.
func changesRows(statement string) bool {
	verb, _, _ := strings.Cut(statement, " ")
	return slices.Contains([]string{"INSERT", "UPDATE", "DELETE", "REPLACE"}, strings.ToUpper(verb))
}
