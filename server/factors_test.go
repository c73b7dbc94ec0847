package server_test

import (
	"context"
	"crypto/hmac"
	"crypto/sha1"
	"encoding/base32"
	"encoding/binary"
	"fmt"
	"html"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/db"
	"github.com/stoa-portal/stoa/db/dbtest"
	"github.com/stoa-portal/stoa/server/servertest"
	"github.com/stoa-portal/stoa/user"
)

var (
	stepField    = regexp.MustCompile(`name="step" value="([^"]+)"`)
	seedKey      = regexp.MustCompile(`seed__key">([A-Z2-7]+)<`)
	recoveryCode = regexp.MustCompile(`<code>([a-z2-7]{4}(?:-[a-z2-7]{4}){3})</code>`)
	removeFactor = regexp.MustCompile(`action="(/account/factors/[0-9]+/remove)"`)
)

// appCode is what an app with codes shows: RFC 6238, written down once more.
func appCode(t *testing.T, key string, at time.Time) string {
	t.Helper()
	seed, err := base32.StdEncoding.WithPadding(base32.NoPadding).DecodeString(key)
	if err != nil {
		t.Fatal(err)
	}
	mac := hmac.New(sha1.New, seed)
	mac.Write(binary.BigEndian.AppendUint64(nil, uint64(at.Unix()/30)))
	sum := mac.Sum(nil)
	return fmt.Sprintf("%06d", binary.BigEndian.Uint32(sum[sum[19]&15:])&0x7fffffff%1_000_000)
}

func find(t *testing.T, a servertest.Answer, in *regexp.Regexp) string {
	t.Helper()
	m := in.FindStringSubmatch(a.Body)
	if m == nil {
		t.Fatalf("%d, without %s:\n%s", a.Status, in, a.Body)
	}
	return html.UnescapeString(m[1])
}

// addApp gives the signed-in person of a node an app with codes, and with it recovery codes.
func addApp(t *testing.T, n *servertest.Node) (key string, codes []string) {
	t.Helper()
	offer := n.Post(t, "/account/factors/app", nil, browserHeaders...)
	key = find(t, offer, seedKey)
	mustSee(t, offer, http.StatusOK, `<svg class="qr"`)
	form := url.Values{"step": {find(t, offer, stepField)}, "name": {"Phone"}, "code": {"12"}}
	again := n.Post(t, "/account/factors/app/code", form, browserHeaders...)
	mustSee(t, again, http.StatusUnprocessableEntity, key)
	form.Set("code",
		appCode(t, key, time.Now().Add(-30*time.Second))) // the step before, so that the present one is left
	added := n.Post(t, "/account/factors/app/code", form, browserHeaders...)
	for _, m := range recoveryCode.FindAllStringSubmatch(added.Body, -1) {
		codes = append(codes, m[1])
	}
	if added.Status != http.StatusOK || len(codes) != 10 {
		t.Fatalf("add the app: %d, %d recovery codes\n%s", added.Status, len(codes), added.Body)
	}
	if got := n.Get(t, "/account/factors"); strings.Contains(got.Body, codes[0]) ||
		!strings.Contains(got.Body, "Phone") {
		t.Errorf("afterwards the recovery codes are shown again, or the app is not:\n%s", got.Body)
	}
	return key, codes
}

var adminLogin = url.Values{
	"login":    {servertest.AdminLogin},
	"password": {servertest.AdminPassword},
	"next":     {"/control/"},
}

func TestFactors_SecondStepOnTheOtherNode(t *testing.T) {
	t.Parallel()
	onEngines(t, 2, func(t *testing.T, nodes []*servertest.Node) {
		a, b := nodes[0], nodes[1]
		a.SignIn(t)
		key, codes := addApp(t, a)
		guest := a.Guest(t)
		half := guest.Post(t, "/sign-in", adminLogin)
		mustSee(t, half, http.StatusOK, "One more step")
		if got := guest.Get(t, "/control/"); got.Status != http.StatusSeeOther ||
			!strings.HasPrefix(got.Header.Get("Location"), "/sign-in") {
			t.Errorf("after the password alone the control panel is open: %d to %q", got.Status, got.Header.Get("Location"))
		}
		form := url.Values{"step": {find(t, half, stepField)}, "next": {"/control/"}, "code": {"000000"}}
		wrong := b.As(guest.Client).Post(t, "/sign-in/second", form)
		mustSee(t, wrong, http.StatusUnprocessableEntity, "This code is wrong", "One more step")
		form.Set("code", appCode(t, key, time.Now()))
		if got := b.As(guest.Client).Post(t, "/sign-in/second", form); got.Status != http.StatusSeeOther ||
			got.Header.Get("Location") != "/control/" {
			t.Fatalf("the code on the other node: %d to %q\n%s", got.Status, got.Header.Get("Location"), got.Body)
		}
		if got := guest.Get(t, "/control/"); got.Status != http.StatusOK {
			t.Errorf("the session on the first node: %d", got.Status)
		}
		mustSee(t, a.Guest(t).Post(t, "/sign-in/second", form), http.StatusUnauthorized)

		// The operator's way back: the app is gone on all nodes at once, and the sessions.
		if _, err := b.ResetFactors(servertest.System(), servertest.AdminLogin); err != nil {
			t.Fatal(err)
		}
		if got := a.Get(t, "/control/"); got.Status != http.StatusSeeOther {
			t.Errorf("a session of before: %d", got.Status)
		}
		a.Guest(t).SignIn(t)
		if got := a.Guest(t).Post(t, "/sign-in/second",
			url.Values{"step": {"x"}, "code": {codes[0]}}); got.Status != http.StatusUnauthorized {
			t.Errorf("a recovery code of before: %d", got.Status)
		}
	})
}

