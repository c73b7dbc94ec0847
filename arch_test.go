package stoa_test

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
)

// The rules of the house, as ARCHITECTURE.md tells them. They read the source
// text only, so they also hold for files that other build tags hide.

const modulePath = "github.com/stoa-portal/stoa"

// layer says where a package stands. A package imports its own layer and those
// below; drivers, config and server are named by few.
type layer int

const (
	unknown  layer = iota
	root           // the shared words
	platform       // knows nothing about sites or pages
	domain         // what the product is
	edge           // speaks HTTP
	driver         // a heavy dependency behind a seam of its parent
	settings       // config
	assembly       // server: builds a node
	command        // main packages
	helper         // packages for tests, imported by tests alone
)

func (l layer) String() string {
	return [...]string{"unknown", "root", "platform", "domain", "edge", "driver", "config", "server", "command", "test helper"}[l]
}

// house names the layer of every folder at the top.
var house = map[string]layer{
	"db": platform, "change": platform, "cluster": platform, "cache": platform,
	"job": platform, "bulk": platform, "follow": platform, "filestore": platform, "search": platform,
	"look": platform, // style sheets, typefaces, icons
	"lang": platform, "audit": platform, "autosave": platform, "secret": platform, "passhash": platform,
	"throttle": platform,
	"recycle":  platform, // rows of the recycle bin

	"access": domain, "user": domain, "lock": domain, "site": domain, "asset": domain, "taxonomy": domain,
	"widget": domain,
	"page":   domain, "content": domain, "blog": domain, "document": domain, "publish": domain,
	"app": domain, "render": domain, "importer": domain, "richtext": domain, "mail": domain,
	"theme": domain,

	"httpd": edge, "portal": edge, "web": edge, "api": edge, "admin": edge,

	"config": settings, "server": assembly, "cmd": command, "tools": command,
}

// drivers are the packages with a dependency that only server should carry.
var drivers = []string{
	"cluster/nats", "filestore/s3store", "filestore/dbstore", "filestore/bucket", "search/remote", "search/embedded",
}

// sharedByAnyone may be imported by every package that is not test code.
var sharedModules = []string{"golang.org/x/text", "golang.org/x/sync"}

// testModules may be imported by tests and test helpers of any package.
var testModules = []string{
	"pgregory.net/rapid", "go.uber.org/goleak", "github.com/rogpeppe/go-internal",
	"github.com/chromedp/chromedp", "github.com/chromedp/cdproto",
	"github.com/anishathalye/porcupine", "golang.org/x/net",
	"github.com/nats-io/nats-server/v2", // a message server that is not ours
	"github.com/minio/minio-go/v7",      // makes the bucket of a test
}

// allowedModules lists, per folder and what is below it, the modules its code
// may import. A new entry also wants a sentence in docs/dependencies.md.
var allowedModules = map[string][]string{
	"db": {
		"github.com/jackc/pgx/v5", "github.com/go-sql-driver/mysql", "modernc.org/sqlite",
		"github.com/pressly/goose/v3", "golang.org/x/sys",
	},
	"db/transfer": {"github.com/klauspost/compress"},
	"cluster":     {"golang.org/x/sys"},
	"cluster/nats": {"github.com/nats-io/nats-server/v2", "github.com/nats-io/nats.go", "github.com/nats-io/nkeys",
		"golang.org/x/crypto"},
	"job":               {"github.com/robfig/cron/v3"},
	"filestore":         {"golang.org/x/sys"},
	"filestore/s3store": {"github.com/minio/minio-go/v7"},
	"filestore/bucket": {"gocloud.dev", "cloud.google.com/go/storage", "github.com/googleapis/gax-go/v2",
		"golang.org/x/oauth2", "google.golang.org/api", "github.com/Azure/azure-sdk-for-go/sdk/azcore",
		"github.com/Azure/azure-sdk-for-go/sdk/azidentity", "github.com/Azure/azure-sdk-for-go/sdk/storage/azblob"},
	"search/embedded": {"github.com/blevesearch/bleve/v2", "github.com/blevesearch/bleve_index_api",
		"go.etcd.io/bbolt"},
	"passhash": {"golang.org/x/crypto"},
	"user":     {"github.com/go-webauthn/webauthn"},
	"mail":     {"github.com/wneessen/go-mail"},
	"document": {"golang.org/x/image"},
	"content":  {"github.com/sergi/go-diff"},
	"site":     {"golang.org/x/net"},
	"richtext": {"github.com/microcosm-cc/bluemonday", "golang.org/x/net"},
	"importer": {"golang.org/x/net"},
	"look":     {"github.com/andybalholm/brotli"},
	"httpd": {
		"github.com/prometheus/client_golang", "github.com/andybalholm/brotli",
		"golang.org/x/crypto", "golang.org/x/net", "golang.org/x/time", "github.com/pires/go-proxyproto",
	},
	"web":    {"github.com/prometheus/client_golang", "rsc.io/qr"}, // the bench measures with metrics on, as in production
	"server": {"github.com/prometheus/client_golang", "golang.org/x/sys"},
	"cmd":    {"github.com/spf13/cobra", "golang.org/x/sys", "golang.org/x/term"},
}

