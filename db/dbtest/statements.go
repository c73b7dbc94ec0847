package dbtest

import (
	"regexp"
	"strings"
	"sync"
)

// Statements collects what is asked of a database, each statement that is another with a few of its arguments: its
// Watch is for db.Options.Watch. It is safe for concurrent use.
type Statements struct {
	mu   sync.Mutex
	seen map[string]int // times kept, by the shape of the statement
	all  []Statement
}

// Statement is one that was asked, with its arguments.
type Statement struct {
	SQL  string
	Args []any
}

// kept is how many sets of arguments of one statement are looked at: the first may be one that finds nothing.
const kept = 3

var lists = regexp.MustCompile(`\(\?(, ?\?)*\)(, ?\(\?(, ?\?)*\))*`)

// shape is what statements have in common that differ by the length of a list.
func shape(sql string) string {
	return lists.ReplaceAllString(strings.Join(strings.Fields(sql), " "), "(?)")
}

// Watch takes a statement. What writes rows as they are given reads none, so it is left out.
func (s *Statements) Watch(query string, args []any) {
	word, _, _ := strings.Cut(strings.TrimSpace(query), " ")
	switch strings.ToUpper(word) {
	case "SELECT", "UPDATE", "DELETE", "WITH", "(SELECT":
	case "INSERT":
		if !strings.Contains(query, "SELECT") {
			return
		}
	default:
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.seen == nil {
		s.seen = map[string]int{}
	}
	key := shape(query)
	if s.seen[key] >= kept {
		return
	}
	s.seen[key]++
	s.all = append(s.all, Statement{SQL: query, Args: append([]any(nil), args...)})
}

// All gives what was collected.
func (s *Statements) All() []Statement {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]Statement(nil), s.all...)
}
