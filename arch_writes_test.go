package stoa_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// A use case is one method of the domain with one transaction: what a person sends by one form is saved as a whole or
// not at all. So no handler calls two methods that write on one way through it. The test reads source text: a method of
// the domain writes when it, or what it calls in its package, calls Write of the database. A way goes through one
// branch of an if, a switch or a select, ends with a return, and goes through a loop twice. What is advice or is only
// counted (locks of editors, what was typed and not saved, refusals) is left out, and functions that are fields of
// options are not seen.

// manyWrites are functions of the edges that write more than once, each with the reason.
var manyWrites = map[string]string{
	"admin/contents.article": "when another person was faster, nothing was saved, and what was typed is kept",
	"admin/files.receive":    "files arrive one after the other and each is as large as it is: those that came are kept",
	"admin/files.addFiles":   "receive, in one of two forms",
	"admin/files.uploadFile": "receive, in one of two forms",
	"web.unlock":             "a try is counted before the password is known to be right, or guesses would be free",
	"web.signOut":            "each session of the browser ends by itself, and one that has ended is passed over",
}

func TestHandlers_WriteOnce(t *testing.T) {
	domain := map[string]map[string]bool{} // by package: names of methods that write
	for _, dir := range []string{"access", "asset", "content", "document", "follow", "job", "page", "secret", "site",
		"taxonomy",
		"user"} {
		domain[dir] = writing(parsed(t, dir))
		if len(domain[dir]) == 0 {
			t.Errorf("no method of %s writes: nothing was looked at", dir)
		}
	}
	dirs, err := filepath.Glob("admin/*")
	if err != nil {
		t.Fatal(err)
	}
	handlers, used := 0, map[string]bool{}
	for _, dir := range append(dirs, "admin", "web", "portal") {
		files := parsed(t, dir)
		if len(files) == 0 || layerOf(filepath.ToSlash(dir)) == helper { // what prepares tests is no screen
			continue
		}
		w := &ways{fields: services(files), domain: domain, funcs: map[string]*ast.FuncDecl{}, known: map[string]int{}}
		for _, fn := range functions(files) {
			w.funcs[fn.Name.Name] = fn
		}
		for name := range w.funcs {
			n := w.of(name)
			if n > 0 {
				handlers++
			}
			key := filepath.ToSlash(dir) + "." + name
			if n < 2 {
				continue
			}
			if used[key] = true; manyWrites[key] == "" {
				t.Errorf("%s writes %d times on one way: make one method of the domain of it, or name the reason here", key, n)
			}
		}
	}
	if handlers < 50 {
		t.Errorf("only %d functions that write were found: nothing was looked at", handlers)
	}
	for key := range manyWrites {
		if !used[key] {
			t.Errorf("%s writes once by now: take it off the list", key)
		}
	}
}

func parsed(t *testing.T, dir string) (files []*ast.File) {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(dir, "*.go"))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		f, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, f)
	}
	return files
}

func functions(files []*ast.File) (out []*ast.FuncDecl) {
	for _, f := range files {
		for _, d := range f.Decls {
			if fn, ok := d.(*ast.FuncDecl); ok && fn.Body != nil {
				out = append(out, fn)
			}
		}
	}
	return out
}

// writing gives the functions of a package that write, by themselves or by what they call.
func writing(files []*ast.File) map[string]bool {
	calls, out, packages := map[string][]string{}, map[string]bool{}, map[string]bool{}
	for _, f := range files {
		for _, i := range f.Imports {
			packages[path.Base(strings.Trim(i.Path.Value, `"`))] = true
		}
	}
	for _, fn := range functions(files) {
		ast.Inspect(fn.Body, func(n ast.Node) bool {
			call, ok := n.(*ast.CallExpr)
			if !ok {
				return true
			}
			switch f := call.Fun.(type) {
			case *ast.SelectorExpr:
				if of, ok := f.X.(*ast.SelectorExpr); ok && f.Sel.Name == "Write" &&
					slices.Contains([]string{"DB", "db", "d"}, of.Sel.Name) {
					out[fn.Name.Name] = true
				}
				if x, ok := f.X.(*ast.Ident); ok && !packages[x.Name] { // of the same receiver, or of a variable
					calls[f.Sel.Name] = append(calls[f.Sel.Name], fn.Name.Name)
				}
			case *ast.Ident:
				calls[f.Name] = append(calls[f.Name], fn.Name.Name)
			}
			return true
		})
	}
	own := map[string]bool{}
	for _, fn := range functions(files) {
		own[fn.Name.Name] = true
	}
	var open []string
	for name := range out {
		open = append(open, name)
	}
	for len(open) > 0 {
		name := open[0]
		open = open[1:]
		for _, by := range calls[name] {
			if own[name] && !out[by] {
				out[by] = true
				open = append(open, by)
			}
		}
	}
	return out
}

