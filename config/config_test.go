package config

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stoa-portal/stoa"
)

// write makes files below a new working directory and returns it.
func write(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, content := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func load(t *testing.T, o Options) *Config {
	t.Helper()
	c, err := Load(o)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// ext loads one portal-ext.properties in the working directory.
func ext(t *testing.T, text string) (*Config, error) {
	t.Helper()
	return Load(Options{WorkDir: write(t, map[string]string{"portal-ext.properties": text})})
}

func value(t *testing.T, c *Config, name string) Value {
	t.Helper()
	for _, v := range c.Effective() {
		if v.Name == name {
			return v
		}
	}
	t.Fatalf("%s is not among the effective values", name)
	return Value{}
}

// wants checks that an error has every one of the given texts.
func wants(t *testing.T, err error, texts ...string) {
	t.Helper()
	if err == nil {
		t.Fatal("no error")
	}
	if !stoa.Is(err, stoa.KindInvalid) {
		t.Errorf("kind %v, want invalid", stoa.KindOf(err))
	}
	for _, text := range texts {
		if !strings.Contains(err.Error(), text) {
			t.Errorf("error lacks %q:\n%v", text, err)
		}
	}
}

func warned(c *Config, texts ...string) int {
	n := 0
	for _, w := range c.Warnings() {
		if !slices.ContainsFunc(texts, func(s string) bool { return !strings.Contains(w, s) }) {
			n++
		}
	}
	return n
}

func TestLoad_DefaultsAreRightByThemselves(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	c := load(t, Options{WorkDir: dir})
	if len(c.Warnings()) > 0 {
		t.Errorf("warnings without any setting: %v", c.Warnings())
	}
	if c.Home != filepath.Join(dir, "stoa-home") || c.Server.Listen != "0.0.0.0:8080" || c.Database.Default.MaximumPoolSize != 32 ||
		c.Cache.FreshLimit != 1500*time.Millisecond || c.Cache.MaxBytes != 64<<20 || c.Database.ChangeRetention != 7*24*time.Hour ||
		c.Session.Timeout != 30*time.Minute || c.Session.AutoLoginMaxAge != 30*24*time.Hour || c.Admin.Password != "" ||
		c.Passwords.MinLength != 12 || c.Mail.Host != "" || c.Cluster.Enabled || c.Company.Locale != "en-US" ||
		c.Files.Root != filepath.Join(dir, "stoa-home/data/document_library") ||
		c.Database.Read.URL != "" ||
		c.Database.Default.URL != "sqlite:"+filepath.Join(dir, "stoa-home/data/stoa.db") ||
		len(c.Web.TrustedProxies) != 0 ||
		c.Cluster.ChannelNameTransport["0"] != "liferay-channel-transport-0" ||
		c.Company.TimeZone != time.UTC {
		t.Errorf("unexpected defaults: %+v", c)
	}
	for _, v := range c.Effective() {
		if v.Source != "default" && v.Source != "not set" {
			t.Errorf("%s comes from %s", v.Name, v.Source)
		}
	}
}

func TestLoad_LastSourceWins(t *testing.T) {
	t.Parallel()
	line := func(v string) string { return "company.default.name=" + v + "\n" }
	files := map[string]string{
		"portal-bundle.properties":           line("bundle"),
		"stoa-home/portal-bundle.properties": line("home bundle"),
		"portal-ext.properties": "include-and-override=added.properties\n" + line(
			"ext",
		) + "include-and-override=${liferay.home}/more.properties\n",
		"stoa-home/portal-ext.properties":          line("home ext"),
		"portal-setup-wizard.properties":           line("wizard"),
		"stoa-home/portal-setup-wizard.properties": line("home wizard"),
		"x.properties":           line("external"),
		"stoa-home/x.properties": line("home external"),
		"added.properties": "include-and-override=nested.properties,added.properties\n" + line(
			"added",
		),
		"stoa-home/more.properties": line("more"),
		"nested.properties":         line("nested"),
	}
	environ := []string{
		"STOA_COMPANY_PERIOD_DEFAULT_PERIOD_NAME=stoa env",
		"LIFERAY_COMPANY_PERIOD_DEFAULT_PERIOD_NAME=liferay env",
	}
	flags := map[string]string{"company.default.name": "flag"}
	dir := write(t, files)
	expect := func(name, source string, o Options) {
		t.Helper()
		o.WorkDir = dir
		if v := value(t, load(t, o), "company.default.name"); v.Value != name || v.Source != source {
			t.Errorf("%q from %s, want %q from %s", v.Value, v.Source, name, source)
		}
	}
	remove := func(name string) {
		t.Helper()
		if err := os.Remove(filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	expect("flag", "command line", Options{External: "x.properties", Environ: environ, Flags: flags})
	expect(
		"stoa env",
		"environment STOA_COMPANY_PERIOD_DEFAULT_PERIOD_NAME",
		Options{External: "x.properties", Environ: environ},
	)
	expect(
		"liferay env",
		"environment LIFERAY_COMPANY_PERIOD_DEFAULT_PERIOD_NAME",
		Options{External: "x.properties", Environ: environ[1:]},
	)
	o := Options{External: "x.properties"}
	expect("nested", "nested.properties:1", o)
	remove("nested.properties")
	expect("more", "stoa-home/more.properties:1", o)
	remove("stoa-home/more.properties")
	expect("added", "added.properties:2", o)
	remove("added.properties")
	expect("home external", "stoa-home/x.properties:1", o)
	remove("stoa-home/x.properties")
	expect("external", "x.properties:1", o)
	expect("home wizard", "stoa-home/portal-setup-wizard.properties:1", Options{})
	remove("stoa-home/portal-setup-wizard.properties")
	expect("wizard", "portal-setup-wizard.properties:1", Options{})
	remove("portal-setup-wizard.properties")
	expect("home ext", "stoa-home/portal-ext.properties:1", Options{})
	remove("stoa-home/portal-ext.properties")
	expect("ext", "portal-ext.properties:2", Options{})
	remove("portal-ext.properties")
	expect("home bundle", "stoa-home/portal-bundle.properties:1", Options{})
	remove("stoa-home/portal-bundle.properties")
	expect("bundle", "portal-bundle.properties:1", Options{})
	remove("portal-bundle.properties")
	expect("Stoa", "default", Options{})
}

func TestLoad_MissingIncludeWarns_MissingExternalFails(t *testing.T) {
	t.Parallel()
	c, err := ext(t, "include-and-override=nowhere.properties")
	if err != nil || warned(c, "portal-ext.properties:1", "nowhere.properties") != 1 {
		t.Errorf("%v %v", err, c)
	}
	_, err = Load(Options{WorkDir: t.TempDir(), External: "nowhere.properties"})
	wants(t, err, "external-properties", "nowhere.properties")
	c = load(t, Options{WorkDir: t.TempDir(), Environ: []string{"LIFERAY_INCLUDE_MINUS_AND_MINUS_OVERRIDE=x"}})
	if warned(c, "include-and-override", "LIFERAY_INCLUDE_MINUS_AND_MINUS_OVERRIDE") != 1 {
		t.Error(c.Warnings())
	}
}

func TestLoad_HomeIsFoundBeforeItsFiles(t *testing.T) {
	t.Parallel()
	dir := write(t, map[string]string{
		"portal-ext.properties":           "liferay.home=from-file",
		"from-file/portal-ext.properties": "company.default.name=file",
		"from-flag/portal-ext.properties": "company.default.name=flag",
		"from-env/portal-ext.properties":  "company.default.name=env",
	})
	property := "LIFERAY_LIFERAY_PERIOD_HOME=" + filepath.Join(dir, "from-env")
	for _, c := range []struct {
		o            Options
		name, source string
	}{
		{Options{}, "file", "portal-ext.properties:1"},
		{Options{Environ: []string{property}}, "env", "environment LIFERAY_LIFERAY_PERIOD_HOME"},
		{Options{Environ: []string{"STOA_HOME=from-env"}}, "env", "environment STOA_HOME"},
		{Options{Environ: []string{property, "STOA_HOME=from-env"}, Home: "from-flag"}, "flag", "flag --home"},
		{Options{Environ: []string{"STOA_HOME=from-env"}, Flags: map[string]string{"liferay.home": "from-flag"}}, "flag", "command line"},
	} {
		c.o.WorkDir = dir
		got := load(t, c.o)
		home := value(t, got, "liferay.home")
		if got.Company.Name != c.name || home.Source != c.source || home.Value != got.Home ||
			got.Home != filepath.Join(dir, "from-"+c.name) {
			t.Errorf("name %q, home %q from %s; want %q from %s", got.Company.Name, got.Home, home.Source, c.name, c.source)
		}
	}
	wandering := write(t, map[string]string{"stoa-home/portal-ext.properties": "\nliferay.home=/elsewhere"})
	_, err := Load(Options{WorkDir: wandering})
	wants(t, err, "liferay.home", "stoa-home/portal-ext.properties:2", "/elsewhere", "STOA_HOME")
	_, err = Load(Options{WorkDir: write(t, map[string]string{"file": ""}), Home: "file"})
	wants(t, err, "flag --home", "is a file")
}

func TestLoad_ReferencesAreFilledIn(t *testing.T) {
	t.Parallel()
	c, err := ext(
		t,
		"a.b=${company.default.name} & "+
			"co\ncompany.default.name=${x}-$${y}-${default.admin.screen.name}\nx=X\n"+
			"dl.store.file.system.root.dir=${module.framework.base.dir}/${cluster.link.bind.addr[cluster-link-udp]}docs\n",
	)
	if err != nil {
		t.Fatal(err)
	}
	if c.Company.Name != "X-${y}-admin" || value(t, c, "a.b").Value != "X-${y}-admin & co" ||
		c.Files.Root != c.Home+"/osgi/docs" {
		t.Errorf("%q %q %q", c.Company.Name, value(t, c, "a.b").Value, c.Files.Root)
	}
}

func TestLoad_BrokenReferencesNameTheLine(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		text string
		want []string
	}{
		"undefined":       {"\ncompany.default.name=${no.such.name}", []string{"company.default.name", "portal-ext.properties:2", "${no.such.name}"}},
		"misspelled":      {"company.default.name=${liferay.hom}", []string{"portal-ext.properties:1", "did you mean ${liferay.home}"}},
		"without a value": {"company.default.name=${jdbc.read.url}", []string{"portal-ext.properties:1", "has no value"}},
		"by an unused": {"x=${no.such.name}\ncompany.default.name=${x}",
			[]string{"company.default.name", "portal-ext.properties:2", "no.such.name"}},
		"circle": {"a=${b}\nb=${c}\nc=${a}\ncompany.default.name=${a}",
			[]string{"portal-ext.properties:4", "a → b → c → a"}},
		"self": {"company.default.name=x${company.default.name}", []string{"company.default.name → " +
			"company.default.name"}},
		"unterminated": {"a=1\ncompany.default.name=x${abc", []string{"portal-ext.properties:2", "no }"}},
		"explosion": {"a0=" + strings.Repeat("x", 100) + "\na1=${a0}${a0}${a0}${a0}${a0}${a0}${a0}${a0}${a0}${a0}\na2=${a1}${a1}${a1}${a1}${a1}${a1}${a1}${a1}${a1}${a1}\n" +
			"a3=${a2}${a2}${a2}${a2}${a2}${a2}${a2}${a2}${a2}${a2}\ncompany.default.name=${a3}${a3}${a3}",
			[]string{"company.default.name", "longer than"}},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := ext(t, c.text)
			wants(t, err, c.want...)
		})
	}
}

func TestLoad_FiltersPickValues(t *testing.T) {
	t.Parallel()
	c, err := ext(t, strings.Join([]string{
		`cluster.link.bind.addr[cluster-link-control]=10.0.0.1`, `cluster.link.bind.addr["cluster-link-udp"]=10.0.0.2`,
		`company.default.name[stoa]=Ours`, `company.default.name=Theirs`, `company.default.name[tomcat]=Tomcat`,
		`session.cookie.use.full.hostname[tomcat]=true`,
	}, "\n"))
	if err != nil {
		t.Fatal(err)
	}
	if c.Cluster.BindAddressControl != "10.0.0.1" || c.Cluster.BindAddressTransport != "10.0.0.2" ||
		c.Company.Name != "Ours" {
		t.Errorf("%+v %q", c.Cluster, c.Company.Name)
	}
	if warned(c, "no use for", "company.default.name[tomcat]", "session.cookie.use.full.hostname[tomcat]") != 1 ||
		len(c.Warnings()) != 1 {
		t.Error(c.Warnings())
	}
}

func TestLoad_ReportsEveryWrongValue(t *testing.T) {
	t.Parallel()
	_, err := ext(t, strings.Join([]string{
		"counter.increment=many", "cluster.link.enabled=maybe", "cache.fresh.limit=1500", "cache.max.bytes=lots", "jdbc.default.url=jdbc:oracle:thin:@h",
		"web.server.trusted.proxies=10.0.0.0/99", "dl.store.impl=com.example.Store", "locales.enabled=xx_YY_ZZ_11", "session.timeout=", "log.level=loud",
		"portal.instance.inet.socket.address=8080", "company.default.time.zone=Mars/Phobos", "admin.email.from.address=a@b\\r\\nBcc: c@d", "metrics.token=x", "change.poll.interval=-5s",
	}, "\n"))
	wants(
		t,
		err,
		`counter.increment: portal-ext.properties:1: "many" is wrong; a whole number from 1 to 1000000 is expected (the default is 100)`,
		`cluster.link.enabled: portal-ext.properties:2: "maybe" is wrong; true or false`,
		`portal-ext.properties:3: "1500" is wrong; a duration with its unit`,
		"a bare number does not say",
		`portal-ext.properties:4: "lots"`,
		"64MiB",
		`portal-ext.properties:5: "jdbc:oracle:thin:@h"`,
		"jdbc:postgresql:",
		`portal-ext.properties:6`,
		`portal-ext.properties:7: "com.example.Store"`,
		`portal-ext.properties:8`,
		`session.timeout: portal-ext.properties:9: ""`,
		`portal-ext.properties:10: "loud"`,
		"debug, info, warn, error",
		`portal-ext.properties:11: "8080"`,
		"portal-ext.properties:12",
		"portal-ext.properties:13",
		"portal-ext.properties:15",
	)
	if n := len(strings.Split(err.Error(), "\n")); n != 14 {
		t.Errorf("%d lines, want 14:\n%v", n, err)
	}
}

func TestLoad_SecretsStayOutOfErrors(t *testing.T) {
	t.Parallel()
	_, err := ext(
		t,
		"default.admin.password=hunter2\njdbc.default.url=nosuch://u:hunter2@h/db?password=hunter2\nwho=${default.admin.password}\ncounter.increment=${metrics.token}\nmetrics.token=hunter2\n",
	)
	wants(t, err, "counter.increment", "not shown", "nosuch://u:********@h/db?password=********")
	if strings.Contains(err.Error(), "hunter2") {
		t.Errorf("a secret is shown: %v", err)
	}
}

func TestLoad_TheFirstPasswordIsTakenAsItIsWithAWarning(t *testing.T) {
	t.Parallel()
	c, err := ext(t, "default.admin.password=hunter2")
	if err != nil {
		t.Fatal(err)
	}
	said := strings.Join(c.Warnings(), "\n")
	if c.Admin.Password != "hunter2" ||
		!strings.Contains(said, "default.admin.password at portal-ext.properties:1 has 7 characters") ||
		strings.Contains(said, "hunter2") {
		t.Errorf("%q", said)
	}
}

func TestLoad_NoSessionLastsLongerThanThirtyDays(t *testing.T) {
	t.Parallel()
	for value, want := range map[string]string{"3600": "1h0m0s", "2592000": "720h0m0s", "31536000": "720h0m0s"} {
		c, err := ext(t, "company.security.auto.login.max.age="+value)
		if err != nil {
			t.Fatal(err)
		}
		said := strings.Contains(strings.Join(c.Warnings(), "\n"), "more than 30 days")
		if got := c.Session.AutoLoginMaxAge.String(); got != want || said != (value == "31536000") {
			t.Errorf("%s s becomes %s, want %s; warned: %v", value, got, want, said)
		}
	}
}

func TestLoad_ValuesThatStoaDoesNotHaveYetKeepTheDefault(t *testing.T) {
	t.Parallel()
	for _, class := range []string{"jcr.JCRStore", "cmis.CMISStore"} {
		class = "com.liferay.portal.store." + class
		c, err := ext(t, "\ndl.store.impl="+class+"\n")
		if err != nil {
			t.Fatal(err)
		}
		if len(c.Warnings()) != 1 || warned(c, "dl.store.impl", "portal-ext.properties:2", class, StoreFileSystem) != 1 {
			t.Error(c.Warnings())
		}
		if v := value(t, c, "dl.store.impl"); c.Files.Store != StoreFileSystem || v.Value != StoreFileSystem ||
			v.Source != "default (not portal-ext.properties:2)" {
			t.Errorf("%q %+v", c.Files.Store, v)
		}
	}
}

func TestLoad_UnknownNamesAreOneLine(t *testing.T) {
	t.Parallel()
	c, err := ext(
		t,
		"cluster.link.enable=true\ncounter.incremnet=5\nutterly.different.thing=1\nehcache.single.vm.config.location=\nvalue.object.entity.cache.enabled=true\n",
	)
	if err != nil {
		t.Fatal(err)
	}
	if len(c.Warnings()) != 2 ||
		warned(
			c,
			"3 properties are not known",
			"cluster.link.enable (portal-ext.properties:1; did you mean cluster.link.enabled?)",
			"did you mean counter.increment?",
			"utterly.different.thing (portal-ext.properties:3)",
		) != 1 ||
		warned(
			c,
			"2 properties that are set are known",
			"ehcache.single.vm.config.location, value.object.entity.cache.enabled",
		) != 1 {
		t.Errorf("%s", strings.Join(c.Warnings(), "\n"))
	}
	if v := value(t, c, "utterly.different.thing"); v.Used || v.Known || v.Value != "1" ||
		v.Source != "portal-ext.properties:3" {
		t.Errorf("%+v", v)
	}
	if v := value(t, c, "ehcache.single.vm.config.location"); v.Used || !v.Known || v.Value != "" {
		t.Errorf("%+v", v)
	}
	_, err = Load(Options{WorkDir: t.TempDir(), Flags: map[string]string{"cluster.link.enable": "true"}})
	wants(t, err, "command line", "did you mean cluster.link.enabled?")
}

func TestLoad_EmptyIsAValue(t *testing.T) {
	t.Parallel()
	c, err := ext(t, "cluster.link.autodetect.address=\ncluster.link.enabled=\nmetrics.allowed.addresses=\n")
	if err != nil {
		t.Fatal(err)
	}
	if c.Cluster.AutodetectAddress != "" || c.Cluster.Enabled || len(c.Health.MetricsAllowedAddresses) != 0 {
		t.Errorf("%+v", c)
	}
	if v := value(t, c, "cluster.link.autodetect.address"); v.Value != "" || v.Source != "portal-ext.properties:1" ||
		v.Default != "database" {
		t.Errorf("%+v", v)
	}
}

func TestLoad_BooleansAreLenientWithAWarning(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]bool{"yes": true, "ON": true, "1": true, "No": false, "off": false, "0": false} {
		c, err := ext(t, "web.server.display.node="+text)
		if err != nil || c.Web.DisplayNode != want ||
			warned(c, "web.server.display.node at portal-ext.properties:1", text) != 1 {
			t.Errorf("%s: %v %v", text, err, c)
		}
	}
	if c, err := ext(t, "web.server.display.node=TRUE"); err != nil || !c.Web.DisplayNode || len(c.Warnings()) != 0 {
		t.Errorf("%v %v", err, c)
	}
}

