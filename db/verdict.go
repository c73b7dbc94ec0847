package db

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Token names one history of the data: a number that only rises, and a random word that no other history
// has, whatever number it took. Which histories a database has been through is part of its data, so it
// goes wherever the data goes: to a replica, into a dump, onto a clone.
type Token struct {
	Number int64  `json:"number"`
	Value  string `json:"token"`
}

// MovedPrefix begins the token of a database that was copied elsewhere for good; the new address follows.
const MovedPrefix = "moved:"

// How an incarnation began.
const (
	howFirst     = "first"
	howContinued = "continued" // on another server, nothing lost
	howLoss      = "loss"      // commits at the end are missing
	howUnproven  = "unproven"  // on another server, by a node that remembered nothing: it may be a copy
)

// shown is what a server shows of the data's history on one connection.
type shown struct {
	fingerprint string  // of the server, see readFingerprint
	readOnly    string  // why it takes no writes; empty when it does
	pending     string  // what it has received and not applied yet; empty when there is nothing
	made        bool    // it has the tables of the history
	number      int64   // of the newest incarnation
	token       string  // of the newest incarnation
	tokens      []Token // all incarnations, in the order of their numbers
	restored    int64   // the newest number that an operator began, 0 for none
	unproven    int64   // the newest number that a node began which did not know whether the data is a copy
	beat, seen  int64   // the beat of the mark's writer, and when that writer beat by its own clock; beat −1: it has none
}

// HowRestored is how an incarnation began when an operator said that this is the database from now on.
const HowRestored = "restored"

// add notes an incarnation; they come in the order of their numbers.
func (s *shown) add(t Token, how string) {
	s.tokens = append(s.tokens, t)
	switch how {
	case HowRestored:
		s.restored = t.Number
	case howUnproven:
		s.unproven = t.Number
	}
}

// mark is the newest heartbeat of this node that is known to be committed.
type mark struct {
	writer, beat, seen int64 // seen is by this node's wall clock, in microseconds
}

// known is what this node remembers of the history, from this life and the one before.
type known struct {
	tokens      []Token // in the order of their numbers
	fingerprint string  // of the server that was followed last
	mark        mark
	// behind says by how much the mark is ahead of a beat that a server shows.
	behind func(beat, seen int64) time.Duration
}

func (k known) newest() Token { return last(k.tokens) }

func last(tokens []Token) Token {
	if len(tokens) == 0 {
		return Token{}
	}
	return tokens[len(tokens)-1]
}

// verdict is what this node makes of what a server shows.
type verdict int

const (
	same      verdict = iota // the server and the history that this node knows
	newer                    // that history, with incarnations that other nodes or an operator have begun since
	continued                // that history on another server, nothing of this node lost
	lossy                    // that history without its end
	fresh                    // no history yet: an empty database, and none is known
	behind                   // less than this node knows: an old primary, a restored dump, a delayed replica, a clone
	fork                     // another history than this node knows
	emptied                  // no history, and one is known
	readOnly                 // it takes no writes
)

func (v verdict) String() string {
	return [...]string{"same", "newer", "continued", "continued with loss", "fresh", "behind", "fork", "empty",
		"read-only"}[v]
}

// usable reports whether a node may follow a server with this verdict.
func (v verdict) usable() bool { return v <= fresh }

// finding is a verdict with its reason, for the log and the status.
type finding struct {
	verdict verdict
	agreed  bool          // an operator has said that this database counts
	lost    time.Duration // how much of this node's time is missing, with newer, lossy and behind
	reason  string        // what is missing, with behind, fork and emptied
}

