package sites_test

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/access"
	"github.com/stoa-portal/stoa/admin/admintest"
	"github.com/stoa-portal/stoa/page"
	"github.com/stoa-portal/stoa/site"
)

func system() stoa.Actor { return stoa.SystemActor() }

// now reads the site of the panel.
func now(w *admintest.World) site.Site {
	w.T.Helper()
	st, err := w.Sites.Site(admintest.As(system()), w.Site.ID)
	admintest.Must(w.T, err)
	return st
}

// manager is a person who manages the site of the panel, and not the instance.
func manager(w *admintest.World) stoa.Actor {
	w.T.Helper()
	role, err := w.Access.CreateRole(admintest.As(system()), access.Role{Instance: w.Instance.ID, Name: "Site managers"})
	admintest.Must(w.T, err)
	admintest.Must(w.T, w.Access.SetGrants(admintest.As(system()), w.Site.Path(),
		[]access.Grant{{Role: role.ID, Action: access.Manage}}))
	return w.Person(w.Instance.ID, "mia", role.ID)
}

func TestSettings_AreSavedOrTheFormSaysWhatIsWrong(t *testing.T) {
	t.Parallel()
	w := admintest.New(t)
	who := w.Admin
	admintest.Must(t, func() error {
		_, err := w.Pages.Create(admintest.As(system()), w.Site, page.NewPage{Slug: "about", Publish: true,
			Title: map[stoa.Locale]string{"en": "About"}})
		return err
	}())
	const at = "/control/settings"
	opened := w.Get(who, at)
	full := []string{"name", "Pier & Co", "slug", "pier", "tagline", "By the water", "home", "/about",
		"footer", "Small print", "another", "pt-BR", "hosts", "www.example.com\nexample.com"}
	w.Want("saved", w.Press(who, opened, "Save", full...), http.StatusSeeOther)
	st := now(w)
	if st.Name != "Pier & Co" || st.Slug != "pier" || st.Tagline != "By the water" ||
		st.Home != "/about" || st.Footer != "Small print" || !slices.Contains(st.Locales, "pt-BR") ||
		!slices.Contains(st.Locales, "en") {
		t.Errorf("saved %+v", st)
	}
	late := w.Press(who, opened, "Save", "name", "Late", "tagline", "Late too")
	w.Want("stale", late, http.StatusConflict, `value="Late"`, `value="Late too"`,
		"Saved by another person: “Pier &amp; Co”")
	if now(w).Version != st.Version {
		t.Error("an old form was saved")
	}
	w.Want("decided", w.Press(who, late, "Save"), http.StatusSeeOther)
	if got := now(w); got.Name != "Late" {
		t.Errorf("saved as %+v", got)
	}
	st = now(w)
	screen := w.Get(who, at)
	long := strings.Repeat("x", 501)
	for field, value := range map[string]string{"name": "", "slug": "a/b", "tagline": long,
		"footer": strings.Repeat("x", 20001), "hosts": "http://x/"} {
		pairs := []string{field, value}
		if field != "name" {
			pairs = append(pairs, "name", "Kept & typed")
		} else {
			pairs = append(pairs, "tagline", "Kept & typed")
		}
		w.Want("a wrong "+field, w.Press(who, screen, "Save", pairs...), http.StatusUnprocessableEntity,
			`id="f-`+field+`-error"`, `value="Kept &amp; typed"`)
	}
	w.Want("no language", w.Post(who, at, "version", version(w, screen), "name", "Kept", "slug", "kept", "locale", "<b>"),
		http.StatusUnprocessableEntity, `id="f-locale-error"`, `value="Kept"`)
	w.Want("no page", w.Post(who, at, "version", version(w, screen), "name", "Kept", "slug", "kept", "locale", "en",
		"home", "about"), http.StatusUnprocessableEntity, `id="f-home-error"`)
	w.Want("by an editor", w.Press(w.Editor, screen, "Save", "name", "Mine"), http.StatusForbidden)
	if now(w).Version != st.Version {
		t.Error("something was saved")
	}
}

// version is the version that a form of the screen carries.
func version(w *admintest.World, a admintest.Answer) string {
	w.T.Helper()
	_, rest, ok := strings.Cut(a.Body, `name="version" value="`)
	if !ok {
		w.T.Fatalf("no version in the form:\n%s", a.Main())
	}
	v, _, _ := strings.Cut(rest, `"`)
	return v
}

