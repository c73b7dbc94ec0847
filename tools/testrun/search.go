//go:build linux

package main

import (
	"context"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"text/template"
	"time"
)

// envOpenSearch names the search server that the tests have each day, http://host:port. The others have a day each.
const envOpenSearch = "STOA_TEST_OPENSEARCH"

// searchFiles are what a search server is put together with.
//
//go:embed searchnode
var searchFiles embed.FS

// artefact names a file of Maven's central repository.
type artefact struct{ Group, Name, Version string }

// searchServer says what a search server is made of. No distribution can be had from a registry, but the jars that it
// is made of can: the core, what it calls modules, and a small program that starts them.
type searchServer struct {
	name, env string
	day       time.Weekday
	daily     bool
	version   string
	jdk       int // the oldest that runs it
	project   string
	artefacts []string // group:name, of its version unless another one follows
	launch    string   // in searchFiles
	replace   []string // pairs, in the Java files
	modules   []searchModule
	java      []string // options of the process
}

// searchModule is one of its modules.
type searchModule struct {
	name, class string
	jars        []string // how their names begin; they are moved out of the class path
	source      string   // of a module that is compiled here
}

// searchServers lists them all.
func searchServers() []searchServer {
	netty := []string{"netty-", "transport-netty4-", "opensearch-netty4"}
	languages := searchModule{name: "languages", class: "Languages", source: "Languages.java"}
	open := func(version string) searchServer {
		return searchServer{
			version: version, project: "opensearch", launch: "Launch.java",
			artefacts: []string{
				"org.opensearch:opensearch", "org.opensearch:opensearch-plugin-classloader",
				"org.opensearch.plugin:transport-netty4-client", "org.opensearch.plugin:analysis-common",
				"org.apache.logging.log4j:log4j-core:2.25.4",
			},
		}
	}
	two, three := open("2.19.6"), open("3.9.0")
	two.name, two.env, two.daily, two.jdk = "OpenSearch 2", envOpenSearch, true, 11
	two.modules = []searchModule{
		{name: "transport-netty4", class: "org.opensearch.transport.Netty4Plugin", jars: netty},
		{name: "analysis-common", class: "org.opensearch.analysis.common.CommonAnalysisPlugin",
			jars: []string{"analysis-common-"}},
	}
	three.name, three.env, three.day, three.jdk = "OpenSearch 3", "STOA_TEST_OPENSEARCH3", time.Friday, 21
	three.modules = []searchModule{
		{name: "transport-netty4", class: "org.opensearch.transport.Netty4ModulePlugin", jars: netty},
		{name: "analysis-common", class: "org.opensearch.analysis.common.CommonAnalysisModulePlugin",
			jars: []string{"analysis-common-"}},
	}
	three.java = []string{"--add-modules=jdk.incubator.vector", "--enable-native-access=ALL-UNNAMED"}

	elastic := func(version string) searchServer {
		return searchServer{
			version: version, project: "elasticsearch", launch: "LaunchElastic.java",
			artefacts: []string{"org.elasticsearch:elasticsearch", "org.elasticsearch.plugin:transport-netty4"},
			replace:   []string{"/*all*/", "", "/*arguments*/", "name, settings"},
			modules: []searchModule{
				{name: "transport-netty4", class: "org.elasticsearch.transport.netty4.Netty4Plugin", jars: netty},
				languages,
			},
			java: []string{"--add-opens=java.base/java.io=ALL-UNNAMED"},
		}
	}
	seven, eight, nine := elastic("7.17.29"), elastic("8.19.21"), elastic("9.5.3")
	seven.name, seven.env, seven.day, seven.jdk = "Elasticsearch 7", "STOA_TEST_ELASTICSEARCH7", time.Tuesday, 11
	seven.launch = "Launch.java"
	seven.replace = []string{"org.opensearch", "org.elasticsearch", "/*arguments*/", "index, name, settings"}
	seven.artefacts = []string{
		"org.elasticsearch:elasticsearch", "org.elasticsearch:elasticsearch-plugin-classloader",
		"org.elasticsearch.plugin:transport-netty4-client",
	}
	seven.modules = []searchModule{
		{name: "transport-netty4", class: "org.elasticsearch.transport.Netty4Plugin", jars: netty}, languages,
	}
	eight.name, eight.env, eight.day, eight.jdk = "Elasticsearch 8", "STOA_TEST_ELASTICSEARCH8", time.Wednesday, 17
	nine.name, nine.env, nine.day, nine.jdk = "Elasticsearch 9", "STOA_TEST_ELASTICSEARCH9", time.Thursday, 21
	nine.replace = []string{"/*all*/", ", folder -> true", "/*arguments*/", "name"}
	return []searchServer{two, three, seven, eight, nine}
}

// wantsSearch reports whether the packages asked for have a test with a search server.
func wantsSearch(o options) bool {
	for p := range strings.FieldsSeq(o.packages) {
		if strings.HasSuffix(p, "...") || strings.HasSuffix(p, "server") || strings.Contains(p, "search") {
			return true
		}
	}
	return false
}

