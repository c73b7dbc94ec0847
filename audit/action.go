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

	SignedIn      = "signed-in" // (full name)
	SignedOut     = "signed-out"
	SignIn        = "sign-in" // tried in vain
	SessionEnded  = "session-ended"
	PasswordSet   = "password-set"
	PasswordGone  = "password-gone"
	PasswordOld   = "password-old" // the old password that was typed was wrong
	PasswordTried = "password-tried"
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

	Access = "access" // (what the refusal said)
	Others = "others"
)

// wide reports whether an action concerns the whole installation, also when an administrator of one instance did it: only operators see it.
func wide(action string) bool {
	switch action {
	case JobPaused, JobResumed, JobStarted, CachesCleared, LogLevel, NodeForgotten, EventsRead, BackedUp, BackRestored,
		Declared, Adopted, Commanded, TakenAgain:
		return true
	}
	return false
}

// Sentence tells in English what was done, without who did it.
func (e *Event) Sentence() string {
	t := e.Thing.String()
	with := func(i int) string {
		if i < len(e.With) {
			return e.With[i]
		}
		return "?"
	}
	switch e.Action {
	case Made:
		return lang.Word("audit.did-made", t)
	case Changed:
		return lang.Word("audit.did-changed", t)
	case ChangedMany:
		return lang.Word("audit.did-changed-many", with(0), kindWord(e.Thing.Kind))
	case Deleted:
		return lang.Word("audit.did-deleted", t)
	case Moved:
		return lang.Word("audit.did-moved", t)
	case Published:
		return lang.Word("audit.did-published", t)
	case Scheduled:
		return lang.Word("audit.did-scheduled", t, with(0))
	case ExpirySet:
		return lang.Word("audit.did-expiry-set", t)
	case Expired:
		return lang.Word("audit.did-expired", t)
	case Withdrawn:
		return lang.Word("audit.did-withdrawn", t)
	case Discarded:
		return lang.Word("audit.did-discarded", t)
	case Restored:
		return lang.Word("audit.did-restored", t, with(0))
	case Uploaded:
		return lang.Word("audit.did-uploaded", t)
	}
	if s := e.people(t, with); s != "" {
		return s
	}
	return e.operating(t, with)
}

// people tells what has to do with accounts and rights, empty for other actions.
func (e *Event) people(t string, with func(int) string) string {
	switch e.Action {
	case SignedIn:
		return lang.Word("audit.did-signed-in", t)
	case SignedOut:
		return lang.Word("audit.did-signed-out")
	case SignIn:
		if e.Thing.ID == 0 {
			return lang.Word("audit.did-sign-in-unknown")
		}
		return lang.Word("audit.did-sign-in", t)
	case SessionEnded:
		return lang.Word("audit.did-session-ended", t)
	case PasswordSet:
		return lang.Word("audit.did-password-set", t)
	case PasswordGone:
		return lang.Word("audit.did-password-gone", t)
	case PasswordOld:
		return lang.Word("audit.did-password-old", t)
	case FactorAdded:
		return lang.Word("audit.did-factor-added", with(0), t)
	case FactorGone:
		return lang.Word("audit.did-factor-gone", with(0), t)
	case CodesMade:
		return lang.Word("audit.did-codes-made", t)
	case PasswordTried:
		return lang.Word("audit.did-password-tried", t)
	case LinkAsked:
		return lang.Word("audit.did-link-asked", t)
	case LinkMade:
		return lang.Word("audit.did-link-made", t)
	case LinkUsed:
		return lang.Word("audit.did-link-used")
	case Locked:
		return lang.Word("audit.did-locked", t)
	case Unlocked:
		return lang.Word("audit.did-unlocked", t)
	case RoleGiven:
		return lang.Word("audit.did-role-given", with(0), t)
	case RoleTaken:
		return lang.Word("audit.did-role-taken", with(0), t)
	case MemberAdded:
		return lang.Word("audit.did-member-added", with(0), t)
	case MemberRemoved:
		return lang.Word("audit.did-member-removed", with(0), t)
	case Granted:
		return lang.Word("audit.did-granted", with(0), t, with(1))
	case GrantTaken:
		return lang.Word("audit.did-grant-taken", with(0), t, with(1))
	case OwnGrants:
		return lang.Word("audit.did-own-grants", t)
	case Inherits:
		return lang.Word("audit.did-inherits", t)
	case Access:
		return with(0)
	}
	return ""
}

// operating tells what has to do with running the installation.
func (e *Event) operating(t string, with func(int) string) string {
	switch e.Action {
	case HostsSet:
		return lang.Word("audit.did-hosts-set", t, with(0))
	case JobPaused:
		return lang.Word("audit.did-job-paused", e.Thing.Title)
	case JobResumed:
		return lang.Word("audit.did-job-resumed", e.Thing.Title)
	case JobStarted:
		return lang.Word("audit.did-job-started", e.Thing.Title)
	case LockBroken:
		return lang.Word("audit.did-lock-broken", t)
	case CachesCleared:
		return lang.Word("audit.did-caches-cleared")
	case LogLevel:
		return lang.Word("audit.did-log-level", e.Thing.Title, with(0))
	case NodeForgotten:
		return lang.Word("audit.did-node-forgotten", e.Thing.Title)
	case EventsRead:
		return lang.Word("audit.did-events-read")
	case BackedUp:
		return lang.Word("audit.did-backed-up")
	case BackRestored:
		return lang.Word("audit.did-back-restored")
	case Declared:
		return lang.Word("audit.did-declared", with(0))
	case Adopted:
		return lang.Word("audit.did-adopted", with(0))
	case Imported:
		return lang.Word("audit.did-imported", with(0))
	case Generated:
		return lang.Word("audit.did-generated")
	case Commanded:
		return strings.TrimSpace(lang.Word("audit.did-commanded", e.Thing.Title) + " " + strings.Join(e.With, " "))
	case Exported:
		return lang.Word("audit.did-exported")
	case TakenAgain:
		return lang.Word("audit.did-taken-again")
	case Others:
		return lang.Word("audit.did-others")
	}
	return e.Action // of a version that knows more
}

// String names the thing: its kind with its title, or its number where it has none.
func (t Thing) String() string {
	kind := kindWord(t.Kind)
	switch {
	case t.Title != "":
		return lang.Word("audit.thing-titled", kind, t.Title)
	case t.ID != 0:
		return lang.Word("audit.thing-numbered", kind, t.ID.String())
	}
	return lang.Word("audit.thing-all", kind)
}

// kindWord names a kind of thing.
func kindWord(kind string) string {
	switch kind {
	case "page":
		return lang.Word("audit.kind-page")
	case "redirect":
		return lang.Word("audit.kind-redirect")
	case "menu":
		return lang.Word("audit.kind-menu")
	case "article":
		return lang.Word("audit.kind-article")
	case "file":
		return lang.Word("audit.kind-file")
	case "folder":
		return lang.Word("audit.kind-folder")
	case "tag":
		return lang.Word("audit.kind-tag")
	case "job":
		return lang.Word("audit.kind-job")
	case "category":
		return lang.Word("audit.kind-category")
	case "user":
		return lang.Word("audit.kind-user")
	case "usergroup":
		return lang.Word("audit.kind-usergroup")
	case "role":
		return lang.Word("audit.kind-role")
	case "grant":
		return lang.Word("audit.kind-grant")
	case "site":
		return lang.Word("audit.kind-site")
	case "instance":
		return lang.Word("audit.kind-instance")
	case "host":
		return lang.Word("audit.kind-host")
	case "*":
		return lang.Word("audit.kind-everything")
	}
	return kind
}
