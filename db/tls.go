package db

import (
	"bytes"
	"crypto"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"net/url"
	"os"
	"strings"

	"github.com/stoa-portal/stoa"
)

// tlsLevel is how much an address asks of TLS; each level holds more than the one before.
type tlsLevel int

const (
	tlsUnset    tlsLevel = iota
	tlsDisable           // never
	tlsAllow             // if the server insists (PostgreSQL)
	tlsPrefer            // if the server can; the certificate is not checked
	tlsRequire           // always; the certificate is not checked
	tlsVerifyCA          // always; the certificate must come from a trusted authority
	tlsVerify            // always; and it must be that of the host in the address
)

func (l tlsLevel) String() string {
	return [...]string{"", "disable", "allow", "prefer", "require", "verify-ca", "verify-full"}[l]
}

// level reads the names of libpq, of pgjdbc and of both Java drivers for MariaDB and MySQL.
func level(word string) (tlsLevel, bool) {
	switch strings.ReplaceAll(strings.ToLower(word), "_", "-") {
	case "disable", "disabled":
		return tlsDisable, true
	case "allow":
		return tlsAllow, true
	case "prefer", "preferred":
		return tlsPrefer, true
	case "require", "required", "trust":
		return tlsRequire, true
	case "verify-ca":
		return tlsVerifyCA, true
	case "verify-full", "verify-identity":
		return tlsVerify, true
	}
	return tlsUnset, false
}

// trust is what an address says about TLS, as far as all drivers have it in common.
type trust struct {
	level     tlsLevel
	authority string // certificates of authorities: a file, or PEM itself; "" or "system": those of the system
	cert, key string // of this node towards the server: files; key "": in the file of cert
	password  string // of the key
	oldest    uint16 // version of TLS
}

// config makes the settings of one server. The files are read now, so that a mistake in them is told at the
// start, and again at each connection, so that certificates can be renewed while the node runs.
func (t trust) config(server string) (*tls.Config, error) {
	if t.level <= tlsDisable {
		return nil, nil
	}
	c := &tls.Config{ServerName: server, MinVersion: max(t.oldest, tls.VersionTLS12)}
	// The chain is checked below, against authorities that are read anew; verify-ca does not look at the name.
	c.InsecureSkipVerify = true
	if t.level >= tlsVerifyCA {
		if _, err := t.roots(); err != nil {
			return nil, err
		}
		c.VerifyConnection = func(s tls.ConnectionState) error { return t.verify(s, server) }
	}
	if t.cert != "" {
		if _, err := t.own(); err != nil {
			return nil, err
		}
		c.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return t.own() }
	}
	return c, nil
}

func (t trust) verify(s tls.ConnectionState, server string) error {
	roots, err := t.roots()
	if err != nil {
		return err
	}
	if len(s.PeerCertificates) == 0 {
		return errors.New("the server shows no certificate")
	}
	o := x509.VerifyOptions{Roots: roots, Intermediates: x509.NewCertPool()}
	for _, c := range s.PeerCertificates[1:] {
		o.Intermediates.AddCert(c)
	}
	if t.level >= tlsVerify {
		o.DNSName = server
	}
	_, err = s.PeerCertificates[0].Verify(o)
	return err
}

// roots are the authorities that are trusted; nil: those of the system.
func (t trust) roots() (*x509.CertPool, error) {
	if t.authority == "" || t.authority == "system" {
		return nil, nil
	}
	blocks, err := readCertificates(t.authority)
	if err != nil {
		return nil, fmt.Errorf("the certificate of the authority: %w", err)
	}
	pool := x509.NewCertPool()
	n := 0
	for _, b := range blocks {
		if b.Type != "CERTIFICATE" {
			continue
		}
		c, err := x509.ParseCertificate(b.Bytes)
		if err != nil {
			return nil, fmt.Errorf("the certificate of the authority cannot be read: %w", err)
		}
		pool.AddCert(c)
		n++
	}
	if n == 0 {
		return nil, errors.New("the certificate of the authority: there is no certificate in it")
	}
	return pool, nil
}

// own is the certificate of this node with its key.
func (t trust) own() (*tls.Certificate, error) {
	blocks, err := readCertificates(t.cert)
	if err != nil {
		return nil, fmt.Errorf("the certificate of this node: %w", err)
	}
	out := &tls.Certificate{}
	for _, b := range blocks {
		if b.Type == "CERTIFICATE" {
			out.Certificate = append(out.Certificate, b.Bytes)
		}
	}
	if len(out.Certificate) == 0 {
		return nil, errors.New("the certificate of this node: there is no certificate in it")
	}
	if t.key != "" {
		if blocks, err = readCertificates(t.key); err != nil {
			return nil, fmt.Errorf("the key of this node: %w", err)
		}
	}
	for _, b := range blocks {
		if strings.HasSuffix(b.Type, "PRIVATE KEY") {
			if out.PrivateKey, err = readKey(b, t.password); err != nil {
				return nil, fmt.Errorf("the key of this node: %w", err)
			}
		}
	}
	if out.PrivateKey == nil {
		return nil, errors.New("the key of this node: there is no private key in it; name its file with sslkey")
	}
	leaf, err := x509.ParseCertificate(out.Certificate[0])
	if err != nil {
		return nil, fmt.Errorf("the certificate of this node cannot be read: %w", err)
	}
	public, ok := leaf.PublicKey.(interface{ Equal(crypto.PublicKey) bool })
	signer, isSigner := out.PrivateKey.(crypto.Signer)
	if !ok || !isSigner || !public.Equal(signer.Public()) {
		return nil, errors.New("the certificate and the key of this node do not belong together")
	}
	return out, nil
}

