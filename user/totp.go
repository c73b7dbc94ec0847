package user

import (
	"crypto/hmac"
	"crypto/sha1" //nolint:gosec // what RFC 6238 and every authenticator app use; HMAC does not suffer from collisions
	"crypto/subtle"
	"encoding/base32"
	"encoding/binary"
	"fmt"
	"net/url"
	"time"
)

// Codes by time as RFC 6238 says, in the form that every app knows: SHA-1, 6 digits, steps of 30 seconds.
const (
	totpSeed = 20 // bytes
	totpStep = 30 * time.Second
	totpSlip = 1 // steps that the clock of a phone may be off
)

// stepAt numbers the step of a time.
func stepAt(t time.Time) int64 { return t.Unix() / int64(totpStep/time.Second) }

// codeAt is the code of a step (RFC 4226, section 5.3).
func codeAt(seed []byte, step int64) string {
	var counter [8]byte
	binary.BigEndian.PutUint64(counter[:], uint64(step))
	mac := hmac.New(sha1.New, seed)
	mac.Write(counter[:])
	sum := mac.Sum(nil)
	at := sum[len(sum)-1] & 0x0f
	return fmt.Sprintf("%06d", binary.BigEndian.Uint32(sum[at:at+4])&0x7fffffff%1_000_000)
}

// stepOf gives the step that a code belongs to, among those that count now and came after the last used one.
func stepOf(seed []byte, code string, now time.Time, last int64) (step int64, ok bool) {
	for d := int64(-totpSlip); d <= totpSlip; d++ {
		at := stepAt(now) + d
		if subtle.ConstantTimeCompare([]byte(codeAt(seed, at)), []byte(code)) == 1 && at > last && !ok {
			step, ok = at, true
		}
	}
	return step, ok
}

// seedText is a seed as people type it into an app.
func seedText(seed []byte) string {
	return base32.StdEncoding.WithPadding(base32.NoPadding).EncodeToString(seed)
}

// seedAddress is a seed as apps read it from a picture; issuer and name say which account it is for.
func seedAddress(seed []byte, issuer, name string) string {
	return "otpauth://totp/" + url.PathEscape(issuer) + ":" + url.PathEscape(name) +
		"?secret=" + seedText(seed) + "&issuer=" + url.QueryEscape(issuer) + "&algorithm=SHA1&digits=6&period=30"
}
