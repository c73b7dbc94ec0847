package cluster

import (
	"context"
	"fmt"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/db"
)

// Names gives the name of each process life that the database still knows, by its number in the change log. It is for
// operators.
func Names(ctx context.Context, q db.Queryer) (map[int64]string, error) {
	if err := stoa.ActorFrom(ctx).Operates("see the names of nodes"); err != nil {
		return nil, err
	}
	out := map[int64]string{}
	_, err := db.All(ctx, q, func(r db.Scanner) (struct{}, error) {
		var writer int64
		var name string
		err := r.Scan(&writer, &name)
		out[writer] = name
		return struct{}{}, err
	}, "SELECT writer, name FROM cluster_node")
	if err != nil {
		return nil, fmt.Errorf("read the names of nodes: %w", err)
	}
	return out, nil
}
