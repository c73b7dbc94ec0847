package lang_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"slices"
	"sort"
	"strconv"
	"strings"
	"testing"

	"github.com/stoa-portal/stoa/lang"
)

// operators are packages, and files of others, whose errors end in the log, on the command line or with operators,
// which are English. What an actor is about to do is said in each language all the same: the question who is there
// names it.
var operators = []string{"httpd/options.go", "httpd/listen.go", "httpd/headers.go",
	"search/remote/remote.go", "search/remote/apply.go",
	"cmd", "config", "importer", "db", "server", "cluster", "filestore", "change", "cache", "mail",
	"secret", "follow", "audit", "job", "look", "render", "tools", "asset"}

// said are the functions that make errors, and which of their arguments is the sentence.
var said = map[string]int{"Invalid": 1, "NotFound": 0, "Unauthorized": 0, "Forbidden": 0, "Conflict": 0, "TooLarge": 0,
	"TooMany": 0, "Unavailable": 1, "Malformed": 0}

// asks are the methods of an actor that name what is about to be done.
var asks = map[string]int{"Operates": 0, "OperatesNow": 0, "Fresh": 1, "ProveAgain": 0, "fresh": 1, "selfAfresh": 1,
	"selfWithAll": 1, "factorsShown": 3, "command": 1}

// text is the value of a constant text that is written down in one or more pieces.
func text(e ast.Expr) (string, bool) {
	switch e := e.(type) {
	case *ast.BasicLit:
		s, err := strconv.Unquote(e.Value)
		return s, err == nil && e.Kind == token.STRING
	case *ast.BinaryExpr:
		a, ok := text(e.X)
		b, too := text(e.Y)
		return a + b, ok && too && e.Op == token.ADD
	case *ast.ParenExpr:
		return text(e.X)
	}
	return "", false
}

// sentences gives what errors say to people, with the file that says it.
func sentences(t *testing.T) map[string]string {
	t.Helper()
	out := map[string]string{}
	for p, source := range read(t) {
		file := filepath.ToSlash(strings.TrimPrefix(p, ".."+string(filepath.Separator)))
		pkg, _, _ := strings.Cut(file, "/")
		if filepath.Ext(p) != ".go" || strings.Contains(p, "test/") {
			continue
		}
		logged := slices.Contains(operators, pkg) || slices.Contains(operators, file)
		f, err := parser.ParseFile(token.NewFileSet(), p, source, 0)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(f, func(n ast.Node) bool {
			call, ok := n.(*ast.CallExpr)
			if !ok {
				return true
			}
			name, ours := "", true
			switch fn := call.Fun.(type) {
			case *ast.SelectorExpr:
				x, ok := fn.X.(*ast.Ident)
				name, ours = fn.Sel.Name, ok && x.Name == "stoa"
			case *ast.Ident:
				name = fn.Name
			}
			i, makes := said[name]
			if makes = makes && (ours || name == "Malformed") && !logged; !makes {
				if i, makes = asks[name]; !makes {
					return true
				}
			}
			if len(call.Args) <= i {
				return true
			}
			s, ok := text(call.Args[i])
			if !ok || strings.Trim(s, "%sqdv ") == "" {
				return true // made elsewhere
			}
			if name == "NotFound" {
				s = "there is no " + s + " %q"
			}
			out[s] = p
			return true
		})
	}
	return out
}

func TestErrors_AreSaidInEachLanguage(t *testing.T) {
	t.Parallel()
	missing := map[string]bool{}
	for s, p := range sentences(t) {
		for _, l := range lang.Languages()[1:] {
			if lang.In(l).Keys()[s] == "" {
				missing[s+"\n\t"+p] = true
			}
		}
	}
	var list []string
	for s := range missing {
		list = append(list, s)
	}
	sort.Strings(list)
	if len(list) > untranslated {
		t.Errorf("%d sentences of errors miss in a language, and at most %d may:\n%s", len(list), untranslated,
			strings.Join(list, "\n"))
	}
}

// untranslated is how many sentences of errors are English in some language yet.
const untranslated = 0
