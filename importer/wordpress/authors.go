package wordpress

import (
	"context"
	"fmt"
	"strings"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/db"
	"github.com/stoa-portal/stoa/user"
)

// person is an author of the old site: the name that articles show, and the account, 0 for none.
type person struct {
	name    string
	account stoa.ID
}

// authors makes an account for every author that the export gives an e-mail address of. It is locked and has
// neither password nor role: whether somebody of the old site works on this one, an administrator decides.
func (r *run) authors(ctx context.Context, e *Export) error {
	r.people = map[string]person{}
	for _, a := range e.Authors {
		if _, twice := r.people[a.Login]; a.Login == "" || twice {
			continue
		}
		p := person{name: cut(strings.Join(strings.Fields(a.Name), " "), 180), account: r.known["author/"+ref(a.Login)]}
		if p.account == 0 && a.Email != "" && r.Users != nil && !r.opt.DryRun {
			var err error
			if p.account, err = r.accountOf(ctx, a); err != nil {
				return fmt.Errorf("author in line %d (%q): %w", a.Line, cut(a.Login, 60), err)
			}
		}
		r.people[a.Login] = p
	}
	return nil
}

// accountOf gives the account of an author: the one with the e-mail address, or a new one. Data that no account
// can have are a warning; articles then only show the name.
func (r *run) accountOf(ctx context.Context, a Author) (stoa.ID, error) {
	u := user.User{Instance: r.opt.Site.Instance, ScreenName: screenName(a.Login), Email: strings.ToLower(a.Email), FirstName: a.FirstName, LastName: a.LastName, Status: user.StatusLocked}
	if u.FirstName == "" && u.LastName == "" {
		u.FirstName = a.Name
	}
	found, err := r.Users.List(ctx, u.Instance, user.Filter{Login: u.Email, Limit: 2})
	if err != nil {
		return 0, err
	}
	var id stoa.ID
	for _, have := range found.Items {
		if have.Email == u.Email {
			id = have.ID
		}
	}
	if id == 0 {
		made, err := r.Users.Create(ctx, u, "")
		if stoa.Is(err, stoa.KindConflict) { // somebody else has the screen name
			u.ScreenName = cut(u.ScreenName, 60) + "-wordpress"
			made, err = r.Users.Create(ctx, u, "")
		}
		if stoa.Is(err, stoa.KindInvalid) || stoa.Is(err, stoa.KindConflict) {
			r.report.Warnings = append(r.report.Warnings, Warning{Line: a.Line, Message: fmt.Sprintf("the author %q got no account: %v", cut(a.Login, 60), err)})
			return 0, nil
		}
		if err != nil {
			return 0, err
		}
		id = made.ID
		r.report.Authors++
	}
	return id, r.DB.Write(ctx, func(ctx context.Context, tx *db.Tx) error {
		return r.note(ctx, tx, "author", ref(a.Login), id)
	})
}

// screenName is the login with dashes for what screen names cannot have.
func screenName(login string) string {
	s := strings.Map(func(c rune) rune {
		if c >= 'a' && c <= 'z' || c >= '0' && c <= '9' || c == '.' || c == '_' || c == '-' {
			return c
		}
		return '-'
	}, strings.ToLower(login))
	return cut(s, 75)
}
