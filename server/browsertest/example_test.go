package browsertest

import (
	"bytes"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/stoa-portal/stoa/cluster"
	"github.com/stoa-portal/stoa/server/servertest"
)

// The two-node example that administrators of Liferay know: only the address of the database and the number of
// the node are filled in.
const exampleProperties = `jdbc.default.jndi.name=
jdbc.default.driverClassName=org.mariadb.jdbc.Driver
jdbc.default.url=jdbc:mariadb://%[1]s/dxp_db?useUnicode=true&characterEncoding=UTF-8&useFastDateParsing=false
jdbc.default.username=root
jdbc.default.password=my-secret-pw
cluster.link.enabled=true
cluster.link.channel.logic.name.control=control-channel-logic-name-%[2]d
cluster.link.channel.logic.name.transport.0=transport-channel-logic-name-%[2]d
cluster.link.autodetect.address=%[1]s
web.server.display.node=true
dl.store.impl=com.liferay.portal.store.db.DBStore
`

// The example's file for a search server, which lies in the home. The test gives it a prefix of its own.
const exampleSearch = `operationMode="REMOTE"
transportAddresses="%s"
clusterName="LiferayElasticsearchCluster"
indexNamePrefix="%s"
`

const exampleSearchFile = "osgi/configs/com.liferay.portal.search.elasticsearch6.configuration.ElasticsearchConfiguration.config"

// Two processes with the example's files are one portal: a page made on one is seen on the other, and one serves
// on when the other stops.
func TestExample_TwoNodesOnMariaDB(t *testing.T) {
	database := mariaDB(t)
	x := &example{t: t, dir: t.TempDir(), program: build(t), database: database, search: searchServer(t),
		prefix: "example-" + strings.ToLower(rand.Text()) + "-"}
	t.Cleanup(x.dropIndexes)
	one := x.start(1)
	setup := one.until(regexp.MustCompile(`http://\S+/account/setup\?token=\S+`))
	two := x.start(2)
	for _, n := range []*process{one, two} {
		if strings.Contains(n.logged(), "dl.store.impl") {
			t.Errorf("%s has something to say of the store in the database:\n%s", n.name, n.logged())
		}
	}

	// The administrator, on node 1.
	b := open(t, one.url)
	b.do(t, "set the password", chromedp.Navigate(setup), chromedp.SendKeys(chromedp.CSS("#new"), servertest.AdminPassword),
		chromedp.SendKeys(chromedp.CSS("#again"), servertest.AdminPassword), chromedp.Submit(chromedp.CSS("#again")), chromedp.WaitVisible(chromedp.CSS("#login")))
	b.signIn(t)
	b.visit(t, "/control/settings", 1440)
	b.do(t, "add a language", chromedp.Click(chromedp.CSS(`[name="locales"][value="de"]`)),
		chromedp.Click(chromedp.CSS(".save-bar .button--primary")), chromedp.WaitVisible(chromedp.CSS(".toast")))
	b.visit(t, "/control/pages/new", 1440)
	b.do(t, "make the page", chromedp.SendKeys(chromedp.CSS(`[name^="title."]`), "New Stuff"), chromedp.Click(chromedp.CSS(`button[name="do"][value="save"]`)), chromedp.WaitVisible(chromedp.CSS(".toast")))
	address := eval[string](t, b, "location.pathname")
	b.visit(t, strings.TrimSuffix(address, "/edit")+"/edit", 1440)
	b.wait(t, "the canvas", `document.querySelector("iframe").contentDocument.querySelector("[data-column]")`)
	b.do(t, "add the language selector", chromedp.Click(chromedp.CSS(`[data-add="language-selector"]`)))
	b.wait(t, "the widget on the canvas", `document.querySelector("iframe").contentDocument.querySelector("[data-widget='language-selector']") && /Saved/.test(document.querySelector("[data-state]").textContent)`)
	b.shoot(t, "example-editor")
	b.do(t, "publish", chromedp.Click(chromedp.CSS(`button[value="publish"]`)))
	b.wait(t, "the word that it is published", `/Published\./.test(document.querySelector(".toasts").textContent)`)

	// A visitor, on each.
	for _, n := range []*process{two, one} {
		guest := open(t, n.url)
		n.shows(guest)
		guest.shoot(t, "example-"+n.name)
	}
	for _, n := range []*process{two, one} {
		await(t, "the page to be found on "+n.name, func() bool {
			code, body := n.get("/search?q=stuff")
			return code == http.StatusOK && strings.Contains(body, `href="/new-stuff"`)
		})
	}
	x.awaitStatus(two, "two nodes that are well, with a search server", func(st cluster.Status) bool {
		if !slices.ContainsFunc(st.Requirements(), func(r cluster.Requirement) bool {
			return r.Name == "A separate search server" && r.State == cluster.Met
		}) {
			return false
		}
		return len(st.Nodes) == 2 && len(st.Wrong) == 0 && st.Nodes[0].Name == "control-channel-logic-name-1" && st.Link == "inside"
	})

	// One stops, the other serves on; who was signed in on the first is so on the second.
	one.stop()
	guest := open(t, two.url)
	two.shows(guest)
	b.url = two.url
	x.awaitStatus(two, "one node that is well and one that has left", func(st cluster.Status) bool {
		return len(st.Wrong) == 0 && len(st.Nodes) == 2 && st.Nodes[0].Master && st.Nodes[1].State == cluster.Left
	})
	b.visit(t, "/control/cluster", 1440)
	b.wait(t, "the screen of node 2 says so", `/Nothing is wrong/.test(document.querySelector("#verdict").textContent) && /control-channel-logic-name-2/.test(document.querySelector("#nodes").textContent)`)

	// The first comes back with the same files, as the example says literally.
	again := x.start(1)
	if code, body := again.get("/readyz"); code != http.StatusOK {
		t.Errorf("node 1 when it is back: %d\n%s", code, body)
	}
	again.shows(open(t, again.url))
}

