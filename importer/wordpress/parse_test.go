package wordpress

import (
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/stoa-portal/stoa"
)

func readFile(t *testing.T, name string) *Export {
	t.Helper()
	f, err := os.Open(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	e, err := Read(f, Limits{})
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func findItem(t *testing.T, e *Export, id int64) *Item {
	t.Helper()
	for i := range e.Items {
		if e.Items[i].ID == id {
			return &e.Items[i]
		}
	}
	t.Fatalf("item %d is not there", id)
	return nil
}

func TestRead_SmallExport(t *testing.T) {
	t.Parallel()
	e := readFile(t, "small.xml")
	if e.Version != "1.2" || e.Site.Title != "Harbour Notes" || e.Site.BaseURL != "https://harbour.example" || e.Site.Language != "en-GB" {
		t.Errorf("site is %q %+v", e.Version, e.Site)
	}
	if len(e.Authors) != 2 || e.Authors[1].Login != "ben" || e.Authors[1].Name != "Ben Okafor" || e.Authors[1].LastName != "Okafor" {
		t.Errorf("authors are %+v", e.Authors)
	}
	if len(e.Categories) != 4 || e.Categories[2].Parent != "events" || e.Categories[2].Description != "The boat race in June." {
		t.Errorf("categories are %+v", e.Categories)
	}
	if len(e.Tags) != 3 || e.Tags[2].Slug != "ελλάδα" {
		t.Errorf("tags are %+v", e.Tags)
	}
	if len(e.Items) != 29 || len(e.Terms) != 2 || len(e.Warnings) != 0 {
		t.Errorf("%d items, %d terms, warnings %v", len(e.Items), len(e.Terms), e.Warnings)
	}
	p := findItem(t, e, 201)
	want := time.Date(2024, 5, 1, 9, 0, 0, 0, time.UTC)
	if !p.Date.Equal(want) || p.Local.Hour() != 10 || p.Author != "anna" || p.Status != StatusPublish || p.Type != TypePost {
		t.Errorf("post is %+v", p)
	}
	if !reflect.DeepEqual(p.Categories(), []string{"news"}) || !reflect.DeepEqual(p.Tags(), []string{"boats", "sea"}) || p.MetaValue("_thumbnail_id") != "101" {
		t.Errorf("terms %v %v, meta %v", p.Categories(), p.Tags(), p.Meta)
	}
	if len(p.Comments) != 3 || !p.Comments[1].Approved || p.Comments[1].Parent != 1 || p.Comments[2].Approved || p.Comments[0].Author != "Cleo" {
		t.Errorf("comments are %+v", p.Comments)
	}
	if line := lineOf(t, "small.xml", "<![CDATA[Welcome to the harbour]]>") - 1; p.Line != line {
		t.Errorf("the post begins on line %d, said %d", line, p.Line)
	}
	if d := findItem(t, e, 206); d.Status != StatusDraft || d.Slug != "" || d.Date.IsZero() {
		t.Errorf("draft is %+v", d)
	}
	if g := findItem(t, e, 304); g.Slug != "καλημέρα" {
		t.Errorf("greek slug is %q", g.Slug)
	}
	if s := findItem(t, e, 203); !s.Sticky || s.Password != "" {
		t.Errorf("sticky post is %+v", s)
	}
	if s := findItem(t, e, 204); s.Sticky || s.Password != "anchor" {
		t.Errorf("protected post is %+v", s)
	}
	if a := findItem(t, e, 101); a.AttachmentURL == "" || a.Parent != 201 || a.Status != StatusInherit {
		t.Errorf("attachment is %+v", a)
	}
}

func lineOf(t *testing.T, name, text string) int {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	before, _, ok := strings.Cut(string(data), text)
	if !ok {
		t.Fatalf("%q is not in %s", text, name)
	}
	return strings.Count(before, "\n") + 1
}

func TestRead_HTTPSNamespacesOfVersion11(t *testing.T) {
	t.Parallel()
	e := readFile(t, "small-https.xml")
	if e.Version != "1.1" || e.Site.Title != "Pier & Quay" || len(e.Items) != 3 {
		t.Fatalf("%q %+v, %d items", e.Version, e.Site, len(e.Items))
	}
	if len(e.Categories) != 1 || len(e.Terms) != 0 {
		t.Errorf("the category that is listed twice gave %v and %v", e.Categories, e.Terms)
	}
	p := e.Items[0]
	if p.Title != "Knoten & Taue" || p.Content != "Der Palstek hält ]]> immer." || p.Author != "Clara" || p.Date.Year() != 2020 {
		t.Errorf("post is %+v", p)
	}
	if e.Items[1].Author != "dora" || len(e.Authors) != 2 || !e.Authors[1].Implied {
		t.Errorf("the author who is not listed: %+v", e.Authors)
	}
	if len(e.Warnings) != 2 || e.Warnings[0].Item != 7 || !strings.Contains(e.Warnings[0].Message, `"clara>"`) {
		t.Errorf("warnings are %v", e.Warnings)
	}
}

const (
	head = `<?xml version="1.0" encoding="UTF-8"?>
<rss version="2.0" xmlns:wp="http://wordpress.org/export/1.2/" xmlns:content="http://purl.org/rss/1.0/modules/content/"><channel><wp:wxr_version>1.2</wp:wxr_version>
`
	tail = "</channel></rss>"
)

func TestRead_BrokenFilesAreRefusedWithPlace(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct{ name, in, want string }{
		{"cut off", head + "<item><title>x</title>", "line 3, column 23"},
		{"mismatch", head + "<item>\n<title>x</item>" + tail, "line 4"},
		{"cdata cut", head + "<item><title><![CDATA[x", "broken at line 3"},
		{"bare ampersand", head + "<item>\n\n<title>a & b</title></item>" + tail, "line 5"},
		{"unknown entity", head + "<item><title>&lol;</title></item>" + tail, "line 3"},
		{"entity bomb", `<?xml version="1.0"?><!DOCTYPE rss [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;">]><rss><channel><title>&b;</title></channel></rss>`, "entities"},
		{"forbidden reference", head + "<item><title>&#1;</title></item>" + tail, "line 3"},
		{"second document", head + tail + "<rss/>", "second document"},
		{"version", `<rss xmlns:wp="http://wordpress.org/export/9.0/"><channel><wp:wxr_version>9.0</wp:wxr_version></channel></rss>`, "versions 1.0 to 1.2"},
		{"feed", `<rss version="2.0"><channel><title>x</title></channel></rss>`, "RSS feed"},
		{"atom", `<feed xmlns="http://www.w3.org/2005/Atom"/>`, "Atom"},
		{"page", "<!DOCTYPE html><html><body></body></html>", "web page"},
		{"other", "<opml/>", "<opml>"},
		{"no channel", "<rss/>", "no <channel>"},
		{"json", `{"a":1}`, "JSON"},
		{"text", "hello", "does not begin"},
		{"zip", "PK\x03\x04xxxx", "zip"},
		{"gzip", "\x1f\x8bxxxx", "gzip"},
		{"empty", " \n", "empty"},
		{"encoding", `<?xml version="1.0" encoding="martian"?><rss/>`, "martian"},
		{"only a comment", "<!-- x -->", "no XML"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			e, err := Read(strings.NewReader(tc.in), Limits{})
			if e != nil || err == nil {
				t.Fatalf("was read: %+v", e)
			}
			if stoa.KindOf(err) != stoa.KindInvalid || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("error is %v (%v), want one with %q", err, stoa.KindOf(err), tc.want)
			}
		})
	}
}

