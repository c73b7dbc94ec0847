package user

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"testing"
)

// authenticator is what a phone does for a passkey, as WebAuthn describes it: it keeps one key for one host.
type authenticator struct {
	key      *ecdsa.PrivateKey
	id, user []byte
	count    uint32
	verified bool // whether it asks its person
	origin   string
	host     string
}

func newAuthenticator(t *testing.T) *authenticator {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	id := make([]byte, 16)
	_, _ = rand.Read(id)
	return &authenticator{key: key, id: id, verified: true, origin: party().Origins[0], host: party().Host}
}

func party() Party {
	return Party{Host: "portal.example", Name: "Portal", Origins: []string{"https://portal.example"}}
}

func base64url(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }

func (a *authenticator) data(flags byte) []byte {
	sum := sha256.Sum256([]byte(a.host))
	a.count++
	if a.verified {
		flags |= 0x04
	}
	return binary.BigEndian.AppendUint32(append(sum[:], flags|0x01), a.count)
}

func (a *authenticator) client(kind, challenge string) []byte {
	return []byte(
		`{"type":"webauthn.` + kind + `","challenge":"` + challenge + `","origin":"` + a.origin + `","crossOrigin":false}`)
}

// create answers a question for a new passkey.
func (a *authenticator) create(t *testing.T, question []byte) []byte {
	t.Helper()
	var q struct {
		PublicKey struct {
			Challenge string
			User      struct{ ID string }
		}
	}
	if err := json.Unmarshal(question, &q); err != nil {
		t.Fatal(err)
	}
	var err error
	if a.user, err = base64.RawURLEncoding.DecodeString(q.PublicKey.User.ID); err != nil {
		t.Fatal(err)
	}
	raw, err := a.key.PublicKey.Bytes() // 4, x, y
	if err != nil {
		t.Fatal(err)
	}
	// The key as COSE writes it: {1: 2, 3: -7, -1: 1, -2: x, -3: y}.
	cose := append([]byte{0xa5, 0x01, 0x02, 0x03, 0x26, 0x20, 0x01, 0x21, 0x58, 0x20}, raw[1:33]...)
	cose = append(append(cose, 0x22, 0x58, 0x20), raw[33:]...)
	data := append(a.data(0x40), make([]byte, 16)...) // no model is named
	data = append(binary.BigEndian.AppendUint16(data, uint16(len(a.id))), a.id...)
	data = append(data, cose...)
	// {"fmt": "none", "attStmt": {}, "authData": bytes}
	object := append([]byte{0xa3, 0x63}, "fmt"...)
	object = append(append(object, 0x64), "none"...)
	object = append(append(object, 0x67), "attStmt"...)
	object = append(append(object, 0xa0, 0x68), "authData"...)
	object = append(binary.BigEndian.AppendUint16(append(object, 0x59), uint16(len(data))), data...)
	return a.answer(
		t,
		map[string]string{
			"clientDataJSON":    base64url(a.client("create", q.PublicKey.Challenge)),
			"attestationObject": base64url(object),
		},
	)
}

// get answers a question of who is there.
func (a *authenticator) get(t *testing.T, question []byte) []byte {
	t.Helper()
	var q struct{ PublicKey struct{ Challenge string } }
	if err := json.Unmarshal(question, &q); err != nil {
		t.Fatal(err)
	}
	client, data := a.client("get", q.PublicKey.Challenge), a.data(0)
	hash := sha256.Sum256(client)
	sum := sha256.Sum256(bytes.Join([][]byte{data, hash[:]}, nil))
	signature, err := ecdsa.SignASN1(rand.Reader, a.key, sum[:])
	if err != nil {
		t.Fatal(err)
	}
	return a.answer(t, map[string]string{"clientDataJSON": base64url(client), "authenticatorData": base64url(data),
		"signature": base64url(signature), "userHandle": base64url(a.user)})
}

func (a *authenticator) answer(t *testing.T, response map[string]string) []byte {
	t.Helper()
	out, err := json.Marshal(
		map[string]any{"id": base64url(a.id), "rawId": base64url(a.id), "type": "public-key", "response": response})
	if err != nil {
		t.Fatal(err)
	}
	return out
}
