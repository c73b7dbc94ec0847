package main

import (
	"context"
	"errors"
	"fmt"
)

const hintBytes = 1000

// casting is the rounds of one side in which all members send to all.
type casting struct {
	rate       []float64 // messages a second that reached every member
	cpu        []float64 // microseconds of all members together for each message
	sent, lost float64
}

// round lets every member send n messages, by the order how, and waits until all have all.
func (x *casting) round(ctx context.Context, c crew, how string, n int) error {
	all := n * len(c)
	_, err := c.order(ctx, "prepare %d %d", n, hintBytes)
	if err == nil {
		_, err = c.order(ctx, "expect %d", all)
	}
	if err != nil {
		return err
	}
	before, err := cpu(c.pids())
	if err != nil {
		return err
	}
	got, err := c.order(ctx, "%s %d %d", how, n, hintBytes)
	if err != nil {
		return err
	}
	after, err := cpu(c.pids())
	if err != nil {
		return err
	}
	x.cpu = append(x.cpu, float64((after-before).Microseconds())/float64(all))
	x.rate = append(x.rate, float64(all)/most(got, "seconds"))
	x.sent += float64(all * len(c))
	lost := float64(all*len(c)) - total(got, "got")
	x.lost += lost
	if left := total(got, "left"); how == "cast" && left > 0 && lost == 0 {
		return fmt.Errorf("%.0f values are in the caches although every hint was applied", left)
	}
	return nil
}

// measureHints lets all members send hints as fast as they can.
func measureHints(ctx context.Context, b *bed) (s section, err error) {
	stoa, err := b.members(ctx, b.postgres, 3)
	if err != nil {
		return s, err
	}
	defer func() { err = errors.Join(err, stoa.stop()) }()
	n := b.pick(40_000, 5_000)
	type side struct {
		name, how string
		c         crew
		casting
	}
	sides := []*side{
		{name: "Stoa, hints applied to the caches", how: "cast", c: stoa},
		{name: "Stoa, messages counted", how: "plain", c: stoa},
	}
	if b.jgroups != nil {
		peers, err := b.jgroups.start(ctx, b.dir, 3)
		if err != nil {
			return s, err
		}
		defer func() { err = errors.Join(err, peers.stop()) }()
		sides = append(sides, &side{name: "JGroups, messages counted", how: "cast", c: peers})
	}
	for round := range b.rounds + 1 {
		for k := range sides {
			x := sides[(k+round)%len(sides)]
			into := &x.casting
			if round == 0 { // the first is to get warm
				into = &casting{}
			}
			if err := into.round(ctx, x.c, x.how, n); err != nil {
				return s, err
			}
		}
	}
	own, peer := sides[0], sides[len(sides)-1]
	rows := [][]string{
		{"Side", "Messages/s to every member", "against JGroups", "CPU of all members for one", "against JGroups", "Lost"},
	}
	for _, x := range sides {
		rate, spent := "", ""
		if b.jgroups != nil && x != peer {
			rate, spent = about(ratios(x.rate, peer.rate), "%.2f ×"), about(ratios(x.cpu, peer.cpu), "%.2f ×")
		}
		rows = append(
			rows,
			[]string{
				x.name,
				aboutThousands(x.rate),
				rate,
				about(x.cpu, "%.1f µs"),
				spent,
				fmt.Sprintf("%.0f of %s", x.lost, thousands(int(x.sent))),
			},
		)
	}
	f := finding{
		what: "Hints of 1,000 B applied on every node, against JGroups multicast of that size",
		goal: "≥ 2.0 ×",
		left: b.noJGroups,
	}
	if b.jgroups != nil {
		ratio := ratios(own.rate, peer.rate)
		mid, _ := median(ratio)
		f.measured, f.met = about(ratio, "%.2f ×"), mid >= 2
	}
	s.findings = []finding{
		f,
		{
			what:     "Hints lost",
			goal:     "0",
			measured: fmt.Sprintf("%.0f of %s", own.lost, thousands(int(own.sent))),
			met:      own.lost == 0,
		},
	}
	s.text = fmt.Sprintf(
		"All three members send %s messages each, as fast as they can, and a round ends when every member has all of them. "+
			"A hint announces a transaction of %d rows, each of which is looked for in the caches of every node: on the one "+
			"that sends before its hint goes, as after a commit, and on the others when it comes. "+
			"Hints travel together, up to 64 KiB in a message, as the log sends them when there are many; JGroups bundles "+
			"as much. They are made before the time begins. "+
			"Stoa's links are encrypted, those of JGroups are not, and JGroups only counts what arrives, as Stoa does in "+
			"the second line.%s\n\n%s",
		thousands(n),
		len(changesFor(0, hintBytes)),
		b.jgroups.is(),
		table(rows...),
	)
	return s, nil
}