// The host names of an instance are for its administrators, and who manages one site keeps them.
func TestSettings_WhoManagesOneSiteSavesItWithoutItsHosts(t *testing.T) {
	t.Parallel()
	w := admintest.New(t)
	mia := manager(w)
	w.Want("hosts", w.Press(w.Admin, w.Get(w.Admin, "/control/settings"), "Save", "hosts", "www.example.com"),
		http.StatusSeeOther)
	screen := w.Get(mia, "/control/settings")
	w.Without("the form", screen, `name="hosts"`, "www.example.com")
	w.Want("saved", w.Press(mia, screen, "Save", "name", "Mine"), http.StatusSeeOther)
	w.Want("the host", w.Get(w.Admin, "/control/settings"), http.StatusOK, "www.example.com", `value="Mine"`)
	w.Want("hosts, without the field", w.Post(mia, "/control/settings", "version", version(w,
		w.Get(mia, "/control/settings")), "name", "Mine", "slug", "guest", "locale", "en", "hosts", ""),
		http.StatusSeeOther)
	w.Want("the host", w.Get(w.Admin, "/control/settings"), http.StatusOK, "www.example.com")
	for _, at := range []string{"/control/sites", "/control/sites/new", "/control/instances"} {
		w.Want(at, w.Get(mia, at), http.StatusForbidden)
	}
}

func TestSite_IsMadeChosenOrTheFormSaysWhatIsWrong(t *testing.T) {
	t.Parallel()
	w := admintest.New(t)
	who := w.Manager()
	form := w.Get(who, "/control/sites/new")
	w.Want("no name", w.Press(who, form, "Save", "slug", "intranet", "tagline", "Kept"), http.StatusUnprocessableEntity,
		`id="f-name-error"`, `value="Kept"`)
	w.Want("no address", w.Press(who, form, "Save", "name", "Kept", "slug", "a b"), http.StatusUnprocessableEntity,
		`id="f-slug-error"`, `value="Kept"`)
	w.Want("taken", w.Press(who, form, "Save", "name", "Kept", "slug", "guest"), http.StatusConflict,
		`id="f-slug-error"`, `value="Kept"`)
	w.Want("by an editor", w.Press(w.Editor, form, "Save", "name", "Mine", "slug", "mine"), http.StatusForbidden)
	list := w.Follow(who, w.Press(who, form, "Save", "name", "Intranet", "slug", "intranet", "locale", "de"))
	w.Want("made", list, http.StatusOK, "/web/intranet")
	w.Without("what was refused", list, "Kept", "Mine")
	st, err := w.Sites.BySlug(admintest.As(who), w.Instance.ID, "intranet")
	admintest.Must(t, err)
	w.Want("filtered", w.Get(who, "/control/sites?q=intra"), http.StatusOK, "/web/intranet")
	w.Without("filtered", w.Get(who, "/control/sites?q=intra"), "/web/guest")
	w.Want("chosen", w.Post(who, "/control/site/choose", "site", st.ID.String()), http.StatusSeeOther)
	// The settings that a window shows are of the site that it was opened with.
	screen := w.Get(who, "/control/settings?site="+st.ID.String())
	w.Want("its settings", screen, http.StatusOK, `value="Intranet"`)
	a := w.Post(who, "/control/settings", "site", st.ID.String(), "version", version(w, screen), "name", "Inside", "slug",
		"intranet", "locale", "de")
	w.Want("saved", a, http.StatusSeeOther)
	if got, err := w.Sites.Site(admintest.As(who), st.ID); err != nil || got.Name != "Inside" || now(w).Name == "Inside" {
		t.Errorf("saved as %q, %v", got.Name, err)
	}
}