// example is the place where the nodes of the example run.
type example struct {
	t                      *testing.T
	dir, program, database string
	search, prefix         string // where indexes are, and what their names begin with
}

// searchServer gives host and port of a real search server, or skips the test.
func searchServer(t *testing.T) string {
	t.Helper()
	const env = "STOA_TEST_OPENSEARCH"
	address := os.Getenv(env)
	if address == "" {
		if os.Getenv("STOA_TEST_REQUIRE") == "1" {
			t.Fatal(env + " is not set, and a build server leaves nothing out")
		}
		t.Skip("SKIPPED: " + env + " is not set, so the two-node example was not run")
	}
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	return u.Host
}

// dropIndexes removes what the nodes have written to the search server.
func (x *example) dropIndexes() {
	var all []struct {
		Index string `json:"index"`
	}
	x.ask(http.MethodGet, "_cat/indices/"+x.prefix+"*?format=json&h=index", &all)
	for _, i := range all {
		x.ask(http.MethodDelete, i.Index, nil)
	}
}

func (x *example) ask(method, path string, answer any) {
	req, err := http.NewRequest(method, "http://"+x.search+"/"+path, http.NoBody)
	if err != nil {
		x.t.Fatal(err)
	}
	req.Close = true // nothing stays open
	res, err := http.DefaultClient.Do(req)
	if err == nil && answer != nil {
		err = json.NewDecoder(res.Body).Decode(answer)
	}
	if err == nil {
		err = res.Body.Close()
	}
	if err != nil {
		x.t.Errorf("%s %s: %v", req.Method, req.URL, err)
	}
}

// process is one node of the example.
type process struct {
	x    *example
	name string
	url  string
	home string
	port string
	log  string
	cmd  *exec.Cmd
	done chan error
}

// build makes the program as people do.
func build(t *testing.T) string {
	t.Helper()
	program := filepath.Join(t.TempDir(), "stoa")
	if out, err := exec.Command("go", "build", "-o", program, "github.com/stoa-portal/stoa/cmd/stoa").CombinedOutput(); err != nil {
		t.Fatalf("build: %v\n%s", err, out)
	}
	return program
}

