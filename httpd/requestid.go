package httpd

import "math/rand/v2"

// newRequestID makes an id of 26 letters and digits. It ties log lines together and is no secret, so the fast
// generator of the runtime is enough. Ids sent by clients are never taken over: they could be
// chosen to confuse whoever reads the log.
func newRequestID() string {
	const letters = "0123456789abcdefghjkmnpqrstvwxyz"
	var b [26]byte
	hi, lo := rand.Uint64(), rand.Uint64()
	for i := range 13 {
		b[i], b[13+i] = letters[hi&31], letters[lo&31]
		hi >>= 5
		lo >>= 5
	}
	return string(b[:])
}
