package audit

import (
	"strings"

	"github.com/stoa-portal/stoa/lang"
)

// What can be done, as rows name it. What With tells is said in parentheses.
const (
	Made        = "made"
	Changed     = "changed"
	ChangedMany = "changed-many" // (their number)
	Deleted     = "deleted"
	Moved       = "moved"
	Published   = "published"
	Scheduled   = "scheduled" // (when)
	ExpirySet   = "expiry-set"
	Expired     = "expired"
	Withdrawn   = "withdrawn"
	Discarded   = "discarded"
	Restored    = "restored" // (number of the version)
	Uploaded    = "uploaded"
	Trashed     = "trashed"   // put into the recycle bin
	Recovered   = "recovered" // taken out of it
	Merged      = "merged"    // (name of the one it went into)

	SignedIn      = "signed-in" // (full name)
	SignedOut     = "signed-out"
	SignIn        = "sign-in" // tried in vain
	SessionEnded  = "session-ended"
	PasswordSet   = "password-set"
	PasswordGone  = "password-gone"
	PasswordOld   = "password-old" // the old password that was typed was wrong
	PasswordTried = "password-tried"
	FactorTried   = "factor-tried" // a second factor, or a passkey, that was wrong
	FactorAdded   = "factor-added" // (name)
	FactorGone    = "factor-gone"  // (names)
	CodesMade     = "codes-made"
	LinkAsked     = "link-asked"
	LinkMade      = "link-made"
	LinkUsed      = "link-used" // a link that is wrong or too old
	Locked        = "locked"
	Unlocked      = "unlocked"
	RoleGiven     = "role-given" // (name of the role)
	RoleTaken     = "role-taken" // (name of the role)
	MemberAdded   = "member-added"
	MemberRemoved = "member-removed" // (name of the member)
	Granted       = "granted"        // (action, name of the role)
	GrantTaken    = "grant-taken"    // (action, name of the role)
	OwnGrants     = "own-grants"
	Inherits      = "inherits"

	HostsSet      = "hosts-set" // (the names)
	JobPaused     = "job-paused"
	JobResumed    = "job-resumed"
	JobStarted    = "job-started"
	LockBroken    = "lock-broken"
	CachesCleared = "caches-cleared"
	LogLevel      = "log-level" // (level)
	NodeForgotten = "node-forgotten"
	EventsRead    = "events-read"
	BackedUp      = "backed-up"
	BackRestored  = "back-restored"
	Declared      = "declared" // (number of the incarnation)
	Adopted       = "adopted"  // (number of the incarnation)
	Imported      = "imported" // (file)
	Generated     = "generated"
	Commanded     = "commanded"
	Exported      = "exported"
	TakenAgain    = "taken-again"
	SaidAgain     = "said-again"

	BulkStarted = "bulk-started" // (number of things)
	BulkEnded   = "bulk-ended"   // (how many were done, how many refused)
	BulkStopped = "bulk-stopped" // (how many were done, of how many)

	FollowerTries     = "follower-tries"
	FollowerDrops     = "follower-drops"
	FollowerRebuilt   = "follower-rebuilt"
	FollowerForgotten = "follower-forgotten"

	Access = "access" // (what the refusal said)
	Others = "others"
)

// wide reports whether an action concerns the whole installation, also when an administrator of one instance did it:
// only operators see it.
func wide(action string) bool {
	switch action {
	case JobPaused, JobResumed, JobStarted, CachesCleared, LogLevel, NodeForgotten, EventsRead, BackedUp, BackRestored,
		Declared, Adopted, Commanded, TakenAgain, SaidAgain,
		FollowerTries, FollowerDrops, FollowerRebuilt, FollowerForgotten:
		return true
	}
	return false
}

// Sentence tells in English what was done, without who did it.
func (e *Event) Sentence() string { return e.In(lang.In("en")) }

