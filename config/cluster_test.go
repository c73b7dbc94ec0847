package config

import "testing"

// sharedDatabase is what a cluster needs besides its switch.
const sharedDatabase = "cluster.link.enabled=true\njdbc.default.url=jdbc:postgresql://db/stoa\n"

func TestCluster_BindAndAutodetectAreOneDecision(t *testing.T) {
	t.Parallel()
	const (
		control = "cluster.link.bind.addr[\"cluster-link-control\"]=localhost\n"
		udp     = "cluster.link.bind.addr[cluster-link-udp]=10.0.0.2\n"
		wins    = "cluster.link.autodetect.address at portal-ext.properties:"
	)
	for text, want := range map[string]struct {
		bind, autodetect string
		warned           bool
	}{
		"":                                      {"", AutodetectDatabase, false},
		"cluster.link.autodetect.address=\n":    {"", "", false},
		"cluster.link.autodetect.address=h:1\n": {"", "h:1", false},
		control:                                 {"localhost", "", false},
		udp:                                     {"10.0.0.2", "", false},
		udp + control:                           {"localhost", "", false},
		control + "cluster.link.autodetect.address=\n":         {"localhost", "", false},
		control + "cluster.link.autodetect.address=h:1\n":      {"", "h:1", true},
		control + "cluster.link.autodetect.address=database\n": {"", AutodetectDatabase, true},
	} {
		c, err := ext(t, sharedDatabase+text)
		if err != nil {
			t.Errorf("%q: %v", text, err)
			continue
		}
		if c.Cluster.Bind() != want.bind || c.Cluster.Autodetect() != want.autodetect {
			t.Errorf("%q: bind %q and autodetect %q, want %q and %q", text, c.Cluster.Bind(), c.Cluster.Autodetect(), want.bind, want.autodetect)
		}
		if n := warned(c, wins, "counts more than cluster.link.bind.addr", "localhost"); (n == 1) != want.warned || len(c.Warnings()) != n {
			t.Errorf("%q: %q", text, c.Warnings())
		}
	}
}

func TestCluster_EmbeddedDatabaseIsRefusedWithWhatToSet(t *testing.T) {
	t.Parallel()
	const on = "\ncluster.link.enabled=true\n"
	for _, text := range []string{on, on + "jdbc.default.url=jdbc:hsqldb:/d/lportal", on + "jdbc.default.url=JDBC:SQLite:/x.db",
		on + "jdbc.default.url=jdbc:postgresql://h/d\njdbc.write.url=sqlite:/x.db"} {
		_, err := ext(t, text)
		wants(t, err, "cluster.link.enabled: portal-ext.properties:2", "belongs to one process", "set jdbc.default.url to a PostgreSQL, MariaDB or MySQL server")
	}
	for _, text := range []string{"", on + "jdbc.default.url=jdbc:mariadb://h/d", on + "jdbc.write.url=postgres://h/d"} {
		if _, err := ext(t, text); err != nil {
			t.Errorf("%q: %v", text, err)
		}
	}
}

func TestCluster_FilesForTheMessageServerAreLookedFor(t *testing.T) {
	t.Parallel()
	const bus = "cluster.link.auth.value=one two three four\ncluster.link.nats.urls=tls://bus:4222\n"
	const place = "stoa-home/"
	for text, want := range map[string]string{
		bus + "cluster.link.nats.ca=no.pem":                                `cluster.link.nats.ca: portal-ext.properties:3: there is no file`,
		bus + "cluster.link.nats.credentials=no.creds":                     `cluster.link.nats.credentials: portal-ext.properties:3: there is no file`,
		bus + "cluster.link.nats.cert=a.pem":                               `cluster.link.nats.cert: portal-ext.properties:3: a certificate and its key belong together; set cluster.link.nats.key too`,
		bus + "cluster.link.nats.key=a.pem":                                `cluster.link.nats.key: portal-ext.properties:3: a certificate and its key belong together; set cluster.link.nats.cert too`,
		bus + "cluster.link.nats.cert=a.pem\ncluster.link.nats.key=no.pem": `cluster.link.nats.key: portal-ext.properties:4: there is no file`,
	} {
		_, err := Load(Options{WorkDir: write(t, map[string]string{"portal-ext.properties": text, place + "a.pem": ""})})
		wants(t, err, want)
	}
	all := "cluster.link.nats.ca=a.pem\ncluster.link.nats.cert=b.pem\ncluster.link.nats.key=c.pem\n"
	files := map[string]string{"portal-ext.properties": bus + all, place + "a.pem": "", place + "b.pem": "", place + "c.pem": ""}
	c := load(t, Options{WorkDir: write(t, files)})
	if c.Cluster.NATSCA != c.Home+"/a.pem" || c.Cluster.NATSCertificate != c.Home+"/b.pem" || c.Cluster.NATSKey != c.Home+"/c.pem" || len(c.Warnings()) > 0 {
		t.Errorf("%+v %q", c.Cluster, c.Warnings())
	}
	files["portal-ext.properties"] = all
	if c = load(t, Options{WorkDir: write(t, files)}); warned(c, "has no use while cluster.link.nats.urls is empty") != 2 {
		t.Errorf("%q", c.Warnings())
	}
	files["portal-ext.properties"] = "cluster.link.nats.urls=nats://bus:4222"
	if c = load(t, Options{WorkDir: write(t, files)}); warned(c, "portal-ext.properties:1", "cluster.link.auth.value is empty", "do not call each other") != 1 {
		t.Errorf("%q", c.Warnings())
	}
}
