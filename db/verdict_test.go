package db

import (
	"log/slog"
	"testing"
	"time"
)

func TestJudge_DecidesByContent(t *testing.T) {
	t.Parallel()
	t1, t2, t3, other := Token{1, "one"}, Token{2, "two"}, Token{3, "three"}, Token{2, "other"}
	const system, line1, line2, elsewhere = "postgres 77 ", "postgres 77 00000001",
		"postgres 77 00000002", "postgres 88 00000009"
	// The mark is beat 100; one beat takes half a second.
	knows := func(server string, tokens ...Token) known {
		return known{tokens: tokens, fingerprint: server, mark: mark{writer: 9, beat: 100},
			behind: func(beat, _ int64) time.Duration { return time.Duration(100-beat) * time.Second / 2 }}
	}
	shows := func(server string, beat int64, tokens ...Token) shown {
		s := shown{fingerprint: server, made: true, beat: beat, tokens: tokens}
		if n := len(tokens); n > 0 {
			s.number, s.token = tokens[n-1].Number, tokens[n-1].Value
		}
		return s
	}
	restored := func(s shown, number int64) shown { s.restored = number; return s }
	empty := shown{fingerprint: line1, beat: -1}
	for _, c := range []struct {
		name string
		k    known
		s    shown
		want verdict
		lost time.Duration
	}{
		{"nothing has changed", knows(line1, t1), shows(line1, 100, t1), same, 0},
		{"its COMMIT was not answered", knows(line1, t1), shows(line1, 101, t1), same, 0},
		{"another node has begun an incarnation", knows(line1, t1), shows(line2, 100, t1, t2), newer, 0},
		{"the same, and own commits are missing", knows(line1, t1), shows(line2, 98, t1, t2), newer, time.Second},
		{"switchover", knows(line1, t1), shows(line2, 100, t1), continued, 0},
		{"a move to another server", knows(line1, t1), shows(elsewhere, 100, t1), continued, 0},
		{"asynchronous fail-over", knows(line1, t1), shows(line2, 90, t1), lossy, 5 * time.Second},
		{"a crash of a server that does not flush", knows(line1, t1), shows(line1, 99, t1), lossy, 500 * time.Millisecond},
		{"a dump of half an hour ago", knows(line1, t1), shows(elsewhere, 0, t1), lossy, 50 * time.Second},
		{"a node that was never there", knows(line1, t1), shows(elsewhere, -100, t1), behind, 100 * time.Second},
		{"the newest token was lost with the old timeline", knows(line1, t1, t2), shows(line2, 99, t1), lossy,
			500 * time.Millisecond},
		{"the old primary is back", knows(line2, t1, t2), shows(line1, 90, t1), behind, 5 * time.Second},
		{"the old primary is back and has all commits", knows(line2, t1, t2), shows(line1, 100, t1), behind, 0},
		{"a token is missing on another server", knows(line1, t1, t2), shows(elsewhere, 100, t1), behind, 0},
		{"two tokens are missing", knows(line1, t1, t2, t3), shows(line2, 100, t1), behind, 0},
		{"an older token is missing", knows(line1, t1, t2), shows(line2, 100, t2), behind, 0},
		{"a fork", knows(line1, t1, t2), shows(line2, 100, t1, other), fork, 0},
		{"a fork that went on", knows(line1, t1, t2), shows(line2, 100, t1, other, t3), fork, 0},
		{"an operator has restored it", knows(line1, t1, t2), restored(shows(elsewhere, 3, t1, t3), 3), newer, 0},
		{"the same over a fork", knows(line1, t1, t2), restored(shows(elsewhere, 3, t1, other, t3), 3), newer, 0},
		{"restored before, and now a fork", knows(line1, t1, t2), restored(shows(elsewhere, 3, t1, other), 1), fork, 0},
		{"a schema without tokens", knows(line1, t1), shown{fingerprint: line1, made: true, number: 1, beat: 100}, behind, 0},
		{"nothing is known", known{}, shows(line1, -1, t1, t2), newer, 0},
		{"nothing is known and nothing is there", known{}, empty, fresh, 0},
		{"an empty database in the place of a known one", knows(line1, t1), empty, emptied, 0},
		{"a replica", knows(line1, t1), shown{readOnly: "it is a replica"}, readOnly, 0},
		{"what it received is not applied", knows(line1, t1), shown{fingerprint: elsewhere, made: true, beat: 90,
			number: 1, tokens: []Token{t1},
			pending: "relay log"}, behind, 5 * time.Second},
		{"a first life without beats", known{tokens: []Token{t1}, fingerprint: line1}, shows(line1, -1, t1), same, 0},
	} {
		got := judge(c.k, c.s, time.Minute)
		if got.verdict != c.want || got.lost != c.lost {
			t.Errorf("%s: %s, lost %s (%s); want %s, lost %s", c.name, got.verdict, got.lost, got.reason, c.want, c.lost)
		}
		if !got.verdict.usable() && got.reason == "" {
			t.Errorf("%s: no reason is given", c.name)
		}
	}
	if _, _, ok := timeline(system); ok {
		t.Error("half a fingerprint has a timeline")
	}
}

// What the file store knows is every incarnation that was ever followed, also those that were given up.
func TestOpen_KnownIncarnationsThatWereGivenUpAreNotAskedFor(t *testing.T) {
	t.Parallel()
	o := Options{URL: "postgres://h/stoa", Known: []Token{{1, "a"}, {2, "lost"}, {3, "operator"}}}
	parsed, err := parseURL(o)
	if err != nil {
		t.Fatal(err)
	}
	d, err := newDB(t.Context(), Options{URL: o.URL, Known: o.Known, Clock: func() time.Duration { return 0 },
		Logger: slog.New(slog.DiscardHandler)}, parsed)
	if err != nil {
		t.Fatal(err)
	}
	defer d.end()
	s := shown{made: true, fingerprint: "postgres 77 00000002", number: 3, token: "operator", restored: 3, beat: -1,
		tokens: []Token{{1, "a"}, {3, "operator"}}}
	if f := judge(d.memory.get(), s, time.Minute); !f.verdict.usable() {
		t.Errorf("%s: %s; want the database that the operator restored to be followed", f.verdict, f.reason)
	}
	s.tokens, s.number = s.tokens[:1], 1
	if f := judge(d.memory.get(), s, time.Minute); f.verdict != behind {
		t.Errorf("%s; want an older database to be refused", f.verdict)
	}
}

// Nodes remember the newest incarnations only; what a full memory has dropped does not make a history another one.
func TestContains_FullMemories(t *testing.T) {
	t.Parallel()
	var all []Token
	for n := range int64(keptTokens + 6) {
		all = append(all, Token{n + 1, string(rune('a' + n))})
	}
	longer, shorter := tail(all), tail(all[:len(all)-1])
	if !contains(longer, shorter) || contains(shorter, longer) {
		t.Error("the longer of two full memories does not contain the shorter one")
	}
}