func TestAppearance_IsSavedOrTheFormSaysWhatIsWrong(t *testing.T) {
	t.Parallel()
	w := admintest.New(t)
	const at = "/control/appearance"
	who := w.Manager()
	opened := w.Get(who, at)
	w.Want("saved", w.Press(who, opened, "Save", "light.accent", "#1F4E79", "text", site.FaceSerif,
		"css", "main { margin: 0 }"), http.StatusSeeOther)
	a := now(w).Appearance
	if a.Light.Accent != "#1f4e79" || a.Text != site.FaceSerif || a.CSS != "main { margin: 0 }" || a.HideSearch {
		t.Errorf("saved %+v", a)
	}
	late := w.Press(who, opened, "Save", "light.accent", "#224466", "headings", site.FaceSans)
	w.Want("stale", late, http.StatusConflict, `value="#224466"`, "#1f4e79")
	if now(w).Appearance.Light.Accent != "#1f4e79" {
		t.Error("an old form was saved")
	}
	w.Want("decided", w.Press(who, late, "Save"), http.StatusSeeOther)
	if got := now(w).Appearance; got.Light.Accent != "#224466" || got.Headings != site.FaceSans {
		t.Errorf("saved %+v", got)
	}
	screen := w.Get(who, at)
	for field, value := range map[string]string{"light.accent": "blue", "dark.ink": "#12", "light.ink": "#ffffff",
		"css": "main { margin: 0"} {
		w.Want("a wrong "+field, w.Press(who, screen, "Save", field, value, "light.ground", "#fdfdfd"),
			http.StatusUnprocessableEntity, `id="f-`+field+`-error"`, `value="#fdfdfd"`)
	}
	w.Want("no typeface", w.Post(who, at, "version", version(w, screen), "text", "comic"), http.StatusUnprocessableEntity,
		`id="f-text-error"`)
	w.Want("no header", w.Post(who, at, "version", version(w, screen), "brand", "none"), http.StatusUnprocessableEntity,
		`id="f-brand-error"`)
	w.Want("by an editor", w.Press(w.Editor, screen, "Save", "light.accent", "#335577"), http.StatusForbidden)
	w.Want("previewed by an editor", w.Press(w.Editor, screen, "Preview"), http.StatusForbidden)
	shown := w.Press(who, screen, "Preview", "light.accent", "#335577")
	w.Want("preview", shown, http.StatusOK, "#335577")
	w.Want("a preview of what is wrong", w.Press(who, screen, "Preview", "light.accent", "blue"), http.StatusOK,
		"is not a colour")
	if got := now(w).Appearance; got.Light.Accent != "#224466" {
		t.Errorf("something was saved: %+v", got)
	}
	stale := who // signed in long ago: a style sheet asks who it is
	stale.Proven = stale.Proven.AddDate(0, 0, -1)
	asked := w.Press(stale, screen, "Save", "css", "main { color: red }")
	if asked.Status == http.StatusSeeOther && asked.Path() == at || now(w).Appearance.CSS == "main { color: red }" {
		t.Errorf("the style sheet was saved: %d %q", asked.Status, asked.Location)
	}
}

func TestInstance_IsMadeOrTheFormSaysWhatIsWrong(t *testing.T) {
	t.Parallel()
	w := admintest.New(t)
	const at = "/control/instances/new"
	form := w.Get(w.Admin, at)
	full := []string{"name", "Harbour", "host", "harbour.example", "webId", "harbour.org", "locale", "de", "timeZone",
		"Europe/Vienna"}
	but := func(name, value string) []string {
		out := slices.Clone(full)
		out[slices.Index(out, name)+1] = value
		return out
	}
	for field, values := range map[string][]string{"name": {"", strings.Repeat("n", 191)}, "host": {"", "a b", "http://x"},
		"webId": {"", "two words"}} {
		for _, value := range values {
			a := w.Press(w.Admin, form, "Save", but(field, value)...)
			w.Want("a wrong "+field+" "+value, a, http.StatusUnprocessableEntity, `id="f-`+field+`-error"`,
				`value="de" selected`)
			for i := 0; i < 6; i += 2 {
				if full[i] != field {
					w.Want("it keeps "+full[i], a, http.StatusUnprocessableEntity, `value="`+full[i+1]+`"`)
				}
			}
		}
	}
	w.Want("a web id that is taken", w.Press(w.Admin, form, "Save", but("webId", "stoa.example")...), http.StatusConflict,
		`id="f-webId-error"`, `value="Harbour"`)
	w.Want("by an administrator", w.Press(w.Manager(), form, "Save", full...), http.StatusForbidden)
	list, err := w.Sites.Instances(admintest.As(system()))
	admintest.Must(t, err)
	if len(list) != 1 {
		t.Fatalf("instances were made: %+v", list)
	}
	made := w.Press(w.Admin, form, "Save", full...)
	w.Want("made", made, http.StatusOK, "harbour.example/account/reset?token=made-by-the-test")
	list, err = w.Sites.Instances(admintest.As(system()))
	admintest.Must(t, err)
	if i := slices.IndexFunc(list, func(i site.Instance) bool { return i.WebID == "harbour.org" }); i < 0 ||
		list[i].Locale != "de" || list[i].TimeZone != "Europe/Vienna" || list[i].Name != "Harbour" {
		t.Errorf("made %+v", list)
	}
	w.Want("listed", w.Get(w.Admin, "/control/instances?q=harb"), http.StatusOK, "harbour.example", "harbour.org")
	w.Want("a host that is taken", w.Press(w.Admin, form, "Save", but("webId", "other.org")...), http.StatusConflict,
		`id="f-host-error"`, `value="Harbour"`)
}

