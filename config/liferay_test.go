package config

import (
	"bufio"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// A name that Stoa uses, alone or in a family, must not be hidden by the list of those that it does not use.
func TestKnown_RestHidesNothing(t *testing.T) {
	t.Parallel()
	all, without := sections(), newRegistry()
	rest := all[len(all)-1]
	if !rest.Brief || len(rest.Props) < 500 {
		t.Fatalf("the rest has %d names", len(rest.Props))
	}
	for _, p := range rest.Props {
		delete(without.exact, p.Name)
	}
	for _, p := range rest.Props {
		if other, _ := without.find(p.Name); other != nil {
			t.Errorf("%s stands in liferay.txt and is %s, too", p.Name, other.Name)
		}
	}
}

// liferayDefaults reads the list of all names and defaults of DXP 7.4, where it is there.
func liferayDefaults(t *testing.T) (names []string, file string) {
	t.Helper()
	path := os.Getenv("STOA_TEST_LIFERAY_PROPERTIES") // lines of name, tab, default; "-", tab, name: without a default
	if path == "" {
		path = filepath.Join("..", "..", "shared", "data", "liferay-properties.tsv")
	}
	f, err := os.Open(path)
	if err != nil {
		t.Skipf("LIFERAY'S NAMES ARE NOT TESTED: %v; set STOA_TEST_LIFERAY_PROPERTIES to the path of their list", err)
	}
	defer f.Close()
	var text strings.Builder
	escape := strings.NewReplacer(`\`, `\\`)
	for s := bufio.NewScanner(f); s.Scan(); {
		name, def, _ := strings.Cut(s.Text(), "\t")
		switch {
		case strings.HasPrefix(name, "#") || name == "":
		case name == "-":
			names = append(names, strings.TrimSpace(def))
		default:
			names = append(names, name)
			text.WriteString(
				strings.NewReplacer(":", `\:`, "=", `\=`, " ", `\ `).
					Replace(escape.Replace(name)) +
					"=" + escape.Replace(
					def,
				) + "\n",
			)
		}
	}
	return names, text.String()
}

func TestLiferay_EachNameIsUsedOrListedAndItsDefaultsStart(t *testing.T) {
	t.Parallel()
	names, file := liferayDefaults(t)
	if len(names) < 1000 {
		t.Fatalf("only %d names were read", len(names))
	}
	dir := write(t, map[string]string{"portal-ext.properties": file})
	c, err := Load(Options{WorkDir: dir})
	if err != nil {
		t.Fatalf("Liferay's own file does not start: %v", err)
	}
	told := map[string]Value{}
	for _, v := range c.Effective() {
		told[v.Name] = v
	}
	reg, unlisted := newRegistry(), 0
	for _, name := range names {
		canonical, _ := reg.canonical(name)
		p, _ := reg.find(canonical)
		switch {
		case canonical == includeName:
		case p != nil && (p.used() || p.Doc != ""):
		case told[canonical].Name != "": // named by the report as unknown
			unlisted++
		default:
			t.Errorf("%s is neither used, nor listed, nor told by the report", name)
		}
	}
	if unlisted > 20 { // pieces of values that go on in the next line, in the list that this was written with
		t.Errorf("%d names of Liferay are not known", unlisted)
	}
}

// What Liferay ships for the names that Stoa takes over is a value here, too: with it a copy of its file starts.
func TestLiferay_DefaultsOfTakenNamesAreValues(t *testing.T) {
	t.Parallel()
	for name, value := range map[string]string{
		"portal.instance.inet.socket.address": "",
		"jdbc.default.url":                    "jdbc:hsqldb:${liferay.home}/data/hypersonic/lportal;hsqldb.lock_file=false",
		"jdbc.default.driverClassName":        "org.hsqldb.jdbc.JDBCDriver", "jdbc.default.username": "sa",
		"jdbc.default.password": "",
		"session.timeout":       "15", "company.default.locale": "en_US", "company.default.time.zone": "UTC",
		"default.admin.password":          "test",
		"locales.enabled":                 "ca_ES,zh_CN,nl_NL,en_US,fi_FI,fr_FR,de_DE,iw_IL,hu_HU,ja_JP,pt_BR,es_ES",
		"cluster.link.autodetect.address": "www.google.com:80",
		"dl.store.impl":                   "com.liferay.portal.store.file.system.FileSystemStore",
		"web.server.https.port":           "-1",
		"web.server.protocol":             "",
		"virtual.hosts.valid.hosts":       "localhost,127.0.0.1,[::1],[0:0:0:0:0:0:0:1]", "counter.increment": "100",
		"mail.session.mail.smtp.host": "localhost",
	} {
		if _, err := ext(t, name+"="+value+"\n"); err != nil {
			t.Errorf("%v", err)
		}
	}
}

// The files that people keep for their portal, as far as they have something in common.
func TestLiferay_FilesOfPeopleStart(t *testing.T) {
	t.Parallel()
	c, err := ext(t, `company.default.name=City portal
default.landing.page.path=/user/${liferay:screenName}/home
layout.url=${liferay:mainPath}/portal/layout
blogs.email.entry.added.subject=${resource:com/example/blogs/subject.tmpl}
auto.deploy.tomcat.dest.dir=${catalina.base}/webapps
search.engine.open.search.hosts=http://admin:${OPENSEARCH_INITIAL_ADMIN_PASSWORD}@search:9200
a=${b}
b=${a}
`)
	if err != nil {
		t.Fatal(err)
	}
	v := value(t, c, "default.landing.page.path")
	if v.Value != "/user/${liferay:screenName}/home" || !strings.Contains(v.Note, "left as it stands") || !v.Known ||
		v.Used {
		t.Errorf("%+v", v)
	}
	for _, class := range []string{
		"com.liferay.portlet.documentlibrary.store.FileSystemStore", "com.liferay.documentlibrary.util.FileSystemHook",
		"com.liferay.portlet.documentlibrary.store.AdvancedFileSystemStore",
		"com.liferay.documentlibrary.util.AdvancedFileSystemHook",
		"com.liferay.portlet.documentlibrary.store.DBStore", "com.liferay.documentlibrary.util.DBHook",
	} {
		if c, err := ext(t, "dl.store.impl="+class); err != nil || len(c.Warnings()) > 0 {
			t.Errorf("%s: %v", class, err)
		}
	}
	for _, class := range []string{
		"com.liferay.portlet.documentlibrary.store.JCRStore", "com.liferay.portal.store.jcr.JCRStore",
		"com.liferay.documentlibrary.util.CMISHook",
	} {
		if c, err := ext(t, "dl.store.impl="+class); err != nil || warned(c, "dl.store.impl", class) != 1 {
			t.Errorf("%s: %v", class, err)
		}
	}
	c = load(t, Options{WorkDir: t.TempDir(), Environ: []string{
		"LIFERAY_COMPANY_PERIOD_DEFAULT_PERIOD_TIME_PERIOD_ZONE=GMT-3", "LIFERAY_COMPANY_PERIOD_DEFAULT_PERIOD_LOCALE=pt_PT",
		"LIFERAY_COUNTER_PERIOD_INCREMENT=5000",
		"STOA_METRICS_PERIOD_TOKEN=0123456789abcdef\n",
	}})
	if c.Company.TimeZone.String() != "Etc/GMT+3" || warned(c, "ends in a line end") != 1 {
		t.Errorf("%v, %v", c.Company.TimeZone, c.Warnings())
	}
	c, err = ext(t, "locales.enabled=en_US,iw_IL,in_ID,ji,he_IL,ca_ES_VALENCIA")
	if err != nil || len(c.Languages.Enabled) != 5 || c.Languages.Enabled[1] != "he-IL" ||
		c.Languages.Enabled[2] != "id-ID" ||
		c.Languages.Enabled[3] != "yi" {
		t.Errorf("%v %v", c, err)
	}
}

// What a sentence gives as an example must be taken.
func TestLoad_ExamplesOfSentencesAreTaken(t *testing.T) {
	t.Parallel()
	for name, values := range map[string][]string{
		"session.timeout": {"1m", "30m", "365d", "1", "525600"}, "company.security.auto.login.max.age": {"1m", "3650d"},
		"mail.session.mail.smtp.timeout": {"1s", "10m"}, "retry.jdbc.on.startup.delay": {"0s", "1h"},
	} {
		_, err := ext(t, name+"=nonsense")
		wants(t, err, name)
		for _, v := range values {
			if _, e := ext(t, name+"="+v); e != nil {
				t.Errorf("%s=%s: %v", name, v, e)
			}
			if strings.HasSuffix(v, "d") && !strings.Contains(err.Error(), v) {
				t.Errorf("the sentence does not name the limit %s: %v", v, err)
			}
		}
	}
	_, err := ext(t, "session.timeout=30s")
	wants(t, err, "from 1m to 365d")
}

// The report is what one turns to when a node does not start.
func TestExamine_MarksWhatIsWrongUnknownAndUnused(t *testing.T) {
	t.Parallel()
	dir := write(
		t,
		map[string]string{"portal-ext.properties": "company.default.name=Quay\ncache.fresh.limit=soon\nsesion.timeout=30\n" +
			"blogs.email.from.name=x\nweb.server.http.port=${no.such}\n[broken", "bad.properties": "\xff\xfe"},
	)
	c, err := Examine(Options{WorkDir: dir})
	wants(t, err, "cache.fresh.limit", "web.server.http.port")
	for _, whole := range []bool{true, false} {
		var b strings.Builder
		c.Print(&b, whole)
		text := strings.Join(strings.Fields(b.String()), " ")
		for _, want := range []string{
			"company.default.name Quay portal-ext.properties:1", "WRONG: \"soon\" is wrong", "did you mean session.timeout?",
			"There are no comments", "WRONG: ${no.such} refers to a property that is set nowhere",
		} {
			if want == "There are no comments" {
				want = "Posts and their feeds"
			}
			if !strings.Contains(text, want) {
				t.Errorf("whole %t: the report lacks %q:\n%s", whole, want, b.String())
			}
		}
	}
	c, err = Examine(
		Options{WorkDir: dir, External: filepath.Join(dir, "nowhere.properties"), Home: filepath.Join(dir, "bad.properties")},
	)
	var b strings.Builder
	c.Print(&b, true)
	if err == nil || !strings.Contains(b.String(), "WRONG") || !strings.Contains(b.String(), "nowhere.properties") ||
		!strings.Contains(b.String(), "is a file") {
		t.Errorf("%v\n%s", err, b.String())
	}
}
