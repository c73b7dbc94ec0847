package admin

import (
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// listPage is how many rows a page of a list has.
const listPage = 50

// listing is the filter above a list and the paging below it. Lists that can grow without limit are cut by their
// services; sieve is for those that are small enough to be held whole.
type listing struct {
	Query    string // what the filter holds
	Label    string // what it looks for, such as "Filter by name"
	Total    int    // rows that fit
	From, To int    // those of them that are shown, from 1
	Back     string // addresses of the neighbouring pages; empty at the ends
	Next     string
	Here     string // address of the whole list
	Filtered bool
}

// sieve filters a list by the words in the address, each of which must be part of what words gives of a row, and
// cuts out the page that is asked for.
func sieve[T any](q *request, all []T, label string, words func(T) string) ([]T, listing) {
	in := q.URL.Query()
	l := listing{Query: clip(strings.TrimSpace(in.Get("q")), 100), Label: label, Here: q.URL.Path}
	l.Filtered = l.Query != ""
	rows := all
	if l.Filtered {
		wanted := strings.Fields(strings.ToLower(l.Query))
		rows = slices.DeleteFunc(slices.Clone(all), func(row T) bool {
			text := strings.ToLower(words(row))
			return slices.ContainsFunc(wanted, func(w string) bool { return !strings.Contains(text, w) })
		})
	}
	l.Total = len(rows)
	last := max(1, (len(rows)+listPage-1)/listPage)
	number, err := strconv.Atoi(in.Get("page"))
	if err != nil || number < 1 {
		number = 1
	}
	number = min(number, last)
	start := (number - 1) * listPage
	rows = rows[start:min(start+listPage, len(rows))]
	l.From, l.To = start+1, start+len(rows)
	address := func(n int) string {
		v := url.Values{}
		for name, values := range in { // other parameters, such as further filters, stay
			if name != "page" && name != "done" {
				v[name] = values
			}
		}
		if n > 1 {
			v.Set("page", strconv.Itoa(n))
		}
		if len(v) == 0 {
			return q.URL.Path
		}
		return q.URL.Path + "?" + v.Encode()
	}
	if number > 1 {
		l.Back = address(number - 1)
	}
	if number < last {
		l.Next = address(number + 1)
	}
	return rows, l
}

// listBody is the body of a screen that is only a list.
type listBody[T any] struct {
	Rows []T
	listing
}

// listOf is sieve for such a screen.
func listOf[T any](q *request, all []T, label string, words func(T) string) listBody[T] {
	rows, l := sieve(q, all, label, words)
	return listBody[T]{rows, l}
}

// Empty is what a list without rows says when a filter is the reason.
func (l listing) Empty() string { return fmt.Sprintf("No row has “%s”.", l.Query) }
