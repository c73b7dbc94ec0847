package operate

import (
	"context"
	"encoding/csv"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/admin"
	"github.com/stoa-portal/stoa/audit"
	"github.com/stoa-portal/stoa/lang"
)

func (h *screens) mountAudit(r *admin.Routes) {
	r.Get("/control/audit", admin.SignedIn, h.audit) // the audit log itself asks who may see it
	r.Get("/control/audit/export", admin.SignedIn, h.exportAudit)
}

// auditForm is the filter above the audit log, as it was typed.
type auditForm struct {
	Who, What, From, Outcome, Since, Until string
	After, Wrong                           string
}

// auditTime is how a field of the filter holds a point in time, in the time zone of the instance.
const auditTime = "2006-01-02T15:04"

// readAudit reads the filter of the address.
func readAudit(q *admin.Request, zone *time.Location) (v auditForm, f audit.Filter) {
	in := q.URL.Query()
	field := func(name string, most int) string { return admin.Clip(strings.TrimSpace(in.Get(name)), most) }
	v = auditForm{
		Who:     field("who", 100),
		What:    field("what", 200),
		From:    field("from", 60),
		Outcome: field("outcome", 20),
		Since:   field("since", 20),
		Until:   field("until", 20),
		After:   field("after", 60),
	}
	f = audit.Filter{Who: v.Who, What: v.What, From: v.From, Outcome: v.Outcome, After: v.After, Limit: 50}
	for _, at := range []struct {
		typed string
		into  *time.Time
	}{{v.Since, &f.Since}, {v.Until, &f.Until}} {
		t, err := time.ParseInLocation(auditTime, at.typed, zone)
		if at.typed != "" && err != nil {
			v.Wrong = q.Word("audit.time-wrong")
			continue
		}
		*at.into = t
	}
	return v, f
}

// values is the filter as a part of an address.
func (v auditForm) values() url.Values {
	out := url.Values{}
	for name, value := range map[string]string{"who": v.Who, "what": v.What, "from": v.From, "outcome": v.Outcome,
		"since": v.Since, "until": v.Until} {
		if value != "" {
			out.Set(name, value)
		}
	}
	return out
}

// audit shows who did what.
func (h *screens) audit(q *admin.Request) error {
	type view struct {
		auditForm
		Zone     string
		Outcomes []admin.Option
		List     []audit.Event
		Paging   admin.Paging
		Filtered bool
	}
	zone := q.Zone()
	form, f := readAudit(q, zone)
	v := view{auditForm: form, Zone: zone.String(), Filtered: len(form.values()) > 0,
		Outcomes: []admin.Option{{Label: q.Word("audit.outcome-all"), On: form.Outcome == ""}}}
	for _, o := range audit.Outcomes() {
		v.Outcomes = append(v.Outcomes, admin.Option{Value: o, Label: outcomeWord(q, o), On: o == form.Outcome})
	}
	page, err := admin.Shown(h.Panel, q, func(ctx context.Context) (audit.Page, error) {
		if v.Wrong != "" {
			f = audit.Filter{Limit: 1, Since: h.o.Now().AddDate(1, 0, 0)} // asks for the right and finds nothing
		}
		return h.o.Audit.List(ctx, f)
	})
	if err != nil {
		return err
	}
	v.List, v.Paging = page.Events, q.After(page.Next)
	u := form.values()
	export := "/control/audit/export"
	if len(u) > 0 {
		export += "?" + u.Encode()
	}
	return h.Show(q, http.StatusOK, "audit", admin.Screen{
		Title:   q.Word("audit.title"),
		Purpose: q.Word("audit.purpose"),
		Actions: []admin.Link{{Title: q.Word("audit.export"), URL: export, Icon: "download"}},
		Body:    v,
	})
}

// outcomeWord names an outcome.
func outcomeWord(w speaker, o string) string {
	switch o {
	case audit.Done:
		return w.Word("audit.outcome-done")
	case audit.Refused:
		return w.Word("audit.outcome-refused")
	case audit.Failed:
		return w.Word("audit.outcome-failed")
	case audit.Throttled:
		return w.Word("audit.outcome-throttled")
	}
	return o
}

// exportAudit sends the filtered list as a file, as it is read.
func (h *screens) exportAudit(q *admin.Request) error {
	v, f := readAudit(q, q.Zone())
	if v.Wrong != "" {
		return stoa.Invalid("since", "%s", strings.TrimSuffix(v.Wrong, "."))
	}
	control := http.NewResponseController(q.W)
	var out *csv.Writer
	rows := 0
	begin := func() error {
		q.W.Header().Set("Content-Type", "text/csv; charset=utf-8")
		name := "audit-" + h.o.Now().UTC().Format(time.DateOnly) + ".csv"
		q.W.Header().Set("Content-Disposition", `attachment; filename="`+name+`"`)
		out = csv.NewWriter(q.W)
		return out.Write([]string{"time", "last", "times", "instance", "user", "who", "from", "outcome", "action", "kind",
			"thing", "title", "what", "also", "node", "request", "event"})
	}
	err := h.o.Audit.Each(q.Context(), f, func(e audit.Event) error {
		if out == nil {
			if err := begin(); err != nil {
				return err
			}
		}
		if rows++; rows%500 == 0 {
			out.Flush()
			// A long file may take longer than one answer; each part has the time of one.
			_ = control.SetWriteDeadline(h.o.Now().Add(time.Minute))
			if err := out.Error(); err != nil {
				return err
			}
		}
		return out.Write(csvRow(e))
	})
	if err != nil {
		return err // after the first row the answer breaks off, so that it does not look whole
	}
	if out == nil {
		if err := begin(); err != nil {
			return err
		}
	}
	out.Flush()
	return out.Error()
}

// csvRow is a row of the file, which programs read, and so in English. What begins like a formula is made text, since
// such files are opened in spreadsheets.
func csvRow(e audit.Event) []string {
	row := []string{e.At.UTC().Format(time.RFC3339Nano), e.Until.UTC().Format(time.RFC3339Nano),
		strconv.FormatInt(e.Times, 10), e.Instance.String(), e.Actor.String(), whoOf(lang.In("en"), e), e.From,
		e.Outcome, e.Action, e.Thing.Kind, e.Thing.ID.String(), e.Thing.Title, e.Sentence(), strings.Join(e.Also, "; "),
		e.Node, e.Request,
		strconv.FormatInt(e.ID, 10)}
	for i, s := range row {
		if s != "" && strings.ContainsRune("=+-@\t\r", rune(s[0])) {
			row[i] = "'" + s
		}
	}
	return row
}

// whoOf names who did something.
func whoOf(w speaker, e audit.Event) string {
	switch {
	case e.Guest:
		return w.Word("audit.guest")
	case e.Portal:
		return w.Word("audit.portal")
	}
	return e.Who
}
