// Package recycle keeps what is in the recycle bin: a row for each thing says who put it there and when, and keeps what
// its owner needs to put it back. The owner's own row stays and is hidden; package asset lists what is in the bin.
package recycle

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/db"
)

// kindTrash is the kind of change of what is in the recycle bin of a site.
const kindTrash = "trash"

// Hidden is added to the site, and to the instance where it has that column, of an owner's row while it is in the
// recycle bin. There is no such site, so that no query of a site finds the row, and no person of such an instance: a
// binary that knows of no recycle bin answers that there is nothing. HiddenSQL is the same in a statement.
const (
	Hidden    stoa.ID = 1 << 62
	HiddenSQL         = "4611686018427387904"
)

// The widths of columns, in bytes.
const (
	maxKind  = 40
	maxTitle = 190
)

// Row is a thing in the recycle bin.
type Row struct {
	Kind     string
	ID       stoa.ID
	Instance stoa.ID
	Site     stoa.ID   // 0: the thing belongs to the whole instance
	Root     stoa.ID   // the thing that took this one along, and with which it comes back; 0: none
	Title    string    // what people call it; empty: its entry has titles
	Address  string    // the path within its site that it had; empty: none
	Gone     bool      // visitors have seen it there, and are told that it is gone
	By       stoa.ID   // who put it there; 0: the portal itself
	ByName   string    // as that person was called then
	At       time.Time // when
	State    string    // what its owner needs to put it back
}

// Ref names a thing.
type Ref struct {
	Kind string
	ID   stoa.ID
}

func (r Ref) String() string { return r.Kind + "-" + r.ID.String() }

// ParseRef reads what Ref.String has written.
func ParseRef(s string) (Ref, error) {
	kind, number, _ := strings.Cut(s, "-")
	id, err := stoa.ParseID(number)
	if err != nil || kind == "" || len(kind) > maxKind {
		return Ref{}, stoa.Invalid("thing", "%q is not the name of a thing", stoa.Clip(s, 60))
	}
	return Ref{kind, id}, nil
}

// Place is where a thing is put back when it is not put where it was.
type Place struct {
	Site   stoa.ID // 0: the site that it was of
	Parent stoa.ID // the folder, page or category that it comes into; 0: the top
}

// Restored is a thing that has left the recycle bin.
type Restored struct {
	Ref
	Address string
	Renamed bool // something else had its address or name by then, so that it got a number
}

// Spot is a place that a person can choose.
type Spot struct {
	ID    stoa.ID
	Title string
	Depth int
}

// Kind says what the recycle bin has to know of a kind of thing.
type Kind struct {
	Kind string
	Name stoa.Phrase // what one is called: a key of package lang
	// Screen is the path of the thing within the control panel, "/menus/42".
	Screen func(id stoa.ID) string
	// May asks whether the actor may change the thing, so that the list has it.
	May func(ctx context.Context, r Row) error
	// Restore puts the row of a thing in the recycle bin back, at to or, when that is nil, where it was; Purge deletes
	// it for good: in the transaction of the caller and with the permission that they need. Both call Take. What has
	// no place any more where it was is NoPlace.
	Restore func(ctx context.Context, tx *db.Tx, id stoa.ID, to *Place) (Restored, error)
	Purge   func(ctx context.Context, tx *db.Tx, id stoa.ID) error
	// Places gives where within a site a thing of the kind can come, as a tree in order, without the top; nil: it has
	// no place to choose.
	Places func(ctx context.Context, site, instance stoa.ID) ([]Spot, error)
	// Sites says that a thing can come into another site of its instance.
	Sites bool
}

// ErrNoPlace is the cause of the errors that NoPlace makes.
var ErrNoPlace = errors.New("the place where it was is not there")

// NoPlace is the Conflict of a thing whose place is gone or in the recycle bin: the person chooses another.
func NoPlace(title string) error {
	err := stoa.Conflict("the place where %q was is gone or in the recycle bin, too: choose another place", title)
	err.Err = ErrNoPlace
	return err
}

// Put writes that a thing is in the recycle bin, in the transaction in which its owner has hidden its row. By, ByName
// and At are those of the transaction unless At is set. It gives what it has written.
func Put(ctx context.Context, tx *db.Tx, r Row) (Row, error) {
	if r.At.IsZero() {
		actor := stoa.ActorFrom(ctx)
		r.By, r.ByName, r.At = actor.User, actor.Name, tx.Now()
	}
	gone := ""
	if r.Gone && r.Address != "" {
		gone = Hash(r.Address)
	}
	err := tx.Insert(ctx, "asset_trash", db.Row{"kind": r.Kind, "id": r.ID, "instance": r.Instance, "site": r.Site,
		"root": r.Root, "address": r.Address, "gone": gone, "trashed": db.Micros(r.At), "trashed_by": r.By,
		"trashed_by_name": stoa.Clip(r.ByName, 180), "state": r.State, "title": clip(r.Title)})
	if err != nil {
		return r, fmt.Errorf("put %s %d into the recycle bin: %w", r.Kind, r.ID, err)
	}
	tx.Changed(kindTrash, r.ID, r.Site, 0)
	return r, nil
}

