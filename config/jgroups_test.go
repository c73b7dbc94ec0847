package config

import (
	"slices"
	"strings"
	"testing"
)

// tcpFile is what administrators make of the tcp.xml that comes with JGroups.
const tcpFile = `<!-- unicast -->
<config xmlns="urn:org:jgroups" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"
        xsi:schemaLocation="urn:org:jgroups http://www.jgroups.org/schema/jgroups.xsd">
    <TCP bind_port="7810"
         bind_addr="${jgroups.bind_addr:SITE_LOCAL}"
         recv_buf_size="5M"/>
    <TCPPING async_discovery="true"
             initial_hosts="${jgroups.tcpping.initial_hosts,other:node-1[7810], node-2[7812]}"
             port_range="0"/>
    <FD_SOCK bind_addr="192.0.2.1" start_port="9000"/>
    <AUTH auth_value="hunter2" auth_class="org.jgroups.auth.MD5Token"/>
</config>
`

func TestJGroups_FilesAndPropertiesGiveAddresses(t *testing.T) {
	t.Parallel()
	const control = "cluster.link.channel.properties.control="
	for name, c := range map[string]struct {
		text      string
		file      string // besides portal-ext.properties; path below the working directory
		discovery string
		peers     string
		bind      string
		port      int
	}{
		"file from the class path":   {control + "/jgroups/tcp.xml", "jgroups/tcp.xml", "static", "node-1:7810,node-2:7812", "", 7810},
		"file from the home":         {control + "jgroups/tcp.xml", "stoa-home/jgroups/tcp.xml", "static", "node-1:7810,node-2:7812", "", 7810},
		"only the transport channel": {"cluster.link.channel.properties.transport.0=tcp.xml", "tcp.xml", "static", "node-1:7810,node-2:7812", "", 7810},
		"property beats the file": {control + "tcp.xml\njgroups.tcpping.initial_hosts=a[1],b[2]\njgroups.bind_addr=10.0.0.7\njgroups.bind_port=7",
			"tcp.xml", "static", "a:1,b:2", "10.0.0.7", 7},
		"list of properties": {"cluster.link.channel.system.properties=jgroups.tcpping.initial_hosts:a[1],b[2],jgroups.bind_addr:LOOPBACK,x:y",
			"", "static", "a:1,b:2", "127.0.0.1", 7800},
		"file refers to the list": {control + "tcp.xml\ncluster.link.channel.system.properties=other:c[3]", "tcp.xml", "static", "c:3", "", 7810},
		"own properties beat all": {control + "tcp.xml\njgroups.bind_addr=10.0.0.7\ncluster.link.port=7999\ncluster.link.bind.addr[cluster-link-udp]=10.0.0.8\ncluster.link.discovery.static=z:9\ncluster.link.discovery=static",
			"tcp.xml", "static", "z:9", "10.0.0.8", 7999},
		"discovery is chosen": {control + "tcp.xml\ncluster.link.discovery=database", "tcp.xml", "database", "", "", 7810},
	} {
		t.Run(name, func(t *testing.T) {
			files := map[string]string{"portal-ext.properties": sharedDatabase + c.text}
			if c.file != "" {
				files[c.file] = tcpFile
			}
			got := load(t, Options{WorkDir: write(t, files)})
			link := got.Cluster
			if link.Discovery != c.discovery || strings.Join(link.StaticPeers, ",") != c.peers || link.Bind() != c.bind || link.Port != c.port || len(got.Warnings()) > 0 {
				t.Errorf("%s %v, bind %q, port %d; want %+v\n%q", link.Discovery, link.StaticPeers, link.Bind(), link.Port, c, got.Warnings())
			}
		})
	}
}

func TestJGroups_SourcesAreShown(t *testing.T) {
	t.Parallel()
	dir := write(t, map[string]string{"portal-ext.properties": sharedDatabase + "cluster.link.channel.properties.control=/jgroups/tcp.xml", "jgroups/tcp.xml": tcpFile})
	c := load(t, Options{WorkDir: dir})
	for name, want := range map[string]string{
		"cluster.link.discovery": "static jgroups/tcp.xml:7", "cluster.link.discovery.static": "node-1[7810], node-2[7812] jgroups/tcp.xml:7", "cluster.link.port": "7810 jgroups/tcp.xml:4",
		"cluster.link.channel.properties.control": "/jgroups/tcp.xml portal-ext.properties:3",
	} {
		if v := value(t, c, name); v.Value+" "+v.Source != want {
			t.Errorf("%s: %q from %s, want %s", name, v.Value, v.Source, want)
		}
	}
}

func TestJGroups_JavaOptionsOfTheImageAreRead(t *testing.T) {
	t.Parallel()
	dir := write(t, map[string]string{"portal-ext.properties": sharedDatabase + "jgroups.bind_addr=10.0.0.7"})
	environ := []string{`LIFERAY_JVM_OPTS=-Xmx4g -Djgroups.tcpping.initial_hosts=a[7800],b[7800] -Djgroups.bind_addr="10.0.0.8" -Dfile.encoding=UTF8 -Djgroups.bind_port=$${`}
	if _, err := Load(Options{WorkDir: dir, Environ: environ}); err == nil {
		t.Error("a port that is none is taken")
	}
	environ[0] = strings.TrimSuffix(environ[0], " -Djgroups.bind_port=$${")
	c := load(t, Options{WorkDir: dir, Environ: environ})
	if !slices.Equal(c.Cluster.StaticPeers, []string{"a:7800", "b:7800"}) || c.Cluster.Bind() != "10.0.0.8" || len(c.Warnings()) > 0 {
		t.Errorf("%+v %q", c.Cluster, c.Warnings())
	}
}