// mayChange lists package variables that do change, each with its reason. Keep
// it short: a variable of a package is shared by all nodes in one process.
var mayChange = map[string]string{}

// file is one parsed Go file.
type file struct {
	path      string // slashes, from the root of the module
	dir       string // "" for the root
	test      bool   // ends in _test.go
	generated bool
	lines     int
	ast       *ast.File
	imports   map[string]string // local name → import path
}

var source = sync.OnceValues(parseAll)

// parseAll reads every Go file of the module.
func parseAll() (*token.FileSet, map[string][]*file) {
	fset := token.NewFileSet()
	dirs := map[string][]*file{}
	err := filepath.WalkDir(".", func(p string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			n := d.Name()
			if p != "." && (strings.HasPrefix(n, ".") || strings.HasPrefix(n, "_") || n == "testdata" || n == "vendor" ||
				n == "node_modules" ||
				hasOwnModule(p) && p != "tools") { // the tools keep the rules of the house, too
				return filepath.SkipDir
			}
			return nil
		}
		if !strings.HasSuffix(p, ".go") {
			return nil
		}
		text, err := os.ReadFile(p)
		if err != nil {
			return err
		}
		one, err := parseFile(fset, filepath.ToSlash(p), text)
		if err != nil {
			return err
		}
		dirs[one.dir] = append(dirs[one.dir], one)
		return nil
	})
	if err != nil {
		panic(fmt.Sprintf("read the source: %v", err)) // every rule would pass without it
	}
	return fset, dirs
}

// parseFile reads one file; name is its path from the root of the module.
func parseFile(fset *token.FileSet, name string, text []byte) (*file, error) {
	parsed, err := parser.ParseFile(fset, name, text, parser.ParseComments)
	if err != nil {
		return nil, err
	}
	dir := path.Dir(name)
	if dir == "." {
		dir = ""
	}
	f := &file{
		path: name, dir: dir, test: strings.HasSuffix(name, "_test.go"),
		generated: strings.HasSuffix(name, "_templ.go") || ast.IsGenerated(parsed),
		lines:     strings.Count(string(text), "\n"), ast: parsed, imports: map[string]string{},
	}
	for _, spec := range parsed.Imports {
		ip, err := strconv.Unquote(spec.Path.Value)
		if err != nil {
			return nil, fmt.Errorf("%s: import %s: %w", name, spec.Path.Value, err)
		}
		local := importName(ip)
		if spec.Name != nil {
			local = spec.Name.Name
		}
		if local == "_" || local == "." {
			local += ip // several of them may stand in one file
		}
		f.imports[local] = ip
	}
	return f, nil
}

func hasOwnModule(dir string) bool {
	_, err := os.Stat(filepath.Join(dir, "go.mod"))
	return err == nil
}

var majorVersion = regexp.MustCompile(`^v[0-9]+$`)

// importName guesses the name a package goes by: the last part of its path, or
// the one before a major version.
func importName(ip string) string {
	base := path.Base(ip)
	if majorVersion.MatchString(base) {
		base = path.Base(path.Dir(ip))
	}
	return base
}

// everyFile calls fn for each file in a fixed order.
func everyFile(fn func(*file)) {
	_, dirs := source()
	for _, dir := range sortedKeys(dirs) {
		for _, f := range dirs[dir] {
			fn(f)
		}
	}
}

