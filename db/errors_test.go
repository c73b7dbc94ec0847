package db

import (
	"fmt"
	"testing"

	"github.com/stoa-portal/stoa"
)

// unsent is an error as pgx gives it when the connection was closed before anything was sent, and also when
// the answer to COMMIT was lost.
type unsent struct{}

func (unsent) Error() string     { return "conn closed" }
func (unsent) SafeToRetry() bool { return true }

func TestErrors_ClosedConnectionIsRepeatedButSettlesNoCommit(t *testing.T) {
	err := fmt.Errorf("save: %w", unsent{})
	if !isTransient(err) {
		t.Error("the transaction is not repeated")
	}
	if definite(err) {
		t.Error("a COMMIT whose answer was lost counts as one that did not happen")
	}
	if got := stoa.KindOf(wrapUnavailable(err)); got != stoa.KindUnavailable {
		t.Errorf("the kind is %v, want Unavailable", got)
	}
}
