package admin_test

import (
	"net/http/httptest"
	"testing"

	"github.com/stoa-portal/stoa/admin"
)

func TestPaging_KeepsFiltersAndLeadsOnAndBack(t *testing.T) {
	t.Parallel()
	at := func(address string) *admin.Request {
		return &admin.Request{Request: httptest.NewRequest("GET", address, nil)}
	}
	for address, want := range map[string]admin.Paging{
		"/x":                      {Next: "/x?after=1+%26"},
		"/x?q=&role=2&done=trash": {Next: "/x?after=1+%26&role=2"},
		"/x?after=7&q=a+b&folder=3&folder=4": {First: "/x?folder=3&folder=4&q=a+b",
			Next: "/x?after=1+%26&folder=3&folder=4&q=a+b"},
	} {
		if got := at(address).After("1 &"); got != want {
			t.Errorf("%s: %+v, want %+v", address, got, want)
		}
	}
	if got := at("/x?after=7").After(""); got != (admin.Paging{First: "/x"}) {
		t.Errorf("the last page: %+v", got)
	}
	for number, want := range map[int]admin.Paging{
		1: {Total: 101, From: 1, To: 50, Next: "/x?page=2&q=a"},
		2: {Total: 101, From: 51, To: 100, Back: "/x?q=a", Next: "/x?page=3&q=a"},
		3: {Total: 101, From: 101, To: 101, Back: "/x?page=2&q=a"},
	} {
		if got := at("/x?q=a&page=9").Numbered(number, 50, min(50, 101-50*(number-1)), 101); got != want {
			t.Errorf("page %d: %+v, want %+v", number, got, want)
		}
	}
}
