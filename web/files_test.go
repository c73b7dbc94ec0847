package web_test

import (
	"bytes"
	"image"
	"image/png"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/access"
	"github.com/stoa-portal/stoa/document"
	"github.com/stoa-portal/stoa/server/servertest"
)

func upload(t *testing.T, n *servertest.Node, name string, body io.Reader) (document.File, string) {
	t.Helper()
	st := n.Site(t)
	f, err := n.Files.Upload(servertest.System(), st, document.Upload{Name: name, Body: body})
	if err != nil {
		t.Fatal(err)
	}
	return f, document.URL(st.Slug, f)
}

func TestFile_AnswersOnEveryNodeWithRangesAndTags(t *testing.T) {
	t.Parallel()
	nodes := servertest.Start(t, 2)
	_, address := upload(t, nodes[0], "notes of May.txt", strings.NewReader("0123456789"))
	nodes[1].Poll(t)
	guest := nodes[1].Guest(t)
	a := guest.Get(t, address)
	if a.Status != http.StatusOK || a.Body != "0123456789" {
		t.Fatalf("%d %q", a.Status, a.Body)
	}
	for name, want := range map[string]string{
		"Cache-Control": "public, max-age=31536000, immutable", "X-Content-Type-Options": "nosniff", "Content-Type": "text/plain; charset=utf-8",
		"Content-Disposition": `inline; filename="notes of May.txt"`, "Set-Cookie": "",
	} {
		if got := a.Header.Get(name); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	if p := a.Header.Get("Content-Security-Policy"); !strings.Contains(p, "default-src 'none'") || !strings.Contains(p, "sandbox") {
		t.Errorf("policy %q", p)
	}
	if p := guest.Get(t, address, "Range", "bytes=2-4"); p.Status != http.StatusPartialContent || p.Body != "234" {
		t.Errorf("a range: %d %q", p.Status, p.Body)
	}
	if p := guest.Get(t, address, "If-None-Match", a.Header.Get("ETag")); p.Status != http.StatusNotModified || p.Body != "" {
		t.Errorf("the same tag: %d %q", p.Status, p.Body)
	}
	if d := guest.Get(t, address+"?download"); !strings.HasPrefix(d.Header.Get("Content-Disposition"), "attachment;") {
		t.Errorf("a download: %q", d.Header.Get("Content-Disposition"))
	}
	if o := guest.Get(t, strings.Replace(address, "/notes", "/other", 1)); o.Status != http.StatusOK {
		t.Errorf("under another name: %d", o.Status)
	}
}

func TestFile_PicturesComeInWidths(t *testing.T) {
	t.Parallel()
	n := servertest.Start(t, 1)[0]
	var b bytes.Buffer
	if err := png.Encode(&b, image.NewGray(image.Rect(0, 0, 700, 350))); err != nil {
		t.Fatal(err)
	}
	_, address := upload(t, n, "grey.png", &b)
	full, small := n.Get(t, address), n.Get(t, address+"?w=320")
	c, err := png.DecodeConfig(strings.NewReader(small.Body))
	if err != nil || c.Width != 320 || c.Height != 160 {
		t.Fatalf("%+v, %v", c, err)
	}
	if full.Header.Get("ETag") == small.Header.Get("ETag") {
		t.Error("two pictures have one tag")
	}
	for _, w := range []string{"321", "-1", "0x10", "99999999999999999999", "a"} {
		if a := n.Get(t, address+"?w="+w); a.Status != http.StatusUnprocessableEntity {
			t.Errorf("w=%s: %d", w, a.Status)
		}
	}
}

func TestFile_PrivateSiteIsForThoseWhoMayViewIt(t *testing.T) {
	t.Parallel()
	n := servertest.Start(t, 1)[0]
	_, address := upload(t, n, "secret.txt", strings.NewReader("hidden words"))
	st := n.Site(t)
	path := st.Path()
	path[0].Own = true
	roles, err := n.Access.RoleIDs(servertest.System(), st.Instance)
	if err != nil {
		t.Fatal(err)
	}
	if err := n.Access.SetGrants(servertest.System(), access.InstancePath(st.Instance), []access.Grant{{Role: roles[access.RoleAdministrator], Action: access.Manage}}); err != nil {
		t.Fatal(err)
	}
	if err := n.Access.SetGrants(servertest.System(), path, nil); err != nil {
		t.Fatal(err)
	}
	if a := n.Guest(t).Get(t, address); a.Status != http.StatusSeeOther || strings.Contains(a.Body, "hidden words") {
		t.Errorf("a guest: %d %q", a.Status, a.Body)
	}
	n.SignIn(t)
	a := n.Get(t, address)
	if a.Status != http.StatusOK || a.Body != "hidden words" || a.Header.Get("Cache-Control") != "private, no-cache" {
		t.Errorf("the administrator: %d %q, %q", a.Status, a.Body, a.Header.Get("Cache-Control"))
	}
}

func TestHostile_FilesActNowhere(t *testing.T) {
	t.Parallel()
	n := servertest.Start(t, 1)[0]
	for name, body := range map[string]string{
		"a.html": "<html><script>alert(1)</script>", "a.png": "<!DOCTYPE html><script>alert(1)</script>", "a.svg": "<svg><script>alert(1)</script></svg>", "a.xml": `<?xml version="1.0"?><a/>`,
	} {
		_, address := upload(t, n, name, strings.NewReader(body))
		a := n.Get(t, address)
		kind := a.Header.Get("Content-Type")
		if name == "a.svg" {
			if kind != "image/svg+xml" || strings.Contains(a.Body, "alert") {
				t.Errorf("%s: %s %s", name, kind, a.Body)
			}
		} else if kind != "application/octet-stream" || !strings.HasPrefix(a.Header.Get("Content-Disposition"), "attachment") {
			t.Errorf("%s came as %s, %s", name, kind, a.Header.Get("Content-Disposition"))
		}
	}
	for _, key := range []string{strings.Repeat("a", 32), "..%2f..%2fidentity", "%00", strings.Repeat("a", 4000)} {
		if a := n.Get(t, "/documents/guest/x/"+key); a.Status != http.StatusNotFound && a.Status != http.StatusBadRequest && a.Status != http.StatusRequestURITooLong {
			t.Errorf("the key %.40s: %d", key, a.Status)
		}
	}
	if _, err := n.Files.ByKey(stoa.WithActor(t.Context(), stoa.Actor{}), strings.Repeat("a", 32)); !stoa.Is(err, stoa.KindNotFound) {
		t.Errorf("a key that is none: %v", err)
	}
}
