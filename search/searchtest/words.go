package searchtest

import (
	"reflect"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/search"
)

func languages() map[string]func(*bench) {
	return map[string]func(*bench){
		"Stemming":           stemming,
		"AccentsAreFolded":   accents,
		"BigramsOfCJK":       bigrams,
		"OthersByWords":      otherLanguages,
		"OfAnotherLanguage":  ofAnotherLanguage,
		"ManyInOneDocument":  manyLanguages,
		"FillersHideNothing": fillers,
	}
}

func stemming(b *bench) {
	for i, c := range []struct {
		locale         stoa.Locale
		written, typed string
	}{
		{"en", "connected libraries", "library connection"},
		{"en-GB", "running", "runs"},
		{"de", "Die Häuser am See", "Haus"},
		{"de-AT", "Verträge kündigen", "Vertrag"},
		{"fr", "Les chevaux du roi", "cheval"},
		{"fr-CA", "nationales", "national"},
		{"es", "canciones populares", "canción popular"},
		{"es-MX", "las naciones", "nación"},
	} {
		id := stoa.ID(i + 1)
		b.put(text(id, c.locale, search.Text{Body: c.written}))
		b.wants(asIn(c.locale, c.typed), id)
		b.put(text(id, c.locale, search.Text{Title: c.written}))
		q := asIn(c.locale, c.typed)
		q.Titles = true
		b.wants(q, id)
		b.put(gone(id, 0))
	}
}

func accents(b *bench) {
	b.put(text(1, "fr", search.Text{Title: "Café crème"}),
		text(2, "fr", search.Text{Title: "cafe noir"}),
		text(3, "de", search.Text{Title: "Straße nach Köln"}),
		text(4, "cs", search.Text{Title: "Žluťoučký kůň"}),
		text(5, "en", search.Text{Title: "ＦＵＬＬ width"}),
		text(6, "en", search.Text{Title: "re\u0301sume\u0301"})) // written with marks that combine
	for _, c := range []struct {
		locale stoa.Locale
		typed  string
		want   []stoa.ID
	}{
		{"fr", "cafe", []stoa.ID{1, 2}}, {"fr", "CAFÉ", []stoa.ID{1, 2}}, {"en", "café", []stoa.ID{1, 2}},
		{"de", "strasse", []stoa.ID{3}}, {"de", "KOLN", []stoa.ID{3}}, {"cs", "zlutoucky kun", []stoa.ID{4}},
		{"en", "full", []stoa.ID{5}}, {"en", "resume", []stoa.ID{6}}, {"en", "résumé", []stoa.ID{6}},
		{"fr", `"creme"`, []stoa.ID{1}}, {"en", "cafe -crème", []stoa.ID{2}},
	} {
		b.wants(asIn(c.locale, c.typed), c.want...)
	}
}

func bigrams(b *bench) {
	b.put(text(1, "ja", search.Text{Title: "東京都立図書館", Body: "日本語の本を読む"}),
		text(2, "zh-Hans", search.Text{Body: "中华人民共和国"}),
		text(3, "ko", search.Text{Body: "대한민국 헌법"}),
		text(4, "ja", search.Text{Body: "サーバー E-1042 の設定"}))
	for _, c := range []struct {
		locale stoa.Locale
		typed  string
		want   []stoa.ID
	}{
		{"ja", "図書館", []stoa.ID{1}}, {"ja", "東京", []stoa.ID{1}}, {"ja", "図館", nil}, {"ja", "日本語", []stoa.ID{1}},
		{"en", "図書館", []stoa.ID{1}}, // who reads English types it, too
		{"ja", "東京 図書館", []stoa.ID{1}}, {"ja", `"日本語の本"`, []stoa.ID{1}}, {"ja", `"本の日本語"`, nil},
		{"zh", "人民", []stoa.ID{2}}, {"zh", "人共", nil}, {"ko", "대한민국", []stoa.ID{3}},
		{"ja", "サーバー", []stoa.ID{4}}, {"ja", "設定 E-1042", []stoa.ID{4}}, {"ja", "ｻｰﾊﾞｰ", []stoa.ID{4}},
	} {
		b.wants(asIn(c.locale, c.typed), c.want...)
	}
}

