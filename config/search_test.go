package config

import (
	"encoding/pem"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stoa-portal/stoa/search/remote"
)

const searchServer = "search.engine=server\nsearch.server.hosts=https://search1:9200\n"

// authority gives a PEM file with a certificate.
func authority(t *testing.T) string {
	t.Helper()
	s := httptest.NewTLSServer(http.NotFoundHandler())
	defer s.Close()
	path := filepath.Join(t.TempDir(), "ca.pem")
	text := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw})
	if err := os.WriteFile(path, text, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestSearch_EachSettingIsRead(t *testing.T) {
	t.Parallel()
	c, err := ext(t, "")
	want := Search{Engine: SearchEmbedded, Prefix: "liferay-", Replicas: "0-1", Shards: 1, Timeout: 10 * time.Second}
	if err != nil || !reflect.DeepEqual(c.Search, want) {
		t.Errorf("by default: %+v, %v", c.Search, err)
	}
	ca := authority(t)
	c, err = ext(t, "search.engine=SERVER\nsearch.server.hosts=https://search1:9200/, search2 ,[::1]:9201\n"+
		"search.server.user=stoa\nsearch.server.password=p w\nsearch.server.ca="+ca+"\nsearch.server.prefix=city-\n"+
		"search.server.replicas=0-all\nsearch.server.shards=3\nsearch.server.timeout=1500ms\n")
	if err != nil {
		t.Fatal(err)
	}
	want = Search{Engine: SearchServer, User: "stoa", Password: "p w", CAFile: ca, Prefix: "city-", Replicas: "0-all",
		Hosts:  []string{"https://search1:9200", "http://search2:9200", "http://[::1]:9201"},
		Shards: 3, Timeout: 1500 * time.Millisecond}
	if !reflect.DeepEqual(c.Search, want) || len(c.Warnings()) > 0 {
		t.Errorf("%+v, want %+v\n%v", c.Search, want, c.Warnings())
	}
	c, err = ext(t, searchServer+"search.server.api.key=a2V5\n")
	if err != nil || c.Search.APIKey != "a2V5" {
		t.Errorf("the API key: %v", err)
	}
	for _, name := range []string{nameSearchPassword, nameSearchKey} {
		if !value(t, c, name).Secret {
			t.Errorf("%s is no secret", name)
		}
	}
}

func TestSearch_NodesCompareAllButTheFileOfTheAuthority(t *testing.T) {
	t.Parallel()
	var names []string
	for _, p := range sectionSearch().Props {
		if p.Shared {
			names = append(names, p.Name)
		}
	}
	want := []string{nameSearchEngine, nameSearchHosts, nameSearchUser, nameSearchPassword, nameSearchKey,
		nameSearchPrefix, nameSearchReplicas, nameSearchShards, "search.server.timeout"}
	if !slices.Equal(names, want) {
		t.Errorf("shared are %q", names)
	}
	one, _ := shared(t, "salt", "search.engine=server\nsearch.server.hosts=search1\n")
	two, _ := shared(t, "salt", "search.engine=server\nsearch.server.hosts=http://search1:9200/\nsearch.server.ca="+
		authority(t))
	if !maps.Equal(one, two) {
		t.Errorf("%q differ, though both say the same", differing(one, two))
	}
}

func TestSearch_SecretsMayStandInFiles(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for name, text := range map[string]string{"good": "hunter2\n", "lines": "one\ntwo\n", "empty": "\n"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	c, err := ext(t, searchServer+"search.server.user=stoa\nsearch.server.password=file:"+dir+"/good")
	if err != nil || c.Search.Password != "hunter2" {
		t.Errorf("the password: %v", err)
	}
	c, err = ext(t, searchServer+"search.server.api.key=file:"+dir+"/good")
	if err != nil || c.Search.APIKey != "hunter2" {
		t.Errorf("the API key: %v", err)
	}
	for file, says := range map[string]string{"none": "cannot be read", "empty": "is empty", "lines": "a line end"} {
		_, err = ext(t, searchServer+"search.server.api.key=file:"+dir+"/"+file)
		wants(t, err, nameSearchKey, says)
	}
}

// refused are settings that cannot be meant, with what is said of them.
func refused(t *testing.T) map[string]string {
	t.Helper()
	text := filepath.Join(t.TempDir(), "text")
	if err := os.WriteFile(text, []byte("no certificate"), 0o600); err != nil {
		t.Fatal(err)
	}
	return map[string]string{
		"search.engine=server\n":                                     "no search server is named; set search.server.hosts",
		"search.engine=server\nsearch.server.hosts= , \n":            "no search server is named; set search.server.hosts",
		searchServer + "search.server.user=stoa\n":                   "search.server.password is not; set both or none",
		searchServer + "search.server.password=p\n":                  "search.server.user is not; set both or none",
		searchServer + "search.server.hosts=ftp://search1\n":         "begins with ftp; http or https is expected",
		searchServer + "search.server.hosts=a,https://u:hunter2@b\n": "the address of b has a user in it",
		searchServer + "search.server.hosts=u:hunter2@b:9200\n":      "the address of b:9200 has a user in it",
		searchServer + "search.server.hosts=https://\n":              "an address cannot be read",
		searchServer + "search.server.hosts=https://a:x/hunter2\n":   "an address cannot be read",
		searchServer + "search.server.hosts=http://a/?x=y\n":         "has more than a path",
		searchServer + "search.server.hosts=http://a/#x\n":           "has more than a path",
		searchServer + "search.server.prefix=Liferay-\n":             "small letters, digits",
		searchServer + "search.server.prefix=-a\n":                   "small letters, digits",
		searchServer + "search.server.replicas=some\n":               "a number of copies such as 1",
		searchServer + "search.server.replicas=all-0\n":              "a number of copies such as 1",
		searchServer + "search.server.shards=1025\n":                 "a whole number from 1 to 1024",
		searchServer + "search.server.shards=-1\n":                   "a whole number from 1 to 1024",
		searchServer + "search.server.timeout=-1s\n":                 "a duration with its unit",
		searchServer + "search.server.ca=" + text + "\n":             "has no certificate in it",
		searchServer + "search.server.user=stoa\nsearch.server.password=p\nsearch.server.api.key=a2V5\n": "so is " +
			"search.server.user (portal-ext.properties:3); one of the two is expected",
		searchServer + "search.server.user=st\\noa\nsearch.server.password=p\n":   "a line end or another control character",
		searchServer + "search.server.user=stoa\nsearch.server.password=p\\u007f": "a line end or another control character",
		searchServer + "search.server.api.key=a\\tb\n":                            "a line end or another control character",
	}
}

func TestSearch_WhatCannotBeMeantIsRefused(t *testing.T) {
	t.Parallel()
	for text, says := range refused(t) {
		c, err := Examine(Options{WorkDir: write(t, map[string]string{"portal-ext.properties": text})})
		if err == nil || !strings.Contains(err.Error(), says) || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%q: %v, want %q", text, err, says)
			continue
		}
		var b strings.Builder
		c.Print(&b, true)
		if strings.Contains(text, "@") && strings.Contains(b.String(), "hunter2") {
			t.Errorf("%q: the report shows the password:\n%s", text, b.String())
		}
	}
	for text, says := range map[string]string{
		"search.engine=lucene":                       "one of embedded, server",
		"search.server.timeout=10":                   "a duration with its unit",
		searchServer + "search.server.ca=/no/such":   "cannot be read",
		searchServer + "search.server.prefix=":       "small letters, digits",
		searchServer + "search.server.timeout=11m\n": "to 10m",
	} {
		_, err := ext(t, text)
		wants(t, err, says)
	}
}

// What the engine refuses must be refused before a node starts with it, and nothing else.
func TestSearch_RulesAreThoseOfTheEngine(t *testing.T) {
	t.Parallel()
	open := func(text string) error {
		// The settings as they were before they were checked.
		r := newReader(newRegistry(), t.TempDir(), "", "")
		lines, _ := lex(builtIn + "\n" + text)
		r.take(lines, "", "")
		c := &Config{}
		e := newExpander(r.reg, r.fixed, r.values)
		raw := func(name string) string { return e.value(name).value }
		r.fill(c, e)
		o := remote.Options{Hosts: splitList(raw(nameSearchHosts)), User: raw(nameSearchUser),
			Password: raw(nameSearchPassword), APIKey: raw(nameSearchKey), Prefix: raw(nameSearchPrefix),
			Replicas: raw(nameSearchReplicas), Shards: c.Search.Shards, Timeout: c.Search.Timeout}
		switch raw(nameSearchShards) {
		case "1025":
			o.Shards = 1025
		case "-1":
			o.Shards = -1
		}
		if strings.HasPrefix(raw("search.server.timeout"), "-") {
			o.Timeout = -time.Second
		}
		if path := raw(nameSearchCA); path != "" {
			o.CA, _ = os.ReadFile(path)
		}
		engine, err := remote.Open(o)
		if err == nil {
			err = engine.Close()
		}
		return err
	}
	for text := range refused(t) {
		if open(text) == nil {
			t.Errorf("%q: the engine takes it", text)
		}
	}
	for _, text := range []string{searchServer,
		"search.engine=server\nsearch.server.hosts=search1,search2:9201/path/,[::1]",
		searchServer + "search.server.user=stoa\nsearch.server.password=p", searchServer + "search.server.api.key=a2V5",
		searchServer + "search.server.ca=" + authority(t),
		searchServer + "search.server.replicas=0-all\nsearch.server.shards=1024\nsearch.server.prefix=0",
		searchServer + "search.server.replicas=99\nsearch.server.prefix=a_.-z"} {
		if _, err := ext(t, text); err != nil {
			t.Errorf("%q is refused: %v", text, err)
		}
		if err := open(text); err != nil {
			t.Errorf("%q: the engine refuses it: %v", text, err)
		}
	}
}

func TestSearch_WithoutAServerItsSettingsRest(t *testing.T) {
	t.Parallel()
	c, err := ext(t, "search.server.hosts=ftp://x\nsearch.server.user=only\nsearch.server.ca=/no/such\n"+
		"search.server.api.key=file:/no/such\n")
	if err != nil || warned(c, "search.server.hosts at portal-ext.properties:1 is not used", "set it to server") != 1 ||
		len(c.Warnings()) != 1 {
		t.Errorf("%v, %v", err, c.Warnings())
	}
	c, err = ext(t, "index.on.startup=true\nindex.search.limit=5\nindex.search.spell.checker.enabled=true\n"+
		"index.search.scoring.enabled=true\n")
	if err != nil ||
		warned(c, "4 properties that are set are known", "index.on.startup", "index.search.scoring.enabled") != 1 {
		t.Errorf("Liferay's properties: %v, %v", err, c.Warnings())
	}
}

func FuzzSearchHost(f *testing.F) {
	for _, s := range []string{
		"search1", "https://a:9200/x/", "[::1]", "u:p@a", "http://a?b", "://", "a b", "ftp://a/#c",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, address string) {
		written, problem := searchHost(address)
		if (written == "") == (problem == "") {
			t.Fatalf("%q is %q, %q", address, written, problem)
		}
		if again, wrong := searchHost(written); problem == "" && (wrong != "" || again != written) {
			t.Errorf("%q is written as %q, and that as %q, %q", address, written, again, wrong)
		}
		engine, err := remote.Open(remote.Options{Hosts: []string{address}})
		if (err == nil) != (problem == "") {
			t.Fatalf("%q: %q, and the engine says %v", address, problem, err)
		}
		if err == nil {
			_ = engine.Close()
		}
	})
}
