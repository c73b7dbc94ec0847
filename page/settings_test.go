package page

import (
	"strings"
	"testing"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/access"
	"github.com/stoa-portal/stoa/db"
	"github.com/stoa-portal/stoa/db/dbtest"
)

func TestSave_IsOneTransactionAndAllOrNothing(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		w := newWorld(t, d)
		admin := w.as(t, w.st, access.RoleAdministrator)
		own, err := w.Create(admin, w.st, NewPage{Slug: "own", Title: map[stoa.Locale]string{"en": "Own"}, Restricted: true,
			Position: -1})
		must(t, err)
		above := w.make(t, NewPage{Slug: "about", Publish: true})
		p := w.make(t, NewPage{Slug: "team", Layout: html("a")})
		_, err = w.SaveDraft(w.editor, p.ID, html("b"), p.DraftVersion)
		must(t, err)
		text := func(s string) *string { return &s }
		change := p
		change.Title, change.Slug = map[stoa.Locale]string{"en": "The crew"}, "crew"
		stale := change
		stale.Version++
		for what, refused := range map[string]struct {
			Settings
			kind stoa.Kind
		}{
			"below itself":               {Settings{Page: change, Parent: p.ID}, stoa.KindInvalid},
			"below a page there is not":  {Settings{Page: change, Parent: 12345}, stoa.KindInvalid},
			"below one that is closed":   {Settings{Page: change, Parent: own.ID, Publish: true}, stoa.KindNotFound},
			"with a password of a novel": {Settings{Page: change, Password: text(strings.Repeat("a", 201))}, stoa.KindInvalid},
			"of a stale version":         {Settings{Page: stale, Parent: above.ID, Publish: true}, stoa.KindConflict},
		} {
			_, err := w.Save(w.editor, refused.Settings)
			wantKind(t, err, refused.kind)
			now, err := w.Get(admin, p.ID)
			must(t, err)
			if now.Version != p.Version || now.Path != "/team" || now.Title["en"] != "team" || now.Published || now.Protected {
				t.Errorf("%s: something was saved: %+v", what, now)
			}
		}
		before := w.log.Status().Low
		saved, err := w.Save(w.editor, Settings{Page: change, Parent: above.ID, Password: text("secret"), Publish: true})
		must(t, err)
		if saved.Path != "/about/crew" || saved.Title["en"] != "The crew" || !saved.Published || !saved.Protected ||
			saved.HasDraft || saved.Number != 1 {
			t.Errorf("saved as %+v", saved)
		}
		if n := w.log.Status().Low - before; n != 1 {
			t.Errorf("it took %d transactions", n)
		}
		// Only what the settings say: the password stays, then it goes.
		saved, err = w.Save(w.editor, Settings{Page: saved, Parent: above.ID})
		must(t, err)
		if !saved.Protected || !saved.Published || saved.Parent != above.ID {
			t.Errorf("saved as %+v", saved)
		}
		saved, err = w.Save(w.editor, Settings{Page: saved, Password: text("")})
		must(t, err)
		if saved.Protected || saved.Path != "/crew" {
			t.Errorf("saved as %+v", saved)
		}
		// The right to publish is asked for, whatever else is saved, and in the instance of the page.
		_, err = w.Unpublish(admin, saved.ID, saved.Version)
		must(t, err)
		saved, err = w.Get(admin, saved.ID)
		must(t, err)
		writer := w.as(t, w.st, access.RoleUser)
		roles, err := w.access.RoleIDs(admin, w.st.Instance)
		must(t, err)
		must(t, w.access.SetGrants(admin, w.st.Path(), []access.Grant{
			{Role: roles[access.RoleUser], Resource: w.st.Path()[0], Action: access.Edit}}))
		saved.Title = map[stoa.Locale]string{"en": "Mine"}
		_, err = w.Save(writer, Settings{Page: saved, Publish: true})
		wantKind(t, err, stoa.KindForbidden)
		if now, err := w.Get(admin, saved.ID); err != nil || now.Version != saved.Version {
			t.Errorf("something was saved without the right to publish: %+v %v", now, err)
		}
		_, err = w.Save(writer, Settings{Page: saved})
		must(t, err)
		stranger := stoa.WithActor(t.Context(), stoa.Actor{User: 904, Instance: w.st.Instance + 1, Admin: true})
		if _, err := w.Save(stranger, Settings{Page: saved}); !stoa.Is(err, stoa.KindNotFound) {
			t.Errorf("an administrator of another instance saves: %v", err)
		}
	})
}
