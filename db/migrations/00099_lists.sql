-- expand
-- Terms are found by name among any number of them, and what a site map lists is read by key.
CREATE INDEX taxonomy_category_name ON taxonomy_category (site, name);
CREATE INDEX taxonomy_tag_name ON taxonomy_tag (site, name);
CREATE INDEX content_article_map ON content_article (site, id, live, kind);
