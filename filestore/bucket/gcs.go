package bucket

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"hash"
	"hash/crc32"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"sync"
	"time"

	"cloud.google.com/go/storage"
	"github.com/googleapis/gax-go/v2"
	"gocloud.dev/blob"
	"gocloud.dev/blob/gcsblob"
	"golang.org/x/oauth2"
	"golang.org/x/oauth2/google"
	"google.golang.org/api/googleapi"
	"google.golang.org/api/option"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/filestore"
)

const (
	gcsAddress = "https://storage.googleapis.com"
	gcsPart    = 4 << 20 // bytes of one request of an upload in parts; the library holds one
	gcsStall   = time.Minute
	gcsKeys    = "dl.store.gcs.service.account.key, or what GOOGLE_APPLICATION_CREDENTIALS names, or the role of the " +
		"instance"
)

// GCSOptions are the settings of a store in Google Cloud Storage. Bucket is needed.
type GCSOptions struct {
	Options
	Bucket   string
	Key      string // of a service account, as JSON; empty: Google's application default credentials
	AES256   string // base64 of 32 bytes, with which the service encrypts the objects; empty: its own keys
	Endpoint string // URL; empty: Google's. Over http:// no account signs in: that is for servers of tests
}

// OpenGCS gives the store in the bucket. It asks nothing and makes nothing: Make makes a store.
func OpenGCS(o GCSOptions) (*Store, error) {
	o.complete()
	if o.Bucket == "" {
		return nil, stoa.Invalid("bucket", "the bucket of the file store is not set")
	}
	g := &gcs{bucket: o.Bucket}
	if o.AES256 != "" {
		b, err := base64.StdEncoding.DecodeString(o.AES256)
		if err != nil || len(b) != 32 {
			return nil, stoa.Invalid("aes256", "the AES-256 key of the file store is not the base64 of 32 bytes")
		}
		g.aes = b
	}
	if o.Endpoint == "" {
		o.Endpoint = gcsAddress
	}
	u, err := address(o.Endpoint)
	if err != nil {
		return nil, err
	}
	if g.aes != nil && inClear(u) {
		return nil, stoa.Invalid("endpoint", "the AES-256 key of the file store would be sent in clear: an address with "+
			"https:// is expected")
	}
	g.host = u.Host
	transport := filestore.NewTransport(o.Timeout)
	way := http.RoundTripper(transport)
	if u.Scheme == "https" {
		source, err := googleTokens(o.Key, &http.Client{Transport: transport, Timeout: o.Timeout})
		if err != nil {
			return nil, err
		}
		way = &oauth2.Transport{Base: transport, Source: source}
	}
	client, err := storage.NewClient(context.Background(), option.WithHTTPClient(&http.Client{Transport: way}),
		option.WithoutAuthentication(), // but by way: else the library looks for accounts at once
		option.WithEndpoint(u.Scheme+"://"+u.Host+"/storage/v1/"), storage.WithJSONReads())
	if err != nil {
		return nil, stoa.Invalid("endpoint", "the client of the file store cannot be made: %v", err)
	}
	client.SetRetry(storage.WithPolicy(storage.RetryAlways), storage.WithMaxAttempts(o.Retries+1),
		storage.WithErrorFunc(storage.ShouldRetry), // uploads, too, which would be content with less
		storage.WithBackoff(gax.Backoff{Initial: o.Delay, Max: o.MaxDelay, Multiplier: 2}))
	b, err := gcsblob.OpenBucket(context.Background(), nil, o.Bucket, &gcsblob.Options{Client: client})
	if err != nil {
		return nil, stoa.Invalid("bucket", "the bucket of the file store cannot be opened: %v", err)
	}
	g.b = b
	return newStore(o.Options, g, b, transport), nil
}

// address takes the address of a service apart. It may hold a key, so it is not shown.
func address(text string) (*url.URL, error) {
	u, err := url.Parse(text)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" || strings.Trim(u.Path, "/") != "" ||
		u.User != nil || u.RawQuery != "" {
		return nil, stoa.Invalid("endpoint",
			"this is not the address of a file store: https://host:port is expected, without keys and path")
	}
	return u, nil
}