// start runs a node with the example's files and waits until it answers.
func (x *example) start(number int, environment ...string) *process {
	x.t.Helper()
	n := &process{x: x, name: fmt.Sprintf("dxp-%d", number), port: freePort(x.t), done: make(chan error, 1)}
	n.home = filepath.Join(x.dir, n.name)
	n.url, n.log = "http://localhost:"+n.port, filepath.Join(x.dir, n.name+"-"+n.port+".log")
	for file, text := range map[string]string{
		"portal-ext.properties": fmt.Sprintf(exampleProperties, x.database, number),
		exampleSearchFile:       fmt.Sprintf(exampleSearch, x.search, x.prefix),
	} {
		path := filepath.Join(n.home, file)
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte(text), 0o600)); err != nil {
			x.t.Fatal(err)
		}
	}
	log, err := os.Create(n.log)
	if err != nil {
		x.t.Fatal(err)
	}
	defer log.Close()
	n.cmd = exec.Command(x.program, "serve", "--home", n.home, "--port", n.port)
	n.cmd.Dir, n.cmd.Stdout, n.cmd.Stderr = n.home, log, log
	n.cmd.Env = append(plainEnvironment(), environment...)
	if err := n.cmd.Start(); err != nil {
		x.t.Fatal(err)
	}
	go func() { n.done <- n.cmd.Wait() }()
	x.t.Cleanup(n.kill)
	await(x.t, n.name+" to answer", func() bool {
		select {
		case err := <-n.done:
			n.done <- err
			x.t.Fatalf("%s ended: %v\n%s", n.name, err, n.logged())
		default:
		}
		res, err := http.Get(n.url + "/livez")
		if err != nil {
			return false
		}
		return res.Body.Close() == nil && res.StatusCode == http.StatusOK
	})
	return n
}

// plainEnvironment is the environment without what would set properties.
func plainEnvironment() (out []string) {
	for _, v := range os.Environ() {
		if !strings.HasPrefix(v, "STOA_") && !strings.HasPrefix(v, "LIFERAY_") {
			out = append(out, v)
		}
	}
	return out
}

// stop ends the node as an operator does.
func (n *process) stop() {
	n.x.t.Helper()
	if err := n.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		n.x.t.Fatal(err)
	}
	select {
	case err := <-n.done:
		n.done <- err
		if err != nil {
			n.x.t.Errorf("%s ended with %v\n%s", n.name, err, n.logged())
		}
	case <-time.After(5 * time.Minute):
		n.x.t.Fatalf("%s does not end\n%s", n.name, n.logged())
	}
}

// kill ends the node at once, if it runs.
func (n *process) kill() {
	_ = n.cmd.Process.Kill()
	n.done <- <-n.done
	if n.x.t.Failed() {
		n.x.t.Logf("log of %s:\n%s", n.name, n.logged())
	}
}

func (n *process) logged() string {
	raw, err := os.ReadFile(n.log)
	if err != nil {
		n.x.t.Fatal(err)
	}
	return string(raw)
}

// until waits for something in the log.
func (n *process) until(want *regexp.Regexp) (found string) {
	n.x.t.Helper()
	await(n.x.t, want.String()+" in the log", func() bool {
		found = want.FindString(n.logged())
		return found != ""
	})
	return found
}

func (n *process) get(path string) (int, string) {
	n.x.t.Helper()
	res, err := http.Get(n.url + path)
	if err != nil {
		n.x.t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		n.x.t.Fatal(err)
	}
	return res.StatusCode, string(body)
}

// shows checks that a visitor sees the page with its widget, and the node's name at the foot.
func (n *process) shows(guest *browser) {
	t := n.x.t
	t.Helper()
	host, err := os.Hostname()
	if err != nil {
		t.Fatal(err)
	}
	await(t, "the page on "+n.name, func() bool { code, _ := n.get("/new-stuff"); return code == http.StatusOK })
	guest.visit(t, "/new-stuff", 1440)
	for what, js := range map[string]string{
		"the title":             `/New Stuff/.test(document.title)`,
		"the language selector": `[...document.querySelectorAll("main a[hreflang]")].map(a => a.hreflang).join() === "en-US,de"`,
		"the name of the node":  fmt.Sprintf(`document.querySelector("footer").textContent.includes("Node: %s:%s")`, host, n.port),
	} {
		if !eval[bool](t, guest, js) {
			t.Errorf("%s does not show %s:\n%s", n.name, what, eval[string](t, guest, "document.body.outerHTML"))
		}
	}
}