// stale lets the person of all sessions have signed in an hour ago.
func stale(t *testing.T, nodes ...*servertest.Node) {
	t.Helper()
	hour := time.Hour.Microseconds()
	if err := nodes[0].DB.Write(context.Background(), func(ctx context.Context, tx *db.Tx) error {
		_, err := tx.Exec(ctx, "UPDATE user_session SET created = created - ?, proven = proven - ?, version = version + 1",
			hour, hour)
		return err
	}); err != nil {
		t.Fatal(err)
	}
	for _, n := range nodes {
		n.Cache.DropAll("the test has changed sessions")
	}
}

// What is dangerous asks again who is there, keeps the form, and does it when it is sent again after the answer.
func TestConfirm_DangerousFormIsKeptAndSentAgain(t *testing.T) {
	t.Parallel()
	onEngines(t, 2, func(t *testing.T, nodes []*servertest.Node) {
		a, b := nodes[0], nodes[1]
		a.SignIn(t)
		key, codes := addApp(t, a)
		mine := b.As(a.Client)
		stale(t, nodes...)
		form := url.Values{"name": {"Bees & co"}, "description": {"who keep them"}}
		asked := a.Post(t, "/control/groups/new", form, browserHeaders...)
		mustSee(t, asked, http.StatusForbidden, "Confirm that it is you", `name="name" value="Bees &amp; co"`,
			`action="/control/groups/new"`, `id="confirm-code"`)
		if asked.Header.Get("Stoa-Confirm") == "" {
			t.Error("scripts are not told")
		}
		script := a.Post(t, "/control/groups/new", form, "Accept", "application/json")
		mustSee(t, script, http.StatusForbidden, "show once more that it is you")
		for what, f := range map[string]url.Values{
			"the password alone":  {"password": {servertest.AdminPassword}},
			"the code alone":      {"code": {codes[0]}},
			"a wrong password":    {"password": {"wrong"}, "code": {codes[0]}},
			"nothing":             {},
			"the code of another": {"password": {servertest.AdminPassword}, "code": {"aaaa-bbbb-cccc-dddd"}},
		} {
			if got := mine.Post(t, "/account/confirm", f, "Accept",
				"application/json"); got.Status != http.StatusUnprocessableEntity {
				t.Errorf("%s: %d %s", what, got.Status, got.Body)
			}
		}
		proof := url.Values{"password": {servertest.AdminPassword}, "code": {appCode(t, key, time.Now())}}
		if got := mine.Post(t, "/account/confirm", proof, "Accept", "application/json"); got.Status != http.StatusNoContent {
			t.Fatalf("confirm on the other node: %d %s", got.Status, got.Body)
		}
		if got := mine.Post(t, "/account/confirm", proof, "Accept",
			"application/json"); got.Status != http.StatusUnprocessableEntity {
			t.Errorf("the same code again: %d", got.Status)
		}
		a.Poll(t)
		if got := a.Post(t, "/control/groups/new", form, browserHeaders...); got.Status != http.StatusSeeOther {
			t.Errorf("sent again: %d\n%s", got.Status, got.Body)
		}
	})
}

