package main

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// committersPerMember is how many transactions of a member are under way at once.
const committersPerMember = 4

// measureRows lets all members commit as fast as they can.
func measureRows(ctx context.Context, b *bed) (s section, err error) {
	rows := [][]string{{"Database", "Rows a transaction", "Rows/s", "Transactions/s"}}
	for _, server := range []struct{ name, address string }{{"PostgreSQL", b.postgres}, {"MariaDB", b.maria}} {
		if server.address == "" {
			continue
		}
		c, err := b.members(ctx, server.address, 3)
		if err != nil {
			return s, err
		}
		sizes := []int{1, 10, 100}
		rates, transactions := make([][]float64, len(sizes)), make([][]float64, len(sizes))
		for round := range b.rounds + 1 {
			for i, k := range sizes {
				n, seconds, err := commitRound(ctx, c, k, float64(b.pick(3, 1)))
				if err != nil {
					return s, errors.Join(fmt.Errorf("%s: %w", server.name, err), c.stop())
				}
				if round > 0 { // the first is to get warm
					rates[i], transactions[i] = append(rates[i], n*float64(k)/seconds), append(transactions[i], n/seconds)
				}
			}
		}
		if err := c.stop(); err != nil {
			return s, err
		}
		for i, k := range sizes {
			rows = append(rows, []string{server.name, fmt.Sprint(k), aboutThousands(rates[i]), aboutThousands(transactions[i])})
		}
	}
	s.text = fmt.Sprintf("All three members commit transactions, %d at a time each, that write a row of a table and the given number of rows of the change log. "+
		"The time ends when every member has applied every row to its cache, and none is counted that one of them has not.\n\n%s", committersPerMember, table(rows...))
	return s, nil
}

// commitRound gives how many transactions were committed and applied everywhere, and in what time.
func commitRound(ctx context.Context, c crew, k int, seconds float64) (n, took float64, err error) {
	before, err := c.order(ctx, "applied")
	if err != nil {
		return 0, 0, err
	}
	begun := time.Now()
	got, err := c.order(ctx, "commit %d %d %g 0", k, committersPerMember, seconds)
	if err != nil {
		return 0, 0, err
	}
	after, err := c.order(ctx, "applied")
	if err != nil {
		return 0, 0, err
	}
	took = time.Since(begun).Seconds()
	n = total(got, "transactions")
	for i := range after {
		if applied := after[i]["rows"] - before[i]["rows"]; applied < n*float64(k) {
			return 0, 0, fmt.Errorf("%s has applied %.0f of %.0f rows", c[i].name, applied, n*float64(k))
		}
	}
	return n, took, nil
}
