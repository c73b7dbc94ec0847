package config

import (
	"fmt"
	"slices"
	"strings"
)

// Regions are the names of the caches, for cache.region.<name>.
func Regions() []string {
	return []string{
		"actor", "article", "article-list", "article-map", "article-slug", "category", "category-slug", "file", "folder",
		"grant", "host",
		"menu", "missing", "page", "page-cache", "page-draft", "page-path", "page-tree", "page-visible", "redirect",
		"redirect-parameters",
		"role",
		"search-acl", "secret", "session", "site", "site-map", "tag-slug", "terms", "trash",
	}
}

// CopyRegions are those of Regions whose values can be sent to other nodes.
func CopyRegions() []string { return []string{"article", "article-list", "host", "page-cache", "site"} }

// regionOfEhcache gives the cache that holds what a cache of Liferay with this name holds, empty when
// there is none to speak of. Names of Stoa's own are taken as well.
func regionOfEhcache(name string) string {
	if slices.Contains(CopyRegions(), name) {
		return name
	}
	last := strings.TrimSuffix(name[strings.LastIndexByte(name, '.')+1:], "Impl")
	lists := strings.Contains(name, "FinderCache")
	switch last {
	case "JournalArticle", "JournalArticleLocalization", "BlogsEntry":
		if lists {
			return "article-list"
		}
		return "article"
	case "JournalContent":
		return "article"
	case "Group", "LayoutSet":
		return "site"
	case "VirtualHost":
		return "host"
	case "CacheUtil", "CacheFilter":
		return "page-cache"
	}
	return ""
}

// replicator reads what Ehcache is told about the sending of values: a comma list of name=value. It
// comes down to one of Stoa's two modes.
func replicator() parser[string] {
	want := "a list separated by commas of replicatePuts, replicatePutsViaCopy, replicateUpdates, replicateUpdatesViaCopy, replicateRemovals, each =true or =false"
	return parser[string]{want, func(raw string) (string, verdict, string) {
		set := map[string]bool{"replicatePuts": true, "replicateUpdates": true, "replicateRemovals": true}
		var odd []string
		for _, item := range splitList(raw) {
			name, value, _ := strings.Cut(item, "=")
			name, value = strings.TrimSpace(name), strings.ToLower(strings.TrimSpace(value))
			switch name {
			case "replicatePuts", "replicatePutsViaCopy", "replicateUpdates", "replicateUpdatesViaCopy", "replicateRemovals":
				if value != "true" && value != "false" {
					return "", wrong, ""
				}
				set[name] = value == "true"
			case "replicateAsynchronously",
				"asynchronousReplicationIntervalMillis",
				"asynchronousReplicationMaximumBatchSize",
				"maximumBatchSize":
				// How fast messages go is not a matter of one cache here.
			default:
				odd = append(odd, clip(name))
			}
		}
		var warnings []string
		if len(odd) > 0 {
			warnings = append(warnings, strings.Join(odd, ", ")+" means nothing here")
		}
		if !set["replicateUpdates"] || !set["replicateRemovals"] {
			warnings = append(
				warnings,
				"what changes is always dropped on every node, whatever replicateUpdates and replicateRemovals say",
			)
		}
		mode := "invalidate"
		if set["replicatePuts"] &&
			(set["replicatePutsViaCopy"] || set["replicateUpdates"] && set["replicateUpdatesViaCopy"]) {
			mode = "copy"
		}
		return mode, fine, strings.Join(warnings, "; ")
	}}
}

// checkCaches looks for names of caches that do not exist, and brings Ehcache's into Stoa's.
func (r *reader) checkCaches(c *Config) {
	var odd []string
	look := func(region, property string) {
		if !slices.Contains(Regions(), region) {
			name := "cache.region." + region + property
			odd = append(odd, fmt.Sprintf("%s (%s)", clip(name), r.values[name].source))
		}
	}
	for region := range c.Cache.RegionMaxBytes {
		look(region, ".max.bytes")
	}
	for region := range c.Cache.RegionReplicate {
		look(region, ".replication")
	}
	if len(odd) > 0 {
		slices.Sort(odd)
		r.warn("there is no cache for %s; the caches are %s", some(odd), strings.Join(Regions(), ", "))
	}
	r.mapEhcache(c)
}

// mapEhcache lets Ehcache's names choose the mode of the caches that no name of Stoa's chooses.
func (r *reader) mapEhcache(c *Config) {
	var odd []string
	names := make([]string, 0, len(c.ehcache))
	for name := range c.ehcache {
		names = append(names, name)
	}
	slices.Sort(names)
	chosen := map[string]string{}
	for _, name := range names {
		mode, region := c.ehcache[name], regionOfEhcache(name)
		switch {
		case region == "" && mode == "copy": // to invalidate is what every cache does
			odd = append(odd, clip(name))
		case region != "" && chosen[region] != "copy": // of several names for one cache, the one that asks for more
			chosen[region] = mode
		}
	}
	for region, mode := range chosen {
		if _, own := c.Cache.RegionReplicate[region]; own {
			continue
		}
		if c.Cache.RegionReplicate == nil {
			c.Cache.RegionReplicate = map[string]string{}
		}
		c.Cache.RegionReplicate[region] = mode
	}
	if len(odd) > 0 {
		r.warn(
			"ehcache.replicator.properties asks for copies of %s, for which there is no cache that could be copied; those "+
				"that can are %s (cache.region.<name>.replication=copy)",
			some(odd),
			strings.Join(CopyRegions(), ", "),
		)
	}
}
