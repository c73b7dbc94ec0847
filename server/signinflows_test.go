package server_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/stoa-portal/stoa/db/dbtest"
	"github.com/stoa-portal/stoa/server/servertest"
	"github.com/stoa-portal/stoa/site"
	"github.com/stoa-portal/stoa/user"
)

// No page of another origin takes a step of a sign-in, ends a session or changes a factor, on whatever node.
func TestSignInFlows_RefuseOtherOrigins(t *testing.T) {
	t.Parallel()
	nodes := servertest.Start(t, 2)
	nodes[0].SignIn(t)
	paths := []string{"/sign-in", "/sign-in/second", "/sign-in/passkey", "/sign-in/passkey/ask", "/sign-out",
		"/account/password", "/account/sessions/1/end", "/account/setup", "/account/reset", "/account/forgot",
		"/account/factors/passkey/ask", "/account/factors/passkey", "/account/factors/app", "/account/factors/app/code",
		"/account/factors/codes", "/account/factors/1/remove", "/account/confirm", "/account/confirm/ask",
		"/account/confirm/passkey"}
	for _, n := range nodes {
		mine := n.As(nodes[0].Client)
		for _, path := range paths {
			for _, header := range [][]string{
				{"Sec-Fetch-Site", "cross-site", "Origin", "https://evil.example"},
				{"Sec-Fetch-Site", "same-site", "Origin", "http://other.localhost"},
				{"Origin", "https://evil.example"},
				{"Origin", "null"},
				{"Origin", "http://localhost:1"}, // another port is another origin
				{"Origin", "https://evil.example", "Authorization", "Bearer 0123456789"},
			} {
				if got := mine.Post(t, path, url.Values{"login": {"x"}}, header...); got.Status != http.StatusForbidden ||
					!strings.Contains(got.Body, "another site") {
					t.Errorf("%s from %v: %d", path, header, got.Status)
				}
			}
		}
		if got := mine.Get(t, "/account"); got.Status != http.StatusOK {
			t.Errorf("the session afterwards: %d", got.Status)
		}
	}
}

// A session counts at the hosts of its own instance only: a host that goes to another takes no person along.
func TestSession_EndsWhereTheHostGoesToAnotherInstance(t *testing.T) {
	t.Parallel()
	onEngines(t, 2, func(t *testing.T, nodes []*servertest.Node) {
		a, b, sys := nodes[0], nodes[1], servertest.System()
		setup, err := a.CreateInstance(sys, site.Defaults{Name: "Harbour", SiteName: "Harbour", SiteSlug: "guest",
			HostName: "harbour.test", WebID: "harbour.test", MailDomain: "harbour.test", Locale: "en", TimeZone: "UTC"})
		if err != nil {
			t.Fatal(err)
		}
		const password = "a long enough phrase"
		b.Poll(t)
		person := newPerson(t)
		_, token, _ := strings.Cut(setup, "token=")
		form := url.Values{"token": {token}, "new": {password}, "again": {password}}
		// The link is used once, whichever node is asked again.
		for _, want := range []int{http.StatusOK, http.StatusUnprocessableEntity} {
			for _, n := range nodes {
				status, body := atHost(t, n, person, "harbour.test", http.MethodPost, "/account/setup", form)
				if status != want {
					t.Fatalf("set the password: %d, want %d\n%s", status, want, body)
				}
				want = http.StatusUnprocessableEntity
			}
		}
		inst, _, err := b.Sites.Resolve(sys, "harbour.test")
		if err != nil {
			t.Fatal(err)
		}
		list, err := b.Users.List(sys, inst.ID, user.Filter{})
		if err != nil || len(list.Items) != 1 {
			t.Fatal(list, err)
		}
		sign := url.Values{"login": {list.Items[0].ScreenName}, "password": {password}}
		if status, _ := atHost(t, b, person, "localhost", http.MethodPost, "/sign-in", sign); status == http.StatusSeeOther {
			t.Error("a person of one instance signs in at another")
		}
		if status, _ := atHost(t, b, person, "harbour.test", http.MethodPost, "/sign-in",
			sign); status != http.StatusSeeOther {
			t.Fatalf("sign in: %d", status)
		}
		for _, n := range nodes {
			if status, _ := atHost(t, n, person, "harbour.test", http.MethodGet, "/account", nil); status != http.StatusOK {
				t.Errorf("the account: %d", status)
			}
		}
		for _, err := range []error{
			a.Sites.GiveHost(sys, inst.ID, "quay.test"),
			a.Sites.TakeHost(sys, inst.ID, "harbour.test"),
			a.Sites.GiveHost(sys, a.Site(t).Instance, "harbour.test"),
		} {
			if err != nil {
				t.Fatal(err)
			}
		}
		for _, n := range nodes {
			n.Poll(t)
			if status, _ := atHost(t, n, person, "harbour.test", http.MethodGet, "/account",
				nil); status != http.StatusSeeOther {
				t.Errorf("a session of the instance that had the host: %d", status)
			}
		}
	})
}

