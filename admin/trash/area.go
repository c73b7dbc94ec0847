// Package trash has the screen of the recycle bin.
package trash

import (
	"context"
	"embed"
	"errors"
	"net/http"
	"net/url"
	"time"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/access"
	"github.com/stoa-portal/stoa/admin"
	"github.com/stoa-portal/stoa/asset"
	"github.com/stoa-portal/stoa/bulk"
	"github.com/stoa-portal/stoa/recycle"
	"github.com/stoa-portal/stoa/site"
)

//go:embed templates/*.html
var templates embed.FS

const (
	home      = "/control/trash"
	elsewhere = home + "/elsewhere"
	perPage   = 50
)

// Options are what the area works on.
type Options struct {
	Access *access.Service // required
	Assets *asset.Service  // required
	Bulk   *bulk.Service   // required
	Sites  *site.Service   // required
	Age    time.Duration   // how long things stay in the recycle bin; 0 is for ever
}

// screens are the screens of the area.
type screens struct {
	*admin.Panel
	o Options
}

// Add makes the area a part of the panel.
func Add(p *admin.Panel, o Options) error {
	if o.Access == nil || o.Assets == nil || o.Bulk == nil || o.Sites == nil {
		return errors.New("trash: Options.Access, Assets, Bulk and Sites are required")
	}
	h := &screens{p, o}
	return h.Add(admin.Area{
		Templates: templates,
		Routes: func(r *admin.Routes) {
			r.Get(home, admin.EditSite, h.list)
			r.Get(elsewhere, admin.EditSite, h.elsewhere)
			r.Post(home+"/restore", admin.SignedIn, h.restore) // the owners of the things ask
			r.Post(home+"/purge", admin.SignedIn, h.purge)
			r.Post(home+"/empty", admin.EditSite, h.empty)
		},
		Rail: func(q *admin.Request) []admin.RailLink {
			if !o.Access.Can(q.Context(), access.Edit, q.Site.Path()) {
				return nil
			}
			return []admin.RailLink{
				{Group: admin.GroupContent, Order: 90, Title: q.Word("trash.title"), URL: home, Icon: "trash"},
			}
		},
	})
}

// row is a thing in the list.
type row struct {
	asset.Trash
	Ref, Title, Kind string
	Until            time.Time // when it is deleted for good; zero for never
}

func (h *screens) row(q *admin.Request, t asset.Trash) row {
	one := row{Trash: t, Ref: asset.Ref{Kind: t.Kind, ID: t.ID}.String(), Title: t.Entry.Title(q.Site.Locale),
		Kind: t.Kind}
	if of, ok := h.o.Assets.BinKind(t.Kind); ok {
		one.Kind = q.Word(string(of.Name))
	}
	if h.o.Age > 0 {
		one.Until = t.At.Add(h.o.Age)
	}
	return one
}

// list shows what is in the recycle bin of the site, or of its instance.
func (h *screens) list(q *admin.Request) error {
	type view struct {
		Rows     []row
		Filter   asset.TrashFilter
		Filtered bool
		Kinds    []admin.Option
		All      string // the address without a filter
		Ages     bool
		admin.Paging
	}
	in := q.URL.Query()
	f := asset.TrashFilter{Whole: in.Get("of") == "instance", Kind: admin.Clip(in.Get("kind"), 40),
		Words: admin.Clip(in.Get("q"), 200), Person: admin.Clip(in.Get("who"), 200), After: in.Get("after"), Limit: perPage}
	l, err := admin.Shown(h.Panel, q, func(ctx context.Context) (asset.TrashList, error) {
		return h.o.Assets.FindTrash(ctx, q.Site, f)
	})
	if err != nil {
		return err
	}
	all := home
	if f.Whole {
		all += "?of=instance"
	}
	v := view{Filter: f, Filtered: f.Kind != "" || f.Words != "" || f.Person != "",
		All: all, Ages: h.o.Age > 0, Paging: q.After(l.Next)}
	v.Kinds = append(v.Kinds, admin.Option{Label: q.Word("trash.kinds")})
	for _, k := range h.o.Assets.BinKinds() {
		v.Kinds = append(v.Kinds, admin.Option{Value: k.Kind, Label: q.Word(string(k.Name))})
	}
	for _, t := range l.Items {
		v.Rows = append(v.Rows, h.row(q, t))
	}
	s := admin.Screen{Title: q.Word("trash.title"), Purpose: q.Word("trash.purpose"), Body: v}
	if f.Whole {
		s.Purpose = q.Word("trash.purpose-instance")
	}
	if h.o.Access.Can(q.Context(), access.Manage, access.InstancePath(q.Instance.ID)) {
		s.Tabs = []admin.Link{{Title: q.Word("trash.of-site"), URL: home, Current: !f.Whole},
			{Title: q.Word("trash.of-instance"), URL: home + "?of=instance", Current: f.Whole}}
	}
	if len(v.Rows) > 0 && !f.Whole && !v.Filtered {
		s.Actions = []admin.Link{{Title: q.Word("trash.empty"), URL: home + "/empty?site=" + q.Site.ID.String(),
			Icon: "trash", Ask: q.Word("trash.empty-ask"), AskText: q.Word("trash.purge-text"),
			AskButton: q.Word("trash.empty")}}
	}
	return h.Show(q, http.StatusOK, "trash", s)
}

