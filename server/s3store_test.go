package server_test

import (
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"

	"github.com/stoa-portal/stoa/config"
	"github.com/stoa-portal/stoa/filestore"
	"github.com/stoa-portal/stoa/filestore/filestoretest"
	"github.com/stoa-portal/stoa/server/servertest"
)

// inBucket are the properties of a node whose files lie in a bucket of a real S3 server.
func inBucket(t *testing.T, folder string) map[string]string {
	t.Helper()
	u, err := url.Parse(os.Getenv("STOA_TEST_S3"))
	if err != nil {
		t.Fatal(err)
	}
	if u.Host == "" {
		if os.Getenv("STOA_TEST_REQUIRE") == "1" {
			t.Fatal("STOA_TEST_S3 names no server")
		}
		t.Skip("STOA_TEST_S3 names no server")
	}
	secret, _ := u.User.Password()
	bucket := "stoa-server-test"
	c, err := minio.New(u.Host, &minio.Options{Creds: credentials.NewStaticV4(u.User.Username(), secret, "")})
	if err == nil {
		err = c.MakeBucket(t.Context(), bucket, minio.MakeBucketOptions{})
		if strings.HasPrefix(minio.ToErrorResponse(err).Code, "BucketAlready") {
			err = nil
		}
	}
	if err != nil {
		t.Fatal(err)
	}
	return map[string]string{"dl.store.impl": config.StoreS3, "dl.store.s3.bucket.name": bucket,
		"dl.store.s3.prefix": filestore.NewKey(), "dl.store.s3.endpoint": u.Scheme + "://" + u.Host,
		"dl.store.s3.access.key": u.User.Username(), "dl.store.s3.secret.key": secret,
		"dl.store.s3.path.style": "true", rootProperty: folder}
}

// with gives the properties with one changed.
func with(properties map[string]string, name, value string) map[string]string {
	out := map[string]string{name: value}
	for k, v := range properties {
		if k != name {
			out[k] = v
		}
	}
	return out
}

func TestS3Store_NodesHaveTheSameFilesAndAWrongOneIsNotReady(t *testing.T) {
	folder := filepath.Join(t.TempDir(), "none")
	flags := inBucket(t, folder)
	g := servertest.NewGroup(t, "sqlite")
	one, two := g.Join(flags), g.Join(flags)
	mustSee(t, one.Get(t, "/readyz"), http.StatusOK)
	mustSee(t, two.Get(t, "/readyz"), http.StatusOK)
	one.SignIn(t)
	body := strings.Repeat("High water at noon.\n", 400_000) // in parts
	address := mustUpload(t, one, "tides.txt", body)
	mustFind(t, two, address, body)
	a := two.Guest(t).Get(t, address, "Range", "bytes=7000000-7000019")
	if a.Status != http.StatusPartialContent || a.Body != body[7000000:7000020] {
		t.Errorf("a part of the file: %d %q", a.Status, a.Body)
	}
	nothingIn(t, folder)

	for name, value := range map[string]string{"dl.store.s3.secret.key": "wrong", "dl.store.s3.prefix": "another",
		"dl.store.s3.bucket.name": "no-such-bucket", "dl.store.s3.endpoint": "http://127.0.0.1:1"} {
		began := time.Now()
		wrong := g.Join(with(flags, name, value))
		notReady(t, wrong, began, "file store")
		mustSee(t, one.Get(t, "/readyz"), http.StatusOK)
	}
}

// What happens between one node and the bucket is said by that node, keeps it from taking files and from nothing else,
// and is over when it is over.
func TestS3Store_EachFaultIsSaidAndHeals(t *testing.T) {
	flags := inBucket(t, filepath.Join(t.TempDir(), "none"))
	relay := filestoretest.NewRelay(t, flags["dl.store.s3.endpoint"])
	g := servertest.NewGroup(t, "sqlite")
	straight := g.Join(flags)
	n := g.Join(with(flags, "dl.store.s3.endpoint", relay.URL))
	straight.SignIn(t)
	n.SignIn(t)
	body := strings.Repeat("Low water at six.\n", 20_000)
	address := mustUpload(t, n, "tides.txt", body)

	relay.Set(func(w http.ResponseWriter, r *http.Request, next http.Handler) bool { // slow, and all is well
		pause := time.NewTimer(50 * time.Millisecond)
		defer pause.Stop()
		select {
		case <-pause.C:
		case <-r.Context().Done():
		}
		return false
	})
	mustFind(t, n, address, body)
	mustUpload(t, n, "slow.txt", body)
	mustSee(t, n.Get(t, "/readyz"), http.StatusOK)

	for name, c := range map[string]struct {
		do   filestoretest.Disturb
		says string
	}{
		"500":    {filestoretest.Refuse(http.StatusInternalServerError), "500"},
		"503":    {filestoretest.Refuse(http.StatusServiceUnavailable), "503"},
		"denied": {filestoretest.Refuse(http.StatusForbidden), "denied"},
		"cut":    {filestoretest.CutOff, "answer"},
		"hangs":  {filestoretest.AnswerNothing, "answer"},
	} {
		t.Run(name, func(t *testing.T) {
			unread := mustUpload(t, straight, "unread-"+name+".txt", body)
			n.Poll(t)
			began := time.Now()
			relay.Set(c.do)
			notReady(t, n, began, c.says)
			mustRefuse(t, n)
			mustSee(t, n.Guest(t).Get(t, "/"), http.StatusOK)
			if a := n.Guest(t).Get(t, unread); a.Status != http.StatusServiceUnavailable {
				t.Errorf("a file of which this node has no copy: %d, want 503", a.Status)
			}
			mustFind(t, n, address, body) // it has a copy
			mustSee(t, straight.Get(t, "/readyz"), http.StatusOK)
			mustFind(t, straight, address, body)
			relay.Set(nil)
			readyAgain(t, n)
			mustFind(t, n, unread, body)
			mustFind(t, straight, mustUpload(t, n, "after-"+name+".txt", body), body)
		})
	}
}