func sortedKeys[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

func top(dir string) string {
	t, _, _ := strings.Cut(dir, "/")
	return t
}

func within(dir, folder string) bool { return dir == folder || strings.HasPrefix(dir, folder+"/") }

// layerOf places a folder of the module.
func layerOf(dir string) layer {
	switch {
	case dir == "":
		return root
	case dir != "" && strings.HasSuffix(path.Base(dir), "test"):
		return helper
	}
	for _, d := range drivers {
		if within(dir, d) {
			return driver
		}
	}
	return house[top(dir)]
}

// inner returns the folder of an import path of this module.
func inner(ip string) (dir string, ok bool) {
	if ip == modulePath {
		return "", true
	}
	return strings.CutPrefix(ip, modulePath+"/")
}

func TestHouse_EveryFolderHasItsPlace(t *testing.T) {
	everyFile(func(f *file) {
		if layerOf(f.dir) == unknown {
			t.Errorf("%s: the folder %q has no place in the house; put the code where its noun lives, or name the folder in house in arch_test.go and in ARCHITECTURE.md", f.path, top(f.dir))
		}
	})
}

func TestHouse_ImportsGoDownOnly(t *testing.T) {
	everyFile(func(f *file) {
		if f.test {
			return
		}
		for _, ip := range f.imports {
			dir, ok := inner(ip)
			if !ok {
				continue
			}
			if why := forbidden(f.dir, dir); why != "" {
				t.Errorf("%s imports %s: %s", f.path, shown(dir), why)
			}
		}
	})
}

func shown(dir string) string {
	if dir == "" {
		return "stoa"
	}
	return dir
}

// forbidden says why the package in from may not import the one in to, "" when
// it may.
func forbidden(from, to string) string {
	a, b := layerOf(from), layerOf(to)
	sameFolder := top(from) == top(to)
	switch {
	case a == helper:
		return ""
	case b == helper:
		return "packages whose names end in \"test\" are for tests alone"
	case b == command && (a != command || !sameFolder):
		return "nothing imports a program"
	case b == settings && a != command && a != assembly && a != settings:
		return "only cmd and server read the configuration; take an Options struct"
	case b == driver && a != command && a != assembly && (a != driver || !sameFolder):
		return "only server picks a driver; depend on the interface of its parent"
	case b == assembly && a != command && a != assembly:
		return "only cmd and tests build a node"
	case a == root:
		return "the shared words import nothing of the house"
	case a == settings && b != root && b != settings:
		return "config knows settings, not the packages they configure"
	case (from == "cache" || from == "filestore") && b != root:
		return from + " stands on its own and imports only the shared words"
	case (a == platform || a == driver) && (b == domain || b == edge):
		return "platform packages know nothing of the domain; turn the call round with an interface or a function"
	case top(from) == "asset" && b == domain && !sameFolder && to != "access" && to != "site":
		return "asset stands below the kinds of content and knows none of them; let their asset.Type say what it needs"
	case a == domain && b == edge:
		return "the domain does not know HTTP"
	case from == "admin" && strings.HasPrefix(to, "admin/"):
		return "the frame of the control panel knows no area; let the area register what the frame asks for"
	case strings.HasPrefix(from, "admin/") && strings.HasPrefix(to, "admin/") && from != to:
		return "areas of the control panel do not import each other; what they share belongs to the frame"
	case a == edge && b == edge && !sameFolder && top(to) != "httpd" && to != "portal":
		return "edges do not import each other; what they share belongs to the domain, to portal or to httpd"
	}
	return ""
}

func TestHouse_ForbiddenKnowsTheMatrix(t *testing.T) {
	for _, c := range []struct {
		from, to string
		ok       bool
	}{
		{"web", "page", true}, {"page", "web", false}, {"web", "admin", false}, {"admin", "admin/pages", false},
		{"web", "portal", true}, {"portal", "web", false},
		{"admin/pages", "admin", true}, {"admin/pages", "admin/files", false}, {"server", "admin/pages", true},
		{"api", "httpd", true},
		{"httpd", "web", false}, {"page", "db", true}, {"db", "page", false}, {"cache", "db", false},
		{"cache", "", true}, {"", "db", false}, {"job", "change", true}, {"server", "cluster/nats", true},
		{"page", "cluster/nats", false}, {"filestore/bucket", "filestore", true}, {"page", "config", false},
		{"server", "config", true}, {"cmd/stoa", "server", true}, {"web", "server", false},
		{"page", "db/dbtest", false}, {"server/servertest", "server", true}, {"config", "db", false},
		{"importer/wordpress", "importer", true}, {"page", "asset", true}, {"asset", "page", false},
		{"asset", "access", true}, {"web", "web/assets", true}, {"admin", "cmd/stoa", false},
	} {
		if got := forbidden(c.from, c.to) == ""; got != c.ok {
			t.Errorf("forbidden(%q, %q) allows: %v, want %v", c.from, c.to, got, c.ok)
		}
	}
}

func TestHouse_OneCommentPerPackage(t *testing.T) {
	_, dirs := source()
	for _, dir := range sortedKeys(dirs) {
		var code, with []string
		for _, f := range dirs[dir] {
			if f.test || strings.HasSuffix(f.path, "_templ.go") || ignored(f) {
				continue
			}
			code = append(code, f.path)
			if f.ast.Doc != nil && strings.TrimSpace(f.ast.Doc.Text()) != "" {
				with = append(with, f.path)
			}
		}
		if len(code) == 0 {
			continue
		}
		switch len(with) {
		case 1:
		case 0:
			t.Errorf("package %s has no package comment: say in one file what it is for and what its main type is", shown(dir))
		default:
			t.Errorf("package %s has %d package comments, in %s: keep one", shown(dir), len(with), strings.Join(with, ", "))
		}
	}
}

// ignored says whether a file belongs to no build by itself.
func ignored(f *file) bool {
	for _, g := range f.ast.Comments {
		for _, c := range g.List {
			if c.Pos() < f.ast.Package && strings.HasPrefix(c.Text, "//go:build ") && strings.Contains(c.Text, "ignore") {
				return true
			}
		}
	}
	return false
}

func TestHouse_FilesAreShort(t *testing.T) {
	const most = 800
	everyFile(func(f *file) {
		if f.lines > most && !f.generated {
			t.Errorf("%s has %d lines: over %d, split it by concept", f.path, f.lines, most)
		}
	})
}

func TestHouse_ModulesAreOnTheList(t *testing.T) {
	everyFile(func(f *file) {
		for _, ip := range f.imports {
			if !strings.Contains(strings.SplitN(ip, "/", 2)[0], ".") || strings.HasPrefix(ip, modulePath) {
				continue
			}
			if ignored(f) || moduleAllowed(f, ip) {
				continue
			}
			t.Errorf("%s imports %s, which is not on the list of its package: prefer the standard library or a module the house has; else add it to allowedModules in arch_test.go and a sentence to docs/dependencies.md", f.path, ip)
		}
	})
}

func moduleAllowed(f *file, ip string) bool {
	lists := [][]string{sharedModules}
	if f.test || layerOf(f.dir) == helper {
		lists = append(lists, testModules)
	}
	for folder, list := range allowedModules {
		if within(f.dir, folder) {
			lists = append(lists, list)
		}
	}
	for _, list := range lists {
		for _, m := range list {
			if ip == m || strings.HasPrefix(ip, m+"/") {
				return true
			}
		}
	}
	return false
}

func TestHouse_ModulesHaveAReason(t *testing.T) {
	gomod, err := os.ReadFile("go.mod")
	if err != nil {
		t.Fatal(err)
	}
	doc, err := os.ReadFile("docs/dependencies.md")
	if err != nil {
		t.Fatalf("every module we import has a sentence in docs/dependencies.md: %v", err)
	}
	required := regexp.MustCompile(`(?m)^\s*(?:require\s+)?(\S+\.\S+/\S+|\S+\.\S+)\s+v\d\S*`).FindAllStringSubmatch(string(gomod), -1)
	if len(required) == 0 {
		t.Fatal("found no module in go.mod")
	}
	used := map[string]string{}
	everyFile(func(f *file) {
		for _, ip := range f.imports {
			best := ""
			for _, m := range required {
				if within(ip, m[1]) && len(m[1]) > len(best) {
					best = m[1]
				}
			}
			if best != "" {
				used[best] = f.path
			}
		}
	})
	for _, m := range sortedKeys(used) {
		if !strings.Contains(string(doc), m) {
			t.Errorf("docs/dependencies.md says nothing of %s, which %s imports", m, used[m])
		}
	}
}

func TestHouse_TestsDoNotSleep(t *testing.T) {
	fset, _ := source()
	everyFile(func(f *file) {
		if !f.test && layerOf(f.dir) != helper {
			return
		}
		ast.Inspect(f.ast, func(n ast.Node) bool {
			call, ok := n.(*ast.CallExpr)
			if !ok {
				return true
			}
			if f.calls(call, "testing/synctest", "Test") {
				return false // time passes by itself in there
			}
			if f.calls(call, "time", "Sleep") {
				t.Errorf("%s sleeps: wait for a condition or a channel, or use testing/synctest", fset.Position(call.Pos()))
			}
			return true
		})
	})
}

// calls says whether call is pkg.name, by the file's imports.
func (f *file) calls(call *ast.CallExpr, pkg, name string) bool {
	sel, ok := call.Fun.(*ast.SelectorExpr)
	if !ok || sel.Sel.Name != name {
		return false
	}
	id, ok := sel.X.(*ast.Ident)
	return ok && f.imports[id.Name] == pkg
}
