package remote

import (
	"fmt"
	"net"
	"net/url"
	"strconv"
	"strings"

	"github.com/stoa-portal/stoa"
)

// LiferayFiles are the names of the .config files in which Liferay has the settings of a search server.
func LiferayFiles() []string {
	return []string{
		"com.liferay.portal.search.elasticsearch8.configuration.ElasticsearchConfiguration",
		"com.liferay.portal.search.elasticsearch7.configuration.ElasticsearchConfiguration",
		"com.liferay.portal.search.elasticsearch6.configuration.ElasticsearchConfiguration",
	}
}

// Liferay reads the keys of such a file; a list is its items with commas between, and one value is a list of one. It
// reports whether the file wants a search server of its own: without, Liferay starts one that only it uses. The notes
// say what means something else here.
func Liferay(values map[string]string) (o Options, wanted bool, notes []string, err error) {
	l := liferay{values: values}
	wanted = strings.EqualFold(l.text("operationMode", ""), "REMOTE") || l.yes("productionModeEnabled")
	o.Prefix, o.Replicas = l.text("indexNamePrefix", defaultPrefix), l.text("indexNumberOfReplicas", "0-all")
	o.Shards = l.number("indexNumberOfShards", 1)
	secure := l.yes("httpSSLEnabled")
	if l.yes("authenticationEnabled") {
		o.User, o.Password = l.text("username", "elastic"), l.values["password"]
	}
	for _, a := range l.list("networkHostAddresses") {
		if !strings.Contains(a, "://") && secure {
			a = "https://" + a
		}
		o.Hosts = append(o.Hosts, a)
	}
	if len(o.Hosts) == 0 {
		for _, a := range l.list("transportAddresses") {
			o.Hosts = append(o.Hosts, l.overHTTP(a, secure))
		}
	}
	if len(o.Hosts) == 0 && wanted {
		o.Hosts = []string{"http://localhost:9200"}
		if secure {
			o.Hosts[0] = "https://localhost:9200"
		}
	}
	if path := l.text("truststorePath", ""); path != "" {
		l.note("truststorePath is not read, since it is a store of Java: give search.server.ca the certificate in PEM "+
			"(keytool -exportcert -rfc -keystore %s)", stoa.Clip(path, 200))
	}
	if id := l.text("remoteClusterConnectionId", ""); id != "" {
		l.note("remoteClusterConnectionId names the connection %q, whose own file is not read: write its addresses into "+
			"networkHostAddresses", stoa.Clip(id, 80))
	}
	return o, wanted, l.notes, l.err
}

// liferay reads values.
type liferay struct {
	values map[string]string
	notes  []string
	err    error // the first
}

func (l *liferay) note(format string, args ...any) {
	l.notes = append(l.notes, fmt.Sprintf(format, args...))
}

func (l *liferay) text(key, otherwise string) string {
	if v := strings.TrimSpace(l.values[key]); v != "" {
		return v
	}
	return otherwise
}

func (l *liferay) yes(key string) bool {
	return strings.EqualFold(strings.TrimSpace(l.values[key]), "true")
}

func (l *liferay) number(key string, otherwise int) int {
	v := l.text(key, "")
	if v == "" {
		return otherwise
	}
	n, err := strconv.Atoi(v)
	if err != nil && l.err == nil {
		l.err = stoa.Invalid(key, "%q is not a number", stoa.Clip(v, 40))
	}
	return n
}

// list takes a value apart.
func (l *liferay) list(key string) (items []string) {
	v := l.values[key]
	for item := range strings.SplitSeq(v, ",") {
		if item = strings.Trim(strings.TrimSpace(item), `"`); item != "" {
			items = append(items, item)
		}
	}
	return items
}

// overHTTP makes the address for HTTP of one that servers use among each other: by custom 9300 is 9200 there, 9301 is
// 9201, and so on. What cannot be read is left to Open, which refuses it.
func (l *liferay) overHTTP(address string, secure bool) string {
	scheme := "http"
	if secure {
		scheme = "https"
	}
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		host, port = strings.Trim(address, "[]"), "9300"
		if strings.Contains(address, "://") {
			return address
		}
	}
	n, err := strconv.Atoi(port)
	if err != nil {
		return scheme + "://" + address
	}
	if n >= 9300 && n < 9400 {
		n -= 100
	}
	u := url.URL{Scheme: scheme, Host: net.JoinHostPort(host, strconv.Itoa(n))}
	l.note("transportAddresses names %s, where servers speak among each other: %s is used; write it into "+
		"networkHostAddresses if it is another one", stoa.Clip(address, 200), u.String())
	return u.String()
}
