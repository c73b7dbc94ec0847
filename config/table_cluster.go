package config

import "time"

func sectionCluster() section {
	return section{Title: "Cluster Link", Props: []property{
		{Name: "cluster.link.enabled", Default: "false", Shared: true,
			Doc:  "Whether this node talks to other nodes on the same database. With a database server in jdbc.default.url it is the one switch a cluster needs; the embedded database belongs to one process and is refused.",
			kind: into(boolean(), func(c *Config) *bool { return &c.Cluster.Enabled })},
		{Name: "cluster.link.autodetect.address", Default: AutodetectDatabase,
			Doc:  "Host and port to which a connection is planned, and none made, to learn this node's own address; the word database means the host of jdbc.default.url; empty switches it off. Set here, it counts more than cluster.link.bind.addr; its default counts less.",
			kind: into(hostPortOr(AutodetectDatabase), func(c *Config) *string { return &c.Cluster.AutodetectAddress })},
		{Name: `cluster.link.bind.addr["cluster-link-control"]`, Default: "",
			Doc:  "Address to listen on for other nodes, and at which they reach this one; 0.0.0.0 is all, and needs cluster.link.advertise.addr. While it is empty and autodetection is off, only nodes of this machine reach this one.",
			kind: into(hostName(), func(c *Config) *string { return &c.Cluster.BindAddressControl })},
		{Name: `cluster.link.bind.addr["cluster-link-udp"]`, Default: "",
			Doc:  "The same for the transport channel. Both channels share one connection here; this one counts when the other is empty.",
			kind: into(hostName(), func(c *Config) *string { return &c.Cluster.BindAddressTransport })},
		{Name: "cluster.link.advertise.addr", Default: "",
			Doc:  "Address that other nodes use to reach this one, when it is not the one it listens on, as behind address translation.",
			kind: into(hostName(), func(c *Config) *string { return &c.Cluster.AdvertiseAddress })},
		{Name: "cluster.link.port", Default: "7800",
			Doc:  "Port for other nodes; 0 takes any free one. When another node of this machine has it, the next free one of the 20 from here is taken.",
			kind: into(portNumber(), func(c *Config) *int { return &c.Cluster.Port })},
		{Name: "cluster.link.auth.value", Default: "", Secret: true, Shared: true,
			Doc: "Secret shared by all nodes, at least 16 characters. It is a second lock: nodes already prove that they " +
				"can write to this database. An outside message server needs it for calls between nodes.",
			kind: into(text(), func(c *Config) *string { return &c.Cluster.AuthValue })},
		{Name: "cluster.link.channel.logic.name.control", Default: "",
			Doc:  "Name of this node, different on each; empty means a name made of host and port.",
			kind: into(plainText(), func(c *Config) *string { return &c.Cluster.LogicNameControl })},
		{Name: "cluster.link.channel.logic.name.transport.0", Default: "",
			Doc:  "Name of this node on the transport channel; it counts when the control name is empty.",
			kind: transportName(func(c *Config) *map[string]string { return &c.Cluster.LogicNameTransport })},
		{Name: "cluster.link.channel.logic.name.transport.<n>", NoValue: true,
			Doc:  "The same for further transport channels, 1 to 9; all of them share one connection here.",
			kind: intoMap(plainText(), func(c *Config) *map[string]string { return &c.Cluster.LogicNameTransport })},
		{Name: "cluster.link.channel.name.control", Default: "liferay-channel-control", Shared: true,
			Doc:  "Name of the cluster. Nodes with another name are another cluster, even on the same message server.",
			kind: into(channelName(), func(c *Config) *string { return &c.Cluster.ChannelNameControl })},
		{Name: "cluster.link.channel.name.transport.0", Default: "liferay-channel-transport-0",
			Doc:  "Name of the channel that carries the news of changes. It is accepted and has no use: one connection carries everything, under the name of the control channel.",
			kind: transportName(func(c *Config) *map[string]string { return &c.Cluster.ChannelNameTransport })},
		{Name: "cluster.link.channel.name.transport.<n>", NoValue: true,
			Doc:  "The same for further transport channels, 1 to 9.",
			kind: intoMap(plainText(), func(c *Config) *map[string]string { return &c.Cluster.ChannelNameTransport })},
		{Name: "cluster.link.discovery", Default: "database",
			Doc:  "How nodes find each other: rows in the shared database, a fixed list, or a name in DNS.",
			kind: into(oneOf("database", "static", "dns"), func(c *Config) *string { return &c.Cluster.Discovery })},
		{Name: "cluster.link.discovery.static", Default: "",
			Doc:  "The fixed list of nodes, host:port each.",
			kind: into(hostPorts(), func(c *Config) *[]string { return &c.Cluster.StaticPeers })},
		{Name: "cluster.link.discovery.dns", Default: "",
			Doc:  "The name in DNS that has the addresses of all nodes.",
			kind: into(hostName(), func(c *Config) *string { return &c.Cluster.DNSName })},
		{Name: "cluster.link.nats.urls", Default: "", Shared: true,
			Doc:  "Addresses of a NATS message server outside; empty means the one inside each node.",
			kind: into(natsURLs(), func(c *Config) *[]string { return &c.Cluster.NATSURLs })},
		{Name: "cluster.link.nats.credentials", Default: "",
			Doc:  "File with the credentials for that server. A relative path starts at liferay.home.",
			kind: into(text(), func(c *Config) *string { return &c.Cluster.NATSCredentials })},
		{Name: "cluster.link.nats.ca", Default: "",
			Doc:  "PEM file with the certificate authority of that server; empty means those that this machine trusts. A relative path starts at liferay.home.",
			kind: into(text(), func(c *Config) *string { return &c.Cluster.NATSCA })},
		{Name: "cluster.link.nats.cert", Default: "",
			Doc:  "PEM file with the certificate by which that server knows this node, when it asks for one. A relative path starts at liferay.home.",
			kind: into(text(), func(c *Config) *string { return &c.Cluster.NATSCertificate })},
		{Name: "cluster.link.nats.key", Default: "",
			Doc:  "PEM file with the private key of that certificate. A relative path starts at liferay.home.",
			kind: into(text(), func(c *Config) *string { return &c.Cluster.NATSKey })},
		{Name: nameChannelFile + "control", Default: "",
			Doc:  "XML file of JGroups, from liferay.home, from the working directory or with its whole path. There is no JGroups; of the file, initial_hosts, bind_addr and bind_port are read and count where nothing else sets the nodes, the address to listen on and the port.",
			kind: checked(text())},
		{Name: nameChannelFile + "transport.<n>", NoValue: true,
			Doc:  "The same for the transport channels, 0 to 9; the control channel counts more.",
			kind: checked(text())},
		{Name: nameChannelSystem, Default: "",
			Doc:  "Properties of the Java machine for JGroups, name:value each. Those below are used, and a file of JGroups may refer to all of them.",
			kind: checked(list())},
		{Name: nameInitialHosts, NoValue: true,
			Doc:  "The fixed list of nodes as JGroups is told it, host[port] each; it counts while no cluster.link.discovery is set. -D" + nameInitialHosts + "=... in the variable " + javaOptions + " is read as well.",
			kind: checked(hostPorts())},
		{Name: nameBindAddr, NoValue: true,
			Doc:  "Address to listen on as JGroups is told it; it counts while cluster.link.bind.addr is not set.",
			kind: checked(hostName())},
		{Name: nameBindPort, NoValue: true,
			Doc:  "Port as JGroups is told it; it counts while cluster.link.port is not set.",
			kind: checked(portNumber())},
		{Name: "cluster.heartbeat.interval", Default: "500ms", Shared: true,
			Doc: "Pause between two signs of life of a node in the database.",
			kind: into(
				period(50*time.Millisecond, time.Minute),
				func(c *Config) *time.Duration { return &c.Cluster.HeartbeatInterval },
			)},
		{Name: "cluster.heartbeat.timeout", Default: "2500ms", Shared: true,
			Doc:  "After how long without a sign of life a node counts as gone: its work is given to others, and its sessions at the database are ended. At least three times cluster.heartbeat.interval.",
			kind: into(period(time.Second, time.Hour), func(c *Config) *time.Duration { return &c.Cluster.HeartbeatTimeout })},
		{Name: "clusterable.advice.call.master.timeout", Default: "10", Unit: "seconds",
			Doc:  "How long a node waits for an answer of the master.",
			kind: into(counted(time.Second, 1, 3600), func(c *Config) *time.Duration { return &c.Cluster.CallMasterTimeout })},
	}}
}

// transportName stores the value of channel 0, which has a row of its own because it has a default.
func transportName(field func(*Config) *map[string]string) kind {
	k := intoMap(plainText(), field)
	set := k.set
	k.set = func(c *Config, _, raw string) (verdict, string) { return set(c, "0", raw) }
	return k
}

// channelName takes what is safe in the subject of a message.
func channelName() parser[string] {
	return simple("letters, digits, - and _, at most 64", func(raw string) (string, bool) {
		ok := raw != "" && len(raw) <= 64
		for _, r := range raw {
			ok = ok && (r == '-' || r == '_' || r >= '0' && r <= '9' || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z')
		}
		return raw, ok
	})
}