func otherLanguages(b *bench) {
	b.put(text(1, "uk", search.Text{Title: "Київ — столиця України"}),
		text(2, "he", search.Text{Title: "שלום עולם"}),
		text(3, "pl", search.Text{Title: "Książka i łódź"}),
		text(4, "is", search.Text{Title: "Þjóðvegur"}),
		text(5, "xyz", search.Text{Title: "qapla batlh"}),
		text(6, "ar", search.Text{Title: "مكتبة المدينة"}),
		text(7, "hi", search.Text{Title: "हिन्दी पुस्तकालय"}))
	b.wants(asIn("uk", "київ"), 1)
	b.wants(asIn("uk", "УКРАЇНИ столиця"), 1)
	b.wants(asIn("he", "עולם"), 2)
	b.wants(asIn("pl", "książka"), 3)
	b.wants(asIn("is", "þjóðvegur"), 4)
	b.wants(asIn("xyz", "qapla"), 5)
	b.wants(asIn("", "qapla"), 5)
	b.wants(asIn("ar", "مكتبة"), 6)
	b.wants(asIn("hi", "पुस्तकालय"), 7)
	b.wants(asIn("uk", "столи"))
}

// ofAnotherLanguage sees that what is written in one language is found by readers of others, as it is typed.
func ofAnotherLanguage(b *bench) {
	b.put(text(1, "de", search.Text{Title: "Brandschutzordnung", Body: "Die Häuser am See"}))
	b.wants(asIn("en", "brandschutzordnung"), 1)
	b.wants(asIn("fr", "häuser"), 1)
	b.wants(asIn("ja", `"häuser am see"`), 1)
}

func manyLanguages(b *bench) {
	d := text(1, "en", search.Text{Title: "Opening hours of the libraries"})
	d.Texts["de"] = search.Text{Title: "Öffnungszeiten der Büchereien"}
	d.Texts["ja"] = search.Text{Title: "図書館の開館時間"}
	b.put(d)
	b.wants(asIn("en", "library"), 1)
	b.wants(asIn("de", "öffnungszeit bücherei"), 1)
	b.wants(asIn("ja", "開館時間"), 1)
	b.wants(asIn("en", "Öffnungszeiten"), 1)
	d = text(1, "de", search.Text{Title: "Öffnungszeiten der Büchereien"}) // the others are taken away
	b.put(d)
	b.wants(asIn("en", "library"))
	b.wants(asIn("ja", "開館時間"))
}

// fillers sees that a word which says nothing in the reader's language hides no document that lacks it.
func fillers(b *bench) {
	b.put(doc(1, "House rules", "quiet after ten"), doc(2, "Garden", "flowers"), doc(3, "The Who", "a band"))
	b.wants(asIn("en", "the house"), 1)
	b.wants(asIn("en", "rules of the house"), 1)
	b.first(asIn("en", "the who"), 3)
}

func words() map[string]func(*bench) {
	return map[string]func(*bench){
		"AllOfTwoAndMostOfMore": neededWords,
		"AcrossFields":          acrossFields,
		"Phrases":               phrases,
		"Minus":                 minus,
		"PrefixOfTheLast":       prefix,
		"TitlesAlone":           titlesAlone,
		"NamesOfFiles":          fileNames,
		"NoneIsEverything":      none,
		"Codes":                 codes,
		"Orders":                orders,
		"SinceUntil":            sinceUntil,
	}
}

func neededWords(b *bench) {
	b.put(doc(1, "granite basalt marble slate", ""), doc(2, "granite basalt marble", ""), doc(3, "granite basalt", ""),
		doc(4, "granite", ""))
	b.wants(asIn("en", "granite"), 1, 2, 3, 4)
	b.wants(asIn("en", "granite basalt"), 1, 2, 3)
	b.wants(asIn("en", "granite basalt marble"), 1, 2)
	b.wants(asIn("en", "granite basalt marble slate"), 1, 2) // Needed(4) is 3
	b.first(asIn("en", "granite basalt marble slate"), 1)
	b.wants(asIn("en", "granite basalt marble slate chalk flint quartz gneiss")) // Needed(8) is 6
}

func acrossFields(b *bench) {
	b.put(text(1, "en", search.Text{Title: "granite", Headings: "basalt", Body: "marble", Terms: "slate"}))
	b.wants(asIn("en", "granite basalt"), 1)
	b.wants(asIn("en", "marble slate"), 1)
	b.wants(asIn("en", "granite basalt marble slate"), 1)
}

func phrases(b *bench) {
	b.put(doc(1, "the red house on the hill", ""), doc(2, "a house red as fire", ""), doc(3, "red", "house"),
		text(4, "en", search.Text{Title: "red", Headings: "house", Body: "red. blue house", Terms: "house red"}),
		doc(5, "Red-House", ""), doc(6, "redhouses", ""))
	b.wants(asIn("en", `"red house"`), 1, 5)
	b.wants(asIn("en", `“RED HOUSE” hill`), 1)
	b.wants(asIn("en", `"red house" fire`))
	b.wants(asIn("en", `"house on the hill"`), 1)
	b.wants(asIn("en", `"house on a hill"`))
	b.wants(asIn("en", `"red house`), 1, 5) // the quote is never closed
	b.put(doc(7, "libraries", ""))
	b.wants(asIn("en", "library"), 7)
	b.wants(asIn("en", `"library"`)) // a word in quotes is meant as it is typed
	b.wants(asIn("en", `"libraries"`), 7)
}

