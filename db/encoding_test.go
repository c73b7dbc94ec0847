package db_test

import (
	"context"
	"net/url"
	"strings"
	"testing"

	"github.com/stoa-portal/stoa/db"
	"github.com/stoa-portal/stoa/db/dbtest"
)

// Text is in UTF-8 on the way, whatever the server gives a session of its own: a default of the database here,
// init_connect on MariaDB.
func TestSession_TextIsUTF8WhateverTheServerPrefers(t *testing.T) {
	t.Parallel()
	const text = "Żółw 🐢 Grüße"
	t.Run("postgres", func(t *testing.T) {
		address := dbtest.URL(t, dbtest.Postgres)
		u, err := url.Parse(address)
		if err != nil {
			t.Fatal(err)
		}
		p, err := db.OpenPlain(t.Context(), db.Options{URL: address, MaxConns: 1})
		if err != nil {
			t.Fatal(err)
		}
		defer p.Close()
		name := strings.TrimPrefix(u.Path, "/")
		for _, s := range []string{"SET client_encoding = 'LATIN1'", "SET standard_conforming_strings = off"} {
			if _, err := p.Exec("ALTER DATABASE " + name + " " + s); err != nil {
				t.Fatal(err)
			}
		}
		keepsText(t, address, text)
	})
	t.Run("mariadb", func(t *testing.T) {
		s := dbtest.StartServer(t, dbtest.MariaDB, dbtest.ServerOptions{
			Args: []string{"--init-connect=SET NAMES latin1, autocommit = 0", "--autocommit=0"}})
		s.Exec("CREATE DATABASE app CHARACTER SET latin1", "CREATE USER app@'%' IDENTIFIED BY 'app'",
			"GRANT ALL PRIVILEGES ON app.* TO app@'%'") // a privilege on all would leave init_connect out
		keepsText(t, "mariadb://app:app@"+s.Addr()+"/app", text)
	})
}

// keepsText saves a text through one handle and reads it, and its length, through another one.
func keepsText(t *testing.T, address, text string) {
	t.Helper()
	var handles [2]*db.DB
	for i := range handles {
		d, err := db.Open(t.Context(), db.Options{URL: address, MaxConns: 2})
		if err != nil {
			t.Fatal(err)
		}
		defer d.Close()
		if err := d.Migrate(t.Context()); err != nil {
			t.Fatal(err)
		}
		handles[i] = d
	}
	if err := handles[0].Write(t.Context(), func(ctx context.Context, tx *db.Tx) error {
		return tx.Insert(ctx, "cluster_fact", db.Row{"name": "text", "value": text})
	}); err != nil {
		t.Fatal(err)
	}
	var got string
	var length int
	const query = "SELECT value, char_length(value) FROM cluster_fact WHERE name = 'text'"
	if err := handles[1].QueryRow(t.Context(), query).Scan(&got, &length); err != nil {
		t.Fatal(err)
	}
	if got != text || length != len([]rune(text)) {
		t.Errorf("the text came back as %q with %d letters", got, length)
	}
}
