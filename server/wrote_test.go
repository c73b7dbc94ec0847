package server_test

import (
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stoa-portal/stoa/db/dbtest"
	"github.com/stoa-portal/stoa/server/servertest"
	"github.com/stoa-portal/stoa/user"
)

func polls(n *servertest.Node) uint64 { return n.Log.Status().Polls }

func address(t *testing.T, n *servertest.Node) *url.URL {
	t.Helper()
	u, err := url.Parse(n.URL)
	if err != nil {
		t.Fatal(err)
	}
	return u
}

// carrying gives the node as a client sees it that has those of the cookies that keep accepts.
func carrying(t *testing.T, n *servertest.Node, c *http.Client, keep func(name string) bool) *servertest.Node {
	t.Helper()
	out, at := n.Guest(t), address(t, n)
	out.Client.Jar.SetCookies(at, slices.DeleteFunc(c.Jar.Cookies(at), func(c *http.Cookie) bool { return !keep(c.Name) }))
	return out
}

func isToken(name string) bool   { return strings.HasPrefix(name, "stoa_wrote_") }
func isSession(name string) bool { return name == "stoa_session" }

var versionField = regexp.MustCompile(`name="version" value="([0-9]+)"`)

// edit fills a form of the control panel in and sends it back to the same node.
func edit(t *testing.T, n *servertest.Node, path string, fields url.Values) {
	t.Helper()
	shown := n.Get(t, path)
	m := versionField.FindStringSubmatch(shown.Body)
	if m == nil {
		t.Fatalf("%s shows no form: %d\n%s", path, shown.Status, shown.Body)
	}
	fields.Set("version", m[1])
	if a := n.Post(t, path, fields); a.Status != http.StatusSeeOther {
		t.Fatalf("save %s: %d\n%s", path, a.Status, a.Body)
	}
}

// TestWrote_WriterSeesItAtOnceOnNodesThatHeardNothing has a control for each step: the same request
// without the cookie of the write meets the state from before, or the step would prove nothing.
func TestWrote_WriterSeesItAtOnceOnNodesThatHeardNothing(t *testing.T) {
	t.Parallel()
	for _, e := range dbtest.Engines() {
		t.Run(string(e), func(t *testing.T) {
			nodes := servertest.StartDeaf(t, e, 3)
			nodes[0].SignIn(t)
			t.Run("content", func(t *testing.T) { seesContent(t, nodes) })
			t.Run("page", func(t *testing.T) { seesPage(t, nodes) })
			t.Run("person", func(t *testing.T) { seesPerson(t, nodes) })
			t.Run("crossing answers", func(t *testing.T) { seesBothOfCrossingAnswers(t, nodes) })
			t.Run("every click on another node", func(t *testing.T) { seesAfterEveryClick(t, nodes) })
			t.Run("sign-out", func(t *testing.T) { seesSignOut(t, nodes) })
		})
	}
}

// step writes on the first node. On each other one, old says whether a request without the cookie of the
// write still meets the state from before, and seen checks what the writer meets.
func step(
	t *testing.T,
	nodes []*servertest.Node,
	write func(a *servertest.Node),
	old func(n *servertest.Node) bool,
	seen func(n *servertest.Node),
) {
	t.Helper()
	before := map[*servertest.Node]uint64{}
	for _, n := range nodes[1:] {
		before[n] = polls(n)
	}
	write(nodes[0])
	for _, n := range nodes[1:] {
		if !old(n) && polls(n) == before[n] { // unless it looked at the log by itself, as it does twice a minute
			t.Errorf("%s knows of the write without being told, so the step proves nothing", n.URL)
		}
		seen(n)
	}
}

func seesContent(t *testing.T, nodes []*servertest.Node) {
	writer := nodes[0].Client
	for _, n := range nodes {
		mustSee(t, n.Guest(t).Get(t, "/w/tides"), http.StatusNotFound)
		mustNotSee(t, n.Guest(t).Get(t, "/"), "Tides")
	}
	step(t, nodes, func(a *servertest.Node) { a.Publish(t, "tides", "Tides of the bay", "<p>High water at noon.</p>") },
		func(n *servertest.Node) bool { return n.Guest(t).Get(t, "/w/tides").Status == http.StatusNotFound },
		func(n *servertest.Node) {
			mustSee(t, carrying(t, n, writer, isToken).Get(t, "/"), http.StatusOK, "Tides of the bay") // from the page cache
			mustSee(t, carrying(t, n, writer, isToken).Get(t, "/w/tides"), http.StatusOK, "High water at noon.")
			mustSee(t, n.As(writer).Get(t, "/"), http.StatusOK, "Tides of the bay")
		})
}

