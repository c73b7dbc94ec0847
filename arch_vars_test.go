package stoa_test

import (
	"go/ast"
	"go/token"
	"slices"
	"strings"
	"testing"
)

// A node is a value: three of them run in one test process. So a package has
// no variable that changes and no init that works. Tables and sentinel errors
// are fine: a variable counts as changing when the package assigns to it or to
// a part of it, takes its address, or gives it a type that exists to change.

// changingTypes are types that make no sense in a constant.
var changingTypes = []string{
	"sync.Mutex", "sync.RWMutex", "sync.Map", "sync.Once", "sync.WaitGroup", "sync.Pool", "sync.Cond",
	"atomic.Bool", "atomic.Int32", "atomic.Int64", "atomic.Uint32", "atomic.Uint64", "atomic.Pointer", "atomic.Value",
	"bytes.Buffer", "strings.Builder",
}

func TestHouse_NoInit(t *testing.T) {
	everyFile(func(f *file) {
		for _, d := range f.ast.Decls {
			if fn, ok := d.(*ast.FuncDecl); ok && fn.Recv == nil && fn.Name.Name == "init" && !f.generated {
				t.Errorf("%s has an init function: do it in New, Open or main", f.path)
			}
		}
	})
}

func TestHouse_NoVariableChanges(t *testing.T) {
	fset, dirs := source()
	for _, dir := range sortedKeys(dirs) {
		p := collectVars(dirs[dir])
		for name, why := range p.changed() {
			v := p.vars[name]
			key := shown(dir) + "." + name
			if _, ok := mayChange[key]; ok || v.file.test {
				continue
			}
			t.Errorf("%s: the package variable %s %s: make it a field of what New returns, or give its reason under %q in mayChange in arch_test.go",
				fset.Position(v.spec.Pos()), name, strings.ReplaceAll(why, "\n", " "), key)
		}
	}
	everyFile(func(f *file) {
		for _, e := range targets(f.ast) {
			sel, ok := ast.Unparen(base(e)).(*ast.SelectorExpr)
			if !ok {
				continue
			}
			id, ok := sel.X.(*ast.Ident)
			if !ok || id.Obj != nil {
				continue
			}
			if _, ours := inner(f.imports[id.Name]); ours && f.imports[id.Name] != "" {
				t.Errorf("%s assigns to %s.%s, a variable of another package", fset.Position(e.Pos()), id.Name, sel.Sel.Name)
			}
		}
	})
}

func TestHouse_ExceptionsAreStillNeeded(t *testing.T) {
	_, dirs := source()
	needed := map[string]bool{}
	for dir, files := range dirs {
		for name := range collectVars(files).changed() {
			needed[shown(dir)+"."+name] = true
		}
	}
	for _, key := range sortedKeys(mayChange) {
		if !needed[key] {
			t.Errorf("mayChange lists %s, which does not change (any more): remove it", key)
		}
		if len(mayChange[key]) < 20 {
			t.Errorf("mayChange lists %s without a reason", key)
		}
	}
}

// The rule is only worth something when it sees what it forbids.
func TestHouse_ChangesAreSeen(t *testing.T) {
	const source = `package x
import ("errors"; "sync"; "regexp"; "embed")
var (
	errFine   = errors.New("x")
	rxFine    = regexp.MustCompile("x")
	tableFine = map[string]int{"a": 1}
	assigned  = 1
	counted   int64 = 1
	filled    = map[string]int{"a": 1}
	deleted   = map[string]int{"a": 1}
	pointed   = struct{ n int }{}
	field     = struct{ n int }{}
	mu        sync.Mutex
	lazy      = make(map[string]int)
	later     error
	ch        = make(chan int)
	_ error   = errFine
	shadowFine = 1
)
//go:embed x.txt
var textFine string
//go:embed assets
var filesFine embed.FS
func f() {
	assigned = 2
	counted++
	filled["b"] = 2
	delete(deleted, "a")
	_ = &pointed
	field.n = 3
	shadowFine := 2
	shadowFine = 3
	_ = shadowFine
}`
	one, err := parseFile(token.NewFileSet(), "x/x.go", []byte(source))
	if err != nil {
		t.Fatal(err)
	}
	got := collectVars([]*file{one}).changed()
	for _, name := range []string{"assigned", "counted", "filled", "deleted", "pointed", "field", "mu", "lazy", "later", "ch"} {
		if got[name] == "" {
			t.Errorf("the variable %s changes, and the rule does not see it", name)
		}
	}
	for name, why := range got {
		if strings.HasSuffix(name, "Fine") {
			t.Errorf("the variable %s is fine, and the rule says it %s", name, why)
		}
	}
}

type packageVar struct {
	file  *file
	spec  *ast.ValueSpec
	index int
}

type packageVars struct {
	files []*file
	vars  map[string]packageVar
}

