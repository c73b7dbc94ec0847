package document_test

import (
	"testing"

	"github.com/stoa-portal/stoa/asset/assettest"
	"github.com/stoa-portal/stoa/document"
	"github.com/stoa-portal/stoa/site"
)

func TestEntry_IsAsTheFileAfterEachChange(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, n *node, st site.Site) {
		ctx := system(t)
		same := func(what string, want int) {
			t.Helper()
			t.Log(what)
			if got := assettest.Same(t, n.d, n.AssetType()); got != want {
				t.Errorf("%s: %d things were compared, there are %d", what, got, want)
			}
		}
		f := n.upload(t, st, "tides.txt", []byte("High water."))
		same("brought", 1)
		f.Name = "tides of march.txt"
		f, err := n.Update(ctx, f)
		must(t, err)
		same("renamed", 1)
		dir, err := n.SaveFolder(ctx, st, document.Folder{Name: "Sea"})
		must(t, err)
		f, err = n.Move(ctx, f.ID, dir.ID, true, f.Version)
		must(t, err)
		same("moved", 1)
		must(t, n.Delete(ctx, f.ID))
		same("deleted", 0)
	})
}
