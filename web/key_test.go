package web

import (
	"net/http"
	"net/http/httptest"
	"strconv"
	"testing"
)

// The parts that a visitor chooses may have anything in them.
func FuzzKeyOf(f *testing.F) {
	f.Add("a|2", "", "a", "2")
	f.Add("1 a", "1 b", "1 a1 ", "b")
	f.Add("\x00", "3 ", "", "\x003 ")
	f.Add("ab", "c", "a", "bc")
	f.Fuzz(func(t *testing.T, a, b, c, d string) {
		if got, other := keyOf(a, b), keyOf(c, d); (got == other) != (a == c && b == d) {
			t.Errorf("%q, %q and %q, %q give the keys %q and %q", a, b, c, d, got, other)
		}
		if got := keyOf(a, b, c); got == keyOf(a, b+c) || got == keyOf(a+b, c) || got == keyOf(a, b) {
			t.Errorf("three parts, %q, %q and %q, give the key of two: %q", a, b, c, got)
		}
	})
}

func TestPageKey_IsOfOneRequestOnly(t *testing.T) {
	t.Parallel()
	seen := map[string]string{}
	for _, host := range []string{"a.test", "b.test", "a.test:81", "[::1]"} {
		for _, path := range []string{"/", "/tags/news", "/tags/news|2", "/tags/news 2", "/tags/news\x002", "/2", "/|2",
			"/a.test|http://a.test|/", "/tags/sitemap-x.xml|2"} {
			for number := range 4 {
				r := httptest.NewRequest(http.MethodGet, "http://"+host+"/", nil)
				if r.URL.Path = path; number > 1 {
					r.URL.RawQuery = "page=" + strconv.Itoa(number)
				}
				what := host + " " + path + " " + strconv.Itoa(max(number, 1))
				key := pageKey(r)
				if other, ok := seen[key]; ok && other != what {
					t.Errorf("%q has the key of %q: %q", what, other, key)
				}
				seen[key] = what
			}
		}
	}
}

// What has no further pages is not made as one, or the first that asks for one decides what all others get.
func TestPageNumber_WhatMachinesReadHasOne(t *testing.T) {
	t.Parallel()
	for path, want := range map[string]int{"/feed.atom": 1, "/docs/feed.atom": 1, "/docs/sitemap-2.xml": 1, "/docs": 2} {
		if got := pageNumber(httptest.NewRequest(http.MethodGet, path+"?page=2", nil)); got != want {
			t.Errorf("%s?page=2 is page %d, want %d", path, got, want)
		}
	}
}
