package config

import (
	"maps"
	"testing"
)

func TestCaches_EhcacheNamesChooseTheMode(t *testing.T) {
	t.Parallel()
	const article = "ehcache.replicator.properties.com.liferay.portal.kernel.dao.orm.EntityCache.com.liferay.journal.model.impl.JournalArticleImpl"
	for text, want := range map[string]struct {
		all     string
		regions map[string]string
		warns   string // part of the only warning; empty for none
	}{
		"":                                       {},
		"ehcache.replicator.properties.default=": {all: "invalidate"},
		"ehcache.replicator.properties.default=replicatePuts=true,replicatePutsViaCopy=true":                        {all: "copy"},
		"ehcache.replicator.properties.default=\\\n  replicatePutsViaCopy=false,\\\n  replicateUpdatesViaCopy=TRUE": {all: "copy"},
		"ehcache.replicator.properties.default=replicatePuts=false,replicatePutsViaCopy=true":                       {all: "invalidate"},
		"ehcache.replicator.properties.default=replicateUpdates=false,replicateUpdatesViaCopy=true":                 {all: "invalidate", warns: "always dropped on every node"},
		"ehcache.replicator.properties.default=replicateAsynchronously=true,replicateBytes=true":                    {all: "invalidate", warns: "replicateBytes means nothing here"},
		article + "=replicatePutsViaCopy=true":                                                                      {regions: map[string]string{"article": "copy"}},
		article + "=replicatePutsViaCopy=true\nehcache.replicator.properties.JournalContent=replicatePuts=false":    {regions: map[string]string{"article": "copy"}},
		article + "=replicatePutsViaCopy=true\ncache.region.article.replication=invalidate":                         {regions: map[string]string{"article": "invalidate"}},
		"cache.region.article.replication=invalidate\n" + article + "=replicatePutsViaCopy=true":                    {regions: map[string]string{"article": "invalidate"}},
		"ehcache.replicator.properties.page-cache=replicateUpdatesViaCopy=true":                                     {regions: map[string]string{"page-cache": "copy"}},
		"ehcache.replicator.properties.com.liferay.x.FinderCache.com.liferay.blogs.model.impl.BlogsEntryImpl=replicatePutsViaCopy=true": {
			regions: map[string]string{"article-list": "copy"}},
		// What Liferay's own file says of caches that there are none of here is what every cache does.
		"ehcache.replicator.properties.WikiPageDisplay=replicatePuts=false": {},
		"ehcache.replicator.properties.WikiPageDisplay=replicatePutsViaCopy=true\nehcache.replicator.properties.com.liferay.portal.UserImpl=replicatePutsViaCopy=true": {
			warns: "WikiPageDisplay, com.liferay.portal.UserImpl, for which there is no cache that could be copied; those that can are article"},
		"cache.region.pages.replication=copy\ncache.region.pages.max.bytes=1MiB": {
			regions: map[string]string{"pages": "copy"}, warns: "cache.region.pages.max.bytes (portal-ext.properties:2), cache.region.pages.replication (portal-ext.properties:1)"},
	} {
		c, err := ext(t, text)
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		if c.Cache.Replicate != want.all || !maps.Equal(c.Cache.RegionReplicate, want.regions) {
			t.Errorf("%s: all %q, single %v; want %q, %v", text, c.Cache.Replicate, c.Cache.RegionReplicate, want.all, want.regions)
		}
		if n := len(c.Warnings()); want.warns == "" && n != 0 || want.warns != "" && (n != 1 || warned(c, want.warns) != 1) {
			t.Errorf("%s: warnings %q, want one with %q", text, c.Warnings(), want.warns)
		}
	}
	_, err := ext(t, "ehcache.replicator.properties.default=replicatePutsViaCopy=maybe")
	wants(t, err, "portal-ext.properties:1", "replicatePutsViaCopy", "=true or =false")
}