func TestRead_ToleratesBadBytesAndNamesTheLine(t *testing.T) {
	t.Parallel()
	in := head + "<item><title>a\x00b\x08</title>\n<content:encoded>x\xff\xfey</content:encoded><wp:post_id>1</wp:post_id></item>" + tail
	e, err := Read(strings.NewReader(in), Limits{})
	if err != nil {
		t.Fatal(err)
	}
	if e.Items[0].Title != "a b" || e.Items[0].Content != "x\ufffd\ufffdy" {
		t.Errorf("item is %q %q", e.Items[0].Title, e.Items[0].Content)
	}
	var lines []int
	for _, w := range e.Warnings {
		if strings.Contains(w.Message, "UTF-8") || strings.Contains(w.Message, "control") {
			lines = append(lines, w.Line)
		}
	}
	if !reflect.DeepEqual(lines, []int{4, 3}) {
		t.Errorf("warnings are %v", e.Warnings)
	}
}

func TestRead_OtherEncodings(t *testing.T) {
	t.Parallel()
	body := strings.Replace(head, "UTF-8", "ISO-8859-1", 1) + "<title>Gr\xfc\xdfe</title>" + tail
	e, err := Read(strings.NewReader(body), Limits{})
	if err != nil || e.Site.Title != "Grüße" {
		t.Errorf("latin 1: %v %+v", err, e)
	}
	utf16 := []byte{0xff, 0xfe}
	for _, r := range strings.Replace(head, "UTF-8", "UTF-16", 1) + "<title>Ω</title>" + tail {
		utf16 = append(utf16, byte(r), byte(r>>8))
	}
	if e, err = Read(strings.NewReader(string(utf16)), Limits{}); err != nil || e.Site.Title != "Ω" {
		t.Errorf("UTF-16: %v %+v", err, e)
	}
	if e, err = Read(strings.NewReader("\xef\xbb\xbf"+head+"<item><wp:post_id>1</wp:post_id></item>"+tail), Limits{}); err != nil || len(e.Items) != 1 {
		t.Errorf("byte order mark: %v", err)
	}
	if e, err = Read(strings.NewReader("\n\n"+head+"<item><wp:post_id>1</wp:post_id></item>"+tail), Limits{}); err != nil || e.Items[0].Line != 5 {
		t.Errorf("blank lines at the start: %v %+v", err, e)
	}
}

