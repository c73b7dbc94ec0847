package admin_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"unicode"

	"golang.org/x/net/html"
)

// inEnglish are the templates and files of the panel whose words are not in the catalogues yet.
var inEnglish = []string{}

// action is what a template says to html/template.
var action = regexp.MustCompile(`(?s)\{\{.*?\}\}`)

// spoken are the attributes that a person reads or hears.
var spoken = []string{"title", "alt", "placeholder", "aria-label", "label", "data-confirm", "data-confirm-text",
	"data-confirm-button"}

// names are proper names and signs that are the same in each language.
var names = regexp.MustCompile(`Stoa|portal-ext\.properties|kB|MB|ms\b`)

func says(text string) bool {
	return strings.ContainsFunc(names.ReplaceAllString(text, ""), unicode.IsLetter)
}

// A word that a person sees stands in a catalogue, so no template has one of its own.
func TestTemplates_HaveNoWordsOfTheirOwn(t *testing.T) {
	t.Parallel()
	err := filepath.WalkDir(".", func(p string, d fs.DirEntry, err error) error {
		if err != nil || filepath.Ext(p) != ".html" || slices.Contains(inEnglish, p) {
			return err
		}
		raw, err := os.ReadFile(p)
		if err != nil {
			return err
		}
		z := html.NewTokenizer(strings.NewReader(action.ReplaceAllString(string(raw), "")))
		code := 0
		for {
			kind := z.Next()
			if kind == html.ErrorToken {
				return nil
			}
			tok := z.Token()
			switch kind {
			case html.TextToken:
				if code == 0 && says(tok.Data) {
					t.Errorf("%s says %q itself", p, strings.TrimSpace(tok.Data))
				}
			case html.StartTagToken, html.SelfClosingTagToken:
				if kind == html.StartTagToken && (tok.Data == "code" || tok.Data == "script" || tok.Data == "kbd") {
					code++
				}
				for _, a := range tok.Attr {
					if slices.Contains(spoken, a.Key) && says(a.Val) {
						t.Errorf("%s says %s=%q itself", p, a.Key, a.Val)
					}
				}
			case html.EndTagToken:
				if tok.Data == "code" || tok.Data == "script" || tok.Data == "kbd" {
					code--
				}
			}
		}
	})
	if err != nil {
		t.Fatal(err)
	}
}

// shown are the fields of the frame's types that a person reads.
var shown = []string{"Title", "Label", "Help", "Purpose", "Text", "Note", "Ask", "AskText", "AskButton", "Value"}

// Nor has a screen in Go: what is put into a field that a person reads comes from a catalogue.
func TestScreens_HaveNoWordsOfTheirOwn(t *testing.T) {
	t.Parallel()
	err := filepath.WalkDir(".", func(p string, d fs.DirEntry, err error) error {
		if err != nil || filepath.Ext(p) != ".go" || strings.HasSuffix(p, "_test.go") || slices.Contains(inEnglish, p) ||
			filepath.Dir(p) == "admintest" {
			return err
		}
		set := token.NewFileSet()
		f, err := parser.ParseFile(set, p, nil, 0)
		if err != nil {
			return err
		}
		ast.Inspect(f, func(n ast.Node) bool {
			kv, ok := n.(*ast.KeyValueExpr)
			if !ok {
				return true
			}
			id, ok := kv.Key.(*ast.Ident)
			if !ok || !slices.Contains(shown, id.Name) {
				return true
			}
			ast.Inspect(kv.Value, func(m ast.Node) bool {
				if _, ok := m.(*ast.CallExpr); ok { // the key of a word, or an argument of it
					return false
				}
				lit, ok := m.(*ast.BasicLit)
				if !ok || lit.Kind != token.STRING {
					return true
				}
				text, err := strconv.Unquote(lit.Value)
				if err == nil && says(text) && (id.Name != "Value" || strings.Contains(text, " ")) {
					t.Errorf("%s: %s says %q itself", set.Position(lit.Pos()), id.Name, text)
				}
				return true
			})
			return true
		})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}
