package server_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/access"
	"github.com/stoa-portal/stoa/bulk"
	"github.com/stoa-portal/stoa/content"
	"github.com/stoa-portal/stoa/db/dbtest"
	"github.com/stoa-portal/stoa/document"
	"github.com/stoa-portal/stoa/page"
	"github.com/stoa-portal/stoa/server/servertest"
	"github.com/stoa-portal/stoa/site"
	"github.com/stoa-portal/stoa/taxonomy"
	"github.com/stoa-portal/stoa/user"
)

const (
	tenantHost  = "tenant.test"
	testSecret  = "a few quiet words"
	routesTable = "testdata/routes.txt"
)

// visitorKind is a kind of person that asks for every address.
type visitorKind struct {
	letter  byte
	host    string
	login   string
	things  site.Site // whose things it asks for
	foreign bool
	client  *http.Client
}

// routeWalk asks a group of nodes for all addresses.
type routeWalk struct {
	t     *testing.T
	nodes []*servertest.Node
	kinds []*visitorKind
	made  int
}

// TestRoutes_EachLetsInWhomTheTableSays asks every address that a node answers, with every method, as every kind of
// person: the table says whom it lets in, and has a line for each. The author of a screen says there who may use it.
//
// The letters: g a guest, u a person without grants, e one who may publish on the site, s one who manages the site,
// m one whose role has Manage on the default instance, a an administrator of the default instance whom omniadmin.users
// does not name, o an operator, t the administrator of a further instance, and f the same one asking there for things
// of the default instance. To be let in is any answer but 401, 403, 404 and the way to the sign-in page.
func TestRoutes_EachLetsInWhomTheTableSays(t *testing.T) {
	t.Parallel()
	raw, err := os.ReadFile(routesTable)
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]string{}
	for line := range strings.Lines(string(raw)) {
		line = strings.TrimSpace(line)
		if pattern, who, ok := strings.Cut(line, " | "); ok && !strings.HasPrefix(line, "#") {
			want[pattern] = strings.TrimSpace(who)
		}
	}
	w := newRouteWalk(t, servertest.NewGroup(t, dbtest.SQLite))
	var wrong []string
	seen := map[string]bool{}
	for i, pattern := range w.nodes[0].Patterns() {
		if seen[pattern] {
			continue
		}
		seen[pattern] = true
		got := w.walk(pattern, w.nodes[i%2])
		if who, ok := want[pattern]; !ok || who != got {
			wrong = append(wrong, fmt.Sprintf("%s | %s", pattern, got))
		}
	}
	for pattern := range want {
		if !seen[pattern] {
			t.Errorf("%s has a line for %s, which no node answers", routesTable, pattern)
		}
	}
	if len(wrong) > 0 {
		t.Errorf("these let in others than %s says, or have no line there; is that right?\n%s", routesTable,
			strings.Join(wrong, "\n"))
	}
}

func newRouteWalk(t *testing.T, g *servertest.Group) *routeWalk {
	w := &routeWalk{t: t}
	for range 2 {
		w.nodes = append(w.nodes, g.Join(map[string]string{"omniadmin.users": servertest.AdminLogin}))
	}
	n, ctx := w.nodes[0], servertest.System()
	st := n.Site(t)
	_, err := n.CreateInstance(
		ctx,
		site.Defaults{Name: "Tenant", SiteName: "Tenant", SiteSlug: "guest", HostName: tenantHost,
			WebID: tenantHost, MailDomain: tenantHost, Locale: "en", TimeZone: "UTC"},
	)
	w.must(err)
	inst, own, err := n.Sites.Resolve(ctx, tenantHost)
	w.must(err)
	tenant := w.person(n, inst.ID, "tenant", access.RoleAdministrator, nil)
	w.kinds = []*visitorKind{
		{letter: 'g', host: "localhost", things: st},
		{letter: 'u', host: "localhost", things: st, login: w.person(n, st.Instance, "ute", "", nil)},
		{letter: 'e', host: "localhost", things: st, login: w.person(n, st.Instance, "eda", "Editors of the site",
			&access.Grant{Resource: st.Path()[0], Action: access.Publish}, st.Path()...)},
		{letter: 's', host: "localhost", things: st, login: w.person(n, st.Instance, "sam", "Managers of the site",
			&access.Grant{Resource: st.Path()[0], Action: access.Manage}, st.Path()...)},
		{letter: 'm', host: "localhost", things: st, login: w.person(n, st.Instance, "mia", "Managers of the instance",
			&access.Grant{Action: access.Manage}, access.InstancePath(st.Instance)...)},
		{letter: 'a', host: "localhost", things: st, login: w.person(n, st.Instance, "abe", access.RoleAdministrator, nil)},
		{letter: 'o', host: "localhost", things: st, login: servertest.AdminLogin},
		{letter: 't', host: tenantHost, things: own, login: tenant},
		{letter: 'f', host: tenantHost, things: st, login: tenant, foreign: true},
	}
	for _, k := range w.kinds {
		k.client = newPerson(t)
		w.signIn(k)
	}
	for _, n := range w.nodes {
		n.Poll(t)
	}
	return w
}