func TestLoad_UnitsOfLiferayStay(t *testing.T) {
	t.Parallel()
	c, err := ext(
		t,
		"session.timeout=15\njdbc.default.maxLifetime=5000\njdbc.default.idleTimeout=90s\ncompany.security.auto.login.max.age=60\nportal.stale.grace=1d12h\ncache.max.bytes=2097152\ncache.region.page.max.bytes=1MiB\ncache.region.page.replication=copy",
	)
	if err != nil {
		t.Fatal(err)
	}
	if c.Session.Timeout != 15*time.Minute || c.Database.Default.MaxLifetime != 5*time.Second || c.Database.Default.IdleTimeout != 90*time.Second ||
		c.Session.AutoLoginMaxAge != time.Minute ||
		c.Cache.StaleGrace != 36*time.Hour ||
		c.Cache.MaxBytes != 2<<20 ||
		c.Cache.RegionMaxBytes["page"] != 1<<20 ||
		c.Cache.RegionReplicate["page"] != "copy" {
		t.Errorf("%+v", c)
	}
}

func TestLoad_PortFlagChangesThePortOnly(t *testing.T) {
	t.Parallel()
	dir := write(t, map[string]string{"portal-ext.properties": "portal.instance.inet.socket.address=[::1]:8080"})
	c := load(t, Options{WorkDir: dir, Flags: map[string]string{"port": "9090"}})
	if v := value(t, c, "portal.instance.inet.socket.address"); c.Server.Listen != "[::1]:9090" ||
		v.Source != "flag --port" {
		t.Errorf("%q %+v", c.Server.Listen, v)
	}
	_, err := Load(Options{WorkDir: dir, Flags: map[string]string{"port": "http"}})
	wants(t, err, "flag --port", `"http"`, "0 to 65535")
}

