package server_test

import (
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stoa-portal/stoa/db"
	"github.com/stoa-portal/stoa/db/dbtest"
	"github.com/stoa-portal/stoa/server/servertest"
)

// behindProxy are properties of a node that believes a proxy on this machine in all that proxies can say.
func behindProxy(more ...string) map[string]string {
	set := map[string]string{"virtual.hosts.valid.hosts": "*", "web.server.host": "portal.example",
		"web.server.trusted.proxies": "127.0.0.1", "web.server.forwarded.protocol.enabled": "true",
		"web.server.forwarded.host.enabled": "true", "web.server.forwarded.port.enabled": "true"}
	for i := 0; i+1 < len(more); i += 2 {
		set[more[i]] = more[i+1]
	}
	return set
}

// waysBack are the origins to which sign-ins that are under way go back.
func waysBack(t *testing.T, n *servertest.Node) []string {
	t.Helper()
	list, err := db.All(t.Context(), n.DB, func(row db.Scanner) (s string, err error) {
		err = row.Scan(&s)
		return s, err
	}, "SELECT host FROM user_challenge WHERE purpose = 'away' ORDER BY host")
	if err != nil {
		t.Fatal(err)
	}
	return list
}

// The requester chooses host, port and protocol of a request, and a proxy may pass them on: none of them decides where
// a person is sent to, or a ticket.
func TestElsewhere_LeadsToTheOriginOfTheSettingsOnly(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, https, port string }{{"no port set", "", ""}, {"a port set", "8443", ":8443"}} {
		t.Run(c.name, func(t *testing.T) {
			g := servertest.NewGroup(t, dbtest.SQLite)
			set := behindProxy()
			if c.https != "" {
				set = behindProxy("web.server.https.port", c.https)
			}
			for i, n := range []*servertest.Node{g.Join(set), g.Join(set)} {
				if i == 0 {
					if err := n.Sites.GiveHost(servertest.System(), n.Site(t).Instance, "news.example"); err != nil {
						t.Fatal(err)
					}
				}
				n.Poll(t)
				main, news := "https://portal.example"+c.port+"/sign-in", "https://news.example"+c.port
				before := len(waysBack(t, n))
				away := 0
				for _, header := range [][]string{
					{"X-Forwarded-Host", "news.example"},
					{"X-Forwarded-Host", "news.example:6666"},
					{"X-Forwarded-Host", "news.example", "X-Forwarded-Port", "6666"},
					{"X-Forwarded-Host", "evil.example:6666"},
					{"X-Forwarded-Host", "192.0.2.7:6666"},
					{"X-Forwarded-Host", "news.example", "X-Forwarded-Proto", "http"},
					{"X-Forwarded-Host", "localhost:6666"},
				} {
					if header[len(header)-1] != "http" {
						header = append(header, "X-Forwarded-Proto", "https")
					}
					to := n.Guest(t).Get(t, "/sign-in/elsewhere?next=/account", append(header, "X-Forwarded-For",
						"203.0.113.5")...).Header.Get("Location")
					if to != "/sign-in?next=%2Faccount" && !strings.HasPrefix(to, main) {
						t.Errorf("%v leads to %q", header, to)
					}
					if strings.Contains(to, "away=") {
						away++
					}
				}
				if away < 3 {
					t.Errorf("%d went to the main host with a way back, want those of news.example", away)
				}
				for _, origin := range waysBack(t, n)[before:] {
					if origin != news {
						t.Errorf("a ticket would go to %q", origin)
					}
				}
			}
		})
	}
}

// Where HTTPS alone is set, no step of a sign-in is made over a connection that is not known to be encrypted.
func TestPasskeys_OverHTTPSAloneWhereItIsSet(t *testing.T) {
	t.Parallel()
	g := servertest.NewGroup(t, dbtest.SQLite)
	set := map[string]string{"web.server.protocol": "https", "virtual.hosts.valid.hosts": "*",
		"web.server.host": "portal.example"}
	stranger := []string{"X-Forwarded-For", "203.0.113.5", "X-Forwarded-Proto", "https", "Accept", "application/json"}
	for _, n := range []*servertest.Node{g.Join(set), g.Join(set)} {
		for _, path := range []string{"/sign-in/elsewhere", "/sign-in/ticket?ticket=x"} {
			if got := n.Get(t, path, stranger...); got.Status != http.StatusForbidden {
				t.Errorf("GET %s: %d to %q", path, got.Status, got.Header.Get("Location"))
			}
		}
		for _, path := range []string{"/sign-in/passkey", "/sign-in/passkey/ask", "/sign-in/second", "/account/confirm",
			"/account/confirm/ask", "/account/confirm/passkey", "/account/factors/app", "/account/factors/app/code",
			"/account/factors/codes", "/account/factors/passkey/ask", "/account/factors/passkey"} {
			got := n.Post(t, path, nil, stranger...)
			if got.Status != http.StatusForbidden || !strings.Contains(got.Body, "HTTPS only") {
				t.Errorf("POST %s: %d %s", path, got.Status, got.Body)
			}
		}
	}
}

