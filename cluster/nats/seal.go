package nats

import (
	"crypto/hmac"
	"crypto/sha256"
)

const sealSize = 16

// sealer authenticates messages that travel over a message server which others use, too.
type sealer struct{ key []byte }

// newSealer derives the key of one cluster from the shared secret.
func newSealer(secret, cluster string) *sealer {
	return &sealer{key: derive(secret, "seal of messages of "+cluster)}
}

func derive(secret, purpose string) []byte {
	h := hmac.New(sha256.New, []byte(secret))
	h.Write([]byte(purpose))
	return h.Sum(nil)
}

func (s *sealer) sum(subject string, data []byte) []byte {
	h := hmac.New(sha256.New, s.key)
	h.Write([]byte(subject))
	h.Write([]byte{0})
	h.Write(data)
	return h.Sum(nil)[:sealSize]
}

// seal appends the proof that a member sent data under this subject.
func (s *sealer) seal(subject string, data []byte) []byte {
	return append(append(make([]byte, 0, len(data)+sealSize), data...), s.sum(subject, data)...)
}

// open gives the data of a sealed message; ok is false for one that no member sealed.
func (s *sealer) open(subject string, sealed []byte) (data []byte, ok bool) {
	if len(sealed) < sealSize {
		return nil, false
	}
	data = sealed[:len(sealed)-sealSize]
	return data, hmac.Equal(sealed[len(data):], s.sum(subject, data))
}