// awaitStatus waits until what a node says of the cluster is right.
func (x *example) awaitStatus(n *process, what string, right func(cluster.Status) bool) {
	x.t.Helper()
	await(x.t, what, func() bool {
		cmd := exec.Command(x.program, "cluster", "status", "--json", "--home", n.home)
		cmd.Dir, cmd.Env = n.home, plainEnvironment()
		var errs bytes.Buffer
		cmd.Stderr = &errs
		out, err := cmd.Output()
		if err != nil {
			x.t.Fatalf("%v\n%s", err, errs.String())
		}
		var st cluster.Status
		if err := json.Unmarshal(out, &st); err != nil {
			x.t.Fatal(err)
		}
		return right(st)
	})
}

// wait waits for an expression to become true in the page.
func (b *browser) wait(t *testing.T, what, js string) {
	t.Helper()
	await(t, what, func() bool {
		ok, err := chromedp.Run(b.ctx, chromedp.Evaluate[bool](`(() => { try { return !!(`+js+`) } catch { return false } })()`))
		return err == nil && ok // while the browser goes to another page there is nothing to ask
	})
}

func await(t *testing.T, what string, ok func() bool) {
	t.Helper()
	deadline, tick := time.After(5*time.Minute), time.NewTicker(50*time.Millisecond)
	defer tick.Stop()
	for !ok() {
		select {
		case <-deadline:
			t.Fatal("waited in vain for " + what)
		case <-tick.C:
		}
	}
}

func freePort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	_, port, err := net.SplitHostPort(l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	return port
}

// mariaDB runs the example's database server, with the database and the user that its files name, and gives
// host and port. The server of the test run is not for this: its users are not to be changed.
func mariaDB(t *testing.T) string {
	t.Helper()
	server, installer := program("mariadbd", "/usr/sbin/mariadbd"), program("mariadb-install-db", "/usr/bin/mariadb-install-db")
	if server == "" || installer == "" {
		if os.Getenv("STOA_TEST_REQUIRE") == "1" {
			t.Fatal("there is no mariadbd on this machine")
		}
		t.Skip("SKIPPED: there is no mariadbd on this machine, so the two-node example was not run")
	}
	dir, err := os.MkdirTemp("", "stoa-example") // a socket's path must be short
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	common := []string{"--no-defaults", "--datadir=" + filepath.Join(dir, "data"), "--tmpdir=" + dir, "--skip-name-resolve"}
	if os.Geteuid() == 0 {
		common = append(common, "--user=root")
	}
	if out, err := exec.Command(installer, append(common, "--auth-root-authentication-method=normal", "--skip-test-db")...).CombinedOutput(); err != nil {
		t.Fatalf("%s: %v\n%s", installer, err, out)
	}
	init := filepath.Join(dir, "init.sql")
	if err := os.WriteFile(init, []byte("CREATE OR REPLACE USER 'root'@'127.0.0.1' IDENTIFIED BY 'my-secret-pw';\n"+
		"GRANT ALL PRIVILEGES ON *.* TO 'root'@'127.0.0.1' WITH GRANT OPTION;\nCREATE DATABASE dxp_db CHARACTER SET utf8;\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	port := freePort(t)
	var log bytes.Buffer
	cmd := exec.Command(server, append(common, "--socket="+filepath.Join(dir, "sock"), "--pid-file="+filepath.Join(dir, "pid"), "--bind-address=127.0.0.1",
		"--port="+port, "--init-file="+init, "--innodb-buffer-pool-size=64M", "--innodb-flush-log-at-trx-commit=0", "--performance-schema=off")...)
	cmd.Stdout, cmd.Stderr = &log, &log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		<-ended
		if t.Failed() {
			t.Logf("log of MariaDB:\n%s", log.String())
		}
	})
	address := net.JoinHostPort("127.0.0.1", port)
	await(t, "MariaDB", func() bool {
		c, err := net.DialTimeout("tcp", address, time.Second)
		if err != nil {
			return false
		}
		defer c.Close()
		head := make([]byte, 5) // its greeting comes after its first statements
		_, err = io.ReadFull(c, head)
		return err == nil && head[4] == 10
	})
	return address
}

// program finds a program by name or, where the path does not lead to it, by place.
func program(name, place string) string {
	if found, err := exec.LookPath(name); err == nil {
		return found
	}
	if info, err := os.Stat(place); err == nil && !info.IsDir() {
		return place
	}
	return ""
}
