package main

import (
	"archive/tar"
	"archive/zip"
	"compress/gzip"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"
)

// listName is the name of the list of checksums, which sha256sum -c reads.
const listName = "SHA256SUMS"

// member is a file of an archive.
type member struct {
	name, source string
	mode         os.FileMode
}

// writeTar packs files into a folder of a new archive. Times are all the same, so that the same files give the same.
func writeTar(name, folder string, files []member, at time.Time) (err error) {
	f, err := os.Create(name)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	packed := gzip.NewWriter(f)
	w := tar.NewWriter(packed)
	for _, m := range files {
		text, err := os.ReadFile(m.source)
		if err != nil {
			return err
		}
		h := tar.Header{Name: folder + "/" + m.name, Mode: int64(m.mode), Size: int64(len(text)), ModTime: at,
			Format: tar.FormatPAX}
		if err := w.WriteHeader(&h); err != nil {
			return err
		}
		if _, err := w.Write(text); err != nil {
			return err
		}
	}
	return errors.Join(w.Close(), packed.Close())
}

func writeZip(name, folder string, files []member, at time.Time) (err error) {
	f, err := os.Create(name)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	w := zip.NewWriter(f)
	for _, m := range files {
		text, err := os.ReadFile(m.source)
		if err != nil {
			return err
		}
		h := zip.FileHeader{Name: folder + "/" + m.name, Method: zip.Deflate, Modified: at}
		h.SetMode(m.mode)
		one, err := w.CreateHeader(&h)
		if err != nil {
			return err
		}
		if _, err := one.Write(text); err != nil {
			return err
		}
	}
	return w.Close()
}

// sum writes the checksums of everything in the release.
func (r *release) sum() error {
	list, err := os.ReadDir(r.out)
	if err != nil {
		return err
	}
	var b strings.Builder
	for _, entry := range list {
		sum, err := sumOf(r.path(entry.Name()))
		if err != nil {
			return err
		}
		fmt.Fprintf(&b, "%s  %s\n", sum, entry.Name())
	}
	lines := slices.Sorted(strings.Lines(b.String()))
	return os.WriteFile(r.path(listName), []byte(strings.Join(lines, "")), 0o644)
}

func sumOf(name string) (string, error) {
	f, err := os.Open(name)
	if err != nil {
		return "", err
	}
	defer func() { _ = f.Close() }()
	h := sha256.New()
	_, err = io.Copy(h, f)
	return fmt.Sprintf("%x", h.Sum(nil)), err
}
