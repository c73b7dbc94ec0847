package asset

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"strings"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/db"
)

// The widths of columns, in bytes.
const (
	maxKind = 40
	maxForm = 120
)

// Put writes the entry of a thing, in the transaction in which its owner has made or changed the thing's row: that row
// is locked by then, so that the entries of one thing are written one after the other and the last is that of the
// last row. It notes no change: the owner does.
func Put(ctx context.Context, tx *db.Tx, e Entry) error {
	r, err := rowOf(e)
	if err != nil {
		return err
	}
	if done, err := update(ctx, tx, r); err != nil || done {
		return err
	}
	var was Status
	err = tx.QueryRow(ctx, "SELECT status FROM asset_entry WHERE kind = ? AND id = ?", e.Kind, e.ID).Scan(&was)
	if err != nil && !db.IsNoRows(err) {
		return fmt.Errorf("read the entry of %s %d: %w", e.Kind, e.ID, err)
	}
	// What is new may have been referred to before it was known here.
	if (was == Trashed) != (e.Status == Trashed) || err != nil {
		if _, err := markLinks(ctx, tx, e.Kind, e.ID, e.Status == Trashed); err != nil {
			return err
		}
	}
	if err := forgetWords(ctx, tx, e.Kind, e.ID); err != nil {
		return err
	}
	if err := write(ctx, tx, r); err != nil {
		return err
	}
	return putWords(ctx, tx, r)
}

// PutNew writes the entries of things that the transaction has made, all in few statements. As their ids are new, there
// is no entry of theirs and no reference to them.
func PutNew(ctx context.Context, tx *db.Tx, entries []Entry) error {
	rows, words := make([]db.Row, 0, len(entries)), []db.Row(nil)
	for _, e := range entries {
		r, err := rowOf(e)
		if err != nil {
			return err
		}
		rows = append(rows, r.columns())
		for i, w := range strings.Fields(r.words) {
			words = append(words, db.Row{"kind": r.Kind, "id": r.ID, "place": i, "site": r.Site, "word": []byte(w)})
		}
	}
	if err := tx.InsertAll(ctx, "asset_entry", rows); err != nil {
		return fmt.Errorf("write %d entries: %w", len(rows), err)
	}
	if err := tx.InsertAll(ctx, "asset_word", words); err != nil {
		return fmt.Errorf("write the words of %d entries: %w", len(rows), err)
	}
	return nil
}

// Remove takes the entry of a thing away, with what it refers to, in the transaction in which its owner has deleted
// the thing's row. What refers to it stays, as a reference that leads nowhere.
func Remove(ctx context.Context, tx *db.Tx, kind string, id stoa.ID) error {
	if err := forgetWords(ctx, tx, kind, id); err != nil {
		return err
	}
	for _, table := range []string{"asset_link", "asset_entry"} {
		if _, err := tx.Exec(ctx, "DELETE FROM "+table+" WHERE kind = ? AND id = ?", kind, id); err != nil {
			return fmt.Errorf("remove the entry of %s %d: %w", kind, id, err)
		}
	}
	_, err := markLinks(ctx, tx, kind, id, true)
	return err
}

// row is an entry in the form in which it is kept.
type row struct {
	Entry
	titles, words string
	key           []byte

	at          spot // of a list: where it stands
	gone, loose bool // of a list: it was deleted while it was read; it is still to be held to the words
}

// rowOf checks an entry. What it refuses is a mistake of the owner's program: an owner has checked what people typed.
func rowOf(e Entry) (row, error) {
	switch {
	case e.Kind == "" || len(e.Kind) > maxKind || e.ID <= 0 || e.Instance <= 0 || e.Site <= 0:
		return row{}, fmt.Errorf("asset: an entry needs a kind, an id, an instance and a site, not %q %d %d %d",
			e.Kind, e.ID, e.Instance, e.Site)
	case !e.Status.Known():
		return row{}, fmt.Errorf("asset: %s %d has the status %q, which there is not", e.Kind, e.ID, e.Status)
	case e.Status == Trashed && e.Shown:
		return row{}, fmt.Errorf("asset: %s %d is in the recycle bin and shown", e.Kind, e.ID)
	}
	if len(e.Form) > maxForm {
		e.Form = strings.ToValidUTF8(e.Form[:maxForm], "")
	}
	titles, err := json.Marshal(e.Titles)
	if err != nil {
		return row{}, err
	}
	return row{
		Entry: e, titles: string(titles), key: SortKey(e.Title(e.Locale)), words: strings.Join(wordsOf(e.Titles), " "),
	}, nil
}

// update writes an entry that is there, where its words stay as they are and it neither comes from the recycle bin nor
// goes there: what most saves need, in one statement. "site + 0" leaves it no index but that of the key: by one of the
// site MariaDB would wait for rows of others that are being written.
func update(ctx context.Context, tx *db.Tx, r row) (done bool, err error) {
	bin := "<>"
	if r.Status == Trashed {
		bin = "="
	}
	n, err := tx.Affected(ctx, "UPDATE asset_entry SET instance = ?, parent = ?, form = ?, status = ?, shown = ?, "+
		"restricted = ?, locale = ?, titles = ?, title_key = ?, owner = ?, created = ?, modified = ?, publish = ?, "+
		"expire = ?, version = ? WHERE kind = ? AND id = ? AND site + 0 = ? AND words = ? AND status "+bin+" ?",
		r.Instance, r.Parent, r.Form, string(r.Status), r.Shown, r.Restricted, string(r.Locale), r.titles, r.key,
		r.Owner, db.Micros(r.Created), db.Micros(r.Modified), db.Micros(r.Publish), db.Micros(r.Expire), r.Version,
		r.Kind, r.ID, r.Site, r.words, string(Trashed))
	if err != nil {
		return false, fmt.Errorf("write the entry of %s %d: %w", r.Kind, r.ID, err)
	}
	return n > 0, nil
}