func TestLoad_ReadSourceInheritsWhatIsNotSet(t *testing.T) {
	t.Parallel()
	c, err := ext(
		t,
		"jdbc.default.url=jdbc:postgresql://a/db\njdbc.default.username=u\njdbc.default.password=p\njdbc.default.maximumPoolSize=7\njdbc.read.url=jdbc:postgresql://b/db\njdbc.read.password=\njdbc.read.maximumPoolSize=9\n",
	)
	if err != nil {
		t.Fatal(err)
	}
	read := c.Database.Read
	if read.URL != "jdbc:postgresql://b/db" || read.Username != "u" || read.Password != "" || read.MaximumPoolSize != 9 ||
		read.MaxLifetime != 30*time.Minute {
		t.Errorf("%+v", read)
	}
	if c.Database.Write != (DataSource{}) {
		t.Errorf("%+v", c.Database.Write)
	}
	if c, err := ext(t, "jdbc.read.username=u"); err != nil || c.Database.Read != (DataSource{}) ||
		warned(c, "jdbc.read.url is not") != 1 {
		t.Errorf("%v %v", err, c)
	}
}

func TestLoad_ValuesThatContradictEachOtherAreRefused(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"web.server.https.certificate=c.pem":                             "web.server.https.key",
		"web.server.https.key=k.pem\nweb.server.https.certificate=c.pem": "there is no file",
		"cluster.link.discovery=static":                                  "cluster.link.discovery.static",
		"cluster.link.discovery=dns":                                     "cluster.link.discovery.dns",
		"cluster.heartbeat.timeout=1s":                                   "cluster.heartbeat.interval",
		"change.poll.interval=1s":                                        "cache.fresh.limit",
	} {
		_, err := ext(t, text)
		wants(t, err, want)
	}
}