func TestInstanceHosts_AreAddedAndRemovedByOperators(t *testing.T) {
	t.Parallel()
	w := admintest.New(t)
	other, _, stranger := w.Other()
	at := "/control/instances/" + other.ID.String() + "/hosts"
	screen := w.Get(w.Admin, at)
	w.Want("its hosts", screen, http.StatusOK, "other.example")
	for _, name := range []string{"", "http://x/", "a b", "*.example.org", "10.0.0.1:80"} {
		w.Want("the host "+name, w.Press(w.Admin, screen, "Add", "hosts", name), http.StatusUnprocessableEntity,
			`id="f-hosts-error"`, `value="`+name+`"`)
	}
	screen = w.Follow(w.Admin, w.Press(w.Admin, screen, "Add", "hosts", "Shop.Example."))
	w.Want("added", screen, http.StatusOK, "shop.example")
	own := w.Get(w.Admin, "/control/instances/"+w.Instance.ID.String()+"/hosts")
	w.Want("a host of another instance", w.Press(w.Admin, own, "Add", "hosts", "shop.example"), http.StatusConflict,
		`id="f-hosts-error"`)
	for name, who := range map[string]stoa.Actor{"an administrator": w.Manager(), "an editor": w.Editor} {
		w.Want(name, w.Get(who, at), http.StatusForbidden)
		w.Want(name+" adds", w.Press(who, screen, "Add", "hosts", "mine.example"), http.StatusForbidden)
		w.Want(name+" removes", w.Post(who, at+"/remove", "host", "shop.example"), http.StatusForbidden)
	}
	if a := w.Post(stranger, at, "hosts", "mine.example"); a.Status != http.StatusForbidden &&
		a.Status != http.StatusNotFound {
		t.Errorf("its own administrator adds a host: %d", a.Status)
	}
	w.Want("removed of the wrong instance", w.Post(w.Admin, "/control/instances/"+w.Instance.ID.String()+
		"/hosts/remove", "host", "shop.example"), http.StatusNotFound)
	w.Want("it is there", w.Get(w.Admin, at), http.StatusOK, "shop.example")
	w.Want("removed", w.Post(w.Admin, at+"/remove", "host", "shop.example"), http.StatusSeeOther)
	w.Without("it is gone", w.Get(w.Admin, at), "shop.example")
	w.Want("no instance", w.Get(w.Admin, "/control/instances/4711/hosts"), http.StatusNotFound)
}

func TestSites_OfAnotherInstanceAreNotThere(t *testing.T) {
	t.Parallel()
	w := admintest.New(t)
	_, st, stranger := w.Other()
	for name, who := range map[string]stoa.Actor{"an administrator": w.Manager(), "an operator": w.Admin} {
		for _, at := range []string{"/control/settings", "/control/appearance", "/control/appearance/preview"} {
			w.Want(name+" saves "+at, w.Post(who, at, "site", st.ID.String(), "version", "1", "name", "Mine", "slug", "mine",
				"locale", "en"), http.StatusNotFound)
		}
		w.Want(name+" chooses it", w.Post(who, "/control/site/choose", "site", st.ID.String()), http.StatusNotFound)
		w.Without(name+" opens it", w.Get(who, "/control/settings?site="+st.ID.String()), "Elsewhere")
		w.Without(name+" lists it", w.Get(who, "/control/sites"), "Elsewhere")
	}
	for _, at := range []string{"/control/settings", "/control/appearance", "/control/sites", "/control/instances"} {
		a := w.Get(stranger, at)
		if a.Status != http.StatusForbidden && a.Status != http.StatusNotFound || strings.Contains(a.Main(), "Quay") {
			t.Errorf("a stranger opens %s: %d", at, a.Status)
		}
	}
	if got, err := w.Sites.Site(admintest.As(system()), st.ID); err != nil || got.Name != "Elsewhere" {
		t.Errorf("the other site is %q, %v", got.Name, err)
	}
}