// columns is the row as it is stored.
func (r row) columns() db.Row {
	return db.Row{
		"kind": r.Kind, "id": r.ID, "instance": r.Instance, "site": r.Site, "parent": r.Parent, "form": r.Form,
		"status": string(r.Status), "shown": r.Shown, "restricted": r.Restricted, "locale": string(r.Locale),
		"titles": r.titles, "title_key": r.key, "words": r.words, "owner": r.Owner,
		"created": db.Micros(r.Created), "modified": db.Micros(r.Modified), "publish": db.Micros(r.Publish),
		"expire": db.Micros(r.Expire), "version": r.Version,
	}
}

func write(ctx context.Context, tx *db.Tx, r row) error {
	err := tx.Upsert(ctx, "asset_entry", []string{"kind", "id"}, r.columns())
	if err != nil {
		return fmt.Errorf("write the entry of %s %d: %w", r.Kind, r.ID, err)
	}
	return nil
}

func forgetWords(ctx context.Context, tx *db.Tx, kind string, id stoa.ID) error {
	if _, err := tx.Exec(ctx, "DELETE FROM asset_word WHERE kind = ? AND id = ?", kind, id); err != nil {
		return fmt.Errorf("forget the words of %s %d: %w", kind, id, err)
	}
	return nil
}

func putWords(ctx context.Context, tx *db.Tx, r row) error {
	words := strings.Fields(r.words)
	if len(words) == 0 {
		return nil
	}
	args := make([]any, 0, 5*len(words))
	for i, w := range words {
		args = append(args, r.Kind, r.ID, i, r.Site, []byte(w))
	}
	q := "INSERT INTO asset_word (kind, id, place, site, word) VALUES " +
		strings.TrimSuffix(strings.Repeat(db.In(5)+", ", len(words)), ", ")
	if _, err := tx.Exec(ctx, q, args...); err != nil {
		return fmt.Errorf("write the words of %s %d: %w", r.Kind, r.ID, err)
	}
	return nil
}

const columns = "e.kind, e.id, e.instance, e.site, e.parent, e.form, e.status, e.shown, e.restricted, e.locale, " +
	"e.titles, e.title_key, e.words, e.owner, e.created, e.modified, e.publish, e.expire, e.version"

// bareColumns are columns without titles and what is made of them, for those who count.
const bareColumns = "e.kind, e.id, e.instance, e.site, e.parent, e.form, e.status, e.shown, e.restricted, e.locale, " +
	"'{}', NULL, '', e.owner, e.created, e.modified, e.publish, e.expire, e.version"

func scanRow(s db.Scanner) (r row, err error) {
	var created, modified, publish, expire int64
	err = s.Scan(&r.Kind, &r.ID, &r.Instance, &r.Site, &r.Parent, &r.Form, &r.Status, &r.Shown, &r.Restricted, &r.Locale,
		&r.titles, &r.key, &r.words, &r.Owner, &created, &modified, &publish, &expire, &r.Version)
	if err != nil {
		return r, err
	}
	r.Created, r.Modified = db.Time(created), db.Time(modified)
	r.Publish, r.Expire = db.Time(publish), db.Time(expire)
	if err := json.Unmarshal([]byte(r.titles), &r.Titles); err != nil {
		return r, fmt.Errorf("titles of %s %d: %w", r.Kind, r.ID, err)
	}
	return r, nil
}

// same reports whether two rows are kept alike.
func (r row) same(o row) bool {
	a, b := r.Entry, o.Entry
	return a.Kind == b.Kind && a.ID == b.ID && a.Instance == b.Instance && a.Site == b.Site && a.Parent == b.Parent &&
		a.Form == b.Form && a.Status == b.Status && a.Shown == b.Shown && a.Restricted == b.Restricted &&
		a.Locale == b.Locale && a.Owner == b.Owner && a.Version == b.Version &&
		db.Micros(a.Created) == db.Micros(b.Created) && db.Micros(a.Modified) == db.Micros(b.Modified) &&
		db.Micros(a.Publish) == db.Micros(b.Publish) && db.Micros(a.Expire) == db.Micros(b.Expire) &&
		maps.Equal(a.Titles, b.Titles) && r.words == o.words && bytes.Equal(r.key, o.key)
}

// Enter puts the entry of a thing of the type as its row stands, or removes it where there is no row any more: what an
// owner calls in each transaction that makes, changes or deletes the row, when all that belongs to it is written.
func Enter(ctx context.Context, tx *db.Tx, t Type, id stoa.ID) error {
	_, err := enter(ctx, tx, t, id)
	return err
}

// EnterLinked is Enter of a thing of a registered kind that also replaces all it refers to by what its type reads.
func (s *Service) EnterLinked(ctx context.Context, tx *db.Tx, kind string, id stoa.ID) error {
	t, ok := s.Type(kind)
	if !ok {
		return fmt.Errorf("asset: the kind %q is not registered", kind)
	}
	e, err := enter(ctx, tx, t, id)
	if err != nil || e.ID == 0 {
		return err
	}
	return s.relink(ctx, tx, t, e)
}

func enter(ctx context.Context, tx *db.Tx, t Type, id stoa.ID) (Entry, error) {
	entries, err := t.Read(ctx, tx, []stoa.ID{id})
	if err != nil {
		return Entry{}, fmt.Errorf("read the row of %s %d: %w", t.Kind, id, err)
	}
	for _, e := range entries {
		if e.ID == id {
			return e, Put(ctx, tx, e)
		}
	}
	return Entry{}, Remove(ctx, tx, t.Kind, id)
}
