package user

import (
	"context"
	"strings"
	"time"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/lang"
	"github.com/stoa-portal/stoa/mail"
)

// A letter is work for the goroutine that sends mail. Everything about it happens after the answer, so that the time
// of the answer does not tell whether there is an account, and no one waits for the mail server.
type letter struct {
	what string // for the log
	send func(ctx context.Context) error
}

// post queues a letter; false when too many wait.
func (s *Service) post(l letter) bool {
	select {
	case s.letters <- l:
		return true
	default:
		return false
	}
}

// sendLetters runs until Close.
func (s *Service) sendLetters() {
	for {
		select {
		case <-s.life.Done():
			return
		case l := <-s.letters:
			ctx, cancel := context.WithTimeout(s.life, time.Minute)
			if err := l.send(ctx); err != nil {
				// The error holds neither a link nor the message.
				s.log.Warn("a mail could not be sent", "what", l.what, "error", err)
			}
			cancel()
		}
	}
}

// passwordChanged tells the person by mail that the password was changed, so that a change by another hand is seen
// (OWASP ASVS 4.0.3, 2.2.3). The first password of an account is no change.
func (s *Service) passwordChanged(ctx context.Context, a account) {
	if a.password != "" {
		w := wordsFor(ctx, a.User)
		s.notify(ctx, a.User, []string{a.Email}, w.Word("signin.mail.password.subject"),
			w.Word("signin.mail.password.text", s.place(ctx, w)), w.Word("signin.mail.password.mend"))
	}
}

// emailChanged tells the person at the old address and at the new one.
func (s *Service) emailChanged(ctx context.Context, old, now User) {
	w := wordsFor(ctx, now)
	s.notify(ctx, old, []string{old.Email, now.Email}, w.Word("signin.mail.email.subject"),
		w.Word("signin.mail.email.text", now.Email, s.place(ctx, w)), w.Word("signin.mail.email.mend"))
}

// factorsChanged tells the person that a way to sign in was added or removed; name, a string or a stoa.Phrase, says
// which.
func (s *Service) factorsChanged(ctx context.Context, a account, name any, added bool) {
	w, key := wordsFor(ctx, a.User), "factors.mail.removed"
	if added {
		key = "factors.mail.added"
	}
	s.notify(ctx, a.User, []string{a.Email}, w.Word("factors.mail.subject"), w.Word(key, name, s.place(ctx, w)),
		w.Word("factors.mail.mend"))
}

// wordsFor are the words in the language that the person has chosen, else in that of the request.
func wordsFor(ctx context.Context, u User) *lang.Words {
	if u.Locale != "" {
		return lang.In(u.Locale)
	}
	if stoa.ActorFrom(ctx).User != u.ID { // an administrator reads another language, perhaps
		return lang.In(stoa.LocaleFrom(ctx))
	}
	return lang.From(ctx)
}

// codesChanged tells the person that recovery codes were made, or that one was used.
func (s *Service) codesChanged(ctx context.Context, a account, key string) {
	w := wordsFor(ctx, a.User)
	s.notify(ctx, a.User, []string{a.Email}, w.Word("factors.mail.subject"), w.Word(key, s.place(ctx, w)),
		w.Word("factors.mail.mend"))
}

// place says when and from where, as far as that is known.
func (s *Service) place(ctx context.Context, w *lang.Words) string {
	at := s.o.Now().UTC().Format("2006-01-02 15:04 UTC")
	if from := stoa.RequesterFrom(ctx); from.IsValid() {
		return w.Word("signin.mail.place", at, from.String())
	}
	return at
}

// notify mails to each address by itself, so that neither sees the other.
func (s *Service) notify(ctx context.Context, u User, to []string, subject string, paragraphs ...string) {
	text := wordsFor(ctx, u).Word("signin.mail.hello", u.FullName()) + "\n\n" + strings.Join(paragraphs, "\n\n") + "\n"
	if s.o.Mail == nil || u.Status != StatusActive {
		return
	}
	for _, address := range to {
		ok := s.post(letter{"notice of a change to an account", func(ctx context.Context) error {
			return s.o.Mail.Send(ctx, mail.Message{To: []string{address}, Subject: subject, Text: text})
		}})
		if !ok {
			s.log.WarnContext(ctx, "a person could not be told of a change to the account: too much mail waits",
				"user", u.ID, "subject", subject)
		}
	}
}
