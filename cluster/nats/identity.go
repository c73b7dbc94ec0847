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

	"golang.org/x/crypto/argon2"
)

// Identity is the key pair of one process life. Its fingerprint goes into the node's row, and that is
// all the proof there is: a process that can write a row into this very database is a member, and no other.
type Identity struct {
	fingerprint string
	cert        tls.Certificate
}

// Row is what stands in the node's row of the database: the fingerprint and, as a second factor, what only
// a node that knows the secret can make of it. Both ends of a connection look for it in their own database, so
// neither a row nor the secret alone lets an unknown peer in. It is made in a slow way, so that a reader of the
// database who guesses the secret needs as much time and memory for each guess as for one of a password.
func (id *Identity) Row(secret, cluster string) string {
	return slowRow(id.fingerprint, rowKey(secret, cluster))
}

// FormerRow is Row as binaries from before write and look for it; it takes a fast computation only.
func (id *Identity) FormerRow(secret, cluster string) string {
	return formerRow(id.fingerprint, secret, cluster)
}

// rowKey gives the key of the second factor, nil without a secret.
func rowKey(secret, cluster string) []byte {
	if secret == "" {
		return nil
	}
	return argon2.IDKey([]byte(secret), []byte("stoa cluster link, rows of "+cluster), 2, 19<<10, 1, 32)
}

func slowRow(fingerprint string, key []byte) string {
	if key == nil {
		return fingerprint
	}
	return fingerprint + "." + hex.EncodeToString(derive(string(key), "row of "+fingerprint)[:16])
}

func formerRow(fingerprint, secret, cluster string) string {
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
