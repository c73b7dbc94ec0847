package server_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/access"
	"github.com/stoa-portal/stoa/db/dbtest"
	"github.com/stoa-portal/stoa/document"
	"github.com/stoa-portal/stoa/server/servertest"
)

func TestFiles_OfAFolderForFewAreAskedForEachTime(t *testing.T) {
	t.Parallel()
	for _, e := range dbtest.Engines() {
		t.Run(string(e), func(t *testing.T) { filesForFew(t, servertest.StartOn(t, e, 2)) })
	}
}

func filesForFew(t *testing.T, nodes []*servertest.Node) {
	a, b := nodes[0], nodes[1]
	sys, st := servertest.System(), a.Site(t)
	outer, err := a.Files.SaveFolder(sys, st, document.Folder{Name: "Board", Restricted: true})
	ok(t, err)
	inner, err := a.Files.SaveFolder(sys, st, document.Folder{Name: "Minutes", Parent: outer.ID})
	ok(t, err)
	put := func(name string, folder stoa.ID) (document.File, string) {
		t.Helper()
		f, err := a.Files.Upload(
			sys,
			st,
			document.Upload{Name: name, Body: strings.NewReader("words of " + name), Folder: folder},
		)
		ok(t, err)
		return f, document.URL(st.Slug, f)
	}
	_, openURL := put("open.txt", 0)
	shut, shutURL := put("shut.txt", inner.ID)
	b.Poll(t)
	guest := b.Guest(t)
	if got := guest.Get(t, openURL); got.Status != http.StatusOK ||
		got.Header.Get("Cache-Control") != "public, max-age=31536000, immutable" {
		t.Errorf("a public file: %d, %q", got.Status, got.Header.Get("Cache-Control"))
	}
	closed := func(when string) {
		t.Helper()
		for _, n := range []*servertest.Node{a.Guest(t), b.Guest(t)} {
			if got := n.Get(t, shutURL); got.Status == http.StatusOK || strings.Contains(got.Body, "words of") {
				t.Errorf("%s: a guest gets %d", when, got.Status)
			}
		}
	}
	closed("in a folder for few")
	b.SignIn(t)
	own := b.Get(t, shutURL)
	if own.Status != http.StatusOK || own.Header.Get("Cache-Control") != "private, no-cache" ||
		own.Header.Get("ETag") == "" {
		t.Fatalf("an administrator: %d, %q, tag %q", own.Status, own.Header.Get("Cache-Control"), own.Header.Get("ETag"))
	}
	if got := b.Get(t, shutURL, "If-None-Match", own.Header.Get("ETag")); got.Status != http.StatusNotModified {
		t.Errorf("asked again with the tag: %d", got.Status)
	}
	// A grant holds on the other node at once, and so does its end.
	roles, err := a.Access.RoleIDs(sys, st.Instance)
	ok(t, err)
	path, err := a.Files.FolderPath(sys, st, outer.ID)
	ok(t, err)
	view := access.Change{Role: roles[access.RoleGuest], To: access.View}
	ok(t, a.Access.ChangeGrants(sys, path, view))
	b.Poll(t)
	if got := guest.Get(t, shutURL); got.Status != http.StatusOK ||
		!strings.Contains(got.Header.Get("Cache-Control"), "immutable") {
		t.Errorf("granted to guests: %d, %q", got.Status, got.Header.Get("Cache-Control"))
	}
	ok(t, a.Access.ChangeGrants(sys, path, access.Change{Role: roles[access.RoleGuest], From: access.View, Version: 1}))
	closed("taken away again")
	// A file has grants of its own.
	shut, err = a.Files.Move(sys, shut.ID, 0, true, shut.Version)
	ok(t, err)
	closed("with grants of its own")
	list, err := b.Files.List(guestOf(t, b), st, document.Filter{})
	ok(t, err)
	for _, f := range list {
		if f.ID == shut.ID {
			t.Error("the list of a guest has it")
		}
	}
	_, err = a.Files.Move(sys, shut.ID, 0, false, shut.Version)
	ok(t, err)
	b.Poll(t)
	if got := guest.Get(t, shutURL); got.Status != http.StatusOK {
		t.Errorf("moved to where all may see it: %d", got.Status)
	}
}

func TestFiles_WhoMayMoveThem(t *testing.T) {
	t.Parallel()
	for _, e := range dbtest.Engines() {
		t.Run(string(e), func(t *testing.T) { filesMoved(t, servertest.StartOn(t, e, 2)) })
	}
}

func filesMoved(t *testing.T, nodes []*servertest.Node) {
	a, b := nodes[0], nodes[1]
	sys, st := servertest.System(), a.Site(t)
	shut, err := a.Files.SaveFolder(sys, st, document.Folder{Name: "Shut", Restricted: true})
	ok(t, err)
	r, err := a.Access.CreateRole(sys, access.Role{Instance: st.Instance, Name: "P"})
	ok(t, err)
	path, err := a.Files.FolderPath(sys, st, shut.ID)
	ok(t, err)
	for _, p := range []access.Path{path, st.Path()} {
		ok(t, a.Access.ChangeGrants(sys, p, access.Change{Role: r.ID, To: access.Publish}))
	}
	publisher, author := person(
		t,
		a,
		"P",
		r.ID,
	), actor(
		t,
		a,
		"A",
		access.Edit,
		access.Path{{Kind: "folder", ID: 1}, {Kind: "site", ID: st.ID}, {Kind: "instance", ID: st.Instance}},
	)
	f, err := a.Files.Upload(sys, st, document.Upload{Name: "x.txt", Body: strings.NewReader("x"), Folder: shut.ID})
	ok(t, err)
	b.Poll(t)
	refused(
		t,
		"take a file out of a folder for few",
		second(b.Files.Move(publisher, f.ID, 0, false, f.Version)),
		stoa.KindForbidden,
	)
	refused(
		t,
		"give it no grants of its own",
		second(b.Files.Move(publisher, f.ID, shut.ID, true, f.Version)),
		stoa.KindForbidden,
	)
	open := shut
	open.Restricted = false
	refused(t, "open the folder", second(b.Files.SaveFolder(publisher, st, open)), stoa.KindForbidden)
	refused(t, "a stranger's folder", second(b.Files.Folder(author, st, shut.ID)), stoa.KindNotFound)
	refused(t, "delete a folder that holds a file", b.Files.DeleteFolder(sys, st, shut.ID), stoa.KindConflict)
	if err := b.Files.Delete(publisher, f.ID); err != nil {
		t.Errorf("who publishes may delete: %v", err)
	}
	if err := b.Files.DeleteFolder(sys, st, shut.ID); err != nil {
		t.Errorf("an empty folder: %v", err)
	}
}
