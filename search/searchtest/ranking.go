package searchtest

import (
	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/search"
)

func ranking() map[string]func(*bench) {
	return map[string]func(*bench){
		"TitlesWeighMost":         titlesWeigh,
		"NewerALittleMore":        newerALittle,
		"NewerDoesNotBeatBetter":  betterBeatsNewer,
		"MoreWordsBeatFewer":      moreWords,
		"RareWordsWeighMore":      rareWords,
		"ScoresFall":              scoresFall,
		"OwnLanguageAndAsWritten": asWritten,
	}
}

// titlesWeigh has the word once in each field, and as many other words in all of them.
func titlesWeigh(b *bench) {
	const other = "alpha beta gamma"
	const word = "alpha granite gamma"
	all := search.Text{Title: other, Headings: other, Terms: other, Body: other}
	title, headings, terms, body := all, all, all, all
	title.Title, headings.Headings, terms.Terms, body.Body = word, word, word, word
	b.put(text(1, "en", body), text(2, "en", terms), text(3, "en", headings), text(4, "en", title), text(5, "en", all))
	r := b.search(ask("granite"))
	got := ids(r)
	if len(got) != 4 || got[0] != 4 || got[3] != 1 {
		b.Errorf("%s, want the title (4), headings and terms (3, 2), the body (1)", scores(r))
	}
}

func newerALittle(b *bench) {
	for i, days := range []int{1000, 2, 200, 20} { // of a week, a month, a year, and older
		d := doc(stoa.ID(i+1), "granite", "")
		d.Modified = now().AddDate(0, 0, -days)
		b.put(d)
	}
	b.ranks(ask("granite"), 2, 4, 3, 1)
	q := ask("granite")
	q.Now = now().AddDate(5, 0, 0) // then all of them are old
	if r := b.search(q); len(r.Hits) != 4 || r.Hits[0].Score != r.Hits[3].Score {
		b.Errorf("five years later: %s, want the same score", scores(r))
	}
}

func betterBeatsNewer(b *bench) {
	d := doc(1, "a page about other things", "somewhere in its long text about this and that it names granite once")
	d.Modified = now().AddDate(0, 0, -1)
	b.put(d, doc(2, "granite", "all about granite"))
	b.ranks(ask("granite"), 2, 1)
}

func moreWords(b *bench) {
	b.put(doc(1, "granite basalt marble slate", ""), doc(2, "granite granite basalt marble marble", ""))
	b.ranks(ask("granite basalt marble slate"), 1, 2)
}

func rareWords(b *bench) {
	for i := stoa.ID(1); i <= 20; i++ {
		b.put(doc(i, "common stone", ""))
	}
	b.put(doc(21, "common granite wood sand", ""), doc(22, "common common wood sand", ""))
	b.first(asIn("en", "common granite wood sand"), 21)
}

func scoresFall(b *bench) {
	for i := stoa.ID(1); i <= 30; i++ {
		title := "granite"
		for range i {
			title += " other"
		}
		b.put(doc(i, title, ""))
	}
	r := b.search(ask("granite"))
	if len(r.Hits) != 20 || r.Total != 30 || r.Next == "" {
		b.Errorf("%d hits of %d, next %q", len(r.Hits), r.Total, r.Next)
	}
	for i := 1; i < len(r.Hits); i++ {
		if r.Hits[i].Score > r.Hits[i-1].Score || r.Hits[i].Score <= 0 {
			b.Errorf("scores %s: each is above 0 and none above the one before", scores(r))
			break
		}
	}
}

// asWritten sees that the word as it is typed comes before another form of it.
func asWritten(b *bench) {
	b.put(doc(1, "connecting", ""), doc(2, "connection", ""))
	b.ranks(ask("connection"), 2, 1)
	b.ranks(ask("connecting"), 1, 2)
}
