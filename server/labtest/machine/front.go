//go:build linux

package machine

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// Front is what stands between nodes and the servers of a group: one address for all of them.
type Front struct {
	Host *Host
	Port int

	socket  string // of HAProxy
	servers []string
}

// balancingTCP is how HAProxy stands before database servers. It looks whether a server answers, not whether it
// takes writes, and who is connected stays connected: as in many places, and what a portal has to live with.
const balancingTCP = `global
  maxconn 2000
  stats socket %s level admin
defaults
  mode tcp
  timeout connect 1s
  timeout client 1h
  timeout server 1h
  timeout check 1s
listen database
  bind %s:%d
  balance %s
  option %s
  default-server inter 300ms fall 2 rise 2 on-marked-down shutdown-sessions
`

// FrontTCP starts HAProxy on the host before all servers of the group. With Galera all servers are used by turns,
// else the first that answers.
func (h *Host) FrontTCP(ctx context.Context, g *Group) (*Front, error) {
	f := &Front{Host: h, Port: g.Servers[0].Port(), socket: filepath.Join(h.lab.Dir, h.Name+".sock")}
	balance, check := "first", "pgsql-check user stoa"
	if g.Kind == Galera {
		balance = "leastconn"
	}
	if g.Engine != Postgres {
		check = "mysql-check"
	}
	var b strings.Builder
	fmt.Fprintf(&b, balancingTCP, f.socket, h.Addr, f.Port, balance, check)
	for i, d := range g.Servers {
		role := ""
		if i > 0 && g.Kind != Galera {
			role = " backup"
		}
		fmt.Fprintf(&b, "  server %s %s:%d check%s\n", d.Host.Name, d.Host.Addr, d.Port(), role)
		f.servers = append(f.servers, d.Host.Name)
	}
	file := filepath.Join(h.lab.Dir, h.Name+".cfg")
	if err := os.WriteFile(file, []byte(b.String()), 0o644); err != nil {
		return nil, err
	}
	return f, f.start(ctx, Command{Name: h.Name, Argv: []string{"haproxy", "-db", "-f", file}})
}

func (f *Front) start(ctx context.Context, c Command) error {
	p, err := f.Host.Start(c)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	return p.Await(ctx, func(ctx context.Context) error {
		c, err := f.Host.Dial(ctx, "tcp4", fmt.Sprintf("%s:%d", f.Host.Addr, f.Port))
		if err != nil {
			return err
		}
		return c.Close()
	})
}

// Route leads everything to one server and ends what leads to others.
func (f *Front) Route(to string) error {
	var commands []string
	for _, name := range f.servers {
		if name == to {
			commands = append(commands, "set server database/"+name+" state ready")
			continue
		}
		commands = append(commands, "set server database/"+name+" state maint", "shutdown sessions server database/"+name)
	}
	c, err := net.DialTimeout("unix", f.socket, 5*time.Second)
	if err != nil {
		return err
	}
	defer c.Close()
	if _, err := io.WriteString(c, strings.Join(commands, ";")+"\n"); err != nil {
		return err
	}
	said, err := io.ReadAll(bufio.NewReader(c))
	if text := strings.TrimSpace(string(said)); err == nil && text != "" {
		err = errors.New(text)
	}
	return err
}

// poolerConfig is a pooler that knows nothing of its clients: parameters that it does not know are refused.
const poolerConfig = `[databases]
stoa = host=%s port=5432
[pgbouncer]
listen_addr = %s
listen_port = 5432
unix_socket_dir =
auth_type = trust
auth_file = %s
pool_mode = %s
max_client_conn = 500
default_pool_size = 100
server_connect_timeout = 2
server_login_retry = 1
`

// FrontPooler starts PgBouncer on the host before a PostgreSQL server; mode is "session" or "transaction".
func (h *Host) FrontPooler(ctx context.Context, d *Database, mode string) (*Front, error) {
	f := &Front{Host: h, Port: 5432}
	users, file := filepath.Join(h.lab.Dir, h.Name+".users"), filepath.Join(h.lab.Dir, h.Name+".ini")
	text := fmt.Sprintf(poolerConfig, d.Host.Addr, h.Addr, users, mode)
	err := errors.Join(os.WriteFile(users, []byte("\"stoa\" \"\"\n"), 0o644), os.WriteFile(file, []byte(text), 0o644))
	if err != nil {
		return nil, err
	}
	return f, f.start(ctx, Command{Name: h.Name, User: "postgres", Dir: "/", Argv: []string{"pgbouncer", file}})
}

// URL is what nodes are given.
func (f *Front) URL(e Engine) string {
	if e == Postgres {
		return fmt.Sprintf("postgres://stoa@%s:%d/stoa?sslmode=disable", f.Host.Addr, f.Port)
	}
	return fmt.Sprintf("%s://stoa:stoa@%s:%d/stoa", e, f.Host.Addr, f.Port)
}
