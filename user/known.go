package user

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"encoding/hex"
	"slices"
	"strings"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/throttle"
)

// A browser in which a person has signed in before is known for that account: it brings back a signed word. Its
// tries have a count of their own, so that strangers who use up those of an account, or of the address of a proxy, do
// not lock the person out (OWASP, "Device cookies").

const (
	purposeKnown = "known-browser"
	mostKnown    = 5 // accounts that one browser is known for
	markSize     = 8
)

// KnownBrowser gives the value of the cookie by which a browser is known for the account from now on: before, which it
// has now, with the account in front. It is for who has just signed in.
func (s *Service) KnownBrowser(ctx context.Context, id stoa.ID, before string) (string, error) {
	msg := binary.BigEndian.AppendUint64(nil, uint64(id))
	var mark [markSize]byte
	_, _ = rand.Read(mark[:])
	word, err := s.secrets.Token(ctx, purposeKnown, append(msg, mark[:]...))
	if err != nil {
		return "", err
	}
	words := []string{word}
	for _, w := range knownWords(before) {
		other, _, err := s.knownFor(ctx, w)
		if err != nil {
			return "", err
		}
		if other != 0 && other != id && len(words) < mostKnown {
			words = append(words, w)
		}
	}
	return strings.Join(words, "."), nil
}

func knownWords(cookie string) []string {
	if cookie == "" || len(cookie) > 1000 {
		return nil
	}
	words := strings.Split(cookie, ".")
	return slices.Clip(words[:min(len(words), mostKnown)])
}

// knownFor gives the account that a word is for, and its mark, which tells browsers apart; 0 for what is no such word.
func (s *Service) knownFor(ctx context.Context, word string) (id stoa.ID, mark string, err error) {
	msg, ok, err := s.secrets.Message(ctx, purposeKnown, word)
	if err != nil || !ok || len(msg) != 8+markSize {
		return 0, "", err
	}
	return stoa.ID(binary.BigEndian.Uint64(msg)), hex.EncodeToString(msg[8:]), nil
}

// knownTries gives what a try of a browser that is known for the account is counted for. That the keys cannot be read
// makes no browser known.
func (s *Service) knownTries(ctx context.Context, cookie string, id stoa.ID) (t tried, known bool, err error) {
	for _, w := range knownWords(cookie) {
		of, mark, err := s.knownFor(ctx, w)
		if stoa.Is(err, stoa.KindUnavailable) {
			s.log.WarnContext(ctx, "whether a browser is known cannot be found out", "error", err)
			return tried{}, false, nil
		}
		if err != nil {
			return tried{}, false, err
		}
		if of == id {
			own := "signin:known:" + mark
			return tried{own: own, limits: []throttle.Limit{{Subject: own, Max: s.o.AccountMax}}}, true, nil
		}
	}
	return tried{}, false, nil
}
