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

// secretRounds makes guessing a secret by what is made of it slow; a node computes it once.
const secretRounds = 200_000

// Shared is what nodes compare of the settings that must be the same on all of them, without telling each other
// secrets.
type Shared struct {
	Digests map[string]string // by the name of the property: 8 hexadecimal digits; of secrets none
	All     string            // one digest of all that are in Digests
	secrets map[string][]byte // made slowly of the value
}

// Shared gives what nodes compare that are told the same salt, which belongs to one cluster, so that digests of two
// clusters cannot be compared.
func (c *Config) Shared(salt string) (Shared, error) {
	out := Shared{Digests: make(map[string]string, len(c.shared)), secrets: map[string][]byte{}}
	for _, v := range c.shared {
		switch {
		case !v.secret:
			out.Digests[v.name] = digest(salt, v.name, maskURL(v.value))
		case v.value == "":
			out.secrets[v.name] = []byte(salt)
		default:
			slow, err := pbkdf2.Key(sha256.New, v.value, []byte(salt), secretRounds, sha256.Size)
			if err != nil {
				return Shared{}, fmt.Errorf("make a digest of %s: %w", v.name, err)
			}
			out.secrets[v.name] = slow
		}
	}
	var parts []string
	for _, name := range slices.Sorted(maps.Keys(out.Digests)) {
		parts = append(parts, name, out.Digests[name])
	}
	out.All = digest(salt, parts...)
	return out, nil
}

// Has reports whether nodes compare that setting.
func (s Shared) Has(name string) bool {
	_, secret := s.secrets[name]
	return secret || s.Digests[name] != ""
}

// Proofs gives the digests and, by name, a proof of each secret that is good for one comparison: the moment is a
// random text that the node which compares has made for it. A proof is neither stored nor shown, for with one,
// guesses of a weak secret can be tried. An empty moment, which is what a node of the version before sends, is
// answered without secrets.
func (s Shared) Proofs(moment string) map[string]string {
	out := maps.Clone(s.Digests)
	if moment == "" {
		return out
	}
	for name, key := range s.secrets {
		h := hmac.New(sha256.New, key)
		fmt.Fprintf(h, "%d:%s%s", len(moment), moment, name)
		out[name] = hex.EncodeToString(h.Sum(nil)[:16])
	}
	return out
}

// Hide takes the proofs of secrets out of what a node has answered, before it is shown.
func (s Shared) Hide(answer map[string]string) {
	for name := range s.secrets {
		delete(answer, name)
	}
}

// digest is 8 hexadecimal digits.
func digest(salt string, parts ...string) string {
	h := hmac.New(sha256.New, []byte(salt))
	for _, p := range parts {
		fmt.Fprintf(h, "%d:%s", len(p), p)
	}
	return hex.EncodeToString(h.Sum(nil)[:4])
}
