package cluster

import "testing"

func TestHostsLine_FindsTheLineThatMisleads(t *testing.T) {
	t.Parallel()
	const hosts = "127.0.0.1\tlocalhost\n# 127.0.1.1 node1\n10.0.0.5 node2\n" +
		"127.0.1.1   Node1.example.com node1 # by the installer\n::1 localhost ip6-localhost\n"
	for _, c := range []struct {
		name, line string
		number     int
	}{
		{"node1", "127.0.1.1 Node1.example.com node1", 4},
		{"node1.example.com", "127.0.1.1 Node1.example.com node1", 4},
		{"node2", "", 0},
		{"node", "", 0},
		{"ip6-localhost", "::1 localhost ip6-localhost", 5},
	} {
		if number, line := hostsLine(hosts, c.name); number != c.number || line != c.line {
			t.Errorf("%s: %d %q", c.name, number, line)
		}
	}
}

func TestMisledName_AddressesAndLocalhostAreMeantAsTheyAre(t *testing.T) {
	t.Parallel()
	for _, host := range []string{"", "localhost", "127.0.0.1", "[::1]", "0.0.0.0", "10.1.2.3"} {
		if because, misled := MisledName(t.Context(), host); misled {
			t.Errorf("%s: %s", host, because)
		}
	}
}
