package cluster_test

import (
	"context"
	"encoding/json"
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stoa-portal/stoa/cluster"
	"github.com/stoa-portal/stoa/db"
	"github.com/stoa-portal/stoa/db/dbtest"
	"github.com/stoa-portal/stoa/lang"
)

// constant gives the text of a string that stands in the source, joined where it goes on in the next line.
func constant(e ast.Expr) string {
	switch e := e.(type) {
	case *ast.BasicLit:
		s, _ := strconv.Unquote(e.Value)
		return s
	case *ast.BinaryExpr:
		if a, b := constant(e.X), constant(e.Y); a != "" && b != "" {
			return a + b
		}
	}
	return ""
}

// What the cluster says on the screen stands in the catalogues, so that each person reads it in their language. What
// server/look.go finds is for the command line alone.
func TestWords_EachSentenceOfTheClusterIsKnownInGerman(t *testing.T) {
	t.Parallel()
	// Which arguments of these functions are sentences.
	sentences := map[string][]int{"says": {0}, "form": {1, 2}, "tell": {3, 4}, "add": {2}, "addAs": {3}, "Saying": {0},
		"is": {1}}
	// Said where no node was asked, which is on the command line.
	command := []string{"%s has not left the cluster, but its beat stands still.",
		"%s have not left the cluster, but their beat stands still.",
		"ask a node that runs: stoa cluster status on its host names the properties",
		"Not all settings that should be the same on all nodes are: %s differ from each other.",
		"start one: stoa serve", "No node of this database lives."}
	known := lang.In("de").Keys()
	found := 0
	need := func(where token.Position, e ast.Expr) {
		s := constant(e)
		if s == "" || slices.Contains(command, s) {
			return
		}
		found++
		if known[s] == "" {
			t.Errorf("%s: no catalogue has %q", where, s)
		}
	}
	for _, dir := range []string{".", "../server"} {
		list, err := filepath.Glob(dir + "/*.go")
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range list {
			if strings.HasSuffix(p, "_test.go") {
				continue
			}
			set := token.NewFileSet()
			f, err := parser.ParseFile(set, p, nil, 0)
			if err != nil {
				t.Fatal(err)
			}
			ast.Inspect(f, func(n ast.Node) bool {
				switch n := n.(type) {
				case *ast.CallExpr:
					name := ""
					switch fn := n.Fun.(type) {
					case *ast.Ident:
						name = fn.Name
					case *ast.SelectorExpr:
						name = fn.Sel.Name
					}
					for _, i := range sentences[name] {
						if i < len(n.Args) && (name != "add" && name != "is" || dir == ".") {
							need(set.Position(n.Pos()), n.Args[i])
						}
					}
				case *ast.KeyValueExpr:
					key, ok := n.Key.(*ast.Ident)
					if ok && key.Name == "Mend" && filepath.Base(p) != "look.go" {
						need(set.Position(n.Pos()), n.Value)
					}
				}
				return true
			})
		}
	}
	if found < 50 {
		t.Errorf("only %d sentences were found in the source", found)
	}
}

// asked is a cluster of two of which the second is not ready; p has come over the wire.
func asked(t *testing.T, p cluster.Problem) cluster.Asked {
	t.Helper()
	raw, err := json.Marshal(cluster.Report{Problems: []cluster.Problem{p}})
	if err != nil {
		t.Fatal(err)
	}
	var sent cluster.Report
	if err := json.Unmarshal(raw, &sent); err != nil {
		t.Fatal(err)
	}
	one := cluster.Member{Writer: 1, Node: "a", Name: "node-1", State: "up", Live: true, Self: true}
	two := cluster.Member{Writer: 2, Node: "b", Name: "node-2", State: "up", Live: true}
	return cluster.Asked{Members: []cluster.Member{one, two}, Master: 1, Link: "inside",
		Answers: []cluster.Answer[cluster.Report]{{Member: one}, {Member: two, Value: sent}}}
}

func TestWords_AFindingIsSaidInTheLanguageOfTheReader(t *testing.T) {
	t.Parallel()
	of := func(p cluster.Problem, from string) cluster.Finding {
		list := cluster.NewStatus(asked(t, p)).Wrong
		i := slices.IndexFunc(list, func(f cluster.Finding) bool { return strings.Contains(f.Text, from) })
		if i < 0 {
			t.Fatalf("no finding says %q: %v", from, list)
		}
		return list[i]
	}
	late := cluster.Problem{Requirement: "change log", Code: cluster.CodeChangeLate}
	late = late.Saying("the change log was last read %s ago", 7*time.Second)
	f := of(late, "last read")
	if f.Text != "node-2 is not ready (change log): the change log was last read 7s ago." {
		t.Error(f.Text)
	}
	if got := lang.In("en").Error(f.Said()); got != f.Text {
		t.Errorf("in English: %q", got)
	}
	want := "node-2 ist nicht bereit (Änderungsprotokoll): das Änderungsprotokoll wurde zuletzt vor 7s gelesen."
	if got := lang.In("de").Error(f.Said()); got != want {
		t.Errorf("in German: %q", got)
	}
	raw, err := json.Marshal(f)
	if err != nil || strings.Contains(string(raw), "%s") {
		t.Errorf("a command shows %s: %v", raw, err)
	}
	// A node of the version before sends no sentence, and its message may look like one.
	f = of(cluster.Problem{Requirement: "database", Message: "100 %d of it\n is away."}, "away")
	if got := lang.In("de").Error(f.Said()); got != "node-2 ist nicht bereit (Datenbank): 100 %d of it is away." {
		t.Errorf("of an older node: %q", got)
	}
}

func TestWords_AnEventKeepsItsSentence(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		ctx := system(t)
		e := cluster.Event{Code: cluster.CodeEventsLost, Data: map[string]string{"node": "n1"}}
		e = e.Saying("%s could not keep %d events while it could not write them.", "node-1", 1234)
		plain := cluster.Event{Code: cluster.CodeNodeBack, Text: "100 %d of it is back."}
		for _, e := range []cluster.Event{e, plain} {
			if err := d.Write(ctx, func(ctx context.Context, tx *db.Tx) error {
				return cluster.RecordEvent(ctx, tx, e)
			}); err != nil {
				t.Fatal(err)
			}
		}
		list, err := cluster.Events(ctx, d, 10)
		if err != nil || len(list) != 2 {
			t.Fatal(list, err)
		}
		for _, got := range list {
			want := "100 %d of it is back."
			if got.Code == e.Code {
				want = "node-1 konnte 1.234 Ereignisse nicht behalten, solange er sie nicht schreiben konnte."
				if got.Text != "node-1 could not keep 1234 events while it could not write them." ||
					len(got.Data) != 1 || got.Data["node"] != "n1" {
					t.Errorf("%+v", got)
				}
			}
			if said := lang.In("de").Error(got.Said()); said != want {
				t.Errorf("in German: %q, want %q", said, want)
			}
		}
	})
}
