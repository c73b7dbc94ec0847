package config

import (
	"go/ast"
	goparser "go/parser"
	"go/token"
	"io/fs"
	"maps"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
)

// notYet are settings that packages to come will read, by path in Config; * stands for a whole group. Whoever
// gives one a use takes it out.
var notYet = []string{}

// unreadByDesign are settings that are accepted for the sake of existing files, as their help says, and those that
// others read through methods of this package.
var unreadByDesign = []string{
	"DataSource.Driver", "DataSource.JNDIName", "Health.ObfuscatedProperties", "Cluster.ChannelNameTransport",
	"Cluster.AutodetectAddress", "Cluster.BindAddressControl", "Cluster.BindAddressTransport", "Cache.RegionMaxBytes", "Cache.RegionReplicate",
}

// TestSettings_AreReadBySomebody finds the fields of Config that no code outside this package mentions: properties
// that the reference explains and that do nothing.
func TestSettings_AreReadBySomebody(t *testing.T) {
	t.Parallel()
	mentioned := map[string]bool{} // "Hosts.Valid", and "Valid" alone for what stands in a struct that is passed on
	err := filepath.WalkDir("..", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") || strings.HasPrefix(path, filepath.Join("..", "config")+string(filepath.Separator)) {
			return err
		}
		file, err := goparser.ParseFile(token.NewFileSet(), path, nil, goparser.SkipObjectResolution)
		if err != nil {
			return err
		}
		ast.Inspect(file, func(n ast.Node) bool {
			if sel, ok := n.(*ast.SelectorExpr); ok {
				mentioned[sel.Sel.Name] = true
				switch x := sel.X.(type) {
				case *ast.SelectorExpr:
					mentioned[x.Sel.Name+"."+sel.Sel.Name] = true
				case *ast.Ident:
					mentioned[x.Name+"."+sel.Sel.Name] = true
				}
			}
			return true
		})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if !mentioned["Hosts.Valid"] || mentioned["Hosts.Surely.Not"] {
		t.Fatal("the source was not found")
	}
	unread := map[string]bool{}
	config := reflect.TypeFor[Config]()
	for i := range config.NumField() {
		group := config.Field(i)
		if !group.IsExported() || group.Type.Kind() != reflect.Struct {
			continue
		}
		for _, field := range reflect.VisibleFields(group.Type) {
			if path := group.Name + "." + field.Name; field.IsExported() && !field.Anonymous && !mentioned[path] &&
				!slices.Contains(notYet, group.Name+".*") {
				unread[path] = true
			}
		}
	}
	source := reflect.TypeFor[DataSource]()
	for i := range source.NumField() {
		if name := source.Field(i).Name; !mentioned["source."+name] {
			unread["DataSource."+name] = true
		}
	}
	for _, path := range slices.Sorted(maps.Keys(unread)) {
		if !slices.Contains(notYet, path) && !slices.Contains(unreadByDesign, path) {
			t.Errorf("nobody reads %s: give its property a use, or list it in table_known.go with the reason", path)
		}
	}
}
