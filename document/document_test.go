package document_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/db"
	"github.com/stoa-portal/stoa/db/dbtest"
	"github.com/stoa-portal/stoa/document"
	"github.com/stoa-portal/stoa/site"
)

func TestUpload_KeepsBytesAndWhatIsKnown(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, n *node, st site.Site) {
		body := pngOf(t, half(200, 100))
		f, err := n.Upload(system(t), st, document.Upload{Name: "Häfen am Meer.png", Type: "text/html", Body: bytes.NewReader(body), Alt: " A harbour ", SourceURL: "https://old.example/h.png"})
		must(t, err)
		got, err := n.ByKey(n.guest(t, st), f.Key)
		must(t, err)
		if got != f {
			t.Errorf("read\n%+v, written\n%+v", got, f)
		}
		if f.Type != "image/png" || f.Width != 200 || f.Height != 100 || f.Alt != "A harbour" || f.Size != int64(len(body)) || len(f.Hash) != 64 || f.Source != "https://old.example/h.png" || f.Site != st.ID || f.Instance != st.Instance {
			t.Errorf("%+v", f)
		}
		if data, _ := n.bytesOf(t, n.guest(t, st), f.Key, 0); !bytes.Equal(data, body) {
			t.Error("other bytes came back")
		}
		if u, want := document.URL("guest", f), "/documents/guest/H%C3%A4fen%20am%20Meer.png/"+f.Key; u != want {
			t.Errorf("URL %s, want %s", u, want)
		}
		other := n.upload(t, st, "same.png", body)
		if other.Key == f.Key || other.Hash != f.Hash {
			t.Errorf("a second upload of the same bytes: %+v", other)
		}
	})
}

func TestPermissions_DenyIsTheDefault(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, n *node, st site.Site) {
		f := n.upload(t, st, "a.txt", []byte("hello"))
		guest := n.guest(t, st)
		_, err := n.Upload(guest, st, document.Upload{Name: "x", Body: strings.NewReader("x")})
		wantKind(t, err, stoa.KindUnauthorized, "a guest who uploads")
		_, err = n.Update(guest, f)
		wantKind(t, err, stoa.KindUnauthorized, "a guest who changes")
		wantKind(t, n.Delete(guest, f.ID), stoa.KindUnauthorized, "a guest who deletes")
		nobody := t.Context()
		_, err = n.List(nobody, st, document.Filter{})
		wantKind(t, err, stoa.KindUnauthorized, "a list for nobody")
		_, err = n.Get(nobody, f.ID)
		wantKind(t, err, stoa.KindUnauthorized, "a file for nobody")
		_, _, err = n.Open(nobody, f.Key, 0)
		wantKind(t, err, stoa.KindUnauthorized, "bytes for nobody")
		stranger := stoa.WithActor(t.Context(), stoa.Actor{User: 5, Instance: st.Instance + 1, Admin: true})
		_, _, err = n.Open(stranger, f.Key, 0)
		wantKind(t, err, stoa.KindNotFound, "bytes for the administrator of another instance")
		if n.keys(t) != 1 {
			t.Errorf("%d keys in the store after refused uploads", n.keys(t))
		}
	})
}

func TestUpdate_StaleVersionConflicts(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, n *node, st site.Site) {
		f := n.upload(t, st, "a.txt", []byte("hello"))
		change := f
		change.Name, change.Alt, change.Type = "../b.txt", "words", "text/html"
		got, err := n.Update(system(t), change)
		must(t, err)
		read, err := n.ByKey(system(t), f.Key)
		must(t, err)
		if read != got || got.Name != "b.txt" || got.Alt != "words" || got.Version != 2 || got.Type != "text/plain" {
			t.Errorf("%+v, read %+v", got, read)
		}
		_, err = n.Update(system(t), change)
		wantKind(t, err, stoa.KindConflict, "the same version again")
		change.Version, change.Alt = 2, strings.Repeat("x", 501)
		_, err = n.Update(system(t), change)
		wantKind(t, err, stoa.KindInvalid, "a description that is too long")
	})
}