// collectVars finds the variables of the package in one folder. Its external
// tests are another package and cannot assign to them unseen.
func collectVars(files []*file) packageVars {
	p := packageVars{vars: map[string]packageVar{}}
	for _, f := range files {
		if strings.HasSuffix(f.ast.Name.Name, "_test") {
			continue
		}
		p.files = append(p.files, f)
		if f.generated {
			continue
		}
		for _, d := range f.ast.Decls {
			g, ok := d.(*ast.GenDecl)
			if !ok || g.Tok != token.VAR {
				continue
			}
			for _, s := range g.Specs {
				spec := s.(*ast.ValueSpec)
				for i, n := range spec.Names {
					if n.Name != "_" {
						p.vars[n.Name] = packageVar{f, spec, i}
					}
				}
			}
		}
	}
	return p
}

// changed returns the variables that change, and how.
func (p packageVars) changed() map[string]string {
	found := map[string]string{}
	for name, v := range p.vars {
		if why := changingKind(v); why != "" {
			found[name] = why
		}
	}
	for _, f := range p.files {
		open := map[*ast.Ident]bool{}
		for _, id := range f.ast.Unresolved {
			open[id] = true
		}
		refers := func(e ast.Expr) (string, bool) {
			id, ok := rootOf(e).(*ast.Ident)
			if !ok {
				return "", false
			}
			v, ok := p.vars[id.Name]
			if !ok {
				return "", false
			}
			if id.Obj == nil {
				return id.Name, open[id] && v.file != f
			}
			return id.Name, id.Obj.Decl == v.spec
		}
		for _, e := range targets(f.ast) {
			if name, ok := refers(e); ok {
				found[name] = "is changed in " + f.path
			}
		}
		ast.Inspect(f.ast, func(n ast.Node) bool {
			if u, ok := n.(*ast.UnaryExpr); ok && u.Op == token.AND {
				if name, ok := refers(u.X); ok && !f.test {
					found[name] = "has its address taken in " + f.path
				}
			}
			return true
		})
	}
	return found
}

// changingKind says whether a variable's declaration alone tells that it is
// there to change.
func changingKind(v packageVar) string {
	exprs := []ast.Expr{v.spec.Type}
	if v.index < len(v.spec.Values) {
		exprs = append(exprs, v.spec.Values[v.index])
	}
	for _, e := range exprs {
		switch e := e.(type) {
		case nil:
		case *ast.ChanType:
			return "is a channel"
		case *ast.CompositeLit:
			if n := typeName(e.Type); slices.Contains(changingTypes, n) {
				return "is a " + n
			}
		case *ast.CallExpr:
			if id, ok := e.Fun.(*ast.Ident); ok && (id.Name == "make" || id.Name == "new") && id.Obj == nil {
				return "is made empty, to be filled later"
			}
		default:
			if n := typeName(e); slices.Contains(changingTypes, n) {
				return "is a " + n
			}
		}
	}
	if v.spec.Type != nil && len(v.spec.Values) == 0 && !embedded(v) {
		return "has no value, so it is there to get one later"
	}
	return ""
}

// embedded says whether the compiler fills the variable from a file.
func embedded(v packageVar) bool {
	for _, g := range v.file.ast.Comments {
		for _, c := range g.List {
			if strings.HasPrefix(c.Text, "//go:embed ") && c.End() < v.spec.Pos() && v.spec.Pos()-c.End() < 200 {
				return true
			}
		}
	}
	return false
}

// typeName writes a.B for a (generic) type of another package.
func typeName(e ast.Expr) string {
	switch e := e.(type) {
	case *ast.IndexExpr:
		return typeName(e.X)
	case *ast.SelectorExpr:
		if id, ok := e.X.(*ast.Ident); ok {
			return id.Name + "." + e.Sel.Name
		}
	}
	return ""
}

// targets lists what a file writes to: the left sides of assignments, what is
// incremented, deleted from or cleared.
func targets(f *ast.File) []ast.Expr {
	var found []ast.Expr
	ast.Inspect(f, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.AssignStmt:
			if n.Tok != token.DEFINE {
				found = append(found, n.Lhs...)
			}
		case *ast.IncDecStmt:
			found = append(found, n.X)
		case *ast.RangeStmt:
			if n.Tok == token.ASSIGN {
				found = append(found, n.Key)
				if n.Value != nil {
					found = append(found, n.Value)
				}
			}
		case *ast.CallExpr:
			if id, ok := n.Fun.(*ast.Ident); ok && id.Obj == nil && len(n.Args) > 0 && (id.Name == "delete" || id.Name == "clear") {
				found = append(found, n.Args[0])
			}
		}
		return true
	})
	return found
}

// base strips indexes and pointers: what pkg.V[k] = x writes to is pkg.V.
func base(e ast.Expr) ast.Expr {
	for {
		switch x := e.(type) {
		case *ast.ParenExpr:
			e = x.X
		case *ast.IndexExpr:
			e = x.X
		case *ast.StarExpr:
			e = x.X
		default:
			return e
		}
	}
}

// rootOf strips fields as well: what v.a[k].b = x writes to is v.
func rootOf(e ast.Expr) ast.Expr {
	for {
		e = base(e)
		sel, ok := e.(*ast.SelectorExpr)
		if !ok {
			return e
		}
		e = sel.X
	}
}
