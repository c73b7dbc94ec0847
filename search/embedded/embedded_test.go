package embedded_test

import (
	"testing"

	"github.com/stoa-portal/stoa/search"
	"github.com/stoa-portal/stoa/search/embedded"
	"github.com/stoa-portal/stoa/search/searchtest"
)

func open(t testing.TB, dir string) *embedded.Index {
	t.Helper()
	x, err := embedded.Open(embedded.Options{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := x.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	})
	return x
}

func TestConformance(t *testing.T) {
	searchtest.Run(t, func(t *testing.T) search.Engine {
		t.Parallel()
		return open(t, t.TempDir())
	})
}
