package remote

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/stoa-portal/stoa"
)

// refusal is why a server did not do what it was asked, in words for who runs it.
type refusal struct {
	host      string
	status    int    // 0: there was no answer
	kind      string // as the server names it: "cluster_block_exception"
	words     string
	elsewhere bool // another host may answer
}

func (r *refusal) Error() string {
	return "the search server at " + r.host + " " + r.words
}

// away is what people are told, while the log has the reason.
func away(err error) error {
	return stoa.Unavailable(err, "search is not available at the moment")
}

// trouble is the form in which servers say what is wrong.
type trouble struct {
	Type   string `json:"type"`
	Reason string `json:"reason"`
	Cause  []struct {
		Type   string `json:"type"`
		Reason string `json:"reason"`
	} `json:"root_cause"`
	CausedBy *struct {
		Reason string `json:"reason"`
	} `json:"caused_by"`
}

// troubleOf reads what is wrong out of an answer.
func troubleOf(body []byte) trouble {
	var said struct {
		Error json.RawMessage `json:"error"`
	}
	var t trouble
	if json.Unmarshal(body, &said) != nil || len(said.Error) == 0 {
		return t
	}
	if json.Unmarshal(said.Error, &t) != nil {
		_ = json.Unmarshal(said.Error, &t.Reason) // some are a text alone
	}
	return t
}

// text is the trouble in one line.
func (t trouble) text() string {
	s := t.Type
	if t.Reason != "" {
		s += ": " + t.Reason
	}
	if len(t.Cause) > 0 && t.Cause[0].Type != t.Type && t.Cause[0].Type != "" {
		s += ": " + t.Cause[0].Type
	}
	if t.CausedBy != nil && t.CausedBy.Reason != "" && t.CausedBy.Reason != t.Reason {
		s += ": " + t.CausedBy.Reason
	}
	return strings.TrimPrefix(s, ": ")
}

// isBlock reports whether an answer says that nothing may be written.
func isBlock(body []byte) bool {
	return bytes.Contains(body, []byte("cluster_block_exception")) || bytes.Contains(body, []byte("index_create_block"))
}

const (
	tellSignIn = "set search.server.user and search.server.password, or search.server.api.key, to what it knows"
	tellFull   = "its disks are full or the index is set to be read only: free space or take the block " +
		"(index.blocks.read_only_allow_delete) away; what was not written follows then by itself"
	tellBusy = "it has more to do than it can take; what was not written follows by itself, and if this stays, it " +
		"needs more memory or nodes"
	tellTLS  = "speaks TLS: write https:// in search.server.hosts"
	tellPort = "is that what answers HTTP on its port (9200 mostly), and is there a proxy between?"
)

// refused says why a server refuses, and what to do about it.
func (c *client) refused(a *answer) *refusal {
	t := troubleOf(a.body)
	r := &refusal{host: a.host, status: a.status, kind: t.Type, elsewhere: true}
	said := c.scrub(t.text())
	if said != "" {
		said = " (" + said + ")"
	}
	switch {
	case a.status == http.StatusUnauthorized && c.auth == "":
		r.elsewhere = false
		r.words = "answers 401, it wants to know who asks: " + tellSignIn
	case a.status == http.StatusUnauthorized:
		r.elsewhere = false
		r.words = "answers 401, it does not take user and password or the API key: " + tellSignIn
	case isBlock(a.body):
		r.elsewhere = false
		r.words = fmt.Sprintf("answers %d%s: %s", a.status, said, tellFull)
	case a.status == http.StatusForbidden:
		r.elsewhere = false
		r.words = fmt.Sprintf("answers 403%s: give its user the right to make, read, write and delete the indexes "+
			"of search.server.prefix, and to see the state of the cluster", said)
	case a.status == http.StatusTooManyRequests:
		r.words = fmt.Sprintf("answers 429%s: %s", said, tellBusy)
	case a.status == http.StatusRequestEntityTooLarge:
		r.elsewhere = false
		r.words = "answers 413, a request is too large for it: raise its http.max_content_length"
	case a.status >= 300 && a.status < 400:
		r.words = fmt.Sprintf("answers %d and sends on to another address: name that one in search.server.hosts", a.status)
	case bytes.Contains(a.body, []byte("not a HTTP port")), bytes.Contains(a.body, []byte("not an HTTP port")):
		r.words = "is its port for other servers (9300 mostly): name the one for HTTP (9200 mostly) in search.server.hosts"
	case bytes.Contains(a.body, []byte("HTTP request to an HTTPS server")),
		bytes.Contains(a.body, []byte("plain HTTP request was sent to HTTPS port")):
		r.words = tellTLS
	case t.Type == "" && t.Reason == "":
		r.words = fmt.Sprintf("answers %d with what no search server says: %s", a.status, tellPort)
	default:
		r.words = fmt.Sprintf("answers %d%s", a.status, said)
	}
	return r
}

// unreachable says why a server did not answer, and what to do about it.
func (c *client) unreachable(h *host, err error, patience time.Duration) *refusal {
	r := &refusal{host: h.address, elsewhere: true}
	var unknown x509.UnknownAuthorityError
	var name x509.HostnameError
	var invalid x509.CertificateInvalidError
	var record tls.RecordHeaderError
	var lookup *net.DNSError
	text := err.Error()
	switch {
	case errors.As(err, &unknown):
		r.words = "has a certificate that nobody signed who is trusted: set search.server.ca to the certificate " +
			"of its authority"
	case errors.As(err, &name):
		r.words = "has a certificate for another name: use the name of its certificate in search.server.hosts"
	case errors.As(err, &invalid):
		r.words = "has a certificate that does not hold, such as one whose time is over: renew it"
	case errors.As(err, &record), strings.Contains(text, "server gave HTTP response to HTTPS client"):
		r.words = "speaks HTTP without TLS: write http:// in search.server.hosts, or turn TLS on there"
	case strings.Contains(text, `malformed HTTP response "\x15`):
		r.words = tellTLS
	case strings.Contains(text, "malformed HTTP"):
		r.words = "answers with what is no HTTP: " + tellPort
	case errors.As(err, &lookup):
		r.words = "is not found: there is no address of that name (" + lookup.Err + ")"
	case errors.Is(err, context.DeadlineExceeded):
		r.words = fmt.Sprintf("gave no answer for %s: is it there and well?", patience.Round(time.Millisecond))
	default:
		r.words = "does not answer: " + c.scrub(bare(err))
	}
	return r
}

// bare takes the method and the address off an error of a request.
func bare(err error) string {
	var op *net.OpError
	if errors.As(err, &op) && op.Err != nil {
		return op.Err.Error()
	}
	text := err.Error()
	if i := strings.LastIndex(text, `": `); i >= 0 {
		text = text[i+3:]
	}
	return text
}

// scrub takes secrets out of what others said, and makes it short.
func (c *client) scrub(s string) string {
	for _, secret := range c.secrets {
		s = strings.ReplaceAll(s, secret, "…")
	}
	s = strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return ' '
		}
		return r
	}, stoa.CleanText(s))
	return stoa.Short(s, 400)
}