func readKey(b *pem.Block, password string) (crypto.PrivateKey, error) {
	switch {
	case b.Type == "ENCRYPTED PRIVATE KEY":
		return decryptKey(b.Bytes, password)
	case b.Headers["Proc-Type"] != "":
		return nil, errKeyForm
	}
	if k, err := x509.ParsePKCS8PrivateKey(b.Bytes); err == nil {
		return k, nil
	}
	if k, err := x509.ParseECPrivateKey(b.Bytes); err == nil {
		return k, nil
	}
	return x509.ParsePKCS1PrivateKey(b.Bytes)
}

// readCertificates reads PEM from a file or as it stands, and DER from a file.
func readCertificates(from string) ([]*pem.Block, error) {
	data, name := []byte(from), "the value"
	if !strings.HasPrefix(strings.TrimSpace(from), "-----BEGIN ") {
		name = filePath(from)
		if strings.HasPrefix(from, "classpath:") {
			return nil, fmt.Errorf("%s names a resource of Java; the path of a PEM file is expected", from)
		}
		var err error
		if data, err = os.ReadFile(name); err != nil {
			return nil, err
		}
	}
	var out []*pem.Block
	for rest := data; ; {
		var b *pem.Block
		if b, rest = pem.Decode(rest); b == nil {
			break
		}
		out = append(out, b)
	}
	if len(out) > 0 {
		return out, nil
	}
	if certs, err := x509.ParseCertificates(data); err == nil {
		for _, c := range certs {
			out = append(out, &pem.Block{Type: "CERTIFICATE", Bytes: c.Raw})
		}
		return out, nil
	}
	if _, err := x509.ParsePKCS8PrivateKey(data); err == nil {
		return []*pem.Block{{Type: "PRIVATE KEY", Bytes: data}}, nil
	}
	if _, err := decryptKey(data, ""); err != nil && !errors.Is(err, errKeyForm) { // pgjdbc's .pk8 with a password
		return []*pem.Block{{Type: "ENCRYPTED PRIVATE KEY", Bytes: data}}, nil
	}
	kind := "neither PEM nor DER"
	switch {
	case bytes.HasPrefix(data, []byte{0xfe, 0xed, 0xfe, 0xed}):
		kind = "a Java key store (JKS), which only Java reads; export it: keytool -exportcert -rfc for the authority, " +
			"keytool -importkeystore -deststoretype pkcs12 and then openssl pkcs12 -nodes for a key"
	case len(data) > 2 && data[0] == 0x30:
		kind = "probably a PKCS #12 store, which is not read here; turn it into PEM: openssl pkcs12 -in store.p12 -out " +
			"store.pem -nodes"
	}
	return nil, fmt.Errorf("%s is %s; a PEM file is expected", name, kind)
}

// filePath takes file: off, with which the Java drivers write paths.
func filePath(s string) string {
	rest, ok := strings.CutPrefix(s, "file:")
	if !ok {
		return s
	}
	if u, err := url.Parse(s); err == nil && u.Path != "" {
		return u.Path
	}
	return rest
}

// tlsProblem gives the sentence for a connection that TLS kept from being made; empty when it was something else.
func tlsProblem(err error) string {
	var unknown x509.UnknownAuthorityError
	var name x509.HostnameError
	var invalid x509.CertificateInvalidError
	var header tls.RecordHeaderError
	switch {
	case errors.As(err, &unknown):
		return "the certificate of the database server %s is signed by an authority that is not trusted here: name the " +
			"authority's PEM file (sslrootcert or serverSslCert)"
	case errors.As(err, &name):
		return "the certificate of the database server %s is not for that name: use the name in the certificate in the " +
			"address, or ask for verify-ca, which does not look at the name"
	case errors.As(err, &invalid):
		return "the certificate of the database server %s is not valid: renew it, and see that the clocks agree"
	case errors.As(err, &header):
		return "the database server %s does not speak TLS as it should: check the port in the address"
	case !isTLS(err):
		return ""
	case strings.Contains(err.Error(), "handshake failure"), strings.Contains(err.Error(), "protocol version"):
		return "the database server %s and this node have no way of TLS in common, which has to be 1.2 or newer: renew the " +
			"server, or its certificate (RSA or ECDSA, with ECDHE)"
	default:
		return "the database server %s refuses the TLS connection of this node: if it asks for a client certificate, name " +
			"one that it trusts (sslcert and sslkey)"
	}
}

// isTLS reports whether the two sides did not agree on a TLS connection. Package tls has no type for the alerts of one
// over TCP.
func isTLS(err error) bool {
	var header tls.RecordHeaderError
	return errors.As(err, &header) || err != nil && strings.Contains(err.Error(), "tls: ")
}

// invalidFile turns a mistake in a file of certificates into one of the address.
func invalidFile(property string, err error) error {
	if err == nil || stoa.KindOf(err) != stoa.KindInternal {
		return err
	}
	return stoa.Invalid(property, "%s", err)
}