func TestRead_Limits(t *testing.T) {
	t.Parallel()
	item := "<item><title>" + strings.Repeat("x", 100) + "</title></item>"
	for name, l := range map[string]Limits{"bytes": {Bytes: 300}, "items": {Items: 2}, "field": {Field: 50}} {
		e, err := Read(strings.NewReader(head+item+item+item+tail), l)
		if e != nil || !stoa.Is(err, stoa.KindTooLarge) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

type failing struct{}

func (failing) Read([]byte) (int, error) { return 0, errors.New("disk gone") }

func TestRead_ReaderFailureIsNotTheFilesFault(t *testing.T) {
	t.Parallel()
	_, err := Read(failing{}, Limits{})
	if err == nil || stoa.KindOf(err) != stoa.KindInternal || !strings.Contains(err.Error(), "disk gone") {
		t.Errorf("error is %v", err)
	}
}

func FuzzRead(f *testing.F) {
	for _, name := range []string{"small.xml", "small-https.xml"} {
		data, err := os.ReadFile(filepath.Join("testdata", name))
		if err != nil {
			f.Fatal(err)
		}
		if len(data) < 8000 {
			f.Add(string(data))
		}
	}
	f.Add(head + "<item><wp:post_type>nav_menu_item</wp:post_type><wp:post_id>1</wp:post_id><category domain=\"nav_menu\" nicename=\"m\">m</category><wp:postmeta><wp:meta_key>_menu_item_type</wp:meta_key><wp:meta_value>custom</wp:meta_value></wp:postmeta><wp:postmeta><wp:meta_key>_menu_item_menu_item_parent</wp:meta_key><wp:meta_value>1</wp:meta_value></wp:postmeta></item>" + tail)
	f.Add(head + "<item><wp:post_type>page</wp:post_type><wp:post_id>1</wp:post_id><wp:post_parent>2</wp:post_parent></item><item><wp:post_type>page</wp:post_type><wp:post_id>2</wp:post_id><wp:post_parent>1</wp:post_parent></item>" + tail)
	f.Fuzz(func(t *testing.T, in string) {
		e, err := Read(strings.NewReader(in), Limits{Bytes: 1 << 20, Items: 1000})
		if err != nil {
			if e != nil {
				t.Fatal("an error came with content")
			}
			return
		}
		checkPlan(t, e)
	})
}

// checkPlan holds what is true of the plan of every export.
func checkPlan(t *testing.T, e *Export) {
	t.Helper()
	p := e.Plan()
	if len(p.Steps) != len(e.Items) {
		t.Fatalf("%d steps for %d items", len(p.Steps), len(e.Items))
	}
	sum := 0
	for _, a := range []Action{Import, Media, Menu, Inline, Skip} {
		sum += p.Count(a)
	}
	if sum != len(e.Items) {
		t.Fatalf("%d of %d items are accounted for", sum, len(e.Items))
	}
	for i, s := range p.Steps {
		if s.Item != &e.Items[i] || s.Action == Skip && s.Reason == "" {
			t.Fatalf("step %d is %+v", i, s)
		}
	}
	pages := 0
	var count func(n *PageNode)
	count = func(n *PageNode) {
		pages++
		for _, c := range n.Children {
			count(c)
		}
	}
	for _, n := range p.Pages {
		count(n)
	}
	if want := p.Count(Import, TypePage); pages != want {
		t.Fatalf("%d pages are in the trees, %d are imported", pages, want)
	}
	if want := p.Count(Import, TypePost); len(p.Posts) != want {
		t.Fatalf("%d posts are listed, %d are imported", len(p.Posts), want)
	}
	entries := 0
	var countEntries func(list []*MenuEntry)
	countEntries = func(list []*MenuEntry) {
		for _, m := range list {
			if m.Item.Type == TypeMenuItem {
				entries++
			}
			countEntries(m.Children)
		}
	}
	for _, m := range p.Menus {
		countEntries(m.Entries)
	}
	if want := p.Count(Menu, TypeMenuItem); entries != want {
		t.Fatalf("%d entries are in the menus, %d are meant to be", entries, want)
	}
}
