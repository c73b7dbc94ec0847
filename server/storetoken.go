package server

import (
	"context"
	"errors"
	"io"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/cluster"
	"github.com/stoa-portal/stoa/filestore"
	"github.com/stoa-portal/stoa/filestore/dbstore"
)

// The identity of a file store does not prove that two nodes have the same one: a folder that was copied has it, too.
// So each node writes a token into the store now and then, and all others tell whether they read it there.
const (
	tokenEvery = 30 * time.Second // an S3 server is paid by the request
	tokenWait  = time.Second      // to write a token, or to read another node's, until it appears
	tokenAgain = 100 * time.Millisecond
	tokenAge   = time.Hour // of one that no living node names any more

	tokenPrefix = historyPrefix + "token-" // no files, and to list them takes no time in a large folder
)

// storeToken is what a node has written.
type storeToken struct {
	key, before string // and the key of the one before, which a question that is under way may name
	made        time.Time
}

// tokens is what a node knows of them.
type tokens struct {
	every time.Duration // at most once in that time one is written

	mu     sync.Mutex
	own    storeToken
	swept  bool
	ended  bool
	seen   map[int64]string // by writer: the token of another node that was there
	missed map[int64]string // by writer: the first one that was not
}

// writeToken writes a token in the place of one that is old, while there are nodes that could read it. A store that
// cannot be written has findings of its own.
func (s *Server) writeToken(ctx context.Context) {
	t := &s.files.tokens
	t.mu.Lock()
	old, swept, ended := t.own, t.swept, t.ended
	t.swept = true
	t.mu.Unlock()
	if !swept {
		s.sweepTokens(ctx)
	}
	if ended || s.storeOfDatabase() || time.Since(old.made) < t.every || !s.others() {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, tokenWait)
	defer cancel()
	next := storeToken{key: tokenPrefix + filestore.NewKey(), before: old.key, made: time.Now()}
	if err := putToken(ctx, s.files.guard(), next.key); err != nil {
		s.log.DebugContext(ctx, "no token could be written into the file store", "error", err)
		return
	}
	t.mu.Lock()
	if ended = t.ended; !ended {
		t.own = next
	}
	t.mu.Unlock()
	if ended { // meanwhile
		s.dropTokens(ctx, next.key)
		return
	}
	s.dropTokens(ctx, old.before)
}

// endToken removes what this node has written, which leaves.
func (s *Server) endToken(ctx context.Context) {
	t := &s.files.tokens
	t.mu.Lock()
	own := t.own
	t.own, t.ended = storeToken{}, true
	t.mu.Unlock()
	ctx, cancel := context.WithTimeout(ctx, tokenWait)
	defer cancel()
	s.dropTokens(ctx, own.key, own.before)
}

// sweepTokens removes those that killed nodes have left.
func (s *Server) sweepTokens(ctx context.Context) {
	if s.storeOfDatabase() {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, tokenWait)
	defer cancel()
	var left []string
	err := s.files.guard().List(ctx, tokenPrefix, func(i filestore.Info) error {
		if time.Since(i.Modified) > tokenAge {
			left = append(left, i.Key)
		}
		return nil
	})
	if err != nil {
		s.log.DebugContext(ctx, "old tokens stay in the file store", "error", err)
	}
	s.dropTokens(ctx, left...)
}

func (s *Server) dropTokens(ctx context.Context, keys ...string) {
	for _, key := range keys {
		if key == "" {
			continue
		}
		if err := s.files.guard().Delete(ctx, key); err != nil {
			s.log.DebugContext(ctx, "a token stays in the file store", "key", key, "error", err)
		}
	}
}

// storeOfDatabase reports whether the files that are in force lie in the database, which is the same one for all nodes.
func (s *Server) storeOfDatabase() bool {
	if !s.files.open() {
		return storeInDatabase(s.cfg)
	}
	_, inside := s.files.place().Driver.(*dbstore.Store)
	return inside
}

// others reports whether another node lives.
func (s *Server) others() bool {
	return slices.ContainsFunc(s.Node.Members(), func(m cluster.Member) bool { return m.Live && !m.Self })
}

// token gives the key that nodes are asked for; empty: none was written.
func (s *Server) token() string {
	s.files.tokens.mu.Lock()
	defer s.files.tokens.mu.Unlock()
	return s.files.tokens.own.key
}

// readToken tells whether the token of the node that asks is in the store of this one: cluster.TokenSeen, TokenMissing,
// or nothing when the store gives no answer, which has findings of its own. Some file systems show what is new a little
// later. A node also looks for its own, which is gone when another store has taken the place of that one.
func (s *Server) readToken(ctx context.Context, asker cluster.Member, key string) string {
	if !s.files.open() || !strings.HasPrefix(key, tokenPrefix) || s.storeOfDatabase() {
		return ""
	}
	t := &s.files.tokens
	t.mu.Lock()
	known := t.seen[asker.Writer] == key
	t.mu.Unlock()
	if known && !asker.Self {
		return cluster.TokenSeen // screens ask often
	}
	ctx, cancel := context.WithTimeout(ctx, tokenWait)
	defer cancel()
	again := time.NewTicker(tokenAgain)
	defer again.Stop()
	looked := false
	for {
		there, err := s.hasToken(ctx, key)
		switch {
		case there:
			t.saw(asker.Writer, key)
			return cluster.TokenSeen
		case err != nil && !(looked && ctx.Err() != nil):
			return ""
		case err == nil:
			looked = true
		}
		select {
		case <-ctx.Done():
			return t.misses(asker.Writer, key)
		case <-again.C:
		}
	}
}

// saw notes that a token of a node was there.
func (t *tokens) saw(writer int64, key string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.seen == nil {
		t.seen = map[int64]string{}
	}
	t.seen[writer] = key
	delete(t.missed, writer)
}

// misses notes that a token of a node was not there, and gives TokenMissing when it is the second one: network file
// systems may keep for a while that there is no such file, and for a moment two nodes may look at two stores, of
// which one has taken the place of the other.
func (t *tokens) misses(writer int64, key string) string {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.missed == nil {
		t.missed = map[int64]string{}
	}
	first, before := t.missed[writer]
	if !before {
		t.missed[writer] = key
	}
	if before && first != key {
		return cluster.TokenMissing
	}
	return ""
}

// hasToken looks once.
func (s *Server) hasToken(ctx context.Context, key string) (there bool, err error) {
	return tokenIn(ctx, s.files.guard(), key)
}

// tokenIn looks for a token in a store.
func tokenIn(ctx context.Context, store filestore.Store, key string) (there bool, err error) {
	f, err := store.Open(ctx, key)
	if stoa.Is(err, stoa.KindNotFound) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	got, err := io.ReadAll(io.LimitReader(f, filestore.MaxKey))
	return err == nil && string(got) == key, errors.Join(err, f.Close())
}

// putToken writes a token into a store.
func putToken(ctx context.Context, store filestore.Store, key string) error {
	_, err := store.Put(ctx, key, strings.NewReader(key), int64(len(key)))
	return err
}
