package page

import (
	"testing"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/access"
	"github.com/stoa-portal/stoa/db/dbtest"
)

func TestVersions_TellWhatWasPublishedByWhomAndWhatChanged(t *testing.T) {
	for _, e := range dbtest.Engines() {
		t.Run(string(e), func(t *testing.T) {
			handles := dbtest.Nodes(t, e, 2)
			w, other := newWorld(t, handles[0]), newNode(t, handles[1])
			one := Placed{ID: "a", Widget: "html", Settings: map[string]string{"html": "one"}}
			two := Placed{ID: "b", Widget: "html", Settings: map[string]string{"html": "two"}}
			p := w.make(t, NewPage{Slug: "a", Publish: true, Layout: Single(one)})
			put := func(l Layout) {
				t.Helper()
				if _, err := w.SaveDraft(w.editor, p.ID, l, p.DraftVersion); err != nil {
					t.Fatal(err)
				}
				var err error
				if p, err = w.Publish(w.editor, p.ID, p.Version); err != nil {
					t.Fatal(err)
				}
			}
			changed := one
			changed.Settings = map[string]string{"html": "uno"}
			put(Single(changed, two))
			put(Single(two, changed))
			put(Single(two))

			// A person on another node looks at them and goes back.
			ed := other.as(t, w.st, access.RoleEditor)
			list, err := other.Versions(ed, p.ID)
			if err != nil || len(list) != 4 {
				t.Fatalf("%d versions, %v, want 4", len(list), err)
			}
			for i, want := range []Change{{Removed: 1}, {Arranged: true}, {Added: 1, Changed: 1}, {}} {
				v := list[i]
				if v.Change != want || v.Number != 4-i || v.Author != "Ed" || v.At.IsZero() || v.Oldest != (i == 3) {
					t.Errorf("version %d is %+v, want the change %+v", 4-i, v, want)
				}
			}
			if _, l, err := other.Version(ed, p.ID, 1); err != nil ||
				l.Sections[0].Columns[0].Widgets[0].Settings["html"] != "one" {
				t.Errorf("the first version shows %+v, %v", l, err)
			}
			if _, err := other.RestoreVersion(ed, p.ID, 1, p.DraftVersion); err != nil {
				t.Fatal(err)
			}
			got, err := w.Get(w.editor, p.ID)
			if err != nil || got.Draft == nil || got.Draft.Sections[0].Columns[0].Widgets[0].Settings["html"] != "one" {
				t.Errorf("after going back the draft is %+v, %v", got.Draft, err)
			}
			if got.Number != 4 || got.Version != p.Version {
				t.Errorf("going back changed what visitors see: %+v", got)
			}
			// The draft that is there since is not lost to a form that does not know of it.
			_, err = w.RestoreVersion(w.editor, p.ID, 2, p.DraftVersion)
			wantKind(t, err, stoa.KindConflict)
			_, err = w.RestoreVersion(w.editor, p.ID, 9, got.DraftVersion)
			wantKind(t, err, stoa.KindNotFound)
			for what, err := range map[string]error{
				"the list": second(w.Versions(w.guest, p.ID)),
				"one":      third(w.Version(w.guest, p.ID, 1)),
				"back":     second(w.RestoreVersion(w.guest, p.ID, 1, got.DraftVersion)),
			} {
				if !stoa.Is(err, stoa.KindUnauthorized) {
					t.Errorf("a guest and %s of versions: %v", what, err)
				}
			}
		})
	}
}

func second[T any](_ T, err error) error        { return err }
func third[T, U any](_ T, _ U, err error) error { return err }