func TestLoad_SameNameTwiceInAFileWarns(t *testing.T) {
	t.Parallel()
	c, err := ext(t, "company.default.name=One\nx=1\ncompany.default.name=Two\n")
	if err != nil || c.Company.Name != "Two" || warned(c, "company.default.name (lines 1 and 3)") != 1 {
		t.Errorf("%v %v", err, c)
	}
}

func TestLoad_HostileFilesAreRefusedWithTheirPlace(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ text, want string }{
		"binary":        {"a=1\n\x00\x01\x02\xff", "portal-ext.properties:2"},
		"ten megabytes": {"a=" + strings.Repeat("x", 10<<20), "portal-ext.properties:1"},
		"unterminated":  {"\n\ncompany.default.name=${", "portal-ext.properties:3"},
		"bad escape":    {"a=\\u12", "portal-ext.properties:1"},
		"long name": {strings.Repeat("n", 200<<10) + "=1\ncache.fresh.limit=${" + strings.Repeat("n", 200<<10) + "}",
			"portal-ext.properties:2"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := ext(t, c.text)
			wants(t, err, c.want)
			if len(err.Error()) > 4000 {
				t.Errorf("the message has %d bytes", len(err.Error()))
			}
		})
	}
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "portal-ext.properties"), 0o755); err != nil {
		t.Fatal(err)
	}
	_, err := Load(Options{WorkDir: dir})
	wants(t, err, "portal-ext.properties", "not a file")
}

