package server_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/access"
	"github.com/stoa-portal/stoa/db/dbtest"
	"github.com/stoa-portal/stoa/server"
	"github.com/stoa-portal/stoa/server/servertest"
	"github.com/stoa-portal/stoa/site"
	"github.com/stoa-portal/stoa/user"
)

// What is taken is a conflict, which the form that was sent shows beside the field, and never an error of the database.
func TestNames_TakenOnTwoNodesAtOnceAreConflicts(t *testing.T) {
	t.Parallel()
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
					_, err := n.Sites.CreateSite(ctx, site.Site{Instance: instance, Slug: "press", Name: "Press",
						Locale: "en-US"})
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

// Editors on two nodes save articles with the same new tags and the same headline in the same moment: all are answered
// with their article.
func TestSave_TheSameNewTagsAndHeadlineAtOnceKeepEveryText(t *testing.T) {
	t.Parallel()
	for _, e := range dbtest.Engines() {
		t.Run(string(e), func(t *testing.T) {
			nodes := servertest.StartOn(t, e, 2)
			st := nodes[0].Site(t)
			for _, n := range nodes {
				n.SignIn(t)
			}
			const savers = 12
			for round := range 3 {
				var answers [savers]servertest.Answer
				var all sync.WaitGroup
				for i := range savers {
					all.Go(func() {
						answers[i] = nodes[i%2].Post(t, "/control/content/new", url.Values{"site": {st.ID.String()},
							"title": {fmt.Sprintf("Flood %d", round)},
							"kind":  {"article"}, "body": {"<p>Water.</p>"}, "tags": {fmt.Sprintf("alpha-%d, beta-%d",
								round, round)}, "tags_was": {""}})
					})
				}
				all.Wait()
				seen := map[string]bool{}
				for i, a := range answers {
					at, _, _ := strings.Cut(a.Header.Get("Location"), "?")
					if a.Status != http.StatusSeeOther || seen[at] {
						t.Errorf("round %d: saver %d is answered with %d to %q", round, i, a.Status, at)
					}
					seen[at] = true
				}
			}
			found, err := nodes[0].Taxonomy.SearchTags(servertest.System(), st.ID, "alpha", "", 100)
			if err != nil || len(found.Items) != 3 {
				t.Errorf("there are %d tags, %v; want 3", len(found.Items), err)
			}
		})
	}
}

func TestHome_ALockFileThatCannotBeWrittenIsAnError(t *testing.T) {
	t.Parallel()
	g := servertest.NewGroup(t, dbtest.SQLite)
	c := g.Config(nil)
	run := filepath.Join(c.Home, "run")
	if err := errors.Join(os.MkdirAll(run, 0o700), os.Symlink("/dev/full", filepath.Join(run,
		"stoa.lock"))); err != nil {
		t.Fatal(err)
	}
	s, err := server.New(context.Background(), server.Options{Config: c})
	if err == nil {
		t.Fatal("a node runs that could not write its lock", s.Stop(context.Background()))
	}
	if !stoa.Is(err, stoa.KindUnavailable) || !strings.Contains(err.Error(), "cannot be written to") {
		t.Errorf("got %v", err)
	}
}
