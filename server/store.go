package server

import (
	"context"
	"io"
	"log/slog"
	"sync/atomic"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/config"
	"github.com/stoa-portal/stoa/db"
	"github.com/stoa-portal/stoa/filestore"
	"github.com/stoa-portal/stoa/filestore/dbstore"
	"github.com/stoa-portal/stoa/filestore/s3store"
)

// StoreOpener opens the file store that the settings name. It looks at nothing.
type StoreOpener func(c *config.Config, log *slog.Logger) (filestore.Driver, error)

// Stores are the file stores that a program brings beside those of this package, by their names in dl.store.impl: the
// libraries of clouds are large, and no test needs them but their own.
type Stores map[string]StoreOpener

// open gives the file store that the settings name; d is the database of the portal. It looks at nothing.
func (s Stores) open(c *config.Config, d *db.DB, log *slog.Logger, noSync bool) (filestore.Driver, error) {
	switch {
	case storeInDatabase(c):
		return dbstore.New(dbstore.Options{DB: d, Logger: log}), nil
	case storeInFolder(c):
		return filestore.OpenDir(c.Files.Root, filestore.DirOptions{Logger: log, NoSync: noSync})
	case c.Files.Store == config.StoreS3:
		s := c.Files.S3
		return s3store.Open(s3store.Options{Endpoint: s.Endpoint, Region: s.Region, Bucket: s.Bucket, Prefix: s.Prefix,
			AccessKey: s.AccessKey, SecretKey: s.SecretKey, PathStyle: s.PathStyle, StorageClass: s.StorageClass,
			Timeout: s.Timeout, Retries: s.Retries, Proxy: s.Proxy, Cluster: c.Cluster.Enabled, Logger: log,
			Hold: func() bool { return d == nil || d.Unproven() }})
	}
	open := s[c.Files.Store]
	if open == nil {
		return nil, stoa.Invalid("dl.store.impl", "this program was built without the file store %s", c.Files.Store)
	}
	return open(c, log)
}

// closeStore ends the connections of a store that has some.
func closeStore(d filestore.Driver) error {
	if c, ok := d.(io.Closer); ok {
		return c.Close()
	}
	return nil
}

// storeInFolder reports whether the file store of the settings is a folder.
func storeInFolder(c *config.Config) bool {
	return c.Files.Store == config.StoreFileSystem || c.Files.Store == config.StoreAdvancedFileSystem
}

// storeInDatabase reports whether the file store of the settings lies in the database of the portal.
func storeInDatabase(c *config.Config) bool { return c.Files.Store == config.StoreDatabase }

// storePlace names the file store of the settings for the operator.
func storePlace(c *config.Config) string {
	switch {
	case storeInDatabase(c):
		return "the database"
	case c.Files.Store == config.StoreS3:
		return "the bucket " + c.Files.S3.Bucket
	case c.Files.Store == config.StoreGCS:
		return "the bucket " + c.Files.GCS.Bucket
	case c.Files.Store == config.StoreAzure:
		return "the container " + c.Files.Azure.Container
	}
	return c.Files.Root
}

// madeStore makes the store with that identity where none is.
func madeStore(ctx context.Context, d filestore.Driver, identity string) error {
	_, err := d.Identity(ctx)
	f := filestore.FaultOf(err)
	if stoa.Is(err, stoa.KindNotFound) || f != nil && f.Code == filestore.CodeMissing {
		_, err = d.Make(ctx, identity)
	}
	return err
}

// choice is a store that this node can reach.
type choice struct {
	filestore.Driver
	from string // fromSettings, fromFolder or fromMove
}

const (
	fromSettings = "dl.store"      // it is the one of dl.store.*
	fromFolder   = "folder"        // dl.store.file.system.root.dir, which dl.store.impl does not name
	fromMove     = "dl.store.move" // the one of dl.store.move.*
)

// chosenStore is that of several stores which has an identity, such as the one in the record of the database. A home
// whose files lie in its folder because a version before did not know dl.store.impl goes on there, and a node whose
// settings name a store that the files have left goes on in the one to which they were moved.
type chosenStore struct {
	filestore.Driver // the first choice
	choices          []choice
	now              atomic.Pointer[choice]
}

func newChosenStore(choices ...choice) *chosenStore {
	return &chosenStore{Driver: choices[0].Driver, choices: choices}
}

func (s *chosenStore) in() *choice {
	if c := s.now.Load(); c != nil {
		return c
	}
	return &s.choices[0]
}

// choose looks which of the stores has the identity. The folder is taken only when the first choice has answered that
// it is another one, or none: one that is away for a moment stays chosen. changed says that it is another one than
// before.
func (s *chosenStore) choose(ctx context.Context, identity string) (changed bool) {
	if len(s.choices) == 1 {
		return false
	}
	pick, before := &s.choices[0], s.in()
	id, err := within(ctx, pick.Identity)
	f := filestore.FaultOf(err)
	if err != nil || id != identity {
		other := err == nil || stoa.Is(err, stoa.KindNotFound) || f != nil && f.Code == filestore.CodeMissing
		if !other && s.now.Load() != nil {
			pick = before // what was known before
		}
		for i := range s.choices[1:] {
			c := &s.choices[1+i]
			if !other && c.from == fromFolder {
				continue
			}
			if id, err := within(ctx, c.Identity); err == nil && id == identity {
				pick = c
				break
			}
		}
	}
	s.now.Store(pick)
	return pick != before
}

// within asks a store that may hang, and gives up after a while.
func within(ctx context.Context, ask func(context.Context) (string, error)) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, recordWait)
	defer cancel()
	type answer struct {
		id  string
		err error
	}
	got := make(chan answer, 1)
	go func() { // a call to a file system that hangs does not end
		id, err := ask(ctx)
		got <- answer{id, err}
	}()
	select {
	case a := <-got:
		return a.id, a.err
	case <-ctx.Done():
		return "", ctx.Err()
	}
}

// Bind implements filestore.Driver.
func (s *chosenStore) Bind(identity string) filestore.Store { return s.in().Bind(identity) }

// Check implements filestore.Driver.
func (s *chosenStore) Check(ctx context.Context, identity string) error {
	return s.in().Check(ctx, identity)
}

// String implements filestore.Driver.
func (s *chosenStore) String() string { return s.in().String() }
