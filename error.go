package stoa

import (
	"errors"
	"fmt"
	"strings"
	"time"
)

// Kind sorts errors by what a caller can do about them. Package httpd maps each kind to one HTTP
// status; everything without a kind is Internal and is never shown to a visitor.
type Kind uint8

// The kinds of error. Internal is the zero value, so that an error without a kind is hidden.
const (
	KindInternal     Kind = iota // a defect or a broken part: logged in full, shown as "something went wrong"
	KindInvalid                  // the input is wrong; Field says where, the message what would be right (422)
	KindNotFound                 // there is no such thing, or the actor may not know of it (404)
	KindUnauthorized             // the actor is not signed in, or the credentials are wrong (401)
	KindForbidden                // the actor may not do this (403)
	KindConflict                 // another person changed the thing first, or the name is taken (409)
	KindTooLarge                 // the input is over a limit that the message names (413)
	KindTooMany                  // throttled; RetryAfter says for how long (429)
	KindUnavailable              // a part that is needed is away; trying later can help (503)
	KindStale                    // the person must first prove again who they are, in this session (403)
)

// String names the kind for logs.
func (k Kind) String() string {
	names := [...]string{
		"internal",
		"invalid",
		"not found",
		"unauthorized",
		"forbidden",
		"conflict",
		"too large",
		"too many",
		"unavailable",
		"stale",
	}
	if int(k) < len(names) {
		return names[k]
	}
	return "internal"
}

// Error is an error whose message may be shown to the person who caused it.
type Error struct {
	Kind    Kind
	Field   string // the field of the form or the property that is wrong; empty when none is
	Message string // a sentence safe to show, in English: what was wrong, where, what would be right
	// Sentence is Message before its Args were put in, and so its key in the catalogues of package lang. It is empty
	// where the message was made in another way; then it is shown in English.
	Sentence string
	Args     []any
	Err      error // the cause, for the log only; may be nil

	Wait time.Duration // after which trying again can help; 0: not known
}

// RetryAfter is when trying again can help, as answers 429 and 503 tell it.
func (e *Error) RetryAfter() time.Duration { return e.Wait }

// Phrase is an argument of a sentence that is a word of the interface itself, such as "change a password": it is put
// into the language of the reader too.
type Phrase string

// said makes an error whose sentence can be said in other languages.
func said(k Kind, field, format string, args []any) *Error {
	return &Error{Kind: k, Field: field, Message: fmt.Sprintf(format, args...), Sentence: format, Args: args}
}

// Error gives the message, preceded by the field and followed by the cause, for logs.
func (e *Error) Error() string {
	var b strings.Builder
	if e.Field != "" {
		b.WriteString(e.Field + ": ")
	}
	b.WriteString(e.Message)
	if e.Err != nil {
		b.WriteString(": " + e.Err.Error())
	}
	return b.String()
}

// Unwrap gives the cause.
func (e *Error) Unwrap() error { return e.Err }

// KindOf returns the kind of the first *Error in err's chain, Internal when there is none.
func KindOf(err error) Kind {
	var e *Error
	if errors.As(err, &e) {
		return e.Kind
	}
	return KindInternal
}

// Is reports whether err is of the given kind.
func Is(err error, k Kind) bool { return err != nil && KindOf(err) == k }

// Invalid says that the value of field is wrong; the message says what would be right.
func Invalid(field, format string, args ...any) *Error {
	return said(KindInvalid, field, format, args)
}

// NotFound says that there is no what with that name or id, or none the actor may know of.
func NotFound(what string, which any) *Error {
	return said(KindNotFound, "", "there is no "+what+" %q", []any{clip(fmt.Sprint(which), 200)})
}

// Unauthorized says that a sign-in is needed or failed.
func Unauthorized(format string, args ...any) *Error {
	return said(KindUnauthorized, "", format, args)
}

// Forbidden says that the actor may not do this.
func Forbidden(format string, args ...any) *Error {
	return said(KindForbidden, "", format, args)
}

// Conflict says that the thing was changed by another person first, or that a name is taken.
func Conflict(format string, args ...any) *Error {
	return said(KindConflict, "", format, args)
}

// AtField says which field of a form an error is about; what is none of ours stays as it is.
func AtField(field string, err error) error {
	var e *Error
	if !errors.As(err, &e) {
		return err
	}
	at := *e
	at.Field = field
	return &at
}

// TooLarge says which limit the input is over.
func TooLarge(format string, args ...any) *Error {
	return said(KindTooLarge, "", format, args)
}

// TooMany says that the caller is throttled and for how long.
func TooMany(format string, args ...any) *Error {
	return said(KindTooMany, "", format, args)
}

// Unavailable says that a part that is needed is away; cause goes to the log only.
func Unavailable(cause error, format string, args ...any) *Error {
	e := said(KindUnavailable, "", format, args)
	e.Err = cause
	return e
}

// ProveAgain says that the actor may do this, but signed in too long ago: what, such as "change a password",
// goes on when the person has proved again who they are.
func ProveAgain(what string) *Error {
	return said(KindStale, "", "before you %s, show once more that it is you: you signed in a while ago",
		[]any{Phrase(what)})
}
