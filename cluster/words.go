package cluster

import (
	"encoding/json"
	"fmt"
	"math"

	"github.com/stoa-portal/stoa"
)

// say is a sentence about nodes with what is put into it.
type say struct {
	sentence string
	args     []any
}

// says makes a sentence whose arguments are strings, numbers, durations, and other sentences as *stoa.Error.
func says(sentence string, args ...any) say { return say{sentence, args} }

// String is the sentence in English.
func (s say) String() string {
	args := make([]any, len(s.args))
	for i, a := range s.args {
		if args[i] = a; a != nil {
			if e, ok := a.(*stoa.Error); ok {
				args[i] = e.Message
			}
		}
	}
	return fmt.Sprintf(s.sentence, args...)
}

// asError is the sentence as an argument of another one.
func (s say) asError() *stoa.Error {
	return &stoa.Error{Message: s.String(), Sentence: s.sentence, Args: s.args}
}

// Saying is the event with its text: a sentence with what is put into it, which screens say in other languages.
func (e Event) Saying(sentence string, args ...any) Event {
	e.Text, e.Sentence, e.Args = says(sentence, args...).String(), sentence, args
	return e
}

// Saying is the problem with its message: a clause with what is put into it, which screens say in other languages.
func (p Problem) Saying(sentence string, args ...any) Problem {
	p.Message, p.Sentence, p.Args = says(sentence, args...).String(), sentence, plain(args)
	return p
}

// Said is the finding as an error, which package lang says in other languages.
func (f Finding) Said() *stoa.Error {
	return &stoa.Error{Message: f.Text, Sentence: f.Sentence, Args: f.Args}
}

// Said is the event as an error, which package lang says in other languages.
func (e Event) Said() *stoa.Error {
	return &stoa.Error{Message: e.Text, Sentence: e.Sentence, Args: e.Args}
}

// Said is how far the requirement is met as an error, which package lang says in other languages.
func (r Requirement) Said() *stoa.Error {
	return &stoa.Error{Message: r.Text, Sentence: r.Sentence, Args: r.Args}
}

// said is the message of a problem as a clause. Without a sentence, as a node of an older version tells it, the message
// itself is known in other languages or is English.
func (p Problem) said() *stoa.Error {
	if p.Sentence == "" {
		p.Sentence = p.Message
	}
	return &stoa.Error{Message: oneLine(p.Message), Sentence: p.Sentence, Args: plain(p.Args)}
}

// plain makes arguments what they are after they were sent or kept as JSON: strings and whole numbers.
func plain(args []any) []any {
	out := make([]any, len(args))
	for i, a := range args {
		switch a := a.(type) {
		case string:
			out[i] = a
		case int:
			out[i] = int64(a)
		case int64:
			out[i] = a
		case uint64:
			out[i] = a
		case float64:
			if out[i] = fmt.Sprint(a); a == math.Trunc(a) && math.Abs(a) < 1<<53 {
				out[i] = int64(a)
			}
		default:
			out[i] = fmt.Sprint(a)
		}
	}
	return out
}

// The keys under which the data of an event keeps its sentence and, as JSON, its arguments.
const (
	dataSentence = "sentence"
	dataArgs     = "args"
)

// keepWords puts the sentence of an event into its data, in which the row keeps it.
func (e Event) keepWords() (map[string]string, error) {
	if e.Sentence == "" {
		return e.Data, nil
	}
	raw, err := json.Marshal(plain(e.Args))
	if err != nil {
		return nil, fmt.Errorf("keep the words of an event: %w", err)
	}
	if len(raw) > eventText {
		return e.Data, nil // too long to keep twice: the text is there in English
	}
	data := map[string]string{dataSentence: e.Sentence, dataArgs: string(raw)}
	for key, value := range e.Data {
		data[key] = value
	}
	return data, nil
}

// findWords takes the sentence of an event out of its data.
func (e *Event) findWords() {
	sentence, raw := e.Data[dataSentence], e.Data[dataArgs]
	delete(e.Data, dataSentence)
	delete(e.Data, dataArgs)
	if len(e.Data) == 0 {
		e.Data = nil
	}
	var args []any
	if sentence == "" || json.Unmarshal([]byte(raw), &args) != nil {
		return // the text is there in English
	}
	e.Sentence, e.Args = sentence, plain(args)
}
