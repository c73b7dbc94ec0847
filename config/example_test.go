package config

import (
	"bytes"
	"reflect"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"
)

// The two-node example that administrators of Liferay know, once as a file and once as variables.
const twoNodesFile = `jdbc.default.jndi.name=
jdbc.default.driverClassName=org.mariadb.jdbc.Driver
jdbc.default.url=jdbc:mariadb://some-mariadb:3306/dxp_db?useUnicode=true&characterEncoding=UTF-8&useFastDateParsing=false
jdbc.default.username=root
jdbc.default.password=my-secret-pw
cluster.link.enabled=true
cluster.link.channel.logic.name.control=control-channel-logic-name-1
cluster.link.channel.logic.name.transport.0=transport-channel-logic-name-1
cluster.link.autodetect.address=some-mariadb:3306
web.server.display.node=true
dl.store.impl=com.liferay.portal.store.db.DBStore
`

func twoNodesVariables() []string {
	return []string{
		"PATH=/bin",
		"LIFERAY_JDBC_PERIOD_DEFAULT_PERIOD_JNDI_PERIOD_NAME=",
		"LIFERAY_JDBC_PERIOD_DEFAULT_PERIOD_DRIVER_UPPERCASEC_LASS_UPPERCASEN_AME=org.mariadb.jdbc.Driver",
		"LIFERAY_JDBC_PERIOD_DEFAULT_PERIOD_URL=jdbc:mariadb://some-mariadb:3306/dxp_db?useUnicode=true&characterEncoding=UTF-8&useFastDateParsing=false",
		"LIFERAY_JDBC_PERIOD_DEFAULT_PERIOD_USERNAME=root",
		"LIFERAY_JDBC_PERIOD_DEFAULT_PERIOD_PASSWORD=my-secret-pw",
		"LIFERAY_CLUSTER_PERIOD_LINK_PERIOD_ENABLED=true",
		"LIFERAY_CLUSTER_PERIOD_LINK_PERIOD_CHANNEL_PERIOD_LOGIC_PERIOD_NAME_PERIOD_CONTROL=control-channel-logic-name-1",
		"LIFERAY_CLUSTER_PERIOD_LINK_PERIOD_CHANNEL_PERIOD_LOGIC_PERIOD_NAME_PERIOD_TRANSPORT_PERIOD_NUMBER0=transport-channel-logic-name-1",
		"LIFERAY_CLUSTER_PERIOD_LINK_PERIOD_AUTODETECT_PERIOD_ADDRESS=some-mariadb:3306",
		"LIFERAY_WEB_PERIOD_SERVER_PERIOD_DISPLAY_PERIOD_NODE=true",
		"LIFERAY_DL_PERIOD_STORE_PERIOD_IMPL=com.liferay.portal.store.db.DBStore",
	}
}

func TestLoad_TwoNodeExample(t *testing.T) {
	t.Parallel()
	dir := write(t, map[string]string{"portal-ext.properties": twoNodesFile})
	file := load(t, Options{WorkDir: dir, Home: "/home-of-node"})
	environment := load(t, Options{WorkDir: t.TempDir(), Home: "/home-of-node", Environ: twoNodesVariables()})
	for name, c := range map[string]*Config{"file": file, "environment": environment} {
		d := c.Database.Default
		if d.URL != "jdbc:mariadb://some-mariadb:3306/dxp_db?useUnicode=true&characterEncoding=UTF-8&useFastDateParsing=false" ||
			d.Driver != "org.mariadb.jdbc.Driver" || d.Username != "root" || d.Password != "my-secret-pw" ||
			!c.Cluster.Enabled || c.Cluster.LogicNameControl != "control-channel-logic-name-1" ||
			c.Cluster.LogicNameTransport["0"] != "transport-channel-logic-name-1" ||
			c.Cluster.AutodetectAddress != "some-mariadb:3306" || !c.Web.DisplayNode || c.Files.Store != StoreDatabase {
			t.Errorf("%s: %+v", name, c)
		}
	}
	if len(file.Warnings()) != 0 || len(environment.Warnings()) != 1 ||
		warned(environment, "_NUMBER0 is read as", "_PERIOD__NUMBER0_") != 1 {
		t.Errorf("file: %v\nenvironment: %v", file.Warnings(), environment.Warnings())
	}
	typed := func(c *Config) Config {
		out := *c
		out.warnings, out.sources, out.effective = nil, nil, nil
		return out
	}
	if !reflect.DeepEqual(typed(file), typed(environment)) {
		t.Error("the file and the variables do not give the same settings")
	}
}

func TestLoad_ExactVariableBeatsTheMistakenOne(t *testing.T) {
	t.Parallel()
	exact := "LIFERAY_CLUSTER_PERIOD_LINK_PERIOD_CHANNEL_PERIOD_LOGIC_PERIOD_NAME_PERIOD_TRANSPORT_PERIOD__NUMBER0_=exact"
	for _, environ := range [][]string{append(twoNodesVariables(), exact), append([]string{exact}, twoNodesVariables()...)} {
		c := load(t, Options{WorkDir: t.TempDir(), Environ: environ})
		if got := c.Cluster.LogicNameTransport["0"]; got != "exact" {
			t.Errorf("the name is %q", got)
		}
	}
}

