package config

import (
	"maps"
	"slices"
	"strings"
	"testing"
)

func shared(t *testing.T, salt, text string) (map[string]string, string) {
	t.Helper()
	c, err := ext(t, text)
	if err != nil {
		t.Fatal(err)
	}
	s, err := c.Shared(salt)
	if err != nil {
		t.Fatal(err)
	}
	return s.Proofs("this moment"), s.All
}

// differing names what is not the same in two nodes.
func differing(a, b map[string]string) []string {
	var out []string
	for name := range a {
		if a[name] != b[name] {
			out = append(out, name)
		}
	}
	for name := range b {
		if _, ok := a[name]; !ok {
			out = append(out, name)
		}
	}
	slices.Sort(out)
	return out
}

func TestShared_NamesWhatDiffers(t *testing.T) {
	t.Parallel()
	base, all := shared(t, "salt", "")
	if len(base) < 40 || len(all) != 8 || len(base["session.timeout"]) != 8 || base["log.level"] != "" {
		t.Fatalf("%d settings, %q, %v", len(base), all, base)
	}
	for text, want := range map[string]string{
		"":                               "",
		"log.level=debug\njob.workers=9": "",
		"cache.read.your.writes=1m\nsession.timeout=1800s\ndl.file.max.size=102400KiB\nscheduler.enabled=TRUE": "",
		"session.timeout=15":                                                                         "session.timeout",
		"scheduler.enabled=false\nlocales.enabled=en_US":                                             "locales.enabled scheduler.enabled",
		"company.default.time.zone=Europe/Vienna":                                                    "company.default.time.zone",
		"cluster.link.auth.value=hunter2 of all my nodes":                                            "cluster.link.auth.value",
		"cache.region.page.replication=copy":                                                         "cache.region.page.replication",
		"cluster.link.auth.value=a secret of all nodes\ncluster.link.nats.urls=nats://u:hunter2@bus": "cluster.link.auth.value cluster.link.nats.urls",
	} {
		each, sum := shared(t, "salt", text)
		told := strings.TrimPrefix(want, "cluster.link.auth.value") != "" // nothing that is stored tells of a secret
		if got := strings.Join(differing(base, each), " "); got != want || (sum != all) != told {
			t.Errorf("%q: %q differ, all together %q and %q; want %q", text, got, sum, all, want)
		}
	}
	one, _ := shared(
		t,
		"salt",
		"cluster.link.auth.value=a secret of all nodes\ncluster.link.nats.urls=nats://u:hunter2@bus",
	)
	two, _ := shared(
		t,
		"salt",
		"cluster.link.auth.value=a secret of all nodes\ncluster.link.nats.urls=nats://u:hunter3@bus",
	)
	if !maps.Equal(one, two) {
		t.Error("a password in an address leaves a trace")
	}
	other, _ := shared(t, "pepper", "")
	for name := range base {
		if base[name] == other[name] {
			t.Errorf("%s: the salt of another cluster changes nothing", name)
		}
	}
}

func TestProofs_HoldForOneMomentAndTellNothingOfTheSecret(t *testing.T) {
	t.Parallel()
	of := func(secret, moment string) map[string]string {
		c, err := ext(t, "dl.store.s3.secret.key="+secret)
		if err != nil {
			t.Fatal(err)
		}
		s, err := c.Shared("salt")
		if err != nil {
			t.Fatal(err)
		}
		if s.Digests["dl.store.s3.secret.key"] != "" || !s.Has("dl.store.s3.secret.key") {
			t.Error("a secret is among the digests, or is not compared")
		}
		return s.Proofs(moment)
	}
	const name = "dl.store.s3.secret.key"
	one := of("hunter2", "a")[name]
	switch {
	case one == "" || one != of("hunter2", "a")[name]:
		t.Error("the same secret has another proof")
	case one == of("hunter3", "a")[name], one == of("", "a")[name]:
		t.Error("another secret has the same proof")
	case one == of("hunter2", "b")[name]:
		t.Error("the proof is the same at another moment")
	case of("hunter2", "")[name] != "":
		t.Error("without a moment there is a proof")
	}
}

func TestShared_MarksAreOnSettingsThatAreKept(t *testing.T) {
	t.Parallel()
	for _, s := range sections() {
		for _, p := range s.Props {
			if p.Shared && p.kind.get == nil {
				t.Errorf("%s is marked as shared and its value is not kept", p.Name)
			}
		}
	}
}