// haveJava says whether a search server can be put together.
func haveJava() bool {
	_, err := exec.LookPath("mvn")
	return err == nil && findJDK(11) != ""
}

// runs reports whether there is a Java for it, or Debian has one that can be installed.
func (s searchServer) runs() bool { return s.jdk <= 17 || findJDK(s.jdk) != "" }

// findJDK gives the folder of the oldest Java on this machine that is new enough, since that is the one the
// server was tested with, "" for none.
func findJDK(oldest int) string {
	compilers, _ := filepath.Glob("/usr/lib/jvm/*/bin/javac")
	if home := os.Getenv("JAVA_HOME"); home != "" {
		compilers = append(compilers, filepath.Join(home, "bin", "javac"))
	}
	best, found := 0, ""
	for _, c := range compilers {
		out, err := exec.Command(c, "-version").CombinedOutput()
		if err != nil {
			continue
		}
		_, version, _ := strings.Cut(strings.TrimSpace(string(out)), " ")
		major, _, _ := strings.Cut(version, ".")
		n, err := strconv.Atoi(major)
		if err == nil && n >= oldest && (best == 0 || n < best) {
			best, found = n, filepath.Dir(filepath.Dir(c))
		}
	}
	return found
}

// start puts the server together where that was not done before, and runs one node of it.
func (s searchServer) start(ctx context.Context, e *environment) (string, error) {
	jdk := findJDK(s.jdk)
	if jdk == "" {
		return "", fmt.Errorf("it wants a JDK of version %d or newer (Debian: default-jdk-headless; where that is "+
			"older, unpack one and say JAVA_HOME)", s.jdk)
	}
	if _, err := exec.LookPath("mvn"); err != nil {
		return "", errors.New("there is no mvn to fetch its parts with: install Maven (Debian: maven)")
	}
	short, cancel := context.WithTimeout(ctx, fetchWait)
	defer cancel()
	var made string
	if err := try(short, func() (err error) { made, err = s.make(short, jdk); return err }); err != nil {
		return "", err
	}
	who, err := unprivileged("nobody")
	if err != nil {
		return "", err
	}
	// The cache of root's programs is closed to other accounts.
	dir := filepath.Join(e.dir, filepath.Base(made))
	if err := os.CopyFS(dir, os.DirFS(made)); err != nil {
		return "", err
	}
	home := filepath.Join(dir, "home")
	for _, d := range []string{"config", "plugins", "data", "logs", "tmp"} {
		if err := who.own(filepath.Join(home, d), 0o755); err != nil {
			return "", err
		}
	}
	var address string
	err = onFreePort(ctx, func(port int) error {
		// The port of the nodes among themselves is any: there is one node.
		settings := fmt.Sprintf("cluster.name: stoa-test\nnode.name: one\nnetwork.host: 127.0.0.1\nhttp.port: %d\n"+
			"transport.port: 0\ndiscovery.type: single-node\ncluster.routing.allocation.disk.threshold_enabled: false\n"+
			"cluster.max_shards_per_node: 10000\n", port)
		if err := os.WriteFile(filepath.Join(home, "config", s.project+".yml"), []byte(settings), 0o644); err != nil {
			return err
		}
		argv := slices.Concat([]string{
			filepath.Join(jdk, "bin", "java"), "-Xms128m", "-Xmx512m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1",
			"-Djava.awt.headless=true", "-Djava.io.tmpdir=" + filepath.Join(home, "tmp"),
		}, s.java, []string{
			"-cp", filepath.Join(dir, "lib", "*") + ":" + filepath.Join(dir, "classes"),
			strings.TrimSuffix(s.launch, ".java"), home,
		})
		p, err := startProcess(s.name, dir+".log", who, syscall.SIGKILL, home, argv...)
		if err != nil {
			return err
		}
		at := fmt.Sprintf("http://127.0.0.1:%d", port)
		if err := p.awaitReady(ctx, 3*time.Minute, func(ctx context.Context) error { return healthy(ctx, at) }); err != nil {
			p.stop(syscall.SIGKILL, 5*time.Second)
			return err
		}
		e.keep(p, syscall.SIGTERM)
		address = at
		return nil
	})
	return address, err
}

// healthy says whether a search server takes requests.
func healthy(ctx context.Context, at string) error {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, at+"/_cluster/health", nil)
	if err != nil {
		return err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer func() { _ = resp.Body.Close() }()
	text, err := io.ReadAll(io.LimitReader(resp.Body, 1<<16))
	if err == nil && (resp.StatusCode != http.StatusOK || !strings.Contains(string(text), `"status":"green"`)) {
		err = fmt.Errorf("%s: %s", resp.Status, text)
	}
	return err
}

