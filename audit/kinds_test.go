package audit

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/stoa-portal/stoa/lang"
)

// TestKinds_EachChangeHasAnAnswer reads the source of the program: a developer who makes a transaction change a new
// kind of thing says in kindOf whether it has rows, or why not.
func TestKinds_EachChangeHasAnAnswer(t *testing.T) {
	t.Parallel()
	// The kind is a parameter there, and given by callers that name it.
	given := map[string]string{"user/taken.go": "user usergroup", "taxonomy/trash.go": "category tag",
		"content/publish.go": "article article-draft", "follow/lost.go": "*", "asset/broken.go": "article-draft " +
			"page-draft file",
		"taxonomy/edit.go": "tag category"}
	found := map[string]bool{}
	consts, calls := map[string]string{}, map[string][]ast.Expr{}
	set := token.NewFileSet()
	err := filepath.WalkDir("..", func(p string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if n := d.Name(); d.IsDir() && (n == "testdata" || n == "tools" || n == "node_modules" || n == ".git") {
			return filepath.SkipDir
		}
		if !strings.HasSuffix(p, ".go") || strings.HasSuffix(p, "_test.go") {
			return nil
		}
		f, err := parser.ParseFile(set, p, nil, 0)
		if err != nil {
			return err
		}
		name := filepath.ToSlash(strings.TrimPrefix(p, "../"))
		ast.Inspect(f, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.ValueSpec: // constants, by package
				for i, id := range n.Names {
					if i < len(n.Values) {
						if l, ok := n.Values[i].(*ast.BasicLit); ok && l.Kind == token.STRING {
							consts[f.Name.Name+"."+id.Name], _ = strconv.Unquote(l.Value)
						}
					}
				}
			case *ast.CallExpr:
				if s, ok := n.Fun.(*ast.SelectorExpr); ok && s.Sel.Name == "Changed" && len(n.Args) == 4 {
					calls[f.Name.Name+" "+name] = append(calls[f.Name.Name+" "+name], n.Args[0])
				}
			}
			return true
		})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for at, args := range calls {
		pkg, name, _ := strings.Cut(at, " ")
		for _, arg := range args {
			value := ""
			switch a := arg.(type) {
			case *ast.BasicLit:
				value, _ = strconv.Unquote(a.Value)
			case *ast.Ident:
				value = consts[pkg+"."+a.Name]
			case *ast.SelectorExpr:
				if x, ok := a.X.(*ast.Ident); ok {
					value = consts[x.Name+"."+a.Sel.Name]
				}
			}
			if value == "" {
				value = given[name]
			}
			if value == "" {
				t.Errorf("%s changes a kind that is no constant: say here which kinds those are", name)
			}
			for _, kind := range strings.Fields(value) {
				found[kind] = true
				if _, ok := kindOf(kind); !ok {
					t.Errorf("%s changes %q: say in audit.kindOf whether it has rows in the audit log", name, kind)
				}
				if kept(kind) && KindWord(lang.In("en"), kind) == kind && kind != "page" && kind != "menu" && kind != "file" &&
					kind != "tag" && kind != "category" && kind != "user" && kind != "role" && kind != "site" &&
					kind != "redirect" && kind != "folder" {
					t.Errorf("audit.KindWord has no word for %q", kind)
				}
			}
		}
	}
	if len(found) < 15 {
		t.Errorf("only %d kinds of change were found in the source: %v", len(found), found)
	}
}
