package passhash

import (
	"context"

	"github.com/stoa-portal/stoa/db"
)

// The costs of a password that visitors share and that guards one text are small.
const (
	sharedMemory   = articleMemory
	sharedParallel = 2
)

// firstToRead is a migration that all versions have which read PHC for pages and articles.
const firstToRead = 103

// Shared is the Hasher of passwords that guard one thing. While a version may run that knows only the form that
// things of the kind had before, it writes that one.
type Shared struct {
	*Hasher
	db     *db.DB
	before Form
}

// NewShared gives the Hasher of things whose passwords had the form before.
func NewShared(d *db.DB, before Form) *Shared {
	return &Shared{Hasher: New(sharedMemory, sharedParallel), db: d, before: before}
}

// Make gives the stored form of a password, as Hasher.Make does.
func (s *Shared) Make(ctx context.Context, password string) (string, error) {
	oldest, err := s.db.OldestServed(ctx)
	if err != nil {
		return "", err
	}
	p := s.fresh()
	if oldest < firstToRead {
		p.form = s.before
		if p.form == Page {
			p.time = pageRounds
		}
	}
	return s.make(ctx, password, p)
}