// make gives the folder of the server in the user's cache: jars in lib, the starting program in classes, modules in
// home/modules. It is named by all that it is made of.
func (s searchServer) make(ctx context.Context, jdk string) (string, error) {
	pom, err := s.pom()
	if err != nil {
		return "", err
	}
	sources := map[string]string{"pom.xml": pom}
	for _, name := range s.sources() {
		text, err := searchFiles.ReadFile("searchnode/" + name)
		if err != nil {
			return "", err
		}
		sources[name] = strings.NewReplacer(s.replace...).Replace(string(text))
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		return "", err
	}
	sum := sha256.New()
	_, _ = fmt.Fprint(sum, sources, s.modules, jdk) // maps are printed in the order of their keys
	parent := filepath.Join(cache, "stoa-tools", "search")
	dir := filepath.Join(parent, s.project+"-"+s.version+"-"+hex.EncodeToString(sum.Sum(nil))[:12])
	if _, err := os.Stat(dir); err == nil {
		return dir, nil
	}
	// Made beside and moved: two runs may begin at once.
	if err := os.MkdirAll(parent, 0o755); err != nil {
		return "", err
	}
	beside, err := os.MkdirTemp(parent, "make")
	if err != nil {
		return "", err
	}
	defer func() { _ = os.RemoveAll(beside) }()
	if err := s.makeIn(ctx, jdk, beside, sources); err != nil {
		return "", err
	}
	if err := os.Chmod(beside, 0o755); err != nil {
		return "", err
	}
	if err := os.Rename(beside, dir); err != nil {
		if _, there := os.Stat(dir); there != nil {
			return "", err
		}
	}
	return dir, nil
}

// sources are the Java files that are compiled.
func (s searchServer) sources() []string {
	names := []string{s.launch}
	for _, m := range s.modules {
		if m.source != "" {
			names = append(names, m.source)
		}
	}
	return names
}

// pom is what Maven reads.
func (s searchServer) pom() (string, error) {
	var all []artefact
	for _, a := range s.artefacts {
		parts := append(strings.Split(a, ":"), s.version)
		all = append(all, artefact{parts[0], parts[1], parts[2]})
	}
	t, err := template.ParseFS(searchFiles, "searchnode/pom.xml")
	if err != nil {
		return "", err
	}
	var b strings.Builder
	err = t.Execute(&b, all)
	return b.String(), err
}

// makeIn puts the server together in a folder.
func (s searchServer) makeIn(ctx context.Context, jdk, dir string, sources map[string]string) error {
	build, lib := filepath.Join(dir, "build"), filepath.Join(dir, "lib")
	classes, modules := filepath.Join(dir, "classes"), filepath.Join(dir, "home", "modules")
	for _, d := range []string{build, lib, classes, modules} {
		if err := os.MkdirAll(d, 0o755); err != nil {
			return err
		}
	}
	for name, text := range sources {
		if err := os.WriteFile(filepath.Join(build, name), []byte(text), 0o644); err != nil {
			return err
		}
	}
	// Maven keeps in its own folder what it has fetched; -C: what is not what its checksum says is refused.
	if _, err := output(ctx, nil, build, "mvn", "-q", "-B", "-C", "dependency:copy-dependencies",
		"-DoutputDirectory="+lib); err != nil {
		return err
	}
	compile := func(source, into string) error {
		_, err := output(ctx, nil, build, filepath.Join(jdk, "bin", "javac"), "-nowarn", "-proc:none",
			"-cp", filepath.Join(lib, "*"), "-d", into, source)
		return err
	}
	if err := compile(s.launch, classes); err != nil {
		return err
	}
	for _, m := range s.modules {
		if err := m.make(ctx, s, jdk, filepath.Join(modules, m.name), lib, compile); err != nil {
			return fmt.Errorf("module %s: %w", m.name, err)
		}
	}
	return os.RemoveAll(build)
}

// make puts one module together in a folder: its jars and what the server wants to know of it.
func (m searchModule) make(ctx context.Context, s searchServer, jdk, dir, lib string,
	compile func(source, into string) error) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	if m.source != "" {
		compiled := filepath.Join(lib, "..", "build", m.name)
		if err := os.MkdirAll(compiled, 0o755); err != nil {
			return err
		}
		if err := compile(m.source, compiled); err != nil {
			return err
		}
		if _, err := output(ctx, nil, compiled, filepath.Join(jdk, "bin", "jar"), "--create",
			"--file", filepath.Join(dir, m.name+".jar"), "-C", compiled, "."); err != nil {
			return err
		}
	}
	jars, err := os.ReadDir(lib)
	if err != nil {
		return err
	}
	for _, jar := range jars {
		if slices.ContainsFunc(m.jars, func(begin string) bool { return strings.HasPrefix(jar.Name(), begin) }) {
			if err := os.Rename(filepath.Join(lib, jar.Name()), filepath.Join(dir, jar.Name())); err != nil {
				return err
			}
		}
	}
	about := fmt.Sprintf("description=%[1]s\nname=%[1]s\nversion=%[2]s\n%[3]s.version=%[2]s\njava.version=%[4]d\n"+
		"classname=%[5]s\n", m.name, s.version, s.project, s.jdk, m.class)
	return os.WriteFile(filepath.Join(dir, "plugin-descriptor.properties"), []byte(about), 0o644)
}
