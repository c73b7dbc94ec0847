package server

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stoa-portal/stoa/db"
)

// Other users of the machine see neither a new database nor one that an older version made.
func TestHome_IsPrivateAlsoWhenItWasOpen(t *testing.T) {
	t.Parallel()
	for _, was := range []bool{false, true} {
		dir := filepath.Join(t.TempDir(), "home")
		file := filepath.Join(dir, "data", "stoa.db")
		if was {
			if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(file, nil, 0o644); err != nil {
				t.Fatal(err)
			}
			for name, mode := range map[string]os.FileMode{filepath.Dir(file): 0o755, file: 0o644} { // whatever the umask is
				if err := os.Chmod(name, mode); err != nil {
					t.Fatal(err)
				}
			}
		}
		h, err := openHome(dir)
		if err != nil {
			t.Fatal(err)
		}
		d, err := db.Open(t.Context(), db.Options{URL: "sqlite:" + file})
		if err != nil {
			t.Fatal(err)
		}
		if err := d.Migrate(t.Context()); err != nil {
			t.Fatal(err)
		}
		for name, want := range map[string]os.FileMode{
			"data": 0o700, "data/stoa.db": 0o600, "data/stoa.db-wal": 0o600, "data/stoa.db-shm": 0o600, "run": 0o700,
		} {
			st, err := os.Stat(filepath.Join(dir, name))
			if err != nil {
				t.Fatal(err)
			}
			if st.Mode().Perm() != want {
				t.Errorf("open before: %v: %s has the mode %o, want %o", was, name, st.Mode().Perm(), want)
			}
		}
		if err := d.Close(); err != nil {
			t.Error(err)
		}
		if err := h.close(); err != nil || len(h.loose) != 0 {
			t.Errorf("%v, %v", h.loose, err)
		}
	}
}
