package secret_test

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/cache"
	"github.com/stoa-portal/stoa/db"
	"github.com/stoa-portal/stoa/db/dbtest"
	"github.com/stoa-portal/stoa/secret"
)

// journal brings the changes of a node to the caches of all.
type journal struct{ all *[]*cache.Cache }

func (journal) Append(context.Context, *db.Tx, []db.Change) (uint64, error) { return 1, nil }
func (journal) Settle(context.Context, uint64) (bool, error)                { return true, nil }
func (j journal) Done(_ context.Context, _ uint64, changes []db.Change, committed bool) {
	for _, c := range *j.all {
		for _, ch := range changes {
			c.Invalidate([]cache.Change{{Kind: ch.Kind, ID: int64(ch.ID), Scope: int64(ch.Scope)}}, nil)
		}
	}
}

type cluster struct {
	dbs    []*db.DB
	caches []*cache.Cache
	micros atomic.Int64
}

func (c *cluster) now() time.Time { return time.UnixMicro(c.micros.Load()).UTC() }

func newCluster(t *testing.T, e dbtest.Engine, n int) *cluster {
	t.Helper()
	c := &cluster{dbs: dbtest.Nodes(t, e, n)}
	c.micros.Store(time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC).UnixMicro())
	for _, d := range c.dbs {
		ch, err := cache.New(cache.Options{Proof: cache.Boottime, InTransaction: db.InWrite})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(ch.Close)
		c.caches = append(c.caches, ch)
		d.SetJournal(journal{&c.caches})
	}
	return c
}

func (c *cluster) node(t *testing.T, i int, file *secret.File) *secret.Service {
	t.Helper()
	s, err := secret.New(secret.Options{DB: c.dbs[i], Cache: freshCache(t, c), File: file, Now: c.now})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// freshCache is a cache that no other service of the test has regions in.
func freshCache(t *testing.T, c *cluster) *cache.Cache {
	t.Helper()
	ch, err := cache.New(cache.Options{Proof: cache.Boottime, InTransaction: db.InWrite})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(ch.Close)
	c.caches = append(c.caches, ch)
	return ch
}

func keyFile(t *testing.T, lines ...string) *secret.File {
	t.Helper()
	name := filepath.Join(t.TempDir(), "key")
	if err := os.WriteFile(name, []byte("# a comment\n"+strings.Join(lines, "\n")+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := secret.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

const (
	lineA = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
	lineB = "BBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBB"
)

func each(t *testing.T, fn func(t *testing.T, c *cluster)) {
	for _, e := range dbtest.Engines() {
		t.Run(string(e), func(t *testing.T) { fn(t, newCluster(t, e, 2)) })
	}
}

func verified(t *testing.T, s *secret.Service, purpose, msg string, sig []byte) bool {
	t.Helper()
	ok, err := s.Verify(t.Context(), purpose, []byte(msg), sig)
	if err != nil {
		t.Fatal(err)
	}
	return ok
}

func sign(t *testing.T, s *secret.Service, purpose, msg string) []byte {
	t.Helper()
	sig, err := s.Sign(t.Context(), purpose, []byte(msg))
	if err != nil {
		t.Fatal(err)
	}
	return sig
}

func TestSign_AnyNodeVerifiesForOnePurposeOnly(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, c *cluster) {
		a, b := c.node(t, 0, nil), c.node(t, 1, nil)
		sig := sign(t, a, "page", "home")
		if !verified(t, b, "page", "home", sig) {
			t.Error("another node does not verify the signature")
		}
		sign(t, b, "link", "x")
		if verified(t, b, "page", "away", sig) || verified(t, b, "link", "home", sig) {
			t.Error("a signature is valid for another message or purpose")
		}
		for i := range sig {
			bad := bytes.Clone(sig)
			bad[i] ^= 1
			if verified(t, b, "page", "home", bad) {
				t.Fatalf("a signature with byte %d changed is valid", i)
			}
		}
		token, err := a.Token(t.Context(), "page", []byte("home 7"))
		if err != nil {
			t.Fatal(err)
		}
		if msg, ok, err := b.Message(t.Context(), "page", token); err != nil || !ok || string(msg) != "home 7" {
			t.Errorf("Message gives %q, %v, %v", msg, ok, err)
		}
		if _, ok, _ := b.Message(t.Context(), "page", token+"A"); ok {
			t.Error("a token with more behind it is valid")
		}
	})
}

func TestSign_TwoKeysAreValidAtATime(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, c *cluster) {
		a, b := c.node(t, 0, nil), c.node(t, 1, nil)
		first := sign(t, a, "page", "m")
		c.micros.Add((secret.Lifetime + time.Hour).Microseconds())
		second := sign(t, b, "page", "m")
		if bytes.Equal(first, second) {
			t.Fatal("the key was not changed when its time was over")
		}
		if !verified(t, a, "page", "m", first) || !verified(t, a, "page", "m", second) {
			t.Fatal("two keys are not valid at the same time")
		}
		c.micros.Add(secret.Lifetime.Microseconds())
		if verified(t, a, "page", "m", first) {
			t.Error("a signature is valid for more than two lifetimes")
		}
		third := sign(t, a, "page", "m")
		if verified(t, b, "page", "m", first) || !verified(t, b, "page", "m", second) || !verified(t, b, "page", "m", third) {
			t.Error("after the next change not exactly the two newest are valid")
		}
	})
}

