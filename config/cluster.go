package config

import (
	"cmp"
	"strings"
	"unicode/utf8"
)

// leastAuthValue is how many characters cluster.link.auth.value has at least.
const leastAuthValue = 16

const (
	nameEnabled    = "cluster.link.enabled"
	nameAutodetect = "cluster.link.autodetect.address"
	nameBind       = `cluster.link.bind.addr["cluster-link-control"]`
	nameBindUDP    = `cluster.link.bind.addr["cluster-link-udp"]`
	namePort       = "cluster.link.port"
	nameDiscovery  = "cluster.link.discovery"
	nameStatic     = "cluster.link.discovery.static"
	nameDNS        = "cluster.link.discovery.dns"
)

// Bind is the host or address to listen on for other nodes; empty when Autodetect finds it, or when
// neither is set: then the node can be reached from its own machine only.
func (c *Cluster) Bind() string {
	if c.autodetectSet && c.AutodetectAddress != "" {
		return ""
	}
	return cmp.Or(c.BindAddressControl, c.BindAddressTransport)
}

// Autodetect is the host:port, or AutodetectDatabase, towards which this node's own address is looked
// for; empty when Bind gives the address, or when autodetection is off.
func (c *Cluster) Autodetect() string {
	if c.Bind() != "" {
		return ""
	}
	return c.AutodetectAddress
}

// embedded reports whether the address is of a database that belongs to one process.
func embedded(url string) bool {
	url = strings.ToLower(url)
	return strings.HasPrefix(url, "sqlite:") || strings.HasPrefix(url, "jdbc:sqlite:") ||
		strings.HasPrefix(url, "jdbc:hsqldb:")
}

func (r *reader) checkCluster(c *Config) {
	link := &c.Cluster
	link.autodetectSet = r.isSet(nameAutodetect)
	if database := cmp.Or(c.Database.Write.URL, c.Database.Default.URL); link.Enabled && embedded(database) {
		r.wrong(
			nameEnabled,
			"nodes find each other in a database that all of them reach, and %q is a file that belongs to one process; set "+
				"jdbc.default.url to a PostgreSQL, MariaDB or MySQL server, such as jdbc:postgresql://db.example.com/stoa",
			clip(maskURL(database)),
		)
	}
	if bind := cmp.Or(link.BindAddressControl, link.BindAddressTransport); link.Enabled && bind != "" &&
		link.Bind() == "" {
		r.warn(
			"%s at %s counts more than cluster.link.bind.addr, so %s is not used; give the first one an empty value to use it",
			nameAutodetect,
			r.values[nameAutodetect].source,
			clip(bind),
		)
	}
	if link.Discovery == "static" && len(link.StaticPeers) == 0 {
		r.wrong(nameDiscovery, "the fixed list of nodes is empty; set %s to host:port of each node", nameStatic)
	}
	if link.Discovery == "dns" && link.DNSName == "" {
		r.wrong(nameDiscovery, "there is no name to look up; set %s to a name that has the addresses of all nodes", nameDNS)
	}
	if link.HeartbeatTimeout < 3*link.HeartbeatInterval {
		r.wrong(
			"cluster.heartbeat.timeout",
			"%s is less than three times cluster.heartbeat.interval, %s; nodes would count as gone by accident, so a longer "+
				"time is expected",
			formatPeriod(link.HeartbeatTimeout),
			formatPeriod(link.HeartbeatInterval),
		)
	}
	if n := utf8.RuneCountInString(link.AuthValue); n > 0 && n < leastAuthValue && link.AuthValue != "liferay-cluster" {
		r.wrong(
			"cluster.link.auth.value",
			"the value has %d characters; at least %d are expected, or it can be guessed by a "+
				"reader of the database (openssl rand -base64 24 makes one), or none at all",
			n,
			leastAuthValue,
		)
	}
	if link.AuthValue == "liferay-cluster" {
		r.warn(
			"cluster.link.auth.value at %s is a value that is known from documentation; choose another, or leave it empty",
			r.values["cluster.link.auth.value"].source,
		)
	}
	r.checkNATS(link)
}

func (r *reader) checkNATS(link *Cluster) {
	if len(link.NATSURLs) == 0 {
		for _, name := range []string{"credentials", "ca", "cert"} {
			if r.isSet("cluster.link.nats." + name) {
				r.warn(
					"cluster.link.nats.%s at %s has no use while cluster.link.nats.urls is empty: the nodes carry their messages "+
						"themselves",
					name,
					r.values["cluster.link.nats."+name].source,
				)
			}
		}
		return
	}
	if link.AuthValue == "" {
		r.warn(
			"cluster.link.nats.urls at %s names a message server outside and cluster.link.auth.value is empty: nodes hear "+
				"of changes, but do not call each other and send no copies; set it to one secret on all nodes",
			r.values["cluster.link.nats.urls"].source,
		)
	}
}
