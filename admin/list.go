package admin

import (
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// ListPage is how many rows a page of a list has.
const ListPage = 50

// Listing is the filter above a list and the paging below it. Lists that can grow without limit are cut by their
// services; Filter is for those that are small enough to be held whole.
type Listing struct {
	Query    string // what the filter holds
	Label    string // what it looks for, such as "Filter by name"
	Here     string // address of the whole list
	Filtered bool
	Open     bool // how many there are was not counted
	Paging
}

// Paging leads through a list, by the template of its name. A list that can grow without limit goes on after its last
// row, and back to its beginning only: After. One that is short or counted has numbered pages: Numbered.
type Paging struct {
	Total    int    // rows that fit; 0 where they are not counted
	From, To int    // those of them that are shown, from 1
	First    string // address of the beginning, when this is not the beginning
	Back     string // addresses of the neighbouring pages; empty at the ends
	Next     string
}

// After is the paging of a list that its service cuts: next is where the next page begins, as the parameter after,
// empty at the end.
func (q *Request) After(next string) (p Paging) {
	if q.URL.Query().Get("after") != "" {
		p.First = q.pageAt("after", "")
	}
	if next != "" {
		p.Next = q.pageAt("after", next)
	}
	return p
}

// Numbered is the paging of a list of total rows with perPage on each page, of which the page of that number has shown.
func (q *Request) Numbered(number, perPage, shown, total int) Paging {
	p := Paging{Total: total, From: (number-1)*perPage + 1, To: (number-1)*perPage + shown}
	last := max(1, (total+perPage-1)/perPage)
	address := func(n int) string {
		if n == 1 {
			return q.pageAt("page", "")
		}
		return q.pageAt("page", strconv.Itoa(n))
	}
	if number > 1 {
		p.Back = address(min(number-1, last))
	}
	if number < last {
		p.Next = address(number + 1)
	}
	return p
}

// pageAt is the address of the list with another place in it; other parameters, such as filters, stay.
func (q *Request) pageAt(name, value string) string {
	v := url.Values{}
	for k, values := range q.URL.Query() {
		if k != "page" && k != "after" && k != "done" && strings.Join(values, "") != "" {
			v[k] = values
		}
	}
	if value != "" {
		v.Set(name, value)
	}
	if len(v) == 0 {
		return q.URL.Path
	}
	return q.URL.Path + "?" + v.Encode()
}

// Finds reports whether each word of the filter is part of the text of a row.
func (l Listing) Finds(text string) bool {
	text = strings.ToLower(text)
	return !slices.ContainsFunc(strings.Fields(strings.ToLower(l.Query)), func(w string) bool {
		return !strings.Contains(text, w)
	})
}

// Filter filters a list by the words in the address, each of which must be part of what words gives of a row, and
// cuts out the page that is asked for.
func Filter[T any](q *Request, all []T, label string, words func(T) string) ([]T, Listing) {
	in := q.URL.Query()
	l := Listing{Query: Clip(strings.TrimSpace(in.Get("q")), 100), Label: label, Here: q.URL.Path}
	l.Filtered = l.Query != ""
	rows := all
	if l.Filtered {
		rows = slices.DeleteFunc(slices.Clone(all), func(row T) bool { return !l.Finds(words(row)) })
	}
	number, err := strconv.Atoi(in.Get("page"))
	if err != nil || number < 1 {
		number = 1
	}
	total := len(rows)
	number = min(number, max(1, (total+ListPage-1)/ListPage))
	start := (number - 1) * ListPage
	rows = rows[start:min(start+ListPage, total)]
	l.Paging = q.Numbered(number, ListPage, len(rows), total)
	return rows, l
}

// ListBody is the body of a screen that is only a list.
type ListBody[T any] struct {
	Rows []T
	Listing
}

// ListOf is Filter for such a screen.
func ListOf[T any](q *Request, all []T, label string, words func(T) string) ListBody[T] {
	rows, l := Filter(q, all, label, words)
	return ListBody[T]{rows, l}
}