// googleTokens gives the tokens of a service account, or of the first of the usual places that has an account, which
// is looked for when a token is needed.
func googleTokens(key string, client *http.Client) (oauth2.TokenSource, error) {
	ctx := context.WithValue(context.Background(), oauth2.HTTPClient, client)
	if key == "" {
		return oauth2.ReuseTokenSource(nil, &usualTokens{ctx: ctx}), nil
	}
	c, err := google.CredentialsFromJSONWithType(ctx, []byte(key), google.ServiceAccount, storage.ScopeReadWrite)
	if err != nil {
		return nil, stoa.Invalid("key", "the key of the file store's service account is not the JSON that Google makes "+
			"for one, with \"type\": \"service_account\"") // the error may show some of it
	}
	var parts struct {
		Key string `json:"private_key"`
	}
	if err := json.Unmarshal([]byte(key), &parts); err == nil {
		if block, _ := pem.Decode([]byte(parts.Key)); block == nil {
			return nil, stoa.Invalid("key", "the key of the file store's service account holds no private key: the JSON is "+
				"expected as Google makes it, with \\n in it")
		}
	}
	return c.TokenSource, nil
}

// usualTokens are those of Google's application default credentials.
type usualTokens struct {
	ctx    context.Context
	mu     sync.Mutex
	source oauth2.TokenSource
}

// errNoAccount says that there are no credentials.
var errNoAccount = errors.New("bucket: no account of Google is set")

// Token implements oauth2.TokenSource.
func (u *usualTokens) Token() (*oauth2.Token, error) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.source == nil {
		c, err := google.FindDefaultCredentials(u.ctx, "https://www.googleapis.com/auth/cloud-platform")
		if err != nil {
			return nil, fmt.Errorf("%w: %w", errNoAccount, err)
		}
		u.source = c.TokenSource
	}
	return u.source.Token()
}

// gcs is the service of Google Cloud Storage.
type gcs struct {
	bucket, host string
	b            *blob.Bucket
	aes          []byte
}

func (g *gcs) place(prefix string) string {
	return "the bucket " + named(g.bucket, prefix) + " at " + g.host
}

func (g *gcs) words() words {
	return words{
		noBucket:   "there is no such bucket",
		makeBucket: "make the bucket, or name the one that there is (dl.store.gcs.bucket.name)",
		rights:     "list the bucket, and read, make and delete its objects (the role Storage Object Admin)",
		keys:       gcsKeys,
		address:    "dl.store.gcs.endpoint",
	}
}

// handle changes the handle of an object before it is used.
func (g *gcs) handle(as func(any) bool, change func(*storage.ObjectHandle) *storage.ObjectHandle) {
	var h **storage.ObjectHandle
	if !as(&h) {
		return
	}
	if change != nil {
		*h = change(*h)
	}
	if g.aes != nil {
		*h = (*h).Key(g.aes)
	}
}

// writer begins a write that must make the object; change may set more of it.
func (g *gcs) writer(ctx context.Context, object, nonce string, buffer int, change func(*storage.Writer)) (*blob.Writer,
	error) {
	return g.b.NewWriter(ctx, object, &blob.WriterOptions{IfNotExist: true, Metadata: map[string]string{nonceKey: nonce},
		ContentType: "application/octet-stream", BufferSize: buffer,
		BeforeWrite: func(as func(any) bool) error {
			g.handle(as, nil)
			var w *storage.Writer
			if as(&w) {
				change(w)
			}
			return nil
		}})
}

// whole implements service. The library keeps no copy, so it sends nothing again, and the service compares the bytes
// with their CRC32C before there is an object.
func (g *gcs) whole(ctx context.Context, object string, body []byte, nonce string) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	w, err := g.writer(ctx, object, nonce, -1, func(w *storage.Writer) {
		w.CRC32C, w.SendCRC32C = crc32.Checksum(body, castagnoli()), true
	})
	if err != nil {
		return err
	}
	if _, err = w.Write(body); err != nil {
		cancel()
	}
	return errors.Join(err, w.Close())
}

func castagnoli() *crc32.Table { return crc32.MakeTable(crc32.Castagnoli) }

func (g *gcs) part(int64) int { return gcsPart }

func (g *gcs) begin(ctx context.Context, object, nonce string) (u upload, memory int) {
	ctx, cancel := context.WithCancel(ctx)
	return &gcsUpload{g: g, ctx: ctx, cancel: cancel, object: object, nonce: nonce, sum: crc32.New(castagnoli()),
		encrypted: g.aes != nil}, gcsPart
}