// A portal that has no name leads no one to the machine that they sit at.
func TestPasskeys_NoStrangerIsSentToLocalhost(t *testing.T) {
	t.Parallel()
	n := servertest.NewGroup(t, dbtest.SQLite).Join(map[string]string{"virtual.hosts.valid.hosts": "*"})
	for _, host := range []string{"evil.example", "192.0.2.7", "192.0.2.7:6666"} {
		person := newPerson(t)
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, n.URL+"/sign-in/elsewhere?next=/account", nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Host = host
		res, err := person.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		_ = res.Body.Close()
		if to := res.Header.Get("Location"); to != "/sign-in?next=%2Faccount" {
			t.Errorf("%s: %d to %q", host, res.StatusCode, to)
		}
		if status, body := atHost(t, n, person, host, http.MethodGet, "/sign-in", nil); status != http.StatusOK ||
			!strings.Contains(body, "Passkeys need a host name") {
			t.Errorf("%s: %d\n%s", host, status, body)
		}
	}
	if back := waysBack(t, n); len(back) != 0 {
		t.Errorf("ways back to %v", back)
	}
}

// The mail with a link for a new password leads to a name of the person's instance, by scheme and port of the settings.
func TestForgot_LeadsToTheNameOfTheInstance(t *testing.T) {
	t.Parallel()
	g := servertest.NewGroup(t, dbtest.SQLite)
	n := g.Join(map[string]string{"virtual.hosts.valid.hosts": "*"})
	if err := n.Sites.GiveHost(servertest.System(), n.Site(t).Instance, "www.example"); err != nil {
		t.Fatal(err)
	}
	for i, host := range []string{"www.example:6666", "localhost:6666", "127.0.0.1", "evil.example", "www.example"} {
		status, _ := atHost(t, n, newPerson(t), host, http.MethodPost, "/account/forgot",
			url.Values{"email": {servertest.AdminLogin}})
		if status != http.StatusOK {
			t.Fatalf("%s: %d", host, status)
		}
		want := i + 1
		if i >= 3 { // nothing was sent for evil.example
			want--
		}
		eventually(t, "the mail is written", func() bool {
			mails, err := filepath.Glob(filepath.Join(n.Home, "mail", "*.eml"))
			return err == nil && len(mails) == want
		})
	}
	mails, err := filepath.Glob(filepath.Join(n.Home, "mail", "*.eml"))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range mails {
		text, err := os.ReadFile(name)
		if err != nil || !strings.Contains(string(text), "\nhttp://www.example/account/reset") {
			t.Errorf("%v\n%s", err, text)
		}
	}
}

// Links that people pass on have scheme and port of the settings, too: that of a new instance, and that to a draft.
func TestLinks_HaveNoPortOfTheRequester(t *testing.T) {
	t.Parallel()
	n := servertest.Start(t, 1)[0]
	operator := newPerson(t)
	ask := func(method, path string, form url.Values) string {
		t.Helper()
		status, body := atHost(t, n, operator, "localhost:6666", method, path, form)
		if status != http.StatusOK && status != http.StatusSeeOther {
			t.Fatalf("%s %s: %d\n%s", method, path, status, body)
		}
		return body
	}
	ask(http.MethodPost, "/sign-in", adminLogin)
	made := ask(http.MethodPost, "/control/instances/new", url.Values{"name": {"Y"}, "host": {"y.test"},
		"webId": {"y.test"}, "locale": {"en"}, "timeZone": {"UTC"}})
	if !strings.Contains(made, "http://y.test/account/setup?token=") {
		t.Errorf("the link of a new instance:\n%s", made)
	}
	n.SignIn(t)
	id := n.Publish(t, "tides", "Tides", "<p>high</p>").String()
	if form := ask(http.MethodGet, "/control/content/"+id, nil); !strings.Contains(form,
		"http://localhost/w/preview/"+id) ||
		strings.Contains(form, ":6666") {
		t.Errorf("the link to a draft:\n%s", form)
	}
}
