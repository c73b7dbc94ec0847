package mail

import (
	"bufio"
	"context"
	"net"
	netmail "net/mail"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stoa-portal/stoa"
)

func TestSend_WritesAFileWithoutAServer(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "mail")
	m := New(Options{Dir: dir, From: "portal@example.com", FromName: "The Portal"})
	for range 2 { // the same id leaves one file
		if err := m.Send(context.Background(), Message{To: []string{"ann@example.com"}, Subject: "Grüße", Text: "Hello", HTML: "<p>Hello", ID: "a-1"}); err != nil {
			t.Fatal(err)
		}
	}
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) != 1 || entries[0].Name() != "a-1.eml" {
		t.Fatalf("%v %v", entries, err)
	}
	if info, err := entries[0].Info(); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("others can read the message: %v %v", info.Mode(), err)
	}
	f, err := os.Open(filepath.Join(dir, "a-1.eml"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	msg, err := netmail.ReadMessage(f)
	if err != nil {
		t.Fatal(err)
	}
	if got := msg.Header.Get("To"); got != "<ann@example.com>" {
		t.Errorf("To: %s", got)
	}
	if got := msg.Header.Get("Message-Id"); got != "<a-1@example.com>" {
		t.Errorf("Message-ID: %s", got)
	}
	if !strings.HasPrefix(msg.Header.Get("Content-Type"), "multipart/alternative") {
		t.Errorf("Content-Type: %s", msg.Header.Get("Content-Type"))
	}
}

func TestSend_RefusesInjection(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	m := New(Options{Dir: dir, From: "portal@example.com"})
	good := Message{To: []string{"ann@example.com"}, Subject: "s", Text: "t"}
	for what, change := range map[string]func(*Message){
		"line in the subject": func(m *Message) { m.Subject = "s\r\nBcc: evil@example.com" },
		"line in an address":  func(m *Message) { m.To = []string{"ann@example.com\r\nBcc: evil@example.com"} },
		"two addresses":       func(m *Message) { m.To = []string{"ann@example.com, evil@example.com"} },
		"no address":          func(m *Message) { m.To = nil },
		"path as id":          func(m *Message) { m.ID = "../../evil" },
		"hidden file as id":   func(m *Message) { m.ID = ".evil" },
		"no text":             func(m *Message) { m.Text = " " },
		"huge text":           func(m *Message) { m.Text = strings.Repeat("x", 2<<20) },
	} {
		msg := good
		change(&msg)
		if err := m.Send(context.Background(), msg); !stoa.Is(err, stoa.KindInvalid) {
			t.Errorf("%s: %v", what, err)
		}
	}
	if entries, err := os.ReadDir(dir); err != nil || len(entries) != 0 {
		t.Errorf("something was written: %v %v", entries, err)
	}
	for _, o := range []Options{{}, {Dir: dir}, {From: "a@example.com"}, {Dir: dir, From: "a@example.com", Port: 70000}} {
		if err := New(o).Send(context.Background(), good); err == nil {
			t.Errorf("%+v was taken", o)
		}
	}
}

// server speaks just enough SMTP for one message and gives what it was told.
func server(t *testing.T) (port int, got <-chan string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	out := make(chan string, 1)
	go func() { // ends with the connection or the listener
		c, err := l.Accept()
		if err != nil {
			return
		}
		defer c.Close()
		_ = c.SetDeadline(time.Now().Add(20 * time.Second))
		var all strings.Builder
		say := func(s string) { _, _ = c.Write([]byte(s + "\r\n")) }
		say("220 ready")
		data := false
		for lines := bufio.NewScanner(c); lines.Scan(); {
			line := lines.Text()
			all.WriteString(line + "\n")
			switch verb, _, _ := strings.Cut(strings.ToUpper(line), " "); {
			case data && line == ".":
				data = false
				say("250 taken")
			case data:
			case verb == "DATA":
				data = true
				say("354 go on")
			case verb == "QUIT":
				say("221 bye")
				out <- all.String()
				return
			default:
				say("250 ok")
			}
		}
	}()
	return l.Addr().(*net.TCPAddr).Port, out
}

func TestSend_HandsTheMessageToTheServer(t *testing.T) {
	t.Parallel()
	port, got := server(t)
	m := New(Options{Host: "127.0.0.1", Port: port, From: "portal@example.com", StartTLS: true, Timeout: 15 * time.Second})
	if err := m.Send(context.Background(), Message{To: []string{"ann@example.com"}, Subject: "Hello", Text: "A text."}); err != nil {
		t.Fatal(err)
	}
	all := <-got
	for _, want := range []string{"MAIL FROM:<portal@example.com>", "RCPT TO:<ann@example.com>", "Subject: Hello", "A text."} {
		if !strings.Contains(all, want) {
			t.Errorf("%q is missing in\n%s", want, all)
		}
	}
}

func TestSend_RequiredTLSIsRequired(t *testing.T) {
	t.Parallel()
	port, _ := server(t) // offers no STARTTLS
	m := New(Options{Host: "127.0.0.1", Port: port, From: "portal@example.com", StartTLSRequired: true, Timeout: 15 * time.Second})
	err := m.Send(context.Background(), Message{To: []string{"ann@example.com"}, Subject: "Hello", Text: "the secret text"})
	if !stoa.Is(err, stoa.KindUnavailable) || strings.Contains(err.Error(), "secret") {
		t.Errorf("got %v", err)
	}
}
