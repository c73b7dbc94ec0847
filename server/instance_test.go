package server_test

import (
	"errors"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"strings"
	"testing"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/server/servertest"
	"github.com/stoa-portal/stoa/site"
)

// atHost sends a request to a node under another host name.
func atHost(
	t *testing.T,
	n *servertest.Node,
	c *http.Client,
	host, method, path string,
	form url.Values,
) (int, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, n.URL+path, strings.NewReader(form.Encode()))
	if err != nil {
		t.Fatal(err)
	}
	req.Host = host
	if form != nil {
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	res, err := c.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(res.Body)
	if err := errors.Join(err, res.Body.Close()); err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, string(body)
}

// newPerson is a browser that keeps cookies and follows nothing. Its cookies go to every host, as those of a thief
// would: the server must keep instances apart.
func newPerson(t *testing.T) *http.Client {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	transport := &http.Transport{}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{
		Jar:           jar,
		Transport:     transport,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

func TestInstances_AreApartOnEveryNode(t *testing.T) {
	t.Parallel()
	onEngines(t, 2, func(t *testing.T, nodes []*servertest.Node) {
		other, person := nodes[1], newPerson(t)
		if status, body := atHost(t, other, person, "harbour.test", http.MethodGet, "/", nil); status != http.StatusOK ||
			!strings.Contains(body, "Welcome to Stoa") {
			t.Fatalf("before, a host that nobody named leads to the default site: %d", status)
		}
		d := site.Defaults{
			Name:       "Harbour",
			SiteName:   "Harbour",
			SiteSlug:   "guest",
			HostName:   "Harbour.test",
			WebID:      "harbour.test",
			MailDomain: "harbour.test",
			Locale:     "de",
			TimeZone:   "Europe/Vienna",
		}
		if _, err := nodes[0].CreateInstance(t.Context(), d); !stoa.Is(err, stoa.KindUnauthorized) {
			t.Errorf("a guest makes an instance: %v", err)
		}
		setup, err := nodes[0].CreateInstance(servertest.System(), d)
		if err != nil {
			t.Fatal(err)
		}
		plain := site.Defaults{
			Name:     "X",
			SiteName: "X",
			SiteSlug: "guest",
			WebID:    "x.test",
			HostName: "x.test",
			Locale:   "en",
			TimeZone: "UTC",
		}
		for what, wrong := range map[string]func(*site.Defaults){
			"the same": func(x *site.Defaults) { *x = d }, "no host": func(x *site.Defaults) { x.HostName = "" }, "an address": func(x *site.Defaults) { x.HostName = "http://x.test/" },
			"no zone": func(x *site.Defaults) { x.TimeZone = "Nowhere" }, "localhost": func(x *site.Defaults) { x.HostName = "localhost" }, "no name": func(x *site.Defaults) { x.SiteName = "" },
		} {
			bad := plain
			wrong(&bad)
			if _, err := nodes[0].CreateInstance(servertest.System(), bad); !stoa.Is(err, stoa.KindInvalid) &&
				!stoa.Is(err, stoa.KindConflict) {
				t.Errorf("%s: %v", what, err)
			}
		}
		other.Poll(t)
		if status, body := atHost(t, other, person, "harbour.test", http.MethodGet, "/", nil); status != http.StatusOK ||
			!strings.Contains(body, "– Harbour</title>") ||
			!strings.Contains(body, `lang="de"`) {
			t.Fatalf("the new instance: %d", status)
		}
		_, token, _ := strings.Cut(setup, "token=")
		password := "a few quiet words"
		if status, body := atHost(t, other, person, "harbour.test", http.MethodPost, "/account/setup", url.Values{"token": {token}, "new": {password}, "again": {password}}); status != http.StatusOK {
			t.Fatalf("set the password: %d\n%s", status, body)
		}
		sign := url.Values{"login": {"admin@harbour.test"}, "password": {password}, "next": {"/control/"}}
		if status, _ := atHost(t, other, person, "localhost", http.MethodPost, "/sign-in", sign); status == http.StatusSeeOther {
			t.Error("the administrator of the new instance can sign in to the default one")
		}
		if status, _ := atHost(t, other, person, "harbour.test", http.MethodPost, "/sign-in", sign); status != http.StatusSeeOther {
			t.Fatalf("sign in: %d", status)
		}
		status, body := atHost(t, other, person, "harbour.test", http.MethodGet, "/control/", nil)
		if status != http.StatusOK || strings.Contains(body, "Virtual instances") {
			t.Errorf("the panel of the new instance: %d; it must not lead to others", status)
		}
		if status, body = atHost(t, other, person, "harbour.test", http.MethodGet, "/control/instances",
			nil); status != http.StatusForbidden ||
			strings.Contains(body, "example.com") {
			t.Errorf("its list of instances: %d, names the default one: %v", status, strings.Contains(body, "example.com"))
		}
		another := url.Values{"name": {"Y"}, "host": {"y.test"}, "webId": {"y.test"}, "locale": {"en"}, "timeZone": {"UTC"}}
		if status, _ = atHost(t, other, person, "harbour.test", http.MethodPost, "/control/instances/new",
			another); status != http.StatusForbidden {
			t.Errorf("the administrator of one instance makes another one: %d", status)
		}
		if status, _ = atHost(t, other, person, "localhost", http.MethodGet, "/control/", nil); status == http.StatusOK {
			t.Error("the session of one instance opens the panel of another")
		}
		operator := newPerson(t)
		if status, _ := atHost(t, other, operator, "localhost", http.MethodPost, "/sign-in", url.Values{"login": {servertest.AdminLogin}, "password": {servertest.AdminPassword}}); status != http.StatusSeeOther {
			t.Fatalf("sign in as operator: %d", status)
		}
		if status, body := atHost(t, other, operator, "localhost", http.MethodGet, "/control/instances",
			nil); status != http.StatusOK ||
			!strings.Contains(body, "harbour.test") ||
			!strings.Contains(body, "example.com") {
			t.Errorf("the operator's list: %d\n%s", status, body)
		}
		if status, body := atHost(t, other, operator, "localhost", http.MethodPost, "/control/instances/new",
			another); status != http.StatusOK ||
			!strings.Contains(body, "http://y.test/account/setup?token=") {
			t.Errorf("the operator makes one: %d\n%s", status, body)
		}
		inst, _, err := other.Sites.Resolve(servertest.System(), "harbour.test")
		if err != nil {
			t.Fatal(err)
		}
		hosts := "/control/instances/" + inst.ID.String() + "/hosts"
		for typed, want := range map[string]int{"bücher.example": http.StatusSeeOther,
			"*.example":        http.StatusUnprocessableEntity,
			"http://x.example": http.StatusUnprocessableEntity, "harbour.test": http.StatusConflict} {
			if status, body := atHost(t, other, operator, "localhost", http.MethodPost, hosts,
				url.Values{"hosts": {typed}}); status != want {
				t.Errorf("the operator gives %s: %d\n%s", typed, status, body)
			}
		}
		if status, body := atHost(t, other, operator, "localhost", http.MethodGet, hosts, nil); status != http.StatusOK ||
			!strings.Contains(body, "bücher.example") || !strings.Contains(body, "xn--bcher-kva.example") {
			t.Errorf("its host names: %d\n%s", status, body)
		}
		nodes[0].Poll(t)
		if status, body := atHost(t, nodes[0], newPerson(t), "xn--bcher-kva.example", http.MethodGet, "/",
			nil); status != http.StatusOK ||
			!strings.Contains(body, "– Harbour</title>") {
			t.Errorf("a request to it on the other node: %d", status)
		}
		if status, body := atHost(t, other, person, "harbour.test", http.MethodGet, "/control/settings",
			nil); status != http.StatusOK ||
			!strings.Contains(body, "bücher.example") {
			t.Errorf("the settings of its site do not name the host: %d\n%s", status, body)
		}
	})
}
