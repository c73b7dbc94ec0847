package bucket_test

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/filestore"
	"github.com/stoa-portal/stoa/filestore/bucket"
)

// account is one that every server of Azure Blob in tests has; its key is public.
const (
	account    = "devstoreaccount1"
	accountKey = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="
)

func connected(at *url.URL) string {
	return "DefaultEndpointsProtocol=" + at.Scheme + ";AccountName=" + account + ";AccountKey=" + accountKey +
		";BlobEndpoint=" + at.String() + ";"
}

func TestOpen_OfWrongSettingsNamesThemAndShowsNoSecret(t *testing.T) {
	const secret = "c2VjcmV0LXdvcmQ"
	gcs := func(o bucket.GCSOptions) func() (*bucket.Store, error) {
		return func() (*bucket.Store, error) { return bucket.OpenGCS(o) }
	}
	azure := func(o bucket.AzureOptions) func() (*bucket.Store, error) {
		return func() (*bucket.Store, error) { return bucket.OpenAzure(o) }
	}
	for name, p := range map[string]struct {
		open func() (*bucket.Store, error)
		says string
	}{
		"no bucket": {gcs(bucket.GCSOptions{}), "bucket"},
		"no JSON":   {gcs(bucket.GCSOptions{Bucket: "b", Key: secret}), "service account"},
		"a user": {gcs(bucket.GCSOptions{Bucket: "b", Key: `{"type":"authorized_user","x":"` + secret + `"}`}),
			"service_account"},
		"a damaged key": {gcs(bucket.GCSOptions{Bucket: "b", Key: `{"type":"service_account","private_key":"` + secret}),
			"service account"},
		"an AES key in clear": {gcs(bucket.GCSOptions{Bucket: "b", Endpoint: "http://storage.example.com",
			AES256: "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="}), "in clear"},
		"a signature in clear": {azure(bucket.AzureOptions{Container: "c",
			Connection: "BlobEndpoint=http://files.example.com/;SharedAccessSignature=sv=2024&sig=" + secret}), "in clear"},
		"a private key that is none": {gcs(bucket.GCSOptions{Bucket: "b",
			Key: `{"type":"service_account","client_email":"a@b","private_key":"` + secret + `"}`}), "private key"},
		"a short AES key": {gcs(bucket.GCSOptions{Bucket: "b", AES256: secret}), "32 bytes"},
		"an address":      {gcs(bucket.GCSOptions{Bucket: "b", Endpoint: "https://u:" + secret + "@host"}), "address"},

		"no container": {azure(bucket.AzureOptions{}), "container"},
		"no account":   {azure(bucket.AzureOptions{Container: "c"}), "account"},
		"both": {azure(bucket.AzureOptions{Container: "c", Connection: "AccountName=a;AccountKey=" + secret, Account: "a"}),
			"either"},
		"a string": {azure(bucket.AzureOptions{Container: "c", Connection: "AccountName=a;AccountKey=" + secret + "!"}),
			"connection string"},
		"no string":   {azure(bucket.AzureOptions{Container: "c", Connection: secret}), "connection string"},
		"no base64":   {azure(bucket.AzureOptions{Container: "c", Account: "a", Key: secret + "!"}), "base64"},
		"an open way": {azure(bucket.AzureOptions{Container: "c", Account: "a", Endpoint: "http://host"}), "https"},
		"a wrong way": {azure(bucket.AzureOptions{Container: "c", Account: "a", Endpoint: "https://host/?sig=" + secret}),
			"address"},
	} {
		_, err := p.open()
		if !stoa.Is(err, stoa.KindInvalid) || !strings.Contains(err.Error(), p.says) {
			t.Errorf("%s: %v", name, err)
		}
		if err != nil && strings.Contains(err.Error(), secret) {
			t.Errorf("%s: the secret is shown: %v", name, err)
		}
	}
}

func TestFault_ShowsNoSignature(t *testing.T) {
	const secret = "abc%2Fdef"
	s, err := bucket.OpenAzure(bucket.AzureOptions{Container: "c", Connection: "BlobEndpoint=http://127.0.0.1:1/;" +
		"SharedAccessSignature=sv=2024-11-04&sig=" + secret + "&se=2030",
		Options: bucket.Options{Retries: 1, Delay: time.Millisecond}})
	if err != nil {
		t.Fatal(err)
	}
	_, err = s.Identity(t.Context())
	f := filestore.FaultOf(err)
	if f == nil || f.Code != filestore.CodeNoAnswer {
		t.Fatalf("said %v", err)
	}
	if text := f.Error() + s.String(); strings.Contains(text, "abc") {
		t.Errorf("the signature is shown: %s", text)
	}
	if got := bucket.Discreet(errors.New(`Get "https://h/?sig=` + secret + `&se=1": no`)); got !=
		`Get "https://h/?sig=…&se=1": no` {
		t.Errorf("shown is %s", got)
	}
}