func TestJGroups_FilesThatCannotBeUsedAreOneWarning(t *testing.T) {
	t.Parallel()
	deep := strings.Repeat("<a>", 1000)
	for name, c := range map[string]struct{ file, want string }{
		"not there":         {"", `not needed, and these are not there: tcp.xml (portal-ext.properties:3)`},
		"no XML":            {"hello\n<world", "tcp.xml:2: this is not well-formed XML"},
		"wrong nesting":     {"<config>\n<TCP auth='hunter2'>\n</config>", "tcp.xml:3: this is not well-formed XML"},
		"open to the end":   {deep, "tcp.xml:1: this is not well-formed XML"},
		"entity":            {"<c>\n<TCP bind_port='7810' x='hunter2&hunter2'/></c>", "tcp.xml:2: this is not well-formed XML"},
		"outside entity":    {"<!DOCTYPE c [<!ENTITY e SYSTEM \"file:///etc/hostname\">]>\n<c><TCP bind_addr='&e;'/></c>", "tcp.xml:1: a file of JGroups has no document type"},
		"bombs":             {"<?xml version='1.0'?>\n\n<!DOCTYPE c [<!ENTITY a \"aaaa\"><!ENTITY b \"&a;&a;\">]><c x='&b;'/>", "tcp.xml:3: a file of JGroups has no document type"},
		"another encoding":  {"<?xml version='1.0' encoding='UTF-16'?>\n<c/>", "tcp.xml:1: UTF-8 is expected"},
		"huge":              {"<c>" + strings.Repeat(" ", maxJGroupsBytes) + "</c>", "tcp.xml:1: the file has more than 256KiB"},
		"zero":              {"\x00\x00", "tcp.xml:1: this is not well-formed XML"},
		"wrong hosts":       {"<c>\n<TCPPING initial_hosts='a[x],b[7800]'/></c>", `tcp.xml:2: "a[x],b[7800]" is wrong for jgroups.tcpping.initial_hosts; hosts with ports`},
		"wrong port":        {"<c><TCP bind_port='7800-7900'/></c>", `tcp.xml:1: "7800-7900" is wrong for jgroups.bind_port; a whole number from 0 to 65535`},
		"wrong address":     {"<c><TCP bind_addr='match-interface:eth0'/></c>", `tcp.xml:1: "match-interface:eth0" is wrong for jgroups.bind_addr; a host name`},
		"refers to itself":  {"<c><TCP bind_addr='${a:${b:${a}}}}}' bind_port='${a}'/></c>", `tcp.xml:1: "b}}" is wrong`},
		"no hosts":          {"<c><TCPPING initial_hosts=' , '/><TCP bind_port='x'/></c>", `tcp.xml:1: "x" is wrong`},
		"multicast, no use": {"<config><PING/></config>", "tcp.xml has nothing that is used here"},
	} {
		t.Run(name, func(t *testing.T) {
			files := map[string]string{"portal-ext.properties": sharedDatabase + "cluster.link.channel.properties.control=tcp.xml\ncluster.link.channel.properties.transport.0=tcp.xml\ncluster.link.channel.system.properties=b:b${a},c:d"}
			files["portal-ext.properties"] = strings.ReplaceAll(files["portal-ext.properties"], "${a}", "$${a}")
			if c.file != "" {
				files["tcp.xml"] = c.file
			}
			got := load(t, Options{WorkDir: write(t, files)})
			all := strings.Join(got.Warnings(), "\n")
			if len(got.Warnings()) != 1 || !strings.Contains(all, c.want) || strings.Contains(all, "hunter2") {
				t.Errorf("%q, want one with %s", got.Warnings(), c.want)
			}
			if got.Cluster.Discovery != "database" || got.Cluster.Port != 7800 || got.Cluster.Bind() != "" {
				t.Errorf("%+v", got.Cluster)
			}
		})
	}
	dir := write(t, map[string]string{"portal-ext.properties": sharedDatabase + "cluster.link.channel.properties.control=folder", "folder/x": ""})
	if c := load(t, Options{WorkDir: dir}); warned(c, "folder is no file") != 1 {
		t.Errorf("%q", c.Warnings())
	}
	// Without a cluster nobody asks for the files.
	if c, err := ext(t, "cluster.link.channel.properties.control=/jgroups/tcp.xml"); err != nil || len(c.Warnings()) > 0 {
		t.Errorf("%v %v", err, c)
	}
}

func FuzzJGroups(f *testing.F) {
	for _, seed := range []string{tcpFile, "<c><TCP bind_port='${a:${b}}'/></c>", "<!DOCTYPE x>", "<a b=c>", "<TCPPING initial_hosts='[::1][7800]'/>"} {
		f.Add(seed)
	}
	system := map[string]found{"a": {"${a}${a}", ""}, "b": {"x}", ""}}
	f.Fuzz(func(t *testing.T, text string) {
		told, line, err := parseJGroups(text)
		if err != nil && (line < 1 || line > 1+strings.Count(text, "\n")) {
			t.Fatalf("%v in line %d", err, line)
		}
		for key, at := range told {
			if at.line < 1 || len(resolveJGroups(at.value, system)) > 2*maxExpandedSize+len(text) {
				t.Fatalf("%s: %+v", key, at)
			}
		}
	})
}
