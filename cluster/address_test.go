package cluster_test

import (
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/change"
	"github.com/stoa-portal/stoa/cluster"
	"github.com/stoa-portal/stoa/db"
)

func TestFindAddress(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		o         cluster.AddressOptions
		listen    string
		advertise string
		local     bool
		wrong     string // the property that the error names
	}{
		"nothing":                 {cluster.AddressOptions{}, "127.0.0.1", "127.0.0.1", true, ""},
		"the way to loopback":     {cluster.AddressOptions{Route: "127.0.0.1:3306"}, "127.0.0.1", "127.0.0.1", true, ""},
		"bound":                   {cluster.AddressOptions{Bind: "10.1.2.3", Route: "127.0.0.1:1"}, "10.1.2.3", "10.1.2.3", false, ""},
		"bound to IPv6":           {cluster.AddressOptions{Bind: "[::1]"}, "::1", "::1", true, ""},
		"bound to a name":         {cluster.AddressOptions{Bind: "localhost"}, "", "", true, ""},
		"behind translation":      {cluster.AddressOptions{Bind: "0.0.0.0", Advertise: "203.0.113.9"}, "", "203.0.113.9", false, ""},
		"all, told to no node":    {cluster.AddressOptions{Bind: "0.0.0.0"}, "", "", false, "cluster.link.advertise.addr"},
		"bound to nothing":        {cluster.AddressOptions{Bind: "no-such-host.invalid"}, "", "", false, "cluster.link.bind.addr"},
		"no way":                  {cluster.AddressOptions{Route: "no-such-host.invalid:1"}, "", "", false, "cluster.link.autodetect.address"},
		"told what is no address": {cluster.AddressOptions{Advertise: "no-such-host.invalid"}, "", "", false, "cluster.link.advertise.addr"},
	} {
		t.Run(name, func(t *testing.T) {
			a, err := cluster.FindAddress(t.Context(), c.o)
			if c.wrong != "" {
				if !stoa.Is(err, stoa.KindInvalid) || !strings.Contains(err.Error(), c.wrong) {
					t.Fatalf("%v, want an error about %s", err, c.wrong)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if name == "bound to a name" {
				c.listen, c.advertise = a.Listen, a.Listen // 127.0.0.1 or ::1
			}
			if a.Listen != c.listen || a.Advertise != c.advertise || a.Local != c.local {
				t.Errorf("%+v", a)
			}
		})
	}
}

// joinAt starts a node whose beats are raised by hand. It waits two heartbeats of its own for a sign of life of others.
func joinAt(t *testing.T, d *db.DB, host, address string) (*cluster.Node, error) {
	t.Helper()
	n, err := cluster.Join(t.Context(), cluster.NodeOptions{DB: d, Writer: change.NewWriter(), Home: filepath.Join(t.TempDir(), host), Host: host, HostID: host, Address: address, Heartbeat: time.Second})
	if err == nil {
		t.Cleanup(func() { _ = n.Leave(t.Context()) })
	}
	return n, err
}

func TestJoin_RefusesLoopbackTowardsOtherHosts(t *testing.T) {
	t.Parallel()
	engines(t, 2, func(t *testing.T, d []*db.DB) {
		first, err := joinAt(t, d[0], "here", "127.0.0.1:7800")
		if err != nil {
			t.Fatalf("alone on loopback: %v", err)
		}
		if _, err := joinAt(t, d[1], "here", "127.0.0.1:7801"); err != nil {
			t.Fatalf("a vertical cluster on loopback: %v", err)
		}
		stop := beating(t, d[0], first)
		_, err = joinAt(t, d[1], "there", "127.0.0.1:7800")
		stop()
		if !stoa.Is(err, stoa.KindInvalid) || !strings.Contains(err.Error(), "cluster.link.bind.addr") || !strings.Contains(err.Error(), "host here") {
			t.Fatalf("from another host: %v", err)
		}
		// A row that only looks alive keeps no node away.
		if _, err := joinAt(t, d[1], "there", "127.0.0.1:7800"); err != nil {
			t.Fatalf("beside a row without a beat: %v", err)
		}
	})
}

func TestUnreachable_NamesWhoTellsOthersLoopback(t *testing.T) {
	t.Parallel()
	self := cluster.Member{Name: "a", HostID: "h1", Address: "10.0.0.1:7800", Self: true, Live: true}
	all := []cluster.Member{self,
		{Name: "b", HostID: "h2", Address: "127.0.0.1:7800", Live: true}, {Name: "c", HostID: "h1", Address: "127.0.0.1:7801", Live: true},
		{Name: "d", HostID: "h3", Address: "10.0.0.3:7800", Live: true}, {Name: "e", HostID: "h2", Address: "[::1]:7800"}}
	got := cluster.Unreachable(self, all)
	if len(got) != 1 || got[0].Name != "b" {
		t.Errorf("%+v", got)
	}
}
