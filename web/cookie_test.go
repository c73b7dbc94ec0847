package web_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/stoa-portal/stoa/db"
	"github.com/stoa-portal/stoa/db/dbtest"
	"github.com/stoa-portal/stoa/server/servertest"
)

// behindTLS are two nodes behind a proxy that encrypts.
func behindTLS(t *testing.T) (a, b *servertest.Node) {
	t.Helper()
	g := servertest.NewGroup(t, dbtest.SQLite)
	flags := map[string]string{"web.server.trusted.proxies": "127.0.0.1", "web.server.forwarded.protocol.enabled": "true"}
	return g.Join(flags), g.Join(flags)
}

// cookies are those of a browser over HTTPS; the jar of a client would not send them to the node, as it speaks HTTP.
type cookies map[string]string

// secure asks over HTTPS, as the proxy tells it, and keeps the cookies of the answer.
func (c cookies) secure(t *testing.T, n *servertest.Node, method, path string, form url.Values) servertest.Answer {
	t.Helper()
	var pairs []string
	for name, value := range c {
		pairs = append(pairs, name+"="+value)
	}
	header := []string{"X-Forwarded-For", "203.0.113.5", "X-Forwarded-Proto", "https", "Cookie", strings.Join(pairs, "; ")}
	client := servertest.NewClient(t)
	client.Jar = nil
	var got servertest.Answer
	if method == http.MethodPost {
		got = n.As(client).Post(t, path, form, header...)
	} else {
		got = n.As(client).Get(t, path, header...)
	}
	for _, line := range got.Header.Values("Set-Cookie") {
		cookie, err := http.ParseSetCookie(line)
		if err != nil {
			t.Fatal(err)
		}
		if strings.HasPrefix(cookie.Name, "__Host-") && (!cookie.Secure || cookie.Path != "/" || cookie.Domain != "") {
			t.Errorf("browsers do not take %q", line)
		}
		if cookie.MaxAge < 0 {
			delete(c, cookie.Name)
		} else {
			c[cookie.Name] = cookie.Value
		}
	}
	return got
}

func TestCookies_OverHTTPSAreOfThisHostOnly(t *testing.T) {
	t.Parallel()
	a, b := behindTLS(t)
	jar := cookies{}
	want(t, jar.secure(t, a, "POST", "/sign-in", signIn("/account")), http.StatusSeeOther)
	if jar["__Host-stoa_session"] == "" || jar["__Host-stoa_known"] == "" || jar["stoa_session"] != "" {
		t.Fatalf("the cookies are %v", jar)
	}
	want(t, jar.secure(t, b, "GET", "/account", nil), http.StatusOK, "My account")

	// A neighbour of the domain, or who sits on the wire, can plant one without the prefix: it does not count.
	planted := cookies{"stoa_session": jar["__Host-stoa_session"]}
	if got := planted.secure(t, a, "GET", "/account", nil); got.Status != http.StatusSeeOther {
		t.Errorf("a session without the prefix is taken over HTTPS: %d", got.Status)
	}
	both := cookies{"stoa_session": "planted", "__Host-stoa_session": jar["__Host-stoa_session"]}
	want(t, both.secure(t, a, "GET", "/account", nil), http.StatusOK, "My account")

	// Signing in again ends the session of the browser; signing out ends what is there.
	old := jar["__Host-stoa_session"]
	want(t, jar.secure(t, b, "POST", "/sign-in", signIn("/account")), http.StatusSeeOther)
	if got := (cookies{"__Host-stoa_session": old}).secure(t, a, "GET", "/account",
		nil); got.Status != http.StatusSeeOther {
		t.Errorf("the older session of the browser goes on: %d", got.Status)
	}
	last := jar["__Host-stoa_session"]
	want(t, jar.secure(t, a, "POST", "/sign-out", url.Values{}), http.StatusSeeOther)
	if got := (cookies{"__Host-stoa_session": last}).secure(t, b, "GET", "/account",
		nil); got.Status != http.StatusSeeOther {
		t.Errorf("the session goes on after signing out: %d", got.Status)
	}
	if jar["__Host-stoa_session"] != "" || jar["__Host-stoa_known"] == "" {
		t.Errorf("after signing out the cookies are %v", jar)
	}
}

// A node of the version before gives and takes the bare name, and its sessions know no end.
func TestCookies_OfANodeOfTheVersionBeforeCount(t *testing.T) {
	t.Parallel()
	a, b := behindTLS(t)
	jar := cookies{}
	want(t, jar.secure(t, a, "POST", "/sign-in", signIn("/account")), http.StatusSeeOther)
	before := cookies{"stoa_session": jar["__Host-stoa_session"]}
	exec(t, b, "UPDATE user_session SET ends = 0, proven = 0")
	want(t, before.secure(t, b, "GET", "/account", nil), http.StatusOK, "My account")

	// While it is beside, both names are given.
	exec(t, a, "UPDATE cluster_node SET detail = '{}'")
	if err := a.Node.Look(t.Context()); err != nil {
		t.Fatal(err)
	}
	jar = cookies{}
	want(t, jar.secure(t, a, "POST", "/sign-in", signIn("/account")), http.StatusSeeOther)
	if jar["stoa_session"] == "" || jar["stoa_session"] != jar["__Host-stoa_session"] {
		t.Errorf("beside a node of the version before the cookies are %v", jar)
	}
}

func exec(t *testing.T, n *servertest.Node, query string) {
	t.Helper()
	if err := n.DB.Control(t.Context(), func(tx *db.Tx) error {
		_, err := tx.Exec(t.Context(), query)
		return err
	}); err != nil {
		t.Fatal(err)
	}
}

func TestSignIn_KnownBrowserIsNotLockedOut(t *testing.T) {
	t.Parallel()
	nodes := servertest.Start(t, 2)
	nodes[0].SignIn(t)
	want(t, nodes[0].Post(t, "/sign-out", url.Values{}), http.StatusSeeOther)
	wrong := signIn("/")
	wrong.Set("password", "wrong")
	stranger := nodes[1].Guest(t)
	for range 10 {
		want(t, stranger.Post(t, "/sign-in", wrong), http.StatusUnauthorized)
	}
	want(t, stranger.Post(t, "/sign-in", signIn("/")), http.StatusTooManyRequests)
	nodes[0].SignIn(t)
}

func TestProtocolHTTPS_NothingSignsInInTheClear(t *testing.T) {
	t.Parallel()
	g := servertest.NewGroup(t, dbtest.SQLite)
	n := g.Join(map[string]string{"web.server.protocol": "https", "web.server.trusted.proxies": "127.0.0.1"})
	client := n.Guest(t)
	address := strings.Replace(n.URL, "https://", "http://", 1)
	// the second is not believed
	for _, header := range [][]string{nil, {"X-Forwarded-For", "203.0.113.5", "X-Forwarded-Proto", "https"}} {
		for path, form := range map[string]url.Values{"/sign-in": signIn("/"),
			"/account/reset": {"token": {"x"}, "new": {"x"}, "again": {"x"}}} {
			got := servertest.Do(t, client.Client, "POST", address+path, strings.NewReader(form.Encode()),
				append([]string{"Content-Type", "application/x-www-form-urlencoded"}, header...)...)
			status := http.StatusPermanentRedirect
			if header != nil {
				status = http.StatusForbidden
			}
			if got.Status != status || strings.Contains(got.Header.Get("Set-Cookie"), "stoa_session") {
				t.Errorf("%s with %v: %d, cookies %q; want %d", path, header, got.Status, got.Header.Get("Set-Cookie"), status)
			}
		}
	}
}
