package config

import (
	"strings"
	"testing"
	"unicode/utf8"

	"pgregory.net/rapid"
)

func TestEnvName_IsTheOneOfTheReference(t *testing.T) {
	t.Parallel()
	for property, want := range map[string]string{
		"cluster.link.enabled":                           "CLUSTER_PERIOD_LINK_PERIOD_ENABLED",
		"jdbc.default.driverClassName":                   "JDBC_PERIOD_DEFAULT_PERIOD_DRIVER_UPPERCASEC_LASS_UPPERCASEN_AME",
		"jdbc.default.maximumPoolSize":                   "JDBC_PERIOD_DEFAULT_PERIOD_MAXIMUM_UPPERCASEP_OOL_UPPERCASES_IZE",
		"cluster.link.channel.logic.name.transport.0":    "CLUSTER_PERIOD_LINK_PERIOD_CHANNEL_PERIOD_LOGIC_PERIOD_NAME_PERIOD_TRANSPORT_PERIOD__NUMBER0_",
		`cluster.link.bind.addr["cluster-link-control"]`: "CLUSTER_PERIOD_LINK_PERIOD_BIND_PERIOD_ADDR_OPENBRACKET__QUOTE_CLUSTER_MINUS_LINK_MINUS_CONTROL_QUOTE__CLOSEBRACKET_",
		"hibernate.jdbc.batch_size":                      "HIBERNATE_PERIOD_JDBC_PERIOD_BATCH_UNDERLINE_SIZE",
		"include-and-override":                           "INCLUDE_MINUS_AND_MINUS_OVERRIDE",
	} {
		for _, prefix := range []string{PrefixStoa, PrefixLiferay} {
			if got := EnvName(prefix, property); got != prefix+want {
				t.Errorf("EnvName(%q) = %s, want %s", property, got, prefix+want)
			}
		}
	}
}

func TestDecodeEnv_FollowsTheRules(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]struct {
		property string
		warnings int
	}{
		"LIFERAY_WEB_46_SERVER_46_HOST":                   {"web.server.host", 0},
		"STOA_WEB_PERIOD_SERVER_period_HOST":              {"web.server.host", 0},
		"LIFERAY_A_SLASH__FORWARDSLASH__DASH__MINUS_":     {"a//--", 0},
		"LIFERAY_A_LOWERCASEB_C":                          {"abc", 0},
		"LIFERAY_A_NOSUCH_B":                              {"a_nosuch_b", 1},
		"LIFERAY_A_PERIOD_B_PERIOD":                       {"a.b_period", 0},
		"LIFERAY_HIBERNATE_PERIOD_JDBC_PERIOD_BATCH_SIZE": {"hibernate.jdbc.batch_size", 0},
		"LIFERAY_A__B":                                    {"a__b", 1},
		"LIFERAY_A_55296_B":                               {"a_55296_b", 1},
		"LIFERAY_A_9999999_B":                             {"a_9999999_b", 1},
		"PATH":                                            {"", 1},
		"LIFERAY_":                                        {"", 0},
	} {
		property, warnings := DecodeEnv(name)
		if property != want.property || len(warnings) != want.warnings {
			t.Errorf("DecodeEnv(%s) = %q %v, want %q and %d warnings", name, property, warnings, want.property, want.warnings)
		}
	}
}

func TestDecodeEnv_TakesTheTrapOnlyAfterAClosedPair(t *testing.T) {
	t.Parallel()
	const base = "LIFERAY_CLUSTER_PERIOD_LINK_PERIOD_CHANNEL_PERIOD_LOGIC_PERIOD_NAME_PERIOD_TRANSPORT_PERIOD"
	property, warnings := DecodeEnv(base + "_NUMBER0")
	if property != "cluster.link.channel.logic.name.transport.0" || len(warnings) != 1 || !strings.Contains(warnings[0], base+"__NUMBER0_") {
		t.Errorf("got %q, %v", property, warnings)
	}
	for name, want := range map[string]string{
		base + "__NUMBER0_":          "cluster.link.channel.logic.name.transport.0",
		base + "_NUMBER10":           "cluster.link.channel.logic.name.transport.number10",
		base + "_XNUMBER0":           "cluster.link.channel.logic.name.transport.xnumber0",
		base + "_NUMBERX":            "cluster.link.channel.logic.name.transport.numberx",
		base + "__NUMBER0":           "cluster.link.channel.logic.name.transport._number0",
		"LIFERAY_NUMBER0":            "number0",
		"LIFERAY_A_NUMBER0":          "a_number0",
		"LIFERAY_A_PERIOD_B_NUMBER0": "a.b_number0",
	} {
		if property, warnings := DecodeEnv(name); property != want || len(warnings) != 0 {
			t.Errorf("DecodeEnv(%s) = %q %v, want %q", name, property, warnings, want)
		}
	}
}

func TestEnvName_RoundTripsEveryKnownName(t *testing.T) {
	t.Parallel()
	for _, s := range sections() {
		for _, p := range s.Props {
			for _, prefix := range []string{PrefixStoa, PrefixLiferay} {
				if got, warnings := DecodeEnv(EnvName(prefix, p.Name)); got != p.Name || len(warnings) > 0 {
					t.Errorf("%s comes back as %s %v", p.Name, got, warnings)
				}
			}
		}
	}
}

func TestEnvName_RoundTripsAnyName(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		property := rapid.OneOf(rapid.String(), rapid.StringMatching(`[a-zA-Z0-9._\-\["\]]{0,30}`)).Draw(t, "property")
		prefix := rapid.SampledFrom([]string{PrefixStoa, PrefixLiferay}).Draw(t, "prefix")
		got, warnings := DecodeEnv(EnvName(prefix, property))
		if got != property || len(warnings) > 0 {
			t.Fatalf("%q comes back as %q %v by %s", property, got, warnings, EnvName(prefix, property))
		}
	})
}

func FuzzDecodeEnv(f *testing.F) {
	for _, seed := range []string{"LIFERAY_A_PERIOD__NUMBER0_", "STOA_A_PERIOD_NUMBER0", "LIFERAY___", "LIFERAY_46_", "STOA_É_1114112_"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, name string) {
		property, _ := DecodeEnv(name)
		if !utf8.ValidString(name) {
			return
		}
		if !utf8.ValidString(property) {
			t.Fatalf("%q gives %q, which is not UTF-8", name, property)
		}
		if again, warnings := DecodeEnv(EnvName(PrefixStoa, property)); again != property || len(warnings) > 0 {
			t.Fatalf("%q gives %q, which comes back as %q %v", name, property, again, warnings)
		}
	})
}
