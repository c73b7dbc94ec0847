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
		s.notify(ctx, a.User, []string{a.Email}, lang.Word("signin.mail.password.subject"),
			lang.Word("signin.mail.password.text", s.place(ctx)), lang.Word("signin.mail.password.mend"))
	}
}

// emailChanged tells the person at the old address and at the new one.
func (s *Service) emailChanged(ctx context.Context, old, now User) {
	s.notify(ctx, old, []string{old.Email, now.Email}, lang.Word("signin.mail.email.subject"),
		lang.Word("signin.mail.email.text", now.Email, s.place(ctx)), lang.Word("signin.mail.email.mend"))
}

// factorsChanged tells the person that a way to sign in was added or removed; name says which.
func (s *Service) factorsChanged(ctx context.Context, a account, name string, added bool) {
	text := lang.Word("factors.mail.removed", name, s.place(ctx))
	if added {
		text = lang.Word("factors.mail.added", name, s.place(ctx))
	}
	s.notify(ctx, a.User, []string{a.Email}, lang.Word("factors.mail.subject"), text, lang.Word("factors.mail.mend"))
}

// place says when and from where, as far as that is known.
func (s *Service) place(ctx context.Context) string {
	at := s.o.Now().UTC().Format("2006-01-02 15:04 UTC")
	if from := stoa.RequesterFrom(ctx); from.IsValid() {
		return lang.Word("signin.mail.place", at, from.String())
	}
	return at
}

// notify mails to each address by itself, so that neither sees the other.
func (s *Service) notify(ctx context.Context, u User, to []string, subject string, paragraphs ...string) {
	text := lang.Word("signin.mail.hello", u.FullName()) + "\n\n" + strings.Join(paragraphs, "\n\n") + "\n"
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