func TestList_FiltersAndPages(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, n *node, st site.Site) {
		pic := pngOf(t, half(4, 4))
		var want []string
		for i := range 5 {
			want = append(want, n.upload(t, st, fmt.Sprintf("Photo_%d.png", i), pic).Key)
		}
		n.upload(t, st, "Photos of 100%.txt", []byte("words"))
		slices.Reverse(want)
		var got []string
		for after := stoa.ID(0); ; {
			page, err := n.List(n.guest(t, st), st, document.Filter{Media: "image", After: after, Limit: 2})
			must(t, err)
			if len(page) == 0 {
				break
			}
			if len(page) > 2 {
				t.Fatalf("%d files on a page of 2", len(page))
			}
			for _, f := range page {
				got = append(got, f.Key)
			}
			after = page[len(page)-1].ID
		}
		slices.Sort(got)
		slices.Sort(want)
		if !slices.Equal(got, want) {
			t.Errorf("pages gave %v, want %v", got, want)
		}
		for q, count := range map[string]int{"pHOTO": 6, "photo_": 5, "0%": 1, "!": 0} {
			list, err := n.List(system(t), st, document.Filter{Query: q})
			must(t, err)
			if len(list) != count {
				t.Errorf("%q finds %d files, want %d", q, len(list), count)
			}
		}
		// Letters of all scripts, in any case and in either Unicode form, on every engine.
		n.upload(t, st, "U\u0308bersicht Ελλάδα.txt", []byte("words"))
		for _, q := range []string{"übersicht", "ÜBERSICHT", "Übersicht", "U\u0308ber", "ελλάδα", "ΕΛΛΆΔΑ"} {
			list, err := n.List(system(t), st, document.Filter{Query: q})
			must(t, err)
			if len(list) != 1 || list[0].Name != "Übersicht Ελλάδα.txt" {
				t.Errorf("%q finds %v", q, list)
			}
		}
		_, err := n.List(system(t), st, document.Filter{After: 1 << 40})
		wantKind(t, err, stoa.KindNotFound, "a page after a file that is not there")
	})
}

func TestDelete_HidesAtOnceAndRemovesBytesLater(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, n *node, st site.Site) {
		f := n.upload(t, st, "a.png", pngOf(t, half(400, 200)))
		n.bytesOf(t, system(t), f.Key, 160)
		if n.keys(t) != 2 {
			t.Fatalf("%d keys, want the original and one variant", n.keys(t))
		}
		must(t, n.Delete(system(t), f.ID))
		_, _, err := n.Open(system(t), f.Key, 160)
		wantKind(t, err, stoa.KindNotFound, "a deleted file")
		wantKind(t, n.Delete(system(t), f.ID), stoa.KindNotFound, "deleting twice")
		if n.keys(t) != 2 {
			t.Errorf("%d keys are left: a restored database would find no bytes", n.keys(t))
		}
		if w := n.sweep(t, time.Now().Add(8*day)); w.Removed != 1 || n.keys(t) != 0 {
			t.Errorf("%+v, %d keys", w, n.keys(t))
		}
	})
}

func TestUpload_RowThatFailsLeavesNothing(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, n *node, st site.Site) {
		boom := errors.New("boom")
		_, err := n.Upload(system(t), st, document.Upload{Name: "a.txt", Body: strings.NewReader("hello"), Also: func(context.Context, *db.Tx, document.File) error { return boom }})
		if !errors.Is(err, boom) {
			t.Fatalf("got %v", err)
		}
		list, err := n.List(system(t), st, document.Filter{})
		must(t, err)
		if len(list) != 0 || n.keys(t) != 0 {
			t.Errorf("%d rows and %d keys are left", len(list), n.keys(t))
		}
	})
}

func TestTwoNodes_ShareFiles(t *testing.T) {
	t.Parallel()
	for _, e := range dbtest.Engines() {
		t.Run(string(e), func(t *testing.T) {
			handles, dir := dbtest.Nodes(t, e, 2), t.TempDir()
			one, two := newNode(t, handles[0], dir, 0, 0), newNode(t, handles[1], dir, 0, 0)
			st := one.firstSite(t)
			must(t, two.log.Poll(t.Context()))
			body := jpegOf(t, half(800, 400))
			f := one.upload(t, st, "harbour.jpg", body)
			must(t, two.log.Poll(t.Context()))
			guest := two.guest(t, st)
			if data, _ := two.bytesOf(t, guest, f.Key, 0); !bytes.Equal(data, body) {
				t.Fatal("the other node gives other bytes")
			}
			small, v := two.bytesOf(t, guest, f.Key, 320)
			if v.Width != 320 || v.Height != 160 || v.Type != "image/jpeg" {
				t.Errorf("%+v", v)
			}
			if again, _ := one.bytesOf(t, system(t), f.Key, 320); !bytes.Equal(again, small) || one.keys(t) != 2 {
				t.Errorf("the first node does not use the variant of the second; %d keys", one.keys(t))
			}
			f.Alt = "Boats"
			_, err := one.Update(system(t), f)
			must(t, err)
			must(t, two.log.Poll(t.Context()))
			if got, err := two.ByKey(guest, f.Key); err != nil || got.Alt != "Boats" {
				t.Fatalf("%+v, %v", got, err)
			}
			must(t, one.Delete(system(t), f.ID))
			must(t, two.log.Poll(t.Context()))
			_, _, err = two.Open(guest, f.Key, 0)
			wantKind(t, err, stoa.KindNotFound, "a file deleted on the other node")
		})
	}
}
