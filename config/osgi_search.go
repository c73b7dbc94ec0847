package config

import (
	"fmt"
	"net"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// Liferay has a search server's settings in a file for each of its engines, and since 7.3 in one for each connection.
// Of several engines one counts: keys of two files say nothing together.

const (
	elasticsearchPID = ".configuration.ElasticsearchConfiguration"
	openSearchPID    = ".configuration.OpenSearchConfiguration"
)

// searchPIDs gives the names of the files of Liferay's engines, newest first.
func searchPIDs() []string {
	const begin = "com.liferay.portal.search."
	return []string{
		begin + "opensearch2" + openSearchPID, begin + "elasticsearch8" + elasticsearchPID,
		begin + "elasticsearch7" + elasticsearchPID, begin + "elasticsearch6" + elasticsearchPID,
	}
}

// searchFile is a file of a search engine of Liferay, or of a connection that it has.
type searchFile struct {
	engine     string // PID of the engine
	connection bool
	id         string // of the connection
	name       string // as it is shown
	lines      []line
}

// asSearchFile reports whether a file of that name is one; connections have a name of their own behind - or ~.
func asSearchFile(pid string) (f searchFile, ok bool) {
	for _, engine := range searchPIDs() {
		if pid == engine {
			return searchFile{engine: engine}, true
		}
		id, of := strings.CutPrefix(pid, strings.TrimSuffix(engine, "Configuration")+"ConnectionConfiguration")
		if of && (id == "" || id[0] == '-' || id[0] == '~') {
			return searchFile{engine: engine, connection: true, id: strings.TrimLeft(id, "-~")}, true
		}
	}
	return searchFile{}, false
}

// searchKey reports whether Liferay has a key in those files; what the others become docs/operate/search.md says.
func searchKey(key string) bool {
	return slices.Contains([]string{
		"operationMode", "productionModeEnabled", "transportAddresses", "networkHostAddresses", "indexNamePrefix",
		"indexNumberOfReplicas", "indexNumberOfShards", "authenticationEnabled", "username", "password", "httpSSLEnabled",
		"truststorePath", "truststorePassword", "truststoreType", "remoteClusterConnectionId", "connectionId", "active",
		"proxyHost", "proxyPort", "proxyUserName", "proxyPassword",
		// without an effect here
		"additionalConfigurations", "additionalIndexConfigurations", "additionalTypeMappings", "overrideTypeMappings",
		"bootstrapMlockAll", "clientTransportIgnoreClusterName", "clientTransportNodesSamplerInterval",
		"clientTransportPingTimeout", "clientTransportSniff", "clusterName", "compressionEnabled",
		"discoveryZenPingUnicastHostsPort", "embeddedHttpPort", "httpCORSAllowOrigin", "httpCORSConfigurations",
		"httpCORSEnabled", "httpEnabled", "indexMaxResultWindow", "logExceptionsOnly", "maxConnections",
		"maxConnectionsPerRoute", "minimumRequiredNodeVersion", "networkBindHost", "networkHost", "networkPublishHost",
		"nodeName", "restClientLoggerLevel", "retryOnConflict", "sidecarDebug", "sidecarDebugSettings",
		"sidecarHeartbeatInterval", "sidecarHome", "sidecarHttpPort", "sidecarJVMOptions", "sidecarModuleNames",
		"sidecarShutdownTimeout", "sidecarTcpPort", "trackTotalHits", "trackTotalHitsLimit", "transportTcpPort",
	}, key)
}

func (f searchFile) openSearch() bool { return strings.HasSuffix(f.engine, openSearchPID) }

// line gives the line of a key; its value is empty when there is none.
func (f searchFile) line(key string) line {
	for _, l := range f.lines {
		if l.key == key {
			l.value = strings.TrimSpace(l.value)
			return l
		}
	}
	return line{key: key}
}

func (f searchFile) yes(key string) bool { return strings.EqualFold(f.line(key).value, "true") }

// wanted gives the line by which Liferay uses a search server, and no one that it starts itself. With OpenSearch it
// starts none.
func (f searchFile) wanted() (line, bool) {
	if f.openSearch() && !f.connection {
		l := f.line("remoteClusterConnectionId")
		return l, l.value != ""
	}
	if f.connection {
		return f.line("active"), f.openSearch() && f.yes("active")
	}
	if l := f.line("operationMode"); strings.EqualFold(l.value, "REMOTE") {
		return l, true
	}
	return f.line("productionModeEnabled"), f.yes("productionModeEnabled")
}

// named is the name by which an engine knows a connection.
func (f searchFile) named() string {
	if id := f.line("connectionId").value; id != "" {
		return id
	}
	return f.id
}

// note is something that is to be known of a file as long as nothing else sets the property.
type note struct{ property, file, text string }

// tellSearch warns of what means something else here than in Liferay's files.
func (r *reader) tellSearch() {
	for _, n := range r.notes {
		if !r.isSet(n.property) || r.values[n.property].file == n.file {
			r.warn("%s", n.text)
		}
	}
}

// searchFiles enters what Liferay's files say of a search server.
func (r *reader) searchFiles(files []searchFile) {
	for _, f := range files {
		r.unknownKeys(f.name, f.lines, searchKey)
	}
	main, connection := r.chooseSearch(files)
	t, at := taker{reader: r}, main
	why, wanted := main.wanted()
	if !wanted {
		if why, wanted = connection.wanted(); wanted {
			at = connection
		}
	}
	if t.wanted = wanted; wanted {
		t.set(nameSearchEngine, at, why, SearchServer)
	}
	for _, k := range [][2]string{{"indexNamePrefix", nameSearchPrefix}, {"indexNumberOfReplicas", nameSearchReplicas},
		{"indexNumberOfShards", nameSearchShards}} {
		if l := main.line(k[0]); l.value != "" {
			t.set(k[1], main, l, l.value)
		}
	}
	if wanted && main.line("indexNumberOfReplicas").value == "" {
		t.set(nameSearchReplicas, at, line{}, "0-all")
	}
	if connection.name != "" {
		t.reach(connection)
	} else {
		t.reach(main)
	}
}

// chooseSearch gives the file of the engine that counts and of the connection that it uses; each may have no name.
func (r *reader) chooseSearch(files []searchFile) (main, connection searchFile) {
	rank := func(f searchFile) int {
		n := slices.Index(searchPIDs(), f.engine)
		if _, ok := f.wanted(); !ok {
			n += 10
		}
		return n
	}
	var mains, connections []searchFile
	for _, f := range files {
		if f.connection {
			connections = append(connections, f)
		} else {
			mains = append(mains, f)
		}
	}
	slices.SortStableFunc(mains, func(a, b searchFile) int { return rank(a) - rank(b) })
	slices.SortStableFunc(connections, func(a, b searchFile) int { return rank(a) - rank(b) })
	if len(mains) > 0 {
		main = mains[0]
		for _, f := range mains[1:] {
			r.warn("%s is not used, since %s counts: Liferay has one search engine at a time", f.name, main.name)
		}
	}
	id := main.line("remoteClusterConnectionId")
	for _, f := range connections {
		var mine bool
		switch {
		case main.name != "" && f.engine != main.engine:
		case id.value != "":
			mine = f.named() == id.value
		case main.name == "" || main.openSearch():
			mine = f.yes("active")
		}
		switch {
		case mine && connection.name == "":
			connection = f
		case main.name == "":
			r.warn("%s is not used, since active is not true there, or another connection counts", f.name)
		default:
			r.warn("%s is not used, since remoteClusterConnectionId of %s does not name it", f.name, main.name)
		}
	}
	if id.value != "" && connection.name == "" {
		r.notes = append(r.notes, note{nameSearchHosts, main.name, fmt.Sprintf("%s:%d: remoteClusterConnectionId names the "+
			"connection %q, of which there is no file: write its addresses into %s", main.name, id.number, clip(id.value),
			nameSearchHosts)})
	}
	return main, connection
}

// taker enters values of files.
type taker struct {
	reader *reader
	wanted bool
}

// set enters a value of a line; without a number it is Liferay's default.
func (t *taker) set(name string, f searchFile, l line, value string) {
	source := fmt.Sprintf("%s:%d", f.name, l.number)
	if l.number == 0 {
		source = f.name + " (Liferay's default)"
	}
	t.reader.set(setting{name: name, raw: value, literal: true, source: source, file: f.name})
}

func (t *taker) note(property string, f searchFile, l line, format string, args ...any) {
	text := fmt.Sprintf("%s:%d: %s", f.name, l.number, fmt.Sprintf(format, args...))
	t.reader.notes = append(t.reader.notes, note{property, f.name, text})
}

// reach enters where the server is, and who asks there.
func (t *taker) reach(f searchFile) {
	if f.name == "" {
		return
	}
	t.hosts(f)
	password := f.line("password")
	for _, l := range f.lines {
		if l.key == "password" {
			password.value = l.value // with its spaces
		}
	}
	switch {
	case f.yes("authenticationEnabled"):
		user := f.line("username")
		if user.value == "" {
			user = line{value: "elastic"}
			if f.openSearch() {
				user.value = "opensearch"
			}
		}
		t.set(nameSearchUser, f, user, user.value)
		if password.value != "" {
			t.set(nameSearchPassword, f, password, password.value)
		}
	case password.value != "":
		t.note(nameSearchPassword, f, password, "password is not used, since authenticationEnabled is not true there")
	}
	if l := f.line("truststorePath"); l.value != "" && f.yes("httpSSLEnabled") {
		t.note(nameSearchCA, f, l, "truststorePath is not read, since it is a store of Java: give %s the certificate in PEM "+
			"(keytool -exportcert -rfc -keystore %s)", nameSearchCA, clip(l.value))
	}
	if l := f.line("proxyHost"); l.value != "" {
		t.note(nameSearchHosts, f, l, "proxyHost is not read: the proxy of the environment is used (HTTPS_PROXY, HTTP_PROXY)")
	}
}

// hosts enters the addresses of the server; of old releases those that its nodes use among each other.
func (t *taker) hosts(f searchFile) {
	secure := f.yes("httpSSLEnabled")
	scheme := "http://"
	if secure {
		scheme = "https://"
	}
	var hosts []string
	l := f.line("networkHostAddresses")
	for _, a := range searchItems(l.value) {
		if !strings.Contains(a, "://") && secure {
			a = scheme + a
		}
		hosts = append(hosts, a)
	}
	if len(hosts) == 0 {
		l = f.line("transportAddresses")
		for _, a := range searchItems(l.value) {
			written := overHTTP(a, scheme)
			if written != a {
				t.note(nameSearchHosts, f, l, "transportAddresses names %s, where nodes of the search server speak among each "+
					"other: %s is used; write it into %s if it is another one", clip(a), clip(written), nameSearchHosts)
			}
			hosts = append(hosts, written)
		}
	}
	if len(hosts) == 0 && t.wanted && (f.connection || f.line("remoteClusterConnectionId").value == "") {
		l, hosts = line{}, []string{scheme + "localhost:9200"}
	}
	if len(hosts) > 0 {
		t.set(nameSearchHosts, f, l, strings.Join(hosts, ","))
	}
}

// searchItems takes a list apart; one value is a list of one.
func searchItems(value string) (items []string) {
	for item := range strings.SplitSeq(value, ",") {
		if item = strings.Trim(strings.TrimSpace(item), `"`); item != "" {
			items = append(items, item)
		}
	}
	return items
}

// overHTTP makes the address for HTTP of one that nodes of a server use among each other: by custom 9300 is 9200 there,
// 9301 is 9201, and so on. What cannot be read is refused later.
func overHTTP(address, scheme string) string {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		if strings.Contains(address, "://") {
			return address
		}
		host, port = strings.Trim(address, "[]"), "9300"
	}
	n, err := strconv.Atoi(port)
	if err != nil {
		return scheme + address
	}
	if n >= 9300 && n < 9400 {
		n -= 100
	}
	u := url.URL{Scheme: strings.TrimSuffix(scheme, "://"), Host: net.JoinHostPort(host, strconv.Itoa(n))}
	return u.String()
}
