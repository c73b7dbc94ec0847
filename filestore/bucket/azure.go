package bucket

import (
	"bytes"
	"context"
	"crypto/md5"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"regexp"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/streaming"
	"github.com/Azure/azure-sdk-for-go/sdk/azidentity"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob"
	azobject "github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/blob"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/bloberror"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/blockblob"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/container"
	"gocloud.dev/blob"
	"gocloud.dev/blob/azureblob"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/filestore"
)

const (
	azurePart   = 4 << 20 // bytes of a block
	azureBlocks = 45_000  // of the 50,000 that a blob may have
)

// AzureOptions are the settings of a store in Azure Blob. Container is needed, and Connection or Account.
type AzureOptions struct {
	Options
	Container  string
	Connection string // string with address and keys, as Azure shows it; empty: Account counts
	Account    string // with Connection, Key and Endpoint empty, too: what the environment names (AZURE_STORAGE_…)
	Key        string // of the account; empty: what the environment names, or the identity of the machine
	Endpoint   string // URL; empty: that of the account at Azure
	Scope      string // of encryption; empty: that of the container
}

// OpenAzure gives the store in the container. It asks nothing and makes nothing: Make makes a store.
func OpenAzure(o AzureOptions) (*Store, error) {
	o.complete()
	if o.Connection+o.Account+o.Key+o.Endpoint == "" {
		if o.Connection = os.Getenv("AZURE_STORAGE_CONNECTION_STRING"); o.Connection == "" {
			o.Account, o.Key = os.Getenv("AZURE_STORAGE_ACCOUNT"), os.Getenv("AZURE_STORAGE_KEY")
		}
	}
	switch {
	case o.Container == "":
		return nil, stoa.Invalid("container", "the container of the file store is not set")
	case o.Connection == "" && o.Account == "":
		return nil, stoa.Invalid("account", "neither dl.store.azure.connection.string nor dl.store.azure.account.name is "+
			"set, and the environment names no account (AZURE_STORAGE_CONNECTION_STRING, AZURE_STORAGE_ACCOUNT)")
	case o.Connection != "" && (o.Account != "" || o.Key != "" || o.Endpoint != ""):
		return nil, stoa.Invalid("account", "the file store has a connection string, and account, key or endpoint beside "+
			"it: set either")
	}
	transport := filestore.NewTransport(o.Timeout)
	c, err := azureContainer(o, transport)
	if err != nil {
		return nil, err
	}
	b, err := azureblob.OpenBucket(context.Background(), c, nil)
	if err != nil {
		return nil, stoa.Invalid("container", "the container of the file store cannot be opened: %v", discreet(err))
	}
	a := &azure{container: o.Container, scope: o.Scope, host: hostOf(c.URL()), c: c}
	return newStore(o.Options, a, b, transport), nil
}

// azureContainer makes the client. What its library says of wrong keys may show them.
func azureContainer(o AzureOptions, transport *http.Transport) (*container.Client, error) {
	common := policy.ClientOptions{
		Transport: &http.Client{Transport: transport},
		Retry:     policy.RetryOptions{MaxRetries: int32(o.Retries), RetryDelay: o.Delay, MaxRetryDelay: o.MaxDelay},

		PerCallPolicies: []policy.Policy{summed{}},
	}
	options := &container.ClientOptions{ClientOptions: common}
	if o.Connection != "" {
		c, err := container.NewClientFromConnectionString(o.Connection, o.Container, options)
		if err != nil || hostOf(c.URL()) == "" {
			return nil, stoa.Invalid("connection", "the connection string of the file store cannot be used: "+
				"DefaultEndpointsProtocol=https;AccountName=…;AccountKey=… is expected, or BlobEndpoint=https://…;"+
				"SharedAccessSignature=…")
		}
		if u, err := url.Parse(c.URL()); signature.MatchString(c.URL()) && (err != nil || inClear(u)) {
			return nil, stoa.Invalid("connection", "the signature of the file store would be sent in clear: "+
				"BlobEndpoint=https://… "+
				"is expected")
		}
		return c, nil
	}
	if o.Endpoint == "" {
		o.Endpoint = "https://" + o.Account + ".blob.core.windows.net"
	}
	u, err := address(o.Endpoint)
	if err != nil {
		return nil, err
	}
	at := u.Scheme + "://" + u.Host + "/" + o.Container
	if o.Key != "" {
		key, err := azblob.NewSharedKeyCredential(o.Account, o.Key)
		if err != nil {
			return nil, stoa.Invalid("key", "the key of the file store's account is not base64, as Azure shows it")
		}
		c, err := container.NewClientWithSharedKeyCredential(at, key, options)
		return c, madeOf(err)
	}
	if u.Scheme != "https" {
		return nil, stoa.Invalid("endpoint", "without a key of the account the file store has to be reached by https")
	}
	c, err := container.NewClient(at, azureIdentity(transport, o.Timeout), options)
	return c, madeOf(err)
}

