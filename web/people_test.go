package web_test

import (
	"net/http"
	"net/url"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stoa-portal/stoa/db/dbtest"
	"github.com/stoa-portal/stoa/server/servertest"
)

func signIn(next string) url.Values {
	return url.Values{"login": {servertest.AdminLogin}, "password": {servertest.AdminPassword}, "next": {next}}
}

func TestSignIn_WrongPasswordKeepsTheLogin(t *testing.T) {
	t.Parallel()
	n := servertest.Start(t, 1)[0]
	form := signIn("/account")
	form.Set("password", "wrong")
	got := n.Post(t, "/sign-in", form)
	want(t, got, http.StatusUnauthorized, `value="`+servertest.AdminLogin+`"`, `value="/account"`, `role="alert"`)
	without(t, got, `value="wrong"`)
	if got.Header.Get("Set-Cookie") != "" {
		t.Errorf("a failed sign-in sets %q", got.Header.Get("Set-Cookie"))
	}
	form.Set("login", "nobody@example.com")
	other := n.Post(t, "/sign-in", form)
	if strip := func(s string) string { return strings.ReplaceAll(s, "nobody@example.com", servertest.AdminLogin) }; other.Status != got.Status || strip(other.Body) != got.Body {
		t.Error("an unknown login is answered otherwise than a wrong password")
	}
}

func TestSignIn_CookieIsHttpOnlyAndLax(t *testing.T) {
	t.Parallel()
	n := servertest.Start(t, 1)[0]
	got := n.Post(t, "/sign-in", signIn("/account"))
	cookie := got.Header.Get("Set-Cookie")
	if got.Status != 303 || got.Header.Get("Location") != "/account" || !strings.Contains(cookie, "HttpOnly") || !strings.Contains(cookie, "SameSite=Lax") || strings.Contains(cookie, "Expires") {
		t.Errorf("%d to %q with %q", got.Status, got.Header.Get("Location"), cookie)
	}
	if got := n.Get(t, "/sign-in?next=//evil.test"); got.Status != 303 || got.Header.Get("Location") != "/" {
		t.Errorf("the form for who is signed in: %d to %q", got.Status, got.Header.Get("Location"))
	}
}

func TestSignIn_NextLeadsNowhereElse(t *testing.T) {
	t.Parallel()
	n := servertest.Start(t, 1)[0]
	for _, next := range []string{"//evil.test", "https://evil.test/", `/\evil.test`, "javascript:alert(1)", "", "evil", "/\tx"} {
		if got := n.Guest(t).Post(t, "/sign-in", signIn(next)); got.Status != 303 || got.Header.Get("Location") != "/" {
			t.Errorf("next=%q: %d to %q, want 303 to /", next, got.Status, got.Header.Get("Location"))
		}
	}
}

func TestAccount_IsForWhoIsSignedIn(t *testing.T) {
	t.Parallel()
	n := servertest.Start(t, 1)[0]
	if got := n.Get(t, "/account"); got.Status != 303 || got.Header.Get("Location") != "/sign-in?next=%2Faccount" {
		t.Errorf("a guest: %d to %q", got.Status, got.Header.Get("Location"))
	}
	if got := n.Post(t, "/account/password", url.Values{"old": {"a"}, "new": {"b"}, "again": {"b"}}); got.Status != http.StatusUnauthorized {
		t.Errorf("a guest who changes a password: %d", got.Status)
	}
	n.SignIn(t)
	got := n.Get(t, "/account")
	want(t, got, 200, servertest.AdminLogin, "This one")
	if cc := got.Header.Get("Cache-Control"); !strings.Contains(cc, "no-store") {
		t.Errorf("Cache-Control is %q", cc)
	}
	long := "a much longer pass phrase"
	want(t, n.Post(t, "/account/password", url.Values{"old": {servertest.AdminPassword}, "new": {long}, "again": {"another"}}), 422, "not the same")
	want(t, n.Post(t, "/account/password", url.Values{"old": {"wrong"}, "new": {long}, "again": {long}}), 422, `role="alert"`)
	want(t, n.Post(t, "/account/password", url.Values{"old": {servertest.AdminPassword}, "new": {long}, "again": {long}}), 200, "Your password is changed")
}

