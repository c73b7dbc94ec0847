package config

import (
	"net"
	"net/url"
	"regexp"
	"strings"
	"time"
)

// The engines of search.engine.
const (
	SearchEmbedded = "embedded" // each node has an index of its own
	SearchServer   = "server"   // all nodes use one search server
)

const (
	nameSearchEngine   = "search.engine"
	nameSearchHosts    = "search.server.hosts"
	nameSearchUser     = "search.server.user"
	nameSearchPassword = "search.server.password"
	nameSearchKey      = "search.server.api.key"
	nameSearchCA       = "search.server.ca"
	nameSearchPrefix   = "search.server.prefix"
	nameSearchReplicas = "search.server.replicas"
	nameSearchShards   = "search.server.shards"
)

func sectionSearch() section {
	return section{Title: "Search", Intro: "docs/operate/search.md says how a search server is set up.", Props: []property{
		{Name: nameSearchEngine, Default: SearchEmbedded, Shared: true,
			Doc: "What finds things: with embedded each node has an index of its own in liferay.home, with server all nodes " +
				"use the search server at search.server.hosts, OpenSearch from version 2 on or Elasticsearch from version 7 on.",
			kind: into(oneOf(SearchEmbedded, SearchServer), func(c *Config) *string { return &c.Search.Engine })},
		{Name: nameSearchHosts, Default: "", Shared: true,
			Doc: "Addresses of the search server, such as https://search1:9200,https://search2:9200, of as many of its nodes " +
				"as there are: one that fails is left out for a while. Without a scheme it is http, without a scheme and a port " +
				"port 9200.",
			kind: into(list(), func(c *Config) *[]string { return &c.Search.Hosts })},
		{Name: nameSearchUser, Default: "", Shared: true,
			Doc:  "User at the search server; empty when it asks for no sign-in, or search.server.api.key is set.",
			kind: into(text(), func(c *Config) *string { return &c.Search.User })},
		{Name: nameSearchPassword, Default: "", Secret: true, Shared: true,
			Doc:  "Password of that user, or file:PATH for a file with it.",
			kind: into(text(), func(c *Config) *string { return &c.Search.Password })},
		{Name: nameSearchKey, Default: "", Secret: true, Shared: true,
			Doc:  "API key instead of a user, in Base64 as the server gives it (encoded), or file:PATH for a file with it.",
			kind: into(text(), func(c *Config) *string { return &c.Search.APIKey })},
		{Name: nameSearchCA, Default: "",
			Doc: "PEM file with the certificate authority of the search server; empty means those that this machine trusts. " +
				"A relative path starts at liferay.home.",
			kind: into(text(), func(c *Config) *string { return &c.Search.CAFile })},
		{Name: nameSearchPrefix, Default: "liferay-", Shared: true,
			Doc: "What the names of all indexes begin with. Two portals at one search server need different ones, and so " +
				"do this portal and one of Liferay.",
			kind: into(searchPrefix(), func(c *Config) *string { return &c.Search.Prefix })},
		{Name: nameSearchReplicas, Default: "0-1", Shared: true,
			Doc: "How many copies the search server keeps of each index beside the first; of a range it makes as many as it " +
				"has nodes for. It counts for indexes that are made from now on.",
			kind: into(searchReplicas(), func(c *Config) *string { return &c.Search.Replicas })},
		{Name: nameSearchShards, Default: "1", Shared: true,
			Doc: "How many parts each index has. It counts for indexes that are made from now on; one is enough for millions " +
				"of documents.",
			kind: into(whole(1, 1024), func(c *Config) *int { return &c.Search.Shards })},
		{Name: "search.server.timeout", Default: "10s", Shared: true,
			Doc: "How long a node waits for an answer of one host of the search server; what writes has six times as long.",
			kind: into(period(100*time.Millisecond, 10*time.Minute),
				func(c *Config) *time.Duration { return &c.Search.Timeout })},
	}}
}

// searchPrefix and searchReplicas take what package search/remote takes; a test holds them together, as this package
// cannot ask that one.
func searchPrefix() parser[string] {
	form := regexp.MustCompile(`^[a-z0-9][a-z0-9_.-]{0,99}$`)
	return simple("small letters, digits, dashes, dots and underscores, 100 at most, such as liferay-",
		func(raw string) (string, bool) { s := strings.TrimSpace(raw); return s, form.MatchString(s) })
}

func searchReplicas() parser[string] {
	form := regexp.MustCompile(`^([0-9]{1,2}|[0-9]{1,2}-([0-9]{1,2}|all))$`)
	return simple("a number of copies such as 1, or a range such as 0-1 or 0-all",
		func(raw string) (string, bool) { s := strings.TrimSpace(raw); return s, form.MatchString(s) })
}

// searchHost writes the address of a search server in one way, or says what is wrong with it. Nothing of a wrong one
// is repeated before it is known to have no password. The rules are those of package search/remote, too.
func searchHost(address string) (written, problem string) {
	text := strings.TrimSpace(address)
	scheme := strings.Contains(text, "://")
	if !scheme {
		text = "http://" + text
	}
	u, err := url.Parse(text)
	switch {
	case err != nil || u.Hostname() == "":
		return "", "an address cannot be read; one such as https://search1:9200 is expected"
	case u.User != nil:
		return "", "the address of " + clip(u.Host) + " has a user in it; set " + nameSearchUser + " and " +
			nameSearchPassword + " instead"
	case u.Scheme != "http" && u.Scheme != "https":
		return "", "the address of " + clip(u.Host) + " begins with " + clip(u.Scheme) + "; http or https is expected"
	case u.RawQuery != "" || u.Fragment != "":
		return "", "the address of " + clip(u.Host) + " has more than a path behind the host; take it away"
	}
	if !scheme && u.Port() == "" && u.Path == "" {
		u.Host = net.JoinHostPort(u.Hostname(), "9200")
	}
	u.Path, u.RawPath = strings.TrimRight(u.Path, "/"), ""
	return u.String(), ""
}
