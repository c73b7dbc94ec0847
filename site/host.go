package site

import (
	"context"
	"net/netip"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"golang.org/x/net/idna"

	"github.com/stoa-portal/stoa"
	"github.com/stoa-portal/stoa/access"
	"github.com/stoa-portal/stoa/audit"
	"github.com/stoa-portal/stoa/db"
)

// Host is a host name that leads to a site.
type Host struct {
	Name     string // as requests carry it: in lower case, letters beyond ASCII as punycode (RFC 5891)
	Instance stoa.ID
	Site     stoa.ID
}

// Display is the name as people write it: "bücher.example" for "xn--bcher-kva.example".
func (h Host) Display() string { return DisplayHost(h.Name) }

// DisplayHost gives a host name as people write it; what is no punycode stays as it is.
func DisplayHost(name string) string {
	if shown, err := idna.Lookup.ToUnicode(name); err == nil {
		return shown
	}
	return name
}

// NormalHost gives a host name in the form in which browsers send it: in lower case, without a dot at the end,
// letters beyond ASCII as punycode (UTS 46, as browsers do). What can never match a request is Invalid in the field
// "hosts": a scheme, a port, a wildcard, several names, an empty label.
func NormalHost(typed string) (string, error) {
	name := strings.TrimSuffix(strings.TrimSpace(typed), ".")
	wrong := func(why stoa.Phrase) (string, error) {
		return "", stoa.Invalid("hosts",
			"%.200q is not a host name, since %s: one such as www.example.org is expected", typed, why)
	}
	switch {
	case name == "":
		return wrong("it is empty")
	case !utf8.ValidString(name):
		return wrong("it is not UTF-8")
	case strings.Contains(name, "://"):
		return wrong("it has a scheme")
	case strings.Contains(name, "*"):
		return wrong("it has a wildcard; each name is entered by itself")
	case strings.ContainsAny(name, ", ;\t\r\n"):
		return wrong("it is more than one word; one name a line")
	case strings.ContainsAny(name, "/@?#%\\"):
		return wrong("it has a path")
	}
	if isAddress(name) {
		return name, nil
	}
	if strings.Contains(name, ":") {
		return wrong("it has a port")
	}
	ascii, err := idna.New(idna.MapForLookup(), idna.BidiRule(), idna.Transitional(false),
		idna.StrictDomainName(false)).ToASCII(name)
	if err != nil {
		return wrong("it has letters that host names cannot have")
	}
	if len(ascii) > 190 {
		return wrong("it is longer than 190 bytes")
	}
	labels := strings.Split(ascii, ".")
	for _, l := range labels {
		if l == "" || len(l) > 63 || l[0] == '-' || l[len(l)-1] == '-' || strings.ContainsFunc(l, func(r rune) bool {
			return !(r >= 'a' && r <= 'z' || r >= '0' && r <= '9' || r == '-' || r == '_')
		}) {
			return wrong("it has a part that is empty, too long or has letters that host names cannot have")
		}
	}
	return ascii, nil
}

// isAddress reports whether browsers take the name for an IP address: they do when its last part is a number
// (WHATWG URL, "ends in a number").
func isAddress(name string) bool {
	if _, err := netip.ParseAddr(strings.Trim(name, "[]")); err == nil {
		return true
	}
	last := name[strings.LastIndexByte(name, '.')+1:]
	hex, isHex := strings.CutPrefix(strings.ToLower(last), "0x")
	if isHex {
		return strings.Trim(hex, "0123456789abcdef") == ""
	}
	return last != "" && strings.Trim(last, "0123456789") == ""
}

// maxHosts is how many host names a site may have: each is looked for among the others.
const maxHosts = 500

// normalHosts gives host names in the form in which they are kept, each once; lines that are empty are left out. More
// than maxHosts are Invalid.
func normalHosts(names []string) ([]string, error) {
	if len(names) > maxHosts {
		return nil, stoa.Invalid("hosts", "a site has at most %d host names; these are %d", maxHosts, len(names))
	}
	var out []string
	for _, n := range names {
		if strings.TrimSpace(n) == "" {
			continue
		}
		name, err := NormalHost(n)
		if err != nil {
			return nil, err
		}
		if !slices.Contains(out, name) {
			out = append(out, name)
		}
	}
	return out, nil
}

// mayBeGiven refuses names that cannot be given to the instance: addresses, which no name stands for, and for all but
// the default instance those by which the portal itself is known.
func (s *Service) mayBeGiven(ctx context.Context, q db.Queryer, instance stoa.ID, name string) error {
	if isAddress(name) {
		return stoa.Invalid("hosts", "%.60q is an address, which always leads to the default site: a name is expected", name)
	}
	if slices.Contains(s.opt.IgnoreHosts, name) {
		return stoa.Invalid("hosts",
			"%q always leads to the default site (virtual.hosts.ignore.hosts): choose another name", name)
	}
	if !s.reserved(name) {
		return nil
	}
	main, err := DefaultInstance(ctx, q)
	if err != nil || main == instance {
		return err
	}
	return stoa.Invalid("hosts",
		"%q is a name of the portal itself (web.server.host, virtual.hosts.valid.hosts, company.default.virtual.host.name) "+
			"and belongs to the default instance: choose another name", name)
}

