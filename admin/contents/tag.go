package contents

import (
	"net/http"
	"net/url"
	"strings"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/admin"
	"github.com/stoa-portal/stoa/taxonomy"
)

func (h *screens) mountTags(r *admin.Routes) {
	r.Get("/control/tags", admin.EditSite, h.tags)
	r.Get("/control/tags/{id}", admin.EditSite, h.tag)
	r.Post("/control/tags/{id}", admin.EditSite, h.tag)
	r.Post("/control/tags/{id}/merge", admin.ManageSite, h.mergeTag)
	r.Post("/control/tags/{id}/delete", admin.ManageSite, h.deleteTag)
}

// tags lists the tags of the site by name. They are made where articles are written.
func (h *screens) tags(q *admin.Request) error {
	in := q.URL.Query()
	var v admin.ListBody[taxonomy.Tag]
	v.Listing = admin.Listing{Query: admin.Clip(strings.TrimSpace(in.Get("q")), 100), Label: q.Word("term.search"),
		Here: q.URL.Path}
	v.Filtered = v.Query != ""
	found, err := h.o.Taxonomy.SearchTags(q.Context(), q.Site.ID, v.Query, in.Get("after"), admin.ListPage)
	if err != nil {
		return err
	}
	v.Rows = found.Items
	address := func(after string) string {
		x := url.Values{}
		if v.Filtered {
			x.Set("q", v.Query)
		}
		if after != "" {
			x.Set("after", after)
		}
		return q.URL.Path + "?" + x.Encode()
	}
	if in.Get("after") != "" {
		v.Back = address("")
	}
	if found.Next != "" {
		v.Next = address(found.Next)
	}
	return h.Show(q, http.StatusOK, "tags", admin.Screen{Title: q.Word("term.tags"),
		Purpose: q.Word("contents.tag.purpose"), Body: v})
}

func tagForm(q *admin.Request, t taxonomy.Tag) *admin.Form {
	return &admin.Form{Version: t.Version, Fields: []*admin.Field{
		{Name: "name", Label: q.Word("contents.category.name"), Kind: "text", Value: t.Name},
		{Name: "slug", Label: q.Word("contents.form.address"), Kind: "text", Prefix: "/tags/", Optional: true,
			Help: q.Word("contents.term.address-help"), Value: t.Slug},
	}}
}

func (h *screens) openedTag(q *admin.Request) (t taxonomy.Tag, err error) {
	id, err := q.ID()
	if err != nil {
		return t, err
	}
	if q.Method == http.MethodPost {
		if err := h.At(q, q.PostForm.Get("site")); err != nil {
			return t, err
		}
	}
	return h.o.Taxonomy.TagByID(q.Context(), q.Site.ID, id)
}

// tag shows a tag and gives it another name or address.
func (h *screens) tag(q *admin.Request) error {
	t, err := h.openedTag(q)
	if err != nil {
		return err
	}
	e := termEditing{Form: tagForm(q, t)}
	if q.Method == http.MethodPost {
		e.Form.Read(q)
		_, err := h.o.Taxonomy.UpdateTag(q.Context(), q.Instance.ID, taxonomy.Tag{ID: t.ID, Site: t.Site,
			Name: e.Form.Text("name"), Slug: e.Form.Text("slug"), Version: e.Form.Version})
		switch {
		case err == nil:
			return q.Done("/control/tags/"+t.ID.String(), "saved")
		case stoa.Is(err, stoa.KindConflict) && e.Form.Version != t.Version:
			e.Form.Stale(tagForm(q, t))
		case !e.Form.Fail(err):
			return err
		}
	}
	return h.showTag(q, t, e)
}

func (h *screens) showTag(q *admin.Request, t taxonomy.Tag, e termEditing) (err error) {
	if e, err = h.termBody(q, "tag", t.ID, e); err != nil {
		return err
	}
	e.Self, e.Name = "/control/tags/"+t.ID.String(), t.Name
	e.Delete = admin.Link{Ask: q.Word("contents.tag.delete-ask", t.Name), AskText: q.Word("contents.tag.delete-text")}
	return h.Show(q, max(e.Form.Status(), e.Merge.Status()), "term", admin.Screen{Title: t.Name, Body: e,
		Purpose: e.Carried, Back: &admin.Link{Title: q.Word("term.tags"), URL: "/control/tags"}})
}

// mergeTag merges the tag into another one.
func (h *screens) mergeTag(q *admin.Request) error {
	t, err := h.openedTag(q)
	if err != nil {
		return err
	}
	merge := mergeForm(q, "tag")
	merge.Read(q)
	name := merge.Text("into")
	into, err := h.o.Taxonomy.TagChosen(q.Context(), q.Site.ID, name)
	if stoa.Is(err, stoa.KindNotFound) {
		err = stoa.Invalid("into", "the site has no tag %q: choose one that is proposed", admin.Clip(name, 60))
	}
	if err == nil {
		err = h.o.Taxonomy.MergeTag(q.Context(), q.Instance.ID, q.Site.ID, t.ID, into.ID)
	}
	if err == nil {
		return q.Done("/control/tags/"+into.ID.String(), "merged")
	}
	if !merge.Fail(err) {
		return err
	}
	return h.showTag(q, t, termEditing{Form: tagForm(q, t), Merge: merge})
}

func (h *screens) deleteTag(q *admin.Request) error {
	t, err := h.openedTag(q)
	if err != nil {
		return err
	}
	if err := h.o.Taxonomy.TrashTag(q.Context(), q.Instance.ID, q.Site.ID, t.ID); err != nil {
		return err
	}
	return q.Trashed("/control/tags", "tag", t.ID)
}
