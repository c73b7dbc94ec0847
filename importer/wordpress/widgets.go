package wordpress

import (
	"strconv"
	"strings"

	"github.com/stoa-portal/stoa/page"
	"github.com/stoa-portal/stoa/richtext"
)

// widgets gives the widgets of a page that has nothing of its own to show but lists of posts or pages and the way to
// sign in, which WordPress fills when the page is shown; nil for all other pages. A heading above one becomes its
// title.
func (p *Plan) widgets(it *Item) []page.Placed {
	if it.Type != TypePage || it.Password != "" || !strings.Contains(it.Content, "<!-- wp:") {
		return nil
	}
	text, _ := p.HTML(it)
	if new(richtext.Policy).Text(text) != "" || strings.Contains(text, "<img") || strings.Contains(text, "<iframe") ||
		strings.Contains(text, "<video") || strings.Contains(text, "<audio") {
		return nil
	}
	var report BlockReport
	var out []page.Placed
	title := ""
	var walk func(b *block)
	walk = func(b *block) {
		for _, part := range b.parts {
			switch x := part.inner; {
			case x == nil:
			case x.name == "heading":
				title = plain(x.saved())
			case x.name == "latest-posts" || x.name == "query":
				if list, ok := x.list(); ok && len(out) < 20 {
					if title != "" {
						list["title"] = shorten(title, 190)
					}
					out = append(out, page.Placed{Widget: "content-list", Settings: list})
				}
				title = ""
			case (x.name == "page-list" || x.name == "loginout") && len(out) < 20:
				w := page.Placed{Widget: "navigation", Settings: map[string]string{"source": "tree"}}
				if x.name == "loginout" {
					w = page.Placed{Widget: "sign-in", Settings: map[string]string{}}
				}
				if title != "" {
					w.Settings["title"] = shorten(title, 190)
				}
				out, title = append(out, w), ""
			default:
				walk(x)
			}
		}
	}
	walk(parseBlocks(it.Content, &report))
	return out
}

// list gives the settings of the Content List that shows what the block showed; false when it showed something else
// than posts.
func (b *block) list() (map[string]string, bool) {
	out := map[string]string{"kind": "post", "style": "list"}
	many := b.attrs["postsToShow"]
	if b.name == "query" {
		q, _ := b.attrs["query"].(map[string]any)
		if kind, ok := q["postType"].(string); ok && kind != "post" {
			return nil, false
		}
		many = q["perPage"]
		out["paging"] = "true"
	} else if b.attrs["displayPostContent"] != true {
		out["style"] = "titles"
	}
	out["count"] = "5"
	if n, ok := many.(float64); ok && n >= 1 && n <= 100 {
		out["count"] = strconv.Itoa(int(n))
	}
	return out, true
}
