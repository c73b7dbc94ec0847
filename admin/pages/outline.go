package pages

import (
	"slices"
	"strconv"
	"strings"

	"github.com/stoa-portal/stoa"
)

// The rows of a menu are moved by outline.js in the browser, and by these functions where no script runs: the buttons
// send the form, and the screen comes back with the row at its new place. Both follow the same rules: a row moves with
// the rows that belong to it, up and down among its siblings, in below the sibling above it, out behind its parent.

// blockEnd gives the index behind the last row that belongs to rows[i].
func blockEnd(rows []menuRow, i int) int {
	end := i + 1
	for end < len(rows) && rows[end].Depth > rows[i].Depth {
		end++
	}
	return end
}

// siblingAbove gives the sibling before rows[i], or -1.
func siblingAbove(rows []menuRow, i int) int {
	for k := i - 1; k >= 0 && rows[k].Depth >= rows[i].Depth; k-- {
		if rows[k].Depth == rows[i].Depth {
			return k
		}
	}
	return -1
}

// moved gives the rows after rows[i] was moved up, down, in or out, and reports whether it can be.
func moved(rows []menuRow, i int, how string) ([]menuRow, bool) {
	if i < 0 || i >= len(rows) {
		return rows, false
	}
	end := blockEnd(rows, i)
	block := slices.Clone(rows[i:end])
	rest := slices.Concat(rows[:i], rows[end:])
	at, by := i, 0
	switch how {
	case "up":
		at = siblingAbove(rows, i)
	case "down":
		if at = -1; end < len(rows) && rows[end].Depth == rows[i].Depth {
			at = blockEnd(rows, end) - len(block)
		}
	case "in":
		by = 1
		deepest := slices.MaxFunc(block, func(a, b menuRow) int { return a.Depth - b.Depth }).Depth
		if siblingAbove(rows, i) < 0 || deepest+by >= menuDepth {
			at = -1
		}
	case "out":
		by = -1
		if rows[i].Depth == 0 {
			return rows, false
		}
		for at < len(rest) && rest[at].Depth >= rows[i].Depth { // behind the siblings, which stay with the parent
			at++
		}
	default:
		at = -1
	}
	if at < 0 {
		return rows, false
	}
	for k := range block {
		block[k].Depth += by
	}
	return slices.Insert(rest, at, block...), true
}

// arranged does what a button of the form asks for: "up 3", "in 0", "remove 2", "add".
func arranged(rows []menuRow, do string) ([]menuRow, error) {
	how, number, _ := strings.Cut(do, " ")
	if how == "add" {
		return append(rows, menuRow{}), nil
	}
	i, err := strconv.Atoi(number)
	if err != nil || i < 0 || i >= len(rows) {
		return nil, stoa.Invalid("items", "the menu has no row %.20q", number)
	}
	if how == "remove" {
		return removed(rows, i), nil
	}
	out, _ := moved(rows, i, how)
	return out, nil
}

// removed takes rows[i] away; what belongs to it stays, one level further out.
func removed(rows []menuRow, i int) []menuRow {
	end := blockEnd(rows, i)
	for k := i + 1; k < end; k++ {
		rows[k].Depth--
	}
	return slices.Delete(rows, i, i+1)
}

// filled leaves out rows without anything in them, which are no entries.
func filled(rows []menuRow) []menuRow {
	out := slices.Clone(rows)
	for i := 0; i < len(out); {
		if r := out[i]; r.Label != "" || r.Page != "" || r.URL != "" {
			i++
			continue
		}
		out = removed(out, i)
	}
	return out
}

// level brings the depths into what a tree can have: the first row at the top, each other at most one level below the
// row before it.
func level(rows []menuRow) {
	for i := range rows {
		most := 0
		if i > 0 {
			most = min(rows[i-1].Depth+1, menuDepth-1)
		}
		rows[i].Depth = min(rows[i].Depth, most)
	}
}

// ways marks how each row can be moved.
func ways(rows []menuRow) {
	for i := range rows {
		_, rows[i].Up = moved(rows, i, "up")
		_, rows[i].Down = moved(rows, i, "down")
		_, rows[i].In = moved(rows, i, "in")
		rows[i].Out = rows[i].Depth > 0
	}
}
