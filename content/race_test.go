package content_test

import (
	"strings"
	"sync"
	"testing"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/content"
	"github.com/stoa-portal/stoa/db/dbtest"
)

func TestCreate_TheSameHeadlineOnTwoNodesAtOnceLosesNoText(t *testing.T) {
	t.Parallel()
	for _, e := range dbtest.Engines() {
		t.Run(string(e), func(t *testing.T) {
			handles := dbtest.Nodes(t, e, 2)
			nodes := []*node{newNode(t, handles[0]), newNode(t, handles[1])}
			st := nodes[0].firstSite(t)
			const savers = 12
			var made [savers]content.Article
			var errs [savers]error
			var all sync.WaitGroup
			save := func(slug string) {
				for i := range savers {
					all.Go(func() {
						made[i], errs[i] = nodes[i%2].Create(system(t), st, content.Draft{Slug: slug,
							Text: map[stoa.Locale]content.Text{"en": {Title: "Bridge closed",
								Body: "<p>Until noon.</p>"}}})
					})
				}
				all.Wait()
			}
			save("")
			seen := map[string]bool{}
			for i := range savers {
				if errs[i] != nil || seen[made[i].Slug] || !strings.HasPrefix(made[i].Slug, "bridge-closed") {
					t.Errorf("saver %d got the address %q and %v", i, made[i].Slug, errs[i])
				}
				seen[made[i].Slug] = true
			}
			save("chosen")
			first := 0
			for i := range savers {
				switch {
				case errs[i] == nil:
					first++
				case !stoa.Is(errs[i], stoa.KindConflict):
					t.Errorf("saver %d of an address that is taken got %v; a conflict is expected", i, errs[i])
				}
			}
			if first != 1 {
				t.Errorf("%d savers got the address that all chose; want 1", first)
			}
		})
	}
}
