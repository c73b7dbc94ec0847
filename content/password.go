package content

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/richtext"
)

// hashFor gives what is stored for a new password: nothing for none.
func (s *Service) hashFor(ctx context.Context, password *string) (string, error) {
	if password == nil || *password == "" {
		return "", nil
	}
	if len(*password) > 255 {
		return "", stoa.Invalid("password", "the password is too long: at most 255 bytes are expected")
	}
	return s.passwords.Make(ctx, *password)
}

// Unlock checks the password of an article and gives a token for Unlocked, which is good until the
// password is changed. A wrong password is Invalid. It needs View; the caller limits how often one
// address may try.
func (s *Service) Unlock(ctx context.Context, id stoa.ID, password string) (token string, err error) {
	a, err := s.visible(ctx, id)
	if err != nil {
		return "", err
	}
	if !a.Protected {
		return "", stoa.Invalid("password", "this article has no password")
	}
	if len(password) > 255 {
		return "", stoa.Invalid("password", "the password is wrong")
	}
	if ok, _, err := s.passwords.Check(ctx, a.hash, password); err != nil {
		return "", err
	} else if !ok {
		return "", stoa.Invalid("password", "the password is wrong")
	}
	return a.token(), nil
}

// token proves that its bearer knew the password. The stored hash, which never leaves the server,
// is its secret, so it ends with the password.
func (a row) token() string {
	m := hmac.New(sha256.New, []byte(a.hash))
	_, _ = m.Write([]byte("article " + a.ID.String()))
	return hex.EncodeToString(m.Sum(nil))
}

// Unlocked gives the published version in full to who holds a token of Unlock; with a wrong token
// it gives it locked. The result is not cached and must not be stored by others.
func (s *Service) Unlocked(ctx context.Context, id stoa.ID, token string) (Article, error) {
	a, err := s.visible(ctx, id)
	if err != nil {
		return Article{}, err
	}
	if !a.Protected || !hmac.Equal([]byte(a.token()), []byte(token)) {
		return s.published(ctx, id)
	}
	if err := a.fill(ctx, s.o.DB, a.Live); err != nil {
		return Article{}, err
	}
	a.prepare()
	return a.Article, s.words(ctx, &a.Article)
}

// prepare makes the bodies ready to be shown, once for all views of a cached article.
func (a *Article) prepare() {
	for l, t := range a.Text {
		t.Body = richtext.Prepare(t.Body)
		a.Text[l] = t
	}
}

// visible reads the row of an article that visitors see.
func (s *Service) visible(ctx context.Context, id stoa.ID) (row, error) {
	a, err := read(ctx, s.o.DB, id)
	if err != nil {
		return row{}, err
	}
	if a.Live == 0 {
		return row{}, stoa.NotFound("article", id)
	}
	return a, s.seen(ctx, a.Article, 0)
}

// lock leaves out what the password guards; the title stays.
func (a *Article) lock() {
	if !a.Protected {
		return
	}
	a.Locked = true
	for l, t := range a.Text {
		a.Text[l] = Text{Title: t.Title}
	}
}
