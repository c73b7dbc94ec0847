package page

import (
	"context"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/access"
	"github.com/stoa-portal/stoa/db"
	"github.com/stoa-portal/stoa/site"
)

// Settings are what the screen of a page saves at once.
type Settings struct {
	Page     Page    // as for Update
	Parent   stoa.ID // the page that it shall be below (0: the top), where it becomes the last
	Password *string // for visitors; empty: they need none any more; nil: it stays
	Publish  bool    // visitors shall get the page with its draft
}

// Save does what Update, Move, SetPassword and Publish do, as far as the settings ask for it, in one transaction: when
// one of them is refused, nothing is saved. It needs the permissions of each.
func (s *Service) Save(ctx context.Context, w Settings) (Page, error) {
	p := w.Page
	old, err := s.Get(ctx, p.ID)
	if err != nil {
		return Page{}, err
	}
	p.Site, p.Parent = old.Site, old.Parent
	if err := checkMeta(&p); err != nil {
		return Page{}, err
	}
	st, err := s.sites.Site(ctx, old.Site)
	if err != nil {
		return Page{}, err
	}
	password := ""
	if w.Password != nil { // it takes long on purpose
		if password, err = s.hashPassword(ctx, *w.Password); err != nil {
			return Page{}, err
		}
	}
	err = s.d.Write(ctx, func(ctx context.Context, tx *db.Tx) error {
		if err := s.updateTx(ctx, tx, st, p); err != nil {
			return err
		}
		version := p.Version + 1
		now, err := read(ctx, tx, p.ID)
		if err != nil {
			return err
		}
		if now.Parent != w.Parent {
			if err := s.moveTx(ctx, tx, st, p.ID, w.Parent, -1, version); err != nil {
				return err
			}
			version++
		}
		if w.Password != nil {
			if now.Published {
				if err := s.checkTx(ctx, tx, access.Publish, st, p.ID); err != nil {
					return err
				}
			}
			if err := s.setTx(ctx, tx, now, version, "password", password); err != nil {
				return err
			}
			version++
		}
		if !w.Publish {
			return nil
		}
		if err := s.checkTx(ctx, tx, access.Publish, st, p.ID); err != nil {
			return err
		}
		return s.publishTx(ctx, tx, p.ID, version)
	})
	if err != nil {
		return Page{}, err
	}
	return s.Get(ctx, p.ID)
}

// checkTx asks whether the actor may do something with a page where it is now, as the transaction sees it.
func (s *Service) checkTx(ctx context.Context, tx *db.Tx, a access.Action, st site.Site, id stoa.ID) error {
	t, err := loadTree(ctx, tx, st.ID)
	if err != nil {
		return err
	}
	n, ok := t.nodes[id]
	if !ok {
		return stoa.NotFound(kindPage, id)
	}
	return s.access.Check(ctx, a, s.pathOf(t, n, st.Path()))
}
