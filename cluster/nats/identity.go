package nats

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"fmt"
	"math/big"
	"time"
)

// Identity is the key pair of one process life. Its fingerprint goes into the node's row, and that is
// all the proof there is: whoever can write a row into this very database is a member, and nobody else.
type Identity struct {
	fingerprint string
	cert        tls.Certificate
}

// Row is what stands in the node's row of the database: the fingerprint and, as a second factor, what only
// somebody who knows the secret can make of it. Both ends of a connection look for it in their own
// database, so neither a row nor the secret alone lets anybody in.
func (id *Identity) Row(secret, cluster string) string { return row(id.fingerprint, secret, cluster) }

func row(fingerprint, secret, cluster string) string {
	if secret == "" {
		return fingerprint
	}
	return fingerprint + "." + hex.EncodeToString(derive(secret, "row of "+fingerprint+" in "+cluster)[:16])
}

// NewIdentity makes a key pair. Nothing of it is ever stored but the fingerprint.
func NewIdentity() (*Identity, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("make the key of this node: %w", err)
	}
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120))
	if err != nil {
		return nil, fmt.Errorf("make the certificate of this node: %w", err)
	}
	// The dates are never compared: a certificate is good for as long as its node's row lives.
	template := &x509.Certificate{
		SerialNumber: serial, Subject: pkix.Name{CommonName: "stoa node"},
		NotBefore: time.Unix(0, 0), NotAfter: time.Date(9999, 12, 31, 0, 0, 0, 0, time.UTC),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		return nil, fmt.Errorf("make the certificate of this node: %w", err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, fmt.Errorf("make the certificate of this node: %w", err)
	}
	return &Identity{fingerprint: fingerprint(leaf), cert: tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf}}, nil
}

// fingerprint is the hexadecimal SHA-256 of the public key, the form that the message server compares as
// well.
func fingerprint(c *x509.Certificate) string {
	sum := sha256.Sum256(c.RawSubjectPublicKeyInfo)
	return hex.EncodeToString(sum[:])
}