// reserved reports whether the name, in its normal form, is one of the portal itself.
func (s *Service) reserved(name string) bool {
	return name == "localhost" || slices.ContainsFunc(s.opt.OwnHosts, func(own string) bool {
		if suffix, ok := strings.CutPrefix(own, "*."); ok { // a pattern of virtual.hosts.valid.hosts
			return strings.HasSuffix(name, "."+strings.ToLower(suffix))
		}
		normal, err := NormalHost(own)
		return err == nil && normal == name
	})
}

// Misplaced gives the host names that instances other than the default one have and that are the portal's own: an
// instance may have taken one before they were reserved. Only the portal itself may ask.
func (s *Service) Misplaced(ctx context.Context) ([]Host, error) {
	if !stoa.ActorFrom(ctx).System {
		return nil, stoa.Forbidden("only the portal itself looks for host names that are its own")
	}
	main, err := DefaultInstance(ctx, s.opt.DB)
	if err != nil {
		return nil, err
	}
	list, err := db.All(ctx, s.opt.DB, scanHost, "SELECT name, instance, site FROM site_host WHERE instance <> ?", main)
	return slices.DeleteFunc(list, func(h Host) bool { return !s.reserved(h.Name) }), err
}

// Hosts lists the host names of an instance by name; it is for who manages it and for operators.
func (s *Service) Hosts(ctx context.Context, instance stoa.ID) ([]Host, error) {
	if stoa.ActorFrom(ctx).Operates("see host names") != nil {
		if err := s.opt.Access.Check(ctx, access.Manage, access.InstancePath(instance)); err != nil {
			return nil, err
		}
	}
	return db.All(
		ctx,
		s.opt.DB,
		scanHost,
		"SELECT name, instance, site FROM site_host WHERE instance = ? ORDER BY name",
		instance,
	)
}

// KnownHost reports, from cache, whether the host name was given to a site. It checks no permission: a name that is
// known tells nothing that a request to it does not.
func (s *Service) KnownHost(ctx context.Context, host string) (bool, error) {
	r, err := s.resolve(ctx, host)
	if stoa.Is(err, stoa.KindNotFound) {
		return false, nil
	}
	return r.Named, err
}

// GiveHost gives an instance a further host name, which leads to its first site until another one takes it. It is
// for operators. A name that an instance has is a Conflict, also when it is this one.
func (s *Service) GiveHost(ctx context.Context, instance stoa.ID, name string) error {
	if err := stoa.ActorFrom(ctx).OperatesNow("give an instance host names"); err != nil {
		return err
	}
	name, err := NormalHost(name)
	if err != nil {
		return err
	}
	return s.opt.DB.Write(ctx, func(ctx context.Context, tx *db.Tx) error {
		first, err := firstSite(ctx, tx, instance)
		if err != nil {
			return err
		}
		return s.give(ctx, tx, Host{name, instance, first})
	})
}

func (s *Service) give(ctx context.Context, tx *db.Tx, h Host) error {
	if err := s.mayBeGiven(ctx, tx, h.Instance, h.Name); err != nil {
		return err
	}
	made, err := tx.InsertIgnore(ctx, "site_host", db.Row{"name": h.Name, "instance": h.Instance, "site": h.Site})
	if err == nil && !made {
		taken := stoa.Conflict("%q leads to a site already: take it away there first", h.Display())
		taken.Field = "hosts"
		return taken
	}
	tx.Changed("host", 0, 0, 0)
	audit.Note(tx, audit.HostsSet, audit.Thing{Kind: "instance", ID: h.Instance, Instance: h.Instance}, "+ "+h.Name)
	return err
}

// TakeHost takes a host name from an instance: it leads to the default site from then on, or nowhere where
// virtual.hosts.strict.access is set. It is for operators; a name that the instance does not have is NotFound.
func (s *Service) TakeHost(ctx context.Context, instance stoa.ID, name string) error {
	if err := stoa.ActorFrom(ctx).OperatesNow("take host names from an instance"); err != nil {
		return err
	}
	return s.opt.DB.Write(ctx, func(ctx context.Context, tx *db.Tx) error {
		n, err := drop(ctx, tx, name, instance)
		if err == nil && n == 0 {
			err = stoa.NotFound("host name of this instance", name)
		}
		tx.TakesAway(func(ctx context.Context, tx *db.Tx) error {
			_, err := drop(ctx, tx, name, instance)
			return err
		})
		audit.Note(tx, audit.HostsSet, audit.Thing{Kind: "instance", ID: instance, Instance: instance}, "- "+name)
		return err
	})
}

