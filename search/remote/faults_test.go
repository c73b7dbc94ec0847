package remote_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/filestore/filestoretest"
	"github.com/stoa-portal/stoa/search"
	"github.com/stoa-portal/stoa/search/remote"
)

// document is one that all people may see.
func document(id stoa.ID, version int64, title string) search.Document {
	d := search.Document{
		Kind: "article", ID: id, Instance: 1, Site: 10, ACL: "site:10", Version: version,
		Texts: map[stoa.Locale]search.Text{"en": {Title: title}},
	}
	d.Sign()
	return d
}

// question asks as a person who may see everything.
func question(typed string) search.Query {
	return search.Query{Instance: 1, All: true, Words: search.Parse(typed), Locale: "en", Size: 10, Exact: true}
}

func apply(t *testing.T, e search.Engine, docs ...search.Document) {
	t.Helper()
	if err := e.Apply(t.Context(), docs, nil, true); err != nil {
		t.Fatalf("Apply: %v", err)
	}
}

func finds(t *testing.T, e search.Engine, typed string, want ...stoa.ID) {
	t.Helper()
	r, err := e.Search(t.Context(), question(typed))
	if err != nil {
		t.Fatalf("Search %q: %v", typed, err)
	}
	var got []stoa.ID
	for _, h := range r.Hits {
		got = append(got, h.ID)
	}
	slices.Sort(got)
	if !slices.Equal(got, want) {
		t.Errorf("%q finds %v, want %v", typed, got, want)
	}
}

// eventually waits until something holds.
func eventually(t *testing.T, what string, is func() bool) {
	t.Helper()
	end := time.NewTimer(5 * time.Minute)
	defer end.Stop()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for !is() {
		select {
		case <-tick.C:
		case <-end.C:
			t.Fatalf("waited five minutes for this: %s", what)
		}
	}
}

// hangs takes a request and answers never. A server notices that the other side went away only after it has read all.
func hangs(w http.ResponseWriter, r *http.Request, next http.Handler) bool {
	if _, err := io.Copy(io.Discard, r.Body); err != nil {
		panic(http.ErrAbortHandler)
	}
	return filestoretest.AnswerNothing(w, r, next)
}

// unheard is an address at which nothing listens.
func unheard(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	return "http://" + l.Addr().String()
}