func TestConfirm_NeverKeepsAPassword(t *testing.T) {
	t.Parallel()
	n := servertest.Start(t, 1)[0]
	n.SignIn(t)
	stale(t, n)
	asked := n.Post(
		t,
		"/account/password",
		url.Values{"old": {servertest.AdminPassword}, "new": {"a new long password"}, "again": {"a new long password"}},
		browserHeaders...)
	mustSee(t, asked, http.StatusForbidden, "Confirm that it is you", `name="old" type="password"`,
		`name="new" type="password"`)
	mustNotSee(t, asked, servertest.AdminPassword, "a new long password", `id="confirm-code"`)
	page := n.Get(t, "/account/factors")
	mustSee(t, page, http.StatusOK, "Ways to sign in")
	button := n.Post(t, "/account/factors/app", nil, browserHeaders...)
	mustSee(t, button, http.StatusForbidden, `action="/account/factors/app"`, "data-kept")
	foreign := n.Post(t, "/account/factors/app", nil, "Accept", "text/html", "Sec-Fetch-Site", "cross-site", "Origin",
		"https://elsewhere.example")
	mustSee(t, foreign, http.StatusForbidden)
	mustNotSee(t, foreign, "Confirm that it is you")
}

// With the setting an operator without a second factor comes to the screen where one is made, and nowhere else.
func TestOperatorTwoFactor_OnlyTheScreenOfFactors(t *testing.T) {
	t.Parallel()
	g := servertest.NewGroup(t, dbtest.SQLite)
	set := map[string]string{"auth.operator.two.factor.required": "true"}
	a, b := g.Join(set), g.Join(set)
	guest := a.Guest(t)
	if got := guest.Post(t, "/sign-in", adminLogin); got.Status != http.StatusSeeOther {
		t.Fatalf("sign in: %d", got.Status)
	}
	for _, n := range []*servertest.Node{guest, b.As(guest.Client)} {
		for _, path := range []string{"/", "/account", "/control/", "/control/users", "/w/welcome", "/sign-in",
			"/control/system/properties"} {
			if got := n.Get(t, path); got.Status != http.StatusSeeOther ||
				got.Header.Get("Location") != "/account/factors" {
				t.Errorf("%s: %d to %q, want the screen of factors", path, got.Status, got.Header.Get("Location"))
			}
		}
		if got := n.Post(t, "/control/groups/new", url.Values{"name": {"x"}},
			browserHeaders...); got.Status != http.StatusForbidden {
			t.Errorf("a form: %d", got.Status)
		}
	}
	mustSee(t, guest.Get(t, "/account/factors"), http.StatusOK, "You operate this portal")
	_, codes := addApp(t, guest)
	b.Poll(t)
	if got := b.As(guest.Client).Get(t, "/control/"); got.Status != http.StatusOK {
		t.Errorf("with a factor, on the other node: %d", got.Status)
	}
	remove := find(t, guest.Get(t, "/account/factors"), removeFactor)
	mustSee(t, guest.Post(t, remove, nil, browserHeaders...), http.StatusConflict,
		"Operators of this portal need a second factor")
	other := b.Guest(t)
	half := other.Post(t, "/sign-in", adminLogin)
	if got := other.Post(t, "/sign-in/second",
		url.Values{"step": {find(t, half, stepField)}, "next": {"/control/"},
			"code": {codes[1]}}); got.Status != http.StatusSeeOther {
		t.Fatalf("with a recovery code: %d", got.Status)
	}
	if got := other.Get(t, "/control/"); got.Status != http.StatusOK {
		t.Errorf("signed in with both: %d", got.Status)
	}
}

