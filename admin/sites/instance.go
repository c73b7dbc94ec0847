package sites

import (
	"errors"
	"net/http"
	"slices"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/admin"
	"github.com/stoa-portal/stoa/httpd"
	"github.com/stoa-portal/stoa/site"
)

func (h *screens) mountInstances(r *admin.Routes) {
	r.Get("/control/instances", admin.Operate, h.instances)
	r.Get("/control/instances/new", admin.Operate, h.newInstance)
	r.Post("/control/instances/new", admin.Operate, h.newInstance)
	r.Get("/control/instances/{id}/hosts", admin.Operate, h.instanceHosts)
	r.Post("/control/instances/{id}/hosts", admin.Operate, h.instanceHosts)
	r.Post("/control/instances/{id}/hosts/remove", admin.Operate, h.removeHost)
}

// instanceRow is a virtual instance with the host names that lead to it.
type instanceRow struct {
	site.Instance
	Hosts []string
}

func (h *screens) instances(q *admin.Request) error {
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
	words := func(r instanceRow) string { return r.Name + " " + r.WebID }
	return h.Show(q, http.StatusOK, "instances", admin.Screen{Title: q.Word("sites.instances"),
		Purpose: q.Word("sites.instances.purpose"), Body: admin.ListOf(q, rows, q.Word("sites.instances.filter"), words),
		Actions: []admin.Link{{Title: q.Word("sites.instances.new"), URL: "/control/instances/new", Icon: "plus",
			Primary: true}}})
}

// instanceHosts shows the host names of an instance and adds one.
func (h *screens) instanceHosts(q *admin.Request) error {
	inst, err := h.instanceOf(q)
	if err != nil {
		return err
	}
	type view struct {
		Hosts []site.Host
		Form  *admin.Form
	}
	v := view{Form: &admin.Form{Fields: []*admin.Field{{Name: "hosts", Label: q.Word("operator.hosts.add"), Kind: "text",
		Help: q.Word("operator.hosts.add.help")}}}}
	if q.Method == http.MethodPost {
		v.Form.Read(q)
		err := h.o.Sites.GiveHost(q.Context(), inst.ID, v.Form.Text("hosts"))
		if err == nil {
			return q.Done("/control/instances/"+inst.ID.String()+"/hosts", "saved")
		}
		if stoa.Is(err, stoa.KindConflict) {
			err = admin.InField("hosts", err)
		}
		if !v.Form.Fail(err) {
			return err
		}
	}
	if v.Hosts, err = h.o.Sites.Hosts(q.Context(), inst.ID); err != nil {
		return err
	}
	return h.Show(q, v.Form.Status(), "instance_hosts", admin.Screen{Title: q.Word("operator.hosts.title", inst.Name),
		Purpose: q.Word("operator.hosts.purpose"), Narrow: true,
		Back: &admin.Link{Title: q.Word("sites.instances"), URL: "/control/instances"}, Body: v})
}

func (h *screens) removeHost(q *admin.Request) error {
	inst, err := h.instanceOf(q)
	if err != nil {
		return err
	}
	if err := h.o.Sites.TakeHost(q.Context(), inst.ID, q.PostFormValue("host")); err != nil {
		return err
	}
	return q.Done("/control/instances/"+inst.ID.String()+"/hosts", "saved")
}

// instanceOf gives the instance that the address names.
func (h *screens) instanceOf(q *admin.Request) (site.Instance, error) {
	id, err := q.ID()
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
func (h *screens) newInstance(q *admin.Request) error {
	f := &admin.Form{Fields: []*admin.Field{
		{Name: "name", Label: q.Word("sites.name"), Kind: "text"},
		{Name: "host", Label: q.Word("operator.hosts.name"), Kind: "text", Help: q.Word("operator.hosts.add.help")},
		{Name: "webId", Label: q.Word("sites.instances.web-id"), Kind: "text", Help: q.Word("sites.instances.web-id.help")},
		q.Language(admin.Field{Name: "locale", Label: q.Word("sites.instances.language"),
			Value: string(q.Instance.Locale)}, ""),
		q.TimeZone(admin.Field{Name: "timeZone", Label: q.Word("sites.zone"), Value: q.Instance.TimeZone}, ""),
	}}
	back := &admin.Link{Title: q.Word("sites.instances"), URL: "/control/instances"}
	if q.Method == http.MethodPost {
		f.Read(q)
		setup, err := h.o.CreateInstance(q.Context(), site.Defaults{Name: f.Text("name"), SiteName: f.Text("name"),
			SiteSlug: "guest", HostName: f.Text("host"), WebID: f.Text("webId"), MailDomain: f.Text("webId"),
			Locale: stoa.Locale(f.Text("locale")), TimeZone: f.Text("timeZone")})
		if err == nil {
			host, err := site.NormalHost(f.Text("host"))
			if err != nil {
				return err
			}
			q.Saved()
			return h.Show(q, http.StatusOK, "instance_made", admin.Screen{Title: q.Word("sites.instances.made"), Back: back,
				Narrow: true, Body: httpd.SettledAt(q.Request, host) + setup})
		}
		if stoa.Is(err, stoa.KindConflict) {
			field := "webId"
			if e := (*stoa.Error)(nil); errors.As(err, &e) && e.Field != "" {
				field = e.Field
			}
			err = admin.InField(field, err)
		}
		if !f.Fail(err) {
			return err
		}
	}
	return h.Show(q, f.Status(), "form", admin.Screen{Title: q.Word("sites.instances.new"), Back: back,
		Narrow: true, Body: f})
}
