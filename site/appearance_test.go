package site

import (
	"math/rand/v2"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/access"
	"github.com/stoa-portal/stoa/db"
	"github.com/stoa-portal/stoa/db/dbtest"
)

func TestSetAppearance_IsKeptAndStaleVersionConflicts(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		n := newNode(t, d, false)
		st := n.make(t)
		if st.StylePath() != "" {
			t.Errorf("a new site has the style sheet %s", st.StylePath())
		}
		want := Appearance{Light: Colours{Accent: "#8A1C1C", Ground: "#fff"}, Dark: Colours{Ink: "#ffffff"}, Text: FaceSerif,
			Headings: FaceSystem, Brand: BrandName, HideSignIn: true, HideSwitch: true, CSS: "\r\n.site { color: red " +
				"}\r\n/* ü */"}
		saved, err := n.SetAppearance(system(t), st.ID, want, st.Version)
		if err != nil || saved.Version != st.Version+1 {
			t.Fatalf("version %d, %v", saved.Version, err)
		}
		want.Light.Accent, want.Light.Ground, want.CSS = "#8a1c1c", "#ffffff", ".site { color: red }\n/* ü */"
		_, err = n.SetAppearance(system(t), st.ID, Appearance{}, st.Version)
		wantKind(t, err, stoa.KindConflict)
		n.poll(t)
		got, err := n.Site(system(t), st.ID)
		if err != nil || got.Appearance != want || got.Version != saved.Version {
			t.Fatalf("%+v, %v", got, err)
		}
		got.Name, got.Appearance = "Renamed", Appearance{} // the settings of the site leave the looks alone
		if _, err := n.UpdateSite(system(t), got); err != nil {
			t.Fatal(err)
		}
		n.poll(t)
		if got, err = n.Site(system(t), st.ID); err != nil || got.Appearance != want || got.Name != "Renamed" {
			t.Errorf("%+v, %v", got, err)
		}
	})
}

// Each instance has a manager; only the one of the site's instance may change its looks, and its CSS only after a
// proof.
func TestSetAppearance_AsksManageOfTheSiteAndForCSSAProof(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		n := newNode(t, d, false)
		st := n.make(t)
		other, _, err := n.CreateInstance(system(t), Defaults{WebID: "other.test", Name: "Other", SiteSlug: "guest",
			SiteName: "Other", HostName: "other.test", Locale: "en", TimeZone: "UTC"})
		if err != nil {
			t.Fatal(err)
		}
		grants := map[stoa.ID][]access.Grant{}
		actor := func(instance stoa.ID, a access.Action, proven time.Time) stoa.Actor {
			r, err := n.access.CreateRole(system(t), access.Role{Instance: instance, Name: "Role " + time.Now().String()})
			if err == nil {
				grants[instance] = append(grants[instance], access.Grant{Role: r.ID, Action: a},
					access.Grant{Role: r.ID, Action: access.View})
				err = n.access.SetGrants(system(t), access.InstancePath(instance), grants[instance])
			}
			if err != nil {
				t.Fatal(err)
			}
			n.poll(t)
			return stoa.Actor{User: 900, Name: "Ed", Instance: instance, Roles: []stoa.ID{r.ID}, Proven: proven}
		}
		now := time.Now()
		strange := actor(other.ID, access.Manage, now)
		strange.Admin = true
		editor := actor(st.Instance, access.Publish, now)
		owner := actor(st.Instance, access.Manage, now)
		tired := owner
		tired.Proven = now.Add(-time.Hour)
		looks := Appearance{Brand: BrandName}
		styled := Appearance{Brand: BrandName, CSS: "p { margin: 0 }"}
		set := func(a stoa.Actor, looks Appearance) error {
			saved, err := n.SetAppearance(stoa.WithActor(t.Context(), a), st.ID, looks, st.Version)
			if err == nil {
				st = saved
			}
			return err
		}
		wantKind(t, set(stoa.Actor{}, looks), stoa.KindUnauthorized)
		wantKind(t, set(editor, looks), stoa.KindForbidden)
		if err := set(strange, looks); err == nil {
			t.Error("an administrator of another instance changed the site")
		}
		if err := set(tired, looks); err != nil {
			t.Errorf("without CSS: %v", err)
		}
		if err := set(tired, styled); err == nil {
			t.Error("CSS was changed without a proof")
		}
		if err := set(owner, styled); err != nil {
			t.Errorf("CSS with a proof: %v", err)
		}
		styled.HideSearch = true
		if err := set(tired, styled); err != nil {
			t.Errorf("beside CSS that stays: %v", err)
		}
		if err := set(tired, looks); err == nil {
			t.Error("CSS was removed without a proof")
		}
	})
}

