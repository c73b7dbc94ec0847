package db

import (
	"crypto"
	"crypto/aes"
	"crypto/cipher"
	"crypto/pbkdf2"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"errors"
	"hash"
)

// encryptedKey is EncryptedPrivateKeyInfo of RFC 5208, and pbes2 and pbkdf2Params are its parameters by RFC 8018.
type encryptedKey struct {
	Algorithm pkix.AlgorithmIdentifier
	Data      []byte
}

type pbes2 struct {
	KDF    pkix.AlgorithmIdentifier
	Cipher pkix.AlgorithmIdentifier
}

type pbkdf2Params struct {
	Salt   []byte
	Rounds int
	Length int                      `asn1:"optional"`
	PRF    pkix.AlgorithmIdentifier `asn1:"optional"`
}

var errKeyForm = errors.New("it is encrypted in a way that is not known here; openssl pkcs8 -topk8 -v2 aes256 makes " +
	"one that is")

// decryptKey opens a PKCS #8 key that a password protects, as openssl pkcs8 -topk8 makes it.
func decryptKey(der []byte, password string) (crypto.PrivateKey, error) {
	var info encryptedKey
	var scheme pbes2
	var kdf pbkdf2Params
	if _, err := asn1.Unmarshal(der, &info); err != nil || info.Algorithm.Algorithm.String() != "1.2.840.113549.1.5.13" {
		return nil, errKeyForm
	}
	if _, err := asn1.Unmarshal(info.Algorithm.Parameters.FullBytes, &scheme); err != nil ||
		scheme.KDF.Algorithm.String() != "1.2.840.113549.1.5.12" {
		return nil, errKeyForm
	}
	if _, err := asn1.Unmarshal(scheme.KDF.Parameters.FullBytes, &kdf); err != nil || kdf.Rounds < 1 ||
		kdf.Rounds > 10_000_000 {
		return nil, errKeyForm
	}
	var digest func() hash.Hash
	switch kdf.PRF.Algorithm.String() {
	case "", "1.2.840.113549.2.7":
		digest = sha1.New
	case "1.2.840.113549.2.9":
		digest = sha256.New
	case "1.2.840.113549.2.11":
		digest = sha512.New
	default:
		return nil, errKeyForm
	}
	size := map[string]int{"2.16.840.1.101.3.4.1.2": 16, "2.16.840.1.101.3.4.1.22": 24,
		"2.16.840.1.101.3.4.1.42": 32}[scheme.Cipher.Algorithm.String()]
	var iv []byte
	if _, err := asn1.Unmarshal(scheme.Cipher.Parameters.FullBytes, &iv); err != nil || size == 0 ||
		len(iv) != aes.BlockSize ||
		len(info.Data) == 0 || len(info.Data)%aes.BlockSize != 0 {
		return nil, errKeyForm
	}
	key, err := pbkdf2.Key(digest, password, kdf.Salt, kdf.Rounds, size)
	if err != nil {
		return nil, err
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	plain := make([]byte, len(info.Data))
	cipher.NewCBCDecrypter(block, iv).CryptBlocks(plain, info.Data)
	if pad := int(plain[len(plain)-1]); pad >= 1 && pad <= aes.BlockSize {
		if k, err := x509.ParsePKCS8PrivateKey(plain[:len(plain)-pad]); err == nil {
			return k, nil
		}
	}
	return nil, errors.New("its password, sslpassword, is not the right one")
}
