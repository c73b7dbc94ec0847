// Package mail sends messages through an SMTP server, or writes them to files where none is set, so
// that a portal on a laptop works as one in a data centre does.
package mail

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	netmail "net/mail"
	"os"
	"path/filepath"
	"strings"
	"time"

	gomail "github.com/wneessen/go-mail"

	"github.com/stoa-portal/stoa"
)

// Options says how mail leaves. Either Host or Dir is needed.
type Options struct {
	Host             string        // of the SMTP server; "" writes files to Dir
	Port             int           // 0 = 587, or 465 with Implicit
	User, Password   string        // "" = no sign-in at the server
	Implicit         bool          // TLS from the first byte
	StartTLS         bool          // use STARTTLS when the server offers it
	StartTLSRequired bool          // refuse to send without STARTTLS
	Timeout          time.Duration // for one message; 0 = 30 s
	From             string        // address of the sender; required
	FromName         string        // name of the sender; may be empty
	Dir              string        // where messages go as .eml files when Host is empty
	Hold             func() bool   // while it gives true nothing is sent: the portal may be a copy of another; nil = never
	Now              func() time.Time
}

// Message is one mail. The text is required; HTML is an alternative to it.
type Message struct {
	To      []string // addresses, 50 at most
	Subject string
	Text    string
	HTML    string
	ID      string // names the message: sending the same ID to Dir twice leaves one file; "" = random
}

// Mailer sends messages. It is safe for concurrent use and holds no connection.
type Mailer struct{ o Options }

