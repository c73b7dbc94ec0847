package admin_test

import (
	"net/http"
	"testing"

	"github.com/stoa-portal/stoa"
)

func TestPanel_GuestIsSentToSignIn(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	a := w.get(stoa.Actor{Instance: w.instance.ID}, "/control/content?status=draft")
	w.want("guest", a, http.StatusSeeOther)
	if a.location != "/sign-in?next=%2Fcontrol%2Fcontent%3Fstatus%3Ddraft" {
		t.Errorf("guest was sent to %q", a.location)
	}
	a = w.post(stoa.Actor{}, "/control/content/new", "title", "Sneaked in")
	if a.status != http.StatusSeeOther || a.path() != "/sign-in" {
		t.Errorf("guest's form: %d to %q", a.status, a.location)
	}
	if list := w.get(w.editor, "/control/content"); list.status != http.StatusOK {
		t.Errorf("list: %d", list.status)
	} else {
		w.without("list after the guest's form", list, "Sneaked in")
	}
}

func TestPanel_PersonWithoutPermissionIsRefused(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for _, path := range []string{"/control/", "/control/content", "/control/content/new", "/control/pages", "/control/users", "/control/roles",
		"/control/settings", "/control/sites", "/control/properties", "/control/caches", "/control/changes", "/control/jobs", "/control/locks", "/control/log", "/control/groups", "/control/cluster",
		"/control/files", "/control/files/images", "/control/categories", "/control/menus"} {
		if a := w.get(w.member, path); a.status != http.StatusForbidden && a.status != http.StatusNotFound {
			t.Errorf("%s for somebody without permission: %d", path, a.status)
		}
	}
	for _, path := range []string{"/control/users", "/control/roles", "/control/settings", "/control/sites", "/control/properties", "/control/caches", "/control/changes", "/control/jobs", "/control/locks", "/control/log", "/control/groups", "/control/cluster"} {
		if a := w.get(w.editor, path); a.status != http.StatusForbidden {
			t.Errorf("%s for an editor: %d", path, a.status)
		}
	}
	for _, path := range []string{"/control/cluster/empty", "/control/cluster/forget", "/control/log"} {
		w.want(path+" by an editor", w.post(w.editor, path, "writer", "3", "node", "0", "level", "debug"), http.StatusForbidden)
	}
	if len(w.nodes.did) > 0 {
		t.Errorf("an editor did %v", w.nodes.did)
	}
	a := w.get(w.editor, "/control/")
	w.want("overview", a, http.StatusOK, "Web content", "Quay &amp; Sons", `aria-current="page"`)
	w.without("rail of an editor", a, "/control/users", "/control/jobs")
	w.want("rail of an administrator", w.get(w.admin, "/control/"), http.StatusOK, "/control/users", "/control/jobs")
}

func TestPanel_UnknownAddressIsNotFound(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for _, path := range []string{"/control/nothing", "/control/content/abc", "/control/content/99999999999999999999", "/control/content/1", "/control/pages/7",
		"/control/users/-1", "/control/roles/0", "/control/jobs/none"} {
		w.want(path, w.get(w.admin, path), http.StatusNotFound, "rail__nav")
	}
}

func TestSystem_ScreensShowWhatThereIs(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.want("properties", w.get(w.admin, "/control/properties"), http.StatusOK, "session.timeout", "stoa.properties:3", "web.server.port")
	a := w.get(w.admin, "/control/properties?changed=1&q=SESSION")
	w.want("changed properties", a, http.StatusOK, "session.timeout")
	w.without("changed properties", a, "web.server.port")
	w.want("caches", w.get(w.admin, "/control/caches"), http.StatusOK, "article-list", "Empty all caches",
		"<td>invalidate</td>", "<td>copy</td>", "Copies between nodes", "3,456")
	w.want("changes", w.get(w.admin, "/control/changes"), http.StatusOK, "Change log")
	w.want("changes of nothing", w.get(w.admin, "/control/changes?id=x"), http.StatusOK, "positive whole number")
}