// In tells what was done in the language of w, without who did it.
func (e *Event) In(w *lang.Words) string {
	t := e.Thing.in(w)
	with := func(i int) string {
		if i < len(e.With) {
			return e.With[i]
		}
		return "?"
	}
	switch e.Action {
	case Made:
		return w.Word("audit.did-made", t)
	case Changed:
		return w.Word("audit.did-changed", t)
	case ChangedMany:
		return w.Word("audit.did-changed-many", with(0), KindWord(w, e.Thing.Kind))
	case Deleted:
		return w.Word("audit.did-deleted", t)
	case Moved:
		return w.Word("audit.did-moved", t)
	case Published:
		return w.Word("audit.did-published", t)
	case Scheduled:
		return w.Word("audit.did-scheduled", t, with(0))
	case ExpirySet:
		return w.Word("audit.did-expiry-set", t)
	case Expired:
		return w.Word("audit.did-expired", t)
	case Withdrawn:
		return w.Word("audit.did-withdrawn", t)
	case Discarded:
		return w.Word("audit.did-discarded", t)
	case Restored:
		return w.Word("audit.did-restored", t, with(0))
	case Uploaded:
		return w.Word("audit.did-uploaded", t)
	case Trashed:
		return w.Word("audit.did-trashed", t)
	case Recovered:
		return w.Word("audit.did-recovered", t)
	case BulkStarted:
		return w.Word("audit.did-bulk-started", w.Word(e.Thing.Title), with(0))
	case BulkEnded:
		return w.Word("audit.did-bulk-ended", w.Word(e.Thing.Title), with(0), with(1))
	case BulkStopped:
		return w.Word("audit.did-bulk-stopped", w.Word(e.Thing.Title), with(0), with(1))
	case Merged:
		return w.Word("audit.did-merged", t, with(0))
	}
	if s := e.people(w, t, with); s != "" {
		return s
	}
	return e.operating(w, t, with)
}

// people tells what has to do with accounts and rights, empty for other actions.
func (e *Event) people(w *lang.Words, t string, with func(int) string) string {
	switch e.Action {
	case SignedIn:
		return w.Word("audit.did-signed-in", t)
	case SignedOut:
		return w.Word("audit.did-signed-out")
	case FactorTried:
		if e.Thing.ID == 0 {
			return w.Word("audit.did-factor-tried-unknown")
		}
		return w.Word("audit.did-factor-tried", t)
	case SignIn:
		if e.Thing.ID == 0 {
			return w.Word("audit.did-sign-in-unknown")
		}
		return w.Word("audit.did-sign-in", t)
	case SessionEnded:
		return w.Word("audit.did-session-ended", t)
	case PasswordSet:
		return w.Word("audit.did-password-set", t)
	case PasswordGone:
		return w.Word("audit.did-password-gone", t)
	case PasswordOld:
		return w.Word("audit.did-password-old", t)
	case FactorAdded:
		return w.Word("audit.did-factor-added", with(0), t)
	case FactorGone:
		return w.Word("audit.did-factor-gone", with(0), t)
	case CodesMade:
		return w.Word("audit.did-codes-made", t)
	case PasswordTried:
		return w.Word("audit.did-password-tried", t)
	case LinkAsked:
		return w.Word("audit.did-link-asked", t)
	case LinkMade:
		return w.Word("audit.did-link-made", t)
	case LinkUsed:
		return w.Word("audit.did-link-used")
	case Locked:
		return w.Word("audit.did-locked", t)
	case Unlocked:
		return w.Word("audit.did-unlocked", t)
	case RoleGiven:
		return w.Word("audit.did-role-given", with(0), t)
	case RoleTaken:
		return w.Word("audit.did-role-taken", with(0), t)
	case MemberAdded:
		return w.Word("audit.did-member-added", with(0), t)
	case MemberRemoved:
		return w.Word("audit.did-member-removed", with(0), t)
	case Granted:
		return w.Word("audit.did-granted", actionWord(w, with(0)), t, with(1))
	case GrantTaken:
		return w.Word("audit.did-grant-taken", actionWord(w, with(0)), t, with(1))
	case OwnGrants:
		return w.Word("audit.did-own-grants", t)
	case Inherits:
		return w.Word("audit.did-inherits", t)
	case Access:
		return w.Word(with(0))
	}
	return ""
}

