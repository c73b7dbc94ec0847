package wordpress

import (
	"bufio"
	"bytes"
	"io"
	"strings"
	"unicode/utf8"

	"golang.org/x/net/html/charset"

	"github.com/stoa-portal/stoa"
)

// input is the file as the XML reader sees it: UTF-8, without the characters XML forbids, and not
// longer than allowed. It never adds or removes a line break, so lines keep their numbers.
type input struct {
	src     *bufio.Reader
	pending []byte // cleaned bytes not yet handed out
	left    int64
	limit   int64
	line    int
	badUTF8 int // line of the first invalid byte, 0 when there is none
	control int // line of the first forbidden character
	bads    int
	err     error
}

// newInput looks at the beginning of the file: it refuses what is plainly something else, with a
// sentence that says what it is, and decodes other encodings than UTF-8.
func newInput(r io.Reader, limit int64) (*input, error) {
	in := &input{limit: limit, left: limit, line: 1}
	br := bufio.NewReaderSize(r, 64<<10)
	head, err := br.Peek(1024)
	if err != nil && err != io.EOF {
		return nil, err
	}
	switch {
	case len(bytes.TrimSpace(head)) == 0:
		return nil, stoa.Invalid("file", "the file is empty: a WordPress export (Tools → Export, an .xml file) is expected")
	case bytes.HasPrefix(head, []byte("PK\x03\x04")):
		return nil, stoa.Invalid("file", "this is a zip archive: unpack it and give the .xml file in it")
	case bytes.HasPrefix(head, []byte("\x1f\x8b")):
		return nil, stoa.Invalid("file", "this is a gzip archive: unpack it and give the .xml file in it")
	case bytes.HasPrefix(head, []byte("\xff\xfe")):
		return in, in.decode(br, "utf-16le", 2)
	case bytes.HasPrefix(head, []byte("\xfe\xff")):
		return in, in.decode(br, "utf-16be", 2)
	case bytes.HasPrefix(head, []byte("\xef\xbb\xbf")):
		_, err := br.Discard(3)
		in.src = br
		return in, err
	}
	trimmed := bytes.TrimSpace(head)
	if trimmed[0] != '<' {
		what := "it does not begin with “<”"
		if trimmed[0] == '{' || trimmed[0] == '[' {
			what = "it looks like JSON"
		}
		return nil, stoa.Invalid("file", "this is not a WordPress export: %s, and an XML file (Tools → Export) is expected", what)
	}
	if label := declaredEncoding(head); label != "" && label != "utf-8" && label != "utf8" {
		return in, in.decode(br, label, 0)
	}
	// XML begins at the first byte; editors and faulty plugins put blank lines there. They count.
	for {
		b, err := br.ReadByte()
		if err != nil {
			return nil, err
		}
		if b == '<' {
			in.src = br
			return in, br.UnreadByte()
		}
		if b == '\n' {
			in.line++
		}
	}
}

func (in *input) decode(br *bufio.Reader, label string, skip int) error {
	if _, err := br.Discard(skip); err != nil {
		return err
	}
	dec, err := charset.NewReaderLabel(label, br)
	if err != nil {
		return stoa.Invalid("file", "the file says it is written in %q, which is not a known encoding: save it as UTF-8",
			stoa.Short(label, 40))
	}
	in.src = bufio.NewReaderSize(dec, 64<<10)
	return nil
}

// declaredEncoding returns the encoding of the XML declaration, in lower case.
func declaredEncoding(head []byte) string {
	s := strings.TrimSpace(string(head))
	if !strings.HasPrefix(s, "<?xml") {
		return ""
	}
	decl, _, _ := strings.Cut(s, "?>")
	_, rest, ok := strings.Cut(decl, "encoding")
	if !ok {
		return ""
	}
	rest = strings.TrimLeft(rest, " \t=")
	if rest == "" || rest[0] != '"' && rest[0] != '\'' {
		return ""
	}
	v, _, _ := strings.Cut(rest[1:], rest[:1])
	return strings.ToLower(v)
}

// Read hands out cleaned bytes. Bytes that are not UTF-8 become U+FFFD; control characters that XML
// forbids become a space. Both are counted and the first line of each is kept for the report.
func (in *input) Read(p []byte) (int, error) {
	for len(in.pending) == 0 {
		if in.err != nil {
			return 0, in.err
		}
		in.fill()
	}
	n := copy(p, in.pending)
	in.pending = in.pending[n:]
	return n, nil
}

func (in *input) fill() {
	buf := make([]byte, 0, 32<<10)
	for len(buf) < 30<<10 {
		r, size, err := in.src.ReadRune()
		if err != nil {
			in.err = err
			break
		}
		if in.left -= int64(size); in.left < 0 {
			in.err = stoa.TooLarge("the file is larger than %d bytes, the most an import takes", in.limit)
			break
		}
		switch {
		case r == '\n':
			in.line++
			buf = append(buf, '\n')
		case r == utf8.RuneError && size == 1:
			in.note(&in.badUTF8)
			buf = append(buf, "\ufffd"...)
		case r < ' ' && r != '\t' && r != '\r', r == 0xfffe, r == 0xffff:
			in.note(&in.control)
			buf = append(buf, ' ')
		default:
			buf = utf8.AppendRune(buf, r)
		}
	}
	in.pending = buf
}

func (in *input) note(first *int) {
	in.bads++
	if *first == 0 {
		*first = in.line
	}
}
