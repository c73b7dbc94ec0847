package admin

import (
	"net"
	"net/http"
	"net/url"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/httpd"
	"github.com/stoa-portal/stoa/site"
)

func (h *Handler) mountInstances(get, post register) {
	get("/control/instances", manageInstance, h.instances)
	get("/control/instances/new", manageInstance, h.newInstance)
	post("/control/instances/new", manageInstance, h.newInstance)
}

// instanceRow is a virtual instance with the host names that lead to it.
type instanceRow struct {
	site.Instance
	Hosts []string
}

func (h *Handler) instances(q *request) error {
	list, err := h.o.Sites.Instances(q.Context())
	if err != nil {
		return err
	}
	rows := make([]instanceRow, len(list))
	for i, inst := range list {
		rows[i].Instance = inst
		hosts, err := h.o.Sites.Hosts(q.Context(), inst.ID)
		if err != nil {
			return err
		}
		for _, x := range hosts {
			rows[i].Hosts = append(rows[i].Hosts, x.Name)
		}
	}
	return h.show(q, http.StatusOK, "instances", frame{Title: "Virtual instances", Purpose: "Portals of their own within this installation, each with people, roles and sites.",
		Actions: []link{{Title: "New instance", URL: "/control/instances/new", Icon: "plus", Primary: true}},
		Body:    listOf(q, rows, "Filter by name", func(r instanceRow) string { return r.Name + " " + r.WebID })})
}

// newInstance makes an instance and shows, this once, the link with which its administrator begins.
func (h *Handler) newInstance(q *request) error {
	f := &form{Fields: []*field{
		{Name: "name", Label: "Name", Kind: "text"},
		{Name: "host", Label: "Host name", Kind: "text", Help: "Such as www.example.org, without scheme and port. It must lead to this portal."},
		{Name: "webId", Label: "Web id", Kind: "text", Help: "Such as example.org: the mail domain of the first administrator."},
		{Name: "locale", Label: "Language", Kind: "text", Value: string(q.instance.Locale), Help: "A code such as en or de-AT."},
		{Name: "timeZone", Label: "Time zone", Kind: "text", Value: q.instance.TimeZone, Help: "Such as Europe/Vienna."},
	}}
	back := &link{Title: "Virtual instances", URL: "/control/instances"}
	if q.Method == http.MethodPost {
		f.read(q)
		setup, err := h.o.CreateInstance(q.Context(), site.Defaults{Name: f.text("name"), SiteName: f.text("name"), SiteSlug: "guest", HostName: f.text("host"), WebID: f.text("webId"),
			MailDomain: f.text("webId"), Locale: stoa.Locale(f.text("locale")), TimeZone: f.text("timeZone")})
		if err == nil {
			return h.show(q, http.StatusOK, "instance_made", frame{Title: "The instance is there", Back: back, Narrow: true, Body: atHost(httpd.Origin(q.Request), f.text("host")) + setup})
		}
		if stoa.Is(err, stoa.KindConflict) {
			err = inField("webId", err)
		}
		if !f.fail(err) {
			return err
		}
	}
	return h.show(q, f.Status(), "form", frame{Title: "New instance", Back: back, Narrow: true, Body: f})
}

// atHost is an origin with another host.
func atHost(origin, host string) string {
	u, err := url.Parse(origin)
	if err != nil {
		return "http://" + host
	}
	if port := u.Port(); port != "" {
		host = net.JoinHostPort(host, port)
	}
	u.Host = host
	return u.String()
}