func TestSign_NodesThatBeginTogetherMakeOneKey(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, c *cluster) {
		nodes := []*secret.Service{c.node(t, 0, nil), c.node(t, 1, nil)}
		sigs := make([][]byte, 8)
		errs := make(chan error, len(sigs))
		for i := range sigs {
			go func() {
				sig, err := nodes[i%2].Sign(context.Background(), "page", []byte("m"))
				sigs[i] = sig
				errs <- err
			}()
		}
		for range sigs {
			if err := <-errs; err != nil {
				t.Fatal(err)
			}
		}
		for _, sig := range sigs {
			if !bytes.Equal(sig, sigs[0]) {
				t.Fatal("two keys were made for one purpose at once")
			}
		}
	})
}

func TestSeal_OpensOnAnyNodeAndWhereItBelongsOnly(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, c *cluster) {
		a, b := c.node(t, 0, nil), c.node(t, 1, nil)
		sealed, err := a.Seal(t.Context(), "totp", []byte("seed"), []byte("account 1"))
		if err != nil {
			t.Fatal(err)
		}
		if bytes.Contains(sealed, []byte("seed")) {
			t.Error("what was sealed can be read")
		}
		c.micros.Add((3 * secret.Lifetime).Microseconds())
		if _, err := b.Seal(t.Context(), "totp", []byte("seed 2"), nil); err != nil {
			t.Fatal(err)
		}
		plain, err := b.Open(t.Context(), "totp", sealed, []byte("account 1"))
		if err != nil || string(plain) != "seed" {
			t.Errorf("Open gives %q, %v after the key was changed", plain, err)
		}
		if _, err := b.Open(t.Context(), "totp", sealed, []byte("account 2")); !stoa.Is(err, stoa.KindInvalid) {
			t.Errorf("opened for another account: %v", err)
		}
		if _, err := b.Open(t.Context(), "other", sealed, []byte("account 1")); !stoa.Is(err, stoa.KindInvalid) {
			t.Errorf("opened for another purpose: %v", err)
		}
	})
}

func TestFile_EncryptsTheRowsWhenAllNodesHaveIt(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, c *cluster) {
		plain := c.node(t, 0, nil)
		sig := sign(t, plain, "page", "m")
		sealed, err := plain.Seal(t.Context(), "totp", []byte("seed"), nil)
		if err != nil {
			t.Fatal(err)
		}

		withA := c.node(t, 0, keyFile(t, lineA))
		if !verified(t, withA, "page", "m", sig) {
			t.Fatal("a node with a key file does not take the keys from before")
		}
		if err := withA.Settle(t.Context()); err != nil {
			t.Fatal(err)
		}
		var open int
		for _, table := range []string{"secret_sign", "secret_seal"} {
			if err := c.dbs[0].QueryRow(t.Context(), "SELECT count(*) FROM "+table+" WHERE wrap = ''").Scan(&open); err != nil ||
				open != 0 {
				t.Errorf("%d rows of %s are in the clear (%v)", open, table, err)
			}
		}
		if locked, err := plain.Locked(t.Context()); err != nil || len(locked) != 2 {
			t.Errorf("a node without the file says that it cannot read %v (%v), want both purposes", locked, err)
		}
		if verified(t, plain, "page", "m", sig) {
			t.Error("a node without the file verifies what only the file allows")
		}
		if _, err := plain.Open(t.Context(), "totp", sealed, nil); !stoa.Is(err, stoa.KindUnavailable) {
			t.Errorf("a node without the file opens a seed: %v", err)
		}

		// The key of the file is changed: the new one before the old one, then without the old one.
		both := c.node(t, 1, keyFile(t, lineB, lineA))
		if !verified(t, both, "page", "m", sig) {
			t.Error("a file with both keys does not verify")
		}
		if err := both.Settle(t.Context()); err != nil {
			t.Fatal(err)
		}
		onlyB := c.node(t, 1, keyFile(t, lineB))
		if got, err := onlyB.Open(t.Context(), "totp", sealed, nil); err != nil || string(got) != "seed" {
			t.Errorf("after the key of the file was changed Open gives %q, %v", got, err)
		}
	})
}

func TestReplace_WhatWasSignedIsValidNoMoreAndWhatWasSealedOpens(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, c *cluster) {
		a := c.node(t, 0, nil)
		sig := sign(t, a, "page", "m")
		sealed, err := a.Seal(t.Context(), "totp", []byte("seed"), nil)
		if err != nil {
			t.Fatal(err)
		}
		if err := c.dbs[1].Write(t.Context(), secret.Replace); err != nil {
			t.Fatal(err)
		}
		sign(t, a, "page", "m")
		if verified(t, a, "page", "m", sig) {
			t.Error("a signature from before is valid")
		}
		if _, err := a.Open(t.Context(), "totp", sealed, nil); err != nil {
			t.Errorf("what was sealed before does not open: %v", err)
		}
	})
}

func TestReadFile_RefusesWhatIsNoKeyFile(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		text string
		mode os.FileMode
	}{
		"short": {"abc\n", 0o600}, "empty": {"# nothing\n", 0o600}, "open to others": {lineA + "\n", 0o644},
	} {
		path := filepath.Join(t.TempDir(), "key")
		if err := os.WriteFile(path, []byte(c.text), c.mode); err != nil {
			t.Fatal(err)
		}
		if _, err := secret.ReadFile(path); !stoa.Is(err, stoa.KindInvalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestProof_IsEqualForTheSameFileAndMomentOnly(t *testing.T) {
	t.Parallel()
	a, b := keyFile(t, lineA), keyFile(t, lineB)
	if a.Proof("1") != keyFile(t, lineA).Proof("1") {
		t.Error("the same file gives another proof")
	}
	for _, other := range []string{a.Proof("2"), b.Proof("1"), (*secret.File)(nil).Proof("1"),
		keyFile(t, lineA, lineB).Proof("1")} {
		if other == a.Proof("1") {
			t.Error("another file or moment gives the same proof")
		}
	}
}
