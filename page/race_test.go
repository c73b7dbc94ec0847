package page

import (
	"context"
	"fmt"
	"sync"
	"testing"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/db"
	"github.com/stoa-portal/stoa/db/dbtest"
)

func TestSave_TheSameRedirectMenuAndPageOnTwoNodesAtOnce(t *testing.T) {
	t.Parallel()
	for _, e := range dbtest.Engines() {
		t.Run(string(e), func(t *testing.T) {
			handles := dbtest.Nodes(t, e, 2)
			w := newWorld(t, handles[0])
			nodes, st, ctx := []*node{w.node, newNode(t, handles[1])}, w.st, w.editor
			const savers = 8
			var errs [savers]error
			var all sync.WaitGroup
			run := func(fn func(i int, n *node) error) (done, conflicts int) {
				t.Helper()
				for i := range savers {
					all.Go(func() { errs[i] = fn(i, nodes[i%2]) })
				}
				all.Wait()
				for i, err := range errs {
					switch {
					case err == nil:
						done++
					case stoa.Is(err, stoa.KindConflict):
						conflicts++
					default:
						t.Errorf("saver %d got %v", i, err)
					}
				}
				return done, conflicts
			}
			if done, _ := run(func(i int, n *node) error {
				return n.d.Write(ctx, func(ctx context.Context, tx *db.Tx) error {
					return n.AddRedirect(ctx, tx, st.ID, "/old", fmt.Sprintf("/new-%d", i))
				})
			}); done != savers {
				t.Errorf("%d of %d redirects were saved", done, savers)
			}
			if done, conflicts := run(func(_ int, n *node) error {
				_, err := n.SaveMenu(ctx, Menu{Site: st.ID, Name: "Footer"})
				return err
			}); done != 1 || done+conflicts != savers {
				t.Errorf("of %d menus %d were saved, and %d conflicts", savers, done, conflicts)
			}
			if done, _ := run(func(_ int, n *node) error {
				_, err := n.Create(ctx, st, NewPage{Title: map[stoa.Locale]string{"en": "News"}, Position: -1})
				return err
			}); done != savers {
				t.Errorf("%d of %d pages with the same title were saved", done, savers)
			}
		})
	}
}
