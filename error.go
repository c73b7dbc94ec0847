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

// The kinds of error. Internal is the zero value, so that an error nobody thought about is hidden.
const (
	KindInternal     Kind = iota // a defect or a broken part: logged in full, shown as "something went wrong"
	KindInvalid                  // the input is wrong; Field says where, the message what would be right (422)
	KindNotFound                 // there is no such thing, or the actor may not know of it (404)
	KindUnauthorized             // nobody is signed in, or the credentials are wrong (401)
	KindForbidden                // the actor may not do this (403)
	KindConflict                 // somebody else changed the thing first, or the name is taken (409)
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
	Message string // a sentence safe to show: what was wrong, where, what would be right
	Err     error  // the cause, for the log only; may be nil

	Wait time.Duration // after which trying again can help; 0: not known
}

// RetryAfter is when trying again can help, as answers 429 and 503 tell it.
func (e *Error) RetryAfter() time.Duration { return e.Wait }

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
	return &Error{Kind: KindInvalid, Field: field, Message: fmt.Sprintf(format, args...)}
}

// NotFound says that there is no what with that name or id, or none the actor may know of.
func NotFound(what string, which any) *Error {
	return &Error{Kind: KindNotFound, Message: fmt.Sprintf("there is no %s %q", what, clip(fmt.Sprint(which), 200))}
}

// Unauthorized says that a sign-in is needed or failed.
func Unauthorized(format string, args ...any) *Error {
	return &Error{Kind: KindUnauthorized, Message: fmt.Sprintf(format, args...)}
}

// Forbidden says that the actor may not do this.
func Forbidden(format string, args ...any) *Error {
	return &Error{Kind: KindForbidden, Message: fmt.Sprintf(format, args...)}
}

// Conflict says that the thing was changed by somebody else first, or that a name is taken.
func Conflict(format string, args ...any) *Error {
	return &Error{Kind: KindConflict, Message: fmt.Sprintf(format, args...)}
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
	return &Error{Kind: KindTooLarge, Message: fmt.Sprintf(format, args...)}
}

// TooMany says that the caller is throttled and for how long.
func TooMany(format string, args ...any) *Error {
	return &Error{Kind: KindTooMany, Message: fmt.Sprintf(format, args...)}
}

// Unavailable says that a part that is needed is away; cause goes to the log only.
func Unavailable(cause error, format string, args ...any) *Error {
	return &Error{Kind: KindUnavailable, Message: fmt.Sprintf(format, args...), Err: cause}
}

// ProveAgain says that the actor may do this, but signed in too long ago: what, such as "change a password",
// goes on when the person has proved again who they are.
func ProveAgain(what string) *Error {
	return &Error{
		Kind:    KindStale,
		Message: fmt.Sprintf("before you %s, show once more that it is you: you signed in a while ago", what),
	}
}
