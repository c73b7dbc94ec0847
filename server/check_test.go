package server_test

import (
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/config"
	"github.com/stoa-portal/stoa/server"
)

// start starts a node with the file as its portal-ext.properties, and says whether the report takes the file, and
// whether the start does.
func start(t *testing.T, file string) (report, begun error) {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "portal-ext.properties"), []byte(file), 0o600); err != nil {
		t.Fatal(err)
	}
	c, report := config.Examine(config.Options{WorkDir: dir, Flags: map[string]string{"port": "0"}})
	if report == nil {
		_, report = server.Check(c)
	}
	loaded, begun := config.Load(config.Options{WorkDir: dir, Flags: map[string]string{"port": "0"}})
	if begun != nil {
		return report, begun
	}
	s, begun := server.New(
		t.Context(),
		server.Options{Config: loaded, Logger: slog.New(slog.DiscardHandler), NoSync: true},
	)
	if begun == nil {
		if err := s.Stop(t.Context()); err != nil {
			t.Error(err)
		}
	}
	return report, begun
}

// The report and the start ask the same code: what one takes the other takes, and what it refuses is refused in the
// same words.
func TestCheck_TakesWhatAStartTakes(t *testing.T) {
	for line, taken := range map[string]bool{
		"jdbc.default.driverClassName=org.hsqldb.jdbc.JDBCDriver\njdbc.default.url=jdbc:hsqldb:${liferay.home}/data/hypersonic/lportal;hsqldb.write_delay=false\njdbc.default.username=sa\njdbc.default.password=": true,
		"jdbc.default.url=jdbc:sqlite:${liferay.home}/data/other.db":              true,
		"jdbc.default.url=jdbc:mysql://address=(host=a)(port=x)/y":                false,
		"jdbc.default.url=jdbc:mysql:nosuchway://a,b/x":                           false,
		"jdbc.default.url=jdbc:postgresql://a/b?sslmode=perhaps":                  false,
		"jdbc.default.url=jdbc:oracle:thin:@h:1521/x":                             false,
		"company.default.time.zone=GMT-3":                                         true,
		"company.default.time.zone=GMT+05:30":                                     true,
		"company.default.time.zone=EST":                                           true,
		"company.default.time.zone=Mars/Base":                                     false,
		"company.default.web.id=a b":                                              false,
		"company.default.name=" + strings.Repeat("x", 300):                        false,
		"company.default.virtual.host.name=www.example.org":                       true,
		"default.admin.screen.name=ä b":                                           false,
		"default.admin.email.address.prefix=a@b":                                  false,
		"default.admin.password=test":                                             true,
		"metrics.token=short":                                                     false,
		"metrics.token=0123456789abcdef":                                          true,
		"virtual.hosts.valid.hosts=localhost,*.example.org":                       true,
		"virtual.hosts.valid.hosts=a b":                                           false,
		"web.server.host=www.example.org":                                         true,
		"web.server.host=*.x":                                                     false,
		"web.server.host=bücher.example":                                          false,
		"web.server.https.certificate=c.pem\nweb.server.https.key=c.pem":          false,
		"locales.enabled=en_US,iw_IL,in_ID,ca_ES_VALENCIA,sr_RS_latin":            true,
		"portal.instance.inet.socket.address=":                                    true,
		"dl.store.impl=com.liferay.portlet.documentlibrary.store.FileSystemStore": true,
		"layout.url=${liferay:mainPath}/portal/layout\nsome.thing=${x}":           true,
		"company.default.name=${no.such}":                                         false,
		"session.timeout=30s":                                                     false,
		"session.timeout=30":                                                      true,
	} {
		t.Run(fmt.Sprintf("%.60s", line), func(t *testing.T) {
			t.Parallel()
			report, begun := start(t, line)
			if (report == nil) != taken || (begun == nil) != taken {
				t.Fatalf("the report says %v, the start %v; want taken: %t", report, begun, taken)
			}
			if !taken && (report.Error() != begun.Error() || !stoa.Is(report, stoa.KindInvalid)) {
				t.Errorf("the report says\n%v\nthe start\n%v", report, begun)
			}
			name, _, _ := strings.Cut(line, "=")
			if !taken && !strings.Contains(report.Error(), name) {
				t.Errorf("the sentence does not name %s: %v", name, report)
			}
		})
	}
}

// A copy of Liferay's own file with all its defaults, a common habit, is a portal that runs.
func TestCheck_LiferaysDefaultsStart(t *testing.T) {
	t.Parallel()
	path := os.Getenv("STOA_TEST_LIFERAY_PROPERTIES")
	if path == "" {
		path = filepath.Join("..", "..", "shared", "data", "liferay-properties.tsv")
	}
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Skipf("LIFERAY'S DEFAULTS ARE NOT TESTED: %v; set STOA_TEST_LIFERAY_PROPERTIES to the path of their list", err)
	}
	var file strings.Builder
	for line := range strings.Lines(string(raw)) {
		name, def, _ := strings.Cut(strings.TrimRight(line, "\n"), "\t")
		if name == "-" || name == "" || name[0] == '#' {
			continue
		}
		name = strings.NewReplacer(":", `\:`, "=", `\=`, " ", `\ `).Replace(name)
		file.WriteString(name + "=" + strings.ReplaceAll(def, `\`, `\\`) + "\n")
	}
	if report, begun := start(t, file.String()); report != nil || begun != nil {
		t.Errorf("the report says %v, the start %v", report, begun)
	}
}