func minus(b *bench) {
	b.put(doc(1, "red house", ""), doc(2, "blue house", "red door"), doc(3, "house", "a red house"))
	b.wants(asIn("en", "house -blue"), 1, 3)
	b.wants(asIn("en", `house -"red house"`), 2)
	b.wants(asIn("en", "house -red"))
	b.wants(asIn("en", "house -BLUE -red"))
	b.wants(asIn("en", "house - blue"), 2) // a dash alone is none
	if got := b.search(counted(asIn("en", "house -blue"))).Facets[search.FacetKind]; len(got) != 1 || got[0].N != 2 {
		b.Errorf("kinds %v, want 2 articles", got)
	}
}

func prefix(b *bench) {
	b.put(doc(1, "Configuration guide", "with error E-1042"), doc(2, "guided tour", ""), doc(3, "Öffnungszeiten", ""))
	typing := func(typed string) search.Query {
		q := asIn("en", typed)
		q.Prefix = true
		return q
	}
	b.wants(asIn("en", "conf"))
	b.wants(typing("conf"), 1)
	b.wants(typing("CONFIGURATION gui"), 1)
	b.wants(typing("gui"), 1, 2)
	b.wants(typing("g"), 1, 2)
	b.wants(typing("conf guide")) // only the last one is being typed
	b.wants(typing("offnu"), 3)
	b.wants(typing("öffnu"), 3)
	b.wants(typing("E-10"), 1)
	b.wants(typing("configurations"), 1) // a whole word is found as one
	b.first(typing("guide"), 1)
}

func titlesAlone(b *bench) {
	b.put(text(1, "en", search.Text{Title: "granite", Body: "basalt", Headings: "marble", Terms: "slate"}))
	q := asIn("en", "granite")
	q.Titles = true
	b.wants(q, 1)
	for _, typed := range []string{"basalt", "marble", "slate", `"basalt"`} {
		q = asIn("en", typed)
		b.wants(q, 1)
		q.Titles = true
		b.wants(q)
		q.Prefix = true
		b.wants(q)
	}
}

// fileNames sees that words in the names of files are found.
func fileNames(b *bench) {
	b.put(doc(1, "annual_report_2026.pdf", ""), doc(2, "minutes-of-meeting.final.docx", ""))
	for _, typed := range []string{
		"report", "annual", "2026", "annual_report_2026.pdf", "report_2026.pdf", "annual report",
	} {
		b.wants(asIn("en", typed), 1)
	}
	b.wants(asIn("en", "meeting"), 2)
	b.wants(asIn("en", "final"), 2)
	b.wants(asIn("en", "docx"), 2)
}

func none(b *bench) {
	b.put(doc(1, "granite", ""), doc(2, "", "basalt"),
		search.Document{Kind: "file", ID: 3, Instance: instance, ACL: open})
	b.wants(ask(""), 1, 2, 3)
	b.wants(ask("  \t * ?! "), 1, 2, 3) // no words
	b.wants(as(ask(""), open), 1, 2, 3)
}

func codes(b *bench) {
	b.put(doc(1, "Troubleshooting", "when the pump stops the panel shows E-1042 and then it beeps for some time"),
		doc(2, "E-1043 and E-1041", "codes of errors: E-1040, 1042 parts of group E"),
		doc(3, "Rules", "see § 12.4(b) of the statutes about guests and what they may bring with them"),
		doc(4, "§ 12.4(a) and § 12(b)", "12.4 c, b 12.4"),
		doc(5, "Part AB12CD34", ""), doc(6, "Part AB12CD35", ""),
		doc(7, "Version 1.26.8", ""), doc(8, "Version 1.26.9", ""))
	b.first(ask("E-1042"), 1)
	b.first(ask("e-1042"), 1)
	b.first(ask("§ 12.4(b)"), 3)
	b.wants(ask("AB12CD34"), 5)
	b.wants(ask("ab12cd34"), 5)
	b.wants(ask("1.26.8"), 7)
	b.wants(ask("E-1044")) // never a mistake in typing
	b.wants(ask(`"E-1042"`), 1)
}

