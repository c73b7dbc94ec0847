package trash

import (
	"net/http"
	"net/url"
	"strings"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/access"
	"github.com/stoa-portal/stoa/admin"
	"github.com/stoa-portal/stoa/asset"
	"github.com/stoa-portal/stoa/recycle"
)

// oneKind gives the kind of the things, if all are of one that can be put back elsewhere.
func (h *screens) oneKind(refs []asset.Ref) (recycle.Kind, bool) {
	for _, r := range refs {
		if r.Kind != refs[0].Kind {
			return recycle.Kind{}, false
		}
	}
	k, ok := h.o.Assets.BinKind(refs[0].Kind)
	return k, ok && (k.Places != nil || k.Sites)
}

// placeOf reads the place that a form has chosen.
func placeOf(form url.Values) (p asset.Place, err error) {
	for name, id := range map[string]*stoa.ID{"to": &p.Site, "parent": &p.Parent} {
		if v := form.Get(name); v != "" && v != "0" {
			if *id, err = stoa.ParseID(v); err != nil {
				return p, err
			}
		}
	}
	return p, nil
}

// elsewhere asks for the place that things in the recycle bin are put back to.
func (h *screens) elsewhere(q *admin.Request) error {
	in := q.URL.Query()
	refs, err := things(in)
	if err != nil {
		return err
	}
	k, ok := h.oneKind(refs)
	if !ok {
		return stoa.Invalid("thing", "choose things of one kind, such as pages or files, that can come to another place")
	}
	list, err := h.o.Assets.Trashed(q.Context(), refs)
	if err != nil {
		return err
	}
	place, err := placeOf(in)
	if err != nil {
		return err
	}
	type view struct {
		Rows          []row
		Kind          string
		Gone          bool // the place where they were is not there
		Sites, Places []admin.Option
		Site          string
		Another       bool // another site than the one they are of
	}
	v := view{Kind: k.Kind, Gone: in.Get("gone") != ""}
	for _, t := range list {
		if t.Site != list[0].Site {
			return stoa.Invalid("thing", "choose things of one site")
		}
		v.Rows = append(v.Rows, h.row(q, t))
	}
	own := list[0].Site
	if place.Site == 0 {
		place.Site = own
	}
	st, err := h.o.Sites.Site(q.Context(), place.Site)
	if err != nil {
		return err
	}
	if st.Instance != list[0].Instance {
		return stoa.NotFound("site", place.Site)
	}
	v.Site, v.Another = st.ID.String(), st.ID != own
	if k.Sites {
		all, err := h.o.Sites.Sites(q.Context(), st.Instance)
		if err != nil {
			return err
		}
		for _, one := range all {
			if one.ID == own || h.o.Access.Can(q.Context(), access.Edit, one.Path()) {
				v.Sites = append(v.Sites, admin.Option{Value: one.ID.String(), Label: one.Name})
			}
		}
	}
	if k.Places != nil {
		spots, err := k.Places(q.Context(), st.ID, st.Instance)
		if err != nil {
			return err
		}
		v.Places = append(v.Places, admin.Option{Value: "0", Label: q.Word("trash.top")})
		for _, s := range spots {
			v.Places = append(v.Places, admin.Option{Value: s.ID.String(),
				Label: strings.Repeat("\u2003", min(s.Depth, 8)) + s.Title})
		}
	}
	return h.Show(q, http.StatusOK, "elsewhere", admin.Screen{Title: q.Word("trash.elsewhere"), Narrow: true,
		Back: &admin.Link{Title: q.Word("trash.title"), URL: home}, Body: v})
}
