package config

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// withConfig gives what a node reads whose home has that .config file, beside a property file.
func withConfig(t *testing.T, file, text, properties string) (*Config, error) {
	t.Helper()
	home, work := t.TempDir(), t.TempDir()
	dir := filepath.Join(home, "osgi", "configs")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{filepath.Join(dir, file): text,
		filepath.Join(work, "portal-ext.properties"): properties} {
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return Load(Options{WorkDir: work, Home: home})
}

const s3Impl = "dl.store.impl=com.liferay.portal.store.s3.S3Store\n"

func TestConfigFiles_OfS3AreReadAsProperties(t *testing.T) {
	c, err := withConfig(t, s3PID+".config", "# made by the control panel\r\n"+
		":org.apache.felix.configadmin.revision:=L\"3\"\r\n"+
		`accessKey="AK\=1"
secretKey="with \"quotes\" and ${no.reference}"
bucketName="files"
s3Region = "eu-central-1"
s3Endpoint="https://s3.example.com:9000"
s3PathStyle=B"true"
connectionTimeout=I"5000"
httpClientMaxErrorRetry=I"3"
httpClientMaxConnections=I"5000"
proxyHost="proxy"
proxyPort=I"3128"
proxyUsername="us er"
proxyPassword="p@ss"
signerOverride=""
minimumUploadPartSize=\
  L"5242880"
`, s3Impl)
	if err != nil {
		t.Fatal(err)
	}
	want := S3{Endpoint: "https://s3.example.com:9000", Region: "eu-central-1", Bucket: "files", AccessKey: "AK=1",
		SecretKey: `with "quotes" and ${no.reference}`, PathStyle: true, Timeout: 5e9, Retries: 3,
		Proxy: "http://us%20er:p%40ss@proxy:3128"}
	if c.Files.S3 != want || c.Files.Store != StoreS3 || len(c.Warnings()) > 0 {
		t.Errorf("%+v\n%v", c.Files.S3, c.Warnings())
	}
	if v := value(t, c, "dl.store.s3.bucket.name"); !strings.HasSuffix(v.Source, s3PID+".config:5") {
		t.Errorf("the bucket comes from %q", v.Source)
	}
	if v := value(t, c, "dl.store.s3.secret.key"); !v.Secret {
		t.Error("the secret is none")
	}
}

func TestConfigFiles_PropertyFilesCountMore(t *testing.T) {
	c, err := withConfig(t, s3PID+".config", `bucketName="one"`, s3Impl+"dl.store.s3.bucket.name=two\n")
	if err != nil || c.Files.S3.Bucket != "two" {
		t.Errorf("%v %v", c, err)
	}
	c, err = withConfig(t, s3PID+".config", "bucketName=\"one\"\ns3Endpoint=\"s3:9000\"\nconnectionProtocol=\"HTTP\"",
		s3Impl)
	if err != nil || c.Files.S3.Endpoint != "http://s3:9000" {
		t.Errorf("%v %v", c, err)
	}
	c, err = withConfig(t, fileSystemPID+".config", `rootDir="${liferay.home}/files"`, "")
	if err != nil || c.Files.Root != filepath.Join(c.Home, "files") {
		t.Errorf("%v %v", c, err)
	}
}

func TestConfigFiles_OfGoogleAndAzureAreRead(t *testing.T) {
	c, err := withConfig(t, gcsPID+".config", "serviceAccountKey=\"{\\\"type\\\":\\\"service_account\\\"}\"\n"+
		"bucketName=\"files\"\naes256Key=\"QUJD\"\ninitialRetryDelay=\"300\"\nmaxRetryDelay=I\"9000\"\n"+
		"maxRetryAttempts=I\"4\"\nretryDelayMultiplier=\"1.5\"\ninitialRPCTimeout=\"120000\"\nmaxRPCTimeout=\"600000\"\n"+
		"rpcTimeoutMultiplier=\"1.0\"\nretryJitter=B\"false\"\n", "dl.store.impl="+StoreGCS+"\n")
	if err != nil {
		t.Fatal(err)
	}
	google := GCS{Bucket: "files", Key: `{"type":"service_account"}`, AES256: "QUJD", Timeout: 10e9, Retries: 4,
		Delay: 300e6, MaxDelay: 9e9}
	if c.Files.GCS != google || c.Files.Store != StoreGCS || len(c.Warnings()) > 0 {
		t.Errorf("%+v\n%v", c.Files.GCS, c.Warnings())
	}
	c, err = withConfig(t, azurePID+".config", "connectionString=\"AccountName=a;AccountKey=Yg==\"\n"+
		"containerName=\"files\"\nencryptionScope=\"ours\"\nhttpLoggingEnabled=B\"true\"\n", "dl.store.impl="+StoreAzure+"\n")
	if err != nil {
		t.Fatal(err)
	}
	azure := Azure{Container: "files", Connection: "AccountName=a;AccountKey=Yg==", Scope: "ours", Timeout: 10e9,
		Retries: 5}
	if c.Files.Azure != azure || c.Files.Store != StoreAzure || len(c.Warnings()) > 0 {
		t.Errorf("%+v\n%v", c.Files.Azure, c.Warnings())
	}
	for _, name := range []string{"dl.store.gcs.service.account.key", "dl.store.gcs.aes256.key",
		"dl.store.azure.connection.string", "dl.store.azure.account.key"} {
		if !value(t, c, name).Secret {
			t.Errorf("%s is no secret", name)
		}
	}
}

func TestStores_SecretsMayStandInFiles(t *testing.T) {
	dir := t.TempDir()
	key, empty := filepath.Join(dir, "key.json"), filepath.Join(dir, "empty")
	for path, text := range map[string]string{key: "{\"a\": 1}\n", empty: "\n"} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	google := "dl.store.impl=" + StoreGCS + "\ndl.store.gcs.bucket.name=b\n"
	c, err := ext(t, google+"dl.store.gcs.service.account.key=file:"+key)
	if err != nil || c.Files.GCS.Key != `{"a": 1}` {
		t.Errorf("%v", err)
	}
	c, err = withConfig(t, gcsPID+".config", "bucketName=\"b\"\nauthFileLocation=\""+key+"\"", google)
	if err != nil || c.Files.GCS.Key != `{"a": 1}` {
		t.Errorf("the file of a release before: %v", err)
	}
	for text, says := range map[string]string{
		google + "dl.store.gcs.aes256.key=file:" + dir + "/none": "cannot be read",
		google + "dl.store.gcs.aes256.key=file:" + empty:         "is empty",
		"dl.store.impl=" + StoreGCS:                              "no bucket is named",
		"dl.store.impl=" + StoreAzure:                            "no container is named",
		"dl.store.impl=" + StoreAzure + "\ndl.store.azure.container.name=c\n" +
			"dl.store.azure.account.key=Yg==": "it is not set, and its key",
		"dl.store.impl=" + StoreAzure + "\ndl.store.azure.container.name=c\ndl.store.azure.account.name=a\n" +
			"dl.store.azure.connection.string=x": "set either",
	} {
		if _, err := ext(t, text); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%q: %v, want %q", text, err, says)
		}
	}
}

