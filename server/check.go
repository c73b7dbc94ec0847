package server

import (
	"errors"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/config"
	"github.com/stoa-portal/stoa/httpd"
	"github.com/stoa-portal/stoa/site"
)

// Check reports what a start would refuse of the settings, and warnings about them, without a database or a network.
// Each part of a node judges its own; a start asks the same. The error joins one stoa.Error for each wrong
// value, whose field is the property.
func Check(c *config.Config) (warnings []string, err error) {
	warnings, err = CheckSources(c)
	return warnings, errors.Join(err,
		httpd.Check(httpSettings(c)),
		asProperty(site.CheckDefaults(firstInstance(c)), map[string]string{
			"webId": "company.default.web.id", "timeZone": "company.default.time.zone", "name": "company.default.name",
			"host": "company.default.virtual.host.name", "hosts": "company.default.virtual.host.name",
			"locale": "company.default.locale",
		}),
		asProperty(firstAdministrator(c).Check(), map[string]string{
			"screenName": "default.admin.screen.name", "email": "default.admin.email.address.prefix",
			"firstName": "default.admin.first.name", "lastName": "default.admin.last.name",
		}))
}

// asProperty names the property that a field of a form is made of.
func asProperty(err error, property map[string]string) error {
	var e *stoa.Error
	if !errors.As(err, &e) || property[e.Field] == "" {
		return err
	}
	named := *e
	named.Field = property[e.Field]
	return &named
}

// httpSettings are the options of the HTTP server that the settings alone decide.
func httpSettings(c *config.Config) httpd.Options {
	return httpd.Options{
		Addr: c.Server.Listen, TLSAddr: c.Server.ListenTLS, TLSCert: c.Server.Certificate, TLSKey: c.Server.Key,
		TrustedProxies: c.Web.TrustedProxies, ProxyProtocol: c.Web.ProxyProtocol,
		ForwardedHost: httpd.Forwarded(c.Web.ForwardedHost), ForwardedPort: httpd.Forwarded(c.Web.ForwardedPort),
		ForwardedProto: httpd.Forwarded(c.Web.ForwardedProtocol),
		Links: httpd.Links{
			Protocol: c.Web.Protocol, Host: c.Web.Host, HTTPPort: c.Web.HTTPPort, HTTPSPort: c.Web.HTTPSPort,
		},
		HSTSSubDomains: c.Web.HSTSSubDomains,
		ValidHosts:     c.Hosts.Valid, FrameHosts: []string{"www.youtube-nocookie.com", "www.youtube.com",
			"player.vimeo.com"},
		MaxBody: c.Server.MaxBodyBytes, MaxHeader: int(c.Server.MaxHeaderBytes), NoCompression: !c.Server.Compression,
		ReadHeaderTimeout: c.Server.ReadHeaderTimeout, ReadTimeout: c.Server.ReadTimeout,
		WriteTimeout: c.Server.WriteTimeout, IdleTimeout: c.Server.IdleTimeout, DrainDelay: c.Server.DrainDelay,
		LogRequests:    c.Log.Requests,
		MetricsAllowed: c.Health.MetricsAllowedAddresses, MetricsToken: c.Health.MetricsToken,
	}
}