func seesPage(t *testing.T, nodes []*servertest.Node) {
	a := nodes[0]
	form := url.Values{
		"site":        {a.Site(t).ID.String()},
		"title.en-US": {"Harbour"},
		"slug":        {"harbour"},
		"type":        {"widgets"},
	}
	made := a.Post(t, "/control/pages/new", form)
	page, _, _ := strings.Cut(made.Header.Get("Location"), "?")
	if made.Status != http.StatusSeeOther {
		t.Fatalf("make a page: %d\n%s", made.Status, made.Body)
	}
	if p := a.Post(t, page+"/publish", url.Values{"version": {"1"}}); p.Status != http.StatusSeeOther {
		t.Fatalf("publish it: %d\n%s", p.Status, p.Body)
	}
	for _, n := range nodes {
		mustSee(t, n.As(a.Client).Get(t, "/harbour"), http.StatusOK, "Harbour")
		mustSee(t, n.Guest(t).Get(t, "/harbour"), http.StatusOK, "Harbour")
	}
	form.Set("title.en-US", "Port")
	form.Set("slug", "port")
	step(t, nodes, func(a *servertest.Node) { edit(t, a, page, form) },
		func(n *servertest.Node) bool { return n.Guest(t).Get(t, "/harbour").Status == http.StatusOK },
		func(n *servertest.Node) { mustSee(t, n.As(a.Client).Get(t, "/port"), http.StatusOK, "Port") })
}

func seesPerson(t *testing.T, nodes []*servertest.Node) {
	a := nodes[0]
	found, err := a.Users.List(
		servertest.System(),
		a.Site(t).Instance,
		user.Filter{Query: servertest.AdminLogin, Limit: 2},
	)
	if err != nil || len(found.Items) != 1 {
		t.Fatalf("find the administrator: %v", err)
	}
	u, err := a.Users.Get(servertest.System(), found.Items[0].ID)
	if err != nil {
		t.Fatal(err)
	}
	form := url.Values{
		"screenName": {u.ScreenName},
		"email":      {u.Email},
		"firstName":  {"Ada"},
		"lastName":   {"Byron"},
		"status":     {"active"},
	}
	was := ","
	for _, r := range u.Roles {
		form.Add("roles", r.String())
		was += r.String() + ","
	}
	form.Set("was-roles", was)
	for _, n := range nodes {
		mustSee(t, n.As(a.Client).Get(t, "/control/"), http.StatusOK, "Portal Administrator")
	}
	step(t, nodes, func(a *servertest.Node) { edit(t, a, "/control/users/"+u.ID.String(), form) },
		func(n *servertest.Node) bool {
			return strings.Contains(carrying(t, n, a.Client, isSession).Get(t, "/control/").Body, "Portal Administrator")
		},
		func(n *servertest.Node) { mustSee(t, n.As(a.Client).Get(t, "/control/"), http.StatusOK, "Ada Byron") })
}

// seesBothOfCrossingAnswers: C writes and B hears of it, but the answer is slow. Meanwhile A writes and
// answers at once. A single cookie would be left with the place of C's write, which B has applied.
func seesBothOfCrossingAnswers(t *testing.T, nodes []*servertest.Node) {
	a, b, c := nodes[0], nodes[1], nodes[2]
	slow := carrying(t, c, a.Client, isSession)
	slow.Publish(t, "second", "Second", "<p>2</p>")
	b.Poll(t)
	mustSee(t, b.Guest(t).Get(t, "/w/first"), http.StatusNotFound)
	fast := carrying(t, a, a.Client, isSession)
	step(t, []*servertest.Node{fast, b}, func(a *servertest.Node) { a.Publish(t, "first", "First", "<p>1</p>") },
		func(b *servertest.Node) bool {
			return carrying(t, b, slow.Client, isToken).Get(t, "/w/first").Status == http.StatusNotFound
		},
		func(b *servertest.Node) {
			browser := b.Guest(t)
			for _, answer := range []*servertest.Node{fast, slow} {
				browser.Client.Jar.SetCookies(address(t, b), answer.Client.Jar.Cookies(address(t, b)))
			}
			mustSee(t, browser.Get(t, "/w/first"), http.StatusOK, "First")
		})
}