// summed sends the MD5 of all bytes along, which the service compares them with. No secret hangs on it.
type summed struct{}

// Do implements policy.Policy.
func (summed) Do(r *policy.Request) (*http.Response, error) {
	if body := r.Body(); r.Raw().Method == http.MethodPut && body != nil {
		hash := md5.New()
		_, err := io.Copy(hash, body)
		if err = errors.Join(err, r.RewindBody()); err != nil {
			return nil, err
		}
		// As the signer looks for it, which takes no other form.
		r.Raw().Header["Content-MD5"] = []string{base64.StdEncoding.EncodeToString(hash.Sum(nil))}
	}
	return r.Next()
}

func madeOf(err error) error {
	if err == nil {
		return nil
	}
	return stoa.Invalid("endpoint", "the client of the file store cannot be made: %v", discreet(err))
}

// azureIdentity is who the process is: what the environment names (AZURE_TENANT_ID and its like), the identity of a
// workload in Kubernetes, or that of the machine. Programs of developers are not asked.
func azureIdentity(transport *http.Transport, timeout time.Duration) azcore.TokenCredential {
	common := policy.ClientOptions{Transport: &http.Client{Transport: transport, Timeout: timeout},
		Retry: policy.RetryOptions{MaxRetries: 1, RetryDelay: 200 * time.Millisecond}}
	var chain []azcore.TokenCredential
	if c, err := azidentity.NewEnvironmentCredential(&azidentity.EnvironmentCredentialOptions{
		ClientOptions: common}); err == nil {
		chain = append(chain, c)
	}
	if c, err := azidentity.NewWorkloadIdentityCredential(&azidentity.WorkloadIdentityCredentialOptions{
		ClientOptions: common}); err == nil {
		chain = append(chain, c)
	}
	near := transport.Clone()
	near.Proxy = nil // the machine's own server is behind none
	common.Transport = &http.Client{Transport: near, Timeout: timeout}
	machine := &azidentity.ManagedIdentityCredentialOptions{ClientOptions: common}
	if id := os.Getenv("AZURE_CLIENT_ID"); id != "" { // one of several that the machine has
		machine.ID = azidentity.ClientID(id)
	}
	if c, err := azidentity.NewManagedIdentityCredential(machine); err == nil {
		chain = append(chain, c)
	}
	c, err := azidentity.NewChainedTokenCredential(chain, nil)
	if err != nil {
		return noIdentity{err}
	}
	return c
}

// noIdentity is what there is where no credential could be made.
type noIdentity struct{ why error }

// GetToken implements azcore.TokenCredential.
func (n noIdentity) GetToken(context.Context, policy.TokenRequestOptions) (azcore.AccessToken, error) {
	return azcore.AccessToken{}, errors.Join(errNoIdentity, n.why)
}

// errNoIdentity says that there are no credentials.
var errNoIdentity = errors.New("bucket: no account of Azure is set")

// signature is the secret in an address with a shared access signature.
var signature = regexp.MustCompile(`(?i)([?&]sig=)[^&"'\s]*`)

// discreet is an error without the signatures of addresses.
func discreet(err error) error {
	if err == nil || !signature.MatchString(err.Error()) {
		return err
	}
	return &hidden{signature.ReplaceAllString(err.Error(), "${1}…"), err}
}

type hidden struct {
	text string
	err  error
}

// Error gives the text without secrets.
func (h *hidden) Error() string { return h.text }

// Unwrap gives what it stands for.
func (h *hidden) Unwrap() error { return h.err }

// azure is the service of Azure Blob.
type azure struct {
	container, scope, host string
	c                      *container.Client
}

func (a *azure) place(prefix string) string {
	return "the container " + named(a.container, prefix) + " at " + a.host
}

func (a *azure) words() words {
	return words{
		noBucket:   "there is no such container",
		makeBucket: "make the container, or name the one that there is (dl.store.azure.container.name)",
		rights:     "list the container, and read, make and delete its blobs (the role Storage Blob Data Contributor)",
		keys: "dl.store.azure.connection.string, or dl.store.azure.account.name and dl.store.azure.account.key, or the " +
			"identity of the machine",
		address: "dl.store.azure.connection.string or dl.store.azure.endpoint",
	}
}

// client gives the client of an object. Names of objects are those of keys, so nothing in them is to be escaped. Its
// own way to send a stream is not used: it sends from memory that it gives back to the system while connections may
// still read it, which ends the process.
func (a *azure) client(object string) *blockblob.Client { return a.c.NewBlockBlobClient(object) }

