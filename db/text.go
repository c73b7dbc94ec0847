package db

import (
	"slices"

	"github.com/stoa-portal/stoa"
)

// Exact is a text that goes into the database byte for byte. It is for copies of rows; all other text is brought into
// the form of stoa.Text on its way, so that what is kept and what is asked for have one form, also where a caller
// forgot it.
type Exact string

// texts gives the arguments of a statement with every text in its one form. Text that is no UTF-8 is refused here on
// all engines, instead of by PostgreSQL alone.
func texts(args []any) ([]any, error) {
	own := false
	for i, a := range args {
		var into any
		switch v := a.(type) {
		case string:
			if stoa.IsText(v) {
				continue
			}
			clean, err := stoa.Text("", v)
			if err != nil {
				return nil, err
			}
			into = clean
		case Exact:
			into = string(v)
		default:
			continue
		}
		if !own { // the caller's slice stays as it is
			args, own = slices.Clone(args), true
		}
		args[i] = into
	}
	return args, nil
}

// notSent is a row that was not asked for, because its statement could not be sent.
type notSent struct{ err error }

// Scan gives the reason.
func (r notSent) Scan(...any) error { return r.err }