func orders(b *bench) {
	for i, days := range []int{30, 10, 400, 0, 10} {
		d := doc(stoa.ID(i+1), "granite", "")
		d.Modified = now().AddDate(0, 0, -days)
		d.Created = now().AddDate(0, 0, -500+days)
		b.put(d)
	}
	q := ask("granite")
	q.Order = search.ByNewest
	got := b.found(q)
	if len(got) != 5 || got[0] != 4 || got[3] != 1 || got[4] != 3 {
		b.Errorf("newest first: %v, want 4, 2 and 5, 1, 3", got)
	}
	q.Order = search.ByOldest
	if got = b.found(q); len(got) != 5 || got[0] != 3 || got[1] != 1 || got[4] != 4 {
		b.Errorf("oldest first: %v, want 3, 1, 2 and 5, 4", got)
	}
}

func sinceUntil(b *bench) {
	for i := range 5 {
		d := doc(stoa.ID(i+1), "granite", "")
		d.Modified = now().AddDate(0, 0, i-5)
		b.put(d)
	}
	q := ask("granite")
	q.Since = now().AddDate(0, 0, -3)
	b.wants(q, 3, 4, 5)
	q.Until = now().AddDate(0, 0, -1) // exclusive
	b.wants(q, 3, 4)
	q.Since = q.Since.Add(1e9)
	b.wants(q, 4)
	q.Since, q.Words = now().AddDate(-100, 0, 0), search.Words{}
	b.wants(q, 1, 2, 3, 4)
	q = counted(q)
	if n := b.search(q).Facets[search.FacetKind]; len(n) != 1 || n[0].N != 4 {
		b.Errorf("kinds %v, want 4 articles", n)
	}
}

func typos() map[string]func(*bench) {
	return map[string]func(*bench){
		"ByLength":        byLength,
		"ExactForgives":   exactForgivesNone,
		"NeverInNumbers":  neverInNumbers,
		"RightOnesFirst":  rightFirst,
		"Instead":         instead,
		"InsteadKeepsAll": insteadKeeps,
	}
}

func byLength(b *bench) {
	b.put(doc(1, "configuration", ""), doc(2, "house", ""), doc(3, "cat", ""), doc(4, "granite", ""))
	b.wants(ask("configuraton"), 1)  // a letter is missing
	b.wants(ask("confguraton"), 1)   // two of them
	b.wants(ask("confgurton"))       // three
	b.wants(ask("hausse"))           // two in a short word
	b.wants(ask("hause"), 2)         // one
	b.wants(ask("huose"), 2)         // two letters that changed places
	b.wants(ask("cot"))              // too short
	b.wants(ask("garnite house"))    // all of two words, and no document has both
	b.wants(ask("garnite"), 4)       //
	b.wants(ask(`"configuraton"`))   // in quotes it is meant
	b.wants(ask("house -hause"), 2)  // what is excluded is excluded as it is typed
	b.wants(ask("cónfigúratión"), 1) // accents are no mistakes
}

func exactForgivesNone(b *bench) {
	b.put(doc(1, "configuration", ""))
	q := ask("configuraton")
	b.wants(q, 1)
	q.Exact = true
	b.wants(q)
	q.Prefix = true
	b.wants(q)
	q.Exact = false
	b.wants(q, 1)
}

func neverInNumbers(b *bench) {
	b.put(doc(1, "ISO27001 certificate", ""), doc(2, "order 12345678", ""), doc(3, "E-1042", ""))
	b.wants(ask("ISO27002"))
	b.wants(ask("12345679"))
	b.wants(ask("E-1043"))
	b.wants(ask("iso27001"), 1)
}

func rightFirst(b *bench) {
	b.put(doc(1, "from from from", "from"), doc(2, "a long title with the word form in it", "other words"))
	b.first(ask("form"), 2)
}

func instead(b *bench) {
	b.put(doc(1, "library", ""), doc(2, "library", ""), doc(3, "granite", ""), doc(4, "E-1042 manual", ""))
	for _, c := range []struct{ typed, want string }{
		{"librery", "library"},
		{"library", ""},
		{"libraries", ""}, // found by its stem
		{"granite librery", "granite library"},
		{"garnite librery", "granite library"},
		{"xylophone", ""},
		{"E-1043", ""},
		{"", ""},
		{"-librery", ""},
	} {
		if got := b.search(ask(c.typed)).Instead; stoa.Fold(got) != c.want {
			b.Errorf("%q: instead %q, want %q", c.typed, got, c.want)
		}
	}
}

// insteadKeeps sees that what is asked instead differs in the word alone.
func insteadKeeps(b *bench) {
	b.put(doc(1, "library of the red house", ""))
	got := search.Parse(b.search(ask(`librery "red house" -draft -"old one"`)).Instead)
	want := search.Parse(`library "red house" -draft -"old one"`)
	if !reflect.DeepEqual(got, want) {
		b.Errorf("instead %+v, want %+v", got, want)
	}
}