// SetHosts says which host names lead to a site; it needs Manage on its instance. Names that the instance has are
// taken from its other sites, and those that are left out lead to the first site of the instance, which therefore
// keeps what no other site takes: then the answer is Invalid. Operators add new names besides, and what they leave
// out is taken from the instance. What changes something wants a fresh sign-in.
func (s *Service) SetHosts(ctx context.Context, site stoa.ID, names []string) error {
	set, err := s.hostsSetter(ctx, site, names)
	if err != nil {
		return err
	}
	return s.opt.DB.Write(ctx, set)
}

// hostsSetter gives what SetHosts does within a transaction, after all that can be asked before it.
func (s *Service) hostsSetter(
	ctx context.Context, site stoa.ID, names []string,
) (func(ctx context.Context, tx *db.Tx) error, error) {
	st, err := s.row(ctx, s.opt.DB, site)
	if err != nil {
		return nil, err
	}
	if err := s.opt.Access.Check(ctx, access.Manage, access.InstancePath(st.Instance)); err != nil {
		return nil, err
	}
	wanted, err := normalHosts(names)
	if err != nil {
		return nil, err
	}
	operates := stoa.ActorFrom(ctx).Operates("add host names") == nil
	return func(ctx context.Context, tx *db.Tx) error {
		first, err := firstSite(ctx, tx, st.Instance)
		if err != nil {
			return err
		}
		have, err := db.All(ctx, tx, scanHost,
			"SELECT name, instance, site FROM site_host WHERE instance = ?"+tx.Dialect().ForUpdate(), st.Instance)
		if err != nil {
			return err
		}
		same := 0
		for _, h := range have {
			switch {
			case h.Site != st.ID:
			case slices.Contains(wanted, h.Name):
				same++
			default:
				same = -len(have) // one is left out
			}
		}
		if same == len(wanted) {
			return nil
		}
		if err := stoa.ActorFrom(ctx).Fresh(time.Now(), "change host names"); err != nil {
			return err
		}
		for _, name := range wanted {
			i := slices.IndexFunc(have, func(h Host) bool { return h.Name == name })
			switch {
			case i < 0 && operates:
				err = s.give(ctx, tx, Host{name, st.Instance, st.ID})
			case i < 0:
				err = stoa.Invalid("hosts", "%.200q is not a host name of this portal: an operator of the installation "+
					"gives it new ones, then sites can have them", name)
			case have[i].Site != st.ID && slices.Contains(s.opt.IgnoreHosts, name):
				err = s.mayBeGiven(ctx, tx, st.Instance, name)
			case have[i].Site != st.ID:
				err = point(ctx, tx, have[i], st.ID)
			}
			if err != nil {
				return err
			}
		}
		for _, h := range have {
			switch {
			case h.Site != st.ID || slices.Contains(wanted, h.Name):
				continue
			case operates:
				_, err = drop(ctx, tx, h.Name, st.Instance)
				tx.TakesAway(func(ctx context.Context, tx *db.Tx) error {
					_, err := drop(ctx, tx, h.Name, st.Instance)
					return err
				})
			case st.ID == first:
				err = stoa.Invalid("hosts", "%q leads to the first site until another one takes it: add it there", h.Display())
			default:
				err = point(ctx, tx, h, first)
			}
			if err != nil {
				return err
			}
		}
		tx.Changed("host", 0, 0, 0)
		audit.Note(tx, audit.HostsSet, st.thing(), strings.Join(wanted, ", "))
		return nil
	}, nil
}

// point makes a host name lead to another site: what it showed is not to be seen there any more.
func point(ctx context.Context, tx *db.Tx, h Host, site stoa.ID) error {
	lead := func(ctx context.Context, tx *db.Tx) error {
		n, err := tx.Affected(ctx, "UPDATE site_host SET site = ? WHERE name = ? AND instance = ? AND site = ?",
			site, h.Name, h.Instance, h.Site)
		if n > 0 {
			tx.Changed("host", 0, 0, 0)
		}
		return err
	}
	tx.TakesAway(lead)
	return lead(ctx, tx)
}

// drop takes a host name from an instance.
func drop(ctx context.Context, tx *db.Tx, name string, instance stoa.ID) (int64, error) {
	n, err := tx.Affected(ctx, "DELETE FROM site_host WHERE name = ? AND instance = ?", name, instance)
	if n > 0 {
		tx.Changed("host", 0, 0, 0)
	}
	return n, err
}

func firstSite(ctx context.Context, q db.Queryer, instance stoa.ID) (stoa.ID, error) {
	st, err := db.One(ctx, q, scanSite, selectSite+" WHERE instance = ? ORDER BY id LIMIT 1", instance)
	if db.IsNoRows(err) {
		return 0, stoa.NotFound("instance", instance)
	}
	return st.ID, err
}
