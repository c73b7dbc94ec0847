package admin_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/access"
	"github.com/stoa-portal/stoa/admin"
	"github.com/stoa-portal/stoa/page"
)

func TestLists_ArePagedAndFiltered(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for i := range admin.ListPage + 5 {
		name := fmt.Sprintf("Mooring %02d", i)
		_, err := w.access.CreateRole(as(w.admin), access.Role{Instance: w.instance.ID, Name: name})
		must(t, err)
		_, err = w.pages.Create(as(w.admin), w.site, page.NewPage{Title: map[stoa.Locale]string{"en": name}, Position: -1})
		must(t, err)
		_, err = w.pages.SaveMenu(as(w.admin), page.Menu{Site: w.site.ID, Name: name, Slug: fmt.Sprintf("mooring-%02d", i)})
		must(t, err)
	}
	for _, path := range []string{"/control/roles", "/control/pages", "/control/menus"} {
		first, second := w.get(w.admin, path), w.get(w.admin, path+"?page=2")
		w.want(path, first, http.StatusOK, `rel="next" href="`+path+`?page=2"`, "Mooring 00", `1 to 50 of `)
		w.without(path, first, "Mooring 54", `rel="prev"`)
		w.want(path+" second page", second, http.StatusOK, "Mooring 54", `rel="prev" href="`+path+`"`)
		w.without(path+" second page", second, "Mooring 00", `rel="next"`)
		found := w.get(w.admin, path+"?q=MOORING+17")
		w.want(path+" filtered", found, http.StatusOK, "Mooring 17", `value="MOORING 17"`)
		w.without(path+" filtered", found, "Mooring 18", `class="paging"`)
		w.want(path+" nothing", w.get(w.admin, path+"?q=zeppelin"), http.StatusOK, "No row has “zeppelin”.", `href="`+path+`"`)
		if path == "/control/pages" { // what a filter finds is a list without a tree, paged by keys
			all := w.get(w.admin, path+"?q=mooring")
			w.want(path+" with a filter", all, http.StatusOK, "50 of 55", `rel="next"`)
			w.want(path+" the rest", w.get(w.admin, all.link(t, "next")), http.StatusOK, "5 of 55", `value="mooring"`,
				`rel="prev"`)
			w.want(path+" an address", w.get(w.admin, path+"?q=%2Fmooring-1"), http.StatusOK, "Mooring 17", `value="/mooring-1"`)
		} else {
			w.want(path+" with a filter", w.get(w.admin, path+"?q=mooring"), http.StatusOK, path+"?page=2&amp;q=mooring")
		}
		for _, odd := range []string{"0", "-3", "x", "99999999999999999999", "1e3"} {
			w.want(path+" page "+odd, w.get(w.admin, path+"?page="+odd), http.StatusOK, "Mooring")
		}
	}
	hostile := w.get(w.admin, "/control/roles?q=%3Cscript%3Ealert(1)%3C/script%3E")
	w.without("markup in the filter", hostile, "<script>alert")
	long := w.get(w.admin, "/control/roles?q="+strings.Repeat("a", 5000))
	w.without("a long filter", long, strings.Repeat("a", 101))
}

func TestLists_OtherListsHaveTheirFilter(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.get(w.editor, w.write(w.editor, "Harbour", "<p>Ships.</p>"))
	for path, row := range map[string]string{"/control/sites": "/web/guest<", "/control/properties": "web.server.port<", "/control/jobs": "content.publish<",
		"/control/locks": "Harbour<", "/control/caches": ">article<"} {
		w.want(path, w.get(w.admin, path), http.StatusOK, row, `type="search"`)
		w.without(path+" filtered", w.get(w.admin, path+"?q=zeppelin"), row)
	}
	w.want("add", w.post(w.editor, "/control/categories", "name", "News", "parent", "0"), http.StatusSeeOther)
	w.want("categories", w.get(w.editor, "/control/categories?q=new"), http.StatusOK, "News")
	w.want("categories filtered", w.get(w.editor, "/control/categories?q=zeppelin"), http.StatusOK, "Nothing fits")
}