// seesAfterEveryClick goes from node to node, as behind a load balancer that knows of no sessions.
func seesAfterEveryClick(t *testing.T, nodes []*servertest.Node) {
	all := *nodes[0]
	all.URL, _ = servertest.Balance(t, nodes)
	all.Client = servertest.NewClient(t)
	all.SignIn(t)
	mustSee(t, all.Get(t, "/account"), http.StatusOK, servertest.AdminLogin)
	id := all.Publish(t, "clicks", "Clicks", "<p>Text 0.</p>")
	for i := 1; i <= 4; i++ {
		text := fmt.Sprintf("Text %d.", i)
		edit(
			t,
			&all,
			"/control/content/"+id.String(),
			url.Values{
				"site":  {all.Site(t).ID.String()},
				"kind":  {"post"},
				"slug":  {"clicks"},
				"title": {"Clicks"},
				"body":  {"<p>" + text + "</p>"},
				"do":    {"publish"},
			},
		)
		mustSee(t, all.Get(t, "/w/clicks"), http.StatusOK, text)
	}
	if out := all.Post(t, "/sign-out", nil); out.Status != http.StatusSeeOther {
		t.Fatalf("sign out: %d", out.Status)
	}
	mustSee(t, all.Get(t, "/w/clicks"), http.StatusOK, "Text 4.")
}

// seesSignOut uses the session that a thief would have kept.
func seesSignOut(t *testing.T, nodes []*servertest.Node) {
	a := nodes[0]
	stolen := carrying(t, a, a.Client, isSession).Client
	for _, n := range nodes {
		mustSee(t, n.As(a.Client).Get(t, "/account"), http.StatusOK, servertest.AdminLogin)
	}
	step(t, nodes,
		func(a *servertest.Node) {
			if out := a.Post(t, "/sign-out", nil); out.Status != http.StatusSeeOther {
				t.Fatalf("sign out: %d", out.Status)
			}
		},
		func(n *servertest.Node) bool { return n.As(stolen).Get(t, "/account").Status == http.StatusOK },
		func(n *servertest.Node) {
			both := carrying(t, n, a.Client, isToken)
			both.Client.Jar.SetCookies(address(t, n), stolen.Jar.Cookies(address(t, n)))
			if got := both.Get(t, "/account"); got.Status != http.StatusSeeOther {
				t.Errorf("%s: the ended session gets %d", n.URL, got.Status)
			}
		})
	c := nodes[2].Guest(t)
	c.SignIn(t)
	for _, n := range nodes {
		mustSee(t, n.As(c.Client).Get(t, "/account"), http.StatusOK, servertest.AdminLogin)
	}
}

