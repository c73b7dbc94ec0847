package pages

import (
	"net/http"
	"strings"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/admin"
	"github.com/stoa-portal/stoa/bulk"
	"github.com/stoa-portal/stoa/page"
)

// mostChoices is how many pages a search for one to move others below proposes.
const mostChoices = 10

// pagesBulk does one thing with all pages that were ticked, or with none. Where there are more than one transaction
// holds, a bulk action does it in the background; moving is for one transaction only.
func (h *screens) pagesBulk(q *admin.Request) error {
	if err := h.At(q, q.PostForm.Get("site")); err != nil { // of the list, whichever is chosen elsewhere by now
		return err
	}
	if err := h.edits(q); err != nil {
		return err
	}
	ids, err := h.Ticked(q, h.sift(q))
	if err != nil {
		return err
	}
	do := q.PostForm.Get("do")
	if action, ok := map[string]string{"publish": page.BulkPublish, "unpublish": page.BulkUnpublish,
		"delete": page.BulkTrash}[do]; ok && len(ids) > page.MaxBulk {
		things := make([]bulk.Thing, len(ids))
		for i, id := range ids {
			things[i] = bulk.Thing{Kind: "page", ID: id}
		}
		id, err := h.o.Bulk.Start(q.Context(), action, q.Site.ID, things)
		if err != nil {
			return err
		}
		return q.Done("/control/bulk/"+id.String(), "")
	}
	const list = "/control/pages"
	switch do {
	case "publish":
		if err := h.o.Pages.PublishAll(q.Context(), ids); err != nil {
			return err
		}
		return q.Done(list, "published")
	case "unpublish":
		if err := h.o.Pages.UnpublishAll(q.Context(), ids); err != nil {
			return err
		}
		return q.Done(list, "unpublished")
	case "move":
		to, err := h.placeAt(q, q.PostForm.Get("to"))
		if err != nil {
			return err
		}
		if err := h.o.Pages.MoveAll(q.Context(), ids, to); err != nil {
			return err
		}
		return q.Done(list, "moved")
	case "delete":
		tops, err := h.o.Pages.TrashAll(q.Context(), ids)
		if err != nil {
			return err
		}
		return q.Trashed(list, "page", tops...)
	}
	return stoa.Invalid("do",
		"%.20q cannot be done with several pages: publish, unpublish, move or delete is expected", do)
}

// edits refuses persons who may edit neither the site nor a page of it, as the list of pages does.
func (h *screens) edits(q *admin.Request) error {
	why := h.Permit(q, admin.EditSite)
	if why == nil {
		return nil
	}
	rows, err := h.editablePages(q)
	if err != nil || len(rows) > 0 {
		return err
	}
	return why
}

// placeAt gives the page at an address, of those that the actor may edit, as a place for others; "/" is the top.
func (h *screens) placeAt(q *admin.Request, address string) (stoa.ID, error) {
	address = strings.TrimSpace(address)
	if address == "/" {
		return 0, nil
	}
	rows, err := h.editablePages(q)
	if err != nil {
		return 0, err
	}
	for _, r := range rows {
		if address != "" && r.Path == "/"+strings.Trim(address, "/") {
			return r.ID, nil
		}
	}
	return 0, stoa.Invalid("to",
		"%.60q is not the address of a page below which you can put others: choose one that is proposed, or / for the top",
		address)
}

// choosePage proposes pages to move others below, by a part of their titles or addresses.
func (h *screens) choosePage(q *admin.Request) error {
	if err := h.edits(q); err != nil {
		return err
	}
	rows, err := h.editablePages(q)
	if err != nil {
		return err
	}
	type item struct {
		Value string `json:"value"`
		Label string `json:"label"`
	}
	text := admin.Clip(strings.TrimSpace(q.URL.Query().Get("q")), 100)
	items, words := []item{}, admin.Listing{Query: text}
	if top := q.Word("pages.top"); words.Finds("/ " + top) {
		items = append(items, item{"/", top})
	}
	for _, r := range rows {
		if len(items) < mostChoices && words.Finds(r.Path+" "+r.Name) {
			items = append(items, item{r.Path, r.Name})
		}
	}
	return q.JSON(http.StatusOK, map[string]any{"items": items})
}
