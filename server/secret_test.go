package server_test

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/cluster"
	"github.com/stoa-portal/stoa/db"
	"github.com/stoa-portal/stoa/db/dbtest"
	"github.com/stoa-portal/stoa/server/servertest"
)

func keyFileOf(t *testing.T, line string) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "key")
	if err := os.WriteFile(name, []byte(line+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

// findings gives those of the code that a node sees.
func findings(t *testing.T, n *servertest.Node, code string) (out []cluster.Finding) {
	t.Helper()
	st, err := n.Cluster(stoa.WithActor(context.Background(), stoa.SystemActor()))
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range append(st.Wrong, st.Notes...) {
		if f.Code == code {
			out = append(out, f)
		}
	}
	return out
}

func TestKeyFile_EncryptsTheKeysOnceAllNodesHaveIt(t *testing.T) {
	t.Parallel()
	for _, e := range dbtest.Engines() {
		t.Run(string(e), func(t *testing.T) {
			g := servertest.NewGroup(t, e)
			line := strings.Repeat("0123456789abcdef", 2)
			a := g.Join(map[string]string{"secret.key.file": keyFileOf(t, line)})
			b := g.Join(map[string]string{"secret.key.file": keyFileOf(t, line)})
			if f := findings(t, a, cluster.CodeSettingsDiffer); len(f) != 0 {
				t.Fatalf("nodes with the same file: %v", f)
			}
			if err := a.DB.Write(t.Context(), func(ctx context.Context, tx *db.Tx) error { // from before there was a file
				return tx.Insert(ctx, "secret_sign",
					db.Row{"purpose": "test", "number": 1, "made": db.Micros(time.Now()), "wrap": "",
						"value": base64.StdEncoding.EncodeToString(make([]byte, 32))})
			}); err != nil {
				t.Fatal(err)
			}
			sig, err := b.Secrets.Sign(t.Context(), "test", []byte("m"))
			if err != nil {
				t.Fatal(err)
			}
			eventually(t, "the keys to be encrypted", func() bool {
				var open int
				err := a.DB.QueryRow(t.Context(), "SELECT count(*) FROM secret_sign WHERE wrap = ''").Scan(&open)
				return err == nil && open == 0
			})
			if ok, err := a.Secrets.Verify(t.Context(), "test", []byte("m"), sig); err != nil || !ok {
				t.Errorf("another node does not verify: %v, %v", ok, err)
			}

			c := g.Join(map[string]string{"secret.key.file": keyFileOf(t, strings.Repeat("fedcba9876543210", 2))})
			for _, n := range []*servertest.Node{a, c} {
				var f []cluster.Finding
				eventually(t, "the finding", func() bool {
					f = findings(t, n, cluster.CodeSettingsDiffer)
					return len(f) > 0
				})
				if len(f) != 1 || !strings.Contains(f[0].Text, "secret.key.file") || strings.Contains(f[0].Text, "0123456789") {
					t.Errorf("with another file on one node the findings are %v", f)
				}
			}
			if ok, err := c.Secrets.Verify(t.Context(), "test", []byte("m"), sig); err != nil || ok {
				t.Errorf("the node with another file: %v, %v; want that it verifies nothing", ok, err)
			}
		})
	}
}

// Secrets are compared by proofs that hold for one question, and nothing of them is stored or shown.
func TestSettings_ASecretThatDiffersIsNamedAndNothingOfItIsShown(t *testing.T) {
	t.Parallel()
	g := servertest.NewGroup(t, dbtest.SQLite)
	with := func(secret string) *servertest.Node {
		return g.Join(map[string]string{"dl.store.s3.access.key": "portal", "dl.store.s3.secret.key": secret})
	}
	a, b := with("hunter2 of all nodes"), with("hunter2 of all nodes")
	if f := findings(t, b, cluster.CodeSettingsDiffer); len(f) != 0 {
		t.Fatalf("nodes with one secret: %v", f)
	}
	c := with("hunter3 of one node")
	for _, n := range []*servertest.Node{a, c} {
		var f []cluster.Finding
		eventually(t, "the finding", func() bool {
			f = findings(t, n, cluster.CodeSettingsDiffer)
			return len(f) > 0
		})
		if len(f) != 1 || !strings.Contains(f[0].Text, "dl.store.s3.secret.key") || strings.Contains(f[0].Text, "hunter") {
			t.Errorf("the findings are %v", f)
		}
	}
	text, err := c.ClusterText(stoa.WithActor(t.Context(), stoa.SystemActor()))
	if err != nil {
		t.Fatal(err)
	}
	var shown struct {
		Nodes []struct{ Settings map[string]string }
	}
	if err := json.Unmarshal([]byte(text), &shown); err != nil || len(shown.Nodes) != 3 {
		t.Fatalf("%v, %d nodes", err, len(shown.Nodes))
	}
	for _, n := range shown.Nodes {
		for _, secret := range []string{"dl.store.s3.secret.key", "cluster.link.auth.value", "secret.key.file"} {
			if n.Settings[secret] != "" || n.Settings["dl.store.s3.bucket.name"] == "" {
				t.Errorf("what is shown of %s is %q", secret, n.Settings[secret])
			}
		}
	}
	rows, err := db.All(t.Context(), a.DB, func(s db.Scanner) (d string, err error) { return d, s.Scan(&d) },
		"SELECT DISTINCT settings FROM cluster_node")
	if err != nil || len(rows) != 1 {
		t.Errorf("the rows of the nodes tell of the secret: %q, %v", rows, err)
	}
}

func TestProxy_ThatIsNotTrustedIsAFinding(t *testing.T) {
	t.Parallel()
	nodes := servertest.Start(t, 2)
	if f := findings(t, nodes[1], cluster.CodeProxyUntrusted); len(f) != 0 {
		t.Fatalf("without a proxy: %v", f)
	}
	nodes[0].Get(t, "/", "X-Forwarded-For", "203.0.113.5")
	f := findings(t, nodes[1], cluster.CodeProxyUntrusted)
	if len(f) != 1 || len(f[0].Nodes) != 1 || f[0].Severity != cluster.Warning ||
		!strings.Contains(f[0].Text, "127.0.0.1") {
		t.Errorf("the findings are %v", f)
	}
}