// Every request that touches bytes carries the key that Google encrypts with; none of it is shown.
func TestGCS_SendsTheAESKeyWithBytes(t *testing.T) {
	var with, without int
	front := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("X-Goog-Encryption-Algorithm") == "AES256" {
			with++
		} else {
			without++
		}
		http.Error(w, `{"error":{"code":403}}`, http.StatusForbidden)
	}))
	defer front.Close()
	s, err := bucket.OpenGCS(bucket.GCSOptions{Bucket: "b", Endpoint: front.URL,
		AES256: "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Identity(t.Context()); filestore.FaultOf(err) == nil || with != 1 || without != 0 {
		t.Errorf("%d requests with the key, %d without: %v", with, without, err)
	}
}

// Where no account is set, and none is around, that is said.
func TestGCS_WithoutAnAccountSaysSo(t *testing.T) {
	t.Setenv("GOOGLE_APPLICATION_CREDENTIALS", t.TempDir()+"/none.json")
	s, err := bucket.OpenGCS(bucket.GCSOptions{Bucket: "b", Endpoint: "https://127.0.0.1:1",
		Options: bucket.Options{Retries: 1, Delay: time.Millisecond}})
	if err != nil {
		t.Fatal(err)
	}
	_, err = s.Identity(t.Context())
	f := filestore.FaultOf(err)
	if f == nil || f.Code != filestore.CodeUnreadable || !strings.Contains(f.Fix, "dl.store.gcs.service.account.key") {
		t.Errorf("said %+v of %v", f, err)
	}
}

// Opening a store looks for no account and asks nothing, also where the file of one is not there.
func TestGCS_OpenAsksNothing(t *testing.T) {
	var asked atomic.Int32
	metadata := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		asked.Add(1)
		w.Header().Set("Metadata-Flavor", "Google")
	}))
	defer metadata.Close()
	t.Setenv("GCE_METADATA_HOST", strings.TrimPrefix(metadata.URL, "http://"))
	t.Setenv("HOME", t.TempDir())
	if _, err := bucket.OpenGCS(bucket.GCSOptions{Bucket: "b"}); err != nil || asked.Load() != 0 {
		t.Errorf("%d questions, %v", asked.Load(), err)
	}
}

// The role of an instance is found where no account is set, and its token is what signs in.
func TestGCS_TakesTheRoleOfTheInstance(t *testing.T) {
	metadata := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Metadata-Flavor", "Google")
		if strings.HasSuffix(r.URL.Path, "/token") {
			w.Header().Set("Content-Type", "application/json")
			_, _ = w.Write([]byte(`{"access_token":"of-the-role","expires_in":3600,"token_type":"Bearer"}`))
		}
	}))
	defer metadata.Close()
	t.Setenv("GCE_METADATA_HOST", strings.TrimPrefix(metadata.URL, "http://"))
	t.Setenv("HOME", t.TempDir())
	t.Setenv("GOOGLE_APPLICATION_CREDENTIALS", "")
	token, err := bucket.GoogleToken("")
	if err != nil || token != "of-the-role" {
		t.Errorf("the token is %q, %v", token, err)
	}
}

// machine lets the identity of the machine be asked for at an address, as Azure's App Service does.
func machine(t *testing.T, endpoint string) {
	t.Helper()
	for name, value := range map[string]string{"AZURE_TENANT_ID": "", "AZURE_CLIENT_ID": "",
		"AZURE_FEDERATED_TOKEN_FILE": "",
		"IDENTITY_ENDPOINT":          endpoint, "IDENTITY_HEADER": "header", "IDENTITY_SERVER_THUMBPRINT": "",
		"MSI_ENDPOINT": ""} {
		t.Setenv(name, value)
		if value == "" {
			if err := os.Unsetenv(name); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// Where the machine has no identity, the error is one of accounts, whose sentence names the settings; when it has one,
// its token signs in.
func TestAzure_TakesTheIdentityOfTheMachine(t *testing.T) {
	var has atomic.Bool
	metadata := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("X-IDENTITY-HEADER") != "header" || !has.Load() {
			http.Error(w, `{"error":"none"}`, http.StatusBadRequest)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write([]byte(`{"access_token":"of-the-machine","expires_in":"3600","expires_on":"4102444800",` +
			`"token_type":"Bearer","resource":"x"}`))
	}))
	defer metadata.Close()
	machine(t, metadata.URL)
	scope := "https://" + filestore.NewKey() + "/.default" // the library keeps tokens for the whole process
	if _, err := bucket.AzureToken(t.Context(), scope); err == nil || !bucket.AzureKnowsNoAccount(err) {
		t.Errorf("without an identity: %v", err)
	}
	has.Store(true)
	if token, err := bucket.AzureToken(t.Context(), scope); err != nil || token != "of-the-machine" {
		t.Errorf("the token is %q, %v", token, err)
	}
}
