package web_test

import (
	"net/http"
	"testing"

	"github.com/stoa-portal/stoa/server/servertest"
)

// Signing in within a dialog shows the form alone, and ends at a page that says no more than that.
func TestSignIn_InPlaceHasNoFrame(t *testing.T) {
	t.Parallel()
	n := servertest.Start(t, 1)[0]
	got := n.Get(t, "/sign-in?next=/sign-in/done")
	want(t, got, http.StatusOK, `id="login"`, `value="/sign-in/done"`, "site--bare")
	without(t, got, "site-header", "site-footer")
	want(t, n.Get(t, "/sign-in?next=/control/"), http.StatusOK, "site-header")
	want(t, n.Get(t, "/?next=/sign-in/done"), http.StatusOK, "site-header")

	form := signIn("/sign-in/done")
	form.Set("password", "wrong")
	got = n.Post(t, "/sign-in", form)
	want(t, got, http.StatusUnauthorized, `role="alert"`, "site--bare")
	without(t, got, "site-header")
	if got := n.Get(t, "/sign-in/done"); got.Status != 303 ||
		got.Header.Get("Location") != "/sign-in?next=%2Fsign-in%2Fdone" {
		t.Errorf("a guest: %d to %q", got.Status, got.Header.Get("Location"))
	}
	if got := n.Post(t, "/sign-in", signIn("/sign-in/done")); got.Status != 303 ||
		got.Header.Get("Location") != "/sign-in/done" {
		t.Errorf("signed in: %d to %q", got.Status, got.Header.Get("Location"))
	}
	want(t, n.Get(t, "/sign-in/done"), http.StatusOK, "You are signed in", "site--bare")
}