func TestPrint_FitsATerminalAndShowsNoSecret(t *testing.T) {
	t.Parallel()
	dir := write(t, map[string]string{"portal-ext.properties": twoNodesFile +
		"jdbc.read.url=postgres://reader:hunter2@replica/db?sslpassword=hunter2\njdbc.default.pasword=hunter2\nmy.api.token=hunter2\n" +
		"copy.of.secret=${jdbc.default.password}\nadmin.obfuscated.properties=log.format\nweird.\\u001b[31mname=\\u0007x\nehcache.multi.vm.config.location=/x\n" +
		"cluster.link.auth.value=hunter2 of all my nodes\nbus=nats://u:hunter2@bus:4222\n"})
	c := load(t, Options{WorkDir: dir, Flags: map[string]string{"port": "9000"}})
	var out bytes.Buffer
	c.Print(&out, false)
	for _, secret := range []string{"my-secret-pw", "hunter2", "\x1b", "\x07"} {
		if strings.Contains(out.String(), secret) {
			t.Errorf("%q is shown:\n%s", secret, out.String())
		}
	}
	for l := range strings.Lines(out.String()) {
		if l = strings.TrimSuffix(l, "\n"); utf8.RuneCountInString(l) > 100 && !strings.HasPrefix(l, "Home:") && !strings.HasPrefix(l, "Read") {
			t.Errorf("a line of %d characters: %s", utf8.RuneCountInString(l), l)
		}
	}
	fields := map[string][]string{}
	for l := range strings.Lines(out.String()) {
		if f := strings.Fields(l); len(f) > 0 {
			fields[f[0]] = f[1:]
		}
	}
	for name, want := range map[string]string{
		"jdbc.default.username":               "root portal-ext.properties:4",
		"jdbc.default.password":               "******** portal-ext.properties:5",
		"jdbc.default.jndi.name":              "(empty) portal-ext.properties:1",
		"jdbc.default.pasword":                "******** portal-ext.properties:13",
		"copy.of.secret":                      "******** portal-ext.properties:15",
		"log.format":                          "******** default",
		"counter.increment":                   "100 default",
		"portal.instance.inet.socket.address": "0.0.0.0:9000 flag --port",
		"jdbc.write.url":                      "- not set",
		"bus":                                 "nats://u:********@bus:4222 portal-ext.properties:20",
	} {
		if got := strings.Join(fields[name], " "); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	if i, j := strings.Index(out.String(), "not used by Stoa"), strings.Index(out.String(), "ehcache.multi.vm"); i < 0 || j < i {
		t.Error("names without a use do not stand in their own group")
	}
}

func TestPrint_WholeRowsForPrograms(t *testing.T) {
	t.Parallel()
	long := "jdbc:postgresql://a-host-with-a-long-name.example.org:5432/portal?user=stoa&password=hunter2&sslmode=verify-full"
	c := load(t, Options{WorkDir: write(t, map[string]string{"portal-ext.properties": "jdbc.default.url=" + long + "\n"})})
	var out bytes.Buffer
	c.Print(&out, true)
	for l := range strings.Lines(out.String()) {
		if f := strings.Fields(l); len(f) > 0 && f[0] == "jdbc.default.url" {
			if want := []string{strings.Replace(long, "hunter2", "********", 1), "portal-ext.properties:1"}; !slices.Equal(f[1:], want) {
				t.Errorf("the row has %q, want %q", f[1:], want)
			}
			return
		}
	}
	t.Error("the property is not printed")
}

func TestMaskURL_HidesPasswordsOnly(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"https://files.blob.core.windows.net/c?sv=2024&sig=hunter2": "https://files.blob.core.windows.net/" +
			"c?sv=2024&sig=********",
		"jdbc:mysql://h:3306/db?user=root&password=x&useSSL=true": "jdbc:mysql://h:3306/db" +
			"?user=root&password=********&useSSL=true",
		"jdbc:hsqldb:/d/l;hsqldb.lock_file=false;password=x": "jdbc:hsqldb:/d/l" +
			";hsqldb.lock_file=false;password=********",
		"postgres://u:p@h/db":                            "postgres://u:********@h/db",
		"postgres://u:p@q:z@h/db":                        "postgres://u:********@h/db",
		"postgres://u:p/q@h/db":                          "postgres://u:********@h/db",
		"postgres://u@h/db":                              "postgres://u@h/db",
		"jdbc:mysql://a:1,b:2/db?user=x@y":               "jdbc:mysql://a:1,b:2/db?user=x@y",
		"nats://u:p@a:4222,tls://v:q@b:4222,nats://c":    "nats://u:********@a:4222,tls://v:********@b:4222,nats://c",
		"jdbc:mysql://address=(host=h)(password=p)/db":   "jdbc:mysql://address=(host=h)(password=********)/db",
		"jdbc:mysql://(host=h,password=p,port=1)/db?a=b": "jdbc:mysql://(host=h,password=********,port=1)/db?a=b",
		"/home/url": "/home/url",
		"":          "",
	} {
		if got := maskURL(in); got != want {
			t.Errorf("%q becomes %q, want %q", in, got, want)
		}
	}
}
