package remote

import (
	"slices"
	"testing"

	"github.com/stoa-portal/stoa/search"
)

func TestApart_OnlyWhatIsJoined(t *testing.T) {
	for in, want := range map[string]string{
		"annual_report_2026.pdf": "annual report 2026.pdf", "meeting.final": "meeting final", "1.26.8": "1.26.8",
		"§ 12.4(b)": "§ 12.4(b)", "the end. A": "the end. A", "field:value": "field value", "10:30": "10:30", "": "",
		".": ".", "é.è": "é è", "a.": "a.",
	} {
		if got := apart(in); got != want {
			t.Errorf("%q becomes %q, want %q", in, got, want)
		}
	}
}

func TestCode_IsAsItIsWritten(t *testing.T) {
	for in, want := range map[string]string{
		"E-1042": "e-1042", "(E-1042),": "e-1042", "12.4(b)": "12.4(b)", "12.4(b)).": "12.4(b)", "word": "", "1042": "",
		"-": "", "e-mail": "", "“1.26.8”": "1.26.8", "[A-1]": "a-1", "": "",
	} {
		if got := code(in); got != want {
			t.Errorf("%q is the code %q, want %q", in, got, want)
		}
	}
}

func TestParts_NeitherTooManyNorTooLarge(t *testing.T) {
	var items []item
	for i := range 1200 {
		items = append(items, item{lines: make([]byte, 10)})
		if i%400 == 7 {
			items = append(items, item{lines: make([]byte, bulkBytes-5)})
		}
	}
	n := 0
	for _, p := range parts(items) {
		size := 0
		for _, it := range p {
			size += len(it.lines)
		}
		if n += len(p); len(p) > bulkMost || size > bulkBytes && len(p) > 1 {
			t.Errorf("a part of %d documents and %d bytes", len(p), size)
		}
	}
	if n != len(items) {
		t.Errorf("%d documents, want %d", n, len(items))
	}
}

func FuzzCursor(f *testing.F) {
	q := search.Query{Instance: 1, Words: search.Parse("granite")}
	q.After = cursor{Before: 3, Sort: nil}.text(q)
	f.Add(q.After)
	f.Add("")
	f.Add("e30")
	f.Fuzz(func(t *testing.T, after string) {
		q := search.Query{Instance: 1, Words: search.Parse("granite"), After: after}
		c, err := parseCursor(q)
		if err == nil && len(c.Sort) != len(sorting(q)) {
			t.Errorf("%q is read as %+v", after, c)
		}
	})
}

func FuzzTrouble(f *testing.F) {
	f.Add([]byte(`{"error":{"type":"a","reason":"b","root_cause":[{"type":"c"}],"caused_by":{"reason":"d"}}}`))
	f.Add([]byte(`{"error":"text"}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		c := &client{secrets: []string{"secret"}}
		if said := c.refused(&answer{"h", 500, body, nil}).Error(); len(said) > 1500 {
			t.Errorf("a reason of %d bytes", len(said))
		}
	})
}

func TestLanguages_HaveAnAnalyzerEach(t *testing.T) {
	if all := analyzers(); len(all) < 30 || !slices.IsSorted(all) || slices.Contains(all, "") {
		t.Errorf("analyzers %v", all)
	}
	names := textFields()
	for _, a := range analyzers() {
		if _, clash := names[a]; clash {
			t.Errorf("%s is a field and an analyzer", a)
		}
	}
}
