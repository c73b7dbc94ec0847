package user

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"mime/quotedprintable"
	netmail "net/mail"
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/access"
	"github.com/stoa-portal/stoa/cache"
	"github.com/stoa-portal/stoa/db"
	"github.com/stoa-portal/stoa/db/dbtest"
	"github.com/stoa-portal/stoa/mail"
)

const (
	instance   = stoa.ID(77)
	passphrase = "correct horse battery"
)

// clock is the time of all nodes of a test; it stands still until the test moves it.
type clock struct{ micros atomic.Int64 }

func (c *clock) now() time.Time       { return time.UnixMicro(c.micros.Load()).UTC() }
func (c *clock) pass(d time.Duration) { c.micros.Add(d.Microseconds()) }

// wire brings the changes of every node to the caches of all nodes, as the change log does, but only
// when the test says so for the others.
type wire struct {
	mu     sync.Mutex
	nodes  []*node
	n      uint64
	queued []cache.Change
}

type journal struct {
	w  *wire
	me int
}

func (j journal) Append(context.Context, *db.Tx, []db.Change) (uint64, error) {
	j.w.mu.Lock()
	defer j.w.mu.Unlock()
	j.w.n++
	return j.w.n, nil
}

func (j journal) Settle(context.Context, uint64) (bool, error) { return true, nil }

func (j journal) Done(_ context.Context, _ uint64, changes []db.Change, committed bool) {
	if !committed {
		return
	}
	var list []cache.Change
	for _, c := range changes {
		list = append(list, cache.Change{Kind: c.Kind, ID: int64(c.ID), Scope: int64(c.Scope)})
	}
	j.w.nodes[j.me].cache.Invalidate(list, nil)
	j.w.mu.Lock()
	j.w.queued = append(j.w.queued, list...)
	j.w.mu.Unlock()
}

// deliver tells all nodes what was changed anywhere.
func (w *wire) deliver() {
	w.mu.Lock()
	list := w.queued
	w.queued = nil
	w.mu.Unlock()
	for _, n := range w.nodes {
		n.cache.Invalidate(list, nil)
	}
}

type node struct {
	*Service
	access *access.Service
	cache  *cache.Cache
	clock  *clock
	wire   *wire
	dir    string
	log    *bytes.Buffer
	used   map[string]bool // tokens that resetToken gave
}

func newNodes(t *testing.T, dbs ...*db.DB) []*node {
	t.Helper()
	w := &wire{}
	c := &clock{}
	c.micros.Store(time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC).UnixMicro())
	for i, d := range dbs {
		ch, err := cache.New(cache.Options{Proof: cache.Boottime, InTransaction: db.InWrite})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(ch.Close)
		d.SetJournal(journal{w, i})
		acc, err := access.New(access.Options{DB: d, Cache: ch, Now: c.now})
		if err != nil {
			t.Fatal(err)
		}
		n := &node{
			access: acc,
			cache:  ch,
			clock:  c,
			wire:   w,
			dir:    filepath.Join(t.TempDir(), "mail"),
			log:    &bytes.Buffer{},
			used:   map[string]bool{},
		}
		n.Service, err = New(Options{
			DB: d, Cache: ch, Access: acc, Now: c.now, HashMemory: 64, AccountMax: 3, AddressMax: 8,
			Mail:   mail.New(mail.Options{Dir: n.dir, From: "portal@example.com"}),
			Logger: slog.New(slog.NewTextHandler(n.log, &slog.HandlerOptions{Level: slog.LevelDebug})),
		})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = n.Close() })
		w.nodes = append(w.nodes, n)
	}
	return w.nodes
}

func newNode(t *testing.T, d *db.DB) *node {
	t.Helper()
	return newNodes(t, d)[0]
}

func two(t *testing.T, e dbtest.Engine) (a, b *node) {
	t.Helper()
	nodes := newNodes(t, dbtest.Nodes(t, e, 2)...)
	return nodes[0], nodes[1]
}

func asSystem() context.Context { return stoa.WithActor(context.Background(), stoa.SystemActor()) }

func admin(t *testing.T, n *node) User {
	t.Helper()
	_, created, err := n.EnsureAdmin(
		asSystem(),
		instance,
		AdminOptions{
			EmailPrefix: "test",
			MailDomain:  "example.com",
			ScreenName:  "test",
			First:       "Test",
			Last:        "Test",
			Password:    passphrase,
		},
	)
	if err != nil || !created {
		t.Fatalf("EnsureAdmin: %v %v", created, err)
	}
	p, err := n.List(asSystem(), instance, Filter{Role: access.RoleAdministrator})
	if err != nil || len(p.Items) != 1 {
		t.Fatalf("list administrators: %v %v", p, err)
	}
	return p.Items[0]
}

func person(t *testing.T, n *node, name string, roles ...stoa.ID) User {
	t.Helper()
	u, err := n.Create(
		asSystem(),
		User{Instance: instance, ScreenName: name, Email: name + "@example.com", FirstName: name, Roles: roles},
		passphrase,
	)
	if err != nil {
		t.Fatalf("create %s: %v", name, err)
	}
	return u
}

func (n *node) signIn(t *testing.T, login, password string) string {
	t.Helper()
	_, token, err := n.SignIn(context.Background(), credentials(login, password), instance)
	if err != nil {
		t.Fatalf("sign in as %s: %v", login, err)
	}
	return token
}

func credentials(login, password string) Credentials {
	return Credentials{Login: login, Password: password, Address: netip.MustParseAddr("192.0.2.7"), Agent: "test"}
}

// as gives a context with the actor behind the token.
func (n *node) as(t *testing.T, token string) context.Context {
	t.Helper()
	actor, _, err := n.Authenticate(context.Background(), token)
	if err != nil {
		t.Fatalf("authenticate: %v", err)
	}
	return stoa.WithActor(context.Background(), actor)
}

func (n *node) role(t *testing.T, name string) stoa.ID {
	t.Helper()
	ids, err := n.access.RoleIDs(context.Background(), instance)
	if err != nil || ids[name] == 0 {
		t.Fatalf("role %s: %v %v", name, ids, err)
	}
	return ids[name]
}

func wantKind(t *testing.T, what string, err error, k stoa.Kind) {
	t.Helper()
	if !stoa.Is(err, k) {
		t.Errorf("%s: got %v, want %s", what, err, k)
	}
}

var tokenInMail = regexp.MustCompile(`/account/reset\?token=([A-Za-z0-9_-]+)`)

// mails gives the messages that were written, decoded.
func (n *node) mails(t *testing.T) []string {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(n.dir, "*.eml"))
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, name := range names {
		raw, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		m, err := netmail.ReadMessage(bytes.NewReader(raw))
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(quotedprintable.NewReader(m.Body))
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, string(body))
	}
	return out
}

// resetToken asks for a link as a visitor does and waits for the mail with it.
func (n *node) resetToken(t *testing.T, email string) string {
	t.Helper()
	before := len(n.mails(t))
	if err := n.RequestReset(context.Background(), instance, email, "https://portal.example.com"); err != nil {
		t.Fatalf("ask for a link: %v", err)
	}
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); <-tick.C {
		if now := n.mails(t); len(now) > before {
			for _, m := range now {
				token := tokenInMail.FindStringSubmatch(m)
				if token != nil && !n.used[token[1]] {
					n.used[token[1]] = true
					return token[1]
				}
			}
		}
	}
	t.Fatalf("no mail came for %s", email)
	return ""
}
