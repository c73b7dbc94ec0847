package site

import (
	"strings"

	"github.com/stoa-portal/stoa"
)

// CheckDefaults reports what is wrong with the first instance before it is made, as an Invalid error whose field is
// webId, timeZone, host, name or slug.
func CheckDefaults(d Defaults) error {
	if !isWebID(d.WebID) {
		return badWebID(d.WebID)
	}
	if _, err := stoa.ParseZone(d.TimeZone); err != nil {
		return err
	}
	if len(d.HostName) > 190 || strings.ContainsAny(strings.TrimSpace(d.HostName), "/:@?# \t,") { // it may be an address
		return stoa.Invalid("hosts", "%.190q is not a host name: a name such as www.example.org is expected, "+
			"without scheme and port", d.HostName)
	}
	return validate(&Site{Slug: d.SiteSlug, Name: d.SiteName, Tagline: d.Tagline, Locale: d.Locale, Locales: d.Locales})
}

// isWebID reports whether s can be the web id of an instance, which is the mail domain of its administrator.
func isWebID(s string) bool {
	return s != "" && len(s) <= 120 && !strings.ContainsAny(s, "/:@?# \t")
}

func badWebID(s string) error {
	return stoa.Invalid("webId", "%.120q is not a web id: a name such as example.org is expected", s)
}
