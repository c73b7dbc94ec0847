package config

import (
	"net/netip"
	"time"
)

func sectionListen() section {
	return section{Title: "Listening", Props: []property{
		{Name: "portal.instance.inet.socket.address", Default: "0.0.0.0:8080", EmptyIsDefault: true,
			Doc:  "Address and port on which this node answers HTTP. The flag --port changes the port; port 0 takes any free one.",
			kind: into(listenAddress(), func(c *Config) *string { return &c.Server.Listen })},
		{Name: "web.server.https.certificate", Default: "",
			Doc:  "PEM file with the certificate chain. With it and web.server.https.key this node answers HTTPS beside HTTP. A relative path starts at liferay.home.",
			kind: into(text(), func(c *Config) *string { return &c.Server.Certificate })},
		{Name: "web.server.https.key", Default: "",
			Doc:  "PEM file with the private key of the certificate. A relative path starts at liferay.home.",
			kind: into(text(), func(c *Config) *string { return &c.Server.Key })},
		{Name: "web.server.https.listen", Default: "0.0.0.0:8443",
			Doc:  "Address and port of HTTPS, used when there is a certificate.",
			kind: into(listenAddress(), func(c *Config) *string { return &c.Server.ListenTLS })},
	}}
}

func sectionWebServer() section {
	props := []property{
		{Name: "web.server.display.node", Default: "false",
			Doc:  "Whether each page shows at its foot which node made it: Node: host:port.",
			kind: into(boolean(), func(c *Config) *bool { return &c.Web.DisplayNode })},
		{Name: "web.server.host", Default: "", Shared: true,
			Doc:  "Host in generated links; empty means the host of the request.",
			kind: into(hostName(), func(c *Config) *string { return &c.Web.Host })},
		{Name: "web.server.http.port", Default: "-1", Shared: true,
			Doc:  "Port in generated http links; -1 means the port of the request.",
			kind: into(whole(-1, 65535), func(c *Config) *int { return &c.Web.HTTPPort })},
		{Name: "web.server.https.port", Default: "-1", Shared: true,
			Doc:  "Port in generated https links; -1 means the port of the request.",
			kind: into(whole(-1, 65535), func(c *Config) *int { return &c.Web.HTTPSPort })},
		{Name: "web.server.protocol", Default: "", Shared: true,
			Doc: "Protocol in generated links; empty means that of the request. With https, requests in the clear are sent to " +
				"HTTPS (308), and none of them signs in. Where a proxy encrypts, list it in web.server.trusted.proxies and set " +
				"web.server.forwarded.protocol.enabled=true.",
			kind: into(oneOf("", "http", "https"), func(c *Config) *string { return &c.Web.Protocol })},
		{Name: "web.server.hsts.include.subdomains", Default: "false", Shared: true,
			Doc: "Whether browsers that have come over HTTPS also use it for all names below that of the portal " +
				"(Strict-Transport-Security: includeSubDomains). Only when all of them have certificates.",
			kind: into(boolean(), func(c *Config) *bool { return &c.Web.HSTSSubDomains })},
		{Name: "web.server.trusted.proxies", Default: "",
			Doc:  "Addresses or ranges of proxies whose X-Forwarded headers are believed; empty means nobody's, whatever the switches below say.",
			kind: into(networks(), func(c *Config) *[]netip.Prefix { return &c.Web.TrustedProxies })},
		{Name: "web.server.proxy.protocol.enabled", Default: "false",
			Doc: "Whether web.server.trusted.proxies may tell the visitor's address with the PROXY protocol, versions 1 " +
				"and 2, in " +
				"front of each connection (send-proxy of HAProxy).",
			kind: into(boolean(), func(c *Config) *bool { return &c.Web.ProxyProtocol })},
	}
	forwarded := func(name, header, doc string, field func(*Config) *Forwarded) {
		props = append(props,
			property{Name: "web.server.forwarded." + name + ".enabled", Default: "false",
				Doc:  "Whether " + doc + " is taken from a header when the request comes from a trusted proxy.",
				kind: into(boolean(), func(c *Config) *bool { return &field(c).Enabled })},
			property{Name: "web.server.forwarded." + name + ".header", Default: header,
				Doc:  "The header that carries " + doc + ".",
				kind: into(headerName(), func(c *Config) *string { return &field(c).Header })})
	}
	forwarded(
		"host",
		"X-Forwarded-Host",
		"the host that the visitor asked for",
		func(c *Config) *Forwarded { return &c.Web.ForwardedHost },
	)
	forwarded(
		"port",
		"X-Forwarded-Port",
		"the port that the visitor used",
		func(c *Config) *Forwarded { return &c.Web.ForwardedPort },
	)
	forwarded(
		"protocol",
		"X-Forwarded-Proto",
		"the protocol that the visitor used",
		func(c *Config) *Forwarded { return &c.Web.ForwardedProtocol },
	)
	return section{Title: "The address that visitors see", Props: props}
}

func sectionLimits() section {
	return section{Title: "Limits of requests, and leaving", Props: []property{
		{Name: "http.server.max.header.bytes", Default: "64KiB", Unit: "bytes",
			Doc:  "Largest header of a request.",
			kind: into(byteSize(4<<10), func(c *Config) *int64 { return &c.Server.MaxHeaderBytes })},
		{Name: "http.server.max.body.bytes", Default: "10MiB", Unit: "bytes",
			Doc:  "Largest body of a request that is no file upload; uploads have dl.file.max.size.",
			kind: into(byteSize(64<<10), func(c *Config) *int64 { return &c.Server.MaxBodyBytes })},
		{Name: "http.server.read.header.timeout", Default: "10s",
			Doc: "How long the header of a request may take to arrive.",
			kind: into(
				period(100*time.Millisecond, time.Hour),
				func(c *Config) *time.Duration { return &c.Server.ReadHeaderTimeout },
			)},
		{Name: "http.server.read.timeout", Default: "5m",
			Doc:  "How long a whole request may take to arrive. Large uploads over slow lines need it long.",
			kind: into(period(time.Second, 24*time.Hour), func(c *Config) *time.Duration { return &c.Server.ReadTimeout })},
		{Name: "http.server.write.timeout", Default: "5m",
			Doc:  "How long an answer may take to be sent.",
			kind: into(period(time.Second, 24*time.Hour), func(c *Config) *time.Duration { return &c.Server.WriteTimeout })},
		{Name: "http.server.idle.timeout", Default: "2m",
			Doc:  "How long an unused connection is kept. Make it longer than that of the load balancer in front.",
			kind: into(period(time.Second, 24*time.Hour), func(c *Config) *time.Duration { return &c.Server.IdleTimeout })},
		{Name: "http.server.compression.enabled", Default: "true",
			Doc:  "Whether text is sent compressed to browsers that ask for it.",
			kind: into(boolean(), func(c *Config) *bool { return &c.Server.Compression })},
		{Name: "shutdown.drain.delay", Default: "5s",
			Doc:  "How long a node that leaves still answers requests after it says that it is not ready, so that load balancers notice.",
			kind: into(period(0, time.Hour), func(c *Config) *time.Duration { return &c.Server.DrainDelay })},
		{Name: "shutdown.timeout", Default: "30s",
			Doc:  "How long requests that are under way may take to finish when a node leaves.",
			kind: into(period(0, time.Hour), func(c *Config) *time.Duration { return &c.Server.StopTimeout })},
	}}
}
