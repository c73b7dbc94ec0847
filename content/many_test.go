package content_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/access"
	"github.com/stoa-portal/stoa/asset/assettest"
	"github.com/stoa-portal/stoa/content"
	"github.com/stoa-portal/stoa/db"
	"github.com/stoa-portal/stoa/site"
	"github.com/stoa-portal/stoa/taxonomy"
)

func TestCreateAll_MakesWhatCreateAndPublishDo(t *testing.T) {
	each(t, func(t *testing.T, n *node, st site.Site) {
		ctx := system(t)
		tag := stoa.ID(0)
		must(t, n.d.Write(ctx, func(ctx context.Context, tx *db.Tx) (err error) {
			tag, err = n.words.EnsureTag(ctx, tx, st.ID, "Sea", "sea")
			return err
		}))
		later := time.Now().Add(time.Hour).Truncate(time.Second)
		var list []content.NewArticle
		for i := range 700 { // more than a statement has
			d := draft(fmt.Sprintf("Title %d", i), `<p>Text</p><script>alert(1)</script><a href="/w/title-0">first</a>`)
			d.Slug, d.Tags = fmt.Sprintf("title-%d", i), []stoa.ID{tag, tag, 999}
			list = append(list, content.NewArticle{Draft: d, Show: i%3 > 0})
			if i%3 == 2 {
				list[i].At = later
			}
		}
		list[1].Text["de"] = content.Text{Title: "Titel 1"}
		var ids []stoa.ID
		must(t, n.d.Write(ctx, func(ctx context.Context, tx *db.Tx) (err error) {
			ids, err = n.CreateAll(ctx, tx, st, list)
			return err
		}))
		if got := assettest.Same(t, n.d, n.AssetType()); got != len(list) {
			t.Errorf("%d things were compared", got)
		}
		for i, want := range []string{content.StatusDraft, content.StatusPublished, content.StatusScheduled} {
			d := draft("one by one", list[i].Text["en"].Body)
			d.Text["en"] = content.Text{Title: list[i].Text["en"].Title, Body: list[i].Text["en"].Body}
			one, err := n.Create(ctx, st, d)
			must(t, err)
			if i > 0 {
				at := time.Time{}
				if i == 2 {
					at = later
				}
				one, err = n.Publish(ctx, one.ID, one.Version, at)
				must(t, err)
			}
			a, err := n.Get(ctx, ids[i])
			must(t, err)
			if a.Status != want || a.Live != one.Live || a.Number != one.Number || !a.Publish.Equal(one.Publish) ||
				a.Published.IsZero() != one.Published.IsZero() || a.Text["en"] != one.Text["en"] || a.Kind != one.Kind {
				t.Errorf("article %d is %+v, one made by itself %+v", i, a, one)
			}
			words, err := n.words.Of(ctx, "article", a.ID, st.ID)
			must(t, err)
			if len(words.Tags) != 1 || words.Tags[0].ID != tag {
				t.Errorf("article %d has the tags %+v", i, words.Tags)
			}
		}
		if a, err := n.Get(ctx, ids[1]); err != nil || a.Text["de"].Title != "Titel 1" {
			t.Errorf("%+v, %v", a.Text, err)
		}
	})
}

func TestCreateAll_RefusesWhatCreateDoes(t *testing.T) {
	each(t, func(t *testing.T, n *node, st site.Site) {
		ctx := system(t)
		_, err := n.Create(ctx, st, func() content.Draft { d := draft("Here", "x"); d.Slug = "here"; return d }())
		must(t, err)
		try := func(ctx context.Context, a content.NewArticle) error {
			return n.d.Write(ctx, func(ctx context.Context, tx *db.Tx) error {
				_, err := n.CreateAll(ctx, tx, st, []content.NewArticle{a})
				return err
			})
		}
		with := func(slug, kind string, show bool) content.NewArticle {
			d := draft("Title", "Text")
			d.Slug, d.Kind = slug, kind
			return content.NewArticle{Draft: d, Show: show}
		}
		if err := try(ctx, with("here", "", false)); !db.IsDuplicate(err) {
			t.Errorf("a taken address: %v", err)
		}
		if err := try(ctx, with("", "", false)); !stoa.Is(err, stoa.KindInvalid) {
			t.Errorf("without an address: %v", err)
		}
		if err := try(ctx, with("p", content.KindPage, false)); !stoa.Is(err, stoa.KindInvalid) {
			t.Errorf("the text of a page: %v", err)
		}
		role, err := n.acc.CreateRole(ctx, access.Role{Instance: st.Instance, Name: "Writers"})
		must(t, err)
		have, err := n.acc.Grants(ctx, st.Path()[0])
		must(t, err)
		must(t, n.acc.SetGrants(ctx, st.Path(), append(have,
			access.Grant{Role: role.ID, Resource: st.Path()[0], Action: access.Edit})))
		writer := stoa.WithActor(t.Context(), stoa.Actor{User: 88, Instance: st.Instance, Roles: []stoa.ID{role.ID}})
		must(t, try(writer, with("a", "", false)))
		if err := try(writer, with("b", "", true)); !stoa.Is(err, stoa.KindForbidden) {
			t.Errorf("publishing without the right to: %v", err)
		}
		stranger := stoa.WithActor(t.Context(), stoa.Actor{User: 89, Instance: st.Instance + 1, Admin: true})
		if err := try(stranger, with("c", "", false)); !stoa.Is(err, stoa.KindForbidden) && !stoa.Is(err, stoa.KindNotFound) {
			t.Errorf("an administrator of another instance: %v", err)
		}
	})
}

// A term of another site that a caller names is not carried.
func TestAssignNew_LeavesTermsOfOtherSitesOut(t *testing.T) {
	each(t, func(t *testing.T, n *node, st site.Site) {
		ctx := system(t)
		must(t, n.d.Write(ctx, func(ctx context.Context, tx *db.Tx) error {
			there, err := n.words.EnsureCategory(ctx, tx, taxonomy.Category{Site: st.ID + 1, Slug: "there", Name: "There"})
			if err != nil {
				return err
			}
			here, err := n.words.EnsureCategory(ctx, tx, taxonomy.Category{Site: st.ID, Slug: "here", Name: "Here"})
			if err != nil {
				return err
			}
			return n.words.AssignNew(ctx, tx, "article", st.ID,
				[]taxonomy.Assigned{{Thing: 4711, Categories: []stoa.ID{here, there}}})
		}))
		words, err := n.words.Of(ctx, "article", 4711, st.ID)
		must(t, err)
		if len(words.Categories) != 1 || words.Categories[0].Slug != "here" {
			t.Errorf("%+v", words.Categories)
		}
	})
}
