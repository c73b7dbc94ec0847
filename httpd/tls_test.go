package httpd

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stoa-portal/stoa"
)

// writePair writes a certificate for 127.0.0.1 with the serial number and its key.
func writePair(t *testing.T, dir string, serial int64) (cert, key string, pool *x509.CertPool) {
	t.Helper()
	priv, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	tmpl := &x509.Certificate{SerialNumber: big.NewInt(serial), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		DNSNames: []string{"localhost"}, IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, &priv.PublicKey, priv)
	if err != nil {
		t.Fatal(err)
	}
	kder, err := x509.MarshalPKCS8PrivateKey(priv)
	if err != nil {
		t.Fatal(err)
	}
	cert, key = filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	writePEM(t, cert, "CERTIFICATE", der)
	writePEM(t, key, "PRIVATE KEY", kder)
	pool = x509.NewCertPool()
	c, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	pool.AddCert(c)
	return cert, key, pool
}

func writePEM(t *testing.T, file, kind string, der []byte) {
	t.Helper()
	if err := os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600); err != nil {
		t.Fatal(err)
	}
}

// clock is a time that tests move on.
type clock struct {
	mu sync.Mutex
	t  time.Time
}

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.t
}

func (c *clock) add(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.t = c.t.Add(d)
}

func serialOf(t *testing.T, s *Server) int64 {
	t.Helper()
	c, err := tls.Dial("tcp", s.Addr().String(), &tls.Config{InsecureSkipVerify: true})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	return c.ConnectionState().PeerCertificates[0].SerialNumber.Int64()
}

func TestTLS_ServesHTTP2(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	cert, key, pool := writePair(t, dir, 1)
	s, _ := serving(t, Options{TLSCert: cert, TLSKey: key}, func(w http.ResponseWriter, r *http.Request) {
		io.WriteString(w, r.Proto+" "+Scheme(r))
	})
	tr := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool, ServerName: "localhost"}, ForceAttemptHTTP2: true}
	defer tr.CloseIdleConnections()
	resp, err := (&http.Client{Transport: tr}).Get("https://" + s.Addr().String() + "/")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if b, _ := io.ReadAll(resp.Body); string(b) != "HTTP/2.0 https" {
		t.Errorf("served over %q", b)
	}
	if _, err := tls.Dial("tcp", s.Addr().String(), &tls.Config{InsecureSkipVerify: true, MaxVersion: tls.VersionTLS11}); err == nil {
		t.Error("the server speaks TLS 1.1")
	}
}

func TestTLS_HasAnAddressOfItsOwnBesidePlainHTTP(t *testing.T) {
	t.Parallel()
	cert, key, pool := writePair(t, t.TempDir(), 1)
	s, _ := serving(t, Options{TLSCert: cert, TLSKey: key, TLSAddr: "127.0.0.1:0"}, func(w http.ResponseWriter, r *http.Request) {
		io.WriteString(w, Scheme(r))
	})
	if s.PortTLS() == 0 || s.PortTLS() == s.Port() {
		t.Fatalf("plain port %d, secure port %d", s.Port(), s.PortTLS())
	}
	c := client(t)
	c.Transport.(*http.Transport).TLSClientConfig = &tls.Config{RootCAs: pool, ServerName: "localhost"}
	for want, address := range map[string]string{"http": fmt.Sprintf("http://127.0.0.1:%d/", s.Port()), "https": fmt.Sprintf("https://127.0.0.1:%d/", s.PortTLS())} {
		resp, err := c.Get(address)
		if err != nil {
			t.Fatal(err)
		}
		if b, _ := io.ReadAll(resp.Body); string(b) != want {
			t.Errorf("%s is answered as %q", address, b)
		}
		resp.Body.Close()
	}
}

func TestServer_WithoutCertificateHasNoSecurePort(t *testing.T) {
	t.Parallel()
	s, _ := serving(t, Options{}, nil)
	resp, err := client(t).Get("http://" + s.Addr().String() + "/") // by then net/http has set a TLS configuration of its own
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if p := s.PortTLS(); p != 0 {
		t.Errorf("the secure port is %d", p)
	}
}

func TestTLS_AddressInUseNamesTheProperty(t *testing.T) {
	t.Parallel()
	cert, key, _ := writePair(t, t.TempDir(), 1)
	first, _ := newServer(t, Options{}, nil)
	_, err := New(Options{Addr: "127.0.0.1:0", TLSCert: cert, TLSKey: key, TLSAddr: first.Addr().String()}, http.NotFoundHandler())
	if err == nil || !strings.Contains(err.Error(), "web.server.https.listen") {
		t.Errorf("got %v", err)
	}
}

func TestTLS_ReloadsChangedPairAndKeepsTheOldWhenBroken(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	cert, key, _ := writePair(t, dir, 1)
	clk := &clock{t: time.Now()}
	s, book := serving(t, Options{TLSCert: cert, TLSKey: key, Now: clk.now}, nil)
	age := clk.now()
	touch := func() { // so that a change within one tick of the file system's clock is seen
		age = age.Add(time.Second)
		for _, f := range []string{cert, key} {
			if err := os.Chtimes(f, age, age); err != nil && !errors.Is(err, os.ErrNotExist) {
				t.Fatal(err)
			}
		}
	}
	if n := serialOf(t, s); n != 1 {
		t.Fatalf("serves certificate %d", n)
	}
	writePair(t, dir, 2)
	touch()
	if n := serialOf(t, s); n != 1 {
		t.Errorf("looked at the files before two seconds were over: %d", n)
	}
	clk.add(3 * time.Second)
	if n := serialOf(t, s); n != 2 {
		t.Errorf("serves certificate %d after the change, want 2", n)
	}
	if err := os.WriteFile(cert, []byte("not a certificate"), 0o600); err != nil {
		t.Fatal(err)
	}
	touch()
	for range 3 {
		clk.add(3 * time.Second)
		if n := serialOf(t, s); n != 2 {
			t.Errorf("serves certificate %d while the files are broken, want 2", n)
		}
	}
	if err := os.Remove(key); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		clk.add(3 * time.Second)
		serialOf(t, s)
	}
	const msg = "the renewed TLS certificate is not usable; the old one serves on"
	if l := book.lines(t, msg); len(l) != 2 {
		t.Errorf("two broken states were logged %d times: %v", len(l), l)
	}
	writePair(t, dir, 3)
	touch()
	clk.add(3 * time.Second)
	if n := serialOf(t, s); n != 3 {
		t.Errorf("serves certificate %d after the repair, want 3", n)
	}
}

func TestTLS_BadFilesAreNamed(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	cert, key, _ := writePair(t, dir, 1)
	other := t.TempDir()
	_, otherKey, _ := writePair(t, other, 2)
	for _, c := range []struct{ cert, key, says string }{
		{cert, "", "belong together"}, {"", key, "belong together"}, {filepath.Join(dir, "none"), key, "does not exist"},
		{cert, filepath.Join(dir, "none"), "does not exist"}, {cert, otherKey, "do not fit together"}, {key, cert, "do not fit together"}, {dir, key, "cannot be used"},
	} {
		_, err := New(Options{Addr: "127.0.0.1:0", TLSCert: c.cert, TLSKey: c.key}, nil)
		if !stoa.Is(err, stoa.KindInvalid) || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s and %s: %v, want Invalid that says %q", c.cert, c.key, err, c.says)
		}
	}
}
