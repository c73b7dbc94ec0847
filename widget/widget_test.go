package widget

import (
	"strings"
	"testing"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/richtext"
)

func TestNew_DuplicateNamePanics(t *testing.T) {
	t.Parallel()
	defer func() {
		if recover() == nil {
			t.Error("two widgets of one name were accepted")
		}
	}()
	New(append(Builtin(richtext.New()), htmlWidget{})...)
}

func TestCatalogue_ListsByTitle(t *testing.T) {
	t.Parallel()
	c := New(Builtin(richtext.New())...)
	var names []string
	for _, typ := range c.Types() {
		names = append(names, typ.Name)
	}
	if got := strings.Join(names, " "); got != "banner button language-selector search-bar sign-in html" {
		t.Errorf("the order is %s", got)
	}
	if _, ok := c.Get("nothing"); ok {
		t.Error("an unknown widget was found")
	}
}

func get(t *testing.T, name string, r Request) Result {
	t.Helper()
	w, ok := New(Builtin(richtext.New())...).Get(name)
	if !ok {
		t.Fatalf("there is no widget %s", name)
	}
	res, err := w.Render(t.Context(), r)
	if err != nil {
		t.Fatal(err)
	}
	return res
}

func TestHTML_TakesScriptsOut(t *testing.T) {
	t.Parallel()
	res := get(t, "html", Request{Settings: map[string]string{"html": `<p onclick="x">Fine</p><script>bad()</script><a href="javascript:bad()">y</a>`}})
	if s := string(res.HTML); strings.Contains(s, "bad") || strings.Contains(s, "onclick") || !strings.Contains(s, "Fine") {
		t.Errorf("the output is %s", s)
	}
	if res := get(t, "html", Request{Settings: map[string]string{"html": "<script>x</script>"}}); res.HTML != "" {
		t.Errorf("nothing useful became %s", res.HTML)
	}
}

func TestSignIn_ShowsWhoIsSignedInAndIsNotKept(t *testing.T) {
	t.Parallel()
	guest := get(t, "sign-in", Request{SignIn: "/sign-in", Locale: "de"})
	if s := string(guest.HTML); !strings.Contains(s, `href="/sign-in"`) || !strings.Contains(s, "Anmelden") || guest.NoStore {
		t.Errorf("guests get %s, NoStore %v", s, guest.NoStore)
	}
	ann := get(t, "sign-in", Request{Actor: stoa.Actor{User: 4, Name: "<Ann>"}, SignOut: "/sign-out", CSRF: `<input type="hidden" name="t" value="1">`})
	s := string(ann.HTML)
	if !strings.Contains(s, "&lt;Ann&gt;") || !strings.Contains(s, `action="/sign-out"><input type="hidden"`) || !ann.NoStore {
		t.Errorf("Ann gets %s, NoStore %v", s, ann.NoStore)
	}
}

func TestLanguages_NeedTwo(t *testing.T) {
	t.Parallel()
	one := []Alternate{{Locale: "en", Name: "English", URL: "/", Current: true}}
	if res := get(t, "language-selector", Request{Page: PageInfo{Alternates: one}}); res.HTML != "" {
		t.Errorf("one language gives %s", res.HTML)
	}
	two := append(one, Alternate{Locale: "de", Name: "Deutsch", URL: "/de/"})
	if s := string(get(t, "language-selector", Request{Page: PageInfo{Alternates: two}}).HTML); !strings.Contains(s, `<a href="/de/" lang="de" hreflang="de">Deutsch</a>`) {
		t.Errorf("two languages give %s", s)
	}
}

func TestWord_FallsBackToEnglish(t *testing.T) {
	t.Parallel()
	if got := Word("de-AT", "Home"); got != "Startseite" {
		t.Errorf("German: %q", got)
	}
	if got := Word("xx", "Home"); got != "Home" {
		t.Errorf("unknown language: %q", got)
	}
}
