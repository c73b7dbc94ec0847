package throttle_test

import (
	"context"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/db"
	"github.com/stoa-portal/stoa/db/dbtest"
	"github.com/stoa-portal/stoa/throttle"
)

func TestTry_LimitsHoldForAllNodesTogether(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
		clock := func() time.Time { return now }
		a, b := throttle.New(d, 15*time.Minute, clock), throttle.New(d, 15*time.Minute, clock)
		own, all := throttle.Limit{Subject: "t:ann", Max: 2}, throttle.Limit{Subject: "t:all", Max: 5}
		try := func(s *throttle.Service, want stoa.Kind, limits ...throttle.Limit) {
			t.Helper()
			if err := s.Try(t.Context(), limits...); want == 0 && err != nil || want != 0 && !stoa.Is(err, want) {
				t.Fatalf("%v, want %v", err, want)
			}
		}
		in := func(f func(ctx context.Context, tx *db.Tx) error) {
			t.Helper()
			if err := d.Write(t.Context(), f); err != nil {
				t.Fatal(err)
			}
		}
		try(a, 0, own, all)
		try(b, 0, all, own)
		try(a, stoa.KindTooMany, own, all) // counts for neither
		for range 3 {
			try(b, 0, all)
		}
		try(a, stoa.KindTooMany, all)
		in(func(ctx context.Context, tx *db.Tx) error { return throttle.GiveBack(ctx, tx, "t:all", "t:none") })
		try(b, 0, all)
		try(b, stoa.KindTooMany, all)
		in(func(ctx context.Context, tx *db.Tx) error { return throttle.Forget(ctx, tx, "t:ann") })
		try(a, 0, own)
		now = now.Add(15 * time.Minute)
		try(b, 0, all)
		in(a.Sweep)
		var left int
		if err := d.QueryRow(t.Context(), "SELECT count(*) FROM user_attempt").Scan(&left); err != nil || left != 1 {
			t.Errorf("%d rows are left, %v; want that of the try after the window", left, err)
		}
	})
}

func TestByAddress_NamesTheNetworksOfIPv6(t *testing.T) {
	t.Parallel()
	for from, want := range map[string][]string{
		"192.0.2.1": {"x:ip:192.0.2.1"}, "::ffff:192.0.2.1": {"x:ip:192.0.2.1"},
		"2001:db8:1:2::3%eth0": {"x:ip:2001:db8:1:2::/64", "x:ip:2001:db8:1::/48"}, "": {"x:ip:none"},
	} {
		addr, _ := netip.ParseAddr(from)
		var got []string
		for _, l := range throttle.ByAddress("x", addr, 3) {
			got = append(got, l.Subject)
		}
		if slices.Sort(got); !slices.Equal(got, want) {
			t.Errorf("%s: %v, want %v", from, got, want)
		}
	}
}
