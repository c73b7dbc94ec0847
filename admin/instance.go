package admin

import (
	"errors"
	"net"
	"net/http"
	"net/url"
	"slices"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/httpd"
	"github.com/stoa-portal/stoa/lang"
	"github.com/stoa-portal/stoa/site"
)

func (h *Handler) mountInstances(get, post register) {
	get("/control/instances", operate, h.instances)
	get("/control/instances/new", operate, h.newInstance)
	post("/control/instances/new", operate, h.newInstance)
	get("/control/instances/{id}/hosts", operate, h.instanceHosts)
	post("/control/instances/{id}/hosts", operate, h.instanceHosts)
	post("/control/instances/{id}/hosts/remove", operate, h.removeHost)
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
			rows[i].Hosts = append(rows[i].Hosts, x.Display())
		}
	}
	return h.show(
		q,
		http.StatusOK,
		"instances",
		frame{
			Title:   "Virtual instances",
			Purpose: "Portals of their own within this installation, each with people, roles and sites.",
			Actions: []link{{Title: "New instance", URL: "/control/instances/new", Icon: "plus", Primary: true}},
			Body:    listOf(q, rows, "Filter by name", func(r instanceRow) string { return r.Name + " " + r.WebID }),
		},
	)
}

// instanceHosts shows the host names of an instance and adds one.
func (h *Handler) instanceHosts(q *request) error {
	inst, err := h.instanceOf(q)
	if err != nil {
		return err
	}
	type view struct {
		Hosts []site.Host
		Form  *form
	}
	v := view{Form: &form{Fields: []*field{{Name: "hosts", Label: lang.Word("operator.hosts.add"), Kind: "text",
		Help: lang.Word("operator.hosts.add.help")}}}}
	if q.Method == http.MethodPost {
		v.Form.read(q)
		err := h.o.Sites.GiveHost(q.Context(), inst.ID, v.Form.text("hosts"))
		if err == nil {
			return q.done("/control/instances/"+inst.ID.String()+"/hosts", "saved")
		}
		if stoa.Is(err, stoa.KindConflict) {
			err = inField("hosts", err)
		}
		if !v.Form.fail(err) {
			return err
		}
	}
	if v.Hosts, err = h.o.Sites.Hosts(q.Context(), inst.ID); err != nil {
		return err
	}
	return h.show(q, v.Form.Status(), "instance_hosts", frame{Title: lang.Word("operator.hosts.title", inst.Name),
		Purpose: lang.Word("operator.hosts.purpose"), Narrow: true,
		Back: &link{Title: "Virtual instances", URL: "/control/instances"}, Body: v})
}

func (h *Handler) removeHost(q *request) error {
	inst, err := h.instanceOf(q)
	if err != nil {
		return err
	}
	if err := h.o.Sites.TakeHost(q.Context(), inst.ID, q.PostFormValue("host")); err != nil {
		return err
	}
	return q.done("/control/instances/"+inst.ID.String()+"/hosts", "saved")
}

// instanceOf gives the instance that the address names.
func (h *Handler) instanceOf(q *request) (site.Instance, error) {
	id, err := q.id()
	if err != nil {
		return site.Instance{}, err
	}
	list, err := h.o.Sites.Instances(q.Context())
	if err != nil {
		return site.Instance{}, err
	}
	if i := slices.IndexFunc(list, func(i site.Instance) bool { return i.ID == id }); i >= 0 {
		return list[i], nil
	}
	return site.Instance{}, stoa.NotFound("instance", id)
}

// newInstance makes an instance and shows, this once, the link with which its administrator begins.
func (h *Handler) newInstance(q *request) error {
	f := &form{Fields: []*field{
		{Name: "name", Label: "Name", Kind: "text"},
		{
			Name:  "host",
			Label: "Host name",
			Kind:  "text",
			Help:  "Such as www.example.org, without scheme and port. It must lead to this portal.",
		},
		{
			Name:  "webId",
			Label: "Web id",
			Kind:  "text",
			Help:  "Such as example.org: the mail domain of the first administrator.",
		},
		{
			Name:  "locale",
			Label: "Language",
			Kind:  "text",
			Value: string(q.instance.Locale),
			Help:  "A code such as en or de-AT.",
		},
		{Name: "timeZone", Label: "Time zone", Kind: "text", Value: q.instance.TimeZone, Help: "Such as Europe/Vienna."},
	}}
	back := &link{Title: "Virtual instances", URL: "/control/instances"}
	if q.Method == http.MethodPost {
		f.read(q)
		setup, err := h.o.CreateInstance(
			q.Context(),
			site.Defaults{
				Name:       f.text("name"),
				SiteName:   f.text("name"),
				SiteSlug:   "guest",
				HostName:   f.text("host"),
				WebID:      f.text("webId"),
				MailDomain: f.text("webId"),
				Locale:     stoa.Locale(f.text("locale")),
				TimeZone:   f.text("timeZone"),
			},
		)
		if err == nil {
			host, err := site.NormalHost(f.text("host"))
			if err != nil {
				return err
			}
			return h.show(
				q,
				http.StatusOK,
				"instance_made",
				frame{
					Title:  "The instance is there",
					Back:   back,
					Narrow: true,
					Body:   atHost(httpd.Origin(q.Request), host) + setup,
				},
			)
		}
		if stoa.Is(err, stoa.KindConflict) {
			field := "webId"
			if e := (*stoa.Error)(nil); errors.As(err, &e) && e.Field != "" {
				field = e.Field
			}
			err = inField(field, err)
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
