package server_test

import (
	"fmt"
	"sync"
	"testing"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/access"
	"github.com/stoa-portal/stoa/db/dbtest"
	"github.com/stoa-portal/stoa/server/servertest"
	"github.com/stoa-portal/stoa/site"
	"github.com/stoa-portal/stoa/user"
)

// What is taken is a conflict, which the form that was sent shows beside the field, and never an error of the database.
func TestNames_TakenOnTwoNodesAtOnceAreConflicts(t *testing.T) {
	for _, e := range dbtest.Engines() {
		t.Run(string(e), func(t *testing.T) {
			g := servertest.NewGroup(t, e)
			nodes := []*servertest.Node{g.Join(nil), g.Join(nil)}
			instance := nodes[0].Site(t).Instance
			ctx := servertest.System()
			const savers = 8
			for what, save := range map[string]func(n *servertest.Node, i int) error{
				"role": func(n *servertest.Node, _ int) error {
					_, err := n.Access.CreateRole(ctx, access.Role{Instance: instance, Name: "Press"})
					return err
				},
				"group": func(n *servertest.Node, _ int) error {
					_, err := n.Users.CreateGroup(ctx, user.Group{Instance: instance, Name: "Press"})
					return err
				},
				"site": func(n *servertest.Node, _ int) error {
					_, err := n.Sites.CreateSite(ctx, site.Site{Instance: instance, Slug: "press", Name: "Press", Locale: "en-US"})
					return err
				},
				"account": func(n *servertest.Node, i int) error {
					_, err := n.Users.Create(ctx, user.User{Instance: instance, ScreenName: "press",
						Email: fmt.Sprintf("press-%d@example.com", i)}, "")
					return err
				},
			} {
				var errs [savers]error
				var all sync.WaitGroup
				for i := range savers {
					all.Go(func() { errs[i] = save(nodes[i%2], i) })
				}
				all.Wait()
				made := 0
				for i, err := range errs {
					switch {
					case err == nil:
						made++
					case !stoa.Is(err, stoa.KindConflict):
						t.Errorf("%s: saver %d got %v", what, i, err)
					}
				}
				if made != 1 {
					t.Errorf("%d savers made the %s; want 1", made, what)
				}
			}
		})
	}
}