func TestConfigFiles_WhatIsWrongIsNamedWithItsLine(t *testing.T) {
	for text, says := range map[string]string{
		"bucketName=files":                           `:1: the value of bucketName is not in quotes`,
		"\nbucketName=\"files":                       `:2: the value of bucketName is not in quotes`,
		"bucketName=\"a\"\nbucketName=\"b\"":         `:2: bucketName stands there twice`,
		"nothing":                                    `:1: the line has no key`,
		"accessKey=\"only\"\nbucketName=\"a\"":       "one is set and the other is not",
		"s3PathStyle=\"maybe\"\nbucketName=\"a\"":    s3PID + ".config:1",
		"s3Region=\"x\"":                             "no bucket is named",
		"bucketName=\"a\" trailing":                  "is not in quotes",
		"bucketName=[\"a\",\n\"b\"":                  "is not in quotes",
		"connectionTimeout=I\"5\"\nbucketName=\"a\"": "dl.store.s3.connection.timeout",
	} {
		_, err := withConfig(t, s3PID+".config", text, s3Impl)
		if err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%q: %v, want %q", text, err, says)
		}
	}
	c, err := withConfig(t, s3PID+".config", "bucketName=\"a\"\nbuckeName=\"b\"\n", s3Impl)
	if err != nil || warned(c, "buckeName (line 2)") != 1 {
		t.Errorf("a key that is not known: %v", err)
	}
	c, err = withConfig(t, "com.example.Other.config", "x=\"y\"", "")
	if err != nil || warned(c, "nothing here reads com.example.Other.config") != 1 {
		t.Errorf("a file that is not known: %v", err)
	}
}

func FuzzLexConfig(f *testing.F) {
	for _, s := range []string{"a=\"b\"", "a=[\"b\",\"c\"]", "a=I\"1\"\\\n", "a=(\n\"b\"\\\n)", "\\"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		lines, problems := lexConfig(s)
		for _, l := range lines {
			if l.key == "" || l.number < 1 {
				t.Errorf("%+v", l)
			}
		}
		for _, p := range problems {
			if p.number < 1 || p.message == "" {
				t.Errorf("%+v", p)
			}
		}
	})
}
