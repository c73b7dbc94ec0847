package server

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/asset"
	"github.com/stoa-portal/stoa/change"
	"github.com/stoa-portal/stoa/cluster"
	"github.com/stoa-portal/stoa/follow"
)

// openFollowers makes the followers of the change log. They run once the node does, and not for a command.
func (s *Server) openFollowers() (err error) {
	s.Follow, err = follow.New(follow.Options{DB: s.DB, Log: s.Log, Node: s.Node.ID(), Logger: s.log,
		Lease: func(name string) follow.Lease { return s.Node.Lease(name) }})
	if err != nil {
		return err
	}
	s.following.Store(s.Follow)
	return s.addFollowers()
}

// addFollowers lists those that there are.
func (s *Server) addFollowers() error {
	if err := s.Follow.Add(s.assetFollower()); err != nil || !s.hasIndex() {
		return err
	}
	return s.Follow.Add(s.Search.Follower())
}

// assetGather is how long what is changed is gathered before its entries are looked at.
const assetGather = time.Second

// assetFollower enters what nodes of the version before write, which know of no entries.
func (s *Server) assetFollower() follow.Follower {
	return follow.Follower{Name: "asset", Kinds: s.Assets.Changes(), Effect: follow.InDatabase, Gather: assetGather,
		Apply: func(ctx context.Context, b follow.Batch) error {
			named := make([]asset.Named, len(b.Changes))
			for i, c := range b.Changes {
				named[i] = asset.Named{Change: c.Kind, ID: c.ID}
			}
			again, err := s.Assets.Follow(ctx, b.Tx, named)
			if err != nil {
				return err
			}
			for i, c := range b.Changes { // one may be there for several scopes
				if slices.Contains(again, named[i]) {
					b.Again(c)
				}
			}
			return nil
		},
		Rebuild: func(ctx context.Context, p follow.Portion) (string, error) {
			kind := ""
			if p.Kind != change.Everything {
				var ok bool
				if kind, ok = s.Assets.Of(p.Kind); !ok {
					return "", nil
				}
			}
			return s.Assets.FollowAll(ctx, p.Tx, kind, p.Scope, p.From)
		},
	}
}

// behindAfter is for how long a follower may be unable to go on before it is a finding.
const behindAfter = time.Hour

// followerTroubles are what the followers that this node runs cannot do.
func (s *Server) followerTroubles() (out []cluster.Problem) {
	followers := s.following.Load()
	if followers == nil { // asked while the node starts
		return nil
	}
	for _, t := range followers.Troubles() {
		if t.Failed > 0 {
			out = append(out, cluster.Problem{Requirement: "followers", Code: cluster.CodeFollowFailed,
				Message: fmt.Sprintf("the follower %s could not do %d of the things that were changed", t.Follower, t.Failed),
				Mend: fmt.Sprintf("stoa follow failed %[1]s lists them; then stoa follow retry %[1]s, or discard",
					t.Follower)})
		}
		if t.Stuck > behindAfter && !isSearchFollower(t.Follower) { // searchTrouble says it sooner
			out = append(out, cluster.Problem{Requirement: "followers", Code: cluster.CodeFollowBehind,
				Message: fmt.Sprintf("the follower %s has not gone on for %s, and the change log is kept for it: %v",
					t.Follower, t.Stuck.Round(time.Minute), t.Error),
				Mend: "bring back what it works on; after change.retention it looks at everything again"})
		}
	}
	return out
}

// failedShown is how many things that failed are listed.
const failedShown = 100

// FollowText is what stoa follow prints: the followers, or what one could not do.
func (s *Server) FollowText(ctx context.Context, r ControlRequest) (string, error) {
	if err := stoa.ActorFrom(ctx).Operates("look after followers"); err != nil {
		return "", err
	}
	item := follow.Item{Follower: r.Follower}
	var err error
	text := ""
	switch r.Order {
	case "":
		return s.followersText(ctx)
	case "failed":
		return s.failedText(ctx, r.Follower)
	case "retry":
		text, err = r.Follower+" tries again what had failed.", s.Follow.Retry(ctx, item)
	case "discard":
		text, err = "What "+r.Follower+" could not do is discarded.", s.Follow.Discard(ctx, item)
	case "rebuild":
		text, err = r.Follower+" looks at everything again.", s.Follow.Rebuild(ctx, r.Follower)
	case "forget":
		text, err = r.Follower+" is forgotten. If a node still runs it, it begins anew.", s.Follow.Forget(ctx, r.Follower)
	default:
		err = stoa.Invalid("order", "%.60q is nothing that followers can be told", r.Order)
	}
	if err != nil {
		return "", err
	}
	return text, nil
}

func (s *Server) followersText(ctx context.Context) (string, error) {
	list, err := s.Follow.Statuses(ctx)
	if err != nil {
		return "", err
	}
	if len(list) == 0 {
		return "There are no followers of the change log.", nil
	}
	names, err := cluster.Names(ctx, s.DB)
	if err != nil {
		return "", err
	}
	var b strings.Builder
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "FOLLOWER\tNODE\tUNREAD\tLAG\tWAITING\tFAILED\t")
	for _, st := range list {
		unread, lag := "-", "-"
		if st.Unread >= 0 {
			unread, lag = fmt.Sprint(st.Unread), st.Lag.Round(time.Second).String()
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%d\t%d\t%s\n", st.Name, names[st.Writer], unread, lag, st.Waiting, st.Failed,
			remark(st))
	}
	err = w.Flush()
	return strings.TrimRight(b.String(), "\n"), err
}

// remark says what is special about a follower at present.
func remark(st follow.Status) string {
	switch {
	case st.Stuck > 0:
		return fmt.Sprintf("waits for %s: %s", st.Stuck.Round(time.Second), st.Message)
	case st.Looking != "":
		return "looks at what there is again (" + string(st.Looking) + ")"
	}
	return ""
}

func (s *Server) failedText(ctx context.Context, name string) (string, error) {
	items, err := s.Follow.Failed(ctx, name, failedShown)
	if err != nil {
		return "", err
	}
	if len(items) == 0 {
		return "Nothing failed.", nil
	}
	var b strings.Builder
	for _, i := range items {
		what := i.Kind + " " + i.ID.String()
		if i.ID == 0 {
			what = "everything of " + i.Kind
		}
		fmt.Fprintf(&b, "%s in %s, since %s: %s\n", what, i.Scope, i.Since.UTC().Format(time.DateTime), i.Message)
	}
	if len(items) == failedShown {
		fmt.Fprintf(&b, "and perhaps more: these are the oldest %d\n", failedShown)
	}
	return strings.TrimRight(b.String(), "\n"), nil
}