func (a *azure) onlyNew() *azobject.AccessConditions {
	every := azcore.ETagAny
	return &azobject.AccessConditions{ModifiedAccessConditions: &azobject.ModifiedAccessConditions{IfNoneMatch: &every}}
}

func (a *azure) encryption() *azobject.CPKScopeInfo {
	if a.scope == "" {
		return nil
	}
	return &azobject.CPKScopeInfo{EncryptionScope: &a.scope}
}

func (a *azure) headers() *azobject.HTTPHeaders {
	kind := "application/octet-stream"
	return &azobject.HTTPHeaders{BlobContentType: &kind}
}

func (a *azure) whole(ctx context.Context, object string, body []byte, nonce string) error {
	_, err := a.client(object).Upload(ctx, streaming.NopCloser(bytes.NewReader(body)), &blockblob.UploadOptions{
		Metadata: map[string]*string{nonceKey: &nonce}, AccessConditions: a.onlyNew(), CPKScopeInfo: a.encryption(),
		HTTPHeaders: a.headers()})
	return err
}

func (a *azure) part(size int64) int { return int(max(azurePart, size/azureBlocks+1)) }

func (a *azure) begin(ctx context.Context, object, nonce string) (u upload, memory int) {
	return &azureUpload{a: a, ctx: ctx, c: a.client(object), nonce: nonce, name: filestore.NewKey()}, 0
}

// azureUpload is an object that goes up in blocks. Those that become no object are removed by the service in a week.
type azureUpload struct {
	a           *azure
	ctx         context.Context
	c           *blockblob.Client
	nonce, name string
	blocks      []string
}

func (u *azureUpload) part(b []byte) error {
	id := base64.StdEncoding.EncodeToString(fmt.Appendf(nil, "%s%08d", u.name, len(u.blocks)))
	_, err := u.c.StageBlock(u.ctx, id, streaming.NopCloser(bytes.NewReader(b)),
		&blockblob.StageBlockOptions{CPKScopeInfo: u.a.encryption()})
	u.blocks = append(u.blocks, id)
	return err
}

func (u *azureUpload) end() error {
	_, err := u.c.CommitBlockList(u.ctx, u.blocks, &blockblob.CommitBlockListOptions{
		Metadata: map[string]*string{nonceKey: &u.nonce}, AccessConditions: u.a.onlyNew(), CPKScopeInfo: u.a.encryption(),
		HTTPHeaders: u.a.headers()})
	return err
}

func (u *azureUpload) abort() {}

func (a *azure) reading(v *blob.Attributes) *blob.ReaderOptions {
	if v == nil {
		return nil
	}
	return &blob.ReaderOptions{BeforeRead: func(as func(any) bool) error {
		var o *azblob.DownloadStreamOptions
		if as(&o) {
			tag := azcore.ETag(v.ETag)
			o.AccessConditions = &azobject.AccessConditions{
				ModifiedAccessConditions: &azobject.ModifiedAccessConditions{IfMatch: &tag}}
		}
		return nil
	}}
}

func (a *azure) listing(*blob.ListOptions) {}

func (a *azure) resends() bool { return true }

func (a *azure) answer(err error) answer {
	var (
		e      *azcore.ResponseError
		failed *azidentity.AuthenticationFailedError
	)
	if !errors.As(err, &e) {
		if errors.As(err, &failed) || errors.Is(err, errNoIdentity) || isUnavailable(err) {
			return answer{what: unknown}
		}
		return answer{}
	}
	out := answer{status: e.StatusCode, code: e.ErrorCode}
	switch bloberror.Code(e.ErrorCode) {
	case bloberror.ContainerNotFound, bloberror.ContainerBeingDeleted:
		out.what = noBucket
		return out
	case bloberror.BlobAlreadyExists, bloberror.InvalidBlockList: // the blocks are gone when another put was first
		out.what = taken
		return out
	case bloberror.AccountIsDisabled:
		out.what = refused
		return out
	case bloberror.AuthenticationFailed, bloberror.InvalidAuthenticationInfo, bloberror.NoAuthenticationInformation:
		out.what = unknown
		return out
	}
	switch e.StatusCode {
	case http.StatusNotFound:
		out.what = gone
	case http.StatusPreconditionFailed:
		out.what = taken
	case http.StatusUnauthorized:
		out.what = unknown
	case http.StatusForbidden:
		out.what = refused
	}
	return out
}

// isUnavailable reports whether an error says that there are no credentials: the library does not export its type.
func isUnavailable(err error) bool {
	var u interface{ NonRetriable() }
	return errors.As(err, &u)
}
