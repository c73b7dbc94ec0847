package content

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/stoa-portal/stoa"
)

// PreviewFor is how long a link to a draft opens it.
const PreviewFor = 7 * 24 * time.Hour

// previewPurpose is what the links to drafts are signed for.
const previewPurpose = "preview"

// Signer signs what a link to a draft holds, so that any node knows it again. *secret.Service does.
type Signer interface {
	Token(ctx context.Context, purpose string, msg []byte) (string, error)
	Message(ctx context.Context, purpose, token string) (msg []byte, ok bool, err error)
}

// Preview gives the newest version as visitors would see it, or the one that they see when live is true: without a
// password being asked for. It needs Edit; a published version that is not there is NotFound.
func (s *Service) Preview(ctx context.Context, id stoa.ID, live bool) (Article, error) {
	a, err := s.editable(ctx, id)
	if err != nil {
		return Article{}, err
	}
	return s.preview(ctx, a, live)
}

// PreviewBy is Preview for the holder of a key that PreviewKey gave, with or without an account. A key that is not
// right, is too old or is for another article is NotFound.
func (s *Service) PreviewBy(ctx context.Context, id stoa.ID, key string, live bool) (Article, error) {
	gone := stoa.NotFound("preview", id)
	if s.o.Signer == nil || len(key) > 200 {
		return Article{}, gone
	}
	msg, ok, err := s.o.Signer.Message(ctx, previewPurpose, key)
	if err != nil {
		return Article{}, fmt.Errorf("content: verify a link to a draft: %w", err)
	}
	thing, end, _ := strings.Cut(string(msg), " ")
	until, perr := strconv.ParseInt(end, 10, 64)
	if !ok || perr != nil || thing != id.String() || !s.o.Now().Before(time.Unix(until, 0)) {
		return Article{}, gone
	}
	a, err := read(ctx, s.o.DB, id)
	if err != nil {
		return Article{}, err
	}
	return s.preview(ctx, a, live)
}

// PreviewKey gives a key that opens the draft of the article, whichever version that is by then, until the time: for
// PreviewFor, or until the keys that sign are replaced. It needs Edit; without a Signer the key is empty.
func (s *Service) PreviewKey(ctx context.Context, id stoa.ID) (key string, until time.Time, err error) {
	if _, err := s.editable(ctx, id); err != nil || s.o.Signer == nil {
		return "", time.Time{}, err
	}
	until = s.o.Now().Add(PreviewFor).Truncate(time.Second)
	key, err = s.o.Signer.Token(ctx, previewPurpose, fmt.Appendf(nil, "%s %d", id, until.Unix()))
	return key, until, err
}

func (s *Service) preview(ctx context.Context, a row, live bool) (Article, error) {
	number := a.Number
	if live {
		if number = a.Live; number == 0 {
			return Article{}, stoa.NotFound("published version", a.ID)
		}
	}
	if err := a.fill(ctx, s.o.DB, number); err != nil {
		return Article{}, err
	}
	a.prepare()
	return a.Article, s.words(ctx, &a.Article)
}
