package secret

import (
	"bufio"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"os"
	"strings"

	"github.com/stoa-portal/stoa"
)

// minLine is how many characters a key of the file has at least: 32 of base64 are 24 random bytes.
const minLine = 32

// File is what a key file holds: the first key encrypts, all of them decrypt. A key is changed by putting a new
// line before the old one, on all nodes, and taking the old one away when Settle has run. A nil File has no key.
type File struct{ keys []fileKey }

type fileKey struct {
	name   string // stands in the rows; tells nothing of the key
	secret []byte
}

// ReadFile reads a key file: a key per line, at least 32 characters of random text each; empty lines and those
// that begin with # count for nothing. A file that others can read is refused, as is one without a key.
func ReadFile(path string) (*File, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, stoa.Invalid("secret.key.file", "the key file cannot be read: %v", err)
	}
	defer func() { _ = f.Close() }() // was only read
	st, err := f.Stat()
	if err != nil {
		return nil, stoa.Invalid("secret.key.file", "the key file cannot be read: %v", err)
	}
	if !st.Mode().IsRegular() || st.Mode().Perm()&0o007 != 0 {
		return nil, stoa.Invalid("secret.key.file", "%s has the mode %s: a file that others cannot read is expected "+
			"(chmod 600)", path, st.Mode())
	}
	out := &File{}
	lines := bufio.NewScanner(f)
	for n := 1; lines.Scan(); n++ {
		line := strings.TrimSpace(lines.Text())
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		if len(line) < minLine {
			return nil, stoa.Invalid("secret.key.file", "line %d of %s has %d characters; at least %d of random text are "+
				"expected (openssl rand -base64 32)", n, path, len(line), minLine)
		}
		out.keys = append(out.keys, newFileKey(line))
	}
	if err := lines.Err(); err != nil {
		return nil, stoa.Invalid("secret.key.file", "the key file %s cannot be read: %v", path, err)
	}
	if len(out.keys) == 0 {
		return nil, stoa.Invalid("secret.key.file", "the key file %s has no key: write one with "+
			"openssl rand -base64 32", path)
	}
	return out, nil
}

func newFileKey(line string) fileKey {
	derive := func(use string, n int) []byte {
		b, err := hkdf.Key(sha256.New, []byte(line), nil, "stoa key file "+use, n)
		if err != nil {
			panic(err) // only for a length that is too large
		}
		return b
	}
	return fileKey{name: hex.EncodeToString(derive("name", 8)), secret: derive("secret", secretSize)}
}

func (f *File) first() fileKey { return f.keys[0] }

func (f *File) has(name string) bool {
	if f == nil {
		return false
	}
	for _, k := range f.keys {
		if k.name == name {
			return true
		}
	}
	return false
}

// Proof tells nodes that have the same file from others: it is equal for the same moment, whatever text that is, and
// the same keys in the same order, and useless at any other moment. It is "" without a file.
func (f *File) Proof(moment string) string {
	if f == nil {
		return ""
	}
	h := sha256.New()
	for _, k := range f.keys {
		m := hmac.New(sha256.New, k.secret)
		m.Write([]byte("stoa key file proof\x00" + moment))
		h.Write(m.Sum(nil))
	}
	return hex.EncodeToString(h.Sum(nil)[:16])
}

// wrap gives the stored form of a key for the row of that name.
func (f *File) wrap(raw []byte, row string) (name, value string, err error) {
	if f == nil {
		return "", base64.StdEncoding.EncodeToString(raw), nil
	}
	aead, err := gcm(f.first().secret)
	if err != nil {
		return "", "", err
	}
	return f.first().name, base64.StdEncoding.EncodeToString(aead.Seal(nil, nil, raw, []byte(row))), nil
}

// unwrap is the reverse of wrap; nil when the key of that name is not in the file.
func (f *File) unwrap(name, value, row string) ([]byte, error) {
	raw, err := base64.StdEncoding.DecodeString(value)
	if err != nil || name == "" && len(raw) != secretSize {
		return nil, stoa.Unavailable(err, "a key in the database is damaged")
	}
	if name == "" {
		return raw, nil
	}
	if !f.has(name) {
		return nil, nil
	}
	for _, k := range f.keys {
		if k.name != name {
			continue
		}
		aead, err := gcm(k.secret)
		if err != nil {
			return nil, err
		}
		if raw, err = aead.Open(nil, nil, raw, []byte(row)); err != nil || len(raw) != secretSize {
			return nil, stoa.Unavailable(err, "a key in the database does not open with the key file: it was changed, "+
				"or belongs to another row")
		}
	}
	return raw, nil
}

// gcm is AES-256-GCM that makes its own nonces.
func gcm(secret []byte) (cipher.AEAD, error) {
	block, err := aes.NewCipher(secret)
	if err != nil {
		return nil, err
	}
	return cipher.NewGCMWithRandomNonce(block)
}