func TestSetAppearance_OtherNodeSeesIt(t *testing.T) {
	t.Parallel()
	handles := dbtest.Nodes(t, dbtest.SQLite, 2)
	a, b := newNode(t, handles[0], false), newNode(t, handles[1], false)
	st := a.make(t)
	b.poll(t)
	if _, before, err := b.Resolve(t.Context(), "example.org"); err != nil || before.ID != st.ID ||
		before.StylePath() != "" {
		t.Fatalf("%+v, %v", before, err)
	}
	saved, err := a.SetAppearance(system(t), st.ID, Appearance{Light: Colours{Accent: "#8a1c1c"}}, st.Version)
	if err != nil {
		t.Fatal(err)
	}
	b.poll(t)
	_, after, err := b.Resolve(t.Context(), "example.org")
	if err != nil || after.StylePath() != saved.StylePath() || after.StylePath() == "" {
		t.Errorf("%q, want %q, %v", after.StylePath(), saved.StylePath(), err)
	}
}

func TestChecked_SaysWhichContrastIsTooLow(t *testing.T) {
	t.Parallel()
	for field, c := range map[string]struct {
		a     Appearance
		words string
	}{
		"light.ink":    {Appearance{Light: Colours{Ink: "#777777", Ground: "#ffffff"}}, "4.47:1 in the light"},
		"light.accent": {Appearance{Light: Colours{Accent: "#ffcc00"}}, "1.44:1"},
		"dark.accent":  {Appearance{Dark: Colours{Accent: "#333"}}, "in the dark scheme"},
		"light.ground": {Appearance{Light: Colours{Ground: "red;}"}}, "is not a colour"},
		"text":         {Appearance{Text: "comic"}, "not a typeface"},
		"headings":     {Appearance{Headings: "x"}, "not a typeface"},
		"brand":        {Appearance{Brand: "x"}, "header"},
	} {
		_, err := c.a.Checked()
		e, ok := err.(*stoa.Error)
		if !ok || e.Kind != stoa.KindInvalid || e.Field != field || !strings.Contains(e.Message, c.words) {
			t.Errorf("%s: %v, want words like %q", field, err, c.words)
		}
	}
	for _, a := range []Appearance{{}, {Light: Colours{Ink: "#767676", Ground: "#fff", Accent: "#767676"}},
		{Light: Colours{Accent: "#123"}}} {
		if _, err := a.Checked(); err != nil {
			t.Errorf("%+v: %v", a, err)
		}
	}
}

// Whatever colours are given, all that the theme mixes of them can be read: the pairs are those of the theme's own
// test.
func TestTokens_OfAnyColoursHaveContrast(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(1, 2))
	some := func() colour { return colour{uint8(r.IntN(256)), uint8(r.IntN(256)), uint8(r.IntN(256))} }
	tried := 0
	for i := 0; tried < 3000 && i < 1_000_000; i++ {
		c := Colours{Accent: some().String(), Ground: some().String(), Ink: some().String()}
		p, err := c.palette("light", themeLight)
		if err != nil {
			continue
		}
		tried++
		tokens := map[string]colour{}
		for _, token := range p.tokens() {
			tokens[token[0]], _ = parseColour(token[1])
		}
		check := func(front, back string, least float64) {
			if got := contrast(tokens[front], tokens[back]); got < least {
				t.Errorf("%+v: --%s on --%s has %.2f:1, needs %.1f:1", c, front, back, got, least)
			}
		}
		for _, back := range []string{"ground", "surface", "sunk"} {
			for _, front := range []string{"ink", "ink-2", "ink-3", "accent", "ok", "warn", "bad"} {
				check(front, back, leastContrast)
			}
			check("line-2", back, leastEdge)
		}
		for _, pair := range [][2]string{{"accent-ink", "accent"}, {"accent-ink", "accent-2"}, {"accent", "accent-soft"},
			{"ink", "accent-soft"}, {"ok", "ok-soft"}, {"warn", "warn-soft"}, {"bad", "bad-soft"}, {"ink", "ok-soft"},
			{"ink", "warn-soft"}, {"ink", "bad-soft"}} {
			check(pair[0], pair[1], leastContrast)
		}
		dark := Colours{}.dark(c)
		if _, err := dark.palette("dark", themeDark); err != nil {
			t.Errorf("the dark accent %s made of %s: %v", dark.Accent, c.Accent, err)
		}
	}
	if tried < 3000 {
		t.Fatalf("only %d colours tried", tried)
	}
}

