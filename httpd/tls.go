package httpd

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/stoa-portal/stoa"
)

const certCheck = 2 * time.Second // how often handshakes look whether the files changed

// tlsSettings carries the TLS configuration; config is nil for plain HTTP.
type tlsSettings struct{ config *tls.Config }

func newTLS(o *Options) (tlsSettings, error) {
	if o.TLSCert == "" {
		return tlsSettings{}, nil
	}
	k := &keyPair{cert: o.TLSCert, key: o.TLSKey, log: o.Logger, now: o.Now}
	stamp, err := k.stat()
	if err != nil {
		return tlsSettings{}, err
	}
	pair, err := k.load()
	if err != nil {
		return tlsSettings{}, err
	}
	k.stamp, k.next = stamp, o.Now().Add(certCheck)
	k.pair.Store(pair)
	return tlsSettings{&tls.Config{
		MinVersion:     tls.VersionTLS12,
		NextProtos:     []string{"h2", "http/1.1"},
		CipherSuites:   suites(),
		GetCertificate: k.get,
	}}, nil
}

// suites are those of TLS 1.2 that encrypt and authenticate in one (AEAD) and exchange keys of the moment; those of
// TLS 1.3 are all such, and not for choosing.
func suites() []uint16 {
	return []uint16{
		tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
		tls.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384, tls.TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
		tls.TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256, tls.TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256,
	}
}

// keyPair is a certificate whose files may be renewed while the server runs. No goroutine watches them: a
// handshake looks, at most every two seconds.
type keyPair struct {
	cert, key string
	log       *slog.Logger
	now       func() time.Time
	pair      atomic.Pointer[tls.Certificate]

	mu    sync.Mutex // held to look and reload
	next  time.Time
	stamp fileStamp // of the files last read, good or bad
}

// fileStamp changes when one of the two files does.
type fileStamp struct {
	certTime, keyTime time.Time
	certSize, keySize int64
}

func (k *keyPair) stat() (fileStamp, error) {
	c, err := os.Stat(k.cert)
	if err != nil {
		return fileStamp{}, badPair("certificate", k.cert, err)
	}
	p, err := os.Stat(k.key)
	if err != nil {
		return fileStamp{}, badPair("key", k.key, err)
	}
	return fileStamp{c.ModTime(), p.ModTime(), c.Size(), p.Size()}, nil
}

func badPair(what, file string, err error) error {
	msg := "the TLS " + what + " file " + file + " cannot be used; a PEM file with the " + what + " is expected"
	switch {
	case errors.Is(err, fs.ErrNotExist):
		msg = "the TLS " + what + " file " + file + " does not exist"
	case errors.Is(err, fs.ErrPermission):
		msg = "the TLS " + what + " file " + file + " may not be read by the account that runs Stoa"
	}
	return &stoa.Error{Kind: stoa.KindInvalid, Field: "tls", Message: msg, Err: err}
}

func (k *keyPair) load() (*tls.Certificate, error) {
	cert, err := os.ReadFile(k.cert)
	if err != nil {
		return nil, badPair("certificate", k.cert, err)
	}
	key, err := os.ReadFile(k.key)
	if err != nil {
		return nil, badPair("key", k.key, err)
	}
	pair, err := tls.X509KeyPair(cert, key)
	if err != nil {
		return nil, &stoa.Error{Kind: stoa.KindInvalid, Field: "tls", Err: err,
			Message: "the TLS certificate " + k.cert + " and the key " + k.key + " do not fit together, or one of them is not PEM"}
	}
	if pair.Leaf == nil {
		if pair.Leaf, err = x509.ParseCertificate(pair.Certificate[0]); err != nil {
			return nil, badPair("certificate", k.cert, err)
		}
	}
	if now := k.now(); now.After(pair.Leaf.NotAfter) {
		k.log.Warn("the TLS certificate has run out", "file", k.cert, "ran out", pair.Leaf.NotAfter)
	}
	return &pair, nil
}

// get is asked at every handshake.
func (k *keyPair) get(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	if k.mu.TryLock() { // who does not get it uses the pair there is
		if now := k.now(); !now.Before(k.next) {
			k.next = now.Add(certCheck)
			k.refresh()
		}
		k.mu.Unlock()
	}
	return k.pair.Load(), nil
}

// refresh takes over changed files. While they are broken, as between the writing of the one and the other, the
// old pair serves on, and each broken state is logged once.
func (k *keyPair) refresh() {
	stamp, err := k.stat()
	if err == nil && stamp == k.stamp || err != nil && k.stamp == (fileStamp{}) {
		return
	}
	var pair *tls.Certificate
	if err == nil {
		pair, err = k.load()
	}
	k.stamp = stamp
	if err != nil {
		k.log.Error("the renewed TLS certificate is not usable; the old one serves on", "error", err)
		return
	}
	k.pair.Store(pair)
	k.log.Info("took over a renewed TLS certificate", "file", k.cert, "runs out", pair.Leaf.NotAfter)
}
