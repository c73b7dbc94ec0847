package browsertest

import (
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/access"
	"github.com/stoa-portal/stoa/content"
	"github.com/stoa-portal/stoa/document"
	"github.com/stoa-portal/stoa/lang"
	"github.com/stoa-portal/stoa/page"
	"github.com/stoa-portal/stoa/server/servertest"
	"github.com/stoa-portal/stoa/taxonomy"
	"github.com/stoa-portal/stoa/user"
)

// panelScreens are those of the control panel that a person can open without a thing of their own.
var panelScreens = []string{"/control/", "/control/content", "/control/content/new", "/control/pages",
	"/control/pages/new", "/control/menus", "/control/menus/new", "/control/files", "/control/folders/new",
	"/control/categories", "/control/tags", "/control/users", "/control/users/new", "/control/groups",
	"/control/groups/new",
	"/control/trash", "/control/bulk", "/control/calendar", "/control/activity", "/control/links", "/control/roles",
	"/control/roles/new",
	"/control/sites", "/control/sites/new", "/control/settings",
	"/control/appearance", "/control/instances", "/control/instances/new", "/control/cluster", "/control/caches",
	"/control/changes", "/control/jobs", "/control/jobs/content.publish", "/control/locks", "/control/properties",
	"/control/log", "/control/audit", "/control/find?q=x", "/control/nowhere", "/account", "/account/factors"}

// Each screen of the panel speaks the language that the person has chosen and fits narrow and wide windows. Between
// them German has the longest words and Japanese the tallest; all languages are looked at where pictures are taken.
func TestPanel_ScreensSpeakEachLanguageAndFit(t *testing.T) {
	n := servertest.Start(t, 1)[0]
	who, err := n.Users.ByLogin(servertest.System(), n.Site(t).Instance, servertest.AdminLogin)
	if err != nil {
		t.Fatal(err)
	}
	a, err := n.Content.Create(servertest.System(), n.Site(t), content.Draft{Slug: "tide", Kind: content.KindPost,
		Default: "en", Text: map[stoa.Locale]content.Text{"en": {Title: "Tide", Body: "<p>High.</p>"}}})
	if err != nil {
		t.Fatal(err)
	}
	bin := fillBin(t, n)
	script := axe(t)
	languages := []stoa.Locale{"de", "ja"}
	if os.Getenv("STOA_SCREENSHOTS") != "" {
		languages = lang.Languages()
	}
	paths := append(slices.Clone(panelScreens), "/control/content/"+a.ID.String(),
		"/control/content/"+a.ID.String()+"/versions", "/control/users/"+who.ID.String(),
		"/control/trash?of=instance", "/control/trash?q=elephant", "/control/trash/elsewhere?gone=1&thing=file-"+bin.String())
	for _, l := range languages {
		t.Run(string(l), func(t *testing.T) {
			speak(t, n, who, l)
			b := open(t, n.URL)
			b.signIn(t)
			for _, path := range paths {
				b.lookAt(t, l, path, script)
			}
		})
	}
}

// fillBin puts things of some kinds into the recycle bin and gives the file among them.
func fillBin(t *testing.T, n *servertest.Node) stoa.ID {
	t.Helper()
	ctx, st := servertest.System(), n.Site(t)
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	_, err := n.Files.SaveFolder(ctx, st, document.Folder{Name: "Plans of the harbour"})
	must(err)
	dir, err := n.Files.SaveFolder(ctx, st, document.Folder{Name: "Minutes of the harbour board"})
	must(err)
	var file document.File
	for _, in := range []stoa.ID{dir.ID, 0} {
		file, err = n.Files.Upload(ctx, st, document.Upload{Name: "tide-tables-of-the-harbour.txt",
			Body: strings.NewReader("High."), Folder: in})
		must(err)
	}
	must(n.Files.Trash(ctx, file.ID))
	must(n.Files.TrashFolder(ctx, st, dir.ID))
	m, err := n.Pages.SaveMenu(ctx, page.Menu{Site: st.ID, Name: "Harbour"})
	must(err)
	must(n.Pages.TrashMenu(ctx, m.ID, m.Version))
	c, err := n.Taxonomy.AddCategory(ctx, st.Instance, taxonomy.Category{Site: st.ID, Name: "Boats"})
	must(err)
	must(n.Taxonomy.TrashCategory(ctx, st.Instance, st.ID, c.ID))
	r, err := n.Access.CreateRole(ctx, access.Role{Instance: st.Instance, Name: "Keepers of the harbour"})
	must(err)
	must(n.Access.TrashRole(ctx, r.ID))
	return file.ID
}

// lookAt opens a screen of the panel at two widths.
func (b *browser) lookAt(t *testing.T, l stoa.Locale, path, script string) {
	t.Helper()
	name := string(l) + "-" + strings.Trim(strings.NewReplacer("/", "-", "?", "-").Replace(path), "-")
	b.visit(t, path, 390)
	b.fits(t, string(l)+" "+path)
	b.shoot(t, name+"-390")
	b.visit(t, path, 1440)
	b.fits(t, string(l)+" "+path)
	b.shoot(t, name+"-1440")
	if !strings.HasPrefix(path, "/control") {
		return // in the language of the site
	}
	if got := eval[string](t, b, "document.documentElement.lang"); got != string(l) {
		t.Errorf("%s says that it is in %q, the person reads %s", path, got, l)
	}
	b.audit(t, string(l)+" "+path, script)
}

// speak makes l the language of a person.
func speak(t *testing.T, n *servertest.Node, u user.User, l stoa.Locale) {
	t.Helper()
	u, err := n.Users.Get(servertest.System(), u.ID)
	if err == nil {
		u.Locale = l
		_, err = n.Users.Update(servertest.System(), u)
	}
	if err != nil {
		t.Fatal(err)
	}
}
