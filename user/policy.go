package user

import (
	_ "embed"
	"slices"
	"strings"
	"sync"
	"unicode"
	"unicode/utf8"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/passhash"
)

//go:embed common.txt
var commonFile string

// common is the list of common passwords, sorted.
var common = sync.OnceValue(func() []string {
	lines := strings.Split(strings.TrimSpace(commonFile), "\n")
	return slices.DeleteFunc(lines, func(l string) bool { return strings.HasPrefix(l, "#") })
})

// fewest is how many different characters a password has at least.
const fewest = 5

// checkPolicy says what is wrong with a new password for the account: it has a least length, is no login, and is
// nothing that guessing begins with: a repetition, a row of the alphabet, a common password with a few characters more
// (OWASP ASVS 4.0.3, 2.1.1 and 2.1.7). What kinds of characters it has does not matter.
func (s *Service) checkPolicy(u User, password string) error {
	if n := utf8.RuneCountInString(password); n < s.o.MinPassword {
		return stoa.Invalid("password", "the password has %d characters; at least %d are expected", n, s.o.MinPassword)
	}
	if len(password) > passhash.Max || !utf8.ValidString(password) {
		return stoa.Invalid("password", "a password is text of at most %d bytes", passhash.Max)
	}
	bare, core := bareOf(password), coreOf(password)
	local, _, _ := strings.Cut(u.Email, "@")
	for _, login := range []string{u.ScreenName, u.Email, local} {
		if login != "" && (bare == strings.ToLower(login) || core == coreOf(login) && core != "") {
			return stoa.Invalid("password", "the password is the login itself: choose one that is hard to guess")
		}
	}
	if weak(password) {
		return stoa.Invalid("password", "this password is one of those that are tried first: choose one that is hard to "+
			"guess, such as four words that have nothing to do with each other")
	}
	return nil
}

// weak reports whether a password is easy to guess, however long it is.
func weak(password string) bool {
	bare := bareOf(password)
	if distinct(bare) < fewest || repeats(bare) || isRow(bare) {
		return true
	}
	if _, found := slices.BinarySearch(common(), bare); found {
		return true
	}
	// "Password2026!" is "password" with little around it.
	core := coreOf(password)
	if core == "" || utf8.RuneCountInString(bare)-utf8.RuneCountInString(core) > 6 {
		return false
	}
	_, found := slices.BinarySearch(common(), core)
	return found || repeats(core)
}

// bareOf is a password as guessing sees it: without case and spaces around it.
func bareOf(s string) string { return strings.ToLower(strings.TrimSpace(s)) }

// coreOf is bareOf without what is not a letter before and after it.
func coreOf(s string) string {
	return strings.TrimFunc(bareOf(s), func(r rune) bool { return !unicode.IsLetter(r) })
}

func distinct(s string) int {
	seen := map[rune]bool{}
	for _, r := range s {
		seen[r] = true
	}
	return len(seen)
}

// repeats reports whether s is one piece written several times.
func repeats(s string) bool {
	return s != "" && strings.Contains((s + s)[1:2*len(s)-1], s)
}

// isRow reports whether each character is the neighbour of the one before, as in 123456789012 or lkjihgfedcba.
func isRow(s string) bool {
	list := []rune(s)
	var step rune
	for i := 1; i < len(list); i++ {
		d := list[i] - list[i-1]
		switch {
		case list[i-1] == '9' && list[i] == '0', list[i-1] == 'z' && list[i] == 'a':
			d = 1
		case list[i-1] == '0' && list[i] == '9', list[i-1] == 'a' && list[i] == 'z':
			d = -1
		}
		if d != 1 && d != -1 || step != 0 && d != step {
			return false
		}
		step = d
	}
	return len(list) > 1
}
