package wordpress

import (
	"cmp"
	"context"
	"strings"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/db"
	"github.com/stoa-portal/stoa/page"
)

// menuDepth is how deep menus may be nested (page.Menu); deeper entries follow the last one that fits.
const menuDepth = 4

// menuPlan is a menu and where it goes.
type menuPlan struct {
	menu  *NavMenu
	slug  string // here
	id    stoa.ID
	saved int64 // the version that an earlier run wrote
}

// prepareMenus decides which menus are written.
func (r *run) prepareMenus(context.Context) error {
	taken := map[string]bool{}
	for slug := range r.stock.menus {
		taken[slug] = true
	}
	byID := map[stoa.ID]page.Menu{}
	for _, m := range r.stock.menus {
		byID[m.ID] = m
	}
	first := true
	for i := range r.plan.Menus {
		m := &r.plan.Menus[i]
		if len(m.Entries) == 0 {
			continue
		}
		key := sourceKey(m.Slug)
		p := menuPlan{menu: m, id: r.known["menu/"+key], saved: int64(r.known["menu-version/"+key])}
		if p.id != 0 {
			first = false
			have, ok := byID[p.id]
			if p.saved == 0 {
				p.saved = 1 // an older program wrote it
			}
			if p.slug = have.Slug; ok && have.Version == p.saved {
				r.menus = append(r.menus, p)
			}
			continue
		}
		p.slug = cmp.Or(stoa.Slug(m.Slug, 100), "untitled")
		if first {
			p.slug = "main" // the theme shows this one in the header
		}
		first = false
		if taken[p.slug] {
			r.warn(Missing, nil, "the menu %q was left out: the site has one with this name", m.Name)
			continue
		}
		check := page.Menu{Site: r.site.ID, Name: r.menuName(m), Slug: p.slug, Items: r.items(m.Entries, 0, true)}
		if err := page.CheckMenu(check); err != nil {
			r.warn(Missing, nil, "the menu %q was left out: %s", m.Name, sentence(err))
			continue
		}
		taken[p.slug] = true
		r.menus = append(r.menus, p)
	}
	return nil
}

func (r *run) menuName(m *NavMenu) string {
	return cmp.Or(shorten(plain(m.Name), 120), stoa.Clip(m.Slug, 120), "Menu")
}

func (r *run) writeMenus(ctx context.Context) error {
	for _, p := range r.menus {
		m := page.Menu{Site: r.site.ID, Name: r.menuName(p.menu), Slug: p.slug, Items: r.items(p.menu.Entries, 0, false)}
		if p.id != 0 {
			have, err := r.Pages.Menu(ctx, p.id)
			if stoa.Is(err, stoa.KindNotFound) || err == nil && (have.Version != p.saved || same(have.Items, m.Items)) {
				continue
			}
			if err != nil {
				return err
			}
			m.ID, m.Version, m.Name = have.ID, have.Version, have.Name
		}
		err := r.DB.Write(ctx, func(ctx context.Context, tx *db.Tx) error {
			saved, err := r.Pages.SaveMenuTx(ctx, tx, m)
			if err != nil {
				return err
			}
			key := sourceKey(p.menu.Slug)
			if err := r.note(ctx, tx, "menu-version", key, stoa.ID(saved.Version)); err != nil {
				return err
			}
			return r.note(ctx, tx, "menu", key, saved.ID)
		})
		if refusal(err) {
			r.warn(Missing, nil, "the menu %q was left out: %s", p.menu.Name, sentence(err))
		} else if err != nil {
			return err
		}
	}
	return nil
}

func same(a, b []page.Item) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if a[i].URL != b[i].URL || a[i].Page != b[i].Page || len(a[i].Title) != len(b[i].Title) ||
			!same(a[i].Children, b[i].Children) {
			return false
		}
		for l, t := range a[i].Title {
			if b[i].Title[l] != t {
				return false
			}
		}
	}
	return true
}

// items gives the entries of a menu. An entry whose target is not open to visitors is left out, and what is below it
// moves up. With check, the report is told, and pages that are still to be written stand as addresses.
func (r *run) items(entries []*MenuEntry, depth int, check bool) []page.Item {
	var out []page.Item
	for _, e := range entries {
		below := r.items(e.Children, depth+1, check)
		it := page.Item{}
		if label := shorten(plain(e.Label), 190); label != "" {
			it.Title = r.text(label)
		}
		p, fragment := r.leads(e)
		to, _ := r.destination(p)
		switch a := p.article; {
		case a != nil && (to == "" || a.path == "" && status(a.item) != StatusPublish):
			if check {
				r.warn(Changed, e.Item, "the menu entry %q was left out: what it leads to is not published",
					stoa.Short(e.Label, 60))
			}
			out = append(out, below...)
			continue
		case a != nil && a.path != "" && fragment == "" && !check:
			it.Page = a.node
		case to != "":
			it.URL = to + fragment
		case e.URL != "":
			it.URL = e.URL
		}
		if it.URL != "" && page.CheckRedirect("/-", it.URL) != nil {
			if check {
				r.warn(Changed, e.Item, "the menu entry %q leads nowhere: %q is no address", stoa.Short(e.Label, 60),
					stoa.Short(it.URL, 60))
			}
			it.URL = ""
		}
		if it.Page == 0 && len(it.Title) == 0 {
			out = append(out, below...)
			continue
		}
		if depth < menuDepth-1 {
			it.Children, below = below, nil
		}
		out = append(append(out, it), below...)
	}
	return out
}

// leads gives the place that an entry leads to, and what is behind # in its address.
func (r *run) leads(e *MenuEntry) (place, string) {
	switch {
	case e.Target != nil && e.Target.Type == TypeAttachment:
		return place{file: e.Target}, ""
	case e.Target != nil:
		return place{article: r.byItem[e.Target]}, ""
	case e.Term != nil:
		return place{term: r.terms[e.Term.Taxonomy+"/"+e.Term.Slug]}, ""
	case e.URL == "" || strings.HasPrefix(e.URL, "#"):
		return place{}, ""
	}
	p, fragment, _ := r.find(e.URL)
	return p, fragment
}
