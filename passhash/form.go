package passhash

import (
	"crypto/pbkdf2"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/crypto/argon2"
)

// Form is a way to write down a hash with all that it takes to make it again.
type Form int

// PHC is the form of all passwords: argon2id as the Password Hashing Competition writes it, "$argon2id$v=19$…".
// The others are those that pages and articles had in versions before; they are read for good.
const (
	PHC     Form = iota
	Page         // PBKDF2 with SHA-256, "200000$salt$key" in hexadecimal digits
	Article      // argon2id with fixed costs, "a2id1$" and salt and key in Base64
)

const (
	keyBytes  = 32
	saltBytes = 16

	pageRounds    = 200_000
	maxRounds     = 2_000_000
	articlePrefix = "a2id1$"
	articleMemory = 8 << 10 // KiB
)

// hash is a stored form, read.
type hash struct {
	form         Form
	memory, time uint32 // of Page, time is the number of rounds
	threads      uint8
	salt, key    []byte
}

func (p hash) derive(password string) ([]byte, error) {
	if p.form == Page {
		return pbkdf2.Key(sha256.New, password, p.salt, int(p.time), keyBytes)
	}
	return argon2.IDKey([]byte(password), p.salt, p.time, p.memory, p.threads, keyBytes), nil
}

// String is the stored form.
func (p hash) String() string {
	b := base64.RawStdEncoding
	switch p.form {
	case Page:
		return strconv.Itoa(int(p.time)) + "$" + hex.EncodeToString(p.salt) + "$" + hex.EncodeToString(p.key)
	case Article:
		return articlePrefix + b.EncodeToString(slices.Concat(p.salt, p.key))
	}
	return fmt.Sprintf("$argon2id$v=%d$m=%d,t=%d,p=%d$%s$%s", argon2.Version, p.memory, p.time, p.threads,
		b.EncodeToString(p.salt), b.EncodeToString(p.key))
}

// read reads a stored form. Costs beyond any sense are refused: a row of the database must not be able to take all
// memory.
func read(s string) (p hash, ok bool) {
	fields := strings.Split(s, "$")
	var err, err2 error
	switch {
	case strings.HasPrefix(s, articlePrefix):
		var raw []byte
		raw, err = base64.RawStdEncoding.DecodeString(s[len(articlePrefix):])
		if err != nil || len(raw) != saltBytes+keyBytes {
			return hash{}, false
		}
		return hash{form: Article, memory: articleMemory, time: hashTime, threads: 1, salt: raw[:saltBytes],
			key: raw[saltBytes:]}, true
	case len(fields) == 3:
		var rounds uint64
		if rounds, err = strconv.ParseUint(fields[0], 10, 32); err != nil || rounds < 1 || rounds > maxRounds {
			return hash{}, false
		}
		p = hash{form: Page, time: uint32(rounds)}
		p.salt, err = hex.DecodeString(fields[1])
		p.key, err2 = hex.DecodeString(fields[2])
	case len(fields) == 6 && fields[0] == "" && fields[1] == "argon2id" &&
		fields[2] == fmt.Sprintf("v=%d", argon2.Version):
		if n, err := fmt.Sscanf(fields[3], "m=%d,t=%d,p=%d", &p.memory, &p.time, &p.threads); err != nil || n != 3 ||
			p.memory < 8 || p.memory > MaxMemory || p.time < 1 || p.time > 20 || p.threads < 1 || p.threads > 16 {
			return hash{}, false
		}
		p.salt, err = base64.RawStdEncoding.DecodeString(fields[4])
		p.key, err2 = base64.RawStdEncoding.DecodeString(fields[5])
	default:
		return hash{}, false
	}
	ok = err == nil && err2 == nil && len(p.salt) >= 8 && len(p.salt) <= 64 && len(p.key) == keyBytes
	return p, ok
}
