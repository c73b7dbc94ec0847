package stoa

import (
	"context"
	"net/netip"
	"slices"
	"time"
)

// Actor is who asks. The zero value is nobody and may do nothing: a handler that forgot to set an
// actor is refused everywhere. A visitor who is not signed in is the guest actor, who has the role
// Guest and may do what that role may.
type Actor struct {
	User     ID     // 0 for guests and for the portal itself
	Name     string // display name; empty for guests
	Instance ID     // virtual instance the actor belongs to
	Roles    []ID   // roles held anywhere, sorted; package access decides what they allow
	Admin    bool   // holds the role Administrator of the instance: may do everything in it
	Session  ID     // the session that carried the request; 0 when there is none
	Locale   Locale // the language that the person has chosen; empty: that of the site
	TimeZone string // the time zone that the person has chosen, as "Europe/Vienna"; empty: that of the instance
	System   bool   // the portal itself (jobs, import, first start): may do everything everywhere

	// Operator says that the actor may act on the whole installation: nodes, jobs, caches, log levels,
	// properties, host names of instances. No grant leads to it; package user decides it at sign-in.
	Operator bool
	Proven   time.Time // when the person last proved who they are in this session; zero: not in this session
}

// SystemActor is the portal acting by itself: jobs, imports started by the operator, the first start.
func SystemActor() Actor { return Actor{System: true, Name: "Stoa"} }

// SignedIn reports whether a person is behind the actor.
func (a Actor) SignedIn() bool { return a.User != 0 }

// HasRole reports whether the actor holds the role.
func (a Actor) HasRole(role ID) bool {
	_, ok := slices.BinarySearch(a.Roles, role)
	return ok
}

// Operates refuses an actor that may not act on the whole installation; what names it: "pause a job".
func (a Actor) Operates(what string) error {
	if a.System || a.Operator {
		return nil
	}
	if !a.SignedIn() {
		return Unauthorized("sign in as an operator to %s", Phrase(what))
	}
	return Forbidden("only an operator of the whole installation may %s", Phrase(what))
}

// ProofAge is how long it counts that a person proved who they are.
const ProofAge = 10 * time.Minute

// Fresh refuses an actor who did not prove who they are within ProofAge before now, in this session; what
// names what they are about to do: "change a password". A proof that a node with a clock ahead of this one
// dated up to a minute later counts as well. The portal itself is always fresh.
func (a Actor) Fresh(now time.Time, what string) error {
	if age := now.Sub(a.Proven); a.System || !a.Proven.IsZero() && age < ProofAge && age > -time.Minute {
		return nil
	}
	return ProveAgain(what)
}

// OperatesNow is Operates for what changes something: it refuses an actor who is not Fresh as well.
func (a Actor) OperatesNow(what string) error {
	if err := a.Operates(what); err != nil {
		return err
	}
	return a.Fresh(time.Now(), what)
}

type actorKey struct{}
type requesterKey struct{}
type localeKey struct{}
type requestKey struct{}

// WithActor returns a context that carries the actor of the request.
func WithActor(ctx context.Context, a Actor) context.Context {
	return context.WithValue(ctx, actorKey{}, a)
}

// ActorFrom returns the actor of the request, or nobody.
func ActorFrom(ctx context.Context) Actor {
	a, _ := ctx.Value(actorKey{}).(Actor)
	return a
}

// WithLocale returns a context that carries the locale the visitor asked for.
func WithLocale(ctx context.Context, l Locale) context.Context {
	return context.WithValue(ctx, localeKey{}, l)
}

// LocaleFrom returns the locale of the request, empty when none was set.
func LocaleFrom(ctx context.Context) Locale {
	l, _ := ctx.Value(localeKey{}).(Locale)
	return l
}

// WithRequester returns a context that carries the address a request came from, as far as proxies are trusted.
func WithRequester(ctx context.Context, addr netip.Addr) context.Context {
	return context.WithValue(ctx, requesterKey{}, addr)
}

// RequesterFrom returns the address a request came from; the zero Addr outside of one.
func RequesterFrom(ctx context.Context) netip.Addr {
	addr, _ := ctx.Value(requesterKey{}).(netip.Addr)
	return addr
}

// WithRequestID returns a context that carries the id which ties the log lines of a request together.
func WithRequestID(ctx context.Context, id string) context.Context {
	return context.WithValue(ctx, requestKey{}, id)
}

// RequestIDFrom returns the id of the request, empty outside of one.
func RequestIDFrom(ctx context.Context) string {
	s, _ := ctx.Value(requestKey{}).(string)
	return s
}