// New gives a Mailer. What is wrong with the options is reported by Send and by Check.
func New(o Options) *Mailer {
	if o.Timeout <= 0 {
		o.Timeout = 30 * time.Second
	}
	if o.Port == 0 {
		o.Port = 587
		if o.Implicit {
			o.Port = 465
		}
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	return &Mailer{o: o}
}

// Check reports what is wrong with the options, nil when nothing is. It connects nowhere.
func (m *Mailer) Check() error {
	if _, err := netmail.ParseAddress(m.o.From); err != nil {
		return fmt.Errorf("mail: the sender %q is not an address: %w", m.o.From, err)
	}
	if m.o.Host == "" && m.o.Dir == "" {
		return errors.New("mail: neither a server nor a folder for messages is set")
	}
	if m.o.Port < 1 || m.o.Port > 65535 {
		return fmt.Errorf("mail: %d is not a port", m.o.Port)
	}
	return nil
}

// Send hands the message to the server, or writes it to a file. A bad address or a subject of several
// lines is Invalid; a server that does not take the message is Unavailable. The message is never
// part of the error.
func (m *Mailer) Send(ctx context.Context, msg Message) error {
	if m.o.Hold != nil && m.o.Hold() {
		return stoa.Unavailable(nil,
			"no mail is sent: this portal may be a copy of another; its operator is to run stoa db adopt")
	}
	if err := m.Check(); err != nil {
		return err
	}
	if msg.ID == "" {
		msg.ID = strings.ToLower(rand.Text())
	}
	built, err := m.build(msg)
	if err != nil {
		return err
	}
	if m.o.Host == "" {
		return m.write(built, msg.ID)
	}
	return m.deliver(ctx, built)
}

func (m *Mailer) build(msg Message) (*gomail.Msg, error) {
	if len(msg.To) == 0 || len(msg.To) > 50 {
		return nil, stoa.Invalid("to", "a message has 1 to 50 receivers, not %d", len(msg.To))
	}
	if strings.ContainsAny(msg.Subject, "\r\n\x00") || len(msg.Subject) > 500 {
		return nil, stoa.Invalid("subject", "the subject is one line of at most 500 bytes")
	}
	if strings.TrimSpace(msg.Text) == "" || len(msg.Text)+len(msg.HTML) > 1<<20 {
		return nil, stoa.Invalid("text", "a message has a text, and text and HTML have at most 1 MiB together")
	}
	if !safeID(msg.ID) {
		return nil, stoa.Invalid("id", "the id of a message has 1 to 100 letters, digits, dots, dashes and underscores")
	}
	out := gomail.NewMsg()
	if err := out.FromFormat(strings.Map(printable, m.o.FromName), m.o.From); err != nil {
		return nil, fmt.Errorf("mail: the sender %q: %w", m.o.From, err)
	}
	for _, to := range msg.To {
		a, err := netmail.ParseAddress(to)
		if err != nil || a.Address != to || strings.ContainsAny(to, "\r\n\x00") {
			return nil, stoa.Invalid("to", "%.100q is not an address: one such as name@example.com is expected", to)
		}
	}
	if err := out.To(msg.To...); err != nil {
		return nil, stoa.Invalid("to", "one of the receivers is not an address: one such as name@example.com is expected")
	}
	out.Subject(msg.Subject)
	out.SetDateWithValue(m.o.Now())
	_, domain, _ := strings.Cut(m.o.From, "@")
	out.SetMessageIDWithValue(msg.ID + "@" + strings.TrimRight(domain, ">"))
	out.SetBodyString(gomail.TypeTextPlain, msg.Text)
	if msg.HTML != "" {
		out.AddAlternativeString(gomail.TypeTextHTML, msg.HTML)
	}
	return out, nil
}

func (m *Mailer) deliver(ctx context.Context, msg *gomail.Msg) error {
	policy := gomail.NoTLS
	switch {
	case m.o.StartTLSRequired:
		policy = gomail.TLSMandatory
	case m.o.StartTLS:
		policy = gomail.TLSOpportunistic
	}
	opts := []gomail.Option{gomail.WithPort(m.o.Port), gomail.WithTimeout(m.o.Timeout), gomail.WithTLSPolicy(policy)}
	if m.o.Implicit {
		opts = append(opts, gomail.WithSSL())
	}
	if m.o.User != "" {
		// Finds a way that does not send the password in the clear over a line without TLS.
		opts = append(opts, gomail.WithSMTPAuth(gomail.SMTPAuthAutoDiscover), gomail.WithUsername(m.o.User), gomail.WithPassword(m.o.Password))
	}
	client, err := gomail.NewClient(m.o.Host, opts...)
	if err != nil {
		return fmt.Errorf("mail: prepare the connection to %s: %w", m.o.Host, err)
	}
	ctx, cancel := context.WithTimeout(ctx, m.o.Timeout)
	defer cancel()
	if err := client.DialAndSendWithContext(ctx, msg); err != nil {
		return stoa.Unavailable(err, "the mail server %s does not take the message; try again later", m.o.Host)
	}
	return nil
}

// write leaves the message in a file that only the portal's own user can read, whole or not at all.
func (m *Mailer) write(msg *gomail.Msg, id string) error {
	if err := os.MkdirAll(m.o.Dir, 0o700); err != nil {
		return fmt.Errorf("mail: make the folder for messages: %w", err)
	}
	f, err := os.CreateTemp(m.o.Dir, ".message-*") // readable by the owner alone
	if err != nil {
		return fmt.Errorf("mail: write a message: %w", err)
	}
	_, err = msg.WriteTo(f)
	err = errors.Join(err, f.Close())
	if err == nil {
		err = os.Rename(f.Name(), filepath.Join(m.o.Dir, id+".eml"))
	}
	if err != nil {
		return fmt.Errorf("mail: write a message: %w", errors.Join(err, os.Remove(f.Name())))
	}
	return nil
}

func safeID(id string) bool {
	return len(id) > 0 && len(id) <= 100 && id[0] != '.' && !strings.ContainsFunc(id, func(r rune) bool {
		return !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '-' || r == '_' || r == '.')
	})
}

func printable(r rune) rune {
	if r < ' ' || r == 0x7f {
		return -1
	}
	return r
}
