package config

import (
	"crypto/hmac"
	"crypto/pbkdf2"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"slices"
)

// sharedValue is a setting that must be the same on all nodes, as it is in force.
type sharedValue struct {
	name, value string
	secret      bool
}

// share notes what is in force of the settings that are the same on all nodes. Their typed values are
// compared, so that 60s and 1m are the same.
func (r *reader) share(c *Config) {
	names := make([]string, 0, len(r.values))
	for name := range r.values {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		if p, arg := r.reg.find(name); p != nil && p.Shared {
			c.shared = append(c.shared, sharedValue{name, p.kind.get(c, arg), p.Secret})
		}
	}
}

// secretRounds makes guessing a secret by its digest slow; a node computes it once.
const secretRounds = 200_000

// Shared gives a short digest of every setting that must be the same on all nodes, by the name of its
// property, and one digest of them all. Nodes that are told the same salt can compare them without
// telling each other the values. The salt belongs to one cluster, so that digests of two clusters cannot
// be compared. A digest of a password that is easy to guess helps in guessing it: show digests to
// administrators only.
func (c *Config) Shared(salt string) (each map[string]string, all string, err error) {
	each = make(map[string]string, len(c.shared))
	for _, v := range c.shared {
		value := maskURL(v.value)
		if v.secret && v.value != "" {
			slow, err := pbkdf2.Key(sha256.New, v.value, []byte(salt), secretRounds, sha256.Size)
			if err != nil {
				return nil, "", fmt.Errorf("make a digest of %s: %w", v.name, err)
			}
			value = string(slow)
		}
		each[v.name] = digest(salt, v.name, value)
	}
	var parts []string
	for _, name := range slices.Sorted(maps.Keys(each)) {
		parts = append(parts, name, each[name])
	}
	return each, digest(salt, parts...), nil
}

// digest is 8 hexadecimal digits.
func digest(salt string, parts ...string) string {
	h := hmac.New(sha256.New, []byte(salt))
	for _, p := range parts {
		fmt.Fprintf(h, "%d:%s", len(p), p)
	}
	return hex.EncodeToString(h.Sum(nil)[:4])
}