// services gives the packages of the services that fields of structs are.
func services(files []*ast.File) map[string]string {
	out := map[string]string{}
	for _, f := range files {
		ast.Inspect(f, func(n ast.Node) bool {
			st, ok := n.(*ast.StructType)
			if !ok {
				return true
			}
			for _, x := range st.Fields.List {
				star, ok := x.Type.(*ast.StarExpr)
				if !ok {
					continue
				}
				if sel, ok := star.X.(*ast.SelectorExpr); ok {
					for _, name := range x.Names {
						out[name.Name] = sel.X.(*ast.Ident).Name
					}
				}
			}
			return true
		})
	}
	return out
}

// ways counts the most writes on one way through a function.
type ways struct {
	fields map[string]string
	domain map[string]map[string]bool
	funcs  map[string]*ast.FuncDecl
	known  map[string]int
}

func (w *ways) of(name string) int {
	n, ok := w.known[name]
	if !ok {
		w.known[name] = 0 // in a ring it counts once
		n, _ = w.list(w.funcs[name].Body.List)
		w.known[name] = n
	}
	return n
}

// list gives the most writes on a way through statements, and whether each way ends there.
func (w *ways) list(stmts []ast.Stmt) (most int, ends bool) {
	so, ended := 0, 0 // on the way that goes on, and the most on one that has ended
	for _, s := range stmts {
		on, end, ends := w.stmt(s)
		if end >= 0 {
			ended = max(ended, so+end)
		}
		if ends {
			return max(ended, so+on), true
		}
		so += on
	}
	return max(ended, so), false
}

// stmt gives the most writes on a way that goes on after a statement, and on one that ends in it (-1: none does).
func (w *ways) stmt(s ast.Stmt) (on, end int, ends bool) {
	end = -1
	branch := func(before int, stmts []ast.Stmt) {
		n, e := w.list(stmts)
		if e {
			end = max(end, before+n)
		} else {
			on = max(on, before+n)
		}
	}
	switch s := s.(type) {
	case *ast.ReturnStmt:
		return w.in(s), -1, true
	case *ast.BlockStmt:
		n, e := w.list(s.List)
		return n, -1, e
	case *ast.IfStmt:
		before := w.in(s.Init) + w.in(s.Cond)
		on = before
		branch(before, s.Body.List)
		if s.Else != nil {
			o, e, all := w.stmt(s.Else)
			if e >= 0 {
				end = max(end, before+e)
			}
			if all {
				end = max(end, before+o)
			} else {
				on = max(on, before+o)
			}
		}
		return on, end, false
	case *ast.SwitchStmt:
		before := w.in(s.Init) + w.in(s.Tag)
		on = before
		for _, c := range s.Body.List {
			branch(before+w.exprs(c.(*ast.CaseClause).List), c.(*ast.CaseClause).Body)
		}
		return on, end, false
	case *ast.TypeSwitchStmt:
		for _, c := range s.Body.List {
			branch(0, c.(*ast.CaseClause).Body)
		}
		return on, end, false
	case *ast.SelectStmt:
		for _, c := range s.Body.List {
			branch(0, c.(*ast.CommClause).Body)
		}
		return on, end, false
	case *ast.ForStmt:
		n, e := w.list(s.Body.List)
		if e {
			return w.in(s.Init) + w.in(s.Cond), n, false
		}
		return w.in(s.Init) + 2*(w.in(s.Cond)+n), -1, false
	case *ast.RangeStmt:
		n, e := w.list(s.Body.List)
		if e {
			return w.in(s.X), n, false
		}
		return w.in(s.X) + 2*n, -1, false
	}
	return w.in(s), -1, false
}

func (w *ways) exprs(list []ast.Expr) (n int) {
	for _, x := range list {
		n += w.in(x)
	}
	return n
}

// in counts the calls that write in an expression or a simple statement.
func (w *ways) in(n ast.Node) (count int) {
	if n == nil {
		return 0
	}
	if e, ok := n.(ast.Expr); ok && e == nil {
		return 0
	}
	ast.Inspect(n, func(n ast.Node) bool {
		call, ok := n.(*ast.CallExpr)
		if !ok {
			return true
		}
		sel, ok := call.Fun.(*ast.SelectorExpr)
		if !ok {
			if id, ok := call.Fun.(*ast.Ident); ok && w.funcs[id.Name] != nil {
				count += w.of(id.Name)
			}
			return true
		}
		switch x := sel.X.(type) {
		case *ast.SelectorExpr: // h.o.Pages.Save
			if w.domain[w.fields[x.Sel.Name]][sel.Sel.Name] {
				count++
			}
		case *ast.Ident: // h.save
			if w.funcs[sel.Sel.Name] != nil && len(x.Name) == 1 {
				count += w.of(sel.Sel.Name)
			}
		}
		return true
	})
	return count
}