func clip(title string) string {
	if len(title) <= maxTitle {
		return title
	}
	return strings.ToValidUTF8(title[:maxTitle], "")
}

// Take takes a thing out of the recycle bin, in the transaction in which its owner puts its row back or deletes it. A
// thing that is not there is NotFound.
func Take(ctx context.Context, tx *db.Tx, kind string, id stoa.ID) (Row, error) {
	r, err := One(ctx, tx, kind, id)
	if err != nil {
		return r, err
	}
	n, err := tx.Affected(ctx, "DELETE FROM asset_trash WHERE kind = ? AND id = ?", kind, id)
	if err != nil {
		return r, fmt.Errorf("take %s %d out of the recycle bin: %w", kind, id, err)
	}
	if n == 0 {
		return r, missing(id)
	}
	tx.Changed(kindTrash, id, r.Site, 0)
	return r, nil
}

// TakeRoot is Take of a thing that no other took along: one that did not come alone does not go alone, and is
// NotFound.
func TakeRoot(ctx context.Context, tx *db.Tx, kind string, id stoa.ID) (Row, error) {
	r, err := Take(ctx, tx, kind, id)
	if err == nil && r.Root != 0 {
		err = missing(id)
	}
	return r, err
}

func missing(id stoa.ID) error { return stoa.NotFound("thing in the recycle bin", id) }

const columns = "kind, id, instance, site, root, title, address, gone, trashed, trashed_by, trashed_by_name, state"

func scan(s db.Scanner) (r Row, err error) {
	var gone string
	var at int64
	err = s.Scan(&r.Kind, &r.ID, &r.Instance, &r.Site, &r.Root, &r.Title, &r.Address, &gone, &at, &r.By, &r.ByName,
		&r.State)
	r.Gone, r.At = gone != "", db.Time(at)
	return r, err
}

// One gives a thing in the recycle bin. A thing that is not there is NotFound.
func One(ctx context.Context, q db.Queryer, kind string, id stoa.ID) (Row, error) {
	r, err := db.One(ctx, q, scan, "SELECT "+columns+" FROM asset_trash WHERE kind = ? AND id = ?", kind, id)
	if db.IsNoRows(err) {
		return r, missing(id)
	}
	if err != nil {
		return r, fmt.Errorf("read %s %d in the recycle bin: %w", kind, id, err)
	}
	return r, nil
}

// Along gives the things that a thing in the recycle bin took along, of all kinds, in the order of their ids.
func Along(ctx context.Context, q db.Queryer, root stoa.ID) ([]Row, error) {
	rows, err := Select(ctx, q, "WHERE root = ?", root)
	slices.SortFunc(rows, func(a, b Row) int { return cmp.Compare(a.ID, b.ID) })
	return rows, err
}

// Select gives the rows that the end of a statement chooses.
func Select(ctx context.Context, q db.Queryer, end string, args ...any) ([]Row, error) {
	return db.All(ctx, q, scan, "SELECT "+columns+" FROM asset_trash "+end, args...)
}

// Hash is how the address of a thing that visitors have seen is found.
func Hash(address string) string {
	sum := sha256.Sum256([]byte(address))
	return hex.EncodeToString(sum[:])
}

// Free gives the name, or the first of it with a number for which free is true; none has more bytes than most.
func Free(name string, most int, free func(try string) (bool, error)) (string, error) {
	base := strings.ToValidUTF8(name[:min(len(name), most-8)], "")
	for i := 1; i < 1000; i++ {
		try := name
		if i > 1 {
			try = fmt.Sprintf("%s-%d", base, i)
		}
		ok, err := free(try)
		if err != nil || ok {
			return try, err
		}
	}
	return "", stoa.Conflict("there are too many things called %q already", name)
}

// named is the state of a thing that has lost its name alone.
type named struct {
	Name string `json:"name"`
}

// KeepName gives the state of a thing whose row loses its name in the recycle bin; NameOf gives the name back.
func KeepName(name string) (state string, err error) {
	b, err := json.Marshal(named{name})
	return string(b), err
}

// NameOf is the name that KeepName has kept in the state of a row.
func NameOf(r Row) (string, error) {
	var was named
	if err := json.Unmarshal([]byte(r.State), &was); err != nil {
		return "", fmt.Errorf("how the %s %d was called: %w", r.Kind, r.ID, err)
	}
	return was.Name, nil
}

// FreeName is Free among the names of an instance in a table of things that have one.
func FreeName(ctx context.Context, tx *db.Tx, table string, instance stoa.ID, name string, most int) (string, error) {
	return Free(name, most, func(try string) (bool, error) {
		var n int
		err := tx.QueryRow(ctx, "SELECT count(*) FROM "+table+" WHERE instance = ? AND name = ?", instance, try).Scan(&n)
		return n == 0, err
	})
}