// Who is locked is out on every node: the sessions, what was begun, and the link that was mailed.
func TestSignInFlows_EndWithTheAccount(t *testing.T) {
	t.Parallel()
	onEngines(t, 2, func(t *testing.T, nodes []*servertest.Node) {
		a, b, sys := nodes[0], nodes[1], servertest.System()
		const password = "a long enough phrase"
		u, err := a.Users.Create(sys, user.User{Instance: a.Site(t).Instance, ScreenName: "ann",
			Email: "ann@example.com"}, password)
		if err != nil {
			t.Fatal(err)
		}
		ann := a.Guest(t)
		sign := url.Values{"login": {"ann"}, "password": {password}}
		if got := ann.Post(t, "/sign-in", sign); got.Status != http.StatusSeeOther {
			t.Fatalf("sign in: %d", got.Status)
		}
		_, codes := addApp(t, ann)
		half := b.Guest(t)
		step := find(t, half.Post(t, "/sign-in", sign), stepField)
		link, err := a.Users.OperatorLink(sys, u.ID)
		if err != nil {
			t.Fatal(err)
		}
		_, token, _ := strings.Cut(link, "token=")
		for _, status := range []string{user.StatusLocked, user.StatusActive} {
			now, err := a.Users.Get(sys, u.ID)
			if err == nil {
				now.Status = status
				_, err = a.Users.Update(sys, now)
			}
			if err != nil {
				t.Fatal(err)
			}
		}
		for _, n := range nodes {
			if got := n.As(ann.Client).Get(t, "/account"); got.Status != http.StatusSeeOther {
				t.Errorf("the session: %d", got.Status)
			}
			got := n.As(half.Client).Post(t, "/sign-in/second", url.Values{"step": {step}, "code": {codes[0]}})
			if got.Status != http.StatusUnauthorized {
				t.Errorf("the second step: %d", got.Status)
			}
			got = n.Guest(t).Post(t, "/account/reset", url.Values{"token": {token}, "new": {password + "!"},
				"again": {password + "!"}})
			if got.Status != http.StatusUnprocessableEntity {
				t.Errorf("the link: %d", got.Status)
			}
		}
		// The way in of before is there again, with both factors.
		mustSee(t, b.Guest(t).Post(t, "/sign-in", sign), http.StatusOK, "One more step")
	})
}

// Where no one may ask any more to stay signed in, those who did are kept no longer than others.
func TestKeepMeSignedIn_SwitchedOffHoldsForOlderSessions(t *testing.T) {
	t.Parallel()
	g := servertest.NewGroup(t, dbtest.SQLite)
	a, b := g.Join(nil), g.Join(map[string]string{"company.security.auto.login": "false"})
	const password = "a long enough phrase"
	if _, err := a.Users.Create(servertest.System(), user.User{Instance: a.Site(t).Instance, ScreenName: "ann",
		Email: "ann@example.com"}, password); err != nil {
		t.Fatal(err)
	}
	ann := a.Guest(t)
	form := url.Values{"login": {"ann"}, "password": {password}, "remember": {"1"}}
	if got := ann.Post(t, "/sign-in", form); got.Status != http.StatusSeeOther {
		t.Fatalf("sign in: %d", got.Status)
	}
	for range 13 {
		stale(t, a, b) // an hour older
	}
	if got := ann.Get(t, "/account"); got.Status != http.StatusOK {
		t.Errorf("where it is allowed: %d", got.Status)
	}
	if got := b.As(ann.Client).Get(t, "/account"); got.Status != http.StatusSeeOther {
		t.Errorf("where it is switched off: %d", got.Status)
	}
}
