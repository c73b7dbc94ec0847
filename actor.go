package stoa

import (
	"context"
	"slices"
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
	System   bool   // the portal itself (jobs, import, first start): may do everything everywhere
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

type actorKey struct{}
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

// WithRequestID returns a context that carries the id which ties the log lines of a request together.
func WithRequestID(ctx context.Context, id string) context.Context {
	return context.WithValue(ctx, requestKey{}, id)
}

// RequestIDFrom returns the id of the request, empty outside of one.
func RequestIDFrom(ctx context.Context) string {
	s, _ := ctx.Value(requestKey{}).(string)
	return s
}
