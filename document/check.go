package document

import (
	"bufio"
	"fmt"
	"io"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/richtext"
)

// CheckUpload says, without keeping anything, what Upload would refuse in a file of size bytes.
func (s *Service) CheckUpload(name string, body io.ReadSeeker, size int64) error {
	name = CleanName(name)
	switch {
	case size == 0:
		return stoa.Invalid("file", "the file %q is empty", name)
	case size > s.opt.MaxBytes:
		return s.tooLarge()
	}
	first, err := bufio.NewReaderSize(body, 1024).Peek(512)
	if err != nil && err != io.EOF {
		return fmt.Errorf("read the file %q: %w", name, err)
	}
	kind := sniff(first, name, "")
	if kind != typeSVG && !scalable(kind) && kind != "image/gif" {
		return nil
	}
	if _, err := body.Seek(0, io.SeekStart); err != nil {
		return fmt.Errorf("read the file %q: %w", name, err)
	}
	if kind == typeSVG {
		_, err := richtext.SanitizeSVG(body, min(maxSVG, s.opt.MaxBytes))
		return err
	}
	if _, _, err := config(body, kind); err != nil {
		return damaged(File{Name: name, Type: kind}, err)
	}
	return nil
}

func damaged(f File, err error) error {
	e := stoa.Invalid("file", "the picture %q is damaged: its beginning is not that of a picture of type %s",
		f.Name, f.Type)
	e.Err = err
	return e
}
