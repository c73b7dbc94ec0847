package server_test

import (
	"fmt"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stoa-portal/stoa/db"
	"github.com/stoa-portal/stoa/db/dbtest"
	"github.com/stoa-portal/stoa/server/servertest"
)

// While a node of the version before runs, what is in the recycle bin is not there for it, in lists and by its number,
// and is there again when it is restored. (That version knows of no folders.)
func TestTrash_IsHiddenFromTheVersionBefore(t *testing.T) {
	before := versionBefore(t)
	now := filepath.Join(t.TempDir(), "stoa")
	build := exec.Command("go", "build", "-buildvcs=false", "-o", now, "github.com/stoa-portal/stoa/cmd/stoa")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build the program: %v\n%s", err, out)
	}
	for _, e := range dbtest.Servers() {
		t.Run(string(e), func(t *testing.T) {
			dir, address := t.TempDir(), dbtest.Empty(t, e)
			old, young := newProgram(t, before, dir, "old", address), newProgram(t, now, dir, "young", address)
			old.start(t)
			young.start(t)
			d, err := db.Open(t.Context(), db.Options{URL: address, MaxConns: 2, MinIdle: 1})
			ok(t, err)
			t.Cleanup(func() { _ = d.Close() })
			number := func(query string) (n int64) {
				t.Helper()
				ok(t, d.QueryRow(t.Context(), query).Scan(&n))
				return n
			}
			post := func(on *program, path string, v url.Values) servertest.Answer {
				return servertest.Do(t, on.client, http.MethodPost, on.url+path, strings.NewReader(v.Encode()),
					"Content-Type", "application/x-www-form-urlencoded")
			}
			for _, p := range []*program{old, young} {
				post(p, "/sign-in", url.Values{"login": {servertest.AdminLogin}, "password": {servertest.AdminPassword},
					"next": {"/control/"}})
			}
			site := fmt.Sprint(number("SELECT id FROM site_site"))
			for _, k := range []struct {
				kind, list, one, make, table string
				form                         url.Values
			}{
				{"role", "/control/roles", "/control/roles/", "/control/roles/new", "access_role", nil},
				{"usergroup", "/control/groups", "/control/groups/", "/control/groups/new", "user_group", nil},
				{"category", "/control/categories", "", "/control/categories", "taxonomy_category", url.Values{"parent": {"0"}}},
				{"menu", "/control/menus", "/control/menus/", "/control/menus/new", "page_menu", nil},
			} {
				name := "Harbour" + k.kind
				form := url.Values{"name": {name}, "site": {site}}
				for key, v := range k.form {
					form[key] = v
				}
				if a := post(young, k.make, form); a.Status != http.StatusSeeOther {
					t.Fatalf("make the %s: %d %s", k.kind, a.Status, a.Body)
				}
				id := fmt.Sprint(number("SELECT id FROM " + k.table + " WHERE name = '" + name + "'"))
				see := func(what string, there bool) {
					t.Helper()
					eventually(t, fmt.Sprintf("the %s, %s, is seen by the version before: %v", k.kind, what, there), func() bool {
						a := servertest.Do(t, old.client, http.MethodGet, old.url+k.list, nil)
						if a.Status != http.StatusOK || strings.Contains(a.Body, name) != there {
							return false
						}
						if k.one == "" {
							return true
						}
						a = servertest.Do(t, old.client, http.MethodGet, old.url+k.one+id, nil)
						return a.Status == http.StatusOK == there && (there || a.Status == http.StatusNotFound)
					})
				}
				see("made", true)
				at := k.one
				if at == "" {
					at = k.list + "/"
				}
				form = url.Values{"site": {site}, "version": {"1"}}
				if a := post(young, at+id+"/delete", form); !strings.Contains(a.Header.Get("Location"), "done=trashed") {
					t.Fatalf("delete the %s: %d to %q %s", k.kind, a.Status, a.Header.Get("Location"), a.Body)
				}
				see("in the bin", false)
				a := post(young, "/control/trash/restore", url.Values{"thing": {k.kind + "-" + id}})
				if !strings.Contains(a.Header.Get("Location"), "done=recovered") {
					t.Fatalf("restore the %s: %d to %q %s", k.kind, a.Status, a.Header.Get("Location"), a.Body)
				}
				see("restored", true)
			}
		})
	}
}