func TestLoad_ManyUnknownNamesStayOneShortLine(t *testing.T) {
	t.Parallel()
	var text strings.Builder
	for i := range 5000 {
		text.WriteString("some.odd.name." + strings.Repeat("x", i%50) + string(rune('a'+i%26)) + "=1\n")
	}
	c, err := ext(t, text.String())
	if err != nil {
		t.Fatal(err)
	}
	for _, w := range c.Warnings() {
		if len(w) > 6000 {
			t.Errorf("a warning of %d bytes", len(w))
		}
	}
	if warned(c, "not known") != 1 {
		t.Error("the unknown names are not told")
	}
}

func TestLoad_UnknownVariablesAreToldByTheirName(t *testing.T) {
	t.Parallel()
	c := load(t, Options{WorkDir: t.TempDir(), Environ: []string{"STOA_PORT_8080_TCP_ADDR=10.0.0.1", "STOA_=x", "NOISE"}})
	if len(c.Warnings()) != 1 || warned(c, "1 property is not known", "environment STOA_PORT_8080_TCP_ADDR") != 1 {
		t.Error(c.Warnings())
	}
}

func FuzzLoad(f *testing.F) {
	for _, seed := range []string{twoNodesFile, "a=${a}", "include-and-override=portal-ext.properties", "liferay.home=${user.dir}/x", "[stoa]=1\nx[stoa]=2", "cache.region..max.bytes=1"} {
		f.Add(seed)
	}
	dir := f.TempDir()
	f.Fuzz(func(t *testing.T, text string) {
		if strings.Contains(text, includeName) && strings.Contains(text, "/") {
			return // other files of this machine are none of our business
		}
		if err := os.WriteFile(filepath.Join(dir, "portal-ext.properties"), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		c, err := Load(Options{WorkDir: dir, Home: filepath.Join(dir, "home")})
		if err != nil {
			if !stoa.Is(err, stoa.KindInvalid) {
				t.Fatalf("%v is not the fault of the file", err)
			}
			return
		}
		for _, v := range c.Effective() {
			if v.Source == "" || v.Secret && v.Value != "" && v.Masked != mask {
				t.Fatalf("%+v", v)
			}
		}
	})
}

func TestLoad_PasswordOfDatabaseInAFile(t *testing.T) {
	t.Parallel()
	dir := write(
		t,
		map[string]string{
			"portal-ext.properties": "jdbc.default.password=file:secrets/database\njdbc.default.url=jdbc:postgresql://a/db\n" +
				"jdbc.read.url=jdbc:postgresql://b/db\njdbc.write.url=jdbc:postgresql://c/db\njdbc.write.password=plain\n",
		},
	)
	home := filepath.Join(dir, "home")
	if _, err := Load(Options{WorkDir: dir, Home: home}); err == nil ||
		!strings.Contains(err.Error(), "jdbc.default.password") || !strings.Contains(err.Error(), "no file") {
		t.Fatalf("error %v, want one that names the file that is not there", err)
	}
	path := filepath.Join(home, "secrets", "database")
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte("hunter2\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	d := load(t, Options{WorkDir: dir, Home: home}).Database
	if d.Default.PasswordFile != path || d.Default.Password != "" || d.Read.PasswordFile != path ||
		d.Write.PasswordFile != "" || d.Write.Password != "plain" {
		t.Errorf("%+v", d)
	}
}

// Liferay's embedded database stands for ours, so that a file with its default address starts.
func TestLoad_HSQLDBIsTheEmbeddedDatabase(t *testing.T) {
	t.Parallel()
	c, err := ext(
		t,
		"jdbc.default.driverClassName=org.hsqldb.jdbc.JDBCDriver\njdbc.default.url=jdbc:hsqldb:${liferay.home}/data/hypersonic/lportal;hsqldb.write_delay=false\n"+
			"jdbc.default.username=sa\njdbc.default.password=\n",
	)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(c.Database.Default.URL, "sqlite:") || warned(c, "jdbc.default.url", "hsqldb", "sqlite:") != 1 {
		t.Errorf("%q, warnings %v", c.Database.Default.URL, c.Warnings())
	}
}