// gcsUpload is an object that the library sends in parts, of which it holds one.
type gcsUpload struct {
	g             *gcs
	ctx           context.Context
	cancel        context.CancelFunc
	object, nonce string
	w             *blob.Writer
	made          *storage.Writer
	sum           hash.Hash32
	ended         bool
	encrypted     bool // with a key of ours
}

func (u *gcsUpload) part(b []byte) (err error) {
	if u.w == nil {
		u.w, err = u.g.writer(u.ctx, u.object, u.nonce, gcsPart, func(w *storage.Writer) {
			w.ChunkTransferTimeout, w.ChunkRetryDeadline = gcsStall, 2*gcsStall
			u.made = w
		})
		if err != nil {
			return err
		}
	}
	u.sum.Write(b)
	_, err = u.w.Write(b)
	return err
}

// end implements upload. The library sends the CRC32C of all with the last part; what the service says of the object is
// looked at, too.
func (u *gcsUpload) end() error {
	u.ended = true
	if err := u.w.Close(); err != nil {
		return err
	}
	// Of what is encrypted with a key of ours the service tells no checksum without the key; it has compared the one that
	// was sent.
	if got := u.made.Attrs().CRC32C; got != u.sum.Sum32() && (got != 0 || !u.encrypted) {
		return errOtherBytes
	}
	return nil
}

func (u *gcsUpload) abort() {
	u.cancel() // nothing is written then
	if u.w != nil && !u.ended {
		u.ended = true
		_ = u.w.Close()
	}
}

func (g *gcs) reading(a *blob.Attributes) *blob.ReaderOptions {
	return &blob.ReaderOptions{BeforeRead: func(as func(any) bool) error {
		g.handle(as, func(h *storage.ObjectHandle) *storage.ObjectHandle {
			var sa storage.ObjectAttrs
			if a != nil && a.As(&sa) {
				return h.Generation(sa.Generation)
			}
			return h
		})
		return nil
	}}
}

func (g *gcs) listing(l *blob.ListOptions) {
	l.BeforeList = func(as func(any) bool) error {
		var q *storage.Query
		if as(&q) {
			q.Projection = storage.ProjectionNoACL
			return q.SetAttrSelection([]string{"Name", "Size", "Updated"})
		}
		return nil
	}
}

func (g *gcs) resends() bool { return false }

func (g *gcs) answer(err error) answer {
	var (
		e *googleapi.Error
		t *oauth2.RetrieveError
	)
	switch {
	case errors.Is(err, storage.ErrBucketNotExist):
		return answer{what: noBucket, status: http.StatusNotFound}
	case errors.Is(err, storage.ErrObjectNotExist):
		return answer{what: gone, status: http.StatusNotFound}
	case errors.Is(err, errNoAccount):
		return answer{what: unknown}
	case errors.As(err, &t):
		a := answer{what: unknown, code: t.ErrorCode}
		if t.Response != nil {
			a.status = t.Response.StatusCode
		}
		if a.status >= 500 || a.status == http.StatusTooManyRequests {
			a.what = other
		}
		return a
	case !errors.As(err, &e):
		return answer{}
	}
	a := answer{status: e.Code}
	if len(e.Errors) > 0 {
		a.code = e.Errors[0].Reason
	}
	switch e.Code {
	case http.StatusNotFound:
		a.what = gone
	case http.StatusPreconditionFailed:
		a.what = taken
	case http.StatusUnauthorized:
		a.what = unknown
	case http.StatusForbidden:
		a.what = refused
		if strings.Contains(strings.ToLower(a.code), "quota") {
			a.what = full
		}
	}
	return a
}

// hostOf gives the host of an address; empty when there is none.
// inClear reports whether what is sent to an address can be read on the way: over http, but to this machine.
func inClear(u *url.URL) bool {
	host := u.Hostname()
	ip, err := netip.ParseAddr(host)
	return u.Scheme == "http" && host != "localhost" && (err != nil || !ip.IsLoopback())
}

func hostOf(text string) string {
	u, err := url.Parse(text)
	if err != nil {
		return ""
	}
	return u.Host
}