// Where passkeys cannot be used the page says why, or leads to where they can.
func TestPasskeys_OfferedOnTheMainHostAlone(t *testing.T) {
	t.Parallel()
	g := servertest.NewGroup(t, dbtest.SQLite)
	n := g.Join(map[string]string{"virtual.hosts.valid.hosts": "*"})
	port := n.URL[strings.LastIndex(n.URL, ":"):]
	local := servertest.Do(t, n.Client, http.MethodGet, "http://localhost"+port+"/sign-in", nil)
	mustSee(t, local, http.StatusOK, `data-passkey="/sign-in/passkey/ask"`)
	address := servertest.Do(t, n.Client, http.MethodGet, "http://127.0.0.1"+port+"/sign-in?next=/control/", nil)
	mustSee(t, address, http.StatusOK, `href="/sign-in/elsewhere?next=%2fcontrol%2f"`)
	mustNotSee(t, address, "data-passkey")
	leave := servertest.Do(t, n.Client, http.MethodGet,
		"http://127.0.0.1"+port+"/sign-in/elsewhere?next=//evil.example/", nil)
	to := leave.Header.Get("Location")
	if leave.Status != http.StatusSeeOther || !strings.HasPrefix(to, "http://localhost"+port+"/sign-in/passkey?away=") {
		t.Fatalf("leave: %d to %q", leave.Status, to)
	}
	mustSee(t, servertest.Do(t, n.Client, http.MethodGet, to, nil), http.StatusOK,
		"Afterwards you go back to 127.0.0.1"+port, "data-passkey")
	if got := servertest.Do(t, n.Client, http.MethodGet, "http://localhost"+port+"/sign-in/passkey?away=nonsense",
		nil); got.Status != http.StatusSeeOther {
		t.Errorf("a token that is none: %d", got.Status)
	}
	for _, path := range []string{"/sign-in/passkey/ask", "/account/confirm/ask"} {
		if got := servertest.Do(t, n.Client, http.MethodPost, "http://127.0.0.1"+port+path, nil, "Accept",
			"application/json"); got.Status == http.StatusOK {
			t.Errorf("%s at an address is answered:\n%s", path, got.Body)
		}
	}
	if got := servertest.Do(t, n.Client, http.MethodGet, "http://localhost"+port+"/sign-in/ticket?ticket=nonsense",
		nil); got.Status != http.StatusUnauthorized {
		t.Errorf("a ticket that is none: %d", got.Status)
	}

	named := g.Join(map[string]string{"web.server.host": "portal.example"})
	mustSee(t, named.Get(t, "/sign-in"), http.StatusOK,
		"Passkeys need a secure connection, and portal.example is reached without HTTPS.")
	proxied := func(host string) *servertest.Node {
		return g.Join(
			map[string]string{"web.server.host": host, "web.server.protocol": "https", "virtual.hosts.valid.hosts": "*",
				"web.server.trusted.proxies": "127.0.0.1", "web.server.forwarded.protocol.enabled": "true"},
		)
	}
	https := []string{"X-Forwarded-For", "203.0.113.5", "X-Forwarded-Proto", "https"}
	secure := proxied("portal.example")
	mustSee(t, secure.Get(t, "/sign-in", https...), http.StatusOK, "Leads to portal.example")
	// A host that has no site gets no way back.
	elsewhere := strings.Replace(secure.URL, "localhost", "127.0.0.1", 1)
	stranger := servertest.Do(t, secure.Client, http.MethodGet, elsewhere+"/sign-in/elsewhere?next=/account", nil,
		append(https, "X-Forwarded-Host", "evil.example")...)
	if to := stranger.Header.Get("Location"); stranger.Status != http.StatusSeeOther ||
		!strings.HasPrefix(to, "https://portal.example") {
		t.Errorf("elsewhere: %d to %q", stranger.Status, to)
	}
	mustSee(t, proxied("192.0.2.1").Get(t, "/sign-in", https...), http.StatusOK, "Passkeys need a host name")
}

// The commands for people who are locked out touch the account whose login was given, whole and in any case, and no
// other.
func TestOperator_CommandsReachTheOneAccountOfALogin(t *testing.T) {
	t.Parallel()
	onEngines(t, 2, func(t *testing.T, nodes []*servertest.Node) {
		a, b := nodes[0], nodes[1]
		sys, st := servertest.System(), a.Site(t)
		// Sixty people whose names hold the login stand before the one who has it.
		for i := range 60 {
			_, err := a.Users.Create(sys, user.User{Instance: st.Instance, ScreenName: fmt.Sprintf("aa-mia-%02d", i),
				Email: fmt.Sprintf("a%02d.mia@example.com", i), FirstName: "Mia", LastName: "mia@example.com"}, "")
			ok(t, err)
		}
		mia, err := a.Users.Create(sys, user.User{Instance: st.Instance, ScreenName: "mia", Email: "mia@example.com"}, "")
		ok(t, err)
		a.SignIn(t)
		addApp(t, a)
		for _, login := range []string{"mia", "mia@example.com", "Mia@Example.com", " MIA "} {
			if said, err := b.ResetFactors(sys, login); err != nil || !strings.HasPrefix(said, mia.FullName()+" has no") {
				t.Errorf("reset the factors of %q: %q, %v", login, said, err)
			}
			if link, err := b.ResetPassword(sys, login); err != nil || !strings.Contains(link, "/account/setup?token=") {
				t.Errorf("reset the password of %q: %q, %v", login, link, err)
			}
		}
		for _, login := range []string{"mi", "mía", "mia@example", "mia%", "_ia", "mia\x00", "mia x", "",
			strings.Repeat("mia", 100)} {
			said, err := b.ResetFactors(sys, login)
			refused(t, fmt.Sprintf("reset the factors of %.20q: %q", login, said), err, stoa.KindNotFound)
			said, err = b.ResetPassword(sys, login)
			refused(t, fmt.Sprintf("reset the password of %.20q: %q", login, said), err, stoa.KindNotFound)
		}
		if got := a.Get(t, "/account/factors"); !strings.Contains(got.Body, "Phone") {
			t.Errorf("a person who was not meant has lost a second factor: %d", got.Status)
		}
	})
}