// operating tells what has to do with running the installation.
func (e *Event) operating(w *lang.Words, t string, with func(int) string) string {
	switch e.Action {
	case HostsSet:
		return w.Word("audit.did-hosts-set", t, with(0))
	case JobPaused:
		return w.Word("audit.did-job-paused", e.Thing.Title)
	case JobResumed:
		return w.Word("audit.did-job-resumed", e.Thing.Title)
	case JobStarted:
		return w.Word("audit.did-job-started", e.Thing.Title)
	case LockBroken:
		return w.Word("audit.did-lock-broken", t)
	case CachesCleared:
		return w.Word("audit.did-caches-cleared")
	case LogLevel:
		return w.Word("audit.did-log-level", w.Word(e.Thing.Title), with(0))
	case NodeForgotten:
		return w.Word("audit.did-node-forgotten", e.Thing.Title)
	case EventsRead:
		return w.Word("audit.did-events-read")
	case BackedUp:
		return w.Word("audit.did-backed-up")
	case BackRestored:
		return w.Word("audit.did-back-restored")
	case Declared:
		return w.Word("audit.did-declared", with(0))
	case Adopted:
		return w.Word("audit.did-adopted", with(0))
	case Imported:
		return w.Word("audit.did-imported", with(0))
	case Generated:
		return w.Word("audit.did-generated")
	case Commanded:
		return strings.TrimSpace(w.Word("audit.did-commanded", e.Thing.Title) + " " + strings.Join(e.With, " "))
	case Exported:
		return w.Word("audit.did-exported")
	case TakenAgain:
		return w.Word("audit.did-taken-again")
	case SaidAgain:
		return w.Word("audit.did-said-again")
	case FollowerTries:
		return w.Word("audit.did-follower-tries", e.Thing.Title)
	case FollowerDrops:
		return w.Word("audit.did-follower-drops", e.Thing.Title)
	case FollowerRebuilt:
		return w.Word("audit.did-follower-rebuilt", e.Thing.Title)
	case FollowerForgotten:
		return w.Word("audit.did-follower-forgotten", e.Thing.Title)
	case Others:
		return w.Word("audit.did-others")
	}
	return e.Action // of a version that knows more
}

// AlsoIn names in the language of w what was changed with it.
func (e *Event) AlsoIn(w *lang.Words) []string {
	out := make([]string, len(e.Also))
	for i, also := range e.Also {
		out[i] = also
		if kind, number, ok := strings.Cut(also, " "); ok && !strings.Contains(number, " ") {
			out[i] = w.Word("audit.thing-numbered", KindWord(w, kind), number)
		}
	}
	return out
}

// String names the thing in English: its kind with its title, or its number where it has none.
func (t Thing) String() string { return t.in(lang.In("en")) }

// in is String in the language of w.
func (t Thing) in(w *lang.Words) string {
	kind := KindWord(w, t.Kind)
	switch {
	case t.Title != "":
		return w.Word("audit.thing-titled", kind, t.Title)
	case t.ID != 0:
		return w.Word("audit.thing-numbered", kind, t.ID.String())
	}
	return w.Word("audit.thing-all", kind)
}

// KindWord names a kind of thing in the language of w; a kind that is not known is its own word.
func KindWord(w *lang.Words, kind string) string {
	switch kind {
	case "page":
		return w.Word("audit.kind-page")
	case "redirect":
		return w.Word("audit.kind-redirect")
	case "menu":
		return w.Word("audit.kind-menu")
	case "article":
		return w.Word("audit.kind-article")
	case "file":
		return w.Word("audit.kind-file")
	case "folder":
		return w.Word("audit.kind-folder")
	case "tag":
		return w.Word("audit.kind-tag")
	case "job":
		return w.Word("audit.kind-job")
	case "category":
		return w.Word("audit.kind-category")
	case "user":
		return w.Word("audit.kind-user")
	case "usergroup":
		return w.Word("audit.kind-usergroup")
	case "role":
		return w.Word("audit.kind-role")
	case "grant":
		return w.Word("audit.kind-grant")
	case "site":
		return w.Word("audit.kind-site")
	case "instance":
		return w.Word("audit.kind-instance")
	case "host":
		return w.Word("audit.kind-host")
	case "bulk":
		return w.Word("audit.kind-bulk")
	case "*":
		return w.Word("audit.kind-everything")
	}
	return kind
}

// actionWord names what a role was granted.
func actionWord(w *lang.Words, action string) string {
	switch action {
	case "view":
		return w.Word("audit.action-view")
	case "edit":
		return w.Word("audit.action-edit")
	case "publish":
		return w.Word("audit.action-publish")
	case "manage":
		return w.Word("audit.action-manage")
	}
	return action
}
