package browsertest

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/webauthn"
	"github.com/chromedp/chromedp"
	"github.com/stoa-portal/stoa/db"
	"github.com/stoa-portal/stoa/server/servertest"
)

// authenticator gives the browser a device that keeps passkeys and knows its person.
func (b *browser) authenticator(t *testing.T) {
	t.Helper()
	if _, err := chromedp.Call(b.ctx, webauthn.Enable, webauthn.EnableParams{}); err != nil {
		t.Fatal(err)
	}
	if _, err := chromedp.Call(b.ctx, webauthn.AddVirtualAuthenticator,
		webauthn.AddVirtualAuthenticatorParams{Options: &webauthn.VirtualAuthenticatorOptions{
			Protocol: webauthn.AuthenticatorProtocolCtap2, Transport: webauthn.AuthenticatorTransportInternal,
			HasResidentKey:      true,
			HasUserVerification: true, IsUserVerified: true, AutomaticPresenceSimulation: true,
		}}); err != nil {
		t.Fatal(err)
	}
}

// both takes a picture of what is there in a wide and a narrow window, where nothing may stick out.
func (b *browser) both(t *testing.T, name string) {
	t.Helper()
	for width, suffix := range map[int64]string{1440: "-1440", 390: "-390"} {
		b.do(t, "look", chromedp.EmulateViewport(width, 900))
		b.fits(t, name)
		b.shoot(t, name+suffix)
	}
}

// A person adds a passkey, signs in with it and confirms with it what is dangerous; every request goes to the other
// node than the one before. From an address, where browsers allow no passkeys, the way leads to the main host and back.
func TestPasskey_AddedOnOneNodeUsedOnTheOther(t *testing.T) {
	nodes := servertest.Start(t, 2)
	address, _ := servertest.Balance(t, nodes)
	b := open(t, address)
	b.signIn(t)
	b.authenticator(t)
	b.visit(t, "/sign-in", 1440) // leads on: the person is signed in
	b.visit(t, "/account", 1440)
	b.both(t, "account-ways")
	b.visit(t, "/account/factors", 1440)
	b.both(t, "factors-none")
	b.do(t, "add a passkey", chromedp.Click(chromedp.CSS(`form[data-passkey] .button`)),
		chromedp.WaitVisible(chromedp.CSS(".recovery__codes li")))
	if got := eval[int](t, b, `document.querySelectorAll(".recovery__codes code").length`); got != 10 {
		t.Errorf("%d recovery codes", got)
	}
	b.both(t, "factors-added")
	b.visit(t, "/account/factors", 1440)
	b.do(t, "offer an app", chromedp.Click(chromedp.CSS(`form[action="/account/factors/app"] .button`)),
		chromedp.WaitVisible(chromedp.CSS(".qr")))
	b.both(t, "factors-app")

	signOut := func() {
		t.Helper()
		if !eval[bool](t, b,
			`(() => { const x = new XMLHttpRequest(); x.open("POST", "/sign-out", false); x.send(); return true; })()`) {
			t.Fatal("not signed out")
		}
	}
	signOut()
	b.visit(t, "/sign-in?next=/control/", 1440)
	b.both(t, "passkey-sign-in")
	b.do(t, "sign in with the passkey", chromedp.Click(chromedp.CSS(`form[data-passkey] .button`)),
		chromedp.WaitVisible(chromedp.CSS(".rail__nav, .bar__menu")))

	// The password alone is not enough any more.
	guest := nodes[0].Guest(t)
	if got := guest.Post(t, "/sign-in", map[string][]string{"login": {servertest.AdminLogin},
		"password": {servertest.AdminPassword}}); !strings.Contains(
		got.Body,
		"One more step",
	) {
		t.Errorf("with the password alone: %d\n%s", got.Status, got.Body)
	}

	// An hour later something dangerous.
	hour := time.Hour.Microseconds()
	if err := nodes[0].DB.Write(context.Background(), func(ctx context.Context, tx *db.Tx) error {
		_, err := tx.Exec(ctx, "UPDATE user_session SET created = created - ?, proven = proven - ?", hour, hour)
		return err
	}); err != nil {
		t.Fatal(err)
	}
	for _, n := range nodes {
		n.Cache.DropAll("the test has changed sessions")
	}
	b.visit(t, "/control/groups/new", 1440)
	b.do(t, "make a group", chromedp.SendKeys(chromedp.CSS(`[name="name"]`), "Bees & co"),
		chromedp.Click(chromedp.CSS(`.save-bar .button--primary`)),
		chromedp.WaitVisible(chromedp.CSS("#confirm-password")))
	b.both(t, "confirm")
	b.do(t, "a wrong password", chromedp.SendKeys(chromedp.CSS("#confirm-password"), "wrong"),
		chromedp.SendKeys(chromedp.CSS("#confirm-code"), "000000"),
		chromedp.Click(chromedp.CSS(`form[action="/account/confirm"] .button`)))
	b.wait(t, "the word that it is wrong",
		`/wrong/.test(document.querySelector("form[action='/account/confirm'] [data-problem]").textContent)`)
	b.both(t, "confirm-wrong")
	b.do(t, "confirm with the passkey",
		chromedp.Click(chromedp.CSS(`form[action="/account/confirm/passkey"] .button`)),
		chromedp.WaitVisible(chromedp.CSS(".toast")))
	b.visit(t, "/control/groups", 1440)
	if got := b.text(t); !strings.Contains(got, "Bees & co") {
		t.Errorf("the groups:\n%s", got)
	}
	signOut()

	// From an address to the main host and back.
	b.url = strings.Replace(address, "localhost", "127.0.0.1", 1)
	b.visit(t, "/sign-in?next=/control/", 1440)
	b.both(t, "passkey-elsewhere")
	b.do(t, "go to the main host", chromedp.Click(chromedp.CSS(`a[href^="/sign-in/elsewhere"]`)),
		chromedp.WaitVisible(chromedp.CSS(`form[data-passkey] .button`)))
	if where := eval[string](t, b, "location.href"); !strings.HasPrefix(where, address) {
		t.Fatalf("the main host is %s", where)
	}
	b.both(t, "passkey-away")
	b.do(t, "sign in there", chromedp.Click(chromedp.CSS(`form[data-passkey] .button`)),
		chromedp.WaitVisible(chromedp.CSS(".rail__nav, .bar__menu")))
	if where := eval[string](t, b, "location.href"); where != b.url+"/control/" {
		t.Errorf("the way back leads to %s", where)
	}
}
