package searchtest

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/search"
)

func hostile() map[string]func(*bench) {
	return map[string]func(*bench){
		"Texts":              hostileTexts,
		"WordsAreWords":      hostileWords,
		"UnparsedWords":      unparsed,
		"CancelledIsAnError": cancelled,
		"StrangeKeys":        strangeKeys,
		"OneWordForever":     oneWordForever,
	}
}

func hostileTexts(b *bench) {
	big := strings.Repeat("lorem ipsum dolor sit amet ", 1<<20/27) + "granite"
	for i, body := range []string{
		"granite with a \x00 zero", "granite with \xff\xfe broken \xc3( bytes", big, "granite 🪨 👩‍👩‍👧‍👦 emoji",
		"granite שלום مرحبا \u202e rtl", "granite " + strings.Repeat("x", 100_000),
		"granite " + strings.Repeat("a\u0301", 20_000), "granite <b>bold</b> &amp; {\"a\":1}",
		"granite " + strings.Repeat("字", 50_000), "granite \u200b\u200d\ufeff\u2028\u2029 spaces",
	} {
		id := stoa.ID(i + 1)
		d := doc(id, "", body)
		start := body[:min(len(body), 1000)]
		d.Texts["ja"] = search.Text{Title: start[:min(len(start), 50)], Headings: start, Terms: "\x00"}
		d.Texts["fr"] = search.Text{Body: body} // its stemmers are slow with what is no word
		b.put(d)
		b.wants(asIn("en", "granite"), id)
		b.wants(asIn("ja", "granite"), id)
		b.put(gone(id, 0))
	}
	d := doc(90, "", "")
	d.Tags = []string{"with \x00 zero", strings.Repeat("long", 10)}
	b.put(d, doc(91, "granite\nbasalt\r\nmarble\tslate", ""))
	b.wants(asIn("en", "slate"), 91)
	b.wants(asIn("en", `"granite basalt"`), 91)
	b.wants(asIn("en", "עולם"))
}

// hostileWords are what other engines have a meaning for.
func hostileWords(b *bench) {
	b.put(doc(1, "granite", "field value and or not"), doc(2, "basalt", ""))
	for _, typed := range []string{
		`*:*`, `field:value`, `title:granite AND body:*`, `"unbalanced granite`, `granite"`, `granite~`, `granite~2`,
		`~`,
		`granite^9`, `^9`, `(granite`, `granite) OR (basalt`, `granite && basalt`, `!granite`, `+granite`, `gran*`,
		`g?anite`,
		`/gr.*/`, `/[/`, `[a TO z]`, `{`, `}`, `\`, `\"`, `granite\`, `<script>`, `' OR 1=1 --`, `_id:1`,
		`acl:site`, `--`, `-`,
		`-"`, `-""`, `""`, `"" ""`, "\x00", "\xff\xfe", "🪨", "👩‍👩‍👧‍👦", "\u202e", "granite\u0000",
		strings.Repeat("x", 200), strings.Repeat("字", 200), strings.Repeat("a ", 100), strings.Repeat(`"a b" `, 40),
		strings.Repeat("-a ", 60), strings.Repeat("a\u0301", 100), "NaN", "null", strings.Repeat("abcdefgh ", 20), "%",
		"%%s", "${jndi:ldap://x}", "AND", "OR", "NOT", "TO",
	} {
		for _, prefix := range []bool{false, true} {
			q := counted(ask(typed))
			q.Prefix = prefix
			if _, err := b.engine.Search(b.Context(), q); err != nil {
				b.Errorf("%q, prefix %v: %v, want no error", typed, prefix, err)
			}
		}
	}
	for _, typed := range []string{"gran*", "g?anite", "/gr.*/", "*:*anite", "title:granite"} {
		b.wants(asIn("en", typed)) // no patterns, no fields
	}
	b.wants(asIn("en", "granite^9"))              // all of "granite 9"
	b.wants(asIn("en", "granite~"), 1)            // a word with a mark
	b.wants(asIn("en", "+granite"), 1)            // as well
	b.wants(asIn("en", "granite OR basalt"))      // three words, of which three are needed
	b.wants(asIn("en", "field:value"), 1)         // two words beside each other
	b.wants(asIn("en", strings.Repeat("x", 200))) // one that nothing has
}

// unparsed are Words that Parse would not make: an engine is not to fail for them.
func unparsed(b *bench) {
	b.put(doc(1, "granite", ""))
	long := make([]string, 200)
	for i := range long {
		long[i] = "granite"
	}
	for _, w := range []search.Words{
		{Terms: []string{""}}, {Terms: []string{" "}}, {Phrases: []string{""}}, {Not: []string{""}},
		{Terms: []string{"***"}},
		{Terms: long}, {Terms: []string{"two words"}}, {Not: []string{"***"}, Terms: []string{"granite"}},
	} {
		q := ask("")
		q.Words = w
		if _, err := b.engine.Search(b.Context(), q); err != nil {
			b.Errorf("%.60q: %v, want no error", w, err)
		}
	}
}

func cancelled(b *bench) {
	b.put(doc(1, "granite", ""))
	ctx, cancel := context.WithCancel(b.Context())
	cancel()
	if _, err := b.engine.Search(ctx, ask("granite")); !errors.Is(err, context.Canceled) {
		b.Errorf("Search with a cancelled context: %v, want context.Canceled", err)
	}
	ctx, cancel = context.WithDeadline(b.Context(), time.Now().Add(-time.Second))
	defer cancel()
	if _, err := b.engine.Search(ctx, ask("granite")); !errors.Is(err, context.DeadlineExceeded) {
		b.Errorf("Search after the deadline: %v, want context.DeadlineExceeded", err)
	}
	if _, err := b.engine.Walk(ctx, instance, "article", 0, 10); !errors.Is(err, context.DeadlineExceeded) {
		b.Errorf("Walk after the deadline: %v, want context.DeadlineExceeded", err)
	}
	b.wants(ask("granite"), 1)
}

// strangeKeys are kinds that contain what an engine may join names with.
func strangeKeys(b *bench) {
	for _, kind := range []string{"a", "a:b", "a/b", "a 1", "a-1", "a.b", strings.Repeat("k", 40)} {
		d := doc(1, "granite", "")
		d.Kind = kind
		b.put(d)
	}
	r := b.search(ask("granite"))
	if r.Total != 7 {
		b.Errorf("%d documents, want one of each of 7 kinds", r.Total)
	}
	for _, h := range r.Hits {
		if h.ID != 1 {
			b.Errorf("hit %+v, want id 1", h)
		}
		known, err := b.engine.Known(b.Context(), instance, []search.Key{h.Key})
		if err != nil || len(known) != 1 || known[0].Key != h.Key {
			b.Errorf("Known of %q: %v, %v", h.Key, known, err)
		}
	}
}

// oneWordForever asks for phrases of a text that is one word again and again: that is no more work than its length.
func oneWordForever(b *bench) {
	b.put(doc(1, "dump", strings.Repeat("00 ", 200_000)), doc(2, "two", "00 00"), doc(3, "one", "00"))
	b.wants(ask(`"00 00"`), 1, 2)
	b.wants(ask(`"00 00 00 00"`), 1)
}
