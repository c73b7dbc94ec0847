package stoa

import (
	"runtime/debug"
	"testing"
)

func TestVersion_TellsReleasesAndCommitsApart(t *testing.T) {
	build := func(module string, settings ...debug.BuildSetting) func() (*debug.BuildInfo, bool) {
		return func() (*debug.BuildInfo, bool) {
			return &debug.BuildInfo{Main: debug.Module{Version: module}, Settings: settings}, true
		}
	}
	commit := debug.BuildSetting{Key: "vcs.revision", Value: "0123456789abcdef0123"}
	changed := debug.BuildSetting{Key: "vcs.modified", Value: "true"}
	for _, c := range []struct {
		what, release string
		read          func() (*debug.BuildInfo, bool)
		want          string
	}{
		{"stamped", "1.2.3", build("(devel)", commit), "1.2.3"},
		{"installed", "", build("v1.2.4"), "1.2.4"},
		{"a clone", "", build("v0.0.0-2026-0123456789ab", commit), onTheWay + "+0123456789ab"},
		{"a clone with changes", "", build("(devel)", commit, changed), onTheWay + "+0123456789ab.changed"},
		{"nothing known", "", build("(devel)"), onTheWay},
		{"no information", "", func() (*debug.BuildInfo, bool) { return nil, false }, onTheWay},
	} {
		if got := version(c.release, c.read); got != c.want {
			t.Errorf("%s: %q, want %q", c.what, got, c.want)
		}
	}
}
