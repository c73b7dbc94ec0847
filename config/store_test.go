package config

import (
	"strings"
	"testing"
)

func TestMoveTarget_HasTheSameSettingsUnderAPrefix(t *testing.T) {
	t.Parallel()
	c, err := ext(t, "dl.store.file.system.root.dir=files\n")
	if err != nil || c.MoveTarget() != nil {
		t.Fatalf("without a target: %v, %v", c.MoveTarget(), err)
	}
	c, err = ext(t, "dl.store.move.impl="+StoreS3+"\ndl.store.move.s3.bucket.name=new\ndl.store.move.s3.secret.key=s\n"+
		"dl.store.move.s3.access.key=a\ndl.store.s3.bucket.name=old\n")
	if err != nil {
		t.Fatal(err)
	}
	to := c.MoveTarget()
	if to == nil || to.Files.Store != StoreS3 || to.Files.S3.Bucket != "new" || to.Files.S3.Retries != 5 ||
		to.Home != c.Home || c.Files.Store != StoreFileSystem || c.Files.S3.Bucket != "old" {
		t.Errorf("%+v beside %+v", to, c.Files)
	}
	if v := value(t, c, "dl.store.move.s3.secret.key"); !v.Secret {
		t.Error("the secret of the target is shown")
	}
}

func TestMoveTarget_WhatIsMissingIsNamedWithItsPrefix(t *testing.T) {
	t.Parallel()
	for settings, want := range map[string]string{
		"dl.store.move.impl=" + StoreS3:                                      "set dl.store.move.s3.bucket.name",
		"dl.store.move.impl=" + StoreFileSystem:                              "dl.store.move.file.system.root.dir",
		"dl.store.move.impl=com.example.Store":                               "dl.store.move.impl",
		"dl.store.move.impl=" + StoreGCS + "\ndl.store.move.gcs.prefix=a//b": "dl.store.move.gcs.prefix",
		"dl.store.file.system.root.dir=/x\ndl.store.move.impl=" + StoreFileSystem + "\n" +
			"dl.store.move.file.system.root.dir=/x": "name another one",
		"dl.store.move.impl=" + StoreS3 + "\ndl.store.move.s3.bucket.name=b\n" +
			"dl.store.move.s3.access.key=a": "of dl.store.move.s3.access.key and",
	} {
		if _, err := ext(t, settings); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", settings, err, want)
		}
	}
}
