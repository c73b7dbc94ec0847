package admin_test

import (
	"context"
	"encoding/csv"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/access"
	"github.com/stoa-portal/stoa/audit"
	"github.com/stoa-portal/stoa/db"
)

// outsider administers another instance.
func (w *world) outsider() stoa.Actor {
	return stoa.Actor{User: 99, Name: "Otto Quist", Instance: w.instance.ID + 1_000_000, Admin: true}
}

// boss administers the instance and does not operate the installation.
func (w *world) boss() stoa.Actor {
	a := w.admin
	a.Operator = false
	return a
}

func (w *world) operator() stoa.Actor {
	a := w.admin
	a.Operator = true
	return a
}

func TestAudit_ShowsWhatWasDoneInTheInstance(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	must(t, w.users.AdminSetPassword(as(w.admin), w.member.User, secret+" 2"))
	must(t, w.db.Write(as(w.outsider()), func(_ context.Context, tx *db.Tx) error {
		audit.Note(tx, audit.Deleted, audit.Thing{Kind: "page", ID: 5, Title: "<script>secret plans"})
		return nil
	}))
	mine := w.get(w.boss(), "/control/audit")
	w.want("own", mine, http.StatusOK, "Changed the password of user “nina”", "ada Brandt", "Audit log")
	w.without("own", mine, "secret plans", "On node-1")
	w.want(
		"all",
		w.get(w.operator(), "/control/audit"),
		http.StatusOK,
		"&lt;script&gt;secret plans",
		"Otto Quist",
		"node-1",
	)
	w.want("filtered", w.get(w.operator(), "/control/audit?what=PLANS&who=otto"), http.StatusOK, "secret plans")
	w.without("filtered", w.get(w.operator(), "/control/audit?what=PLANS&who=otto"), "password of user")
	w.want("nothing", w.get(w.boss(), "/control/audit?who=otto"), http.StatusOK, "Nothing fits")
	w.want("no time", w.get(w.admin, "/control/audit?since=x"), http.StatusOK, "A time such as")
	w.want("later", w.get(w.admin, "/control/audit?since=2199-01-01T00:00"), http.StatusOK, "Nothing fits")
	w.want("no place", w.get(w.admin, "/control/audit?after=x"), http.StatusUnprocessableEntity)
	for name, actor := range map[string]stoa.Actor{"editor": w.editor, "author": w.author, "member": w.member} {
		w.want(name, w.get(actor, "/control/audit"), http.StatusForbidden)
		w.want(name, w.get(actor, "/control/audit/export"), http.StatusForbidden)
		w.without(name, w.get(actor, "/control/"), "/control/audit")
	}
	// The refusals have been counted.
	must(t, w.audit.Flush(t.Context()))
	w.want(
		"refusals",
		w.get(w.admin, "/control/audit?outcome=refused"),
		http.StatusOK,
		"only administrators may see",
		"2 times",
	)
}

func TestAudit_APersonWithoutTheRightLeavesARow(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.want("users", w.get(w.editor, "/control/users"), http.StatusForbidden)
	w.want("users", w.get(w.editor, "/control/users"), http.StatusForbidden)
	must(t, w.audit.Flush(t.Context()))
	p, err := w.audit.List(as(w.admin), audit.Filter{Outcome: audit.Refused})
	must(t, err)
	if len(p.Events) != 1 || p.Events[0].Times != 2 || p.Events[0].Actor != w.editor.User ||
		p.Events[0].Thing.Kind != access.KindInstance {
		t.Errorf("%+v", p.Events)
	}
}

func TestAudit_ExportHasEveryRowAndNoFormula(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	must(t, w.db.Write(as(w.admin), func(_ context.Context, tx *db.Tx) error {
		for i := range 1200 {
			audit.Note(tx, audit.Deleted, audit.Thing{Kind: "page", ID: stoa.ID(i + 1), Title: fmt.Sprintf("=cmd|%d", i)})
		}
		return nil
	}))
	a := w.get(w.admin, "/control/audit/export?what=cmd")
	w.want("export", a, http.StatusOK)
	rows, err := csv.NewReader(strings.NewReader(a.body)).ReadAll()
	must(t, err)
	if len(rows) != 1201 || rows[1][11] != "'=cmd|1199" && !strings.HasPrefix(rows[1][11], "'=cmd|") {
		t.Fatalf("%d rows, %q", len(rows), rows[min(1, len(rows)-1)])
	}
	w.want("the export itself", w.get(w.admin, "/control/audit"), http.StatusOK, "Exported the audit log")
	rows, err = csv.NewReader(strings.NewReader(w.get(w.admin, "/control/audit/export?what=nothing+has+this").body)).
		ReadAll()
	must(t, err)
	if len(rows) != 1 {
		t.Errorf("%d rows of nothing", len(rows))
	}
}

func TestChanges_AreForOperators(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	must(t, w.db.Write(as(w.admin), func(_ context.Context, tx *db.Tx) error {
		tx.Changed("job", 701, 0, 1)
		tx.Changed("menu", 702, w.site.ID, 1)
		tx.Changed("menu", 703, w.site.ID+1_000_000, 1)
		return nil
	}))
	w.want("who does not operate the installation", w.get(w.boss(), "/control/changes?kind=menu"), http.StatusForbidden)
	all := w.get(w.operator(), "/control/changes")
	w.want("all", all, http.StatusOK, ">702<", ">703<", "node-1")
	w.without("all", all, ">701<")
	w.want("jobs", w.get(w.operator(), "/control/changes?jobs=on"), http.StatusOK, ">701<")
	w.want("jobs", w.get(w.operator(), "/control/changes?kind=job"), http.StatusOK, ">701<")
}
