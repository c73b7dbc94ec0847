package user

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
)

// newToken gives 256 random bits in the form that goes into cookies and links, and the digest that
// goes into the database. The token is random, so a fast hash keeps it.
func newToken() (token, digest string) {
	var b [32]byte
	_, _ = rand.Read(b[:])
	token = base64.RawURLEncoding.EncodeToString(b[:])
	return token, digestOf(b[:])
}

func digestOf(raw []byte) string {
	sum := sha256.Sum256(raw)
	return hex.EncodeToString(sum[:])
}

// readToken gives the digest of a token, or false for what can be none.
func readToken(token string) (digest string, ok bool) {
	if len(token) != 43 {
		return "", false
	}
	raw, err := base64.RawURLEncoding.Strict().DecodeString(token)
	if err != nil || len(raw) != 32 {
		return "", false
	}
	return digestOf(raw), true
}
