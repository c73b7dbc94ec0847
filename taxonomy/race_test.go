package taxonomy

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/db"
	"github.com/stoa-portal/stoa/db/dbtest"
)

func TestEnsure_ParallelSaversOnTwoNodesGetOneTagAndOneCategory(t *testing.T) {
	t.Parallel()
	for _, e := range dbtest.Engines() {
		t.Run(string(e), func(t *testing.T) {
			handles := dbtest.Nodes(t, e, 2)
			nodes := []*node{newNode(t, handles[0]), newNode(t, handles[1])}
			const rounds, savers = 3, 12
			for round := range rounds {
				name := fmt.Sprintf("Breaking %d", round)
				var tags [savers]stoa.ID
				var errs [savers]error
				var all sync.WaitGroup
				for i := range savers {
					all.Go(func() { tags[i], errs[i] = nodes[i%2].AddTag(system(t), instance, mine, name) })
				}
				all.Wait()
				for i := range savers {
					if errs[i] != nil || tags[i] != tags[0] || tags[i] == 0 {
						t.Errorf("round %d: saver %d got the tag %d and %v; the first got %d", round, i, tags[i],
							errs[i], tags[0])
					}
				}
				made := 0
				for i := range savers {
					all.Go(func() {
						_, errs[i] = nodes[i%2].AddCategory(system(t), instance, Category{Site: mine, Name: name})
					})
				}
				all.Wait()
				for i := range savers {
					switch {
					case errs[i] == nil:
						made++
					case !stoa.Is(errs[i], stoa.KindConflict):
						t.Errorf("round %d: saver %d got %v; none but a conflict is expected", round, i, errs[i])
					}
				}
				if made != 1 {
					t.Errorf("round %d: %d savers were told that they made the category; want 1", round, made)
				}
			}
		})
	}
}

func TestTerms_BeyondWhatAListShowsAreFoundByKeyAndByName(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		n := newNode(t, d)
		for i := range maxTree + 1 {
			n.category(t, mine, 0, fmt.Sprintf("Harbour %04d", i))
		}
		last := n.category(t, mine, 0, "Zürich, Altstadt")
		tag := n.tag(t, mine, "zzz-last")
		n.poll(t)
		if list, whole, err := n.Tree(t.Context(), mine); err != nil || whole || len(list) != 0 {
			t.Errorf("a tree that is too large: %d, whole %v, %v", len(list), whole, err)
		}
		if c, err := n.CategoryBySlug(t.Context(), mine, "zürich-altstadt"); err != nil || c.ID != last.ID {
			t.Errorf("by address: %+v, %v", c, err)
		}
		if got, err := n.TagBySlug(t.Context(), mine, "zzz-last"); err != nil || got.ID != tag {
			t.Errorf("by address: %+v, %v", got, err)
		}
		for _, query := range []string{"zürich", "ZÜRICH", "alt Zür", "altstadt"} {
			if p, err := n.Search(t.Context(), mine, query, "", 10); err != nil || len(p.Items) != 1 ||
				p.Items[0].ID != last.ID {
				t.Errorf("search for %q: %+v, %v", query, p, err)
			}
		}
		seen, after := map[stoa.ID]bool{}, ""
		for {
			p, err := n.Search(t.Context(), mine, "", after, 200)
			if err != nil {
				t.Fatal(err)
			}
			for _, c := range p.Items {
				seen[c.ID] = true
			}
			if after = p.Next; after == "" {
				break
			}
		}
		if len(seen) != maxTree+2 {
			t.Errorf("page by page there are %d categories; want %d", len(seen), maxTree+2)
		}
		if c, err := n.CategoryNamed(t.Context(), mine, " Zürich,  Altstadt "); err != nil || c.ID != last.ID {
			t.Errorf("by name: %+v, %v", c, err)
		}
	})
}

func TestAssign_ATermThatIsMergedOrDeletedMeanwhileIsNotLost(t *testing.T) {
	t.Parallel()
	for _, e := range dbtest.Engines() {
		t.Run(string(e), func(t *testing.T) {
			handles := dbtest.Nodes(t, e, 2)
			a, b := newNode(t, handles[0]), newNode(t, handles[1])
			into := a.tag(t, mine, "Into")
			merged, deleted := a.tag(t, mine, "Merged"), a.tag(t, mine, "Deleted")
			for tag, remove := range map[stoa.ID]func() error{
				merged:  func() error { return b.MergeTag(system(t), instance, mine, merged, into) },
				deleted: func() error { return b.TrashTag(system(t), instance, mine, deleted) },
			} {
				removed := make(chan error, 1)
				var once sync.Once
				err := handles[0].Write(system(t), func(ctx context.Context, tx *db.Tx) error {
					tx.Changed("article", tag, mine, 1)
					if err := a.Assign(ctx, tx, "article", tag, mine, nil, []stoa.ID{tag}); err != nil {
						return err
					}
					// It has to wait for this transaction; where it does not, it is done long before this ends.
					once.Do(func() { go func() { removed <- remove() }() })
					wait, stop := context.WithTimeout(ctx, 300*time.Millisecond)
					defer stop()
					select {
					case err := <-removed:
						removed <- err
					case <-wait.Done():
					}
					return nil
				})
				if err != nil {
					t.Fatal(err)
				}
				if err := <-removed; err != nil {
					t.Fatal(err)
				}
			}
			var left, kept, carried int
			if err := handles[0].QueryRow(t.Context(), "SELECT (SELECT COUNT(*) FROM taxonomy_assigned WHERE term <> ?), "+
				"(SELECT COUNT(*) FROM taxonomy_trashed WHERE term = ?), (SELECT COUNT(*) FROM taxonomy_assigned "+
				"WHERE term = ?)", into, deleted, into).Scan(&left, &kept, &carried); err != nil {
				t.Fatal(err)
			}
			if left != 0 || kept != 1 || carried != 1 {
				t.Errorf("%d terms that are gone are carried, %d in the recycle bin, %d by the merge; want 0, 1, 1", left,
					kept, carried)
			}
		})
	}
}