func TestFailover_ADeadHostIsLeftOut(t *testing.T) {
	t.Parallel()
	address, dead := server(t, envOpenSearch), unheard(t)
	e := open(t, remote.Options{Hosts: []string{dead, address}, Prefix: prefix(t, address), Replicas: "0",
		Timeout: time.Minute})
	for i := range 6 {
		apply(t, e, document(stoa.ID(i+1), 1, "granite"))
	}
	finds(t, e, "granite", 1, 2, 3, 4, 5, 6)
	s, err := e.Status(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if !slices.ContainsFunc(s.Notes, func(n string) bool { return strings.Contains(n, dead) }) {
		t.Errorf("the status has the notes %q, want one that names %s", s.Notes, dead)
	}
	if !strings.HasPrefix(s.Engine, "OpenSearch 2.") || !strings.Contains(s.Address, address) || s.Documents != 6 {
		t.Errorf("status %+v", s)
	}
}

func TestFailover_AHostThatHangsIsLeftOutAndTakenBack(t *testing.T) {
	t.Parallel()
	address := server(t, envOpenSearch)
	relay := filestoretest.NewRelay(t, address)
	var asked atomic.Int64
	relay.Set(func(w http.ResponseWriter, r *http.Request, next http.Handler) bool {
		asked.Add(1)
		return hangs(w, r, next)
	})
	// The time is of one host: on a busy machine the other one may need as long, and is asked again.
	e := open(t, remote.Options{Hosts: []string{relay.URL, address}, Prefix: prefix(t, address), Replicas: "0",
		Timeout: 3 * time.Second})
	apply(t, e, document(1, 1, "granite"))
	for range 20 {
		finds(t, e, "granite", 1)
	}
	if n := asked.Load(); n > 10 {
		t.Errorf("the host that hangs was asked %d times of some 24: it is to be left out", n)
	}
	var served atomic.Int64
	relay.Set(func(_ http.ResponseWriter, r *http.Request, _ http.Handler) bool {
		if strings.Contains(r.URL.Path, "_search") {
			served.Add(1)
		}
		return false
	})
	eventually(t, "the host that is well again is asked", func() bool {
		finds(t, e, "granite", 1)
		return served.Load() > 0
	})
}

// TestFailover_AnAnswerThatWasLost has the first host do what it is told and break off instead of saying so.
func TestFailover_AnAnswerThatWasLost(t *testing.T) {
	t.Parallel()
	address := server(t, envOpenSearch)
	relay := filestoretest.NewRelay(t, address)
	e := open(t, remote.Options{Hosts: []string{relay.URL, address}, Prefix: prefix(t, address), Replicas: "0",
		Timeout: time.Minute})
	apply(t, e, document(1, 1, "granite"))
	var lost atomic.Int64
	relay.Set(func(_ http.ResponseWriter, r *http.Request, next http.Handler) bool {
		next.ServeHTTP(httptest.NewRecorder(), r)
		lost.Add(1)
		panic(http.ErrAbortHandler)
	})
	for i := range 4 {
		d := document(stoa.ID(i+2), 1, "basalt")
		if err := e.Apply(t.Context(), []search.Document{d}, []byte{byte(i)}, true); err != nil {
			t.Fatalf("Apply: %v", err)
		}
	}
	if lost.Load() == 0 {
		t.Error("no answer was lost: nothing was tested")
	}
	finds(t, e, "basalt", 2, 3, 4, 5)
	if token, err := e.Token(t.Context()); err != nil || !bytes.Equal(token, []byte{3}) {
		t.Errorf("token %v, %v, want the last one", token, err)
	}
}

func TestFailover_AllAreAwayAndComeBack(t *testing.T) {
	t.Parallel()
	address := server(t, envOpenSearch)
	one, two := filestoretest.NewRelay(t, address), filestoretest.NewRelay(t, address)
	e := open(t, remote.Options{Hosts: []string{one.URL, two.URL}, Prefix: prefix(t, address), Replicas: "0",
		Timeout: time.Minute})
	apply(t, e, document(1, 1, "granite"))
	one.Set(filestoretest.CutOff)
	two.Set(filestoretest.Refuse(http.StatusBadGateway))
	_, err := e.Search(t.Context(), question("granite"))
	if !stoa.Is(err, stoa.KindUnavailable) || !strings.Contains(err.Error(), one.URL) ||
		!strings.Contains(err.Error(), two.URL) {
		t.Errorf("all hosts away: %v, want an error of kind unavailable that names both", err)
	}
	var shown *stoa.Error
	if errors.As(err, &shown) && strings.Contains(shown.Message, "127.0.0.1") {
		t.Errorf("visitors are told where the server is: %s", shown.Message)
	}
	if err := e.Apply(t.Context(), []search.Document{document(2, 1, "granite")}, []byte("t"), true); !stoa.Is(err,
		stoa.KindUnavailable) {
		t.Errorf("Apply while all are away: %v, want an error of kind unavailable", err)
	}
	one.Set(nil)
	two.Set(nil)
	finds(t, e, "granite", 1) // at once: there is no other host to ask
	if token, err := e.Token(t.Context()); err != nil || token != nil {
		t.Errorf("token %q, %v, want none: what it stands for was not written", token, err)
	}
}

func TestFailover_ADeadlineIsSharedByTheHosts(t *testing.T) {
	t.Parallel()
	address := server(t, envOpenSearch)
	relay := filestoretest.NewRelay(t, address)
	p := prefix(t, address)
	apply(t, open(t, remote.Options{Hosts: []string{address}, Prefix: p, Replicas: "0", Timeout: time.Minute}),
		document(1, 1, "granite"))
	relay.Set(hangs)
	e := open(t, remote.Options{Hosts: []string{relay.URL, address}, Prefix: p, Timeout: 10 * time.Minute})
	ctx, cancel := context.WithTimeout(t.Context(), 40*time.Second)
	defer cancel()
	for range 2 { // whichever host is first
		if _, err := e.Search(ctx, question("granite")); err != nil {
			t.Errorf("half of the time is for the other host: %v", err)
		}
		ctx, cancel = context.WithTimeout(t.Context(), 40*time.Second)
		defer cancel()
	}
}

func TestMake_ManyNodesMakeOneIndex(t *testing.T) {
	t.Parallel()
	address := server(t, envOpenSearch)
	p := prefix(t, address)
	var wg sync.WaitGroup
	for i := range 5 {
		e := open(t, remote.Options{Hosts: []string{address}, Prefix: p, Replicas: "0", Timeout: time.Minute})
		wg.Go(func() {
			if err := e.Apply(t.Context(), []search.Document{document(stoa.ID(i+1), 1, "granite")}, nil, true); err != nil {
				t.Errorf("Apply: %v", err)
			}
		})
	}
	wg.Wait()
	finds(t, open(t, remote.Options{Hosts: []string{address}, Prefix: p, Timeout: time.Minute}), "granite", 1, 2, 3, 4, 5)
	list := strings.Fields(string(call(t, http.MethodGet, address+"/_cat/indices/"+p+"*?h=index", "")))
	if len(list) != 1 {
		t.Errorf("indexes %v, want one", list)
	}
}

func TestMake_WhatAnotherProgramMadeIsLeftAlone(t *testing.T) {
	t.Parallel()
	address := server(t, envOpenSearch)
	p := prefix(t, address)
	call(t, http.MethodPut, address+"/"+p+"1", `{"settings":{"number_of_replicas":0}}`)
	e := open(t, remote.Options{Hosts: []string{address}, Prefix: p, Replicas: "0", Timeout: time.Minute})
	err := e.Apply(t.Context(), []search.Document{document(1, 1, "granite")}, nil, true)
	if !stoa.Is(err, stoa.KindUnavailable) || !strings.Contains(err.Error(), "set search.server.prefix") {
		t.Errorf("Apply: %v, want one that says that another program has the index", err)
	}
	if _, err = e.Search(t.Context(), question("granite")); err == nil || !strings.Contains(err.Error(), p+"1") {
		t.Errorf("Search: %v, want one that names the index", err)
	}
	if text := call(t, http.MethodGet, address+"/"+p+"1/_count", ""); !bytes.Contains(text, []byte(`"count":0`)) {
		t.Errorf("the index of another program has %s", text)
	}
}

func TestMake_AnIndexThatWasTakenAwayIsMadeAgain(t *testing.T) {
	t.Parallel()
	address := server(t, envOpenSearch)
	p := prefix(t, address)
	e := open(t, remote.Options{Hosts: []string{address}, Prefix: p, Replicas: "0", Timeout: time.Minute})
	apply(t, e, document(1, 1, "granite"))
	call(t, http.MethodDelete, address+"/"+p+"1-m1-1", "")
	finds(t, e, "granite")
	if known, err := e.Known(t.Context(), 1, []search.Key{{Kind: "article", ID: 1}}); err != nil || len(known) > 0 {
		t.Errorf("Known: %v, %v, want nothing", known, err)
	}
	apply(t, e, document(2, 1, "granite"))
	finds(t, e, "granite", 2)
	call(t, http.MethodDelete, address+"/"+p+"1-m1-1", "")
	apply(t, e, document(3, 1, "granite")) // without a question between
	finds(t, e, "granite", 3)
}

func TestApply_AReadOnlyIndexIsSaid(t *testing.T) {
	t.Parallel()
	address := server(t, envOpenSearch)
	p := prefix(t, address)
	e := open(t, remote.Options{Hosts: []string{address}, Prefix: p, Replicas: "0", Timeout: time.Minute})
	apply(t, e, document(1, 1, "granite"))
	block := func(to string) {
		call(t, http.MethodPut, address+"/"+p+"1/_settings", `{"index.blocks.read_only_allow_delete":`+to+`}`)
	}
	block("true")
	err := e.Apply(t.Context(), []search.Document{document(2, 1, "granite")}, []byte("t"), true)
	if !stoa.Is(err, stoa.KindUnavailable) || !strings.Contains(err.Error(), "free space") {
		t.Errorf("Apply: %v, want one of kind unavailable that says what to do", err)
	}
	finds(t, e, "granite", 1)
	block("null")
	apply(t, e, document(2, 1, "granite"))
	finds(t, e, "granite", 1, 2)
}

func TestApply_WhatIsGoneStaysGoneWhenTheServerForgets(t *testing.T) {
	t.Parallel()
	address := server(t, envOpenSearch)
	p := prefix(t, address)
	e := open(t, remote.Options{Hosts: []string{address}, Prefix: p, Replicas: "0", Timeout: time.Minute})
	apply(t, e, document(1, 5, "granite"))
	call(t, http.MethodPut, address+"/"+p+"1/_settings", `{"index.gc_deletes":"0s"}`)
	apply(t, e, search.Document{Kind: "article", ID: 1, Instance: 1, Version: 8, Gone: true})
	call(t, http.MethodPost, address+"/"+p+"1/_forcemerge?max_num_segments=1", "")
	apply(t, e, document(1, 7, "granite"), document(2, 1, "granite"))
	finds(t, e, "granite", 2)
}

func TestApply_WithoutAVersionIsRefused(t *testing.T) {
	t.Parallel()
	e := open(t, remote.Options{Hosts: []string{unheard(t)}})
	for _, d := range []search.Document{
		document(1, 0, "x"), document(1, -1, "x"), document(0, 1, "x"), {Kind: "a", ID: 1, Version: 1},
		{ID: 1, Instance: 1, Version: 1}, {Kind: strings.Repeat("k", 600), ID: 1, Instance: 1, Version: 1},
	} {
		if err := e.Apply(t.Context(), []search.Document{d}, nil, false); !stoa.Is(err, stoa.KindInvalid) {
			t.Errorf("%+v: %v, want an error of kind invalid", d.Key(), err)
		}
	}
}

// TestAnalyzers_AServerWithoutSomeIsUsed has a server that does not know German.
func TestAnalyzers_AServerWithoutSomeIsUsed(t *testing.T) {
	t.Parallel()
	address := server(t, envOpenSearch)
	relay := filestoretest.NewRelay(t, address)
	relay.Set(func(w http.ResponseWriter, r *http.Request, _ http.Handler) bool {
		b, err := io.ReadAll(r.Body)
		if err != nil {
			panic(http.ErrAbortHandler)
		}
		r.Body = io.NopCloser(bytes.NewReader(b))
		lacks := bytes.Contains(b, []byte(`"analyzer":"german"`)) ||
			bytes.Contains(b, []byte(`"filter":["lowercase","asciifolding"]`)) ||
			bytes.Contains(b, []byte(`"filter":["asciifolding"]`))
		if !lacks {
			return false
		}
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusBadRequest)
		_, _ = io.WriteString(w, `{"error":{"type":"mapper_parsing_exception",`+
			`"reason":"analyzer [german] has not been configured"}}`)
		return true
	})
	p := prefix(t, address)
	e := open(t, remote.Options{Hosts: []string{relay.URL}, Prefix: p, Replicas: "0", Timeout: time.Minute})
	d := document(1, 1, "The libraries")
	d.Texts["de"] = search.Text{Title: "Die Häuser"}
	apply(t, e, d)
	finds(t, e, "library", 1)
	finds(t, e, "häuser", 1)
	finds(t, e, "haus")
	// it reads what the index says
	later := open(t, remote.Options{Hosts: []string{relay.URL}, Prefix: p, Timeout: time.Minute})
	q := question("Häuser")
	q.Locale = "de"
	if r, err := later.Search(t.Context(), q); err != nil || r.Total != 1 {
		t.Errorf("%+v, %v, want one hit", r, err)
	}
	for _, e := range []*remote.Engine{e, later} {
		s, err := e.Status(t.Context())
		if err != nil || !slices.ContainsFunc(s.Notes, func(n string) bool { return strings.Contains(n, "german") }) {
			t.Errorf("status %+v, %v, want a note about german", s, err)
		}
	}
}

func TestClose_WhileAHostIsLookedAt(t *testing.T) {
	t.Parallel()
	hang := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }))
	defer hang.Close()
	e := open(t, remote.Options{Hosts: []string{hang.URL}, Timeout: 50 * time.Millisecond})
	if _, err := e.Token(t.Context()); !stoa.Is(err, stoa.KindUnavailable) ||
		!strings.Contains(fmt.Sprint(err), "gave no answer") {
		t.Errorf("Token of a server that hangs: %v", err)
	}
	if err := e.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := e.Token(t.Context()); !stoa.Is(err, stoa.KindUnavailable) {
		t.Errorf("Token after Close: %v", err)
	}
}