func TestWrote_OddTokensCostOneReadOfTheLog(t *testing.T) {
	t.Parallel()
	nodes := servertest.StartDeaf(t, dbtest.SQLite, 2)
	a, b := nodes[0], nodes[1]
	a.SignIn(t)
	written := a.Post(
		t,
		"/control/content/new",
		url.Values{
			"site":    {a.Site(t).ID.String()},
			"version": {"0"},
			"kind":    {"post"},
			"slug":    {"tides"},
			"title":   {"Tides"},
			"body":    {"<p>1</p>"},
			"do":      {"publish"},
		},
	)
	places := written.Header.Get("Stoa-Wrote")
	if !regexp.MustCompile(`^[0-9]+\.[0-9]+(, [0-9]+\.[0-9]+)*$`).MatchString(places) {
		t.Fatalf("the answer of a write tells the places %q", places)
	}
	cookies := 0
	for _, line := range written.Header.Values("Set-Cookie") {
		if c, err := http.ParseSetCookie(line); err == nil && isToken(c.Name) {
			cookies++
			if c.Path != "/" || c.MaxAge != 60 || !c.HttpOnly || c.Secure || c.SameSite != http.SameSiteLaxMode ||
				!strings.Contains(places, c.Name[len("stoa_wrote_"):]) {
				t.Errorf("cookie %s", line)
			}
		}
	}
	if want := strings.Count(places, ",") + 1; cookies != want {
		t.Errorf("%d cookies for %d writes", cookies, want)
	}
	if got := a.Get(t, "/account").Header; got.Get("Stoa-Wrote") != "" {
		t.Error("a request that writes nothing tells of a write")
	}
	writer, _, _ := strings.Cut(places, ".")
	one, _, _ := strings.Cut(places, ",")
	for _, c := range []struct {
		what          string
		node          *servertest.Node
		header, value string
		reads         uint64
	}{
		{"a header with the places", b, "Stoa-After", places, 1},
		{"the same again", b, "Stoa-After", places, 0},
		{"cookies with applied places", b, "Cookie", "x=y; stoa_wrote_" + strings.ReplaceAll(places, ", ", "=1; stoa_wrote_") + "=1", 0},
		{"a writer that does not exist", b, "Cookie", "stoa_wrote_4611686018427387904.1=1", 1},
		{"a number that does not exist", b, "Cookie", "stoa_wrote_" + writer + ".9223372036854775807=1", 1},
		{"an own number not given out", a, "Cookie", "stoa_wrote_" + writer + ".9223372036854775807=1", 1},
		{"no place", b, "Stoa-After", "yesterday", 1},
		{"many", b, "Cookie", "stoa_wrote_many=1", 1},
		{"zero", b, "Cookie", "stoa_wrote_0.0=", 1},
		{"too large", b, "Cookie", "stoa_wrote_99999999999999999999.1=1", 1},
		{"seventeen", b, "Cookie", strings.Repeat("stoa_wrote_"+one+"=1; ", 17), 1},
		{"a value of another cookie", b, "Cookie", "x=stoa_wrote_1.1", 0},
		{"an empty header", b, "Stoa-After", "", 1},
	} {
		for again := true; ; again = false {
			before := polls(c.node)
			if got := c.node.Guest(t).Get(t, "/w/tides", c.header, c.value); got.Status != http.StatusOK {
				t.Errorf("%s: status %d", c.what, got.Status)
			}
			reads := polls(c.node) - before
			if reads == c.reads {
				break
			}
			if !again || reads != c.reads+1 { // one more when the node's own time to look has come, twice a minute
				t.Errorf("%s: %d reads of the log, want %d", c.what, reads, c.reads)
				break
			}
		}
	}
}

// A node that cannot read the log cannot tell whether it has the write. For a guest an old page that says so
// beats an error; nobody else gets what may be from before.
func TestWrote_NodeThatCannotLookMarksPagesOfGuestsAndServesNothingElse(t *testing.T) {
	t.Parallel()
	n := servertest.StartDeaf(t, dbtest.SQLite, 1)[0]
	mustSee(t, n.Guest(t).Get(t, "/"), http.StatusOK, "Welcome to Stoa")
	n.SignIn(t)
	if err := n.Log.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	const token = "stoa_wrote_1.1=1"
	marked := n.Guest(t).Get(t, "/", "Cookie", token)
	mustSee(t, marked, http.StatusOK, "Welcome to Stoa")
	if marked.Header.Get("Stoa-Stale") == "" || marked.Header.Get("Cache-Control") != "no-store" {
		t.Errorf("the page for a guest is not marked: %v", marked.Header)
	}
	if plain := n.Guest(t).Get(t, "/"); plain.Status != http.StatusOK || plain.Header.Get("Stoa-Stale") != "" {
		t.Errorf("a guest who wrote nothing gets %d, %v", plain.Status, plain.Header)
	}
	for _, path := range []string{"/no/such/page", "/sign-in", "/control/"} {
		if got := n.Guest(t).Get(t, path, "Cookie", token); got.Status != http.StatusServiceUnavailable ||
			got.Header.Get("Retry-After") != "1" {
			t.Errorf("%s for a guest: %d, to be tried again after %q s", path, got.Status, got.Header.Get("Retry-After"))
		}
	}
	if got := n.Get(t, "/", "Stoa-After", "1.1"); got.Status != http.StatusServiceUnavailable {
		t.Errorf("somebody who is signed in gets %d", got.Status)
	}
}
