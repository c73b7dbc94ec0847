package bulk

import (
	"encoding/json"
	"fmt"
	"reflect"
	"strconv"
	"time"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/lang"
)

// reason is a *stoa.Error in a row: what is needed to say its sentence in another language.
type reason struct {
	Kind     stoa.Kind `json:"kind,omitempty"`
	Message  string    `json:"message,omitempty"` // in English
	Sentence string    `json:"sentence,omitempty"`
	Args     []arg     `json:"args,omitempty"`
}

// arg is an argument of the sentence; Of is its type.
type arg struct {
	Of    string  `json:"of,omitempty"` // int, id, float, bool, phrase, day or error; empty: a text
	Value string  `json:"value,omitempty"`
	Error *reason `json:"error,omitempty"`
}

// maxReason is how long a message is kept; those of the domain are a sentence.
const maxReason = 2000

func reasonOf(e *stoa.Error) reason {
	out := reason{Kind: e.Kind, Message: stoa.Clip(e.Message, maxReason), Sentence: e.Sentence}
	for _, a := range e.Args {
		out.Args = append(out.Args, argOf(a))
	}
	return out
}

func argOf(a any) arg {
	switch a := a.(type) {
	case stoa.ID:
		return arg{Of: "id", Value: strconv.FormatInt(int64(a), 10)}
	case stoa.Phrase:
		return arg{Of: "phrase", Value: string(a)}
	case lang.Day:
		return arg{Of: "day", Value: time.Time(a).Format(time.RFC3339Nano)}
	case *stoa.Error:
		inner := reasonOf(a)
		return arg{Of: "error", Error: &inner}
	case fmt.Stringer, error:
		return arg{Value: stoa.Clip(fmt.Sprint(a), maxReason)}
	}
	switch v := reflect.ValueOf(a); {
	case v.CanInt():
		return arg{Of: "int", Value: strconv.FormatInt(v.Int(), 10)}
	case v.CanUint():
		return arg{Of: "int", Value: strconv.FormatUint(v.Uint(), 10)}
	case v.CanFloat():
		return arg{Of: "float", Value: strconv.FormatFloat(v.Float(), 'g', -1, 64)}
	case v.Kind() == reflect.Bool:
		return arg{Of: "bool", Value: strconv.FormatBool(v.Bool())}
	}
	return arg{Value: stoa.Clip(fmt.Sprint(a), maxReason)}
}

func (r reason) String() string {
	raw, err := json.Marshal(r)
	if err != nil {
		return "{}" // texts can be written
	}
	return string(raw)
}

// parseReason reads what reason.String has written; what cannot be read is said to have no reason.
func parseReason(text string) *stoa.Error {
	var r reason
	if err := json.Unmarshal([]byte(text), &r); err != nil || r.Message == "" {
		return stoa.Conflict("the reason is not known")
	}
	return r.error()
}

func (r reason) error() *stoa.Error {
	e := &stoa.Error{Kind: r.Kind, Message: r.Message, Sentence: r.Sentence}
	for _, a := range r.Args {
		e.Args = append(e.Args, a.value())
	}
	return e
}

// value gives the argument; one that cannot be read is its text.
func (a arg) value() any {
	var v any
	var err error
	switch a.Of {
	case "int":
		v, err = strconv.ParseInt(a.Value, 10, 64)
	case "id":
		var n int64
		n, err = strconv.ParseInt(a.Value, 10, 64)
		v = stoa.ID(n)
	case "float":
		v, err = strconv.ParseFloat(a.Value, 64)
	case "bool":
		v, err = strconv.ParseBool(a.Value)
	case "phrase":
		return stoa.Phrase(a.Value)
	case "day":
		var t time.Time
		t, err = time.Parse(time.RFC3339Nano, a.Value)
		v = lang.Day(t)
	case "error":
		if a.Error != nil {
			return a.Error.error()
		}
	}
	if v == nil || err != nil {
		return a.Value
	}
	return v
}