var endForm = regexp.MustCompile(`action="(/account/sessions/[0-9]+/end)"`)

func TestAccount_AnotherSessionCanBeEnded(t *testing.T) {
	t.Parallel()
	n := servertest.Start(t, 1)[0]
	n.SignIn(t)
	other := n.Guest(t)
	other.SignIn(t)
	forms := endForm.FindAllStringSubmatch(n.Get(t, "/account").Body, -1)
	if len(forms) != 1 {
		t.Fatalf("%d sessions can be ended, want the one other", len(forms))
	}
	if got := n.Guest(t).Post(t, forms[0][1], nil); got.Status == http.StatusSeeOther && got.Header.Get("Location") == "/account" {
		t.Error("a guest ends a session")
	}
	want(t, other.Get(t, "/account"), 200)
	if got := n.Post(t, forms[0][1], nil); got.Status != 303 || got.Header.Get("Location") != "/account" {
		t.Fatalf("end the session: %d to %q", got.Status, got.Header.Get("Location"))
	}
	n.Poll(t)
	if got := other.Get(t, "/account"); got.Status != 303 {
		t.Errorf("the ended session still gets %d", got.Status)
	}
	want(t, n.Get(t, "/account"), 200)
}

func TestForgot_AnswersTheSameForEveryAddress(t *testing.T) {
	t.Parallel()
	n := servertest.Start(t, 1)[0]
	known := n.Post(t, "/account/forgot", url.Values{"email": {servertest.AdminLogin}})
	unknown := n.Guest(t).Post(t, "/account/forgot", url.Values{"email": {"nobody@example.com"}})
	want(t, known, 200, "If there is an account")
	if unknown.Status != known.Status || unknown.Body != known.Body {
		t.Errorf("the answers differ: %d and %d, %d and %d bytes", known.Status, unknown.Status, len(known.Body), len(unknown.Body))
	}
	want(t, n.Get(t, "/account/reset?token=x"), 200, `name="token" value="x"`)
	got := n.Post(t, "/account/reset", url.Values{"token": {"x"}, "new": {"a new pass phrase"}, "again": {"a new pass phrase"}})
	if got.Status == 200 || got.Status >= 500 {
		t.Errorf("a made-up token gets %d", got.Status)
	}
}

func TestForgot_AStrangersHostHeaderIsNotMailed(t *testing.T) {
	n := servertest.Start(t, 1)[0]
	home := n.Home
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, n.URL+"/account/forgot", strings.NewReader(url.Values{"email": {servertest.AdminLogin}}.Encode()))
	if err != nil {
		t.Fatal(err)
	}
	req.Host = "evil.example"
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		t.Errorf("status %d, want the same answer as always", res.StatusCode)
	}
	if err := n.Users.Close(); err != nil { // ends the worker that writes mail
		t.Fatal(err)
	}
	found, err := filepath.Glob(filepath.Join(home, "mail", "*"))
	if err != nil || len(found) != 0 {
		t.Errorf("mail was written for a host that nobody named: %v %v", found, err)
	}
}

func TestSignIn_SwitchedOffLetsNobodyIn(t *testing.T) {
	t.Parallel()
	g := servertest.NewGroup(t, dbtest.SQLite)
	n := g.Join(map[string]string{"auth.login.disabled": "true"})
	got := n.Post(t, "/sign-in", signIn("/account"))
	want(t, got, http.StatusUnauthorized, "switched it off")
	if got.Header.Get("Set-Cookie") != "" {
		t.Errorf("a session was begun: %q", got.Header.Get("Set-Cookie"))
	}
}