// judge decides by content: the tokens and this node's own newest beat. Who the server is only explains.
// accept bounds how much may be missing at the end (db.loss.accept): the time for which a node can name
// its lost commits.
func judge(k known, s shown, accept time.Duration) finding {
	switch {
	case s.readOnly != "":
		return finding{verdict: readOnly, reason: s.readOnly}
	case !s.made && len(k.tokens) == 0:
		return finding{verdict: fresh}
	case !s.made:
		return finding{verdict: emptied, reason: fmt.Sprintf("it is empty, and this node knows %s", of(k.newest()))}
	case len(k.tokens) == 0:
		return finding{verdict: newer} // nothing is known that could be missing
	}
	agreed := s.restored > k.newest().Number // an operator has seen what is missing
	var missing []Token
	for _, t := range k.tokens {
		i, found := slices.BinarySearchFunc(s.tokens, t.Number,
			func(o Token, n int64) int { return cmp.Compare(o.Number, n) })
		switch {
		case !found:
			missing = append(missing, t)
		case s.tokens[i].Value != t.Value && !agreed:
			return finding{
				verdict: fork,
				reason:  fmt.Sprintf("its incarnation %d is not the one that this node knows", t.Number),
			}
		case s.tokens[i].Value != t.Value:
			missing = append(missing, t)
		}
	}
	if agreed {
		return finding{verdict: newer, agreed: true}
	}
	lost := time.Duration(0)
	if k.mark.writer != 0 && s.beat < k.mark.beat {
		lost = k.behind(s.beat, s.seen)
	}
	switch {
	case len(missing) > 1, len(missing) == 1 && (missing[0] != k.newest() || !laterTimeline(k.fingerprint, s.fingerprint)):
		return finding{behind, false, lost, "it lacks " + of(missing[len(missing)-1])}
	case lost > accept:
		return finding{behind, false, lost, fmt.Sprintf("it lacks this node's last %s", lost.Round(time.Second))}
	case s.pending != "":
		return finding{behind, false, lost, "it has not applied what it received: " + s.pending}
	case len(missing) == 1:
		return finding{verdict: lossy, lost: lost}
	case s.number > k.newest().Number:
		return finding{verdict: newer, lost: lost}
	case lost > 0:
		return finding{verdict: lossy, lost: lost}
	case sameHistory(k.fingerprint, s.fingerprint):
		return finding{verdict: same}
	}
	return finding{verdict: continued}
}

func of(t Token) string { return fmt.Sprintf("incarnation %d (%.8s)", t.Number, t.Value) }

// laterTimeline reports whether b is the same PostgreSQL cluster as a on a higher timeline: then it was
// promoted from what a wrote, and stands for a token that was lost with the end of a's timeline.
func laterTimeline(a, b string) bool {
	systemA, lineA, okA := timeline(a)
	systemB, lineB, okB := timeline(b)
	return okA && okB && systemA == systemB && lineB > lineA
}

// samePlace reports whether two fingerprints are of one server in different lives, or of servers of one
// PostgreSQL cluster.
func samePlace(a, b string) bool {
	systemA, _, okA := timeline(a)
	systemB, _, okB := timeline(b)
	headA, _, _ := strings.Cut(a, " start ")
	headB, _, _ := strings.Cut(b, " start ")
	return okA && okB && systemA == systemB || headA == headB
}

// galeraPrefix begins the fingerprint of a Galera cluster, which is the same on all its servers.
const galeraPrefix = "galera "

func isGalera(fingerprint string) bool { return strings.HasPrefix(fingerprint, galeraPrefix) }

// timeline reads "postgres SYSTEM TIMELINE".
func timeline(fingerprint string) (system string, line uint64, ok bool) {
	f := strings.Fields(fingerprint)
	if len(f) != 3 || f[0] != "postgres" || f[1] == "?" {
		return "", 0, false
	}
	line, err := strconv.ParseUint(f[2], 16, 32)
	return f[1], line, err == nil
}

// contains reports whether all of part are in whole. Both are in the order of their numbers.
func contains(whole, part []Token) bool {
	return !slices.ContainsFunc(part, func(t Token) bool {
		if len(whole) == keptTokens && t.Number < whole[0].Number {
			return false // forgotten there
		}
		return !slices.Contains(whole, t)
	})
}