func (w *routeWalk) must(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

// person makes an account and gives its login. The role is made with the grant when there is one.
func (w *routeWalk) person(
	n *servertest.Node,
	instance stoa.ID,
	name, role string,
	g *access.Grant,
	on ...access.Resource,
) string {
	w.t.Helper()
	ctx := servertest.System()
	u := user.User{Instance: instance, ScreenName: name, Email: name + "@people.test", FirstName: name}
	switch {
	case g != nil:
		r, err := n.Access.CreateRole(ctx, access.Role{Instance: instance, Name: role})
		w.must(err)
		g.Role, u.Roles = r.ID, []stoa.ID{r.ID}
		have, err := n.Access.Grants(ctx, on[0])
		w.must(err)
		w.must(n.Access.SetGrants(ctx, on, append(have, *g)))
	case role != "":
		ids, err := n.Access.RoleIDs(ctx, instance)
		w.must(err)
		u.Roles = []stoa.ID{ids[role]}
	}
	_, err := n.Users.Create(ctx, u, testSecret)
	w.must(err)
	return u.Email
}

func (w *routeWalk) signIn(k *visitorKind) {
	w.t.Helper()
	if k.login == "" {
		return
	}
	password := testSecret
	if k.login == servertest.AdminLogin {
		password = servertest.AdminPassword
	}
	status, to := w.ask(
		w.nodes[0],
		k,
		http.MethodPost,
		"/sign-in",
		url.Values{"login": {k.login}, "password": {password}, "next": {"/x"}},
	)
	if status != http.StatusSeeOther || !strings.HasSuffix(to, "/x") {
		w.t.Fatalf("%c signs in: %d to %q", k.letter, status, to)
	}
}

func (w *routeWalk) ask(
	n *servertest.Node,
	k *visitorKind,
	method, path string,
	form url.Values,
) (status int, location string) {
	w.t.Helper()
	req, err := http.NewRequestWithContext(w.t.Context(), method, n.URL+path, strings.NewReader(form.Encode()))
	w.must(err)
	req.Host = k.host
	if method == http.MethodPost {
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	res, err := k.client.Do(req)
	w.must(err)
	_, err = io.Copy(io.Discard, res.Body)
	w.must(errors.Join(err, res.Body.Close()))
	return res.StatusCode, res.Header.Get("Location")
}

// walk asks for one address as everyone and gives the letters of whom it lets in.
func (w *routeWalk) walk(pattern string, n *servertest.Node) string {
	w.t.Helper()
	method, path, ok := strings.Cut(pattern, " ")
	if !ok {
		w.t.Fatalf("%s names no method", pattern)
	}
	var who []byte
	for _, k := range w.kinds {
		address, form := w.address(n, path, k)
		form.Set("site", k.things.ID.String())
		form.Set("version", "1")
		status, to := w.ask(n, k, method, address, form)
		if status >= 500 {
			w.t.Errorf("%c %s %s: %d", k.letter, method, address, status)
		}
		refused := status == http.StatusUnauthorized || status == http.StatusForbidden || status == http.StatusNotFound ||
			strings.HasPrefix(to, "/sign-in") && path != "/sign-out"
		if !refused {
			who = append(who, k.letter)
		}
		if strings.HasPrefix(path, "/sign-out") || strings.Contains(path, "/sessions/") {
			w.signIn(k)
		}
	}
	if len(who) == 0 {
		return "-"
	}
	return string(who)
}

// address fills in a pattern, with things of its own for each request, since it may delete them.
func (w *routeWalk) address(n *servertest.Node, path string, k *visitorKind) (string, url.Values) {
	w.t.Helper()
	form := url.Values{}
	path = strings.TrimSuffix(path, "{$}")
	parts := strings.Split(path, "/")
	for i, p := range parts {
		switch p {
		case "{path...}":
			parts[i] = ""
		case "{kind}":
			parts[i] = "article"
		case "{do}":
			parts[i] = "publish"
		case "{name}":
			if parts[i] = "user.sweep"; strings.HasPrefix(path, "/documents/") {
				return "/documents/" + k.things.ID.String() + "/a.txt/" + w.file(n, k).Key, form
			}
		case "{id}":
			parts[i] = w.thing(n, parts[i-1], k).String()
		}
	}
	address := strings.Join(parts, "/")
	switch path {
	case "/control/pages/{id}/part":
		address += "?id=top"
	case "/control/cluster/forget":
		form.Set("writer", "1")
	case "/control/cluster/read":
		form.Set("event", "all")
	case "/control/instances/{id}/hosts/remove":
		w.made++
		form.Set("host", fmt.Sprintf("host-%d.test", w.made))
		w.must(n.Sites.GiveHost(servertest.System(), k.things.Instance, form.Get("host")))
	}
	return address, form
}

func (w *routeWalk) file(n *servertest.Node, k *visitorKind) document.File {
	w.t.Helper()
	f, err := n.Files.Upload(
		servertest.System(),
		k.things,
		document.Upload{Name: "a.txt", Body: strings.NewReader("text")},
	)
	w.must(err)
	return f
}

// thing makes something that an address can be about; above is what stands before its id.
func (w *routeWalk) thing(n *servertest.Node, above string, k *visitorKind) (id stoa.ID) {
	w.t.Helper()
	w.made++
	st, ctx, name := k.things, servertest.System(), fmt.Sprintf("thing-%d", w.made)
	var err error
	switch above {
	case "content", "article", "preview":
		var a content.Article
		a, err = n.Content.Create(ctx, st, content.Draft{Kind: content.KindPost, Slug: name,
			Text: map[stoa.Locale]content.Text{st.Locale: {Title: name}}})
		id = a.ID
	case "categories":
		var c taxonomy.Category
		c, err = n.Taxonomy.AddCategory(ctx, st.Instance, taxonomy.Category{Site: st.ID, Name: name})
		id = c.ID
	case "tags":
		id, err = n.Taxonomy.AddTag(ctx, st.Instance, st.ID, name)
	case "files":
		id = w.file(n, k).ID
	case "folders":
		var f document.Folder
		f, err = n.Files.SaveFolder(ctx, st, document.Folder{Name: name})
		id = f.ID
	case "groups":
		var g user.Group
		g, err = n.Users.CreateGroup(ctx, user.Group{Instance: st.Instance, Name: name})
		id = g.ID
	case "instances":
		id = st.Instance
	case "menus":
		var m page.Menu
		m, err = n.Pages.SaveMenu(ctx, page.Menu{Site: st.ID, Name: name})
		id = m.ID
	case "pages":
		var p page.Page
		p, err = n.Pages.Create(ctx, st, page.NewPage{Slug: name, Title: map[stoa.Locale]string{st.Locale: name},
			Layout: page.Layout{Sections: []page.Section{{ID: "top", Columns: []page.Column{{}}}}}})
		id = p.ID
	case "roles":
		var r access.Role
		r, err = n.Access.CreateRole(ctx, access.Role{Instance: st.Instance, Name: name})
		id = r.ID
	case "users":
		var u user.User
		u, err = n.Users.Create(ctx, user.User{Instance: st.Instance, ScreenName: name, Email: name + "@people.test",
			FirstName: name}, "")
		id = u.ID
	case "sessions":
		return w.session(ctx, n, k)
	case "bulk":
		a, aerr := n.Users.Acting(ctx, w.account(ctx, n, k).ID)
		w.must(aerr)
		ctx = stoa.WithActor(ctx, a)
		id, err = n.Bulk.Start(ctx, "article.publish", st.ID, []bulk.Thing{{Kind: "article", ID: 1}})
		if err == nil { // or they would have too many
			if err = n.Bulk.Stop(ctx, id); stoa.Is(err, stoa.KindConflict) { // it was faster
				err = nil
			}
		}
	case "factors":
		return 1 // none has a second factor: with one the password alone would not sign them in again
	default:
		w.t.Fatalf("the test does not know how to make one of %q: add it here", above)
	}
	w.must(err)
	return id
}

// account gives the account of the person; for guests, and where things are foreign, that of another person.
func (w *routeWalk) account(ctx context.Context, n *servertest.Node, k *visitorKind) user.User {
	w.t.Helper()
	login := k.login
	if login == "" || k.foreign {
		login = servertest.AdminLogin
	}
	list, err := n.Users.List(ctx, k.things.Instance, user.Filter{Query: login})
	w.must(err)
	i := slices.IndexFunc(list.Items, func(u user.User) bool { return u.Email == login })
	if i < 0 {
		w.t.Fatalf("%s has no account", login)
	}
	return list.Items[i]
}

// session gives a session of the person, or of the other one.
func (w *routeWalk) session(ctx context.Context, n *servertest.Node, k *visitorKind) stoa.ID {
	sessions, err := n.Users.Sessions(ctx, w.account(ctx, n, k).ID)
	if w.must(err); len(sessions) == 0 {
		return 1
	}
	return sessions[0].ID
}
