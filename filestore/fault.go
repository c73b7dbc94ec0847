package filestore

import (
	"errors"
	"fmt"

	"github.com/stoa-portal/stoa"
)

// Codes of faults. They are stable: monitors may look for them.
const (
	CodeFull       = "full"        // no space, or the quota is used up
	CodeReadOnly   = "read-only"   // it can be read but not written
	CodeUnreadable = "unreadable"  // permission is missing, or the medium fails
	CodeMissing    = "missing"     // nothing is there: not mounted, moved away, or never made
	CodeOther      = "other-store" // a store with another identity
	CodeNoAnswer   = "no-answer"   // operations do not return
	CodeUnknown    = "unknown"     // which store is the cluster's is not known yet
	CodeUnsafe     = "unsafe"      // two nodes could write over each other
)

// Fault is why a store cannot be used, in the words of the operator; the sentence of the stoa.Error around it is for
// visitors and names no places.
type Fault struct {
	Code string
	Why  string // names the place
	Fix  string
	Err  error // what the system said; may be nil
}

// Error gives reason and cause.
func (f *Fault) Error() string {
	if f.Err == nil {
		return f.Why
	}
	return f.Why + ": " + f.Err.Error()
}

// Unwrap gives what the system said.
func (f *Fault) Unwrap() error { return f.Err }

// FaultOf gives the fault in the chain of err; nil when there is none.
func FaultOf(err error) *Fault {
	var f *Fault
	if errors.As(err, &f) {
		return f
	}
	return nil
}

// unavailable is the error of a store that cannot be used: sentence is for visitors, the fault for the operator.
func unavailable(f *Fault, sentence string, args ...any) error {
	return stoa.Unavailable(f, "%s", fmt.Sprintf(sentence, args...))
}
