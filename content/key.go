package content

import (
	"context"

	"github.com/stoa-portal/stoa"
)

// UnlockKey gives what Unlock gives now to who knows the password of an article, for a caller that has checked in
// another way that its visitor does; "" when the article has none. It never leaves the server. It needs View.
func (s *Service) UnlockKey(ctx context.Context, id stoa.ID) (string, error) {
	a, err := s.visible(ctx, id)
	if err != nil || !a.Protected {
		return "", err
	}
	return a.token(), nil
}
