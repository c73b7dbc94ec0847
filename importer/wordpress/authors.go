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

// prepareAuthors decides about the accounts of authors. Every author that the export gives an e-mail address of gets
// one: the one that has the address already, or a new one, locked and with neither password nor role. Whether a person
// of the old site works on this one, an administrator decides.
func (r *run) prepareAuthors(ctx context.Context) error {
	r.people, r.accounts = map[string]person{}, map[string]user.User{}
	byMail, names := map[string]string{}, map[string]bool{}
	for _, a := range r.export.Authors {
		if _, twice := r.people[a.Login]; a.Login == "" || twice {
			continue
		}
		p := person{
			name:    stoa.Clip(strings.Join(strings.Fields(a.Name), " "), 180),
			account: r.known["author/"+sourceKey(a.Login)],
		}
		r.people[a.Login] = p
		if p.account != 0 || a.Email == "" || r.Users == nil {
			continue
		}
		u := user.User{
			Instance:   r.site.Instance,
			ScreenName: screenName(a.Login),
			Email:      strings.ToLower(strings.TrimSpace(a.Email)),
			FirstName:  stoa.Clip(a.FirstName, 100),
			LastName:   stoa.Clip(a.LastName, 100),
			Status:     user.StatusLocked,
		}
		if u.FirstName == "" && u.LastName == "" {
			u.FirstName = stoa.Clip(a.Name, 100)
		}
		have, err := r.accountWith(ctx, u)
		if err != nil {
			return err
		}
		if same := byMail[u.Email]; have == 0 && same != "" { // two logins of one person
			r.accounts[a.Login] = r.accounts[same]
			continue
		}
		if have == 0 {
			err = r.Users.CheckNew(ctx, u)
			if stoa.Is(err, stoa.KindConflict) || err == nil && names[u.ScreenName] { // another has the screen name
				u.ScreenName = stoa.Clip(u.ScreenName, 60) + "-wordpress"
				err = r.Users.CheckNew(ctx, u)
			}
			if err == nil && names[u.ScreenName] {
				err = stoa.Conflict("two authors would have the screen name %s", u.ScreenName)
			}
			if err != nil && !refusal(err) {
				return err
			}
			if err != nil {
				r.report.Warnings = append(r.report.Warnings, Warning{Line: a.Line, Weight: Missing,
					Message: fmt.Sprintf("the author %q got no account: %s", stoa.Clip(a.Login, 60), sentence(err))})
				continue
			}
			byMail[u.Email], names[u.ScreenName] = a.Login, true
			r.report.Authors++
		}
		u.ID = have
		r.accounts[a.Login] = u
	}
	return nil
}

// accountWith gives the account that has the e-mail address of u; 0 when none has.
func (r *run) accountWith(ctx context.Context, u user.User) (stoa.ID, error) {
	found, err := r.Users.List(ctx, u.Instance, user.Filter{Login: u.Email, Limit: 2})
	for _, have := range found.Items {
		if have.Email == u.Email {
			return have.ID, nil
		}
	}
	return 0, err
}

// authors makes the accounts.
func (r *run) authors(ctx context.Context) error {
	for _, a := range r.export.Authors {
		u, ok := r.accounts[a.Login]
		if !ok || r.people[a.Login].account != 0 {
			continue
		}
		var err error
		if u.ID == 0 {
			u.ID, err = r.accountWith(ctx, u) // of a run that ended just now, or of another login
		}
		if err == nil && u.ID == 0 {
			u, err = r.Users.Create(ctx, u, "")
		}
		if refusal(err) {
			r.report.Authors--
			r.report.Warnings = append(r.report.Warnings, Warning{Line: a.Line, Weight: Missing,
				Message: fmt.Sprintf("the author %q got no account: %s", stoa.Clip(a.Login, 60), sentence(err))})
			continue
		}
		if err != nil {
			return fmt.Errorf("author in line %d (%q): %w", a.Line, stoa.Clip(a.Login, 60), err)
		}
		if err := r.DB.Write(ctx, func(ctx context.Context, tx *db.Tx) error {
			return r.note(ctx, tx, "author", sourceKey(a.Login), u.ID)
		}); err != nil {
			return err
		}
		r.people[a.Login] = person{name: r.people[a.Login].name, account: u.ID}
	}
	return nil
}

// screenName is the login with dashes for what screen names cannot have.
func screenName(login string) string {
	s := strings.Map(func(c rune) rune {
		if c >= 'a' && c <= 'z' || c >= '0' && c <= '9' || c == '.' || c == '_' || c == '-' {
			return c
		}
		return '-'
	}, strings.ToLower(login))
	return stoa.Clip(s, 75)
}
