package admin_test

import (
	"net/http"
	"testing"
)

// A language and a time zone that no list has were saved by an import or an older version: the form shows them, and
// saving it leaves them as they are.
func TestUserForm_KeepsALanguageAndAZoneThatNoListHas(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	u, err := w.users.Get(as(w.admin), w.author.User)
	must(t, err)
	u.Locale, u.TimeZone = "ca-ES-valencia", "GMT+05:45"
	_, err = w.users.Update(as(w.admin), u)
	must(t, err)
	at := "/control/users/" + u.ID.String()
	a := w.get(w.admin, at)
	w.want("the form", a, http.StatusOK, `<option value="ca-ES-valencia" selected>`,
		`<option value="GMT&#43;05:45" selected>`, `<option value="de">Deutsch – de</option>`,
		`<optgroup label="Europe">`, `<option value="Europe/Vienna">Vienna</option>`)
	form := append(a.shown(), "version", w.version(a), "screenName", u.ScreenName, "email", u.Email, "firstName",
		"Renamed", "lastName", u.LastName, "status", "active", "locale", "ca-ES-valencia", "timeZone", "GMT+05:45")
	w.want("save", w.post(w.admin, at, form...), http.StatusSeeOther)
	if u, err = w.users.Get(as(w.admin), u.ID); err != nil || u.FirstName != "Renamed" || u.Locale != "ca-ES-valencia" ||
		u.TimeZone != "GMT+05:45" {
		t.Errorf("saved %+v, %v", u, err)
	}
}

// What was sent is still chosen in the form that says what else is wrong.
func TestUserForm_KeepsWhatWasChosenWhenSomethingElseIsWrong(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	a := w.post(w.admin, "/control/users/new", "screenName", "ida", "email", "none", "locale", "qaa", "timeZone", "PST")
	w.want("the form", a, http.StatusUnprocessableEntity, `<option value="qaa" selected>`, `<option value="PST" selected>`)
}

func TestSiteLanguages_AreTickedAddedAndKept(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	save := func(want string, sent ...string) answer {
		t.Helper()
		a := w.get(w.admin, "/control/settings")
		sent = append(sent, "version", w.version(a), "name", "Quay", "slug", "guest", "site", w.site.ID.String(), "hosts", "")
		w.want("save", w.post(w.admin, "/control/settings", sent...), http.StatusSeeOther)
		st, err := w.sites.Site(as(w.admin), w.site.ID)
		must(t, err)
		got := ""
		for _, l := range st.Locales {
			got += string(l) + " "
		}
		if got != want+" " {
			t.Errorf("the site has the languages %q, want %q", got, want)
		}
		return w.get(w.admin, "/control/settings")
	}
	a := save("en de rm", "locale", "en", "locales", "en", "locales", "de", "another", "rm")
	w.want("the form", a, http.StatusOK, `value="rm" checked`, `value="de" checked`, `name="locales" value="ja">`)
	a = save("de en rm gsw-CH", "locale", "de", "locales", "en", "locales", "de", "locales", "rm", "another", "gsw-CH")
	w.want("the form", a, http.StatusOK, `value="gsw-CH" checked`, `value="de" selected`)
	save("de", "locale", "de", "locales", "de")
	// as a form sends them that was opened when they were typed
	save("de fr it", "locale", "de", "locales", "fr, it")
}