// things reads which things the form is about.
func things(form url.Values) ([]asset.Ref, error) {
	var out []asset.Ref
	for _, s := range form["thing"] {
		r, err := asset.ParseRef(s)
		if err != nil {
			return nil, err
		}
		out = append(out, r)
	}
	if len(out) == 0 {
		return nil, stoa.Invalid("thing", "choose at least one thing in the recycle bin")
	}
	return out, nil
}

// restore takes out of the recycle bin what was chosen, all or nothing, to the place that was chosen or where it was.
// When that is not there, it asks for another.
func (h *screens) restore(q *admin.Request) error {
	if q.PostForm.Get("all") == "on" {
		return h.all(q, q.PostForm.Get("site"), asset.BulkRestore)
	}
	refs, err := things(q.PostForm)
	if err != nil {
		return err
	}
	var done []asset.Restored
	if q.PostForm.Get("place") == "" {
		done, err = h.o.Assets.Restore(q.Context(), refs)
		if errors.Is(err, recycle.ErrNoPlace) {
			if _, one := h.oneKind(refs); one {
				http.Redirect(q.W, q.Request, elsewhere+"?gone=1&"+url.Values{"thing": q.PostForm["thing"]}.Encode(),
					http.StatusSeeOther)
				return nil
			}
		}
	} else {
		var to asset.Place
		if to, err = placeOf(q.PostForm); err == nil {
			done, err = h.o.Assets.RestoreTo(q.Context(), refs, to)
		}
	}
	if err != nil {
		return err
	}
	note := "recovered"
	for _, r := range done {
		if r.Renamed {
			note = "recovered-renamed"
		}
	}
	to := home
	if len(done) == 1 {
		if of, ok := h.o.Assets.BinKind(done[0].Kind); ok {
			to = "/control" + of.Screen(done[0].ID)
		}
	}
	return q.Done(to, note)
}

// purge deletes for good what was chosen, all or nothing.
func (h *screens) purge(q *admin.Request) error {
	if q.PostForm.Get("all") == "on" {
		return h.all(q, q.PostForm.Get("site"), asset.BulkPurge)
	}
	refs, err := things(q.PostForm)
	if err != nil {
		return err
	}
	if err := h.o.Assets.Purge(q.Context(), refs); err != nil {
		return err
	}
	return q.Done(home, "purged")
}

// empty deletes for good all that is in the recycle bin.
func (h *screens) empty(q *admin.Request) error {
	return h.all(q, q.URL.Query().Get("site"), asset.BulkPurge)
}

// all does something with all that is in the recycle bin of a site: the one of the screen that the form was sent from,
// whichever is chosen elsewhere by now. What one transaction does not hold is done in the background.
func (h *screens) all(q *admin.Request, site, action string) error {
	if err := h.At(q, site); err != nil {
		return err
	}
	list, err := h.o.Assets.AllTrash(q.Context(), q.Site, action == asset.BulkPurge)
	if err != nil {
		return err
	}
	if len(list) > asset.MaxTrash {
		id, err := h.o.Bulk.Start(q.Context(), action, q.Site.ID, list)
		if err != nil {
			return err
		}
		return q.Done("/control/bulk/"+id.String(), "")
	}
	if err := h.o.Assets.InOrder(q.Context(), action, list); err != nil {
		return err
	}
	note := "recovered"
	if action == asset.BulkPurge {
		note = "purged"
	}
	return q.Done(home, note)
}