func TestThemeColours_AreThoseOfTheTokens(t *testing.T) {
	t.Parallel()
	css, err := os.ReadFile("../look/assets/tokens.css")
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string][2]colour{"ground": {themeLight.ground, themeDark.ground},
		"ink": {themeLight.ink, themeDark.ink}, "accent": {themeLight.accent, themeDark.accent},
		"ok": {themeLight.ok, themeDark.ok}, "warn": {themeLight.warn, themeDark.warn},
		"bad": {themeLight.bad, themeDark.bad}} {
		if line := "--" + name + ": light-dark(" + want[0].String() + ", " + want[1].String() + ")"; !strings.Contains(
			string(css),
			line,
		) {
			t.Errorf("tokens.css has no %s", line)
		}
	}
	// All that a custom property stands for is replaced, so that no colour of the theme is left on another ground.
	var have []string
	for _, token := range themeLight.tokens() {
		have = append(have, token[0])
	}
	for _, m := range regexp.MustCompile(`--([a-z0-9-]+): light-dark`).FindAllStringSubmatch(string(css), -1) {
		if !slices.Contains(have, m[1]) {
			t.Errorf("--%s is not made from the site's colours", m[1])
		}
	}
}

func TestCheckCSS_RefusesWhatLoadsFromElsewhere(t *testing.T) {
	t.Parallel()
	for _, css := range []string{
		`@import "/x.css";`, `@IMPORT url(/x.css);`, `@\69mport "/x.css";`, `@i\6d port "/x.css";`, `/* */@import/**/"x";`,
		`@charset "utf-8";`, `@namespace svg "/x";`,
		`p { background: url(https://evil.test/x) }`, `p { background: url("//evil.test/x") }`, `p{background:url(x.png)}`,
		`p { background: u\72l(https://evil.test/x) }`, `p { background: URL( 'http://evil.test' ) }`,
		`p { background: url(/\evil.test/x) }`, `p { background: url(\2f\2f evil.test/x) }`,
		"p{background:url('/\\9/evil.test')}",
		`p { background: image-set("https://evil.test/x" 1x) }`, `p { background: image-set("\2f/evil.test/x" 1x) }`,
		`p { --x: "ht\74ps://evil.test" }`, `p { background: src("https://evil.test") }`,
		`p{background:url(data:text/html,x)}`,
		`@font-face { font-family: x; src: url(https://evil.test/x.woff2) }`,
		`p { width: expression(alert(1)) }`, `p { width: exp\72 ession(alert(1)) }`, `p { behavior: url(/x.htc) }`,
		`p { -moz-binding: url(/x.xml) }`, `p { BEHAVIOUR: x }`,
		`p { content: "</style><script>" }`, `</STYLE>`,
		`p { color: red`, `p { color: red }}`, `p { color: rgb(1,2,3 }`, `/* open`, `p { content: "open }`,
		"p { content: 'a\nb' }",
		"p { color: \x00red }", "p { color: \xffred }", `p { background: url(/x`, `\`, strings.Repeat("/**/", 5001),
	} {
		err := checkCSS(css)
		e, ok := err.(*stoa.Error)
		if !ok || e.Field != "css" {
			t.Errorf("%.80q: %v, want it refused", css, err)
		}
	}
	for _, css := range []string{
		"", `.site-header { position: fixed; inset: 0 0 auto }`, `html { scroll-behavior: smooth }`,
		`p::before { content: "\201C" }`,
		`a[href^="https://"]::after { content: "↗" }`, `p { background: url(/documents/guest/image/a.jpg) no-repeat }`,
		`p { background: url( "/documents/guest/image/a b.jpg" ) }`, `p { fill: url(#paint) }`, `.a\:b > .c { color: RED }`,
		`@media (min-width: 40rem) { .site { --x: calc(1px + 2px) } }`, `@supports (display: grid) { p { margin: 0 } }`,
		`/* @import url(//evil.test) "x */ p { color: red }`, `p { background: url(data:image/png;base64,AAAA) }`,
		`.menu { a { color: blue; } &:hover { color: red } }`, strings.Repeat("p{}\n", 5000),
	} {
		if err := checkCSS(css); err != nil {
			t.Errorf("%.80q: %v", css, err)
		}
	}
	if err := checkCSS("p {}\n\n@import 'x';"); err == nil || !strings.Contains(err.Error(), "line 3") {
		t.Errorf("%v, want the line", err)
	}
}

func FuzzCheckCSS(f *testing.F) {
	f.Add(`@i\6d port url(\2f /x) "a" { [b="c"] }`)
	f.Fuzz(func(t *testing.T, css string) { _ = checkCSS(css) })
}
